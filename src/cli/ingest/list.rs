//! `lakegate ingest list`: what a source has, before anything is brought in.
//!
//! For a person a line for each table, and with `--columns` one for each column; for a program everything as JSON.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::cli::shell::table::printable;
use crate::error::{Error, Result};
use crate::ingest::source::discovery::{DiscoveredColumn, DiscoveredTable, Discovery, ForeignKey, TableKind};
use crate::ingest::source::{self, ReadOptions};
use crate::query::sql_type;

/// How wide a name may be before the columns of its line are pushed to the right.
const WIDEST: usize = 60;

/// `lakegate ingest list …`
#[derive(clap::Args)]
pub struct Args {
    /// postgres://…, mysql://… or sqlite://…
    #[arg(long)]
    source: String,
    /// Names, or patterns with `*`; all tables of all schemas unless given.
    #[arg(long, value_delimiter = ',')]
    tables: Vec<String>,
    /// Names or patterns of tables to leave out.
    #[arg(long, value_delimiter = ',', value_name = "TABLES")]
    exclude: Vec<String>,
    /// Also list the columns of each table.
    #[arg(long)]
    columns: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand. It needs no configuration and changes nothing.
pub(super) async fn run(args: Args) -> Result<()> {
    let source = source::open(&args.source, ReadOptions::default()).await?;
    let found = source.discover(&args.tables).await?.without(&args.exclude)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let told = match args.json {
        true => json(&mut out, &source.redacted_url(), &found),
        false => lines(&mut out, &found, args.columns),
    };
    match told.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => return Err(Error::internal(fault)),
        _ => {}
    }
    let refused = found.tables.iter().filter(|table| table.problem().is_some()).count();
    eprintln!("{} tables and views, of which {refused} cannot be brought in as they are", found.tables.len());
    Ok(())
}

/// A password may be part of the source's URL, so it is not shown.
impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("tables", &self.tables).finish_non_exhaustive()
    }
}

fn lines(out: &mut impl Write, found: &Discovery, columns: bool) -> io::Result<()> {
    let names = found.tables.iter().map(|table| printable(&table.full_name())).collect::<Vec<_>>();
    let width = names.iter().map(|name| name.width().min(WIDEST)).max().unwrap_or(0).max("table".len());
    writeln!(out, "{}  kind               {:>13}  columns  key", padded("table", width), "rows about")?;
    for (name, table) in names.iter().zip(&found.tables) {
        let rows = table.estimate.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let kind = kind(table.kind);
        let start = format!("{}  {kind:17}  {rows:>13}  {:>7}", padded(name, width), table.columns.len());
        let key = if table.key.is_empty() { "-".to_owned() } else { printable(&table.key.join(", ")) };
        let words = notes(table).iter().map(|note| format!("  [{}]", printable(note))).collect::<String>();
        writeln!(out, "{start}  {key}{words}")?;
        if columns {
            table.columns.iter().try_for_each(|column| line(out, table, column))?;
        }
    }
    Ok(())
}

/// What there is to say of a table beside its figures.
fn notes(table: &DiscoveredTable) -> Vec<String> {
    let problem = table.problem().map(|problem| format!("not to be brought in: {problem}"));
    let some = table.shows_some_rows.then(|| SOME_ROWS.to_owned());
    problem.into_iter().chain(some).chain(table.comment.clone()).collect()
}

const SOME_ROWS: &str = "row level security shows this account some of its rows alone";

fn line(out: &mut impl Write, table: &DiscoveredTable, column: &DiscoveredColumn) -> io::Result<()> {
    let from = column.source_type.as_deref().map(|of| format!(" {of} →")).unwrap_or_default();
    let becomes = match &column.lake_type {
        Ok(of) => sql_type(of),
        Err(_) => "nothing".to_owned(),
    };
    let null = if column.nullable { "" } else { " not null" };
    let foreign = table.foreign_keys.iter().filter(|foreign| foreign.columns.contains(&column.name));
    let foreign = foreign.map(|foreign| format!(" → {}", place(foreign))).collect::<String>();
    let comment = column.comment.as_ref().map(|comment| format!("  [{comment}]")).unwrap_or_default();
    let text = format!("{}{from} {becomes}{null}{foreign}{comment}", column.name);
    writeln!(out, "    {}", printable(&text))
}

fn place(foreign: &ForeignKey) -> String {
    let schema = foreign.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}({})", foreign.table, foreign.references.join(", "))
}

fn kind(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Table => "table",
        TableKind::View => "view",
        TableKind::MaterializedView => "materialized view",
        TableKind::ForeignTable => "foreign table",
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Everything as it is for a program.
#[derive(Serialize)]
struct Document<'a> {
    source: &'a str,
    schemas: Vec<Schema<'a>>,
    tables: Vec<Table<'a>>,
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    comment: Option<&'a str>,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: Option<&'a str>,
    name: &'a str,
    kind: &'static str,
    comment: Option<&'a str>,
    row_estimate: Option<u64>,
    primary_key: &'a [String],
    foreign_keys: Vec<Foreign<'a>>,
    columns: Vec<Column<'a>>,
    /// Why it cannot be brought in.
    problem: Option<&'a str>,
    row_level_security: bool,
}

#[derive(Serialize)]
struct Foreign<'a> {
    columns: &'a [String],
    schema: Option<&'a str>,
    table: &'a str,
    references: &'a [String],
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    source_type: Option<&'a str>,
    #[serde(rename = "type")]
    lake_type: Option<String>,
    nullable: bool,
    comment: Option<&'a str>,
    problem: Option<&'a str>,
}

fn json(out: &mut impl Write, source: &str, found: &Discovery) -> io::Result<()> {
    let schemas = found.schemas.iter();
    let document = Document {
        source,
        schemas: schemas
            .map(|schema| Schema { name: &schema.name, comment: schema.comment.as_deref() })
            .collect(),
        tables: found.tables.iter().map(Table::of).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

impl<'a> Table<'a> {
    fn of(table: &'a DiscoveredTable) -> Self {
        let foreign = |foreign: &'a ForeignKey| Foreign {
            columns: &foreign.columns,
            schema: foreign.schema.as_deref(),
            table: &foreign.table,
            references: &foreign.references,
        };
        Self {
            schema: table.schema.as_deref(),
            name: &table.name,
            kind: kind(table.kind),
            comment: table.comment.as_deref(),
            row_estimate: table.estimate,
            primary_key: &table.key,
            foreign_keys: table.foreign_keys.iter().map(foreign).collect(),
            columns: table.columns.iter().map(Column::of).collect(),
            problem: table.problem(),
            row_level_security: table.shows_some_rows,
        }
    }
}

impl<'a> Column<'a> {
    fn of(column: &'a DiscoveredColumn) -> Self {
        Self {
            name: &column.name,
            source_type: column.source_type.as_deref(),
            lake_type: column.lake_type.as_ref().ok().map(sql_type),
            nullable: column.nullable,
            comment: column.comment.as_deref(),
            problem: column.lake_type.as_ref().err().map(String::as_str),
        }
    }
}

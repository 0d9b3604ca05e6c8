//! `lakegate ingest list`: what a source has, before anything is brought in.
//!
//! For a person a line for each table, and with `--columns` one for each column; for a program everything as JSON.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::WhichArgs;
use crate::cli::shell::table::printable;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ingest::personal::Finding;
use crate::ingest::personal_columns::personal_columns;
use crate::ingest::source::discovery::{DiscoveredColumn, DiscoveredTable, Discovery, ForeignKey, TableKind};
use crate::ingest::source::files::FileOptions;
use crate::ingest::source::{self, ReadOptions, Source, SourceTable};
use crate::lake::Lake;
use crate::query::sql_type;

/// How wide a name may be before the columns of its line are pushed to the right.
const WIDEST: usize = 60;

/// `lakegate ingest list …`
#[derive(clap::Args)]
pub struct Args {
    /// postgres://…, mysql://… or sqlite://…
    #[arg(long)]
    source: String,
    #[command(flatten)]
    which: WhichArgs,
    /// Also list the columns of each table.
    #[arg(long)]
    columns: bool,
    /// Also read some rows of each table and tell which columns look personal, by their names and values.
    #[arg(long, value_name = "ROWS", num_args = 0..=1, default_missing_value = DEFAULT_ROWS)]
    sample: Option<usize>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// How many rows tell enough.
const DEFAULT_ROWS: &str = "500";

/// For each table the columns of it that look personal.
type Personal = Vec<BTreeMap<String, Finding>>;

/// Runs the subcommand. It changes nothing, and needs a configuration only to reach files as the lake is reached.
pub(super) async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let options = ReadOptions::default();
    // Files are reached as the lake is; a database needs nothing of this gateway.
    let source = match source::files::are_at(&args.source) {
        true => {
            let lake = Lake::new(&Config::load(config.as_deref())?.lake)?;
            source::open_with_files(&args.source, options, FileOptions::of(&lake)).await?
        }
        false => source::open(&args.source, options).await?,
    };
    let found = source.discover(&args.which.tables).await?.without(&args.which.exclude)?;
    let personal = match args.sample {
        Some(rows) => personal(source.as_ref(), &args.which.tables, &found, rows).await?,
        None => Personal::new(),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let told = match args.json {
        true => json(&mut out, &source.redacted_url(), &found, &personal),
        false => lines(&mut out, &found, &personal, args.columns),
    };
    match told.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => return Err(Error::internal(fault)),
        _ => {}
    }
    let refused = found.tables.iter().filter(|table| table.problem().is_some()).count();
    if args.sample.is_some() {
        let columns = personal.iter().map(BTreeMap::len).sum::<usize>();
        eprintln!("{columns} columns look personal; what is told of them is to be judged by a person");
    }
    eprintln!("{} tables and views, of which {refused} cannot be brought in as they are", found.tables.len());
    Ok(())
}

/// A password may be part of the source's URL, so it is not shown.
impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("tables", &self.which.tables).finish_non_exhaustive()
    }
}

/// What is found in a sample of each table that can be read.
async fn personal(
    source: &dyn Source,
    patterns: &[String],
    found: &Discovery,
    rows: usize,
) -> Result<Personal> {
    if found.tables.is_empty() {
        return Ok(Personal::new());
    }
    let patterns = match (patterns, found.schemas.is_empty()) {
        ([], true) => vec!["*".to_owned()],
        ([], false) => vec!["*.*".to_owned()],
        (patterns, _) => patterns.to_vec(),
    };
    let mut snapshot = source.snapshot(&patterns).await?;
    let named = |table: &SourceTable| ((table.schema_name.clone(), table.name.clone()), table.clone());
    let mut tables = snapshot.tables().iter().map(named).collect::<HashMap<_, _>>();
    let mut all = Personal::with_capacity(found.tables.len());
    for table in &found.tables {
        let of = tables.remove(&(table.schema.clone(), table.name.clone()));
        all.push(match of.filter(|_| table.unreadable.is_none()) {
            Some(of) => personal_columns(snapshot.as_mut(), &of, rows).await.into_iter().collect(),
            None => BTreeMap::new(),
        });
    }
    Ok(all)
}

fn lines(out: &mut impl Write, found: &Discovery, personal: &Personal, columns: bool) -> io::Result<()> {
    let names = found.tables.iter().map(|table| printable(&table.full_name())).collect::<Vec<_>>();
    let width = names.iter().map(|name| name.width().min(WIDEST)).max().unwrap_or(0).max("table".len());
    writeln!(out, "{}  kind               {:>13}  columns  key", padded("table", width), "rows about")?;
    for (at, (name, table)) in names.iter().zip(&found.tables).enumerate() {
        let rows = table.estimate.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let kind = kind(table.kind);
        let start = format!("{}  {kind:17}  {rows:>13}  {:>7}", padded(name, width), table.columns.len());
        let key = if table.key.is_empty() { "-".to_owned() } else { printable(&table.key.join(", ")) };
        let words = notes(table).iter().map(|note| format!("  [{}]", printable(note))).collect::<String>();
        writeln!(out, "{start}  {key}{words}")?;
        if columns {
            table.columns.iter().try_for_each(|column| line(out, table, column))?;
        }
        for (column, Finding { kind, evidence }) in personal.get(at).into_iter().flatten() {
            writeln!(out, "    {} looks like {kind}: {evidence}", printable(column))?;
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
    /// What it looks like, where a sample was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    personal: Option<Looks<'a>>,
}

#[derive(Serialize)]
struct Looks<'a> {
    kind: String,
    evidence: &'a str,
}

fn json(out: &mut impl Write, source: &str, found: &Discovery, personal: &Personal) -> io::Result<()> {
    let none = BTreeMap::new();
    let schemas = found.schemas.iter();
    let document = Document {
        source,
        schemas: schemas
            .map(|schema| Schema { name: &schema.name, comment: schema.comment.as_deref() })
            .collect(),
        tables: found
            .tables
            .iter()
            .enumerate()
            .map(|(at, table)| Table::of(table, personal.get(at).unwrap_or(&none)))
            .collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

impl<'a> Table<'a> {
    fn of(table: &'a DiscoveredTable, personal: &'a BTreeMap<String, Finding>) -> Self {
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
            columns: table
                .columns
                .iter()
                .map(|column| Column::of(column, personal.get(&column.name)))
                .collect(),
            problem: table.problem(),
            row_level_security: table.shows_some_rows,
        }
    }
}

impl<'a> Column<'a> {
    fn of(column: &'a DiscoveredColumn, finding: Option<&'a Finding>) -> Self {
        let personal = |found: &'a Finding| Looks { kind: found.kind.to_string(), evidence: &found.evidence };
        Self {
            name: &column.name,
            source_type: column.source_type.as_deref(),
            lake_type: column.lake_type.as_ref().ok().map(sql_type),
            nullable: column.nullable,
            comment: column.comment.as_deref(),
            problem: column.lake_type.as_ref().err().map(String::as_str),
            personal: finding.map(personal),
        }
    }
}

//! `lakegate table …`: folders that other systems wrote become tables, and what tables there are.

use std::path::PathBuf;

use clap::Subcommand;

use super::ingest::ACTOR;
use super::shell::table::printable;
use super::upkeep::{OptimizeArgs, VacuumArgs};
use crate::catalog::publish::Catalog;
use crate::catalog::register::register;
use crate::config::Config;
use crate::error::Result;
use crate::lake::Lake;
use crate::policy::model::TableName;
use crate::query::sql_type;
use crate::store::Store;
use crate::store::record::{Description, Format, TableRecord};

/// Arguments of `lakegate table`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: TableCommand,
}

#[derive(Debug, Subcommand)]
enum TableCommand {
    /// Make an existing folder a table; again for its newest columns and version.
    Register {
        /// DATABASE.TABLE
        table: TableName,
        /// `file:///folder` or `s3://bucket/folder`
        #[arg(long, value_name = "URL")]
        location: String,
        /// parquet, delta, csv or ndjson
        #[arg(long)]
        format: Format,
    },
    /// List all tables.
    List,
    /// Show a table: where it lies, its version and its columns.
    Show {
        /// DATABASE.TABLE
        table: TableName,
    },
    /// Let grants that only exclude columns show columns that the table got later.
    Release {
        /// DATABASE.TABLE
        table: TableName,
        #[arg(required_unless_present = "all")]
        columns: Vec<String>,
        /// All that wait, whichever they are by now.
        #[arg(long, conflicts_with = "columns")]
        all: bool,
    },
    /// List the versions of a table that can be read, and when each was published.
    Versions {
        /// DATABASE.TABLE
        table: TableName,
    },
    /// Lay the rows of a table anew for fast reading: sorted, along a Z-order, in parts; small files become large ones.
    Optimize(OptimizeArgs),
    /// Remove versions that are over, and files that no version has.
    Vacuum(VacuumArgs),
    /// Take a table out of the catalog. Its files stay, and so do the grants on its name.
    Drop {
        /// DATABASE.TABLE
        table: TableName,
    },
}

/// Runs the subcommand on the store and the lake of the configuration.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let config = Config::load(config.as_deref())?;
    let store = Store::connect(&config.store.url).await?;
    store.migrate().await?;
    let catalog = Catalog::new(store, ACTOR);
    match args.command {
        TableCommand::Optimize(args) => args.run(&config).await?,
        TableCommand::Vacuum(args) => args.run(&config).await?,
        TableCommand::Register { table, location, format } => {
            let lake = Lake::new(&config.lake)?;
            let record = register(&catalog, &lake, &table, &location, format).await?;
            println!("{table}: {} columns", record.schema.fields().len());
            print_columns(&record, &Description::nothing(table));
        }
        TableCommand::Show { table } => {
            let record = catalog.found(&table).await?.value;
            let said = catalog.description(&table).await?;
            show(&record, &said.unwrap_or_else(|| Description::nothing(table.clone())));
            let waiting = catalog.unreleased(&table).await?;
            if !waiting.is_empty() {
                println!("unreleased {}", waiting.into_iter().collect::<Vec<_>>().join(", "));
            }
        }
        TableCommand::Versions { table } => {
            for version in catalog.versions(&catalog.found(&table).await?.value).await? {
                println!("{:>8} {}", version.version, version.published_at.to_rfc3339());
            }
        }
        TableCommand::Drop { table } => {
            let kept = catalog.found(&table).await?;
            catalog.drop(&table, kept.revision).await?;
            println!("{table} is no longer a table; its files stay at {}", kept.value.location);
        }
        TableCommand::Release { table, columns, all: _ } => {
            let released = catalog.release(&table, &columns).await?;
            match released.as_slice() {
                [] => println!("{table} has no columns that wait to be released"),
                names => println!("{table}: released {}", names.join(", ")),
            }
        }
        TableCommand::List => {
            for record in catalog.tables().await? {
                let version = record.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
                println!(
                    "{:40} {:8} {version:>8} {}",
                    record.name.to_string(),
                    record.format,
                    record.location
                );
            }
        }
    }
    Ok(())
}

fn show(record: &TableRecord, said: &Description) {
    println!("{}", record.name);
    println!("format    {}", record.format);
    println!("location  {}", record.location);
    if let Some(version) = record.version {
        println!("version   {version}");
    }
    if let Some(comment) = record.comment.as_ref().or(said.comment.as_ref()) {
        println!("comment   {}", printable(comment));
    }
    println!("updated   {}", record.updated_at.to_rfc3339());
    if !record.partition_columns.is_empty() {
        println!("parts by  {}", record.partition_columns.join(", "));
    }
    if !said.primary_key.is_empty() {
        println!("key       {}", printable(&said.primary_key.join(", ")));
    }
    for key in &said.foreign_keys {
        let (columns, references) = (key.columns.join(", "), key.references.join(", "));
        println!("refers    {}", printable(&format!("({columns}) to {}({references})", key.table)));
    }
    println!("columns   {}", record.schema.fields().len());
    print_columns(record, said);
}

fn print_columns(record: &TableRecord, said: &Description) {
    for field in record.schema.fields() {
        let null = if field.is_nullable() { "" } else { " not null" };
        let comment = said.columns.get(field.name()).map(|comment| format!("  [{}]", printable(comment)));
        let comment = comment.unwrap_or_default();
        println!("  {} {}{null}{comment}", field.name(), sql_type(field.data_type()));
    }
}

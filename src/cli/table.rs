//! `lakegate table …`: folders that other systems wrote become tables, and what tables there are.

use std::path::PathBuf;

use clap::Subcommand;

use super::ingest::ACTOR;
use crate::catalog::publish::Catalog;
use crate::catalog::register::register;
use crate::config::Config;
use crate::error::Result;
use crate::lake::Lake;
use crate::policy::model::TableName;
use crate::store::Store;
use crate::store::record::Format;

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
}

/// Runs the subcommand on the store and the lake of the configuration.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let config = Config::load(config.as_deref())?;
    let store = Store::connect(&config.store.url).await?;
    store.migrate().await?;
    let catalog = Catalog::new(store, ACTOR);
    match args.command {
        TableCommand::Register { table, location, format } => {
            let lake = Lake::new(&config.lake)?;
            let record = register(&catalog, &lake, &table, &location, format).await?;
            println!("{table}: {} columns", record.schema.fields().len());
            for field in record.schema.fields() {
                println!("  {} {}", field.name(), field.data_type());
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

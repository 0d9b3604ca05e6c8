//! `lakegate ingest run`: tables of a database, and files, become tables of the lake.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;

use super::files::FileArgs;
use crate::app::audit_into;
use crate::catalog::publish::Catalog;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::mode::{Deletes, Growth, Mode, Overlap};
use crate::ingest::progress::{Bars, Progress, Silent};
use crate::ingest::source::{self, ReadOptions, Unrepresentable};
use crate::ingest::{self, Context, Job, Summary};
use crate::lake::Lake;
use crate::store::Store;

/// Whom the audit log names for what is done on the command line.
pub(super) const ACTOR: &str = "cli";

/// Arguments of `lakegate ingest`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: IngestCommand,
}

#[derive(Debug, Subcommand)]
enum IngestCommand {
    /// Bring tables in once, from one consistent snapshot.
    Run(RunArgs),
}

/// `lakegate ingest run …`
#[derive(clap::Args)]
pub struct RunArgs {
    /// postgres://…, mysql://…, sqlite://…, file:///… or s3://…
    #[arg(long)]
    source: String,
    /// Names, or patterns with `*`.
    #[arg(long, required = true, value_delimiter = ',')]
    tables: Vec<String>,
    /// The database that they become tables of.
    #[arg(long, value_name = "DATABASE")]
    into: String,
    /// How tables are brought in: whole, by what is new, or by what has changed.
    #[arg(long, value_enum, default_value_t = ModeName::Snapshot)]
    mode: ModeName,
    /// Columns whose values only go up: what is behind the last ones is new.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    bookmark: Vec<String>,
    /// How far before the bookmark is read again: a number, or a time as `5m`.
    #[arg(long)]
    overlap: Option<Overlap>,
    /// Columns that tell rows apart; the primary key unless named.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    key: Vec<String>,
    /// `keys`: rows that are gone from the source are found by comparing all keys.
    #[arg(long, value_enum, conflicts_with = "soft_delete")]
    deletes: Option<DeletesName>,
    /// The column of the source that marks rows as deleted.
    #[arg(long, value_name = "COLUMN")]
    soft_delete: Option<String>,
    /// What becomes of values that no type of the lake holds, such as infinite dates.
    #[arg(long, value_enum, default_value_t = Unrepresentable::Fail)]
    unrepresentable: Unrepresentable,
    #[command(flatten)]
    files: FileArgs,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// How tables are brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeName {
    /// All rows, as a new version.
    Snapshot,
    /// The rows behind the bookmark.
    Append,
    /// The rows behind the bookmark, each in the place of the one with its key.
    Merge,
}

/// How rows that are gone are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DeletesName {
    /// By comparing the keys of the source with those of the lake.
    Keys,
}

impl RunArgs {
    fn mode(&self) -> Result<Mode> {
        let growth = Growth { bookmark: self.bookmark.clone(), overlap: self.overlap, key: self.key.clone() };
        let deletes = match (&self.soft_delete, self.deletes) {
            (Some(column), _) => Deletes::Marked(column.clone()),
            (None, Some(DeletesName::Keys)) => Deletes::Keys,
            (None, None) => Deletes::Stay,
        };
        match self.mode {
            ModeName::Snapshot if growth == Growth::default() && deletes == Deletes::Stay => {
                Ok(Mode::Snapshot)
            }
            ModeName::Append if deletes == Deletes::Stay => Ok(Mode::Append(growth)),
            ModeName::Merge => Ok(Mode::Merge(growth, deletes)),
            ModeName::Append => {
                Err(Error::invalid_request("rows that are gone are found with `--mode merge` alone"))
            }
            ModeName::Snapshot => Err(Error::invalid_request(
                "a snapshot brings in all rows: a bookmark and a key are for `--mode append` or `--mode merge`",
            )),
        }
    }
}

/// Runs the subcommand; fails when any table failed, after all others are in.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let IngestCommand::Run(args) = args.command;
    let config = Config::load(config.as_deref())?;
    let context = context(&config).await?;
    let options = ReadOptions {
        unrepresentable: args.unrepresentable,
        readers: config.limits.ingest_readers,
        ..ReadOptions::default()
    };
    let mode = args.mode()?;
    let files = args.files.options(&context.lake);
    let mut source = source::open_with_files(&args.source, options, files).await?;
    let job = Job { tables: args.tables, into: args.into, mode };
    let progress: Arc<dyn Progress> = if args.json { Arc::new(Silent) } else { Arc::new(Bars::new()) };
    let summary = ingest::run(&context, source.as_mut(), &job, &progress).await?;
    context.audit.flush().await;
    if args.json {
        println!("{}", serde_json::to_string(&summary).map_err(Error::internal)?);
    } else {
        print!("{}", table(&summary));
    }
    complete(&summary)
}

/// What an ingestion of this process works with.
pub(super) async fn context(config: &Config) -> Result<Context> {
    let store = Store::connect(&config.store.url).await?;
    store.migrate().await?;
    let audit = audit_into(&store);
    Ok(Context {
        catalog: Catalog::new(store, ACTOR),
        lake: Lake::new(&config.lake)?,
        audit,
        memory: config.limits.ingest_memory,
    })
}

/// An error when a table is not in.
pub(super) fn complete(summary: &Summary) -> Result<()> {
    let failed = summary.tables.iter().filter(|table| table.error.is_some()).count();
    if failed > 0 {
        let all = summary.tables.len();
        return Err(Error::new(
            ErrorKind::QueryFailed,
            format!("{failed} of {all} tables were not brought in"),
        ));
    }
    Ok(())
}

/// A password may be part of the source's URL, so it is not shown.
impl std::fmt::Debug for RunArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunArgs")
            .field("tables", &self.tables)
            .field("into", &self.into)
            .finish_non_exhaustive()
    }
}

/// The summary for a person: a line for each table.
pub(super) fn table(summary: &Summary) -> String {
    let mut text =
        format!("{:32} {:>13} {:>12} {:>9} {:>8}\n", "table", "rows", "bytes", "seconds", "version");
    for done in &summary.tables {
        let name = done.table.to_string();
        match (&done.error, done.version) {
            (None, Some(version)) => {
                let nulled =
                    if done.nulled > 0 { format!("  {} values nulled", done.nulled) } else { String::new() };
                let rejected = match done.rejected {
                    0 => String::new(),
                    lines => format!("  {lines} lines rejected"),
                };
                let (rows, bytes, seconds) = (done.rows, done.bytes, done.seconds);
                text += &format!(
                    "{name:32} {rows:>13} {bytes:>12} {seconds:>9.2} {version:>8}{nulled}{rejected}\n"
                );
            }
            (error, _) => {
                let detail = error.as_ref().map_or("", |failure| failure.detail.as_str());
                text += &format!("{name:32} failed: {detail}\n");
            }
        }
    }
    if summary.tables.is_empty() {
        text += "no table matches\n";
    }
    text
}

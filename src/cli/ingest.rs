//! `lakegate ingest`: what a source has, and its tables as tables of the lake.

mod files;
mod grants;
mod jobs;
mod list;
mod runs;
mod sources;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use self::files::FileArgs;
use crate::app::audit_into;
use crate::catalog::publish::Catalog;
use crate::cli::stop::asked_to_stop;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::drift::{Drift, OnDrift};
use crate::ingest::mode::{DeletesName, Growth, Mode, ModeName, Overlap};
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
    /// Databases under names, which jobs bring tables in from.
    #[command(subcommand)]
    Sources(sources::Command),
    /// What is brought in again and again.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// What has become of jobs.
    #[command(subcommand)]
    Runs(runs::Command),
    /// List what a source has: tables, columns, keys and comments. Nothing is brought in.
    List(list::Args),
    /// Print what the source's own privileges and row policies say as a policy file, to be reviewed. Nothing is put in force.
    Grants(grants::Args),
}

/// `lakegate ingest run …`
#[derive(clap::Args)]
pub struct RunArgs {
    /// postgres://…, mysql://…, sqlite://…, file:///… or s3://…
    #[arg(long)]
    source: String,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    files: FileArgs,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// What is brought in, once or by a job.
#[derive(Debug, Clone, clap::Args)]
pub struct WhatArgs {
    /// Names, or patterns with `*`.
    #[arg(long, required = true, value_delimiter = ',')]
    tables: Vec<String>,
    /// Names or patterns of tables to leave out.
    #[arg(long, value_delimiter = ',', value_name = "TABLES")]
    exclude: Vec<String>,
    /// The database that they become tables of.
    #[arg(long, value_name = "DATABASE")]
    into: String,
}

/// Which tables of a source are looked at.
#[derive(Debug, Clone, clap::Args)]
pub struct WhichArgs {
    /// Names, or patterns with `*`; all tables of all schemas unless given.
    #[arg(long, value_delimiter = ',')]
    tables: Vec<String>,
    /// Names or patterns of tables to leave out.
    #[arg(long, value_delimiter = ',', value_name = "TABLES")]
    exclude: Vec<String>,
}

/// How tables are brought in, once or by a job.
#[derive(Debug, Clone, clap::Args)]
pub struct HowArgs {
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
    /// What is done when the source has changed its columns.
    #[arg(long, value_enum, default_value_t = OnDrift::Evolve)]
    columns: OnDrift,
    /// What becomes of values that no type of the lake holds, such as infinite dates.
    #[arg(long, value_enum, default_value_t = Unrepresentable::Fail)]
    unrepresentable: Unrepresentable,
}

impl HowArgs {
    fn mode(&self) -> Result<Mode> {
        let growth = Growth { bookmark: self.bookmark.clone(), overlap: self.overlap, key: self.key.clone() };
        Mode::named(self.mode, growth, self.deletes, self.soft_delete.clone())
    }
}

/// Runs the subcommand.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<ExitCode> {
    let done = match args.command {
        IngestCommand::Run(args) => return stoppable(args, config).await,
        IngestCommand::Sources(command) => sources::run(command, config).await,
        IngestCommand::Jobs(command) => jobs::run(command, config).await,
        IngestCommand::Runs(command) => runs::run(command, config).await,
        IngestCommand::List(args) => list::run(args, config).await,
        IngestCommand::Grants(args) => grants::run(args).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Brings tables in, until somebody asks to stop: what is published then stays, and of the rest nothing is visible.
async fn stoppable(args: RunArgs, config: Option<PathBuf>) -> Result<ExitCode> {
    let config = Config::load(config.as_deref())?;
    let context = context(&config).await?;
    tokio::select! {
        done = bring_in(args, &config, &context) => done.map(|()| ExitCode::SUCCESS),
        asked = asked_to_stop() => {
            context.audit.flush().await;
            eprintln!("stopped: tables that were in are published, the others are as they were before");
            Ok(asked.exit_code())
        }
    }
}

/// Fails when any table failed, after all others are in.
async fn bring_in(args: RunArgs, config: &Config, context: &Context) -> Result<()> {
    let options = ReadOptions {
        unrepresentable: args.how.unrepresentable,
        readers: config.limits.ingest_readers,
        ..ReadOptions::default()
    };
    let files = args.files.options(&context.lake);
    let mut source = source::open_with_files(&args.source, options, files).await?;
    let mode = args.how.mode()?;
    let job = Job {
        tables: args.what.tables,
        exclude: args.what.exclude,
        into: args.what.into,
        mode,
        on_drift: args.how.columns,
        ..Job::default()
    };
    let progress: Arc<dyn Progress> = if args.json { Arc::new(Silent) } else { Arc::new(Bars::new()) };
    let summary = ingest::run(context, source.as_mut(), &job, &progress).await?;
    context.audit.flush().await;
    if args.json {
        println!("{}", serde_json::to_string(&summary).map_err(Error::internal)?);
    } else {
        print!("{}", table(&summary));
    }
    tell_proposals(&summary);
    complete(&summary)
}

fn tell_proposals(summary: &Summary) {
    let columns = summary.tables.iter().map(|table| table.proposals).sum::<usize>();
    if columns > 0 {
        eprintln!("{columns} columns look personal: see `lakegate proposals list`");
    }
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
        door: "cli",
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
        f.debug_struct("RunArgs").field("what", &self.what).finish_non_exhaustive()
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
                text += &columns(&name, &done.columns);
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

/// What has become of the columns, a line for each kind of change.
fn columns(table: &str, drift: &Drift) -> String {
    let line = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("  {what}: {}\n", names.join(", ")),
    };
    let release = format!(
        "new columns, hidden from grants that only exclude some until `lakegate table release {table}`"
    );
    line(&release, &drift.added)
        + &line("of a wider type now", &drift.widened)
        + &line("not in the source any more, and NULL in new rows", &drift.missing)
        + &line("gone", &drift.removed)
}

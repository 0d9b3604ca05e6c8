//! Bringing tables in: source → snapshot → read → write → publish → annotate → propose → audit.
//!
//! [`run`] names every stage in order. Until a table is published, readers see its version before; whatever fails or
//! is killed on the way leaves that version in place, and at most files that nothing refers to.

mod annotate;
mod describe;
pub mod drift;
pub mod grants;
pub mod jobs;
mod merge;
pub mod mode;
pub mod personal;
pub mod personal_columns;
pub mod progress;
mod propose;
pub mod rows;
pub mod source;
mod spill;
mod table;
mod taking;
mod transfer;
pub mod upkeep;
pub mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use uuid::Uuid;

use crate::audit::event::AuditEvent;
use crate::audit::sink::AuditSink;
use crate::catalog::publish::Catalog;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::policy::check::check_database;
use crate::policy::model::TableName;
use annotate::annotate;
use drift::{Drift, OnDrift};
use mode::Mode;
use progress::Progress;
use propose::propose;
use source::discovery::DiscoveredTable;
use source::known::Known;
use source::{Source, pattern};
use table::{Loaded, Loading};
use taking::Taking;

/// Where tables are brought to.
#[derive(Clone)]
pub struct Context {
    pub catalog: Catalog,
    pub lake: Lake,
    pub audit: AuditSink,
    /// What the batches and files of one ingestion may hold in memory, in bytes.
    pub memory: u64,
    /// What it was started through, for the audit log: `cli`, `job`.
    pub door: &'static str,
}

/// What is to be brought in.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Names, or patterns with `*`.
    pub tables: Vec<String>,
    /// Names or patterns of those that are left out of them.
    pub exclude: Vec<String>,
    /// The database they become tables of.
    pub into: String,
    pub mode: Mode,
    pub on_drift: OnDrift,
    /// These of them alone, as the lake names them; all when empty.
    pub only: BTreeSet<TableName>,
}

/// What has become of a job.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Without its password.
    pub source: String,
    pub tables: Vec<TableSummary>,
}

/// What has become of one table.
#[derive(Debug, Clone, Serialize)]
pub struct TableSummary {
    pub table: TableName,
    pub rows: u64,
    /// Of Parquet.
    pub bytes: u64,
    pub seconds: f64,
    /// The version published; none if the table failed.
    pub version: Option<i64>,
    /// Values that the lake cannot hold and that were asked to become NULL.
    pub nulled: u64,
    /// What has become of its columns since the version before.
    pub columns: Drift,
    /// Columns for which a tag is newly proposed, since they look personal.
    pub proposals: usize,
    /// Lines of files that are no rows and are in the file for rejected lines.
    pub rejected: u64,
    pub error: Option<Failure>,
}

/// Why a table was not brought in.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub detail: String,
    /// Whether trying again is known to come to the same.
    #[serde(skip)]
    pub is_lasting: bool,
}

impl Summary {
    /// Whether every table is published.
    pub fn is_complete(&self) -> bool {
        self.tables.iter().all(|table| table.error.is_none())
    }
}

/// Brings the tables of `job` from `source` into the lake, one after the other from one snapshot. A table that fails
/// does not stop the others; an error is returned only when the database cannot be or there is no snapshot at all.
pub async fn run(
    context: &Context,
    source: &mut dyn Source,
    job: &Job,
    progress: &Arc<dyn Progress>,
) -> Result<Summary> {
    // Known before the first row is read, and not after the last one is written.
    check_database(&job.into)?;
    let taking = Taking::of(context, source, job)?.map(Arc::new);
    if let Some(taking) = &taking {
        source.leave_out(Arc::clone(taking) as Arc<dyn Known>);
    }
    let mut snapshot = source.snapshot(&job.tables).await?;
    let found = pattern::without(snapshot.tables().to_vec(), &job.exclude, |table| {
        (table.schema_name.as_deref(), &table.name)
    })?;
    let said = if source.has_bookmarks() { said(source, job).await } else { Vec::new() };
    let mut summary = Summary { source: source.redacted_url(), tables: Vec::new() };
    for table in &found {
        let name = TableName::new(&job.into, &table.name);
        if !job.only.is_empty() && !job.only.contains(&name) {
            continue;
        }
        progress.started(&name);
        let started = Instant::now();
        let doubled = summary.tables.iter().any(|done| done.table == name);
        let outcome = if doubled {
            Err(Error::conflict(format!(
                "two tables of the source would become `{name}`: choose one of them"
            ))
            .lasting())
        } else {
            let Job { mode, on_drift, .. } = job;
            let taking = taking.as_deref();
            let loading =
                Loading { context, table, name: &name, mode, on_drift: *on_drift, taking, progress };
            loading.run(snapshot.as_mut()).await
        };
        let rejected = if doubled { 0 } else { snapshot.rejected(table) };
        let before = outcome.as_ref().ok().and_then(|loaded| loaded.before.clone());
        let mut done = summarize(name, outcome, rejected, started);
        if done.error.is_none() {
            let of_table =
                |said: &&DiscoveredTable| said.name == table.name && said.schema == table.schema_name;
            if let Some(said) = said.iter().find(of_table) {
                annotate(context, said, &done.table).await;
            }
            done.proposals = propose(context, snapshot.as_mut(), table, &done.table, before.as_ref()).await;
        }
        context.audit.record(event(context, &summary.source, &job.mode, &done)).await;
        progress.finished(&done);
        summary.tables.push(done);
    }
    context.audit.flush().await;
    Ok(summary)
}

/// What the source says of its tables beside their rows; nothing when it does not answer, for which no table waits.
async fn said(source: &dyn Source, job: &Job) -> Vec<DiscoveredTable> {
    let found = source.discover(&job.tables).await;
    found.map(|found| found.tables).unwrap_or_else(|error| {
        tracing::warn!(%error, "the source does not tell comments and keys of its tables");
        Vec::new()
    })
}

fn about(name: &TableName, error: Error) -> Error {
    Error::new(error.kind(), format!("`{name}`: {}", error.detail())).with_source(error)
}

fn summarize(table: TableName, outcome: Result<Loaded>, rejected: u64, started: Instant) -> TableSummary {
    let seconds = started.elapsed().as_secs_f64();
    let (loaded, error) = match outcome {
        Ok(loaded) => (Some(loaded), None),
        Err(error) => {
            tracing::warn!(%table, error = &error as &dyn std::error::Error, "a table was not brought in");
            let (code, detail) = (error.kind().code(), error.detail().to_owned());
            (None, Some(Failure { code, detail, is_lasting: error.is_lasting() }))
        }
    };
    let totals = loaded.as_ref().map(|loaded| loaded.totals).unwrap_or_default();
    TableSummary {
        table,
        rows: totals.rows,
        bytes: totals.bytes,
        seconds,
        version: loaded.as_ref().map(|loaded| loaded.version),
        nulled: loaded.as_ref().map_or(0, |loaded| loaded.nulled),
        columns: loaded.map(|loaded| loaded.drift).unwrap_or_default(),
        proposals: 0,
        rejected,
        error,
    }
}

fn event(context: &Context, source: &str, mode: &Mode, done: &TableSummary) -> AuditEvent {
    let mut event = AuditEvent::new(Uuid::now_v7(), context.catalog.actor(), "ingest");
    event.door = Some(context.door.to_owned());
    event.tables = vec![done.table.to_string()];
    event.rows = i64::try_from(done.rows).unwrap_or(i64::MAX);
    event.bytes = i64::try_from(done.bytes).unwrap_or(i64::MAX);
    event.duration_ms = i64::try_from((done.seconds * 1000.0).round() as u128).unwrap_or(i64::MAX);
    event.policy = serde_json::json!({
        "source": source, "mode": mode.to_string(), "version": done.version, "nulled": done.nulled,
        "columns": done.columns, "rejected": done.rejected,
    });
    match &done.error {
        Some(failure) => event.failed(failure.code, &failure.detail),
        None => event,
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("lake", &self.lake).finish_non_exhaustive()
    }
}

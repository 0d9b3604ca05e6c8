//! Changes of sources, jobs and runs, whichever door they come through. Whoever calls this has been let in.

use chrono::Utc;
use uuid::Uuid;

use super::address;
use super::definition::Definition;
use super::seal::Sealer;
use crate::app::App;
use crate::audit::event::AuditEvent;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::source::files::FileOptions;
use crate::ingest::source::{self, ReadOptions};
use crate::policy::check::check_name;
use crate::store::record::{Change, IngestJob, SourceRecord};
use crate::store::runs::{Cause, Run};

/// Who changes something, and through what, for the audit log.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    pub name: &'a str,
    pub door: &'static str,
}

/// Keeps the source `name`, in the place of the revision `expected` when it is there already.
pub async fn keep_source(
    app: &App,
    actor: Actor<'_>,
    name: &str,
    url: &str,
    comment: Option<String>,
    expected: Replaces,
) -> Result<()> {
    check_name("source", name)?;
    let sealer = Sealer::open(app.config.store.key_file.as_deref())?;
    let value = address::record(name, url, comment, sealer.as_ref())?;
    let change = match expected {
        Replaces::Nothing => Change::CreateSource(value),
        Replaces::Revision(expected) => Change::UpdateSource { value, expected },
    };
    app.commit(actor.name, vec![change]).await.map(drop)
}

/// What a change takes the place of.
#[derive(Debug, Clone, Copy)]
pub enum Replaces {
    /// It must not be there yet.
    Nothing,
    /// This revision; any when it is none.
    Revision(Option<i64>),
}

/// Forgets the source `name`, which no job may use any more.
pub async fn drop_source(app: &App, actor: Actor<'_>, name: &str, expected: Option<i64>) -> Result<()> {
    find_source(app, name)?;
    let governance = app.state();
    if let Some(job) = governance.state.ingest_jobs.values().find(|job| job.value.source == name) {
        let job = &job.value.name;
        return Err(Error::conflict(format!(
            "the source `{name}` is used by the job `{job}`: drop that first"
        )));
    }
    app.commit(actor.name, vec![Change::DropSource { name: name.to_owned(), expected }]).await.map(drop)
}

/// How many tables can be seen in the source `name`, after it has let us in.
pub async fn test_source(app: &App, name: &str) -> Result<usize> {
    let record = find_source(app, name)?;
    let sealer = Sealer::open(app.config.store.key_file.as_deref())?;
    let url = address::url_of(&record, sealer.as_ref())?;
    let source = source::open_with_files(&url, ReadOptions::default(), FileOptions::of(&app.lake)).await?;
    match source.snapshot(&["*".to_owned()]).await {
        Ok(snapshot) => Ok(snapshot.tables().len()),
        // A pattern that means nothing is an error, and a database without tables is none.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The source `name`.
pub fn find_source(app: &App, name: &str) -> Result<SourceRecord> {
    let governance = app.state();
    let source = governance.state.sources.get(name).ok_or_else(|| Error::not_found("source", name))?;
    Ok(source.value.clone())
}

/// Keeps the job `name`, which brings in from `source` what `definition` says.
pub async fn keep_job(
    app: &App,
    actor: Actor<'_>,
    name: &str,
    source: &str,
    definition: Definition,
    expected: Replaces,
) -> Result<()> {
    check_name("job", name)?;
    find_source(app, source)?;
    let value = definition.into_job(name, source)?;
    let change = match expected {
        Replaces::Nothing => Change::CreateIngestJob(value),
        Replaces::Revision(expected) => Change::UpdateIngestJob { value, expected },
    };
    app.commit(actor.name, vec![change]).await.map(drop)
}

/// Stops the schedule of the job `name`, or goes on with it from now.
pub async fn pause_job(app: &App, actor: Actor<'_>, name: &str, paused: bool) -> Result<()> {
    let job = find_job(app, name)?;
    let definition = Definition { paused, ..Definition::of(&job)? };
    keep_job(app, actor, name, &job.source, definition, Replaces::Revision(None)).await
}

/// Forgets the job `name`; its tables and the history of its runs stay.
pub async fn drop_job(app: &App, actor: Actor<'_>, name: &str, expected: Option<i64>) -> Result<()> {
    find_job(app, name)?;
    app.commit(actor.name, vec![Change::DropIngestJob { name: name.to_owned(), expected }]).await.map(drop)
}

/// The job `name`.
pub fn find_job(app: &App, name: &str) -> Result<IngestJob> {
    let governance = app.state();
    let job = governance.state.ingest_jobs.get(name).ok_or_else(|| Error::not_found("ingest job", name))?;
    Ok(job.value.clone())
}

/// Queues a run of the job `name` that is due now.
pub async fn request_run(app: &App, actor: Actor<'_>, name: &str) -> Result<Uuid> {
    find_job(app, name)?;
    let id = queued(app, name, actor.name).await?;
    record(app, actor, "run_ingest_job", format!("the run {id} of the job `{name}`")).await;
    Ok(id)
}

async fn queued(app: &App, name: &str, who: &str) -> Result<Uuid> {
    loop {
        let run = Run::queued(name, Cause::Request, who, Utc::now());
        // Another one of the same microsecond is not this one.
        if app.store.queue_run(&run).await? {
            return Ok(run.id);
        }
    }
}

/// Asks the run `id` to stop.
pub async fn cancel_run(app: &App, actor: Actor<'_>, id: Uuid) -> Result<Run> {
    let before = find_run(app, id).await?;
    if before.state.is_over() {
        return Err(Error::conflict(format!("the run `{id}` is over already")));
    }
    let run = app.store.cancel_run(id).await?.ok_or_else(|| Error::not_found("run", &id.to_string()))?;
    record(app, actor, "cancel_ingest_run", format!("the run {id} of the job `{}`", run.job)).await;
    Ok(run)
}

/// The run `id`.
pub async fn find_run(app: &App, id: Uuid) -> Result<Run> {
    app.store.run(id).await?.ok_or_else(|| Error::not_found("run", &id.to_string()))
}

/// When the schedule of `job` is due next; none of one without a schedule, or that is paused.
pub fn next_due(job: &IngestJob) -> Option<chrono::DateTime<Utc>> {
    Definition::of(job).ok()?.next_due(Utc::now().max(job.since)).ok()?
}

async fn record(app: &App, actor: Actor<'_>, action: &str, detail: String) {
    let event = AuditEvent {
        door: Some(actor.door.to_owned()),
        detail: Some(detail),
        ..AuditEvent::new(Uuid::now_v7(), actor.name, action)
    };
    app.audit.record(event).await;
}

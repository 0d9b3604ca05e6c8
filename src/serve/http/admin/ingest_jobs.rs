//! `/v1/ingest/jobs`: what is brought in again and again. For administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::sources::actor;
use super::{Listing, Page, check_same};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ingest::drift::OnDrift;
use crate::ingest::jobs::definition::{self, Definition};
use crate::ingest::jobs::manage::{self, Replaces};
use crate::ingest::mode::{DeletesName, ModeName, Overlap};
use crate::ingest::source::Unrepresentable;
use crate::store::record::{IngestJob, Versioned};

/// A job as it is to be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct JobBody {
    name: String,
    /// The source's name.
    source: String,
    /// Names, or patterns with `*`.
    #[schema(example = json!(["orders", "customer*"]))]
    tables: Vec<String>,
    /// Names or patterns of those to leave out.
    #[serde(default)]
    exclude: Vec<String>,
    /// The database that they become tables of.
    into: String,
    /// `snapshot`, `append` or `merge`.
    #[serde(default)]
    #[schema(value_type = String, default = "snapshot")]
    mode: ModeName,
    /// Columns whose values only go up.
    #[serde(default)]
    bookmark: Vec<String>,
    /// How far before the bookmark is read again: a number, or a time as `5m`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "5m")]
    overlap: Option<Overlap>,
    /// Columns that tell rows apart; the primary key unless named.
    #[serde(default)]
    key: Vec<String>,
    /// `keys`: rows that are gone from the source are found by comparing all keys.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    deletes: Option<DeletesName>,
    /// The column of the source that marks rows as deleted.
    #[serde(default)]
    soft_delete: Option<String>,
    /// What is done when the source has changed its columns: `evolve`, `keep` or `replace`.
    #[serde(default)]
    #[schema(value_type = String, default = "evolve")]
    columns: OnDrift,
    /// What becomes of values that no type of the lake holds: `fail` or `null`.
    #[serde(default)]
    #[schema(value_type = String, default = "fail")]
    unrepresentable: Unrepresentable,
    /// Five fields of cron, in UTC; without one it runs only when somebody asks.
    #[serde(default)]
    #[schema(example = "0 2 * * *")]
    schedule: Option<String>,
    /// A job that is paused runs only when somebody asks.
    #[serde(default)]
    paused: bool,
    /// How often what failed for a while is tried again.
    #[serde(default = "definition::retries")]
    #[schema(default = 3)]
    retries: u32,
    /// The wait before that; twice as long each time, and an hour at most.
    #[serde(default = "definition::retry_after")]
    #[schema(default = "30s")]
    retry_after: String,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct JobView {
    #[serde(flatten)]
    job: JobBody,
    /// When its schedule is due next.
    next_due: Option<DateTime<Utc>>,
    revision: i64,
}

/// A run that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Queued {
    run: Uuid,
}

impl JobBody {
    fn definition(self) -> Definition {
        Definition {
            tables: self.tables,
            exclude: self.exclude,
            into: self.into,
            mode: self.mode,
            bookmark: self.bookmark,
            overlap: self.overlap,
            key: self.key,
            deletes: self.deletes,
            soft_delete: self.soft_delete,
            columns: self.columns,
            unrepresentable: self.unrepresentable,
            schedule: self.schedule,
            paused: self.paused,
            retries: self.retries,
            retry_after: self.retry_after,
        }
    }
}

impl JobView {
    fn of(kept: &Versioned<IngestJob>) -> Result<Self> {
        let it = Definition::of(&kept.value)?;
        let job = JobBody {
            name: kept.value.name.clone(),
            source: kept.value.source.clone(),
            tables: it.tables,
            exclude: it.exclude,
            into: it.into,
            mode: it.mode,
            bookmark: it.bookmark,
            overlap: it.overlap,
            key: it.key,
            deletes: it.deletes,
            soft_delete: it.soft_delete,
            columns: it.columns,
            unrepresentable: it.unrepresentable,
            schedule: it.schedule,
            paused: it.paused,
            retries: it.retries,
            retry_after: it.retry_after,
        };
        Ok(Self { job, next_due: manage::next_due(&kept.value), revision: kept.revision })
    }
}

/// The jobs, by name.
#[utoipa::path(get, path = "/v1/ingest/jobs", tag = "ingestion", params(Page), responses(
    (status = 200, body = Listing<JobView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_jobs(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<JobView>>, Problem> {
    let governance = app.state();
    let jobs = governance.state.ingest_jobs.iter();
    let jobs = jobs.map(|(name, kept)| Ok((name.clone(), JobView::of(kept)?))).collect::<Result<Vec<_>>>()?;
    Ok(Json(page.of(jobs.into_iter())?))
}

/// One job.
#[utoipa::path(get, path = "/v1/ingest/jobs/{job}", tag = "ingestion", params(("job" = String, Path)), responses(
    (status = 200, body = JobView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_job(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<JobView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a job. Its schedule counts from now.
#[utoipa::path(post, path = "/v1/ingest/jobs", tag = "ingestion", request_body = JobBody, responses(
    (status = 201, body = JobView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<JobBody>,
) -> Result<Tagged<JobView>, Problem> {
    let (name, source) = (body.name.clone(), body.source.clone());
    manage::keep_job(&app, actor(&identity), &name, &source, body.definition(), Replaces::Nothing).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Puts another definition in the place of a job's. A run that is going on goes on as it began.
#[utoipa::path(put, path = "/v1/ingest/jobs/{job}", tag = "ingestion",
    params(("job" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = JobBody, responses(
    (status = 200, body = JobView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<JobBody>,
) -> Result<Tagged<JobView>, Problem> {
    let replaces = Replaces::Revision(if_match.required()?);
    check_same(&name, &body.name)?;
    current(&app, &name)?;
    let source = body.source.clone();
    manage::keep_job(&app, actor(&identity), &name, &source, body.definition(), replaces).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Forgets a job. Its tables and the history of its runs stay.
#[utoipa::path(delete, path = "/v1/ingest/jobs/{job}", tag = "ingestion",
    params(("job" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    manage::drop_job(&app, actor(&identity), &name, if_match.revision()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Queues a run that is due now, on whichever node takes it; also of a job that is paused.
#[utoipa::path(post, path = "/v1/ingest/jobs/{job}/run", tag = "ingestion", params(("job" = String, Path)), responses(
    (status = 202, body = Queued),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn run_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let run = manage::request_run(&app, actor(&identity), &name).await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { run })))
}

/// Stops the schedule of a job; what runs goes on.
#[utoipa::path(post, path = "/v1/ingest/jobs/{job}/pause", tag = "ingestion", params(("job" = String, Path)), responses(
    (status = 200, body = JobView),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn pause_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<JobView>, Problem> {
    set_paused(&app, &identity, &name, true).await
}

/// Goes on with the schedule of a job, from now.
#[utoipa::path(post, path = "/v1/ingest/jobs/{job}/resume", tag = "ingestion", params(("job" = String, Path)), responses(
    (status = 200, body = JobView),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn resume_job(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<JobView>, Problem> {
    set_paused(&app, &identity, &name, false).await
}

async fn set_paused(
    app: &App,
    identity: &crate::policy::principal::Identity,
    name: &str,
    paused: bool,
) -> Result<Tagged<JobView>, Problem> {
    manage::pause_job(app, actor(identity), name, paused).await?;
    let view = current(app, name)?;
    Ok(Tagged::found(view.revision, view))
}

fn current(app: &App, name: &str) -> Result<JobView> {
    let governance = app.state();
    let kept = governance.state.ingest_jobs.get(name).ok_or_else(|| Error::not_found("ingest job", name))?;
    JobView::of(kept)
}

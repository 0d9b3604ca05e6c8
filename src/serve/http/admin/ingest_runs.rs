//! `/v1/ingest/runs`: what has become of jobs, and how far those are that run now. For administrators.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{Named, Params};
use super::sources::actor;
use super::{LARGEST_PAGE, Listing, PAGE};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ingest::jobs::manage;
use crate::store::runs::{Cause, Run, RunFilter, RunState};

/// How often progress is looked at.
const TELLING: Duration = Duration::from_millis(500);

/// One time that a job is done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in super::super) struct RunView {
    id: Uuid,
    job: String,
    /// `schedule`, `request` or `retry`.
    #[schema(value_type = String)]
    cause: Cause,
    /// Who asked for it; empty when its schedule did.
    requested_by: String,
    attempt: i64,
    /// The tables that a retry is about; all of the job when empty.
    only_tables: Vec<String>,
    due_at: DateTime<Utc>,
    /// `queued`, `running`, `succeeded`, `failed`, `cancelled` or `lost`.
    #[schema(value_type = String)]
    state: RunState,
    /// Who runs it, or ran it.
    node: Option<String>,
    cancel_requested: bool,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// By table: its state, an estimate of its rows, and the rows and bytes until now.
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    /// By table: rows, bytes, seconds, version, what has become of its columns, and the error.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Value>,
    /// Why it came to nothing.
    error: Option<String>,
}

/// Which runs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Wanted {
    /// Of this job alone.
    job: Option<String>,
    /// In this state alone.
    #[param(value_type = Option<String>)]
    state: Option<RunState>,
    /// The most items to give: 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<Uuid>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        let Run { id, job, cause, requested_by, attempt, only_tables, due_at, state, node, .. } = run;
        Self {
            id,
            job,
            cause,
            requested_by,
            attempt,
            only_tables,
            due_at,
            state,
            node,
            cancel_requested: run.cancel_requested,
            started_at: run.started_at,
            finished_at: run.finished_at,
            progress: run.progress,
            outcome: run.outcome,
            error: run.error,
        }
    }
}

/// The runs, newest first.
#[utoipa::path(get, path = "/v1/ingest/runs", tag = "ingestion", params(Wanted), responses(
    (status = 200, body = Listing<RunView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_runs(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(Wanted { job, state, limit, after }): Params<Wanted>,
) -> Result<Json<Listing<RunView>>, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if limit == 0 || limit > LARGEST_PAGE {
        return Err(Error::invalid_request(format!("`limit` must be between 1 and {LARGEST_PAGE}")).into());
    }
    // One more than asked for tells whether there is a next page.
    let most = i64::try_from(limit.saturating_add(1)).map_err(Error::internal)?;
    let mut runs = app.store.runs(&RunFilter { job, state, before: after, limit: most }).await?;
    let next = (runs.len() > limit).then(|| runs.truncate(limit));
    let next = next.and_then(|()| runs.last().map(|run| run.id.to_string()));
    Ok(Json(Listing { items: runs.into_iter().map(Into::into).collect(), next }))
}

/// One run.
#[utoipa::path(get, path = "/v1/ingest/runs/{run}", tag = "ingestion", params(("run" = Uuid, Path)), responses(
    (status = 200, body = RunView),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_run(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(id): Named<Uuid>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(manage::find_run(&app, id).await?.into()))
}

/// Asks a run to stop: one that waits is cancelled at once, one that is going on within seconds. What it has published stays.
#[utoipa::path(post, path = "/v1/ingest/runs/{run}/cancel", tag = "ingestion", params(("run" = Uuid, Path)), responses(
    (status = 200, body = RunView),
    (status = "default", description = "A failure; `conflict` when it is over already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn cancel_run(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(id): Named<Uuid>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(manage::cancel_run(&app, actor(&identity), id).await?.into()))
}

/// A run as a stream of server-sent events: `progress` whenever it is another, and `end` when it is over.
#[utoipa::path(get, path = "/v1/ingest/runs/{run}/events", tag = "ingestion", params(("run" = Uuid, Path)), responses(
    (status = 200, description = "Each event's data is the run", body = RunView, content_type = "text/event-stream"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn follow_run(
    State(app): State<Arc<App>>,
    _: Administrator,
    Extension(cut): Extension<CancellationToken>,
    Named(id): Named<Uuid>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    manage::find_run(&app, id).await?;
    Ok(Sse::new(events(app, id, cut)).keep_alive(KeepAlive::default()))
}

/// The run whenever it is another, until it is over or the server stops.
fn events(app: Arc<App>, id: Uuid, cut: CancellationToken) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(Some(None::<RunView>), move |state| {
        let (app, cut) = (Arc::clone(&app), cut.clone());
        async move {
            let last = state?;
            loop {
                if last.is_some() {
                    tokio::select! {
                        () = tokio::time::sleep(TELLING) => {}
                        () = cut.cancelled() => return None,
                    }
                }
                let now: RunView = manage::find_run(&app, id).await.ok()?.into();
                let is_over = now.state.is_over();
                if is_over || last.as_ref() != Some(&now) {
                    let event = Event::default().event(if is_over { "end" } else { "progress" });
                    let event = event.json_data(&now).ok()?;
                    return Some((Ok(event), (!is_over).then_some(Some(now))));
                }
            }
        }
    })
}

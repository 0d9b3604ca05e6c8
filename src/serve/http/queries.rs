//! `/v1/queries`: statements that nobody waits for, how far they are, and their results in pages or as a stream.
//!
//! Who may look at one is asked of `results`, for each look anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::caller::{Caller, RequestId};
use super::error::{Problem, ProblemDocument};
use super::extract::{Named, Object, Params};
use super::formats::{Head, Rows};
use super::query::{self, Liked, Notice, ResultColumn, SqlRequest, stopped};
use crate::app::App;
use crate::audit::event::AuditEvent;
use crate::config::parse_duration;
use crate::error::Error;
use crate::policy::principal::Identity;
use crate::query::PolicyNotice;
use crate::query::watch::Stage;
use crate::results::{Outcome, Page, Status, Submitted};

/// The longest wait for a query to end.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many characters of a statement are told in lists and events.
const BEGINNING: usize = 1000;

/// How often progress is told.
const TELLING: Duration = Duration::from_millis(500);

impl Rows for Page {
    fn truncated(&self) -> bool {
        Page::truncated(self)
    }
}

/// How a query is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueryStatus {
    query_id: Uuid,
    sql: String,
    state: QueryState,
    /// What it does: `queued`, `planning`, `running` or `done`.
    stage: &'static str,
    /// Rows that can be read now.
    rows: u64,
    /// What the rows take where they are kept, in bytes; null until it is known, and where policy withholds a part of the
    /// input.
    bytes: Option<u64>,
    /// The share of its input that the query has read; null where it is not known, or where policy withholds a part of
    /// the input.
    percent: Option<f64>,
    /// Null until they are known.
    columns: Option<Vec<ResultColumn>>,
    /// Null until it is known.
    #[schema(value_type = Option<Notice>)]
    policy: Option<PolicyNotice>,
    /// Whether `max_rows` has cut the result; null until the end.
    truncated: Option<bool>,
    /// Why it failed.
    error: Option<ProblemDocument>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// When the result goes; null until the end.
    expires_at: Option<DateTime<Utc>>,
}

/// Where a query is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum QueryState {
    Queued,
    Running,
    Finished,
    Failed,
    Cancelled,
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Waiting {
    /// Answer when the query has ended, or after this time: seconds or `30s`, a minute at most.
    wait: Option<String>,
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Range {
    /// How many rows to leave out at the beginning.
    #[serde(default)]
    offset: u64,
    /// The most rows to give. Without it all of them, also those that are still to come.
    limit: Option<u64>,
}

/// Starts one statement and does not wait for it.
///
/// The body is that of `POST /v1/sql`. The query runs on when the caller goes away, and its result is kept for
/// `limits.result_life` after its end, on the node that took it.
#[utoipa::path(post, path = "/v1/queries", tag = "query", request_body = SqlRequest, responses(
    (status = 202, description = "It runs", body = QueryStatus, headers(
        ("location" = String, description = "Where its status is"),
    )),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn submit_query(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(RequestId(query_id)): Extension<RequestId>,
    Object(asked): Object<SqlRequest>,
) -> Result<Response, Problem> {
    let submitted = app.results.submit(&app, identity, asked.request(query_id)?)?;
    let mut response = (StatusCode::ACCEPTED, Json(told(&submitted.status()))).into_response();
    let place = HeaderValue::from_str(&format!("/v1/queries/{query_id}")).map_err(Error::internal)?;
    response.headers_mut().insert(LOCATION, place);
    Ok(response)
}

/// The caller's own queries that are kept on this node, the newest first.
#[utoipa::path(get, path = "/v1/queries", tag = "query", responses(
    (status = 200, description = "The queries", body = Vec<QueryStatus>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list_queries(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
) -> Result<Json<Vec<QueryStatus>>, Problem> {
    let own = app.results.of(&identity).into_iter().map(|submitted| submitted.id());
    // One whose policy has changed is not told of: its columns are not what the caller may see now.
    let readable = own.filter_map(|id| app.results.look(&app, &identity, id).ok());
    Ok(Json(readable.map(|(_, status)| told(&status).shortened()).collect()))
}

/// How a query is.
#[utoipa::path(get, path = "/v1/queries/{id}", tag = "query",
    params(("id" = Uuid, Path, description = "The query's id"), Waiting), responses(
    (status = 200, description = "How it is", body = QueryStatus),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn get_query(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(cut): Extension<CancellationToken>,
    Named(id): Named<Uuid>,
    Params(Waiting { wait }): Params<Waiting>,
) -> Result<Json<QueryStatus>, Problem> {
    let wait = wait.map(|text| parse_duration(&text)).transpose().map_err(Error::invalid_request)?;
    let (submitted, mut status) = app.results.look(&app, &identity, id)?;
    if let Some(wait) = wait {
        let waiting = tokio::time::timeout(wait.min(LONGEST_WAIT), submitted.ended());
        tokio::select! {
            // However it ended, what is now is told.
            _ = waiting => {}
            () = cut.cancelled() => return Err(stopped().into()),
        }
        (_, status) = app.results.look(&app, &identity, id)?;
    }
    Ok(Json(told(&status)))
}

/// The rows of a query, in the format of `accept`.
///
/// They come as they are made when the query still runs. An answer that breaks is taken up again with `offset`: the rows
/// and their order stay. With `limit` they come in pages: ask on until one has fewer rows than that. A query that failed
/// answers with its failure.
#[utoipa::path(get, path = "/v1/queries/{id}/result", tag = "query",
    params(("id" = Uuid, Path, description = "The query's id"), Range), responses(
    (status = 200, description = "The rows", content(
        (query::SqlResult = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"),
        (Vec<u8> = "application/vnd.apache.parquet"),
    ), headers(
        ("lakegate-query-id" = String, description = "The id of the query, also in the audit log"),
        ("lakegate-policy" = String, description = "What policy did, as JSON"),
    )),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn get_query_result(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Extension(cut): Extension<CancellationToken>,
    Named(id): Named<Uuid>,
    Params(Range { offset, limit }): Params<Range>,
    Liked(format): Liked,
) -> Result<Response, Problem> {
    let submitted = app.results.find(&identity, id)?;
    let answered = async {
        let head = submitted.head().await;
        // Only now is it decided what the result rests on, and also why there is none.
        submitted.refuse_changed(&app, &identity)?;
        let (schema, notice) = head?;
        record_reading(&app, &identity, request_id, id).await;
        let page = Page::of(&app, &identity, &submitted, offset, limit);
        query::answer(format, Head { query_id: id, schema, notice }, page, cut.clone()).await
    };
    tokio::select! {
        answered = answered => Ok(answered?),
        () = cut.cancelled() => Err(stopped().into()),
    }
}

/// How a query goes on, as server-sent events: `progress` with its status now and then, `end` with the last one.
#[utoipa::path(get, path = "/v1/queries/{id}/events", tag = "query",
    params(("id" = Uuid, Path, description = "The query's id")), responses(
    (status = 200, description = "Events, each with a `QueryStatus`", body = String, content_type = "text/event-stream"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn follow_query(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(cut): Extension<CancellationToken>,
    Named(id): Named<Uuid>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let (submitted, _) = app.results.look(&app, &identity, id)?;
    Ok(Sse::new(events(app, identity, submitted, cut)).keep_alive(KeepAlive::default()))
}

/// Ends a query that runs; forgets one that has ended, and its result.
#[utoipa::path(delete, path = "/v1/queries/{id}", tag = "query",
    params(("id" = Uuid, Path, description = "The query's id")), responses(
    (status = 204, description = "Done"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn cancel_query(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Named(id): Named<Uuid>,
) -> Result<StatusCode, Problem> {
    app.results.cancel(&identity, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The status whenever it is another, until the query has ended, the caller may no longer see it, or the server stops.
fn events(
    app: Arc<App>,
    identity: Arc<Identity>,
    submitted: Arc<Submitted>,
    cut: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = (submitted, None::<QueryStatus>);
    futures::stream::unfold(Some(first), move |state| {
        let (app, identity, cut) = (Arc::clone(&app), Arc::clone(&identity), cut.clone());
        async move {
            let (submitted, last) = state?;
            loop {
                if last.is_some() {
                    tokio::select! {
                        _ = tokio::time::timeout(TELLING, submitted.ended()) => {}
                        () = cut.cancelled() => return None,
                    }
                }
                let (_, status) = app.results.look(&app, &identity, submitted.id()).ok()?;
                let now = told(&status).shortened();
                let is_over = !matches!(now.state, QueryState::Queued | QueryState::Running);
                if is_over || last.as_ref() != Some(&now) {
                    let event = Event::default().event(if is_over { "end" } else { "progress" });
                    let event = event.json_data(&now).ok()?;
                    return Some((Ok(event), (!is_over).then_some((submitted, Some(now)))));
                }
            }
        }
    })
}

/// Leaves a record that a result was read: the query's own says that it ran.
async fn record_reading(app: &App, identity: &Identity, request_id: Uuid, query_id: Uuid) {
    let event = AuditEvent {
        door: Some("http".to_owned()),
        detail: Some(format!("the result of the query {query_id}")),
        ..AuditEvent::new(request_id, identity.user.clone(), "read_result")
    };
    app.audit.record(event).await;
}

impl QueryStatus {
    /// For where many are told: with the beginning of the statement alone.
    fn shortened(mut self) -> Self {
        if let Some((end, _)) = self.sql.char_indices().nth(BEGINNING) {
            self.sql.truncate(end);
            self.sql.push('…');
        }
        self
    }
}

/// The status as it is written.
fn told(status: &Status) -> QueryStatus {
    let (state, stage) = match (&status.outcome, status.stage) {
        (Some(Outcome::Finished { .. }), _) => (QueryState::Finished, "done"),
        (Some(Outcome::Failed(_)), _) => (QueryState::Failed, "done"),
        (Some(Outcome::Cancelled), _) => (QueryState::Cancelled, "done"),
        (None, Stage::Queued) => (QueryState::Queued, "queued"),
        (None, Stage::Planning) => (QueryState::Running, "planning"),
        (None, Stage::Running) => (QueryState::Running, "running"),
    };
    let columns =
        status.head.as_ref().map(|(schema, _)| schema.fields().iter().map(ResultColumn::of).collect());
    QueryStatus {
        query_id: status.query_id,
        sql: status.sql.clone(),
        state,
        stage,
        rows: status.rows,
        bytes: status.bytes,
        percent: status.percent,
        columns,
        policy: status.head.as_ref().map(|(_, notice)| notice.clone()),
        truncated: match status.outcome {
            Some(Outcome::Finished { truncated }) => Some(truncated),
            _ => None,
        },
        error: match &status.outcome {
            Some(Outcome::Failed(error)) => Some(ProblemDocument::of(error, status.query_id)),
            _ => None,
        },
        created_at: status.created_at,
        ended_at: status.ended_at,
        expires_at: status.expires_at,
    }
}

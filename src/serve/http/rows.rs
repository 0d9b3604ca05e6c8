//! `POST /v1/tables/{database}/{table}/rows`: rows in, as lines of JSON or as a stream of Arrow's format; all of them or none.
//!
//! The answer tells nothing of the rows that are there. Every request leaves an audit record, also when its sender has
//! gone away: it runs to its end on a task of its own.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::{Caller, RequestId};
use super::error::{Problem, ProblemDocument};
use super::extract::{Named, whole};
use crate::app::App;
use crate::audit::event::{AskedAs, AuditEvent, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::rows::{from_arrow, from_ndjson};
use crate::policy::model::TableName;
use crate::policy::principal::Identity;
use crate::query::writable::{Writable, writable};
use crate::serve::values::stream;

/// What became of the rows that were sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Added {
    /// How many rows the table has more.
    rows: u64,
}

/// How rows are sent.
#[derive(Debug, Clone, Copy)]
enum Form {
    Ndjson,
    Arrow,
}

/// Adds rows to a table, which needs the permission `insert` on it.
///
/// The answer is sent when the rows are part of the published version: all of them, or none when it fails. The columns
/// are those that the caller may know; those that the rows do not name become NULL. In NDJSON, decimals, dates, times
/// and binary values are texts as in results. After `unavailable`, or without an answer, the rows may be there or not.
#[utoipa::path(post, path = "/v1/tables/{database}/{table}/rows", tag = "catalog",
    params(("database" = String, Path), ("table" = String, Path)),
    request_body(content(
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"),
    )), responses(
    (status = 200, body = Added),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn add_rows(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(RequestId(id)): Extension<RequestId>,
    Named((database, table)): Named<(String, String)>,
    request: Request,
) -> Result<Json<Added>, Problem> {
    let asked = Asked { app, identity, id, name: TableName::new(database, table), started: Instant::now() };
    let added = tokio::spawn(async move { asked.run(request).await }).await.map_err(Error::internal)??;
    Ok(Json(added))
}

/// One request.
struct Asked {
    app: Arc<App>,
    identity: Arc<Identity>,
    id: Uuid,
    name: TableName,
    started: Instant,
}

impl Asked {
    /// Does it and leaves a record of it.
    async fn run(&self, request: Request) -> Result<Added> {
        let (parts, body) = request.into_parts();
        let outcome = self.add(form(parts.headers.get(CONTENT_TYPE)), body).await;
        self.app.audit.record(self.record(&outcome)).await;
        outcome
    }

    async fn add(&self, form: Result<Form>, body: Body) -> Result<Added> {
        let body = whole(body, self.app.config.limits.max_body_bytes).await?;
        // Before anything is said of the body: a table that is not there takes none.
        let table = writable(&self.app, &self.identity, &self.name)?;
        let form = form?;
        let Writable { record, fields } = table;
        let read = tokio::task::spawn_blocking(move || match form {
            Form::Ndjson => from_ndjson(&body, &fields),
            Form::Arrow => {
                let batches = stream::batches(&body).ok_or_else(|| {
                    Error::invalid_request("the body is no whole, uncompressed stream of Arrow's format")
                })?;
                from_arrow(&batches, &fields)
            }
        });
        let batch = read.await.map_err(Error::internal)??;
        self.app.inserts.add(record, &batch).await?;
        // Whoever asks this node from now on finds them. They are there in any case, so it is no failure of theirs.
        if let Err(error) = self.app.refresh().await {
            tracing::warn!(%error, "the policy store could not be read after rows were added");
        }
        Ok(Added { rows: batch.num_rows() as u64 })
    }

    fn record(&self, outcome: &Result<Added>) -> AuditEvent {
        let mut event = AuditEvent::new(self.id, &self.identity.user, "insert");
        event.door = Some("http".to_owned());
        event.asked_as = Some(AskedAs { groups: self.identity.groups.clone(), database: None });
        event.tables = vec![self.name.to_string()];
        event.duration_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        match outcome {
            Ok(added) => event.rows = i64::try_from(added.rows).unwrap_or(i64::MAX),
            Err(error) => {
                event.verdict = match error.kind() {
                    ErrorKind::PermissionDenied | ErrorKind::TableNotFound => Verdict::Denied,
                    _ => Verdict::Failed,
                };
                event.error_code = Some(error.kind().code().to_owned());
                event.detail = Some(error.detail().to_owned());
            }
        }
        event
    }
}

fn form(content_type: Option<&axum::http::HeaderValue>) -> Result<Form> {
    let given = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-ndjson" => Ok(Form::Ndjson),
        "application/vnd.apache.arrow.stream" => Ok(Form::Arrow),
        _ => Err(Error::invalid_request(format!(
            "the body is `{media_type}`; send `application/x-ndjson` or `application/vnd.apache.arrow.stream`"
        ))),
    }
}

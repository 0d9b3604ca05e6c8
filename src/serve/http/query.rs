//! `POST /v1/sql`: one statement in, its rows out as they come, in the format that the caller likes best.

use std::sync::Arc;

use arrow_schema::FieldRef;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::{Caller, RequestId};
use super::error::{Problem, ProblemDocument};
use super::extract::Object;
use super::formats::{self, Format, Head, Rows, sql_type};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{self, Answer, Dialect, Request, parameter};

/// One statement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// The statement.
    #[schema(example = "SELECT region, count(*) FROM sales.customers GROUP BY region")]
    pub sql: String,
    /// Values for `?` or `$1`: null, booleans, numbers and texts.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub params: Vec<serde_json::Value>,
    /// Where a table without a database is looked up.
    pub database: Option<String>,
    /// Fail with `policy_withheld` when policy would make the result narrower.
    #[serde(default)]
    pub strict: bool,
    /// The most rows to give.
    pub max_rows: Option<u64>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResultColumn {
    name: String,
    /// In the words of SQL: `bigint`, `decimal(10,2)`, `list<varchar>` …
    #[serde(rename = "type")]
    kind: String,
    nullable: bool,
}

impl ResultColumn {
    /// `field` as clients know it.
    pub fn of(field: &FieldRef) -> Self {
        Self { name: field.name().clone(), kind: sql_type(field.data_type()), nullable: field.is_nullable() }
    }
}

/// What policy did to a result: which rules apply, never what they removed.
#[derive(Debug, ToSchema)]
#[allow(dead_code)]
pub struct Notice {
    rows_filtered: bool,
    cells_nulled: bool,
    masked: Vec<String>,
    columns_hidden: bool,
}

/// A result in JSON.
#[derive(Debug, ToSchema)]
#[allow(dead_code)]
pub struct SqlResult {
    query_id: Uuid,
    columns: Vec<ResultColumn>,
    /// A list a row. Integers and floats are numbers (`"NaN"`, `"Infinity"` and `"-Infinity"` texts), decimals
    /// texts, dates and timestamps ISO 8601, binary base64, structs objects, lists arrays, maps lists of
    /// `[key, value]`.
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<serde_json::Value>>,
    row_count: u64,
    /// Rows were left out because of `max_rows`.
    truncated: bool,
    policy: Notice,
}

/// Runs one statement and streams its result.
///
/// The format follows `accept`. Every answer has `lakegate-query-id` and `lakegate-policy` (the notice, as JSON). A
/// result that breaks ends without its last chunk; over HTTP/1.0, which has no chunks, NDJSON and CSV are refused,
/// since they do not mark their end. JSON says in `truncated` whether `max_rows` cut it; the other
/// formats repeat `max_rows` in `lakegate-max-rows`: a result with exactly as many rows may have been cut.
#[utoipa::path(post, path = "/v1/sql", tag = "query", request_body = SqlRequest, responses(
    (status = 200, description = "The result", content(
        (SqlResult = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"),
        (Vec<u8> = "application/vnd.apache.parquet"),
    ), headers(
        ("lakegate-query-id" = String, description = "The id of the query, also in the audit log"),
        ("lakegate-policy" = String, description = "What policy did, as JSON"),
        ("lakegate-max-rows" = u64, description = "The `max_rows` asked for"),
    )),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn run_sql(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(RequestId(query_id)): Extension<RequestId>,
    Extension(cut): Extension<CancellationToken>,
    Liked(format): Liked,
    Object(asked): Object<SqlRequest>,
) -> Result<Response, Problem> {
    let max_rows = asked.max_rows;
    let request = asked.request(query_id)?;
    let answered = async {
        let Answer { query_id, schema, notice, rows } = query::run(&app, identity, request).await?;
        answer(format, Head { query_id, schema, notice }, rows, cut.clone()).await
    };
    let mut response = tokio::select! {
        answered = answered => answered?,
        () = cut.cancelled() => return Err(stopped().into()),
    };
    if let Some(max_rows) = max_rows {
        response.headers_mut().insert("lakegate-max-rows", HeaderValue::from(max_rows));
    }
    Ok(response)
}

impl SqlRequest {
    /// What to run, under the id `query_id`.
    pub(super) fn request(self, query_id: Uuid) -> Result<Request> {
        Ok(Request {
            query_id,
            sql: self.sql,
            dialect: Dialect::Plain,
            params: parameter::all_from_json(&self.params)?,
            database: self.database,
            strict: self.strict,
            max_rows: self.max_rows,
            door: "http",
            watch: None,
        })
    }
}

/// The format that the caller likes best, and that their version of HTTP can carry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Liked(pub(super) Format);

impl<S: Send + Sync> FromRequestParts<S> for Liked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format = formats::negotiate(accepted)?;
        refuse_endless(format, parts.version)?;
        Ok(Self(format))
    }
}

/// The answer that has `rows`, until the server is cut.
pub(super) async fn answer(
    format: Format,
    head: Head,
    rows: impl Rows,
    cut: CancellationToken,
) -> Result<Response> {
    let query_id = head.query_id;
    let policy = serde_json::to_string(&head.notice).map_err(Error::internal)?;
    let chunks = formats::start(format, head, rows).await?;
    let mut response = Body::from_stream(guarded(chunks, cut, query_id)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert("lakegate-query-id", header_value(&query_id.to_string())?);
    headers.insert("lakegate-policy", header_value(&ascii(&policy))?);
    Ok(response)
}

/// Before HTTP/1.1 the end of a body is the end of its connection, also when the result broke.
fn refuse_endless(format: Format, version: Version) -> Result<()> {
    if version >= Version::HTTP_11 || format.marks_its_end() {
        return Ok(());
    }
    Err(Error::invalid_request(format!(
        "`{}` does not mark its end, and neither does {version:?}: ask with HTTP/1.1, also through proxies, or for \
         another format",
        format.media_type()
    )))
}

/// The chunks until the server stops. A failure goes to the log, and to the client as a broken answer.
fn guarded(
    chunks: BoxStream<'static, Result<Bytes>>,
    cut: CancellationToken,
    query_id: Uuid,
) -> impl futures::Stream<Item = Result<Bytes>> + Send + 'static {
    futures::stream::unfold(Some((chunks, cut)), move |state| async move {
        let (mut chunks, cut) = state?;
        let next = tokio::select! {
            next = chunks.next() => next?,
            () = cut.cancelled() => Err(stopped()),
        };
        let rest = match &next {
            Ok(_) => Some((chunks, cut)),
            Err(error) => {
                error.log(query_id);
                None
            }
        };
        Some((next, rest))
    })
}

pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the gateway is stopping; ask again")
}

fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(Error::internal)
}

/// JSON that a header can hold: whatever is not ASCII (column names may be) is escaped.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_keeps_names_of_every_script() {
        let notice = ascii(&serde_json::to_string(&["größe", "🦀"]).unwrap());
        assert!(notice.is_ascii());
        assert_eq!(serde_json::from_str::<Vec<String>>(&notice).unwrap(), ["größe", "🦀"]);
    }

    #[tokio::test]
    async fn a_stop_breaks_the_body() {
        let cut = CancellationToken::new();
        let endless =
            futures::stream::iter([Ok(Bytes::from_static(b"x"))]).chain(futures::stream::pending()).boxed();
        let mut chunks = Box::pin(guarded(endless, cut.clone(), Uuid::nil()));
        assert!(chunks.next().await.unwrap().is_ok());
        cut.cancel();
        assert_eq!(chunks.next().await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test]
    async fn a_whole_body_ends() {
        let whole = futures::stream::iter([Ok(Bytes::from_static(b"x"))]).boxed();
        let chunks: Vec<_> = guarded(whole, CancellationToken::new(), Uuid::nil()).collect().await;
        assert_eq!(chunks.len(), 1);
    }
}

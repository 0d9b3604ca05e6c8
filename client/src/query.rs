//! One query: its text, its parameters, and how it is sent.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde::Serialize;

use crate::connection::Connection;
use crate::error::{Error, Problem, Result};
use crate::notice::PolicyNotice;
use crate::stream::ResultStream;
use crate::value::Value;

const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// More than any description of a problem needs; an endless answer is cut here.
const PROBLEM_LIMIT: usize = 1 << 20;

/// One statement, not yet sent.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let rows = connection
///     .query("SELECT * FROM orders WHERE region = $1 AND total > $2")
///     .params(["EU".into(), 100.into()])
///     .strict(true)
///     .max_rows(1000)
///     .stream()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query does nothing before `stream`"]
pub struct Query {
    connection: Connection,
    sql: String,
    params: Vec<Value>,
    strict: bool,
    max_rows: Option<u64>,
}

/// The body of `POST /v1/sql`.
#[derive(Serialize)]
struct Body<'a> {
    sql: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<u64>,
}

impl Query {
    pub(crate) fn new(connection: Connection, sql: String) -> Self {
        Self { connection, sql, params: Vec::new(), strict: false, max_rows: None }
    }

    /// The values of the statement's parameters, in order.
    pub fn params(mut self, params: impl IntoIterator<Item = Value>) -> Self {
        self.params.extend(params);
        self
    }

    /// The value of the statement's next parameter.
    pub fn param(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Whether to fail with [`Code::PolicyWithheld`](crate::Code::PolicyWithheld) where policy would narrow the result.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The most rows to send.
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.max_rows = Some(rows);
        self
    }

    /// Sends the query; returns when its first rows (or its end) have arrived. Dropping the future or the stream
    /// cancels the query.
    pub async fn stream(self) -> Result<ResultStream> {
        let params = self.params.iter().map(Value::to_json).collect::<Result<_>>()?;
        let body = Body {
            sql: &self.sql,
            params,
            database: self.connection.database(),
            strict: self.strict,
            max_rows: self.max_rows,
        };
        let request = self.connection.post().header(ACCEPT, ARROW_STREAM).json(&body);
        let response = request.send().await.map_err(|error| Error::Unreachable(reason(&error)))?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        let (query_id, policy) = answer(response.headers())?;
        ResultStream::open(query_id, policy, response.bytes_stream()).await
    }
}

/// What a good answer says before its rows. An answer without a notice is not taken for one that hides nothing.
fn answer(headers: &HeaderMap) -> Result<(String, PolicyNotice)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(CONTENT_TYPE.as_str()).unwrap_or_default();
    if !content_type.starts_with(ARROW_STREAM) {
        return Err(Error::Protocol(format!("it sends `{content_type}` instead of rows")));
    }
    let query_id =
        text("lakegate-query-id").ok_or_else(|| Error::Protocol("it does not name the query".to_owned()))?;
    let policy = text("lakegate-policy")
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| Error::Protocol("it does not say what policy did".to_owned()))?;
    Ok((query_id.to_owned(), policy))
}

async fn problem(mut response: reqwest::Response) -> Error {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= PROBLEM_LIMIT => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Error::Protocol(format!("status {status} with an endless description")),
            Ok(None) => break,
            Err(error) => return Error::Unreachable(reason(&error)),
        }
    }
    Problem::parse(status, &body).map_or_else(|error| error, Error::Gateway)
}

/// The innermost cause: the outer ones say only that a request failed.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

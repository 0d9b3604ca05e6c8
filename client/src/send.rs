//! Requests: how they are sent, tried again where that is safe, and what their answers say before their rows.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

use crate::error::{Code, Error, Problem, Result};
use crate::notice::PolicyNotice;

/// The format that rows are asked for in.
pub(crate) const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// More than any description of a problem or of a query needs; an endless answer is cut here.
const WORDS_LIMIT: usize = 1 << 20;

/// Before the first repetition; each next one waits longer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What opens a statement that changes nothing, so that it may run twice.
const READING: [&str; 8] = ["select", "with", "values", "table", "show", "describe", "desc", "explain"];

/// How often to try again, and after what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retry {
    pub times: u32,
    safe: Safe,
}

/// When a request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Safe {
    /// When nothing was sent.
    Unsent,
    /// Also when the gateway answered that it could not run it.
    Unrun,
    /// Also when no answer came.
    Unanswered,
}

/// What a good answer says before its rows.
#[derive(Debug)]
pub(crate) struct Head {
    pub query_id: String,
    pub policy: PolicyNotice,
}

impl Retry {
    pub fn of(sql: &str, times: u32) -> Self {
        Self { times, safe: if only_reads(sql) { Safe::Unrun } else { Safe::Unsent } }
    }

    /// For a request that may be sent again unless it has been heard.
    pub fn unless_heard(times: u32) -> Self {
        Self { times, safe: Safe::Unrun }
    }

    /// For a request that does the same however often it is sent.
    pub fn always(times: u32) -> Self {
        Self { times, safe: Safe::Unanswered }
    }

    fn allows(self, error: &Failure) -> bool {
        match error {
            Failure::Unconnected(_) => true,
            Failure::Other(Error::Gateway(problem)) => {
                self.safe != Safe::Unsent && problem.code == Code::Unavailable
            }
            Failure::Other(Error::Unreachable(_)) => self.safe == Safe::Unanswered,
            Failure::Other(_) => false,
        }
    }
}

/// A failure, and whether it is known that nothing was sent.
enum Failure {
    Unconnected(Error),
    Other(Error),
}

/// Sends `request`, again where `retry` allows it, until an answer is good.
pub(crate) async fn retried(request: RequestBuilder, retry: Retry) -> Result<Response> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..retry.times {
        // A body that cannot be sent twice there is none.
        let Some(copy) = request.try_clone() else { break };
        match once(copy).await {
            Err(failure) if retry.allows(&failure) => {
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            outcome => return outcome.map_err(Failure::into_error),
        }
    }
    once(request).await.map_err(Failure::into_error)
}

async fn once(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await.map_err(|error| {
        let told = Error::Unreachable(reason(&error));
        if error.is_connect() { Failure::Unconnected(told) } else { Failure::Other(told) }
    })?;
    match response.status().is_success() {
        true => Ok(response),
        false => Err(Failure::Other(problem(response).await)),
    }
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Unconnected(error) | Self::Other(error) => error,
        }
    }
}

/// What a good answer says before its rows. An answer without a notice is not taken for one that hides nothing.
pub(crate) fn head(headers: &HeaderMap) -> Result<Head> {
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
    Ok(Head { query_id: query_id.to_owned(), policy })
}

/// An answer that is no rows.
pub(crate) async fn json<T: DeserializeOwned>(response: Response) -> Result<T> {
    let status = response.status().as_u16();
    let body = words(response).await?;
    serde_json::from_slice(&body)
        .map_err(|_| Error::Protocol(format!("status {status} with words that are not its own")))
}

async fn problem(response: Response) -> Error {
    let status = response.status().as_u16();
    match words(response).await {
        Ok(body) => Problem::parse(status, &body).map_or_else(|error| error, Error::Gateway),
        Err(error) => error,
    }
}

async fn words(mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= WORDS_LIMIT => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                let status = response.status().as_u16();
                return Err(Error::Protocol(format!("status {status} with an endless description")));
            }
            Ok(None) => return Ok(body),
            Err(error) => return Err(Error::Unreachable(reason(&error))),
        }
    }
}

/// The innermost cause: the outer ones say only that a request failed.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Whether a statement surely changes nothing. In doubt it is taken for one that does.
pub(crate) fn only_reads(sql: &str) -> bool {
    let word = behind_comments(sql).trim_start_matches(['(', ' ', '\t', '\r', '\n']);
    let end = word.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(word.len());
    let word = word.get(..end).unwrap_or_default();
    READING.iter().any(|reading| reading.eq_ignore_ascii_case(word))
}

fn behind_comments(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        rest = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').unwrap_or_default().1,
            (_, Some(comment)) => behind_block(comment),
            _ => return rest,
        }
        .trim_start();
    }
}

/// What follows a comment that has begun. Comments may hold comments.
fn behind_block(mut rest: &str) -> &str {
    let mut depth = 1_usize;
    while depth > 0 {
        let (end, begin) = (rest.find("*/"), rest.find("/*"));
        let at = match (end, begin) {
            (Some(end), Some(begin)) if begin < end => {
                depth += 1;
                begin
            }
            (Some(end), _) => {
                depth -= 1;
                end
            }
            (None, _) => return "",
        };
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_reads_is_taken_to() {
        for (sql, expected) in [
            ("select 1", true),
            ("  -- why\n/* a /* b */ c */ (WITH x AS (SELECT 1) SELECT * FROM x)", true),
            ("SHOW GRANTS", true),
            ("explain access select 1", true),
            ("VALUES(1)", true),
            ("GRANT SELECT ON a TO USER b", false),
            ("/* select */ REVOKE SELECT ON a FROM USER b", false),
            ("-- select 1", false),
            ("/* select 1", false),
            ("selected", false),
            ("CREATE VIEW a AS SELECT 1", false),
            ("DROP VIEW a", false),
            ("EXECUTE a", false),
            ("", false),
            ("é", false),
        ] {
            assert_eq!(only_reads(sql), expected, "{sql}");
        }
    }
}

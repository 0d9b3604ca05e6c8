//! What a request says besides who asks: its body, its query, its path and the revision it was made for. Each of
//! these fails with an `invalid_request` that says where.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Problem;
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};

/// A JSON object as the body.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

/// How much of a body that is too large is still taken, and for how long: who is answered while they send may not hear it.
const LINGERING: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Object<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        refuse_other_types(request.headers().get(CONTENT_TYPE))?;
        let body = whole(request.into_body(), app.config.limits.max_body_bytes).await?;
        Ok(Self(parse_object(&body)?))
    }
}

/// All of a body, which has `most` bytes at most.
pub(super) async fn whole(body: Body, most: usize) -> Result<Vec<u8>> {
    let mut parts = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Error::invalid_request("the body could not be read to its end"))?;
        if whole.len().saturating_add(part.len()) > most {
            drop(whole);
            linger(parts).await;
            return Err(Error::new(ErrorKind::LimitExceeded, "the body is larger than this gateway takes"));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

async fn linger(mut parts: BodyDataStream) {
    let mut left = LINGERING;
    let reading = async {
        while let Some(Ok(part)) = parts.next().await {
            match left.checked_sub(part.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whoever has more to say, or says it too slowly, is cut off.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

fn refuse_other_types(content_type: Option<&HeaderValue>) -> Result<()> {
    let Some(value) = content_type else { return Ok(()) };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::invalid_request(format!("the body is `{media_type}`; send `application/json`")))
}

/// Reads a JSON object. An array is refused although it could be taken for the fields in order.
fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Error::invalid_request(format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if !text.trim_start().starts_with('{') {
        return Err(Error::invalid_request("the body must be a JSON object"));
    }
    serde_json::from_str(text)
        .map_err(|error| Error::invalid_request(format!("the body is not right: {}", plain(&error))))
}

/// The parser's text without the names of Rust types.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.replace("expected u64", "expected a whole number, 0 or more");
    let text = text.replace("expected u32", "expected a whole number, 0 or more");
    text.replace("expected a sequence", "expected an array")
        .replace("sequence,", "array,")
        .replace(" map,", " object,")
}

/// The query part of the address.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(value) = Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            Error::invalid_request(format!("the query of the address is not right: {}", cause(&rejection)))
        })?;
        Ok(Self(value))
    }
}

/// The parameters in the path.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await.map_err(|rejection| {
            Error::invalid_request("the path of the address is not right").with_source(rejection)
        })?;
        Ok(Self(value))
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The revision that a change was made for, from `if-match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMatch {
    Absent,
    Any,
    Revision(i64),
}

impl IfMatch {
    /// For a change that replaces what it does not read: without the header it could undo another one unseen.
    pub(super) fn required(self) -> Result<Option<i64>> {
        match self {
            Self::Absent => Err(Error::invalid_request(
                "send `if-match` with the `etag` of what you have read, or `*` to replace whatever is there",
            )),
            _ => Ok(self.revision()),
        }
    }

    /// The revision, when one was named.
    pub(super) fn revision(self) -> Option<i64> {
        match self {
            Self::Revision(revision) => Some(revision),
            Self::Absent | Self::Any => None,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(IF_MATCH) else { return Ok(Self::Absent) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let revision = quoted.and_then(|text| text.parse().ok());
        revision.map(Self::Revision).ok_or_else(|| {
            Error::invalid_request("`if-match` must be one `etag` as this gateway gave it, or `*`").into()
        })
    }
}

/// A value with its revision as `etag`, when the caller may know it.
#[derive(Debug)]
pub(super) struct Tagged<T> {
    pub(super) status: StatusCode,
    pub(super) revision: Option<i64>,
    pub(super) value: T,
}

impl<T> Tagged<T> {
    /// What is there.
    pub(super) fn found(revision: i64, value: T) -> Self {
        Self { status: StatusCode::OK, revision: Some(revision), value }
    }

    /// What was made just now.
    pub(super) fn created(revision: i64, value: T) -> Self {
        Self { status: StatusCode::CREATED, revision: Some(revision), value }
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.value)).into_response();
        let tag = self.revision.and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok());
        if let Some(tag) = tag {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "max_rows")]
        _max_rows: Option<u64>,
    }

    fn refusal(body: &[u8]) -> String {
        parse_object::<Sample>(body).unwrap_err().detail().to_owned()
    }

    #[test]
    fn a_wrong_body_says_where() {
        assert_eq!(
            refusal(br#"{"max_row": 1}"#),
            "the body is not right: unknown field `max_row`, expected `max_rows` at line 1 column 10"
        );
        assert_eq!(refusal(b"[1]"), "the body must be a JSON object");
        assert_eq!(refusal(b""), "the body must be a JSON object");
        assert_eq!(refusal(b"{\"max_rows\": \xff}"), "the body is not UTF-8 at byte 13");
        assert!(
            refusal(br#"{"max_rows": -1}"#).contains("expected a whole number, 0 or more"),
            "{}",
            refusal(br#"{"max_rows": -1}"#)
        );
        assert!(
            refusal(b"{\n\"max_rows\" 1}").contains("line 2 column"),
            "{}",
            refusal(b"{\n\"max_rows\" 1}")
        );
    }

    #[test]
    fn a_form_is_not_taken_for_json() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        assert!(refuse_other_types(Some(&form)).is_err());
        assert!(
            refuse_other_types(Some(&HeaderValue::from_static("application/json; charset=utf-8"))).is_ok()
        );
    }
}

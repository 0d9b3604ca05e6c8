//! Errors as answers: [`ErrorKind`] to status, and the problem document (RFC 9457).
//!
//! A handler fails with a [`Problem`], which carries the error to the outermost layer. There, [`tell`] knows the id
//! of the request: it logs the cause under that id and writes the document, which has the detail and never the cause.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// What every answer with a status of 400 or more looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// `urn:lakegate:error:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of failure in words.
    pub title: &'static str,
    pub status: u16,
    /// What went wrong with this request.
    pub detail: String,
    /// `table_not_found`, `invalid_request` …
    pub code: &'static str,
    /// Of this request; the audit log and the server's log have the same.
    pub query_id: Uuid,
}

/// A failure on its way to becoming an answer.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    error: Arc<Error>,
    status: StatusCode,
}

impl Problem {
    /// A failure whose status says more than its code does, as that of a method which a path does not have.
    pub(super) fn with_status(status: StatusCode, error: Error) -> Self {
        Self { error: Arc::new(error), status }
    }
}

impl ProblemDocument {
    /// What is told of `error`.
    pub(super) fn of(error: &Error, query_id: Uuid) -> Self {
        let kind = error.kind();
        Self {
            kind: format!("urn:lakegate:error:{}", kind.code()),
            title: title(kind),
            status: status(kind).as_u16(),
            detail: error.detail().to_owned(),
            code: kind.code(),
            query_id,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self { status: status(error.kind()), error: Arc::new(error) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an answer that carries a [`Problem`] its body, and its cause to the log.
pub(super) fn tell(mut response: Response, query_id: Uuid) -> Response {
    let Some(Problem { error, status }) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    error.log(query_id);
    let kind = error.kind();
    let document = ProblemDocument { status: status.as_u16(), ..ProblemDocument::of(&error, query_id) };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(header::CONTENT_LENGTH);
    if kind == ErrorKind::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&document).unwrap_or_default());
    response
}

/// A panic of a handler, as any other failure of ours. What it said may hold data and stays out of the answer.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::from(Error::internal("a handler panicked")).into_response()
}

/// The status of each kind.
pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied | ErrorKind::PolicyWithheld | ErrorKind::StatementNotAllowed => {
            StatusCode::FORBIDDEN
        }
        ErrorKind::TableNotFound | ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::ColumnNotFound | ErrorKind::SyntaxError | ErrorKind::InvalidRequest => {
            StatusCode::BAD_REQUEST
        }
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::QueryFailed => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::PolicyError | ErrorKind::PolicyInvalid | ErrorKind::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        // What servers use for a request that its client gave up; it has no name of its own.
        ErrorKind::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthenticated => "Not authenticated",
        ErrorKind::PermissionDenied => "Permission denied",
        ErrorKind::PolicyWithheld => "Withheld by policy",
        ErrorKind::StatementNotAllowed => "Statement not allowed",
        ErrorKind::TableNotFound => "Table not found",
        ErrorKind::NotFound => "Not found",
        ErrorKind::ColumnNotFound => "Column not found",
        ErrorKind::SyntaxError => "Syntax error",
        ErrorKind::InvalidRequest => "Invalid request",
        ErrorKind::Conflict => "Conflict",
        ErrorKind::LimitExceeded => "Limit exceeded",
        ErrorKind::QueryFailed => "Query failed",
        ErrorKind::PolicyError => "Policy expression failed",
        ErrorKind::PolicyInvalid => "Policy does not fit the table",
        ErrorKind::Timeout => "Timed out",
        ErrorKind::Cancelled => "Cancelled",
        ErrorKind::Unavailable => "Unavailable",
        ErrorKind::Internal => "Internal failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cause_is_not_sent() {
        let error = Error::internal("password=hunter2");
        let response = tell(Problem::from(error).into_response(), Uuid::nil());
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "urn:lakegate:error:internal",
                "title": "Internal failure",
                "status": 500,
                "detail": "something failed inside the gateway; the log has the cause",
                "code": "internal",
                "query_id": "00000000-0000-0000-0000-000000000000",
            })
        );
    }

    #[test]
    fn a_cancelled_request_has_its_own_status() {
        assert_eq!(status(ErrorKind::Cancelled).as_u16(), 499);
    }
}

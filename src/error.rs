//! The one error that leaves a stage, and its kinds: the codes that every protocol shows.
//!
//! A module may have a private error of its own; what it returns to its caller is an [`Error`]. The detail is
//! written for the person who asked: lower case, no full stop, their input in backticks, no names of Rust types,
//! and never a value or a name that they may not see. What only the operator should read goes into the source,
//! which is logged and not sent. This file knows no protocol: each one maps [`ErrorKind`] at its own edge.

use std::fmt;

use uuid::Uuid;

/// The outcome of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms a caller can act on. [`ErrorKind::code`] is its name in every protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    Unauthenticated,
    PermissionDenied,
    PolicyWithheld,
    StatementNotAllowed,
    TableNotFound,
    NotFound,
    ColumnNotFound,
    SyntaxError,
    InvalidRequest,
    Conflict,
    LimitExceeded,
    QueryFailed,
    PolicyError,
    PolicyInvalid,
    Timeout,
    Cancelled,
    Unavailable,
    Internal,
}

impl ErrorKind {
    /// The stable name of this kind, as clients see it and as the audit log keeps it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::PolicyWithheld => "policy_withheld",
            Self::StatementNotAllowed => "statement_not_allowed",
            Self::TableNotFound => "table_not_found",
            Self::NotFound => "not_found",
            Self::ColumnNotFound => "column_not_found",
            Self::SyntaxError => "syntax_error",
            Self::InvalidRequest => "invalid_request",
            Self::Conflict => "conflict",
            Self::LimitExceeded => "limit_exceeded",
            Self::QueryFailed => "query_failed",
            Self::PolicyError => "policy_error",
            Self::PolicyInvalid => "policy_invalid",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failure with its kind, a sentence for the person who asked, and a cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    is_lasting: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind`, told to the person who asked as `detail`.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), is_lasting: false, source: None }
    }

    /// The cause, for the log alone.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same, of which trying again comes to the same until somebody has changed something. Its kind alone would not say so:
    /// most conflicts are over when the other one is.
    pub fn lasting(mut self) -> Self {
        self.is_lasting = true;
        self
    }

    /// Whether trying again is known to come to the same.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// A failure of ours: the detail names no internals, the cause is in the log.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "something failed inside the gateway; the log has the cause")
            .with_source(source)
    }

    /// The request itself is not well formed.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, detail)
    }

    /// Another system (store, lake, source) does not answer.
    pub fn unavailable(
        detail: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Unavailable, detail).with_source(source)
    }

    /// A named thing of the catalog or the policy does not exist.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("{what} not found: `{name}`"))
    }

    /// Somebody else has changed the same thing, or it exists already.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, detail)
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the person who asked.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Logs the cause, under the id of the query where it is known: as an error when it is ours, since only then somebody must act.
    pub fn log(&self, query_id: impl Into<Option<Uuid>>) {
        let query_id = query_id.into().map(tracing::field::display);
        let cause = std::error::Error::source(self).map(chain).unwrap_or_default();
        let code = self.kind.code();
        match self.kind {
            ErrorKind::Internal
            | ErrorKind::Unavailable
            | ErrorKind::PolicyError
            | ErrorKind::PolicyInvalid => {
                tracing::error!(query_id, code, cause, "request failed: {self}");
            }
            _ => tracing::debug!(query_id, code, cause, "request refused: {self}"),
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

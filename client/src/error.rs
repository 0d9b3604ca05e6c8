//! What can come of a query other than its result.
//!
//! [`Error`] is the outcome; [`Problem`] is what the gateway itself said, from its `application/problem+json`. The
//! texts are for the person who asked: lower case, no full stop, no token.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// The outcome of anything that can fail.
///
/// ```
/// fn first_word(text: &str) -> lakegate_client::Result<&str> {
///     text.split(' ').next().ok_or_else(|| lakegate_client::Error::Options("no word".to_owned()))
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no (complete) result.
///
/// ```no_run
/// use lakegate_client::{Code, Error};
///
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// match connection.query("SELECT * FROM orders").rows().await {
///     Ok(rows) => println!("{} columns", rows.metadata().columns().len()),
///     Err(Error::Gateway(problem)) if problem.code == Code::TableNotFound => println!("no orders for you"),
///     Err(Error::Unreachable(_)) => println!("try later"),
///     Err(other) => return Err(other),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway answered that it will not or cannot run the query.
    #[error("{0}")]
    Gateway(Problem),
    /// The gateway cannot be reached.
    #[error("the gateway does not answer: {0}")]
    Unreachable(String),
    /// The result broke off. What came before is not the whole result.
    #[error("the result broke off before its end: {reason}{}", of_query(.query_id))]
    Incomplete {
        /// What ended it.
        reason: String,
        /// The query, as the audit log names it.
        query_id: Option<String>,
    },
    /// What answers does not speak the gateway's protocol.
    #[error("this is no answer of a gateway: {0}")]
    Protocol(String),
    /// The address, the token or a parameter cannot be used.
    #[error("{0}")]
    Options(String),
    /// A [`CancelHandle`](crate::CancelHandle) stopped it.
    #[error("the statement was cancelled")]
    Cancelled,
    /// It took longer than it might.
    #[error("the statement took longer than {0:?}")]
    TimedOut(Duration),
    /// A value cannot be read as it is asked for.
    #[error("column `{column}` {reason}")]
    Column {
        /// The name or the place that was asked for.
        column: String,
        /// Why not.
        reason: String,
    },
}

/// What the gateway said: its code, a sentence for the person who asked, and the query that it is about.
///
/// ```
/// use lakegate_client::{Code, Error};
///
/// fn is_missing(error: &Error) -> bool {
///     error.problem().is_some_and(|problem| problem.code == Code::TableNotFound)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Problem {
    /// The kind of problem.
    pub code: Code,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// The query, as the audit log names it.
    pub query_id: Option<String>,
}

macro_rules! codes {
    ($($variant:ident = $text:literal: $doc:literal),* $(,)?) => {
        /// The kinds of problems that a gateway answers with.
        ///
        /// ```
        /// use lakegate_client::Code;
        ///
        /// assert_eq!(Code::from("table_not_found"), Code::TableNotFound);
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $doc] $variant,)*
            /// A code that this version of the client does not know.
            Other(String),
        }

        impl Code {
            /// The code as the protocol writes it.
            ///
            /// ```
            /// assert_eq!(lakegate_client::Code::PolicyWithheld.as_str(), "policy_withheld");
            /// ```
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for Code {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

codes! {
    Unauthenticated = "unauthenticated": "The token is missing, wrong or expired.",
    PermissionDenied = "permission_denied": "The identity may know of the thing but not do this with it.",
    PolicyWithheld = "policy_withheld": "The query was strict and policy would have narrowed its result.",
    StatementNotAllowed = "statement_not_allowed": "Nobody may run this statement here.",
    TableNotFound = "table_not_found": "There is no such table for this identity.",
    NotFound = "not_found": "There is no such thing for this identity.",
    ColumnNotFound = "column_not_found": "There is no such column for this identity.",
    SyntaxError = "syntax_error": "The SQL cannot be read.",
    InvalidRequest = "invalid_request": "The request is not well formed.",
    Conflict = "conflict": "Somebody else was faster.",
    LimitExceeded = "limit_exceeded": "A limit of the gateway was reached.",
    QueryFailed = "query_failed": "The query failed over the data it may see.",
    PolicyError = "policy_error": "An expression of the policy failed.",
    PolicyInvalid = "policy_invalid": "An expression of the policy no longer fits its table.",
    Timeout = "timeout": "The query took longer than the gateway allows.",
    Cancelled = "cancelled": "The query was cancelled.",
    Unavailable = "unavailable": "The gateway lacks something that it needs.",
    Internal = "internal": "Something failed inside the gateway.",
}

impl Error {
    /// What the gateway said, when it was the gateway that said something.
    ///
    /// ```
    /// assert!(lakegate_client::Error::Cancelled.problem().is_none());
    /// ```
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Gateway(problem) => Some(problem),
            _ => None,
        }
    }

    /// The query that this is about, as the audit log names it.
    ///
    /// ```
    /// let error = lakegate_client::Error::Incomplete { reason: "gone".to_owned(), query_id: Some("a".to_owned()) };
    /// assert_eq!(error.query_id(), Some("a"));
    /// ```
    pub fn query_id(&self) -> Option<&str> {
        match self {
            Self::Gateway(problem) => problem.query_id.as_deref(),
            Self::Incomplete { query_id, .. } => query_id.as_deref(),
            _ => None,
        }
    }
}

impl Problem {
    /// Reads `application/problem+json`; anything else is no answer of a gateway.
    pub(crate) fn parse(status: u16, body: &[u8]) -> Result<Self> {
        let told: Self = serde_json::from_slice(body)
            .map_err(|_| Error::Protocol(format!("status {status} without a description of the problem")))?;
        Ok(Self { status, ..told })
    }
}

/// As it comes.
#[derive(Deserialize)]
struct Wire {
    code: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    query_id: Option<String>,
}

impl From<Wire> for Problem {
    fn from(wire: Wire) -> Self {
        let detail = wire.detail.or(wire.title).unwrap_or_else(|| wire.code.clone());
        Self { code: Code::from(wire.code.as_str()), status: wire.status, detail, query_id: wire.query_id }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code.as_str())
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn of_query(query_id: &Option<String>) -> String {
    query_id.as_ref().map(|id| format!(" (query {id})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself_and_unknown_ones_are_kept() {
        for text in ["unauthenticated", "policy_withheld", "timeout", "internal", "a_code_of_tomorrow"] {
            assert_eq!(Code::from(text).as_str(), text);
        }
        assert_eq!(Code::from("timeout"), Code::Timeout);
        assert_eq!(Code::from("nope"), Code::Other("nope".to_owned()));
    }

    #[test]
    fn a_page_of_some_proxy_is_no_problem_description() {
        let error = Problem::parse(502, b"<html>bad gateway</html>").unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error}");
        assert!(error.to_string().contains("502"));
    }
}

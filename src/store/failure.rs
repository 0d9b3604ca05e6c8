//! What a failure of the store's database means to the caller.
//!
//! The driver's own text goes to the log only: it may name the server, and it helps nobody else.

use sqlx::error::ErrorKind as DatabaseErrorKind;

use crate::error::Error;

/// Sorts a driver's failure: the store is away, the text cannot be kept, somebody was faster, or it is our fault.
pub(super) fn store_failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => unavailable(error),
        sqlx::Error::Configuration(_) => {
            Error::invalid_request("the store's URL is not well formed").with_source(error)
        }
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            if database.kind() == DatabaseErrorKind::UniqueViolation {
                Error::conflict("something of this name or id exists already").with_source(error)
            } else if code == "22021" {
                Error::invalid_request("the store cannot keep a text with a NUL character").with_source(error)
            } else if is_away(&code) {
                unavailable(error)
            } else {
                Error::internal(error)
            }
        }
        _ => Error::internal(error),
    }
}

/// A stored value that does not read back: written by another version, or by hand.
pub(super) fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(error)
}

fn unavailable(error: sqlx::Error) -> Error {
    Error::unavailable("the policy store does not answer: try again later", error)
}

/// PostgreSQL: connection, authorization, missing database, resources, shutdown and a server that became read-only.
/// SQLite: busy, locked, read-only, IO error, full, cannot open; extended codes keep these in their low byte.
fn is_away(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "28", "3D", "53", "57", "58", "25006"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

//! Errors as PostgreSQL tells them: a SQLSTATE that tools understand, our words, and our code as the routine.

use pgwire::error::{ErrorInfo, PgWireError};

use crate::error::{Error, ErrorKind};

/// `error` as it is sent; its cause is for the log.
pub(super) fn error(error: &Error) -> PgWireError {
    error.log(None);
    info("ERROR", sqlstate(error.kind()), error.detail(), Some(error.kind()))
}

/// The same, with which the connection ends.
pub(super) fn fatal_error(error: &Error) -> PgWireError {
    info("FATAL", sqlstate(error.kind()), error.detail(), Some(error.kind()))
}

/// What a client did that the protocol does not allow, or that is not to be had here.
pub(super) fn refused(sqlstate: &str, text: &str) -> PgWireError {
    info("ERROR", sqlstate, text, None)
}

/// The same, with which the connection ends.
pub(super) fn fatal(sqlstate: &str, text: &str) -> PgWireError {
    info("FATAL", sqlstate, text, None)
}

fn info(severity: &str, sqlstate: &str, text: &str, kind: Option<ErrorKind>) -> PgWireError {
    let mut info = ErrorInfo::new(severity.to_owned(), sqlstate.to_owned(), text.to_owned());
    info.severity_nonlocalized = Some(severity.to_owned());
    info.routine = kind.map(|kind| kind.code().to_owned());
    PgWireError::UserError(Box::new(info))
}

/// An error of the protocol's library without its own words for what is inside.
pub(super) fn told(error: PgWireError) -> PgWireError {
    match error {
        PgWireError::UserError(info) => PgWireError::UserError(info),
        PgWireError::QueryCanceled => {
            self::error(&Error::new(ErrorKind::Cancelled, "the query was cancelled by its user"))
        }
        PgWireError::PortalNotFound(name) => refused("34000", &format!("there is no portal `{name}`")),
        PgWireError::StatementNotFound(name) => {
            refused("26000", &format!("there is no prepared statement `{name}`"))
        }
        PgWireError::ApiError(cause) => self::error(&Error::internal(cause)),
        PgWireError::FailedToParseParameter(_) | PgWireError::InvalidRustTypeForParameter(_) => {
            refused("22P02", "a parameter does not read as a value of its type")
        }
        PgWireError::ParameterIndexOutOfBound(_) => {
            refused("08P01", "a parameter of the statement was not given")
        }
        other => fatal("08P01", &other.to_string()),
    }
}

/// `error` as the last thing that is said.
pub(super) fn made_fatal(error: PgWireError) -> PgWireError {
    match told(error) {
        PgWireError::UserError(mut info) => {
            "FATAL".clone_into(&mut info.severity);
            info.severity_nonlocalized = Some("FATAL".to_owned());
            PgWireError::UserError(info)
        }
        other => other,
    }
}

/// Whether the connection ends with it.
pub(super) fn is_fatal(error: &PgWireError) -> bool {
    matches!(error, PgWireError::UserError(info) if info.is_fatal())
}

/// <https://www.postgresql.org/docs/16/errcodes-appendix.html>
fn sqlstate(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unauthenticated => "28P01",
        ErrorKind::PermissionDenied | ErrorKind::PolicyWithheld => "42501",
        ErrorKind::StatementNotAllowed => "0A000",
        ErrorKind::TableNotFound => "42P01",
        ErrorKind::NotFound => "42704",
        ErrorKind::ColumnNotFound => "42703",
        ErrorKind::SyntaxError => "42601",
        ErrorKind::InvalidRequest | ErrorKind::PolicyInvalid => "22023",
        ErrorKind::Conflict => "40001",
        ErrorKind::LimitExceeded => "54000",
        ErrorKind::QueryFailed => "22000",
        ErrorKind::Timeout | ErrorKind::Cancelled => "57014",
        ErrorKind::Unavailable => "57P03",
        ErrorKind::PolicyError | ErrorKind::Internal => "XX000",
    }
}

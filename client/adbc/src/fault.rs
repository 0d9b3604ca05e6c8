//! Failures in ADBC's terms: its status, the SQLSTATE, and the gateway's own words and code.

use adbc_core::error::{Error, Status};
use lakegate_client::{Code, Error as Fault};

/// `error` as a driver manager hands it on.
pub(crate) fn of_client(error: &Fault) -> Error {
    let (status, sqlstate) = match error {
        Fault::Gateway(problem) => of_code(&problem.code),
        Fault::Options(_) => (Status::InvalidArguments, b"22023"),
        Fault::Unreachable(_) => (Status::IO, b"08001"),
        Fault::Incomplete { .. } => (Status::IO, b"08006"),
        Fault::Protocol(_) => (Status::IO, b"08P01"),
        Fault::Cancelled => (Status::Cancelled, b"57014"),
        Fault::TimedOut(_) => (Status::Timeout, b"57014"),
        _ => (Status::Internal, b"XX000"),
    };
    let mut told = Error::with_message_and_status(error.to_string(), status);
    #[allow(
        clippy::cast_possible_wrap,
        reason = "the characters are ASCII; C's have a sign on some machines"
    )]
    {
        told.sqlstate = sqlstate.map(|letter| letter as std::os::raw::c_char);
    }
    let mut details = Vec::new();
    if let Some(problem) = error.problem() {
        details.push(("lakegate-code".to_owned(), problem.code.as_str().as_bytes().to_vec()));
    }
    if let Some(query_id) = error.query_id() {
        details.push(("lakegate-query-id".to_owned(), query_id.as_bytes().to_vec()));
    }
    told.details = (!details.is_empty()).then_some(details);
    told
}

fn of_code(code: &Code) -> (Status, &'static [u8; 5]) {
    match code {
        Code::Unauthenticated => (Status::Unauthenticated, b"28P01"),
        Code::PermissionDenied | Code::PolicyWithheld => (Status::Unauthorized, b"42501"),
        Code::StatementNotAllowed => (Status::NotImplemented, b"0A000"),
        Code::TableNotFound => (Status::NotFound, b"42P01"),
        Code::NotFound => (Status::NotFound, b"42704"),
        Code::ColumnNotFound => (Status::NotFound, b"42703"),
        Code::SyntaxError => (Status::InvalidArguments, b"42601"),
        Code::InvalidRequest => (Status::InvalidArguments, b"22023"),
        Code::Conflict => (Status::InvalidState, b"40001"),
        Code::LimitExceeded => (Status::InvalidState, b"54000"),
        Code::QueryFailed => (Status::InvalidData, b"22000"),
        Code::Timeout => (Status::Timeout, b"57014"),
        Code::Cancelled => (Status::Cancelled, b"57014"),
        Code::Unavailable => (Status::IO, b"57P03"),
        _ => (Status::Internal, b"XX000"),
    }
}

pub(crate) fn invalid(text: impl Into<String>) -> Error {
    Error::with_message_and_status(text, Status::InvalidArguments)
}

pub(crate) fn not_implemented(what: &str) -> Error {
    Error::with_message_and_status(format!("{what} is not to be had of a gateway"), Status::NotImplemented)
}

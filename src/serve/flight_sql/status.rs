//! Errors as gRPC statuses: the code of the product stands in `lakegate-code`, the cause in the log.

use tonic::{Code, Status};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// `error` as the answer to the call with this id.
pub(super) fn status(error: &Error, query_id: Uuid) -> Status {
    error.log(query_id);
    let mut status = Status::new(code(error.kind()), error.detail());
    let told =
        [("lakegate-code", error.kind().code().to_owned()), ("lakegate-query-id", query_id.to_string())];
    for (name, value) in told {
        if let Ok(value) = value.parse() {
            status.metadata_mut().insert(name, value);
        }
    }
    status
}

/// A call that does not read as one.
pub(super) fn malformed(what: impl Into<String>) -> Status {
    status(&Error::invalid_request(what), Uuid::now_v7())
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::PermissionDenied | ErrorKind::PolicyWithheld | ErrorKind::StatementNotAllowed => {
            Code::PermissionDenied
        }
        ErrorKind::TableNotFound | ErrorKind::NotFound => Code::NotFound,
        ErrorKind::ColumnNotFound | ErrorKind::SyntaxError | ErrorKind::InvalidRequest => {
            Code::InvalidArgument
        }
        ErrorKind::QueryFailed => Code::FailedPrecondition,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::LimitExceeded => Code::ResourceExhausted,
        ErrorKind::Timeout => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::PolicyError | ErrorKind::PolicyInvalid | ErrorKind::Internal => Code::Internal,
    }
}

//! The policy notice as a `NOTICE` before the rows: `policy: ` and the document that HTTP has in its header.

use pgwire::error::ErrorInfo;
use pgwire::messages::PgWireBackendMessage;

use crate::error::{Error, Result};
use crate::query::PolicyNotice;

/// What is to be said of `notice`: nothing where policy did nothing.
pub(super) fn message(notice: &PolicyNotice) -> Result<Option<PgWireBackendMessage>> {
    if *notice == PolicyNotice::default() {
        return Ok(None);
    }
    let told = serde_json::to_string(notice).map_err(Error::internal)?;
    Ok(Some(told_as("NOTICE", "00000", &format!("policy: {told}"))))
}

/// A warning, such as that a setting has no effect.
pub(super) fn warning(text: &str) -> PgWireBackendMessage {
    told_as("WARNING", "01000", text)
}

fn told_as(severity: &str, sqlstate: &str, text: &str) -> PgWireBackendMessage {
    let mut info = ErrorInfo::new(severity.to_owned(), sqlstate.to_owned(), text.to_owned());
    info.severity_nonlocalized = Some(severity.to_owned());
    PgWireBackendMessage::NoticeResponse(info.into())
}

//! For whoever starts and watches the process. The only routes without credentials: they say nothing but yes or no.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use super::error::Problem;
use crate::app::App;
use crate::error::{Error, ErrorKind};

/// A store that answers later than this is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, description = "Alive")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The gateway can answer: its policy store does.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "Ready"),
    (status = 503, description = "The policy store does not answer", body = super::error::ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let silent = "the policy store does not answer";
    match tokio::time::timeout(PATIENCE, app.store.policy_version()).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(Error::unavailable(silent, error).into()),
        Err(_) => Err(Error::new(ErrorKind::Unavailable, silent).into()),
    }
}

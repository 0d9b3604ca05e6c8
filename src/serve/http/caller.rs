//! Who asks. A handler that takes a [`Caller`] or an [`Administrator`] runs for nobody else.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::Problem;
use crate::app::App;
use crate::audit::event::{AuditEvent, Verdict};
use crate::error::{Error, ErrorKind};
use crate::identity::REFUSAL;
use crate::policy::principal::Identity;

/// Somebody whose credentials are good.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Arc<Identity>);

/// A caller who manages catalog and policy.
#[derive(Debug, Clone)]
pub(super) struct Administrator(pub(super) Arc<Identity>);

/// The id of a request: of a statement its query id, in an error and in the log the way to find it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(pub(super) Uuid);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.refuse_stale()?;
        let bearer = bearer(parts)?;
        let identity = app.authenticator.authenticate(bearer).await.inspect_err(|_| {
            // Not audited: whoever has no credentials could fill the audit log with it.
            tracing::info!(path = parts.uri.path(), "login failed");
        })?;
        Ok(Self(Arc::new(identity)))
    }
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Caller(identity) = Caller::from_request_parts(parts, app).await?;
        if app.is_administrator(&identity) {
            return Ok(Self(identity));
        }
        let id = parts.extensions.get::<RequestId>().map_or_else(Uuid::now_v7, |id| id.0);
        let error = needs_administrator();
        let what = format!("{} {} needs an administrator", parts.method, parts.uri.path());
        app.audit.record(denial(id, &identity, error.kind(), what)).await;
        Err(error.into())
    }
}

/// What whoever is no administrator is told where only one may.
pub(super) fn needs_administrator() -> Error {
    Error::new(ErrorKind::PermissionDenied, "this needs an administrator")
}

/// Leaves a record of it when `error` says that `identity` may not do what they asked for at `address`.
pub(super) async fn refused(app: &App, id: Uuid, identity: &Identity, address: &str, error: &Error) {
    let is_denial = matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::TableNotFound);
    if is_denial && !app.is_administrator(identity) {
        app.audit.record(denial(id, identity, error.kind(), format!("{address}: {error}"))).await;
    }
}

fn denial(id: Uuid, identity: &Identity, kind: ErrorKind, detail: String) -> AuditEvent {
    AuditEvent {
        door: Some("http".to_owned()),
        verdict: Verdict::Denied,
        error_code: Some(kind.code().to_owned()),
        detail: Some(detail),
        ..AuditEvent::new(id, identity.user.clone(), "administer")
    }
}

fn bearer(parts: &Parts) -> Result<&str, Error> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(no_token()) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(no_token)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(no_token());
    }
    Ok(token.trim())
}

fn no_token() -> Error {
    Error::new(ErrorKind::Unauthenticated, REFUSAL)
}

//! `/v1/me`: who the caller is taken to be.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::error::ProblemDocument;
use crate::app::App;

/// The caller, as policy sees them.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Me {
    user: String,
    groups: BTreeSet<String>,
    /// Every role that the user or a group of theirs reaches.
    roles: BTreeSet<String>,
    administrator: bool,
}

/// Who asks.
#[utoipa::path(get, path = "/v1/me", tag = "identity", responses(
    (status = 200, body = Me),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_me(State(app): State<Arc<App>>, Caller(identity): Caller) -> Json<Me> {
    Json(Me {
        user: identity.user.clone(),
        groups: identity.groups.clone(),
        roles: app.state().index.roles_of(&identity),
        administrator: app.is_administrator(&identity),
    })
}

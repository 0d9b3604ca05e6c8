//! `/v1/grants`: the rules that add access. For administrators; what somebody holds with `grantable` they may grant on.
//! A grant is checked whole before it is saved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::{Administrator, Caller, RequestId, refused};
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::{Listing, Page};
use crate::app::{App, grants};
use crate::error::{Error, Result};
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Columns, Grant, Permission, Target};
use crate::policy::principal::Principal;
use crate::store::record::{Change, Versioned};

/// A grant.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GrantView {
    id: String,
    to: String,
    #[schema(value_type = TargetBody)]
    on: Target,
    #[schema(value_type = Vec<PermissionName>)]
    permissions: BTreeSet<Permission>,
    #[schema(value_type = ColumnsBody)]
    columns: Columns,
    rows: Option<String>,
    filter: Option<String>,
    grantable: bool,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    reason: Option<String>,
    revision: i64,
}

/// A grant as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct GrantBody {
    /// `user:NAME`, `group:NAME`, `role:NAME` or `public`.
    #[schema(value_type = String, example = "role:analyst")]
    to: Principal,
    #[schema(value_type = TargetBody)]
    on: Target,
    #[schema(value_type = Vec<PermissionName>)]
    permissions: BTreeSet<Permission>,
    /// For `select`: which columns. All, also those added later, unless told.
    #[serde(default)]
    #[schema(value_type = Option<ColumnsBody>)]
    columns: Columns,
    /// For `select`: a boolean expression over the table's columns; only rows for which it is true are covered.
    #[schema(example = "region = attr('region')")]
    rows: Option<String>,
    /// The named filter that says columns and rows in their place.
    filter: Option<String>,
    /// The grantee may grant the same or less to others.
    #[serde(default)]
    grantable: bool,
    /// From this time on, itself included.
    from: Option<DateTime<Utc>>,
    /// Before this time, itself excluded.
    until: Option<DateTime<Utc>>,
    reason: Option<String>,
}

/// `DATABASE`, `DATABASE.*`, `DATABASE.TABLE`, or tags: each key must have one of its values.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Describes `policy::model::Target`, which knows no protocol.
pub(in super::super) enum TargetBody {
    #[schema(example = "sales.customers")]
    Name(String),
    Tags {
        tags: BTreeMap<String, Vec<String>>,
    },
}

/// `"all"`, `{"include": […]}` or `{"exclude": […]}`.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // Describes `policy::model::Columns`, which knows no protocol.
pub(in super::super) enum ColumnsBody {
    All,
    Include(Vec<String>),
    Exclude(Vec<String>),
}

/// On tables `select`, `describe`, `insert`, `alter`, `drop`; on databases `describe`, `create_table`, `alter`, `drop`.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)]
pub(in super::super) enum PermissionName {
    Select,
    Describe,
    Insert,
    Alter,
    Drop,
    CreateTable,
}

impl From<&Versioned<Arc<Grant>>> for GrantView {
    fn from(grant: &Versioned<Arc<Grant>>) -> Self {
        let Grant { id, to, on, permissions, columns, rows, filter, grantable, from, until, reason } =
            Grant::clone(&grant.value);
        let (to, revision) = (to.to_string(), grant.revision);
        Self { id, to, on, permissions, columns, rows, filter, grantable, from, until, reason, revision }
    }
}

impl GrantBody {
    fn into_grant(self, id: String) -> Grant {
        let Self { to, on, permissions, columns, rows, filter, grantable, from, until, reason } = self;
        Grant { id, to, on, permissions, columns, rows, filter, grantable, from, until, reason }
    }
}

/// The grants, by id, which is the order in which they were made.
#[utoipa::path(get, path = "/v1/grants", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<GrantView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_grants(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<GrantView>>, Problem> {
    let governance = app.state();
    let grants = governance.state.grants.iter().map(|(id, grant)| (id.clone(), grant.into()));
    Ok(Json(page.of(grants)?))
}

/// One grant.
#[utoipa::path(get, path = "/v1/grants/{id}", tag = "policy", params(("id" = String, Path)), responses(
    (status = 200, body = GrantView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_grant(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(id): Named<String>,
) -> Result<Tagged<GrantView>, Problem> {
    let view = current(&app, &id)?;
    Ok(Tagged::found(view.revision, view))
}

/// Grants: administrators anything, others the same as or less than what they hold with `grantable`.
#[utoipa::path(post, path = "/v1/grants", tag = "policy", request_body = GrantBody, responses(
    (status = 201, body = GrantView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is the same grant, `permission_denied` when it is more than may be passed on", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_grant(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Extension(RequestId(request)): Extension<RequestId>,
    Object(body): Object<GrantBody>,
) -> Result<Tagged<GrantView>, Problem> {
    let wanted = GrantSpec::from(&body.into_grant(String::new()));
    let id = match grants::grant_anew(&app, &identity, wanted).await {
        Ok(id) => id,
        Err(error) => {
            refused(&app, request, &identity, "POST /v1/grants", &error).await;
            return Err(error.into());
        }
    };
    let view = current(&app, &id)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces a grant.
#[utoipa::path(put, path = "/v1/grants/{id}", tag = "policy",
    params(("id" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = GrantBody, responses(
    (status = 200, body = GrantView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_grant(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(id): Named<String>,
    if_match: IfMatch,
    Object(body): Object<GrantBody>,
) -> Result<Tagged<GrantView>, Problem> {
    let expected = if_match.required()?;
    current(&app, &id)?;
    let value = body.into_grant(id.clone());
    app.change(&identity.user, vec![Change::UpdateGrant { value, expected }]).await?;
    let view = current(&app, &id)?;
    Ok(Tagged::found(view.revision, view))
}

/// Takes a grant back.
#[utoipa::path(delete, path = "/v1/grants/{id}", tag = "policy",
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_grant(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(id): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.change(&identity.user, vec![Change::DropGrant { id, expected: if_match.revision() }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, id: &str) -> Result<GrantView> {
    let governance = app.state();
    governance.state.grants.get(id).map(Into::into).ok_or_else(|| Error::not_found("grant", id))
}

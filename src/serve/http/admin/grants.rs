//! `/v1/grants`: the rules that add access. For administrators. A grant is checked whole before it is saved.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::{Listing, Page};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::check::check_grant;
use crate::policy::model::{Columns, Grant, Permission, Target};
use crate::policy::principal::Principal;
use crate::query::check_rows_expression;
use crate::store::record::{Change, State as Kept, Versioned};

/// A grant.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GrantView {
    id: String,
    to: String,
    on: String,
    #[schema(value_type = Vec<PermissionName>)]
    permissions: BTreeSet<Permission>,
    #[schema(value_type = ColumnsBody)]
    columns: Columns,
    rows: Option<String>,
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
    /// `DATABASE`, `DATABASE.*` or `DATABASE.TABLE`.
    #[schema(value_type = String, example = "sales.customers")]
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
    reason: Option<String>,
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

impl From<&Versioned<Grant>> for GrantView {
    fn from(grant: &Versioned<Grant>) -> Self {
        let Grant { id, to, on, permissions, columns, rows, reason } = grant.value.clone();
        let (to, on) = (to.to_string(), on.to_string());
        Self { id, to, on, permissions, columns, rows, reason, revision: grant.revision }
    }
}

impl GrantBody {
    fn into_grant(self, id: String) -> Grant {
        let Self { to, on, permissions, columns, rows, reason } = self;
        Grant { id, to, on, permissions, columns, rows, reason }
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

/// Grants.
#[utoipa::path(post, path = "/v1/grants", tag = "policy", request_body = GrantBody, responses(
    (status = 201, body = GrantView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is the same grant", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_grant(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<GrantBody>,
) -> Result<Tagged<GrantView>, Problem> {
    let grant = body.into_grant(Uuid::now_v7().to_string());
    check(&app, &grant).await?;
    let id = grant.id.clone();
    app.commit(&identity.user, vec![Change::CreateGrant(grant)]).await?;
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
    check(&app, &value).await?;
    app.commit(&identity.user, vec![Change::UpdateGrant { value, expected }]).await?;
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
    app.commit(&identity.user, vec![Change::DropGrant { id, expected: if_match.revision() }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, id: &str) -> Result<GrantView> {
    let governance = app.state();
    governance.state.grants.get(id).map(Into::into).ok_or_else(|| Error::not_found("grant", id))
}

/// Everything that must hold of a grant before it is saved.
async fn check(app: &App, grant: &Grant) -> Result<()> {
    check_grant(&grant.on, &grant.permissions, &grant.columns, grant.rows.as_deref())?;
    let governance = app.state();
    check_target(grant, &governance.state)?;
    refuse_twin(grant, &governance.state)?;
    if let Some(rows) = &grant.rows {
        check_rows_expression(app, &grant.on, rows)?;
    }
    Ok(())
}

/// That the database, the table and the columns exist: a name misspelt would grant nothing, or hide nothing.
fn check_target(grant: &Grant, kept: &Kept) -> Result<()> {
    let table = match &grant.on {
        Target::Database(database) | Target::AllTables(database) => {
            return match kept.databases.contains_key(database) {
                true => Ok(()),
                false => Err(Error::not_found("database", database)),
            };
        }
        Target::Table(table) => table,
    };
    let record = kept
        .tables
        .get(table)
        .ok_or_else(|| Error::new(ErrorKind::TableNotFound, format!("table not found: `{table}`")))?;
    let (Columns::Include(columns) | Columns::Exclude(columns)) = &grant.columns else { return Ok(()) };
    match columns.iter().find(|column| record.value.schema.field_with_name(column).is_err()) {
        Some(column) => {
            Err(Error::new(ErrorKind::ColumnNotFound, format!("`{table}` has no column `{column}`")))
        }
        None => Ok(()),
    }
}

/// A grant is the same as another when all but its reason is.
fn refuse_twin(grant: &Grant, kept: &Kept) -> Result<()> {
    let twin = kept.grants.values().map(|other| &other.value).find(|other| {
        other.id != grant.id
            && (&other.to, &other.on, &other.permissions, &other.columns, &other.rows)
                == (&grant.to, &grant.on, &grant.permissions, &grant.columns, &grant.rows)
    });
    match twin {
        Some(twin) => Err(Error::conflict(format!("there is the same grant already: `{}`", twin.id))),
        None => Ok(()),
    }
}

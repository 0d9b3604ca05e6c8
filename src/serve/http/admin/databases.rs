//! `/v1/databases`: everybody sees those in which something is theirs; administrators make and change them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::{Administrator, Caller};
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::{Listing, Page};
use crate::app::{App, Governance};
use crate::error::{Error, Result};
use crate::policy::decide::decide_database;
use crate::policy::principal::Identity;
use crate::query::authorize::asker;
use crate::store::record::{Change, Database, Versioned};

/// A database.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DatabaseView {
    name: String,
    comment: Option<String>,
    revision: i64,
}

/// A new database.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewDatabase {
    name: String,
    comment: Option<String>,
}

/// What can be changed of a database.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DatabaseChange {
    comment: Option<String>,
}

impl From<&Versioned<Database>> for DatabaseView {
    fn from(database: &Versioned<Database>) -> Self {
        let Database { name, comment } = database.value.clone();
        Self { name, comment, revision: database.revision }
    }
}

/// The databases that the caller may see, by name.
#[utoipa::path(get, path = "/v1/databases", tag = "catalog", params(Page), responses(
    (status = 200, body = Listing<DatabaseView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_databases(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Params(page): Params<Page>,
) -> Result<Json<Listing<DatabaseView>>, Problem> {
    let governance = app.state();
    let visible = visible(&app, &governance, &identity);
    let databases = governance.state.databases.iter().filter(|(name, _)| visible.contains(*name));
    Ok(Json(page.of(databases.map(|(name, database)| (name.clone(), database.into())))?))
}

/// One database.
#[utoipa::path(get, path = "/v1/databases/{database}", tag = "catalog",
    params(("database" = String, Path)), responses(
    (status = 200, body = DatabaseView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_database(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Named(name): Named<String>,
) -> Result<Tagged<DatabaseView>, Problem> {
    let governance = app.state();
    let database = governance.state.databases.get(&name);
    let database = database.filter(|_| visible(&app, &governance, &identity).contains(&name));
    let database = database.ok_or_else(|| Error::not_found("database", &name))?;
    Ok(Tagged::found(database.revision, database.into()))
}

/// Makes a database. For administrators.
#[utoipa::path(post, path = "/v1/databases", tag = "catalog", request_body = NewDatabase, responses(
    (status = 201, body = DatabaseView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one of this name", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_database(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(NewDatabase { name, comment }): Object<NewDatabase>,
) -> Result<Tagged<DatabaseView>, Problem> {
    let database = Database { name: name.clone(), comment };
    app.commit(&identity.user, vec![Change::CreateDatabase(database)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces what a database says of itself. For administrators.
#[utoipa::path(put, path = "/v1/databases/{database}", tag = "catalog",
    params(("database" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = DatabaseChange, responses(
    (status = 200, body = DatabaseView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_database(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(DatabaseChange { comment }): Object<DatabaseChange>,
) -> Result<Tagged<DatabaseView>, Problem> {
    let value = Database { name: name.clone(), comment };
    let change = Change::UpdateDatabase { value, expected: if_match.required()? };
    app.commit(&identity.user, vec![change]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a database without tables. For administrators.
#[utoipa::path(delete, path = "/v1/databases/{database}", tag = "catalog",
    params(("database" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure; `conflict` while it has tables", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_database(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let change = Change::DropDatabase { name, expected: if_match.revision() };
    app.commit(&identity.user, vec![change]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<DatabaseView> {
    let governance = app.state();
    governance.state.databases.get(name).map(Into::into).ok_or_else(|| Error::not_found("database", name))
}

/// The databases in which this caller may see a table, or that a grant to them is on.
fn visible(app: &App, governance: &Governance, identity: &Identity) -> BTreeSet<String> {
    if app.is_administrator(identity) {
        return governance.state.databases.keys().cloned().collect();
    }
    let asker = asker(identity, governance, false);
    let names = governance.state.databases.keys();
    names.filter(|name| decide_database(&asker, name, &governance.index)).cloned().collect()
}

//! `/v1/views`: queries under a table's name. For administrators; whoever may also makes them with `CREATE VIEW`.
//!
//! A view runs with the rights of whoever reads it, so making one gives nobody anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::tables::{ColumnView, no_such_table};
use super::{Listing, Page, check_same};
use crate::app::App;
use crate::error::{Error, Result};
use crate::policy::check::check_name;
use crate::policy::model::TableName;
use crate::query::CreateView;
use crate::store::record::{Change, Versioned, View};

/// A view.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ViewView {
    /// `database.view`.
    name: String,
    sql: String,
    /// Where the query looks up a table that is named without a database.
    database: Option<String>,
    /// Those it had when it was made.
    columns: Vec<ColumnView>,
    /// Who made it.
    owner: String,
    comment: Option<String>,
    revision: i64,
}

/// A view as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ViewBody {
    /// `database.view`.
    #[schema(value_type = String, example = "sales.totals")]
    name: TableName,
    /// One query.
    #[schema(example = "SELECT region, sum(total) AS total FROM sales.orders GROUP BY region")]
    sql: String,
    /// Where the query looks up a table that is named without a database.
    database: Option<String>,
    comment: Option<String>,
}

impl From<&Versioned<View>> for ViewView {
    fn from(kept: &Versioned<View>) -> Self {
        let View { name, sql, database, schema, owner, comment } = kept.value.clone();
        Self {
            name: name.to_string(),
            sql,
            database,
            columns: schema.fields().iter().map(|field| ColumnView::of(field)).collect(),
            owner,
            comment,
            revision: kept.revision,
        }
    }
}

impl ViewBody {
    fn into_view(self) -> Result<CreateView> {
        CreateView::over(self.name, &self.sql, self.database, self.comment)
    }
}

/// The views, by name.
#[utoipa::path(get, path = "/v1/views", tag = "catalog", params(Page), responses(
    (status = 200, body = Listing<ViewView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_views(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<ViewView>>, Problem> {
    let governance = app.state();
    let views = governance.state.views.iter();
    let mut views: Vec<(String, ViewView)> =
        views.map(|(name, kept)| (name.to_string(), kept.into())).collect();
    // By the text that pages are cut at, which is not quite the order of the two names.
    views.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(Json(page.of(views.into_iter())?))
}

/// One view.
#[utoipa::path(get, path = "/v1/views/{database}/{view}", tag = "catalog",
    params(("database" = String, Path), ("view" = String, Path)), responses(
    (status = 200, body = ViewView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_view(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named((database, view)): Named<(String, String)>,
) -> Result<Tagged<ViewView>, Problem> {
    let view = current(&app, &TableName::new(database, view))?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a view.
#[utoipa::path(post, path = "/v1/views", tag = "catalog", request_body = ViewBody, responses(
    (status = 201, body = ViewView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is a table or a view of this name", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_view(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<ViewBody>,
) -> Result<Tagged<ViewView>, Problem> {
    check_name("view", &body.name.table).map_err(Error::from)?;
    let name = body.name.clone();
    body.into_view()?.make(&app, &identity).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces a view.
#[utoipa::path(put, path = "/v1/views/{database}/{view}", tag = "catalog",
    params(("database" = String, Path), ("view" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = ViewBody, responses(
    (status = 200, body = ViewView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_view(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named((database, view)): Named<(String, String)>,
    if_match: IfMatch,
    Object(body): Object<ViewBody>,
) -> Result<Tagged<ViewView>, Problem> {
    let expected = if_match.required()?;
    let name = TableName::new(database, view);
    check_same(&name.to_string(), &body.name.to_string())?;
    current(&app, &name)?;
    body.into_view()?.put(&app, &identity, expected).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a view. What reads it fails from then on.
#[utoipa::path(delete, path = "/v1/views/{database}/{view}", tag = "catalog",
    params(("database" = String, Path), ("view" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_view(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named((database, view)): Named<(String, String)>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let name = TableName::new(database, view);
    current(&app, &name)?;
    app.change(&identity.user, vec![Change::DropView { name, expected: if_match.revision() }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &TableName) -> Result<ViewView> {
    let governance = app.state();
    governance.state.views.get(name).map(Into::into).ok_or_else(|| no_such_table(name))
}

//! `/v1/filters`: columns and rows of one table under a name, for use in grants. For administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::grants::ColumnsBody;
use super::{Listing, Page, check_same};
use crate::app::App;
use crate::error::{Error, Result};
use crate::policy::check::check_name;
use crate::policy::model::{Columns, Filter, TableName};
use crate::store::record::{Change, Versioned};

/// A filter.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct FilterView {
    name: String,
    on: String,
    #[schema(value_type = ColumnsBody)]
    columns: Columns,
    rows: Option<String>,
    revision: i64,
}

/// A filter as it is to be: which columns, which rows, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct FilterBody {
    name: String,
    /// The table. Grants that use the filter are on the same one.
    #[schema(value_type = String, example = "sales.customers")]
    on: TableName,
    #[serde(default)]
    #[schema(value_type = Option<ColumnsBody>)]
    columns: Columns,
    /// A boolean expression over the table's columns.
    #[schema(example = "region = 'EU'")]
    rows: Option<String>,
}

impl From<&Versioned<Filter>> for FilterView {
    fn from(filter: &Versioned<Filter>) -> Self {
        let Filter { name, on, columns, rows } = filter.value.clone();
        Self { name, on: on.to_string(), columns, rows, revision: filter.revision }
    }
}

impl FilterBody {
    fn into_filter(self) -> Filter {
        let Self { name, on, columns, rows } = self;
        Filter { name, on, columns, rows }
    }
}

/// The filters, by name.
#[utoipa::path(get, path = "/v1/filters", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<FilterView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_filters(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<FilterView>>, Problem> {
    let governance = app.state();
    let filters = governance.state.filters.iter().map(|(name, kept)| (name.clone(), kept.into()));
    Ok(Json(page.of(filters)?))
}

/// One filter.
#[utoipa::path(get, path = "/v1/filters/{filter}", tag = "policy", params(("filter" = String, Path)), responses(
    (status = 200, body = FilterView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_filter(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<FilterView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a filter.
#[utoipa::path(post, path = "/v1/filters", tag = "policy", request_body = FilterBody, responses(
    (status = 201, body = FilterView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_filter(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<FilterBody>,
) -> Result<Tagged<FilterView>, Problem> {
    check_name("filter", &body.name).map_err(Error::from)?;
    let value = body.into_filter();
    let name = value.name.clone();
    app.change(&identity.user, vec![Change::CreateFilter(value)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces a filter; the grants that use it follow at once.
#[utoipa::path(put, path = "/v1/filters/{filter}", tag = "policy",
    params(("filter" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = FilterBody, responses(
    (status = 200, body = FilterView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_filter(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<FilterBody>,
) -> Result<Tagged<FilterView>, Problem> {
    let expected = if_match.required()?;
    let value = body.into_filter();
    check_same(&name, &value.name.clone())?;
    current(&app, &name)?;
    app.change(&identity.user, vec![Change::UpdateFilter { value, expected }]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a filter that no grant uses.
#[utoipa::path(delete, path = "/v1/filters/{filter}", tag = "policy",
    params(("filter" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_filter(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    current(&app, &name)?;
    let expected = if_match.revision();
    app.change(&identity.user, vec![Change::DropFilter { name, expected }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<FilterView> {
    let governance = app.state();
    governance.state.filters.get(name).map(Into::into).ok_or_else(|| Error::not_found("filter", name))
}

//! `/v1/access/…`: who may see what, and why. Readers ask about themselves and get the safe form; administrators ask
//! about anybody and get the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::caller::{Administrator, Caller, RequestId, needs_administrator, refused};
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{Object, Params};
use super::{Listing, Page};
use crate::app::App;
use crate::error::Error;
use crate::policy::model::TableName;
use crate::policy::principal::Identity;
use crate::query::access::{Question, TableAccess, answer};
use crate::query::matrix::{Matrix, Row};

/// Which matrix.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct MatrixParams {
    /// `DATABASE.TABLE`, of a table or a view.
    #[param(value_type = String)]
    table: TableName,
    /// Only this column, or the fields inside it, and only those who see something of it.
    column: Option<String>,
    /// The most rows to give: 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Who sees what of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct MatrixView {
    table: String,
    /// In table order, the fields of a struct by their paths.
    columns: Vec<String>,
    /// By principal: users, groups, roles and `public` that a grant, a restriction or a role names.
    #[schema(value_type = Vec<MatrixRowView>)]
    items: Vec<Row>,
    /// Send it as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What somebody who is this principal, and no other, gets.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Describes `query::matrix::Row`.
pub(in super::super) struct MatrixRowView {
    principal: String,
    /// `full`, `filtered`, `masked`, `nulled` or `none` for each column; where several hold, `masked` before `nulled`
    /// before `filtered`.
    access: BTreeMap<String, String>,
    rows_filtered: bool,
    /// The roles that it reaches.
    roles: Vec<String>,
    /// The ids of the grants that this follows from.
    grants: Vec<String>,
    /// The names of the restrictions that take something away.
    restrictions: Vec<String>,
}

/// What is asked about: `sql` or `table`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ExplainBody {
    /// The tables that this query names. It is not run.
    #[schema(example = "SELECT id FROM sales.customers")]
    sql: Option<String>,
    #[schema(value_type = Option<String>, example = "sales.customers")]
    table: Option<TableName>,
    /// Where the query looks up a table that is named without a database.
    database: Option<String>,
    /// For whom, when it is not the caller: for administrators.
    #[serde(rename = "as")]
    #[schema(rename = "as")]
    subject: Option<SubjectBody>,
}

/// Somebody, as a token would describe them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct SubjectBody {
    user: String,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    groups: BTreeSet<String>,
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Object>>)]
    attributes: BTreeMap<String, serde_json::Value>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ExplainView {
    /// Whom it is about.
    user: String,
    #[schema(value_type = Vec<TableAccessView>)]
    tables: Vec<TableAccess>,
}

/// What somebody may see of one table, and why.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Describes `query::access::TableAccess`, which knows no protocol.
pub(in super::super) struct TableAccessView {
    table: String,
    /// `allowed`, `describe_only` or `not_found`.
    verdict: String,
    /// The visible columns, a field of a struct by its path.
    columns: Vec<String>,
    columns_hidden: bool,
    rows_filtered: bool,
    /// Columns that are NULL in rows where no grant gives them.
    cells_nulled: Vec<String>,
    masked: Vec<String>,
    /// The smallest grant that would allow what is denied.
    needs: Option<String>,
    /// For administrators.
    rules: Option<RulesView>,
}

/// The rules behind it.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // Describes `query::access::Rules`.
pub(in super::super) struct RulesView {
    /// The grants, each as a sentence with its id.
    grants: Vec<String>,
    /// The names of the restrictions that take something away.
    restrictions: Vec<String>,
    /// Rows are those for which any of these holds; all when there is none.
    rows: Vec<String>,
    /// And each of these must hold.
    required: Vec<String>,
    hidden_columns: Vec<String>,
    /// For each column that is NULL in places, where it is not.
    cells: BTreeMap<String, Vec<String>>,
    /// For each masked column its mask and the restriction it comes from.
    masks: BTreeMap<String, String>,
}

/// Why tables look as they do to the caller or, for administrators, to anybody.
#[utoipa::path(post, path = "/v1/access/explain", tag = "access", request_body = ExplainBody, responses(
    (status = 200, body = ExplainView),
    (status = "default", description = "A failure; `permission_denied` when `as` is sent by somebody who is no administrator", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn explain_access(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Extension(RequestId(request)): Extension<RequestId>,
    Object(body): Object<ExplainBody>,
) -> Result<Json<ExplainView>, Problem> {
    let administers = app.is_administrator(&caller);
    let identity = match body.subject {
        None => caller,
        Some(subject) if administers => Arc::new(subject.into_identity()?),
        Some(_) => {
            let error = needs_administrator();
            refused(&app, request, &caller, "POST /v1/access/explain", &error).await;
            return Err(error.into());
        }
    };
    let question = match (body.sql, body.table) {
        (Some(sql), None) => Question::Sql { sql, database: body.database },
        (None, Some(table)) => Question::Table(table),
        _ => return Err(Error::invalid_request("ask about one thing: send `sql` or `table`").into()),
    };
    let tables = answer(&app, &identity, &question, administers).await?;
    Ok(Json(ExplainView { user: identity.user.clone(), tables }))
}

/// Who sees what of a table: principals and columns. For administrators.
#[utoipa::path(get, path = "/v1/access/matrix", tag = "access", params(MatrixParams), responses(
    (status = 200, body = MatrixView),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_access_matrix(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(asked): Params<MatrixParams>,
) -> Result<Json<MatrixView>, Problem> {
    let MatrixParams { table, column, limit, after } = asked;
    let matrix = Matrix::new(app.state(), table.clone(), column.as_deref())?;
    let principals = matrix.principals();
    // Decided one by one as the page fills: what is before it costs nothing.
    let behind = principals.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
    let rows = behind.filter_map(|(name, principal)| Some((name.clone(), matrix.row(principal)?)));
    let Listing { items, next } = Page { limit, after: None }.of(rows)?;
    Ok(Json(MatrixView { table: table.to_string(), columns: matrix.paths().to_vec(), items, next }))
}

impl SubjectBody {
    fn into_identity(self) -> Result<Identity, Error> {
        let Self { user, groups, attributes } = self;
        if user.is_empty() {
            return Err(Error::invalid_request("`user` is empty: name whom it is about"));
        }
        Ok(Identity { user, groups, attributes })
    }
}

//! `/v1/tables`: everybody sees the tables and columns that the decision lets them see; administrators change them.
//!
//! A reader's view has no version, no location, no times of change and no revision: those tell of rows that they may
//! not see. Tables come into being by ingestion and registration, not here.

use std::sync::Arc;

use arrow_schema::Field;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::{Administrator, Caller};
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::super::formats::sql_type;
use super::{Listing, Page};
use crate::app::{App, Governance};
use crate::catalog::publish::release;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::model::TableName;
use crate::query::listing::{Visible, told, visible_tables};
use crate::store::record::{Change, Description, Reference, TableRecord};

/// A table.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TableView {
    /// `database.table`.
    name: String,
    format: String,
    columns: Vec<ColumnView>,
    partition_columns: Vec<String>,
    comment: Option<String>,
    /// The columns of the source's primary key; left out where the reader may not know all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    primary_key: Vec<String>,
    /// The foreign keys of the source of which the reader may know both sides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign_keys: Vec<ForeignKeyView>,
    created_at: DateTime<Utc>,
    /// What only administrators see.
    #[serde(flatten)]
    administration: Option<Administration>,
}

/// What of a table only administrators see.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Administration {
    location: String,
    /// The published version; null for formats without versions.
    version: Option<i64>,
    /// Columns that the table got later and that grants with an exclude list do not show until they are released.
    unreleased: Vec<String>,
    updated_at: DateTime<Utc>,
    revision: i64,
}

/// Columns whose values are in another table.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ForeignKeyView {
    columns: Vec<String>,
    /// `database.table`.
    table: String,
    /// The columns there, each beside its own.
    references: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ColumnView {
    name: String,
    /// In the words of SQL.
    #[serde(rename = "type")]
    kind: String,
    nullable: bool,
    /// What the source says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

/// What can be changed of a table.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TableChange {
    /// Null removes it.
    #[serde(deserialize_with = "Option::deserialize")]
    comment: Option<String>,
}

impl ForeignKeyView {
    fn of(key: Reference) -> Self {
        Self { columns: key.columns, table: key.table.to_string(), references: key.references }
    }
}

impl ColumnView {
    pub(super) fn of(field: &Field) -> Self {
        let kind = sql_type(field.data_type());
        Self { name: field.name().clone(), kind, nullable: field.is_nullable(), comment: None }
    }
}

impl TableView {
    fn of(
        visible: &Visible<'_>,
        said: Option<Description>,
        governance: &Governance,
        administers: bool,
    ) -> Self {
        let TableRecord { name, location, format, version, partition_columns, comment, .. } = visible.record;
        let fields = visible.fields();
        let said = said.unwrap_or_else(|| Description::nothing(name.clone()));
        let columns = fields.iter().map(|field| ColumnView {
            comment: said.columns.get(field.name()).cloned(),
            ..ColumnView::of(field)
        });
        let is_shown = |column: &&String| fields.iter().any(|field| field.name() == *column);
        Self {
            name: name.to_string(),
            format: format.to_string(),
            columns: columns.collect(),
            partition_columns: partition_columns.iter().filter(is_shown).cloned().collect(),
            comment: comment.clone().or(said.comment),
            primary_key: said.primary_key,
            foreign_keys: said.foreign_keys.into_iter().map(ForeignKeyView::of).collect(),
            created_at: visible.record.created_at,
            administration: administers.then(|| Administration {
                location: location.clone(),
                version: *version,
                unreleased: governance.index.unreleased(name).iter().cloned().collect(),
                updated_at: visible.record.updated_at,
                revision: visible.revision,
            }),
        }
    }
}

/// The tables that the caller may see, by name.
#[utoipa::path(get, path = "/v1/tables", tag = "catalog", params(Page), responses(
    (status = 200, body = Listing<TableView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_tables(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Params(page): Params<Page>,
) -> Result<Json<Listing<TableView>>, Problem> {
    let governance = app.state();
    let administers = app.is_administrator(&identity);
    let visible = visible_tables(&governance, &identity, administers);
    let view = |one: &Visible<'_>| {
        let name = &one.record.name;
        (name.to_string(), TableView::of(one, told(&governance, &visible, name), &governance, administers))
    };
    let mut tables: Vec<(String, TableView)> = visible.iter().map(view).collect();
    // By the text that pages are cut at, which is not quite the order of the two names.
    tables.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(Json(page.of(tables.into_iter())?))
}

/// One table.
#[utoipa::path(get, path = "/v1/tables/{database}/{table}", tag = "catalog",
    params(("database" = String, Path), ("table" = String, Path)), responses(
    (status = 200, body = TableView, headers(("etag" = String, description = "The revision, for administrators"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_table(
    State(app): State<Arc<App>>,
    Caller(identity): Caller,
    Named((database, table)): Named<(String, String)>,
) -> Result<Tagged<TableView>, Problem> {
    let governance = app.state();
    let name = TableName::new(database, table);
    let administers = app.is_administrator(&identity);
    let tables = visible_tables(&governance, &identity, administers);
    // One text for a table that is hidden and for one that does not exist.
    let visible =
        tables.iter().find(|visible| visible.record.name == name).ok_or_else(|| no_such_table(&name))?;
    Ok(Tagged {
        status: StatusCode::OK,
        revision: administers.then_some(visible.revision),
        value: TableView::of(visible, told(&governance, &tables, &name), &governance, administers),
    })
}

/// Changes the comment of a table. For administrators.
#[utoipa::path(patch, path = "/v1/tables/{database}/{table}", tag = "catalog",
    params(("database" = String, Path), ("table" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = TableChange, responses(
    (status = 200, body = TableView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn update_table(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named((database, table)): Named<(String, String)>,
    if_match: IfMatch,
    Object(TableChange { comment }): Object<TableChange>,
) -> Result<Tagged<TableView>, Problem> {
    let name = TableName::new(database, table);
    let asked = if_match.required()?;
    let governance = app.state();
    let record = governance.state.tables.get(&name).ok_or_else(|| no_such_table(&name))?;
    // The whole record is written: without this revision a version published meanwhile would be undone.
    let expected = Some(asked.unwrap_or(record.revision));
    let value = TableRecord { comment, updated_at: Utc::now(), ..TableRecord::clone(&record.value) };
    app.commit(&identity.user, vec![Change::UpdateTable { value, expected }]).await?;
    let governance = app.state();
    let tables = visible_tables(&governance, &identity, true);
    let visible =
        tables.iter().find(|visible| visible.record.name == name).ok_or_else(|| no_such_table(&name))?;
    Ok(Tagged::found(
        visible.revision,
        TableView::of(visible, told(&governance, &tables, &name), &governance, true),
    ))
}

/// Which columns are released.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Release {
    /// Their names.
    #[serde(default)]
    columns: Vec<String>,
    /// All that wait, whichever they are by now.
    #[serde(default)]
    all: bool,
}

/// The columns that were released.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Released {
    released: Vec<String>,
}

/// Lets grants with an exclude list show columns that the table got later. For administrators.
#[utoipa::path(post, path = "/v1/tables/{database}/{table}/release", tag = "catalog",
    params(("database" = String, Path), ("table" = String, Path)), request_body = Release, responses(
    (status = 200, body = Released),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn release_columns(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named((database, table)): Named<(String, String)>,
    Object(Release { columns, all }): Object<Release>,
) -> Result<Json<Released>, Problem> {
    let name = TableName::new(database, table);
    if columns.is_empty() != all {
        return Err(Error::invalid_request("name the `columns` to release, or write `\"all\": true`").into());
    }
    let (released, change) = release(&app.state().state, &name, &columns)?;
    app.commit(&identity.user, change.into_iter().collect()).await?;
    Ok(Json(Released { released }))
}

/// Takes a table out of the catalog; its files stay where they are. For administrators.
#[utoipa::path(delete, path = "/v1/tables/{database}/{table}", tag = "catalog",
    params(("database" = String, Path), ("table" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_table(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named((database, table)): Named<(String, String)>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let name = TableName::new(database, table);
    if !app.state().state.tables.contains_key(&name) {
        return Err(no_such_table(&name).into());
    }
    app.commit(&identity.user, vec![Change::DropTable { name, expected: if_match.revision() }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn no_such_table(name: &TableName) -> Error {
    Error::new(ErrorKind::TableNotFound, format!("table not found: `{name}`"))
}

//! What there is, as this caller may know it: the same decision as that of the listings in SQL.

use std::collections::BTreeSet;

use arrow_flight::sql::{CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};
use arrow_schema::{DataType, Field, Schema};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use super::plain::plain_schema;
use crate::app::App;
use crate::policy::principal::Identity;
use crate::query::engine::CATALOG;
use crate::query::listing::listed;

/// The kinds of tables.
const TYPES: [&str; 2] = ["BASE TABLE", "VIEW"];

/// There is one catalog.
pub(super) fn catalogs(asked: CommandGetCatalogs) -> Result<RecordBatch, ArrowError> {
    let mut builder = asked.into_builder();
    builder.append(CATALOG);
    builder.build().map_err(told)
}

/// The databases in which something is visible.
pub(super) fn databases(
    app: &App,
    identity: &Identity,
    asked: CommandGetDbSchemas,
) -> Result<RecordBatch, ArrowError> {
    let governance = app.state();
    let listed = listed(&governance, identity, app.is_administrator(identity));
    let names = listed.iter().map(|listed| listed.name.database.as_str()).collect::<BTreeSet<_>>();
    let mut builder = asked.into_builder();
    names.into_iter().for_each(|name| builder.append(CATALOG, name));
    builder.build().map_err(told)
}

/// The tables and views that are visible, with their visible columns when those are asked for.
pub(super) fn tables(
    app: &App,
    identity: &Identity,
    asked: CommandGetTables,
) -> Result<RecordBatch, ArrowError> {
    let governance = app.state();
    let mut builder = asked.into_builder();
    for listed in listed(&governance, identity, app.is_administrator(identity)) {
        let schema = plain_schema(&Schema::new(listed.fields));
        let name = listed.name;
        builder.append(CATALOG, &name.database, &name.table, listed.kind, &schema).map_err(told)?;
    }
    builder.build().map_err(told)
}

/// The kinds of tables there are.
pub(super) fn table_types(asked: CommandGetTableTypes) -> Result<RecordBatch, ArrowError> {
    let mut builder = asked.into_builder();
    TYPES.into_iter().for_each(|kind| builder.append(kind));
    builder.build().map_err(told)
}

fn told(error: arrow_flight::error::FlightError) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}

/// The columns of a list of primary keys. Tables of the lake have none: nothing would keep them.
pub(super) fn primary_keys() -> Schema {
    Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name", true),
    ])
}

/// The columns of a list of foreign keys, of which there are none either.
pub(super) fn foreign_keys() -> Schema {
    Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ])
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

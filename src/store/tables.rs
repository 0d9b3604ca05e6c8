//! Tables: where each lies and which version of it is published.
//!
//! Dropping a table leaves the grants on it: they name it, and a table that is brought in again under its name keeps
//! the access it had.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::{TableRecord, Versioned};
use super::{Applied, check_revision, databases, exists_already, taken, versions};
use crate::error::{Error, Result};
use crate::policy::model::TableName;

const ALL: &str = "SELECT * FROM lake_tables";
const ONE: &str = "SELECT * FROM lake_tables WHERE database_name = $1 AND name = $2";
const INSERT: &str = "INSERT INTO lake_tables (database_name, name, id, location, format, version, schema_json, \
     partition_columns, comment, created_at, updated_at, bookmark, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)";
const UPDATE: &str = "UPDATE lake_tables SET id = $3, location = $4, format = $5, version = $6, schema_json = $7, \
     partition_columns = $8, comment = $9, created_at = $10, updated_at = $11, bookmark = $12, \
     revision = revision + 1 \
     WHERE database_name = $1 AND name = $2";

pub(super) async fn list(
    connection: &mut AnyConnection,
) -> Result<BTreeMap<TableName, Versioned<TableRecord>>> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(store_failed)?;
    rows.iter().map(|row| decode(row).map(|table| (table.value.name.clone(), table))).collect()
}

pub(super) async fn create(connection: &mut AnyConnection, value: &TableRecord) -> Result<Applied> {
    databases::get(connection, &value.name.database).await?;
    if find(connection, &value.name).await?.is_some() {
        return Err(exists_already("table", &value.name.to_string()));
    }
    write(INSERT, value)?.execute(&mut *connection).await.map_err(store_failed)?;
    versions::publish(connection, None, value).await?;
    Ok(Applied::new("create_table", Value::Null, describe(value)).on_table(&value.name))
}

pub(super) async fn update(
    connection: &mut AnyConnection,
    value: &TableRecord,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get(connection, &value.name).await?;
    check_revision(&value.name.to_string(), before.revision, expected)?;
    write(UPDATE, value)?.execute(&mut *connection).await.map_err(store_failed)?;
    versions::publish(connection, Some(&before.value), value).await?;
    if before.value.bookmark.is_some() && value.bookmark.is_none() {
        // It has all rows of its source, and nothing goes on from there.
        taken::forget(connection, &value.id).await?;
    }
    Ok(Applied::new("update_table", describe(&before.value), describe(value)).on_table(&value.name))
}

pub(super) async fn drop(
    connection: &mut AnyConnection,
    name: &TableName,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get(connection, name).await?;
    check_revision(&name.to_string(), before.revision, expected)?;
    sqlx::query("DELETE FROM lake_tables WHERE database_name = $1 AND name = $2")
        .bind(name.database.as_str())
        .bind(name.table.as_str())
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("drop_table", describe(&before.value), Value::Null).on_table(name))
}

async fn get(connection: &mut AnyConnection, name: &TableName) -> Result<Versioned<TableRecord>> {
    find(connection, name).await?.ok_or_else(|| Error::not_found("table", &name.to_string()))
}

async fn find(connection: &mut AnyConnection, name: &TableName) -> Result<Option<Versioned<TableRecord>>> {
    let row = sqlx::query(ONE)
        .bind(name.database.as_str())
        .bind(name.table.as_str())
        .fetch_optional(connection)
        .await
        .map_err(store_failed)?;
    row.as_ref().map(decode).transpose()
}

/// `sql` with the fields of `value` as `$1` to `$12`.
fn write<'q>(sql: &'static str, value: &'q TableRecord) -> Result<Query<'q, Any, AnyArguments>> {
    let schema = serde_json::to_string(value.schema.as_ref()).map_err(Error::internal)?;
    let partition_columns = serde_json::to_string(&value.partition_columns).map_err(Error::internal)?;
    let bookmark = value.bookmark.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
    Ok(sqlx::query(sql)
        .bind(value.name.database.as_str())
        .bind(value.name.table.as_str())
        .bind(value.id.as_str())
        .bind(value.location.as_str())
        .bind(value.format.to_string())
        .bind(value.version)
        .bind(schema)
        .bind(partition_columns)
        .bind(value.comment.as_deref())
        .bind(value.created_at.timestamp_micros())
        .bind(value.updated_at.timestamp_micros())
        .bind(bookmark))
}

fn decode(row: &AnyRow) -> Result<Versioned<TableRecord>> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let time = |column: &str| -> Result<DateTime<Utc>> {
        let micros = row.try_get::<i64, _>(column).map_err(unreadable)?;
        DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable("a time is out of range"))
    };
    let value = TableRecord {
        id: text("id")?,
        name: TableName::new(text("database_name")?, text("name")?),
        location: text("location")?,
        format: text("format")?.parse().map_err(|error: String| unreadable(error))?,
        version: row.try_get("version").map_err(unreadable)?,
        schema: serde_json::from_str(&text("schema_json")?).map(std::sync::Arc::new).map_err(unreadable)?,
        partition_columns: serde_json::from_str(&text("partition_columns")?).map_err(unreadable)?,
        comment: row.try_get("comment").map_err(unreadable)?,
        bookmark: row
            .try_get::<Option<String>, _>("bookmark")
            .map_err(unreadable)?
            .map(|text| serde_json::from_str(&text).map_err(unreadable))
            .transpose()?,
        created_at: time("created_at")?,
        updated_at: time("updated_at")?,
    };
    Ok(Versioned { revision: row.try_get("revision").map_err(unreadable)?, value })
}

/// A table as the audit log shows it: its columns by name and type, without the schema's inner detail.
fn describe(table: &TableRecord) -> Value {
    let columns: Vec<Value> = table
        .schema
        .fields()
        .iter()
        .map(|field| {
            json!({ "name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable() })
        })
        .collect();
    json!({
        "id": table.id, "name": table.name, "location": table.location, "format": table.format,
        "version": table.version, "columns": columns, "partition_columns": table.partition_columns,
        "comment": table.comment, "bookmark": table.bookmark,
    })
}

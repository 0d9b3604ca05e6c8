//! Grants: the rules that add access. A grant names its principal and its target and does not need them to exist.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::Versioned;
use super::{Applied, check_revision, exists_already};
use crate::error::{Error, Result};
use crate::policy::model::{Grant, Target};

const INSERT: &str = "INSERT INTO grants (id, grantee, target, permissions, column_set, row_filter, reason, \
     filter_name, grantable, valid_from, valid_until, revision) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)";
const UPDATE: &str = "UPDATE grants SET grantee = $2, target = $3, permissions = $4, column_set = $5, \
     row_filter = $6, reason = $7, filter_name = $8, grantable = $9, valid_from = $10, valid_until = $11, \
     revision = revision + 1 WHERE id = $1";

pub(super) async fn list(connection: &mut AnyConnection) -> Result<BTreeMap<String, Versioned<Grant>>> {
    let rows = sqlx::query("SELECT * FROM grants").fetch_all(connection).await.map_err(store_failed)?;
    rows.iter().map(|row| decode(row).map(|grant| (grant.value.id.clone(), grant))).collect()
}

pub(super) async fn create(connection: &mut AnyConnection, value: &Grant) -> Result<Applied> {
    if find(connection, &value.id).await?.is_some() {
        return Err(exists_already("grant", &value.id));
    }
    write(INSERT, value)?.execute(connection).await.map_err(store_failed)?;
    Ok(applied("create_grant", value, Value::Null, json!(value)))
}

pub(super) async fn update(
    connection: &mut AnyConnection,
    value: &Grant,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get(connection, &value.id).await?;
    check_revision(&value.id, before.revision, expected)?;
    write(UPDATE, value)?.execute(connection).await.map_err(store_failed)?;
    Ok(applied("update_grant", value, json!(before.value), json!(value)))
}

pub(super) async fn drop(connection: &mut AnyConnection, id: &str, expected: Option<i64>) -> Result<Applied> {
    let before = get(connection, id).await?;
    check_revision(id, before.revision, expected)?;
    sqlx::query("DELETE FROM grants WHERE id = $1")
        .bind(id)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(applied("drop_grant", &before.value, json!(before.value), Value::Null))
}

fn applied(action: &'static str, grant: &Grant, before: Value, after: Value) -> Applied {
    let applied = Applied::new(action, before, after);
    match &grant.on {
        Target::Table(name) => applied.on_table(name),
        Target::Database(_) | Target::AllTables(_) | Target::Tagged(_) => applied,
    }
}

async fn get(connection: &mut AnyConnection, id: &str) -> Result<Versioned<Grant>> {
    find(connection, id).await?.ok_or_else(|| Error::not_found("grant", id))
}

async fn find(connection: &mut AnyConnection, id: &str) -> Result<Option<Versioned<Grant>>> {
    let row = sqlx::query("SELECT * FROM grants WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(store_failed)?;
    row.as_ref().map(decode).transpose()
}

/// `sql` with the fields of `value` as `$1` to `$11`.
fn write<'q>(sql: &'static str, value: &'q Grant) -> Result<Query<'q, Any, AnyArguments>> {
    let permissions = serde_json::to_string(&value.permissions).map_err(Error::internal)?;
    let columns = serde_json::to_string(&value.columns).map_err(Error::internal)?;
    Ok(sqlx::query(sql)
        .bind(value.id.as_str())
        .bind(value.to.to_string())
        .bind(value.on.to_string())
        .bind(permissions)
        .bind(columns)
        .bind(value.rows.as_deref())
        .bind(value.reason.as_deref())
        .bind(value.filter.as_deref())
        .bind(i64::from(value.grantable))
        .bind(value.from.map(|time| time.timestamp_micros()))
        .bind(value.until.map(|time| time.timestamp_micros())))
}

fn decode(row: &AnyRow) -> Result<Versioned<Grant>> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let time = |column: &str| -> Result<Option<DateTime<Utc>>> {
        let micros = row.try_get::<Option<i64>, _>(column).map_err(unreadable)?;
        let time = micros.map(|micros| {
            DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable("a time is out of range"))
        });
        time.transpose()
    };
    let value = Grant {
        id: text("id")?,
        to: text("grantee")?.parse().map_err(|error: String| unreadable(error))?,
        on: text("target")?.parse().map_err(|error: String| unreadable(error))?,
        permissions: serde_json::from_str(&text("permissions")?).map_err(unreadable)?,
        columns: serde_json::from_str(&text("column_set")?).map_err(unreadable)?,
        rows: row.try_get("row_filter").map_err(unreadable)?,
        reason: row.try_get("reason").map_err(unreadable)?,
        filter: row.try_get("filter_name").map_err(unreadable)?,
        grantable: row.try_get::<i64, _>("grantable").map_err(unreadable)? != 0,
        from: time("valid_from")?,
        until: time("valid_until")?,
    };
    Ok(Versioned { revision: row.try_get("revision").map_err(unreadable)?, value })
}

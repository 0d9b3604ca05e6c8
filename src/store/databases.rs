//! Databases: named sets of tables. Whoever makes one, a request, a policy file or an ingestion, makes it here, so
//! here its name is checked.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::{Database, Versioned};
use super::{Applied, check_revision, exists_already};
use crate::error::{Error, Result};
use crate::policy::check::check_database;

pub(super) async fn list(connection: &mut AnyConnection) -> Result<BTreeMap<String, Versioned<Database>>> {
    let rows = sqlx::query("SELECT name, comment, revision FROM databases")
        .fetch_all(connection)
        .await
        .map_err(store_failed)?;
    rows.iter().map(|row| decode(row).map(|database| (database.value.name.clone(), database))).collect()
}

pub(super) async fn create(connection: &mut AnyConnection, value: &Database) -> Result<Applied> {
    check_database(&value.name)?;
    if find(connection, &value.name).await?.is_some() {
        return Err(exists_already("database", &value.name));
    }
    sqlx::query("INSERT INTO databases (name, comment, revision) VALUES ($1, $2, 1)")
        .bind(value.name.as_str())
        .bind(value.comment.as_deref())
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("create_database", Value::Null, json!(value)))
}

pub(super) async fn update(
    connection: &mut AnyConnection,
    value: &Database,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get(connection, &value.name).await?;
    check_revision(&value.name, before.revision, expected)?;
    sqlx::query("UPDATE databases SET comment = $2, revision = revision + 1 WHERE name = $1")
        .bind(value.name.as_str())
        .bind(value.comment.as_deref())
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("update_database", json!(before.value), json!(value)))
}

pub(super) async fn drop(
    connection: &mut AnyConnection,
    name: &str,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get(connection, name).await?;
    check_revision(name, before.revision, expected)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM lake_tables WHERE database_name = $1")
        .bind(name)
        .fetch_one(&mut *connection)
        .await
        .map_err(store_failed)?;
    if tables > 0 {
        return Err(Error::conflict(format!(
            "database `{name}` still has tables ({tables}): drop them first"
        )));
    }
    sqlx::query("DELETE FROM databases WHERE name = $1")
        .bind(name)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("drop_database", json!(before.value), Value::Null))
}

/// The database that a change names; a missing one is the caller's mistake.
pub(super) async fn get(connection: &mut AnyConnection, name: &str) -> Result<Versioned<Database>> {
    find(connection, name).await?.ok_or_else(|| Error::not_found("database", name))
}

async fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<Versioned<Database>>> {
    let row = sqlx::query("SELECT name, comment, revision FROM databases WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(store_failed)?;
    row.as_ref().map(decode).transpose()
}

fn decode(row: &AnyRow) -> Result<Versioned<Database>> {
    let read = || -> sqlx::Result<_> {
        let value = Database { name: row.try_get("name")?, comment: row.try_get("comment")? };
        Ok(Versioned { revision: row.try_get("revision")?, value })
    };
    read().map_err(unreadable)
}

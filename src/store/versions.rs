//! The versions of tables that were published, with the columns that each has.
//!
//! They are read where somebody asks for one, and are no part of the state that every node holds: there may be many. A
//! table that is dropped takes them with it, so that one of the same name that comes later has none of them.

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use super::Store;
use super::failure::{store_failed, unreadable};
use super::record::{PublishedVersion, TableRecord};
use crate::error::{Error, Result};

const INSERT: &str = "INSERT INTO table_versions (table_id, published_at, version, schema_json, partition_columns) \
     VALUES ($1, $2, $3, $4, $5)";
const BY_NUMBER: &str = "SELECT * FROM table_versions WHERE table_id = $1 AND version = $2 \
     ORDER BY published_at DESC LIMIT 1";
const BY_TIME: &str = "SELECT * FROM table_versions WHERE table_id = $1 AND published_at <= $2 \
     ORDER BY published_at DESC LIMIT 1";
const ALL: &str = "SELECT * FROM table_versions WHERE table_id = $1 ORDER BY published_at";

/// Notes that `table` is published as it is, where it was as `before`.
pub(super) async fn publish(
    connection: &mut AnyConnection,
    before: Option<&TableRecord>,
    table: &TableRecord,
) -> Result<()> {
    let Some(version) = table.version else { return Ok(()) };
    let is_the_same = |before: &TableRecord| {
        before.version == table.version
            && before.schema == table.schema
            && before.partition_columns == table.partition_columns
    };
    if before.is_some_and(is_the_same) {
        return Ok(());
    }
    let at = next_moment(connection, &table.id).await?;
    sqlx::query(INSERT)
        .bind(table.id.as_str())
        .bind(at)
        .bind(version)
        .bind(serde_json::to_string(table.schema.as_ref()).map_err(Error::internal)?)
        .bind(serde_json::to_string(&table.partition_columns).map_err(Error::internal)?)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

/// Now, and behind what the table has: the clocks of two nodes differ, and the order of versions does not.
async fn next_moment(connection: &mut AnyConnection, table_id: &str) -> Result<i64> {
    let now = Utc::now().timestamp_micros();
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT published_at FROM table_versions WHERE table_id = $1 ORDER BY published_at DESC LIMIT 1",
    )
    .bind(table_id)
    .fetch_optional(connection)
    .await
    .map_err(store_failed)?;
    Ok(last.map_or(now, |last| now.max(last.saturating_add(1))))
}

impl Store {
    /// The version `version` of the table with the id `table_id`, if it was published and is kept.
    pub async fn version_of(&self, table_id: &str, version: i64) -> Result<Option<PublishedVersion>> {
        self.one_version(sqlx::query(BY_NUMBER).bind(table_id.to_owned()).bind(version)).await
    }

    /// The version that was the published one at `time`, if there was one and it is kept.
    pub async fn version_at(&self, table_id: &str, time: DateTime<Utc>) -> Result<Option<PublishedVersion>> {
        self.one_version(sqlx::query(BY_TIME).bind(table_id.to_owned()).bind(time.timestamp_micros())).await
    }

    /// All that are kept, in the order in which they were published.
    pub async fn versions(&self, table_id: &str) -> Result<Vec<PublishedVersion>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let rows = sqlx::query(ALL).bind(table_id).fetch_all(&mut *connection).await.map_err(store_failed)?;
        rows.iter().map(decode).collect()
    }

    async fn one_version(&self, query: Query<'_, Any, AnyArguments>) -> Result<Option<PublishedVersion>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let row = query.fetch_optional(&mut *connection).await.map_err(store_failed)?;
        row.as_ref().map(decode).transpose()
    }
}

fn decode(row: &AnyRow) -> Result<PublishedVersion> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let micros = row.try_get::<i64, _>("published_at").map_err(unreadable)?;
    Ok(PublishedVersion {
        version: row.try_get("version").map_err(unreadable)?,
        published_at: DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| unreadable("a time is out of range"))?,
        schema: serde_json::from_str(&text("schema_json")?).map_err(unreadable)?,
        partition_columns: serde_json::from_str(&text("partition_columns")?).map_err(unreadable)?,
    })
}

//! The versions of tables that were published, with the columns that each has.
//!
//! They are read where somebody asks for one, and are no part of the state that every node holds: there may be many. A
//! table that is dropped takes them with it, so that one of the same name that comes later has none of them.
//!
//! Whoever reads the files of an earlier version has the version for a time: until then it is not forgotten, whichever
//! node asks for that.

use std::time::Duration;

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
/// The version must still be there: it is forgotten in one statement too.
const READ: &str = "UPDATE table_versions SET read_until = $3 WHERE table_id = $1 AND published_at = $2";
const FORGET: &str =
    "DELETE FROM table_versions WHERE table_id = $1 AND published_at = $2 AND read_until < $3";
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
    /// The version `version` of the table with the id `table_id`, if it was published and is kept; it is kept for `reading`
    /// more.
    pub async fn version_of(
        &self,
        table_id: &str,
        version: i64,
        reading: Duration,
    ) -> Result<Option<PublishedVersion>> {
        let query = sqlx::query(BY_NUMBER).bind(table_id.to_owned()).bind(version);
        self.one_version(table_id, query, reading).await
    }

    /// The version that was the published one at `time`, if there was one and it is kept; it is kept for `reading` more.
    pub async fn version_at(
        &self,
        table_id: &str,
        time: DateTime<Utc>,
        reading: Duration,
    ) -> Result<Option<PublishedVersion>> {
        let query = sqlx::query(BY_TIME).bind(table_id.to_owned()).bind(time.timestamp_micros());
        self.one_version(table_id, query, reading).await
    }

    /// Forgets one of `versions`, if nobody reads it now, and says whether it is forgotten. It cannot be asked for from then
    /// on.
    pub async fn forget_version(&self, table_id: &str, version: &PublishedVersion) -> Result<bool> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let forgotten = sqlx::query(FORGET)
            .bind(table_id)
            .bind(version.published_at.timestamp_micros())
            .bind(Utc::now().timestamp_micros())
            .execute(&mut *connection)
            .await
            .map_err(store_failed)?;
        Ok(forgotten.rows_affected() > 0)
    }

    /// All that are kept, in the order in which they were published.
    pub async fn versions(&self, table_id: &str) -> Result<Vec<PublishedVersion>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let rows = sqlx::query(ALL).bind(table_id).fetch_all(&mut *connection).await.map_err(store_failed)?;
        rows.iter().map(decode).collect()
    }

    async fn one_version(
        &self,
        table_id: &str,
        query: Query<'_, Any, AnyArguments>,
        reading: Duration,
    ) -> Result<Option<PublishedVersion>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let row = query.fetch_optional(&mut *connection).await.map_err(store_failed)?;
        let Some(version) = row.as_ref().map(decode).transpose()? else { return Ok(None) };
        let (now, long) = (Utc::now().timestamp_micros(), i64::try_from(reading.as_micros()).ok());
        let until = |factor: i64| {
            let micros = now.checked_add(long?.checked_mul(factor)?)?;
            DateTime::from_timestamp_micros(micros)
        };
        let (Some(needed), Some(longer)) = (until(1), until(2)) else {
            return Err(Error::internal("a version cannot be kept for as long as that"));
        };
        // For twice as long, so that not every query of a version writes.
        if reading.is_zero() || version.read_until >= needed {
            return Ok(Some(version));
        }
        let kept = sqlx::query(READ)
            .bind(table_id)
            .bind(version.published_at.timestamp_micros())
            .bind(longer.timestamp_micros())
            .execute(&mut *connection)
            .await
            .map_err(store_failed)?;
        Ok((kept.rows_affected() > 0).then_some(PublishedVersion { read_until: longer, ..version }))
    }
}

fn decode(row: &AnyRow) -> Result<PublishedVersion> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let time = |column: &str| {
        let micros = row.try_get::<i64, _>(column).map_err(unreadable)?;
        DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable("a time is out of range"))
    };
    Ok(PublishedVersion {
        version: row.try_get("version").map_err(unreadable)?,
        published_at: time("published_at")?,
        read_until: time("read_until")?,
        schema: serde_json::from_str(&text("schema_json")?).map_err(unreadable)?,
        partition_columns: serde_json::from_str(&text("partition_columns")?).map_err(unreadable)?,
    })
}

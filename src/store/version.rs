//! The policy version: one row, raised by every commit, and the lock that puts commits in a row.

use sqlx::AnyConnection;

use super::connect::Dialect;
use super::failure::store_failed;
use crate::error::Result;

/// Reads the version and keeps other writers out until the transaction ends.
pub(super) async fn lock(connection: &mut AnyConnection, dialect: Dialect) -> Result<i64> {
    let sql = match dialect {
        // The transaction holds SQLite's only write lock already.
        Dialect::Sqlite => "SELECT version FROM policy_version WHERE id = 1",
        Dialect::Postgres => "SELECT version FROM policy_version WHERE id = 1 FOR UPDATE",
    };
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(store_failed)
}

pub(super) async fn read(connection: &mut AnyConnection) -> Result<i64> {
    sqlx::query_scalar("SELECT version FROM policy_version WHERE id = 1")
        .fetch_one(connection)
        .await
        .map_err(store_failed)
}

pub(super) async fn set(connection: &mut AnyConnection, version: i64) -> Result<()> {
    sqlx::query("UPDATE policy_version SET version = $1 WHERE id = 1")
        .bind(version)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

/// Tells the other nodes, when the transaction ends, that there is a new version.
pub(super) async fn tell(connection: &mut AnyConnection) -> Result<()> {
    sqlx::query("SELECT pg_notify($1, '')::text")
        .bind(super::watch::CHANNEL)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

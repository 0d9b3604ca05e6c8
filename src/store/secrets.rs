//! Secrets that all nodes of one store share, such as the key of a keyed hash. Never logged, never listed.

use chrono::Utc;
use sqlx::AnyConnection;

use super::failure::store_failed;
use crate::error::Result;

pub(super) async fn get(connection: &mut AnyConnection, name: &str) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar("SELECT value FROM secrets WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(store_failed)
}

/// Keeps `value` unless somebody was faster, and gives what is kept.
pub(super) async fn create(connection: &mut AnyConnection, name: &str, value: Vec<u8>) -> Result<Vec<u8>> {
    sqlx::query(
        "INSERT INTO secrets (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(value)
    .bind(Utc::now().timestamp_micros())
    .execute(&mut *connection)
    .await
    .map_err(store_failed)?;
    sqlx::query_scalar("SELECT value FROM secrets WHERE name = $1")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(store_failed)
}

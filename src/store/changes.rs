//! What changed at each policy version: how a node takes up what another has done.

use sqlx::{AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::Change;
use crate::error::{Error, Result};

/// How many versions are kept: a node that is further behind reads everything anew.
const KEPT: i64 = 1000;

pub(super) async fn keep(connection: &mut AnyConnection, version: i64, changes: &[Change]) -> Result<()> {
    for (position, change) in (0_i64..).zip(changes) {
        sqlx::query("INSERT INTO policy_changes (version, position, document) VALUES ($1, $2, $3)")
            .bind(version)
            .bind(position)
            .bind(serde_json::to_string(change).map_err(Error::internal)?)
            .execute(&mut *connection)
            .await
            .map_err(store_failed)?;
    }
    if version % 100 == 0 {
        sqlx::query("DELETE FROM policy_changes WHERE version <= $1")
            .bind(version.saturating_sub(KEPT))
            .execute(connection)
            .await
            .map_err(store_failed)?;
    }
    Ok(())
}

/// All changes from behind version `after` up to `until`, in their order; nothing when some are not kept any more.
pub(super) async fn between(
    connection: &mut AnyConnection,
    after: i64,
    until: i64,
) -> Result<Option<Vec<Change>>> {
    let rows = sqlx::query(
        "SELECT version, document FROM policy_changes WHERE version > $1 AND version <= $2 ORDER BY version, position",
    )
    .bind(after)
    .bind(until)
    .fetch_all(connection)
    .await
    .map_err(store_failed)?;
    let (mut changes, mut reached) = (Vec::with_capacity(rows.len()), after);
    for row in rows {
        let version: i64 = row.try_get("version").map_err(unreadable)?;
        if version > reached.saturating_add(1) {
            return Ok(None);
        }
        reached = version;
        let document: String = row.try_get("document").map_err(unreadable)?;
        changes.push(serde_json::from_str(&document).map_err(unreadable)?);
    }
    Ok((reached == until).then_some(changes))
}

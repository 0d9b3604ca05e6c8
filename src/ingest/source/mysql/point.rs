//! Several connections at one point in time, and the parts of a table that they read.
//!
//! The server shares no snapshot between connections. So all of them begin while a lock keeps writers out, which is a matter
//! of milliseconds (<https://dev.mysql.com/doc/refman/8.4/en/flush.html>, "FLUSH TABLES WITH READ LOCK"). Whoever may not lock, or
//! would have to wait for it, reads with one connection.

use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Executor as _};

use super::super::SourceTable;
use super::super::split::{Part, Parts, cuts};
use super::types::{Mapped, Reading, quoted};
use super::{MySql, Point, SESSION, column, read};
use crate::error::Result;

/// The point that all reads see.
const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// Writers wait behind a lock that waits itself, so it does not wait long: seconds.
const PATIENCE: &str = "SET SESSION lock_wait_timeout = 2";

/// Queries that a lock would wait for, and everybody else behind it.
const BUSY: &str = "SELECT COUNT(*) FROM information_schema.processlist \
     WHERE command IN ('Query', 'Execute') AND time > 1 AND id <> CONNECTION_ID()";

/// Settings of MariaDB that end a transaction which waits for others; MySQL has neither.
const IDLE: [&str; 2] =
    ["SET SESSION idle_transaction_timeout = 0", "SET SESSION idle_readonly_transaction_timeout = 0"];

impl MySql {
    /// Up to `most` connections in transactions of one moment; one at least.
    pub(super) async fn point(&self, most: usize) -> Result<Vec<MySqlConnection>> {
        let mut connections = vec![self.session().await?];
        while connections.len() < most {
            match self.session().await {
                Ok(connection) => connections.push(connection),
                Err(error) => {
                    tracing::debug!(%error, "the source gives no other connection");
                    break;
                }
            }
        }
        let lock = match connections.len() {
            1 => None,
            _ => self.locked().await,
        };
        if lock.is_none() {
            connections.truncate(1);
        }
        for connection in &mut connections {
            connection.execute(BEGIN).await.map_err(|error| self.refused("open a snapshot", error))?;
        }
        if let Some(lock) = lock {
            // The lock ends with its session.
            let _ = lock.close().await;
        }
        Ok(connections)
    }

    pub(super) async fn session(&self) -> Result<MySqlConnection> {
        let mut connection = self.connect().await?;
        for statement in SESSION {
            connection.execute(statement).await.map_err(|error| self.refused("open a snapshot", error))?;
        }
        for statement in IDLE {
            // A server that has no such setting ends nothing by it.
            let _ = connection.execute(statement).await;
        }
        Ok(connection)
    }

    /// A connection that keeps all writers out as long as it is there.
    async fn locked(&self) -> Option<MySqlConnection> {
        let mut connection = self.connect().await.ok()?;
        let busy: Result<i64, _> = sqlx::query_scalar(BUSY).fetch_one(&mut connection).await;
        if busy.is_ok_and(|busy| busy > 0) {
            tracing::debug!("a lock would wait for a query of the source: one connection reads");
            return None;
        }
        for statement in [PATIENCE, "FLUSH TABLES WITH READ LOCK"] {
            if let Err(cause) = connection.execute(statement).await {
                tracing::debug!(%cause, "the source grants no lock: one connection reads");
                return None;
            }
        }
        Some(connection)
    }
}

impl Point {
    /// The parts of `table`, which has `bytes`, by ranges of its key if that is one whole number.
    pub(super) async fn parts(&self, table: &SourceTable, columns: &[Mapped], bytes: u64) -> Result<Parts> {
        match cuts(bytes, 1, self.connections.len()).len() {
            0 => Ok(Parts::whole()),
            cuts => self.ranges(table, columns, cuts.saturating_add(1)).await,
        }
    }

    /// `count` ranges of the key of `table` if that is one whole number; all of it else.
    pub(super) async fn ranges(
        &self,
        table: &SourceTable,
        columns: &[Mapped],
        count: usize,
    ) -> Result<Parts> {
        let [key] = table.key.as_slice() else { return Ok(Parts::whole()) };
        let is_whole = |column: &Mapped| matches!(column.reading, Reading::Signed | Reading::Unsigned);
        if !column(columns, key).is_some_and(is_whole) {
            return Ok(Parts::whole());
        }
        let name = quoted(key);
        let statement = format!(
            "SELECT CAST(MIN({name}) AS CHAR), CAST(MAX({name}) AS CHAR) FROM {}",
            read::full_name(table)
        );
        let Some(row) = self.row(&table.name, statement).await? else { return Ok(Parts::whole()) };
        let number = |at| read::text(&row, at).map(|text| text.and_then(|text| text.parse::<i128>().ok()));
        let (Some(least), Some(greatest)) = (number(0)?, number(1)?) else { return Ok(Parts::whole()) };
        Ok(by_key(&name, (least, greatest), count))
    }
}

/// `count` ranges of a key; the first and the last have no end, so that none is left out.
fn by_key(name: &str, (least, greatest): (i128, i128), count: usize) -> Parts {
    let count = i128::try_from(count).unwrap_or(i128::MAX);
    let cut = |part: i128| least + (greatest - least) / count * part;
    Parts::of((0..count).map(|part| {
        let from = (part > 0).then(|| format!("{name} >= {}", cut(part)));
        let to = (part + 1 < count).then(|| format!("{name} < {}", cut(part + 1)));
        let range = from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ");
        Part((!range.is_empty()).then_some(range))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_meet_and_have_no_outer_ends() {
        let parts = by_key("`k`", (-10, 21), 3);
        let found = std::iter::from_fn(|| parts.take()).map(|Part(range)| range.unwrap()).collect::<Vec<_>>();
        assert_eq!(found, ["`k` < 0", "`k` >= 0 AND `k` < 10", "`k` >= 10"]);
        let parts = by_key("`k`", (5, 5), 2);
        let found = std::iter::from_fn(|| parts.take()).map(|Part(range)| range.unwrap()).collect::<Vec<_>>();
        assert_eq!(found, ["`k` < 5", "`k` >= 5"]);
        let all = by_key("k", (i128::from(i64::MIN), i128::from(u64::MAX)), 7);
        assert_eq!(all.len(), 7);
    }
}

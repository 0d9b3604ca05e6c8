//! The files of sources that tables have taken, so that none is taken twice.
//!
//! They are read where a table takes more, and are no part of the state that every node holds: there may be many. What a
//! version has taken is written in the transaction that publishes it.

use std::collections::HashMap;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row};

use super::Store;
use super::failure::{store_failed, unreadable};
use super::record::{TakenFile, TakenFiles};
use crate::error::{Error, Result};

/// How many files are in one statement.
const TOGETHER: usize = 200;

impl Store {
    /// Which of `urls` the table with the id `table_id` has taken, each with its tag then.
    pub async fn taken_files(&self, table_id: &str, urls: &[String]) -> Result<HashMap<String, String>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let mut taken = HashMap::new();
        for some in urls.chunks(TOGETHER) {
            let places = (2..some.len().saturating_add(2)).map(|place| format!("${place}"));
            let places = places.collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT url, tag FROM taken_files WHERE table_id = $1 AND url IN ({places})");
            let asked: Query<'_, Any, AnyArguments> =
                sqlx::query(AssertSqlSafe(sql)).bind(table_id.to_owned());
            let asked = some.iter().fold(asked, |asked, url| asked.bind(url.clone()));
            for row in asked.fetch_all(&mut *connection).await.map_err(store_failed)? {
                let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
                taken.insert(text("url")?, text("tag")?);
            }
        }
        Ok(taken)
    }
}

/// Notes what a version takes that is published in this transaction.
///
/// # Errors
///
/// `conflict` when somebody else has taken one of them meanwhile.
pub(super) async fn take(connection: &mut AnyConnection, taken: &TakenFiles) -> Result<()> {
    if taken.anew {
        forget(connection, &taken.table_id).await?;
    }
    for some in taken.files.chunks(TOGETHER) {
        insert(connection, &taken.table_id, some).await?;
    }
    Ok(())
}

async fn insert(connection: &mut AnyConnection, table_id: &str, files: &[TakenFile]) -> Result<()> {
    let row = |at: usize| format!("($1, ${}, ${})", 2 * at + 2, 2 * at + 3);
    let rows = (0..files.len()).map(row).collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO taken_files (table_id, url, tag) VALUES {rows}");
    let insert: Query<'_, Any, AnyArguments> = sqlx::query(AssertSqlSafe(sql)).bind(table_id.to_owned());
    let insert =
        files.iter().fold(insert, |insert, file| insert.bind(file.url.clone()).bind(file.tag.clone()));
    match insert.execute(connection).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(fault)) if fault.is_unique_violation() => {
            Err(Error::conflict("a file was brought in by somebody else meanwhile").with_source(fault))
        }
        Err(fault) => Err(store_failed(fault)),
    }
}

/// Forgets what the table with the id `table_id` has taken.
pub(super) async fn forget(connection: &mut AnyConnection, table_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM taken_files WHERE table_id = $1")
        .bind(table_id)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

//! Rows that programs send: added to a table that is there, and acknowledged when they are part of its published version.
//!
//! Requests for one table that come within a moment are gathered into one commit, so that many small ones do not make as
//! many versions and files. Each is all or nothing. While a group is committed the next one gathers.

mod fit;
mod group;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use tokio::sync::oneshot;

use self::group::commit;
use crate::catalog::publish::Catalog;
use crate::catalog::{self, TableRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{FileFormat, Lake};
use crate::policy::model::TableName;

pub use self::fit::{from_arrow, from_ndjson};

/// How long the first request of a group waits for others.
const GATHER: Duration = Duration::from_millis(50);

/// Rows on their way into tables.
pub struct Inserts {
    catalog: Catalog,
    lake: Lake,
    /// What all rows that wait may hold, in bytes.
    memory: u64,
    held: Arc<AtomicU64>,
    tables: Mutex<HashMap<TableName, Arc<Queue>>>,
}

/// The requests for one table that wait for the next commit.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever commits.
    turn: tokio::sync::Mutex<()>,
}

/// Rows of one request, with all columns of their table.
struct Waiting {
    /// The table as it was when they were made for it.
    record: Arc<TableRecord>,
    batch: RecordBatch,
    answer: oneshot::Sender<Result<()>>,
    _share: Share,
}

/// What rows hold of the memory for all of them, until they are gone.
struct Share {
    held: Arc<AtomicU64>,
    bytes: u64,
}

impl Inserts {
    /// Nothing waits yet; rows hold `memory` bytes together at most.
    pub fn new(catalog: Catalog, lake: Lake, memory: u64) -> Self {
        Self { catalog, lake, memory, held: Arc::default(), tables: Mutex::default() }
    }

    /// Adds the rows of `batch` to the table of `record`; when this returns, its published version has them. The columns
    /// of `batch` are some of the table's: the others are NULL.
    ///
    /// # Errors
    ///
    /// `invalid_request` when the rows do not fit or the table is not ours to write, `limit_exceeded` when too many rows
    /// wait, `conflict` when the table has changed meanwhile. None of the rows is visible then. After `unavailable` they
    /// may become visible all the same, as with any request that has no answer.
    pub async fn add(&self, record: Arc<TableRecord>, batch: &RecordBatch) -> Result<()> {
        let files = catalog::files(&record);
        if files.format != FileFormat::Delta || files.version.is_none() || !self.lake.owns(&files.location) {
            return Err(Error::invalid_request(format!(
                "`{}` is registered from outside: rows are added to tables that were brought in here",
                record.name
            )));
        }
        let batch = fit::filled(batch, &record.schema)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let share = self.share(&batch)?;
        let queue = self.queue(&record.name);
        let (answer, answered) = oneshot::channel();
        queue.lock().push(Waiting { record: Arc::clone(&record), batch, answer, _share: share });
        // On a task of its own: whoever goes away while they wait does not stop the others of their group.
        tokio::spawn(turn(queue, self.catalog.clone(), self.lake.clone(), self.memory));
        answered.await.map_err(Error::internal)?
    }

    fn queue(&self, table: &TableName) -> Arc<Queue> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        // Queues that nobody uses are forgotten.
        tables.retain(|name, queue| name == table || Arc::strong_count(queue) > 1);
        Arc::clone(tables.entry(table.clone()).or_default())
    }

    fn share(&self, batch: &RecordBatch) -> Result<Share> {
        let bytes = u64::try_from(batch.get_array_memory_size()).unwrap_or(u64::MAX);
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        let share = Share { held: Arc::clone(&self.held), bytes };
        match before.saturating_add(bytes) <= self.memory {
            true => Ok(share),
            false => Err(Error::new(
                ErrorKind::LimitExceeded,
                "too many rows wait to be written: send them again in a while, or fewer at once",
            )),
        }
    }
}

/// Waits for its turn and commits what has gathered until then, which may be nothing any more.
async fn turn(queue: Arc<Queue>, catalog: Catalog, lake: Lake, memory: u64) {
    let _turn = queue.turn.lock().await;
    if queue.lock().is_empty() {
        return;
    }
    tokio::time::sleep(GATHER).await;
    let group = std::mem::take(&mut *queue.lock());
    commit(group, &catalog, &lake, memory).await;
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Inserts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inserts").field("held", &self.held).finish_non_exhaustive()
    }
}

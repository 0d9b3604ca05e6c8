//! From the readers of a table into files of the lake, side by side: each reader has a writer of its own.
//!
//! Between the two lie a few batches, so that reading, encoding and sending overlap and memory is bounded. A side that
//! fails stops all others. Nothing of it is visible until somebody commits the files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;
use deltalake_core::kernel::Add;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::progress::Progress;
use super::source::{ReadSummary, TableReader};
use super::write::{TableWriter, Totals};
use crate::error::{Error, Result};
use crate::policy::model::TableName;

/// How many batches may wait for a writer.
const WAITING_BATCHES: usize = 2;

/// All rows of a table as files in the lake, which no version names yet.
pub(super) struct Transferred {
    pub files: Vec<Add>,
    pub read: ReadSummary,
    pub written: Totals,
}

/// What the pairs of one table share.
struct Shared {
    table: TableName,
    progress: Arc<dyn Progress>,
    rows: AtomicU64,
    bytes: AtomicU64,
    has_failed: AtomicBool,
}

/// Reads all that `readers` give into the writers that `open` makes, one for each of them. When that fails, what was
/// written is removed.
pub(super) async fn transfer(
    readers: Vec<Box<dyn TableReader>>,
    open: impl Fn() -> TableWriter,
    table: &TableName,
    progress: &Arc<dyn Progress>,
) -> Result<Transferred> {
    let shared = Arc::new(Shared {
        table: table.clone(),
        progress: Arc::clone(progress),
        rows: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        has_failed: AtomicBool::new(false),
    });
    let mut pairs = JoinSet::new();
    for reader in readers {
        pairs.spawn(pair(reader, open(), Arc::clone(&shared)));
    }
    let (mut writers, mut outcome) = (Vec::new(), Ok(ReadSummary::default()));
    while let Some(done) = pairs.join_next().await {
        let read = match done {
            Ok((writer, read)) => {
                writers.push(writer);
                read
            }
            Err(panic) => Err(Error::internal(panic)),
        };
        // The first failure is the one that stopped the others.
        outcome = match (outcome, read) {
            (Ok(sum), Ok(read)) => Ok(sum.and(read)),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
    }
    let mut files = Vec::new();
    for writer in &mut writers {
        if outcome.is_ok() {
            match writer.finish().await {
                Ok(more) => files.extend(more),
                Err(error) => outcome = Err(error),
            }
        }
    }
    match outcome {
        Ok(read) => {
            let written = writers.iter().map(TableWriter::totals).fold(Totals::default(), Totals::and);
            Ok(Transferred { files, read, written })
        }
        Err(error) => {
            // All of them write into one folder: any of them removes what others have closed.
            for writer in writers {
                writer.abandon(&std::mem::take(&mut files)).await;
            }
            Err(error)
        }
    }
}

/// One reader and its writer. The writer is given back whatever happens, since what it wrote may have to go.
async fn pair(
    reader: Box<dyn TableReader>,
    mut writer: TableWriter,
    shared: Arc<Shared>,
) -> (TableWriter, Result<ReadSummary>) {
    let (batches, waiting) = mpsc::channel::<RecordBatch>(WAITING_BATCHES);
    let reading = tokio::spawn(reader.read(batches));
    let written = write_all(waiting, &mut writer, &shared).await;
    let read = reading.await.map_err(Error::internal).flatten();
    // A writer that failed has closed the channel: what the reader says then is only that.
    let outcome = written.and(read);
    if outcome.is_err() {
        shared.has_failed.store(true, Ordering::Relaxed);
    }
    (writer, outcome)
}

async fn write_all(
    mut waiting: mpsc::Receiver<RecordBatch>,
    writer: &mut TableWriter,
    shared: &Shared,
) -> Result<()> {
    let mut before = Totals::default();
    while let Some(batch) = waiting.recv().await {
        if shared.has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        writer.write(&batch).await?;
        let now = writer.totals();
        shared.tell(before, now);
        before = now;
    }
    Ok(())
}

impl Shared {
    fn tell(&self, before: Totals, now: Totals) {
        let more = |sum: &AtomicU64, more: u64| sum.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let rows = more(&self.rows, now.rows.saturating_sub(before.rows));
        let bytes = more(&self.bytes, now.bytes.saturating_sub(before.bytes));
        self.progress.advanced(&self.table, rows, bytes);
    }
}

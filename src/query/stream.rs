//! The rows of an answer as they come, with the end of the request in its own hands.
//!
//! Rows are pulled: the query goes no faster than its reader, and two batches are the most that wait in between.
//! However the stream ends (last row, fault, deadline, reader gone) the audit record is closed exactly once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, Sleep};

use super::engine::{Engine, Work};
use super::fault;
use super::record::Record;
use crate::error::{Error, ErrorKind, Result};

/// Batches that may wait between the query and its reader.
const WAITING: usize = 2;

/// The rows of one answer. Dropping it before its end cancels the query.
#[derive(Debug)]
pub struct RowStream {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    record: Record,
    left: Option<u64>,
    truncated: bool,
    ended: bool,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    _work: Work,
    _turn: OwnedSemaphorePermit,
}

impl RowStream {
    pub(super) fn new(
        engine: &Engine,
        rows: SendableRecordBatchStream,
        record: Record,
        max_rows: Option<u64>,
        turn: OwnedSemaphorePermit,
        started: Instant,
    ) -> Self {
        let (sender, batches) = mpsc::channel(WAITING);
        let timeout = engine.timeout();
        Self {
            batches,
            record,
            left: max_rows,
            truncated: false,
            ended: false,
            deadline: Box::pin(tokio::time::sleep_until(started + timeout)),
            timeout,
            _work: engine.start(pump(rows, sender)),
            _turn: turn,
        }
    }

    /// Whether rows were left out because of `max_rows`. Known at the end.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    fn take(&mut self, batch: RecordBatch) -> Option<RecordBatch> {
        let rows = batch.num_rows() as u64;
        let batch = match self.left {
            Some(left) if rows > left => {
                self.truncated = true;
                batch.slice(0, usize::try_from(left).unwrap_or(usize::MAX))
            }
            _ => batch,
        };
        self.left = self.left.map(|left| left.saturating_sub(rows));
        self.record.count(&batch);
        (batch.num_rows() > 0).then_some(batch)
    }

    fn finish(&mut self, error: Option<&Error>) {
        self.ended = true;
        self.batches.close();
        self.record.close(error);
    }
}

/// Carries batches from the engine's threads to the reader; ends when the reader is gone.
async fn pump(mut rows: SendableRecordBatchStream, sender: mpsc::Sender<Result<RecordBatch>>) {
    while let Some(batch) = rows.next().await {
        let failed = batch.is_err();
        if sender.send(batch.map_err(fault::translate)).await.is_err() || failed {
            return;
        }
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if this.truncated {
                this.finish(None);
                return Poll::Ready(None);
            }
            match this.batches.poll_recv(context) {
                Poll::Ready(Some(Ok(batch))) => {
                    if let Some(batch) = this.take(batch) {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    this.finish(Some(&error));
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    this.finish(None);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    return match this.deadline.as_mut().poll(context) {
                        Poll::Ready(()) => {
                            let error = too_slow(this.timeout);
                            this.finish(Some(&error));
                            Poll::Ready(Some(Err(error)))
                        }
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// The refusal of a query that has used up its time.
pub fn too_slow(timeout: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("the query took longer than {} seconds", timeout.as_secs()))
}

//! The rows of an answer as they come, with the end of the request in its own hands.
//!
//! Rows are pulled: the query goes no faster than its reader, and two batches are the most that wait in between. But a
//! reader who does not read keeps nobody else waiting: when the query's time is up its work and its turn end, whether
//! anybody looks or not. However the stream ends (last row, fault, deadline, reader gone) the audit record is closed
//! exactly once, and an end that nobody told is a fault and never a complete result.

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
    parts: mpsc::Receiver<Part>,
    record: Record,
    left: Option<u64>,
    truncated: bool,
    ended: bool,
    deadline: Pin<Box<Sleep>>,
    timeout: Duration,
    _work: Work,
}

/// What the query's work hands over.
enum Part {
    Rows(RecordBatch),
    Fault(Error),
    /// There are no more rows.
    End,
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
        let (sender, parts) = mpsc::channel(WAITING);
        let timeout = engine.timeout();
        let deadline = started + timeout;
        let work = Pump { rows, sender, turn };
        Self {
            parts,
            record,
            left: max_rows,
            truncated: false,
            ended: false,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            timeout,
            _work: engine.start(work.run(deadline, timeout)),
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
        self.parts.close();
        self.record.close(error);
    }
}

/// Carries batches from the engine's threads to the reader; ends when the reader is gone.
struct Pump {
    rows: SendableRecordBatchStream,
    sender: mpsc::Sender<Part>,
    turn: OwnedSemaphorePermit,
}

impl Pump {
    async fn run(self, deadline: Instant, timeout: Duration) {
        let Self { mut rows, sender, turn } = self;
        let last = match tokio::time::timeout_at(deadline, carry(&mut rows, &sender)).await {
            Ok(last) => last,
            Err(_) => Some(Part::Fault(too_slow(timeout))),
        };
        // Before anything that may wait for the reader: what the query holds is needed by others.
        drop((rows, turn));
        if let Some(last) = last {
            // Fails only when the reader is gone, and then nobody needs it.
            let _ = sender.send(last).await;
        }
    }
}

/// Carries all rows, and gives what is to be told at the end; nothing when the reader is gone.
async fn carry(rows: &mut SendableRecordBatchStream, sender: &mpsc::Sender<Part>) -> Option<Part> {
    while let Some(batch) = rows.next().await {
        match batch {
            Ok(batch) => sender.send(Part::Rows(batch)).await.ok()?,
            Err(fault) => return Some(Part::Fault(fault::translate(fault))),
        }
    }
    Some(Part::End)
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
            match this.parts.poll_recv(context) {
                Poll::Ready(Some(Part::Rows(batch))) => {
                    if let Some(batch) = this.take(batch) {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Poll::Ready(Some(Part::Fault(error))) => {
                    this.finish(Some(&error));
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Part::End)) => {
                    this.finish(None);
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => {
                    let error = Error::internal("the query's work ended without a word");
                    this.finish(Some(&error));
                    return Poll::Ready(Some(Err(error)));
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

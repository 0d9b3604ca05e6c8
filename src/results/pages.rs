//! The rows of a result from any row on, also of one that still runs: then they come as they are made.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::watch::Receiver;

use super::submitted::{Outcome, State, Submitted};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::principal::Identity;

/// Some rows of a result, in its order.
pub struct Page {
    rows: BoxStream<'static, Result<RecordBatch>>,
    truncated: Arc<AtomicBool>,
}

/// Where a page is. It holds the rows of one chunk, decoded.
struct Reader {
    app: Arc<App>,
    identity: Arc<Identity>,
    submitted: Arc<Submitted>,
    states: Receiver<State>,
    ready: VecDeque<RecordBatch>,
    next_row: u64,
    left: Option<u64>,
    truncated: Arc<AtomicBool>,
}

impl Page {
    /// The rows of `submitted` from `offset` on, as many as `limit`, for as long as the policy lets `identity` see the same
    /// of what it read.
    pub fn of(
        app: &Arc<App>,
        identity: &Arc<Identity>,
        submitted: &Arc<Submitted>,
        offset: u64,
        limit: Option<u64>,
    ) -> Self {
        let truncated = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            app: Arc::clone(app),
            identity: Arc::clone(identity),
            states: submitted.states(),
            submitted: Arc::clone(submitted),
            ready: VecDeque::new(),
            next_row: offset,
            left: limit,
            truncated: Arc::clone(&truncated),
        };
        let rows = futures::stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|batch| (batch, reader)))
        });
        Self { rows: rows.boxed(), truncated }
    }

    /// Of a page that is full whether there may be rows after it, of any other whether the query left rows out because of
    /// its `max_rows`. Known at the end.
    pub fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("truncated", &self.truncated).finish_non_exhaustive()
    }
}

impl Stream for Page {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(context)
    }
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                if let Some(batch) = self.cut(batch) {
                    return Ok(Some(batch));
                }
                continue;
            }
            // Looked at before the chunks: those of a query that has ended are all there.
            let ended = self.states.borrow_and_update().ended.clone();
            let chunk = self.submitted.chunk_at(self.next_row);
            match (chunk, ended.map(|ended| ended.outcome)) {
                (_, outcome) if self.left == Some(0) => return self.stop(outcome),
                (Some(chunk), _) => {
                    // A slow reader goes on reading no longer than they may.
                    self.submitted.refuse_changed(&self.app, &self.identity)?;
                    let mut passed = self.next_row - chunk.first_row;
                    for batch in chunk.read(self.submitted.files()).await? {
                        let skipped = passed.min(batch.num_rows() as u64);
                        passed -= skipped;
                        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
                        self.ready.push_back(batch.slice(skipped, batch.num_rows() - skipped));
                    }
                }
                (None, Some(outcome)) => return self.stop(Some(outcome)),
                (None, None) => self.states.changed().await.map_err(Error::internal)?,
            }
        }
    }

    /// As much of `batch` as may be given.
    fn cut(&mut self, batch: RecordBatch) -> Option<RecordBatch> {
        let rows = match self.left {
            Some(left) => usize::try_from(left).unwrap_or(usize::MAX).min(batch.num_rows()),
            None => batch.num_rows(),
        };
        self.left = self.left.map(|left| left - rows as u64);
        self.next_row += rows as u64;
        (rows > 0).then(|| batch.slice(0, rows))
    }

    fn stop(&mut self, outcome: Option<Outcome>) -> Result<Option<RecordBatch>> {
        let is_full = self.left == Some(0);
        let more = match outcome {
            None => true,
            Some(Outcome::Finished { truncated }) => {
                let has_more = self.next_row < self.states.borrow().rows;
                if has_more && !is_full {
                    return Err(removed());
                }
                has_more || truncated
            }
            Some(outcome) => return Err(outcome.as_error()),
        };
        self.truncated.store(more, Ordering::Relaxed);
        Ok(None)
    }
}

/// What was to be read is gone: never the end of a result that is complete.
fn removed() -> Error {
    Error::new(ErrorKind::NotFound, "the result was removed while it was read")
}

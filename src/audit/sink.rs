//! The way of an audit record from a request to the store.
//!
//! A request hands its record in and goes on; one background task writes them in batches. The queue is bounded:
//! while the store is away it fills, and then [`AuditSink::record`] waits, so requests stop rather than run without
//! a record. A record is in the queue before its caller waits, so a caller that is cancelled while it waits loses
//! nothing. What was handed in but not yet written is lost only if the process is killed; `flush` before leaving.
//!
//! Knows no store: it is given a function that writes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::event::AuditEvent;
use crate::error::{ErrorKind, Result};

/// How many records may wait to be written before those who hand in more have to wait.
pub const CAPACITY: u64 = 10_000;
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often one record is tried that the store refuses although it answers.
const ATTEMPTS_IF_REFUSED: u32 = 5;

/// Where audit records are handed in. Cheap to clone; when the last clone is gone the rest is written and the
/// background task ends.
#[derive(Clone)]
pub struct AuditSink {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    written: watch::Receiver<u64>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<AuditEvent>,
    /// How many were ever handed in; the place of a record in this count is its turn.
    handed_in: u64,
    closed: bool,
}

type Write = Box<dyn Fn(Vec<AuditEvent>) -> BoxFuture<'static, Result<()>> + Send + Sync>;

struct Writer {
    write: Write,
    queue: Arc<Queue>,
    written: watch::Sender<u64>,
}

impl AuditSink {
    /// A sink that hands batches to `write`, which must keep all of a batch or none, and keep a record once if it is
    /// given it twice. Starts the background task, so it needs a running runtime.
    pub fn new(
        write: impl Fn(Vec<AuditEvent>) -> BoxFuture<'static, Result<()>> + Send + Sync + 'static,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let (sender, written) = watch::channel(0);
        tokio::spawn(Writer { write: Box::new(write), queue: Arc::clone(&queue), written: sender }.run());
        Self { handle: Arc::new(Handle { queue, written }) }
    }

    /// Hands a record in; waits while too many are waiting to be written.
    pub async fn record(&self, event: AuditEvent) {
        let turn = self.handle.queue.push(event);
        self.until_written(turn.saturating_sub(CAPACITY)).await;
    }

    /// Hands a record in where nobody can wait, as in a `Drop`. Never loses it, so it may exceed the queue's bound.
    pub fn record_now_or_later(&self, event: AuditEvent) {
        self.handle.queue.push(event);
    }

    /// Waits until everything handed in before this call is written. While the store is away that takes as long as
    /// it is away: a caller who leaves anyway sets a time limit.
    pub async fn flush(&self) {
        let target = self.handle.queue.lock().handed_in;
        self.until_written(target).await;
    }

    async fn until_written(&self, count: u64) {
        let mut written = self.handle.written.clone();
        // Fails only when the writer is gone, with its runtime: then there is nothing to wait for.
        let _ = written.wait_for(|written| *written >= count).await;
    }
}

impl Writer {
    async fn run(self) {
        while let Some(batch) = self.queue.next_batch().await {
            let count = batch.len() as u64;
            self.write_all(batch).await;
            self.written.send_modify(|written| *written += count);
        }
    }

    /// Returns when every record of the batch is written, or was refused and is in the log.
    async fn write_all(&self, batch: Vec<AuditEvent>) {
        if self.write_while_away(&batch, 1).await.is_ok() {
            return;
        }
        // One record that the store refuses must not keep the others out.
        for event in batch {
            let Err(error) = self.write_while_away(std::slice::from_ref(&event), ATTEMPTS_IF_REFUSED).await
            else {
                continue;
            };
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let record = serde_json::to_string(&event).unwrap_or_else(|_| format!("{event:?}"));
            tracing::error!(%error, cause, record, "the store refuses an audit record; this line keeps it");
        }
    }

    /// Tries for as long as the store does not answer; `attempts` times if it answers and refuses.
    async fn write_while_away(&self, events: &[AuditEvent], attempts: u32) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut refused = 0;
        loop {
            let Err(error) = (self.write)(events.to_vec()).await else { return Ok(()) };
            if error.kind() != ErrorKind::Unavailable {
                refused += 1;
                if refused >= attempts {
                    return Err(error);
                }
            }
            tracing::warn!(%error, waiting = events.len(), "audit records are not written yet; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Queue {
    fn push(&self, event: AuditEvent) -> u64 {
        let mut state = self.lock();
        state.events.push_back(event);
        state.handed_in += 1;
        let turn = state.handed_in;
        drop(state);
        self.arrived.notify_one();
        turn
    }

    /// The next records to write; `None` when there are none and will be none.
    async fn next_batch(&self) -> Option<Vec<AuditEvent>> {
        loop {
            {
                let mut state = self.lock();
                let count = state.events.len().min(BATCH);
                if count > 0 {
                    return Some(state.events.drain(..count).collect());
                }
                if state.closed {
                    return None;
                }
            }
            // A notice given between the look and the wait is kept, so nothing is missed.
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; if it did, the records are still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_one();
    }
}

impl fmt::Debug for AuditSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditSink").finish_non_exhaustive()
    }
}

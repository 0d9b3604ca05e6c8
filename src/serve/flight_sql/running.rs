//! Statements whose rows are being sent, so that their askers can cancel them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Who runs what: the user and the id that their ticket has.
type Key = (String, Uuid);

/// The runs of this node.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Key, CancellationToken>>>);

/// A run, until this is dropped.
#[derive(Debug)]
pub(super) struct Run {
    key: Key,
    running: Running,
    pub cancelled: CancellationToken,
}

impl Running {
    /// Notes that `user` runs the ticket `run`. Of one that runs twice the later can be cancelled.
    pub fn start(&self, user: &str, run: Uuid) -> Run {
        let (key, cancelled) = ((user.to_owned(), run), CancellationToken::new());
        self.with(|runs| runs.insert(key.clone(), cancelled.clone()));
        Run { key, running: self.clone(), cancelled }
    }

    /// Cancels what `user` runs as `run`; says whether it ran.
    pub fn cancel(&self, user: &str, run: Uuid) -> bool {
        let found = self.with(|runs| runs.remove(&(user.to_owned(), run)));
        found.inspect(CancellationToken::cancel).is_some()
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Key, CancellationToken>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.with(|runs| runs.remove(&self.key));
    }
}

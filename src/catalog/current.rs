//! What the store holds, for somebody who asks again and again: read once, and then brought up to date by what has changed.
//!
//! Each time the store is asked, so that nothing is told that another node has changed before.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::error::Result;
use crate::store::Store;
use crate::store::record::State;

/// The state of a store.
pub(super) struct Current {
    store: Store,
    known: ArcSwapOption<State>,
}

impl Current {
    /// Of `store`, of which nothing is read yet.
    pub fn new(store: Store) -> Self {
        Self { store, known: ArcSwapOption::empty() }
    }

    /// All of it, as of now.
    pub async fn state(&self) -> Result<Arc<State>> {
        let known = self.known.load_full();
        let changed = match &known {
            Some(known) => self.store.changes_since(known.version).await?.map(|changed| (known, changed)),
            None => None,
        };
        let state = match changed {
            Some((known, (version, _))) if version == known.version => return Ok(Arc::clone(known)),
            Some((known, (version, changes))) => State { version, ..known.after(&changes) },
            // Nothing is known, or too little of what has changed is kept.
            None => self.store.load().await?,
        };
        let state = Arc::new(state);
        self.known.store(Some(Arc::clone(&state)));
        Ok(state)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

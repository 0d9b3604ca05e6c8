//! Which statement each worker of a search is at, so that one that runs long is named while it does.
//!
//! It is watched from a thread of its own: what keeps a core busy lets no timer of its own runtime go off.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A statement of these small tables has no reason to take longer, not on a busy machine either.
const LONG: Duration = Duration::from_secs(60);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);

/// The statement that a worker is at.
#[derive(Debug, Default)]
pub struct Asked(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Begins,
    At {
        since: Instant,
        statement: String,
        is_told: bool,
    },
    Ended,
}

impl Asked {
    /// The worker turns to `statement`.
    pub fn begins(&self, statement: String) {
        *self.0.lock().unwrap() = State::At { since: Instant::now(), statement, is_told: false };
    }

    /// What tells, when it is dropped, that the worker asks nothing any more; a panic drops it too.
    pub fn until_dropped(&self) -> UntilDropped<'_> {
        UntilDropped(self)
    }

    /// Tells once of a statement that runs long; whether the worker is still there.
    fn look(&self) -> bool {
        match &mut *self.0.lock().unwrap() {
            State::Begins => true,
            State::Ended => false,
            State::At { since, statement, is_told } => {
                if since.elapsed() > LONG && !*is_told {
                    *is_told = true;
                    println!("runs for more than {} s: {statement}", LONG.as_secs());
                }
                true
            }
        }
    }
}

/// Ends a worker's time.
#[derive(Debug)]
pub struct UntilDropped<'a>(&'a Asked);

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = State::Ended;
    }
}

/// Watches until every worker has ended.
pub fn tell_what_runs_long(workers: &[Asked]) {
    while workers.iter().filter(|asked| asked.look()).count() > 0 {
        std::thread::sleep(LOOK);
    }
}

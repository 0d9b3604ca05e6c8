//! The databases, tables and columns that the reader may see, as the gateway lists them.
//!
//! Asked for when they are first wanted, again when they are old or a statement changed them, and never waited for long:
//! who types gets what is known by then, and nothing when nothing is. Knows nothing of where they are put.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use lakegate_client::Connection;
use tokio::runtime::Handle;

/// How long somebody who presses Tab waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the gateway may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Others change what may be seen too.
const FRESH: Duration = Duration::from_secs(60);

/// The most columns to know.
const COLUMNS: u64 = 200_000;

const SQL: &str = "SELECT table_schema, table_name, column_name FROM information_schema.columns \
    ORDER BY table_schema, table_name, ordinal_position";

/// Databases with their tables with their columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub databases: BTreeMap<String, Tables>,
}

/// The tables of a database, with their columns in order.
pub type Tables = BTreeMap<String, Vec<String>>;

/// The names as they were last heard.
#[derive(Debug, Clone)]
pub struct Listing {
    connection: Connection,
    runtime: Handle,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    names: Arc<Names>,
    /// When the names were asked for; `None` when they must be asked for again.
    heard: Option<Instant>,
    is_asking: bool,
    /// Counts the statements that changed something: an answer from before one is old.
    changes: u64,
}

impl Listing {
    /// Asks nothing yet.
    pub fn new(connection: Connection, runtime: Handle) -> Self {
        Self { connection, runtime, shared: Arc::default() }
    }

    /// What is known, after a moment's wait for what is not. Blocks, so not on a thread of the runtime.
    pub fn get(&self) -> Arc<Names> {
        let mut state = self.shared.lock();
        if state.heard.is_none_or(|at| at.elapsed() > FRESH) && !state.is_asking {
            state.is_asking = true;
            self.runtime.spawn(self.clone().ask(state.changes));
        }
        let waited = self.shared.done.wait_timeout_while(state, PATIENCE, |state| state.is_asking);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state.names)
    }

    /// What is known may no longer be so.
    pub fn forget(&self) {
        let mut state = self.shared.lock();
        state.heard = None;
        state.changes += 1;
    }

    async fn ask(self, changes: u64) {
        let asked = Instant::now();
        let answer = tokio::time::timeout(LIMIT, list(&self.connection)).await;
        let mut state = self.shared.lock();
        state.is_asking = false;
        // A failure is no concern of who types; the next Tab asks again.
        if let Ok(Ok(names)) = answer {
            state.names = Arc::new(names);
            state.heard = Some(asked).filter(|_| state.changes == changes);
        }
        self.shared.done.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(connection: &Connection) -> lakegate_client::Result<Names> {
    let mut batches = connection.query(SQL).max_rows(COLUMNS).stream().await?;
    let mut names = Names::default();
    while let Some(batch) = batches.try_next().await? {
        names.add(&batch);
    }
    Ok(names)
}

impl Names {
    fn add(&mut self, batch: &RecordBatch) {
        let texts = batch.columns().iter().map(|column| arrow::compute::cast(column, &DataType::Utf8));
        let Ok(texts) = texts.collect::<Result<Vec<_>, _>>() else { return };
        let [databases, tables, columns] = texts.as_slice() else { return };
        let of = |texts: &arrow::array::ArrayRef, row| texts.as_string::<i32>().value(row).to_owned();
        for row in (0..batch.num_rows()).filter(|row| texts.iter().all(|text| text.is_valid(*row))) {
            let tables = self.databases.entry(of(databases, row)).or_default().entry(of(tables, row));
            tables.or_default().push(of(columns, row));
        }
    }
}

//! How far a run is, for whoever asks: a table of tables that the run writes and others read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::ingest::TableSummary;
use crate::ingest::progress::{Expected, Progress};
use crate::policy::model::TableName;

const RUNNING: &str = "running";

/// What is known of each table of a run; somebody else may watch as well.
#[derive(Debug)]
pub(super) struct Board {
    tables: Mutex<BTreeMap<String, Line>>,
    also: Arc<dyn Progress>,
}

#[derive(Debug, Clone)]
struct Line {
    state: &'static str,
    expected: Option<Expected>,
    rows: u64,
    bytes: u64,
}

/// A line as it is kept.
#[derive(Debug, Serialize)]
struct Told {
    state: &'static str,
    /// About how many rows it has, where that is known.
    estimate: Option<u64>,
    rows: u64,
    bytes: u64,
    /// About how long it takes until they are read.
    seconds_left: Option<u64>,
}

impl Line {
    fn told(&self) -> Told {
        let is_running = self.state == RUNNING;
        let left = self.expected.filter(|_| is_running).and_then(|expected| expected.left(self.rows));
        Told {
            state: self.state,
            estimate: self.expected.map(|expected| expected.rows),
            rows: self.rows,
            bytes: self.bytes,
            seconds_left: left.map(|left| left.as_secs()),
        }
    }
}

impl Board {
    pub fn new(also: Arc<dyn Progress>) -> Self {
        Self { tables: Mutex::default(), also }
    }

    /// All of it, as it is kept with the run.
    pub fn told(&self) -> Value {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let told = tables.iter().map(|(table, line)| (table, line.told())).collect::<BTreeMap<_, _>>();
        serde_json::json!({ "tables": told })
    }

    fn with(&self, table: &TableName, act: impl FnOnce(&mut Line)) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line { state: RUNNING, expected: None, rows: 0, bytes: 0 };
        act(tables.entry(table.to_string()).or_insert(line));
    }
}

impl Progress for Board {
    fn started(&self, table: &TableName) {
        self.with(table, |_| ());
        self.also.started(table);
    }

    fn expects(&self, table: &TableName, rows: u64) {
        self.with(table, |line| line.expected = Some(Expected::of(rows)));
        self.also.expects(table, rows);
    }

    fn advanced(&self, table: &TableName, rows: u64, bytes: u64) {
        self.with(table, |line| (line.rows, line.bytes) = (rows, bytes));
        self.also.advanced(table, rows, bytes);
    }

    fn finished(&self, summary: &TableSummary) {
        self.with(&summary.table, |line| {
            line.state = if summary.error.is_some() { "failed" } else { "done" };
            if summary.error.is_none() {
                (line.rows, line.bytes) = (summary.rows, summary.bytes);
            }
        });
        self.also.finished(summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::progress::Silent;

    #[test]
    fn time_left_is_told_while_rows_are_expected() {
        let board = Board::new(Arc::new(Silent));
        let table = TableName::new("s", "t");
        let told = |key: &str| board.told()["tables"]["s.t"][key].clone();
        board.started(&table);
        board.advanced(&table, 10, 100);
        assert_eq!((told("estimate"), told("seconds_left")), (Value::Null, Value::Null));
        board.expects(&table, 40);
        assert_eq!((told("estimate"), told("seconds_left")), (40.into(), 0.into()));
        board.advanced(&table, 40, 400);
        assert_eq!((told("rows"), told("seconds_left")), (40.into(), Value::Null));
    }
}

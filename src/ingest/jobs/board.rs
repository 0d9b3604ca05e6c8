//! How far a run is, for whoever asks: a table of tables that the run writes and others read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::ingest::TableSummary;
use crate::ingest::progress::Progress;
use crate::policy::model::TableName;

/// What is known of each table of a run; somebody else may watch as well.
#[derive(Debug)]
pub(super) struct Board {
    tables: Mutex<BTreeMap<String, Line>>,
    also: Arc<dyn Progress>,
}

#[derive(Debug, Clone, Serialize)]
struct Line {
    state: &'static str,
    estimate: Option<u64>,
    rows: u64,
    bytes: u64,
}

impl Board {
    pub fn new(also: Arc<dyn Progress>) -> Self {
        Self { tables: Mutex::default(), also }
    }

    /// All of it, as it is kept with the run.
    pub fn told(&self) -> Value {
        serde_json::json!({ "tables": *self.tables.lock().unwrap_or_else(PoisonError::into_inner) })
    }

    fn with(&self, table: &TableName, act: impl FnOnce(&mut Line)) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line { state: "running", estimate: None, rows: 0, bytes: 0 };
        act(tables.entry(table.to_string()).or_insert(line));
    }
}

impl Progress for Board {
    fn started(&self, table: &TableName, estimate: Option<u64>) {
        self.with(table, |line| line.estimate = estimate);
        self.also.started(table, estimate);
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

//! Who watches an ingestion: nobody, or somebody at a terminal.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::TableSummary;
use crate::policy::model::TableName;

/// Is told what happens, from the task that does it: it must not wait.
pub trait Progress: Send + Sync + fmt::Debug {
    /// A table is being read; `estimate` is about how many rows it has.
    fn started(&self, table: &TableName, estimate: Option<u64>);
    /// So many rows were written until now, in so many bytes.
    fn advanced(&self, table: &TableName, rows: u64, bytes: u64);
    /// The table is published, or failed.
    fn finished(&self, summary: &TableSummary);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _: &TableName, _: Option<u64>) {}
    fn advanced(&self, _: &TableName, _: u64, _: u64) {}
    fn finished(&self, _: &TableSummary) {}
}

/// A bar for each table on standard error; nothing when that is no terminal.
pub struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<TableName, ProgressBar>>,
}

impl Bars {
    /// No bar yet.
    pub fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { all, running: Mutex::default() }
    }

    fn with(&self, table: &TableName, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(table) {
            act(bar);
        }
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").finish_non_exhaustive()
    }
}

impl Progress for Bars {
    fn started(&self, table: &TableName, estimate: Option<u64>) {
        let template = match estimate {
            Some(_) => "{prefix:32!} {bar:24} {human_pos:>13} rows {per_sec:>14} {msg}",
            None => "{prefix:32!} {spinner}{human_pos:>37} rows {per_sec:>14} {msg}",
        };
        // A template that does not parse costs its looks, not the ingestion.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = match estimate {
            Some(rows) => ProgressBar::new(rows),
            None => ProgressBar::new_spinner(),
        };
        let bar = self.all.add(bar.with_style(style).with_prefix(table.to_string()));
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), bar);
    }

    fn advanced(&self, table: &TableName, rows: u64, bytes: u64) {
        self.with(table, |bar| {
            if bar.length().is_some_and(|length| length < rows) {
                bar.set_length(rows);
            }
            bar.set_position(rows);
            bar.set_message(format!("{}", indicatif::HumanBytes(bytes)));
        });
    }

    fn finished(&self, summary: &TableSummary) {
        self.with(&summary.table, |bar| match &summary.error {
            None => {
                bar.set_length(summary.rows);
                bar.finish_with_message(format!("{}", indicatif::HumanBytes(summary.bytes)));
            }
            Some(_) => bar.abandon_with_message("failed"),
        });
    }
}

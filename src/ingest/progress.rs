//! Who watches an ingestion: nobody, or somebody at a terminal.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::TableSummary;
use crate::policy::model::TableName;

/// Is told what happens, from the task that does it: it must not wait.
pub trait Progress: Send + Sync + fmt::Debug {
    /// A table is looked at.
    fn started(&self, table: &TableName);
    /// Its rows are going to be read, about so many. Not told where nobody knows, as of a table whose new rows alone are read.
    fn expects(&self, table: &TableName, rows: u64);
    /// So many rows were written until now, in so many bytes.
    fn advanced(&self, table: &TableName, rows: u64, bytes: u64);
    /// The table is published, or failed.
    fn finished(&self, summary: &TableSummary);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _: &TableName) {}
    fn expects(&self, _: &TableName, _: u64) {}
    fn advanced(&self, _: &TableName, _: u64, _: u64) {}
    fn finished(&self, _: &TableSummary) {}
}

/// About how many rows are read, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    pub rows: u64,
    pub since: Instant,
}

impl Expected {
    /// So many rows, from now on.
    pub fn of(rows: u64) -> Self {
        Self { rows, since: Instant::now() }
    }

    /// How long it takes until all are read, at the pace until now; none before the first one and behind the last one that
    /// was expected, when there are more than that.
    pub fn left(&self, read: u64) -> Option<Duration> {
        left(self.rows, read, self.since.elapsed())
    }
}

fn left(expected: u64, read: u64, elapsed: Duration) -> Option<Duration> {
    let missing = expected.checked_sub(read).filter(|missing| *missing > 0 && read > 0)?;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * missing as f64 / read as f64).ok()
}

/// A bar for each table on standard error; nothing when that is no terminal.
pub struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<TableName, Bar>>,
}

struct Bar {
    bar: ProgressBar,
    expected: Option<Expected>,
}

impl Bars {
    /// No bar yet.
    pub fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { all, running: Mutex::default() }
    }

    fn with(&self, table: &TableName, act: impl FnOnce(&mut Bar)) {
        if let Some(bar) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get_mut(table) {
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

/// A template that does not parse costs its looks, not the ingestion.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What stands behind the rows and their rate.
fn behind(bytes: u64, left: Option<Duration>) -> String {
    let left = left.map(|left| format!(", {:#} left", HumanDuration(left))).unwrap_or_default();
    format!("{}{left}", HumanBytes(bytes))
}

impl Progress for Bars {
    fn started(&self, table: &TableName) {
        let bar = ProgressBar::new_spinner()
            .with_style(style("{prefix:32!} {spinner}{human_pos:>37} rows {per_sec:>14} {msg}"))
            .with_prefix(table.to_string());
        let bar = Bar { bar: self.all.add(bar), expected: None };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone(), bar);
    }

    fn expects(&self, table: &TableName, rows: u64) {
        self.with(table, |Bar { bar, expected }| {
            *expected = Some(Expected::of(rows));
            bar.set_style(style("{prefix:32!} {bar:24} {human_pos:>13} rows {per_sec:>14} {msg}"));
            bar.set_length(rows);
        });
    }

    fn advanced(&self, table: &TableName, rows: u64, bytes: u64) {
        self.with(table, |Bar { bar, expected }| {
            if bar.length().is_some_and(|length| length < rows) {
                bar.set_length(rows);
            }
            bar.set_position(rows);
            bar.set_message(behind(bytes, expected.and_then(|expected| expected.left(rows))));
        });
    }

    fn finished(&self, summary: &TableSummary) {
        self.with(&summary.table, |Bar { bar, .. }| match &summary.error {
            None => {
                bar.set_length(summary.rows);
                bar.finish_with_message(behind(summary.bytes, None));
            }
            Some(_) => bar.abandon_with_message("failed"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_left_while_it_is_known_how_many_rows_are() {
        let (minute, none) = (Duration::from_secs(60), None);
        for (expected, read, time) in [
            (100, 50, Some(minute)),
            (100, 75, Some(Duration::from_secs(20))),
            (100, 1, Some(minute * 99)),
            (u64::MAX, u64::MAX / 2, Some(minute)),
            (100, 0, none),
            // The estimate was too low: how many more there are is not known.
            (100, 100, none),
            (100, 101, none),
            (0, 0, none),
        ] {
            let found = left(expected, read, minute).map(|left| left.as_secs_f64().round());
            assert_eq!(found, time.map(|time| time.as_secs_f64()), "{expected} {read}");
        }
    }

    #[test]
    fn bars_tell_it_in_words() {
        assert_eq!(behind(2048, Some(Duration::from_secs(130))), "2.00 KiB, 2m left");
        assert_eq!(behind(2048, None), "2.00 KiB");
    }
}

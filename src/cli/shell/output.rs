//! A query's result on its way to where it is wanted, and what to say after it.
//!
//! Pulls one batch at a time: a reader that is slow, such as a pager, slows the query, and nothing piles up.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use lakegate_client::{PolicyNotice, Query};
use tokio::task::{block_in_place, yield_now};

use super::rows::RowWriter;

/// What to say after a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub rows: u64,
    pub time: Duration,
    pub policy: PolicyNotice,
}

/// Why something was not (completely) done.
#[derive(Debug)]
pub enum Failure {
    Query(lakegate_client::Error),
    Write(io::Error),
    /// What was asked of the shell itself cannot be done, told as a sentence.
    Command(String),
    /// Ctrl-C.
    Cancelled,
}

/// Runs a query and writes its result with what `writer` makes for its columns.
pub async fn run<'a>(
    query: Query,
    writer: impl FnOnce(&SchemaRef) -> io::Result<Box<dyn RowWriter + 'a>>,
) -> Result<Summary, Failure> {
    let start = Instant::now();
    let mut batches = query.stream().await.map_err(Failure::Query)?;
    let policy = batches.policy.clone();
    let mut writer = writer(&batches.schema()).map_err(Failure::Write)?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.map_err(Failure::Query)? {
        rows += batch.num_rows() as u64;
        // A pager reads when its reader does, and until then a write waits.
        block_in_place(|| writer.write(&batch)).map_err(Failure::Write)?;
        // Batches that are there already would leave no moment for Ctrl-C.
        yield_now().await;
    }
    block_in_place(|| writer.finish()).map_err(Failure::Write)?;
    Ok(Summary { rows, time: start.elapsed(), policy })
}

impl Summary {
    /// The line after a result; with its time when `timing` is on.
    pub fn told(&self, timing: bool) -> String {
        let time = if timing { format!(", {}", self.took()) } else { String::new() };
        format!("({}{time}){}", self.count(), self.notice())
    }

    /// How many rows.
    pub fn count(&self) -> String {
        if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) }
    }

    /// How long it took.
    pub fn took(&self) -> String {
        match self.time {
            time if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
            time => format!("{:.2} s", time.as_secs_f64()),
        }
    }

    /// Rules apply; what they removed is not known here, so the words do not claim it.
    pub fn notice(&self) -> String {
        let mut parts = Vec::new();
        if self.policy.rows_filtered {
            parts.push("some rows may be hidden from you".to_owned());
        }
        if self.policy.cells_nulled {
            parts.push("some values may be shown as NULL".to_owned());
        }
        if self.policy.columns_hidden {
            parts.push("some columns are hidden from you".to_owned());
        }
        if !self.policy.masked.is_empty() {
            parts.push(format!("masked: {}", self.policy.masked.join(", ")));
        }
        if parts.is_empty() { String::new() } else { format!("\npolicy: {}", parts.join("; ")) }
    }
}

impl Failure {
    /// Whether whoever reads the result has seen enough of it.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => error.fmt(f),
            Self::Write(error) => write!(f, "the result cannot be written: {error}"),
            Self::Command(message) => f.write_str(message),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_which_rules_apply_and_not_more() {
        let time = Duration::from_millis(1234);
        let open = Summary { rows: 1, time, policy: PolicyNotice::default() };
        assert_eq!(open.told(true), "(1 row, 1.23 s)");
        let policy = PolicyNotice {
            rows_filtered: true,
            cells_nulled: true,
            masked: vec!["email".to_owned()],
            columns_hidden: true,
        };
        assert_eq!(
            Summary { rows: 0, time, policy }.told(false),
            "(0 rows)\npolicy: some rows may be hidden from you; some values may be shown as NULL; \
             some columns are hidden from you; masked: email"
        );
    }
}

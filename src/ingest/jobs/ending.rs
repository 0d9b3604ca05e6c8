//! How a run ends, and whether there is to be another attempt.

use chrono::{DateTime, Utc};

use super::definition::Definition;
use crate::error::{ErrorKind, Result};
use crate::ingest::{Failure, Summary};
use crate::store::runs::{Cause, Ending, Run, RunState};

/// The codes of failures that may be gone when the same is tried again.
const PASSING: [ErrorKind; 5] = [
    ErrorKind::Unavailable,
    ErrorKind::Conflict,
    ErrorKind::Timeout,
    ErrorKind::LimitExceeded,
    ErrorKind::Internal,
];

/// What has become of a run.
pub(super) fn of(outcome: &Result<Summary>) -> Ending {
    match outcome {
        Ok(summary) => {
            let failed = summary.tables.iter().filter(|table| table.error.is_some()).count();
            let told = format!("{failed} of {} tables were not brought in", summary.tables.len());
            Ending {
                state: if failed == 0 { RunState::Succeeded } else { RunState::Failed },
                outcome: serde_json::to_value(summary).ok(),
                error: (failed > 0).then_some(told),
            }
        }
        Err(error) => ended(RunState::Failed, error.detail()),
    }
}

/// An ending without an outcome.
pub(super) fn ended(state: RunState, why: &str) -> Ending {
    Ending { state, outcome: None, error: Some(why.to_owned()) }
}

/// The run that tries again what failed in `run` and may succeed later.
pub(super) fn retry(
    run: &Run,
    definition: &Definition,
    outcome: &Result<Summary>,
    now: DateTime<Utc>,
) -> Option<Run> {
    let only_tables = match outcome {
        Ok(summary) => {
            let failed = summary.tables.iter().filter(|table| table.error.as_ref().is_some_and(is_passing));
            let failed: Vec<String> = failed.map(|table| table.table.to_string()).collect();
            if failed.is_empty() {
                return None;
            }
            failed
        }
        Err(error) if PASSING.contains(&error.kind()) && !error.is_lasting() => run.only_tables.clone(),
        Err(_) => return None,
    };
    again(run, definition, only_tables, now)
}

fn is_passing(failure: &Failure) -> bool {
    !failure.is_lasting && PASSING.iter().any(|kind| kind.code() == failure.code)
}

/// The next attempt at `run` with `only_tables`, unless there were enough.
pub(super) fn again(
    run: &Run,
    definition: &Definition,
    only_tables: Vec<String>,
    now: DateTime<Utc>,
) -> Option<Run> {
    if run.attempt > i64::from(definition.retries) {
        return None;
    }
    let wait = definition.wait_before(run.attempt).ok()?;
    let due_at = now.checked_add_signed(chrono::TimeDelta::from_std(wait).ok()?)?;
    Some(next(run, run.attempt.saturating_add(1), only_tables, due_at))
}

/// The run that takes the place of `run`.
pub(super) fn next(run: &Run, attempt: i64, only_tables: Vec<String>, due_at: DateTime<Utc>) -> Run {
    Run { attempt, only_tables, ..Run::queued(&run.job, Cause::Retry, &run.requested_by, due_at) }
}

//! What a job says: which tables, how, when, and what is done after a failure.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::{Deserialize, Serialize};

use crate::config::parse_duration;
use crate::error::{Error, Result};
use crate::ingest::Job;
use crate::ingest::drift::OnDrift;
use crate::ingest::mode::{DeletesName, Growth, Mode, ModeName, Overlap};
use crate::ingest::source::Unrepresentable;
use crate::policy::check::check_database;
use crate::store::record::IngestJob;

/// How often a run is tried again at most.
const MOST_RETRIES: u32 = 20;
/// The longest wait before a run is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A job, as it is kept in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Names, or patterns with `*`.
    pub tables: Vec<String>,
    /// Names or patterns of those to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The database that they become tables of.
    pub into: String,
    #[serde(default)]
    pub mode: ModeName,
    #[serde(default)]
    pub bookmark: Vec<String>,
    #[serde(default)]
    pub overlap: Option<Overlap>,
    #[serde(default)]
    pub key: Vec<String>,
    #[serde(default)]
    pub deletes: Option<DeletesName>,
    #[serde(default)]
    pub soft_delete: Option<String>,
    #[serde(default)]
    pub columns: OnDrift,
    #[serde(default)]
    pub unrepresentable: Unrepresentable,
    /// Five fields of cron, in UTC; without one it runs only when somebody asks.
    #[serde(default)]
    pub schedule: Option<String>,
    /// A job that is paused runs only when somebody asks.
    #[serde(default)]
    pub paused: bool,
    /// How often what failed for a while is tried again.
    #[serde(default = "retries")]
    pub retries: u32,
    /// The wait before that, as `30s`; twice as long each time, and an hour at most.
    #[serde(default = "retry_after")]
    pub retry_after: String,
}

/// How often a run is tried again unless its job says otherwise.
pub fn retries() -> u32 {
    3
}

/// How long is waited before that.
pub fn retry_after() -> String {
    "30s".to_owned()
}

impl Definition {
    /// The definition that `job` keeps.
    pub fn of(job: &IngestJob) -> Result<Self> {
        serde_json::from_value(job.definition.clone()).map_err(Error::internal)
    }

    /// The job `name` with this definition, whose schedule counts from now.
    ///
    /// # Errors
    ///
    /// `invalid_request` when a part of it cannot be.
    pub fn into_job(self, name: &str, source: &str) -> Result<IngestJob> {
        if self.tables.is_empty() {
            return Err(Error::invalid_request("`tables` is empty: name tables, or write `*` for all"));
        }
        check_database(&self.into)?;
        self.job()?;
        if let Some(schedule) = &self.schedule {
            cron(schedule)?;
        }
        self.wait_before(1)?;
        if self.retries > MOST_RETRIES {
            return Err(Error::invalid_request(format!("`retries` may be {MOST_RETRIES} at most")));
        }
        let definition = serde_json::to_value(self).map_err(Error::internal)?;
        Ok(IngestJob { name: name.to_owned(), source: source.to_owned(), definition, since: Utc::now() })
    }

    /// What a run of it brings in.
    pub fn job(&self) -> Result<Job> {
        let growth = Growth { bookmark: self.bookmark.clone(), overlap: self.overlap, key: self.key.clone() };
        Ok(Job {
            tables: self.tables.clone(),
            exclude: self.exclude.clone(),
            into: self.into.clone(),
            mode: Mode::named(self.mode, growth, self.deletes, self.soft_delete.clone())?,
            on_drift: self.columns,
            ..Job::default()
        })
    }

    /// The first moment behind `after` that its schedule has.
    pub fn next_due(&self, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let Some(schedule) = self.schedule.as_ref().filter(|_| !self.paused) else { return Ok(None) };
        // A schedule that has no more moments is one that does not come.
        Ok(cron(schedule)?.find_next_occurrence(&after, false).ok())
    }

    /// The last moment until `now` that its schedule had.
    pub fn last_due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        let Some(schedule) = self.schedule.as_ref().filter(|_| !self.paused) else { return Ok(None) };
        Ok(cron(schedule)?.find_previous_occurrence(&now, true).ok())
    }

    /// How long is waited after the attempt number `attempt` failed.
    pub fn wait_before(&self, attempt: i64) -> Result<Duration> {
        let first = parse_duration(&self.retry_after).map_err(Error::invalid_request)?;
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        Ok(first.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT))
    }
}

fn cron(schedule: &str) -> Result<Cron> {
    Cron::from_str(schedule).map_err(|fault| {
        Error::invalid_request(format!(
            "`{schedule}` is not a schedule: write five fields as cron has them, such as `0 2 * * *` for two o'clock every \
             night in UTC ({fault})"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(json: serde_json::Value) -> Result<Definition, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn a_schedule_has_its_moments_in_utc() {
        let nightly = |schedule: &str| {
            definition(serde_json::json!({ "tables": ["*"], "into": "s", "schedule": schedule })).unwrap()
        };
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (schedule, after, due) in [
            ("0 2 * * *", "2026-03-29T00:59:59Z", "2026-03-29T02:00:00Z"),
            ("0 2 * * *", "2026-03-29T02:00:00Z", "2026-03-30T02:00:00Z"),
            ("*/15 * * * *", "2026-12-31T23:50:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ] {
            assert_eq!(nightly(schedule).next_due(at(after)).unwrap(), Some(at(due)), "{schedule}");
        }
        for (schedule, now, due) in [
            ("0 2 * * *", "2026-03-29T02:00:00Z", "2026-03-29T02:00:00Z"),
            ("0 2 * * *", "2026-03-29T01:59:59.999999Z", "2026-03-28T02:00:00Z"),
            ("* * * * * *", "2026-03-29T01:59:59.500001Z", "2026-03-29T01:59:59Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(nightly(schedule).last_due(at(now)).unwrap(), Some(at(due)), "{schedule}");
        }
        let paused = Definition { paused: true, ..nightly("0 2 * * *") };
        assert_eq!(paused.next_due(Utc::now()).unwrap(), None);
        for schedule in ["", "x", "61 * * * *", "* * *"] {
            assert!(nightly(schedule).into_job("j", "s").is_err(), "{schedule}");
        }
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let job = definition(serde_json::json!({ "tables": ["*"], "into": "s" })).unwrap();
        let seconds = [1, 2, 3, 20, i64::MAX].map(|attempt| job.wait_before(attempt).unwrap().as_secs());
        assert_eq!(seconds, [30, 60, 120, 3600, 3600]);
    }

    #[test]
    fn what_cannot_be_is_refused_when_it_is_kept() {
        for json in [
            serde_json::json!({ "tables": [], "into": "s" }),
            serde_json::json!({ "tables": ["*"], "into": "pg_catalog" }),
            serde_json::json!({ "tables": ["*"], "into": "s", "bookmark": ["id"] }),
            serde_json::json!({ "tables": ["*"], "into": "s", "mode": "append", "deletes": "keys" }),
            serde_json::json!({ "tables": ["*"], "into": "s", "retry_after": "soon" }),
        ] {
            assert!(definition(json.clone()).unwrap().into_job("j", "s").is_err(), "{json}");
        }
    }
}

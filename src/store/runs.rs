//! Runs of jobs: queued, taken by one node at a time, and kept as history.
//!
//! A node holds a run by a lease that it renews; a lease that has ended means that the node is gone. What a run does is not
//! known here: progress and outcome are kept as they are given. Runs are no policy: they raise no version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::Store;
use super::failure::{store_failed, unreadable};
use crate::error::Result;

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Time-ordered (UUID version 7).
    pub id: Uuid,
    pub job: String,
    pub cause: Cause,
    /// Who asked for it; of a schedule, nobody: empty.
    pub requested_by: String,
    /// Starts at 1.
    pub attempt: i64,
    /// The tables that a retry is about, as the lake names them; all of the job when empty.
    pub only_tables: Vec<String>,
    /// When it is to begin.
    pub due_at: DateTime<Utc>,
    pub state: RunState,
    /// Who runs it, or ran it.
    pub node: Option<String>,
    pub cancel_requested: bool,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// How far it is.
    pub progress: Option<Value>,
    /// What has become of its tables.
    pub outcome: Option<Value>,
    /// Why it came to nothing.
    pub error: Option<String>,
}

/// Why there is a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Schedule,
    /// Somebody asked for it.
    Request,
    /// An earlier run failed.
    Retry,
}

/// How a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// The node that ran it is gone.
    Lost,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub state: RunState,
    pub outcome: Option<Value>,
    pub error: Option<String>,
}

/// What a node learns when it renews its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The run is still this node's.
    pub is_held: bool,
    pub cancel_requested: bool,
}

/// Which runs are wanted, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub job: Option<String>,
    pub state: Option<RunState>,
    /// Runs before this one.
    pub before: Option<Uuid>,
    pub limit: i64,
}

const COLUMNS: &str = "id, job, cause, requested_by, attempt, only_tables, due_at, state, node, cancel_requested, \
     started_at, finished_at, progress, outcome, error";

impl Run {
    /// A run of `job` that is to begin at `due_at`.
    pub fn queued(job: &str, cause: Cause, requested_by: &str, due_at: DateTime<Utc>) -> Self {
        Self {
            id: Uuid::now_v7(),
            job: job.to_owned(),
            cause,
            requested_by: requested_by.to_owned(),
            attempt: 1,
            only_tables: Vec::new(),
            due_at,
            state: RunState::Queued,
            node: None,
            cancel_requested: false,
            started_at: None,
            finished_at: None,
            progress: None,
            outcome: None,
            error: None,
        }
    }
}

impl RunState {
    /// Whether nothing more will become of it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl Store {
    /// Queues `run`; false when there is one of its job at this moment already.
    pub async fn queue_run(&self, run: &Run) -> Result<bool> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        queue(&mut connection, run).await
    }

    /// Queues `run`, which a schedule asks for, in the place of attempts of its job that wait: it does all that they would do. False
    /// while another run of the job is due or going on.
    pub async fn queue_scheduled(&self, run: &Run) -> Result<bool> {
        let mut transaction = self.begin_write().await?;
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM ingest_runs WHERE job = $1 \
             AND (state = 'running' OR (state = 'queued' AND cause <> 'retry'))",
        )
        .bind(run.job.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(store_failed)?;
        if open > 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE ingest_runs SET state = 'cancelled', finished_at = $2, error = 'the next run of the schedule took its place' \
             WHERE job = $1 AND state = 'queued' AND cause = 'retry'",
        )
        .bind(run.job.as_str())
        .bind(Utc::now().timestamp_micros())
        .execute(&mut *transaction)
        .await
        .map_err(store_failed)?;
        let is_queued = queue(&mut transaction, run).await?;
        transaction.commit().await.map_err(store_failed)?;
        Ok(is_queued)
    }

    /// Takes a run that is due at `now` and whose job does not run anywhere, for `node` until `lease_until`: `id`, or
    /// whichever has waited longest.
    pub async fn claim_run(
        &self,
        id: Option<Uuid>,
        node: &str,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Run>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let waiting: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM ingest_runs WHERE state = 'queued' AND due_at <= $1 AND ($2 = '' OR id = $2) AND job NOT IN \
             (SELECT job FROM ingest_runs WHERE state = 'running') ORDER BY due_at LIMIT 20",
        )
        .bind(now.timestamp_micros())
        .bind(id.map(|id| id.to_string()).unwrap_or_default())
        .fetch_all(&mut *connection)
        .await
        .map_err(store_failed)?;
        for candidate in &waiting {
            let taken = sqlx::query(
                "UPDATE ingest_runs SET state = 'running', node = $2, started_at = $3, lease_until = $4 \
                 WHERE id = $1 AND state = 'queued'",
            )
            .bind(candidate.as_str())
            .bind(node)
            .bind(now.timestamp_micros())
            .bind(lease_until.timestamp_micros())
            .execute(&mut *connection)
            .await;
            match taken {
                Ok(done) if done.rows_affected() == 1 => return find(&mut connection, candidate).await,
                Ok(_) => {}
                // Another node has begun to run the same job.
                Err(sqlx::Error::Database(fault)) if fault.is_unique_violation() => {}
                Err(fault) => return Err(store_failed(fault)),
            }
        }
        Ok(None)
    }

    /// Holds the run `id` for `node` until `lease_until`, and keeps how far it is.
    pub async fn renew_run(
        &self,
        id: Uuid,
        node: &str,
        lease_until: DateTime<Utc>,
        progress: &Value,
    ) -> Result<Renewed> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let done = sqlx::query(
            "UPDATE ingest_runs SET lease_until = $3, progress = $4 WHERE id = $1 AND node = $2 AND state = 'running'",
        )
        .bind(id.to_string())
        .bind(node)
        .bind(lease_until.timestamp_micros())
        .bind(progress.to_string())
        .execute(&mut *connection)
        .await
        .map_err(store_failed)?;
        let run = find(&mut connection, &id.to_string()).await?;
        let cancel_requested = run.is_some_and(|run| run.cancel_requested);
        Ok(Renewed { is_held: done.rows_affected() == 1, cancel_requested })
    }

    /// Ends the run `id`, and queues `next` in the same transaction; false when it is not `node`'s any more.
    pub async fn end_run(&self, id: Uuid, node: &str, ending: &Ending, next: Option<&Run>) -> Result<bool> {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(
            "UPDATE ingest_runs SET state = $3, outcome = $4, error = $5, finished_at = $6, lease_until = NULL \
             WHERE id = $1 AND node = $2 AND state = 'running'",
        )
        .bind(id.to_string())
        .bind(node)
        .bind(word(&ending.state)?)
        .bind(json(&ending.outcome))
        .bind(ending.error.as_deref())
        .bind(Utc::now().timestamp_micros())
        .execute(&mut *transaction)
        .await
        .map_err(store_failed)?;
        let is_ours = done.rows_affected() == 1;
        if is_ours {
            follow_up(&mut transaction, id, next).await?;
        }
        transaction.commit().await.map_err(store_failed)?;
        Ok(is_ours)
    }

    /// The runs whose nodes have not renewed their lease by `now`.
    pub async fn expired_runs(&self, now: DateTime<Utc>) -> Result<Vec<Run>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let sql = format!("SELECT {COLUMNS} FROM ingest_runs WHERE state = 'running' AND lease_until < $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(now.timestamp_micros())
            .fetch_all(&mut *connection)
            .await
            .map_err(store_failed)?;
        rows.iter().map(decode).collect()
    }

    /// Ends the run `id` as lost, and queues `next` in the same transaction; false when its node has been heard of since, or
    /// somebody was faster.
    pub async fn lose_run(&self, id: Uuid, now: DateTime<Utc>, next: Option<&Run>) -> Result<bool> {
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(
            "UPDATE ingest_runs SET state = 'lost', finished_at = $2, error = 'the node that ran it is gone' \
             WHERE id = $1 AND state = 'running' AND lease_until < $2",
        )
        .bind(id.to_string())
        .bind(now.timestamp_micros())
        .execute(&mut *transaction)
        .await
        .map_err(store_failed)?;
        let is_lost = done.rows_affected() == 1;
        if is_lost {
            follow_up(&mut transaction, id, next).await?;
        }
        transaction.commit().await.map_err(store_failed)?;
        Ok(is_lost)
    }

    /// Asks the run `id` to stop: one that waits is cancelled at once, one that is going on when its node hears of it.
    /// Gives the run as it is then, none when there is none.
    pub async fn cancel_run(&self, id: Uuid) -> Result<Option<Run>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        sqlx::query(
            "UPDATE ingest_runs SET state = 'cancelled', finished_at = $2 WHERE id = $1 AND state = 'queued'",
        )
        .bind(id.to_string())
        .bind(Utc::now().timestamp_micros())
        .execute(&mut *connection)
        .await
        .map_err(store_failed)?;
        sqlx::query("UPDATE ingest_runs SET cancel_requested = 1 WHERE id = $1 AND state = 'running'")
            .bind(id.to_string())
            .execute(&mut *connection)
            .await
            .map_err(store_failed)?;
        find(&mut connection, &id.to_string()).await
    }

    /// The run `id`.
    pub async fn run(&self, id: Uuid) -> Result<Option<Run>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        find(&mut connection, &id.to_string()).await
    }

    /// The runs that `filter` selects, newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let sql = format!(
            "SELECT {COLUMNS} FROM ingest_runs WHERE ($1 = '' OR job = $1) AND ($2 = '' OR state = $2) \
             AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(filter.job.as_deref().unwrap_or_default())
            .bind(filter.state.as_ref().map(word).transpose()?.unwrap_or_default())
            .bind(filter.before.map(|id| id.to_string()).unwrap_or_default())
            .bind(filter.limit)
            .fetch_all(&mut *connection)
            .await
            .map_err(store_failed)?;
        rows.iter().map(decode).collect()
    }

    /// When the newest scheduled run of `job` was due.
    pub async fn last_scheduled(&self, job: &str) -> Result<Option<DateTime<Utc>>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        let micros: Option<i64> = sqlx::query_scalar(
            "SELECT due_at FROM ingest_runs WHERE job = $1 AND cause = 'schedule' ORDER BY due_at DESC LIMIT 1",
        )
        .bind(job)
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_failed)?;
        micros.map(time).transpose()
    }

    /// Forgets the runs of `job` that are over, but for the newest `keep`.
    pub async fn forget_runs(&self, job: &str, keep: i64) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        sqlx::query(
            "DELETE FROM ingest_runs WHERE job = $1 AND state NOT IN ('queued', 'running') AND id NOT IN \
             (SELECT id FROM ingest_runs WHERE job = $1 ORDER BY id DESC LIMIT $2)",
        )
        .bind(job)
        .bind(keep)
        .execute(&mut *connection)
        .await
        .map_err(store_failed)?;
        Ok(())
    }
}

/// Queues what is to follow the run `id`, which is over. Of one that somebody wanted to stop nothing follows.
async fn follow_up(connection: &mut AnyConnection, id: Uuid, next: Option<&Run>) -> Result<()> {
    let stopped = sqlx::query(
        "UPDATE ingest_runs SET state = 'cancelled' WHERE id = $1 AND cancel_requested = 1 AND state <> 'succeeded'",
    )
    .bind(id.to_string())
    .execute(&mut *connection)
    .await
    .map_err(store_failed)?;
    match next.filter(|_| stopped.rows_affected() == 0) {
        Some(next) => queue(connection, next).await.map(drop),
        None => Ok(()),
    }
}

async fn queue(connection: &mut AnyConnection, run: &Run) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO ingest_runs (id, job, cause, requested_by, attempt, only_tables, due_at, state, cancel_requested) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0) ON CONFLICT DO NOTHING",
    )
    .bind(run.id.to_string())
    .bind(run.job.as_str())
    .bind(word(&run.cause)?)
    .bind(run.requested_by.as_str())
    .bind(run.attempt)
    .bind(serde_json::to_string(&run.only_tables).map_err(unreadable)?)
    .bind(run.due_at.timestamp_micros())
    .execute(connection)
    .await
    .map_err(store_failed)?;
    Ok(done.rows_affected() == 1)
}

async fn find(connection: &mut AnyConnection, id: &str) -> Result<Option<Run>> {
    let sql = format!("SELECT {COLUMNS} FROM ingest_runs WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(store_failed)?;
    row.as_ref().map(decode).transpose()
}

fn decode(row: &AnyRow) -> Result<Run> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column).map_err(unreadable);
    let number = |column: &str| row.try_get::<i64, _>(column).map_err(unreadable);
    let moment = |column: &str| -> Result<Option<DateTime<Utc>>> {
        row.try_get::<Option<i64>, _>(column).map_err(unreadable)?.map(time).transpose()
    };
    let json = |column: &str| -> Result<Option<Value>> {
        optional(column)?.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    };
    Ok(Run {
        id: text("id")?.parse().map_err(unreadable)?,
        job: text("job")?,
        cause: from_word(text("cause")?)?,
        requested_by: text("requested_by")?,
        attempt: number("attempt")?,
        only_tables: serde_json::from_str(&text("only_tables")?).map_err(unreadable)?,
        due_at: time(number("due_at")?)?,
        state: from_word(text("state")?)?,
        node: optional("node")?,
        cancel_requested: number("cancel_requested")? != 0,
        started_at: moment("started_at")?,
        finished_at: moment("finished_at")?,
        progress: json("progress")?,
        outcome: json("outcome")?,
        error: optional("error")?,
    })
}

fn time(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable("a time is out of range"))
}

/// A word as JSON writes it, without its quotes.
fn word(value: &impl Serialize) -> Result<String> {
    match serde_json::to_value(value).map_err(unreadable)? {
        Value::String(word) => Ok(word),
        other => Err(unreadable(format!("`{other}` is no word"))),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T> {
    serde_json::from_value(Value::String(word)).map_err(unreadable)
}

//! A node that runs jobs: it queues what is due, takes one run at a time, and holds it by a lease until it ends.
//!
//! Any number of nodes do so on one store. A moment of a schedule makes one run, a job runs once at a time, and a run whose
//! node is gone is tried again by another one. What was published stays published: a run that is cut off has either made its
//! version or nothing.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::address;
use super::board::Board;
use super::definition::Definition;
use super::ending::{self, ended};
use super::manage;
use super::seal::Sealer;
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::progress::{Progress, Silent};
use crate::ingest::source::files::FileOptions;
use crate::ingest::source::{self, ReadOptions};
use crate::ingest::{self, Context, Summary};
use crate::store::record::IngestJob;
use crate::store::runs::{Cause, Ending, Run, RunState};

/// How often a node looks for work.
const LOOKING: Duration = Duration::from_secs(1);
/// How often a node says that it still runs what it runs, and how far it is.
const RENEWING: Duration = Duration::from_secs(1);
/// How long a node may be silent before it counts as gone.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How long the store may take to answer that.
const ANSWERING: Duration = Duration::from_secs(10);
/// How many runs of a job are remembered.
const REMEMBERED: i64 = 1000;

/// A node that runs jobs.
#[derive(Debug)]
pub struct Worker {
    app: Arc<App>,
    node: String,
}

/// What the run stopped for.
enum Stop {
    Cancelled,
    /// Another node has it, or may have it soon.
    Lost,
    ShuttingDown,
}

impl Worker {
    /// A node of its own name.
    pub fn new(app: Arc<App>) -> Self {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "node".to_owned());
        Self { app, node: format!("{host}-{}", Uuid::new_v4().simple()) }
    }

    /// Queues what is due and runs what is queued, until `stop`.
    pub async fn work(&self, stop: &CancellationToken) {
        tokio::join!(
            self.every(stop, || self.queue_due()),
            self.every(stop, || async {
                while !stop.is_cancelled() {
                    let Some(run) = self.claim(None).await? else { break };
                    self.run(run, Arc::new(Silent), stop).await?;
                }
                Ok(())
            })
        );
    }

    /// Runs the run `id` now, here; `also` is told how far it is. It may have been taken by another node, or may have to wait
    /// for one that is going on: then nothing is done.
    pub async fn run_here(&self, id: Uuid, also: Arc<dyn Progress>) -> Result<()> {
        // No gateway may be there to see that the node of an earlier run is gone.
        self.lose_gone().await?;
        match self.claim(Some(id)).await? {
            Some(run) => self.run(run, also, &CancellationToken::new()).await,
            None => Ok(()),
        }
    }

    /// Takes a run, for as long as a lease from now.
    async fn claim(&self, id: Option<Uuid>) -> Result<Option<Run>> {
        let now = Utc::now();
        self.app.store.claim_run(id, &self.node, now, now + LEASE).await
    }

    async fn every<F: Future<Output = Result<()>>>(&self, stop: &CancellationToken, act: impl Fn() -> F) {
        let mut ticks = interval(LOOKING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = act().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "jobs could not be looked after");
            }
        }
    }

    /// Queues the runs that schedules ask for, and those that take the place of runs whose nodes are gone.
    async fn queue_due(&self) -> Result<()> {
        self.lose_gone().await?;
        let (now, jobs) = (Utc::now(), self.app.state());
        for job in jobs.state.ingest_jobs.values() {
            if let Err(error) = self.queue_if_due(&job.value, now).await {
                let job = &job.value.name;
                tracing::warn!(job, error = &error as &dyn std::error::Error, "a job could not be queued");
            }
        }
        Ok(())
    }

    /// Ends the runs whose nodes are gone, and queues what takes their place.
    async fn lose_gone(&self) -> Result<()> {
        let now = Utc::now();
        let gone = self.app.store.expired_runs(now).await?;
        if !gone.is_empty() {
            // A job that was made on another node a moment ago counts.
            self.app.refresh().await?;
        }
        for run in gone {
            tracing::warn!(job = run.job, run = %run.id, "the node of a run is gone");
            let definition = self.found(&run).map(|(_, definition)| definition).inspect_err(|error| {
                tracing::warn!(
                    job = run.job,
                    error = error as &dyn std::error::Error,
                    "it is not tried again"
                );
            });
            let next = definition.ok().and_then(|it| ending::again(&run, &it, run.only_tables.clone(), now));
            self.app.store.lose_run(run.id, now, next.as_ref()).await?;
        }
        Ok(())
    }

    /// Of moments that have passed while nobody looked, the last one counts.
    async fn queue_if_due(&self, job: &IngestJob, now: DateTime<Utc>) -> Result<()> {
        let last = Definition::of(job)?.last_due(now)?;
        // Most jobs are not due: that is known without asking the store.
        let Some(due) = last.filter(|due| *due > job.since) else { return Ok(()) };
        let store = &self.app.store;
        let is_new = store.last_scheduled(&job.name).await?.is_none_or(|last| last < due);
        if !is_new {
            return Ok(());
        }
        store.queue_scheduled(&Run::queued(&job.name, Cause::Schedule, "", due)).await.map(drop)
    }

    /// Runs what this node has taken, and writes down how it ended.
    async fn run(&self, run: Run, also: Arc<dyn Progress>, stop: &CancellationToken) -> Result<()> {
        tracing::info!(job = run.job, run = %run.id, "a run begins");
        // What was changed on another node a moment ago counts.
        self.app.refresh().await?;
        let board = Arc::new(Board::new(also));
        let (ending, next) = match self.found(&run) {
            Err(error) => (ended(RunState::Failed, error.detail()), None),
            Ok((_, definition)) if definition.paused && run.cause != Cause::Request => {
                (ended(RunState::Cancelled, "the job is paused"), None)
            }
            Ok((job, definition)) => {
                let outcome = tokio::select! {
                    outcome = self.bring_in(&run, &job, &definition, &board) => Ok(outcome),
                    why = self.held(&run, &board, stop) => Err(why),
                };
                match outcome {
                    Ok(outcome) => {
                        let next = ending::retry(&run, &definition, &outcome, Utc::now());
                        (ending::of(&outcome), next)
                    }
                    Err(Stop::Lost) => return Ok(()),
                    Err(Stop::Cancelled) => (ended(RunState::Cancelled, "somebody cancelled it"), None),
                    Err(Stop::ShuttingDown) => {
                        let next = ending::next(&run, run.attempt, run.only_tables.clone(), Utc::now());
                        (ended(RunState::Lost, "the gateway was stopped"), Some(next))
                    }
                }
            }
        };
        let _ = self.app.store.renew_run(run.id, &self.node, Utc::now() + LEASE, &board.told()).await;
        self.finish(&run, &ending, next.as_ref()).await
    }

    async fn finish(&self, run: &Run, ending: &Ending, next: Option<&Run>) -> Result<()> {
        let why = ending.error.as_deref().unwrap_or_default();
        tracing::info!(job = run.job, run = %run.id, state = ?ending.state, why, "a run ended");
        self.app.store.end_run(run.id, &self.node, ending, next).await?;
        self.app.store.forget_runs(&run.job, REMEMBERED).await?;
        self.app.audit.flush().await;
        self.app.refresh().await
    }

    fn found(&self, run: &Run) -> Result<(IngestJob, Definition)> {
        let job = manage::find_job(&self.app, &run.job)?;
        let definition = Definition::of(&job)?;
        Ok((job, definition))
    }

    async fn bring_in(
        &self,
        run: &Run,
        job: &IngestJob,
        definition: &Definition,
        board: &Arc<Board>,
    ) -> Result<Summary> {
        let App { config, store, lake, audit, .. } = &*self.app;
        let sealer = Sealer::open(config.store.key_file.as_deref())?;
        let record = manage::find_source(&self.app, &job.source)?;
        let url = address::url_of(&record, sealer.as_ref())?;
        let options = ReadOptions {
            unrepresentable: definition.unrepresentable,
            readers: config.limits.ingest_readers,
            ..ReadOptions::default()
        };
        let mut source = source::open_with_files(&url, options, FileOptions::of(lake)).await?;
        let actor =
            if run.requested_by.is_empty() { format!("job:{}", job.name) } else { run.requested_by.clone() };
        let context = Context {
            catalog: crate::catalog::publish::Catalog::new(store.clone(), actor),
            lake: lake.clone(),
            audit: audit.clone(),
            memory: config.limits.ingest_memory,
            door: "job",
        };
        let only = run.only_tables.iter().map(|table| table.parse()).collect::<Result<_, String>>();
        let wanted = ingest::Job { only: only.map_err(Error::internal)?, ..definition.job()? };
        let progress: Arc<dyn Progress> = Arc::clone(board) as Arc<dyn Progress>;
        ingest::run(&context, source.as_mut(), &wanted, &progress).await
    }

    /// Holds the run until it has to stop. A store that is away for as long as a lease lasts has given it to another node.
    async fn held(&self, run: &Run, board: &Board, stop: &CancellationToken) -> Stop {
        let mut ticks = interval(RENEWING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lease_until = Utc::now() + LEASE;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return Stop::ShuttingDown,
            }
            let until = Utc::now() + LEASE;
            let told = board.told();
            let renewing = self.app.store.renew_run(run.id, &self.node, until, &told);
            // A store that hangs is one that is away.
            let renewed = tokio::time::timeout(ANSWERING, renewing).await;
            match renewed
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, "the policy store hangs")))
            {
                Ok(renewed) if !renewed.is_held => return Stop::Lost,
                Ok(renewed) if renewed.cancel_requested => return Stop::Cancelled,
                Ok(_) => lease_until = until,
                Err(error) => {
                    tracing::warn!(run = %run.id, error = &error as &dyn std::error::Error, "a run could not be held");
                    if Utc::now() >= lease_until {
                        return Stop::Lost;
                    }
                }
            }
        }
    }
}

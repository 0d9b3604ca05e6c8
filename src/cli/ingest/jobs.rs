//! `lakegate ingest jobs …`: what is brought in again and again.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;

use super::{ACTOR, HowArgs, WhatArgs};
use crate::app::App;
use crate::cli::stop::asked_to_stop;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::jobs::definition::{self, Definition};
use crate::ingest::jobs::manage::{self, Actor, Replaces};
use crate::ingest::jobs::worker::Worker;
use crate::ingest::progress::Bars;
use crate::store::record::IngestJob;
use crate::store::runs::RunState;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a job, or put this in its place.
    Create(Box<CreateArgs>),
    /// List the jobs.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a job now, here; with `--queue`, on whichever gateway takes it.
    Run {
        name: String,
        /// Queue it and do not wait.
        #[arg(long)]
        queue: bool,
    },
    /// Stop the schedule of a job.
    Pause { name: String },
    /// Go on with the schedule of a job.
    Resume { name: String },
    /// Forget a job. Its tables stay.
    Remove { name: String },
}

/// `lakegate ingest jobs create …`
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    name: String,
    /// The source's name.
    #[arg(long)]
    source: String,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    how: HowArgs,
    /// Five fields of cron, in UTC: `0 2 * * *`. Without one it runs when somebody asks.
    #[arg(long)]
    schedule: Option<String>,
    /// How often what failed for a while is tried again.
    #[arg(long, default_value_t = definition::retries())]
    retries: u32,
    /// The wait before that; twice as long each time.
    #[arg(long, default_value_t = definition::retry_after())]
    retry_after: String,
}

impl CreateArgs {
    fn definition(self) -> Definition {
        let HowArgs { mode, bookmark, overlap, key, deletes, soft_delete, columns, unrepresentable } =
            self.how;
        Definition {
            tables: self.what.tables,
            exclude: self.what.exclude,
            into: self.what.into,
            mode,
            bookmark,
            overlap,
            key,
            deletes,
            soft_delete,
            columns,
            unrepresentable,
            schedule: self.schedule,
            paused: false,
            retries: self.retries,
            retry_after: self.retry_after,
        }
    }
}

/// Runs the subcommand on the store of the configuration.
pub async fn run(command: Command, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    let actor = Actor { name: ACTOR, door: "cli" };
    match command {
        Command::Create(args) => {
            let (name, source) = (args.name.clone(), args.source.clone());
            let is_there = app.state().state.ingest_jobs.contains_key(&name);
            let replaces = if is_there { Replaces::Revision(None) } else { Replaces::Nothing };
            manage::keep_job(&app, actor, &name, &source, args.definition(), replaces).await?;
            println!("{}", line(&manage::find_job(&app, &name)?)?);
        }
        Command::List { json } => list(&app, json)?,
        Command::Run { name, queue: true } => println!("{}", manage::request_run(&app, actor, &name).await?),
        Command::Run { name, queue: false } => run_here(&app, actor, &name).await?,
        Command::Pause { name } => {
            manage::pause_job(&app, actor, &name, true).await?;
            println!("{name} is paused");
        }
        Command::Resume { name } => {
            manage::pause_job(&app, actor, &name, false).await?;
            println!("{}", line(&manage::find_job(&app, &name)?)?);
        }
        Command::Remove { name } => {
            manage::drop_job(&app, actor, &name, None).await?;
            println!("{name} is no longer a job; its tables stay");
        }
    }
    app.audit.flush().await;
    Ok(())
}

async fn run_here(app: &Arc<App>, actor: Actor<'_>, name: &str) -> Result<()> {
    let id = manage::request_run(app, actor, name).await?;
    let worker = Worker::new(Arc::clone(app));
    let running = worker.run_here(id, Arc::new(Bars::new()));
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => outcome?,
        // Left alone it would count as lost, and a gateway would do it again.
        _ = asked_to_stop() => {
            manage::cancel_run(app, actor, id).await?;
            running.await?;
        }
    }
    let run = manage::find_run(app, id).await?;
    match run.state {
        RunState::Succeeded => {
            println!("{id} succeeded");
            Ok(())
        }
        state if state.is_over() => {
            let why = run.error.unwrap_or_default();
            Err(Error::new(ErrorKind::QueryFailed, format!("the run `{id}` did not succeed: {why}")))
        }
        _ => {
            println!("{id} is queued: the job runs elsewhere");
            Ok(())
        }
    }
}

fn list(app: &App, json: bool) -> Result<()> {
    let governance = app.state();
    let jobs = governance.state.ingest_jobs.values().map(|job| &job.value);
    if json {
        let all: Vec<_> = jobs.collect();
        println!("{}", serde_json::to_string(&all).map_err(Error::internal)?);
        return Ok(());
    }
    for job in jobs {
        println!("{}", line(job)?);
    }
    Ok(())
}

fn line(job: &IngestJob) -> Result<String> {
    let definition = Definition::of(job)?;
    let when = match (&definition.schedule, definition.paused, manage::next_due(job)) {
        (None, ..) => "when asked".to_owned(),
        (Some(_), true, _) => "paused".to_owned(),
        (Some(schedule), false, Some(due)) => {
            format!("`{schedule}`, next {}", due.format("%Y-%m-%d %H:%M UTC"))
        }
        (Some(schedule), false, None) => format!("`{schedule}`, never"),
    };
    let mode = definition.job()?.mode;
    let tables = definition.tables.join(",");
    Ok(format!("{:24} {}:{tables} → {} ({mode}) {when}", job.name, job.source, definition.into))
}

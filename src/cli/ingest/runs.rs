//! `lakegate ingest runs …`: what has become of jobs.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::ACTOR;
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ingest::jobs::manage::{self, Actor};
use crate::store::runs::{Run, RunFilter};

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List runs, newest first.
    List {
        /// Of this job alone.
        #[arg(long)]
        job: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a run, as JSON: its tables with rows, bytes, seconds, version and error.
    Show { id: Uuid },
    /// Ask a run to stop.
    Cancel { id: Uuid },
}

/// Runs the subcommand on the store of the configuration.
pub async fn run(command: Command, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    match command {
        Command::List { job, limit, json } => {
            let runs = app.store.runs(&RunFilter { job, limit, ..RunFilter::default() }).await?;
            match json {
                true => print_json(&runs)?,
                false => runs.iter().for_each(|run| println!("{}", line(run))),
            }
        }
        Command::Show { id } => print_json(&manage::find_run(&app, id).await?)?,
        Command::Cancel { id } => {
            let run = manage::cancel_run(&app, Actor { name: ACTOR, door: "cli" }, id).await?;
            println!("{}", line(&run));
        }
    }
    app.audit.flush().await;
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(value).map_err(Error::internal)?);
    Ok(())
}

fn line(run: &Run) -> String {
    let state = format!("{:?}", run.state).to_lowercase();
    let at = run.started_at.unwrap_or(run.due_at).format("%Y-%m-%d %H:%M:%S");
    let why = run.error.as_deref().unwrap_or_default();
    format!("{} {:24} {state:10} {at} attempt {} {why}", run.id, run.job, run.attempt)
}

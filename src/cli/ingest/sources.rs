//! `lakegate ingest sources …`: databases under names.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::ACTOR;
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::ingest::jobs::manage::{self, Actor, Replaces};

/// What to do with sources.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a source, or put another URL in its place.
    Add {
        name: String,
        /// postgres://…, mysql://… or sqlite://…, with `${LAKEGATE_SOURCE_…}` for what is in the environment; `-` reads it
        /// from standard input.
        #[arg(long)]
        url: String,
        #[arg(long)]
        comment: Option<String>,
    },
    /// List the sources.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Connect to a source, and count its tables.
    Test { name: String },
    /// Forget a source that no job uses.
    Remove { name: String },
}

/// Runs the subcommand on the store of the configuration.
pub async fn run(command: Command, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    let actor = Actor { name: ACTOR, door: "cli" };
    match command {
        Command::Add { name, url, comment } => {
            let url = if url == "-" { from_input()? } else { url };
            let is_there = app.state().state.sources.contains_key(&name);
            let replaces = if is_there { Replaces::Revision(None) } else { Replaces::Nothing };
            manage::keep_source(&app, actor, &name, &url, comment, replaces).await?;
            println!("{name}: {}", manage::find_source(&app, &name)?.shown);
        }
        Command::List { json } => list(&app, json)?,
        Command::Test { name } => {
            let tables = manage::test_source(&app, &name).await?;
            println!("{name}: {tables} tables");
        }
        Command::Remove { name } => {
            manage::drop_source(&app, actor, &name, None).await?;
            println!("{name} is no longer a source");
        }
    }
    app.audit.flush().await;
    Ok(())
}

fn list(app: &App, json: bool) -> Result<()> {
    let governance = app.state();
    let sources = governance.state.sources.values().map(|source| &source.value);
    if json {
        let told = |source: &crate::store::record::SourceRecord| serde_json::json!({ "name": source.name, "url": source.shown, "comment": source.comment });
        let all: Vec<_> = sources.map(told).collect();
        println!("{}", serde_json::to_string(&all).map_err(Error::internal)?);
        return Ok(());
    }
    for source in sources {
        println!("{:24} {} {}", source.name, source.shown, source.comment.as_deref().unwrap_or_default());
    }
    Ok(())
}

/// A password on the command line can be seen by everybody on the machine.
fn from_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Error::invalid_request(format!("standard input cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

//! `lakegate proposals`: tags that are proposed for columns that look personal, and what a steward says to them.

use std::path::PathBuf;

use clap::Subcommand;

use super::ingest::ACTOR;
use super::shell::table::printable;
use crate::app::{App, proposals};
use crate::config::Config;
use crate::error::Result;

/// Arguments of `lakegate proposals`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: ProposalsCommand,
}

#[derive(Debug, Subcommand)]
enum ProposalsCommand {
    /// List what is proposed, with the reason.
    List {
        /// Also what was rejected
        #[arg(long)]
        all: bool,
    },
    /// Give columns the tags that are proposed for them.
    Accept {
        /// DATABASE.TABLE.COLUMN
        #[arg(required = true)]
        columns: Vec<String>,
    },
    /// Leave columns as they are: the same is not proposed again.
    Reject {
        /// DATABASE.TABLE.COLUMN
        #[arg(required = true)]
        columns: Vec<String>,
    },
}

/// Runs the subcommand on the store of the configuration. Columns are taken one after the other, up to the first that fails.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    match args.command {
        ProposalsCommand::List { all } => {
            let governance = app.state();
            let listed = proposals::pending(&governance.state);
            for (name, proposal) in listed.filter(|(_, proposal)| all || !proposal.is_rejected) {
                let state = if proposal.is_rejected { " (rejected)" } else { "" };
                let name = printable(name);
                println!("{name:40} {}={}{state}  {}", proposal.key, proposal.value, proposal.evidence);
            }
        }
        ProposalsCommand::Accept { columns } => {
            for column in &columns {
                let accepted = proposals::accept(&app, ACTOR, column).await?;
                println!("{} {}={}", printable(column), accepted.key, accepted.value);
            }
        }
        ProposalsCommand::Reject { columns } => {
            for column in &columns {
                proposals::reject(&app, ACTOR, column).await?;
                println!("{} rejected", printable(column));
            }
        }
    }
    Ok(())
}

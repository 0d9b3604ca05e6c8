//! `lakegate policy apply`: policy files put in force.

use std::path::PathBuf;

use crate::app::{App, policy};
use crate::config::Config;
use crate::error::{Error, Result};

/// Arguments of `lakegate policy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make the policy say what the files say, in one transaction
    Apply {
        /// Policy files (YAML)
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Also remove the roles and grants that the files do not mention
        #[arg(long)]
        prune: bool,
    },
}

/// Runs the subcommand: the changes go to stdout, one a line.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let Command::Apply { files, prune } = args.command;
    let texts = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    let app = App::build(Config::load(config.as_deref())?).await?;
    let applied = policy::apply(&app, "cli", &texts, prune).await?;
    for edit in &applied.edits {
        println!("{edit}");
    }
    eprintln!("{} changes; policy version {}", applied.edits.len(), applied.version);
    Ok(())
}

fn read(path: &PathBuf) -> Result<(String, String)> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::invalid_request(format!("cannot read the policy file `{shown}`: {error}")))?;
    Ok((shown, text))
}

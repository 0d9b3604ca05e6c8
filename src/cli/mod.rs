//! The command line: one file per subcommand.
//!
//! A subcommand is a file with its `Args` and `run(args, config_path)`, a variant here and an arm in [`run`]. Data
//! goes to stdout and words to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage (and a
//! policy plan with a difference), 130 and 143 for an ingestion that was stopped by a signal.

pub mod access;
pub mod demo;
pub mod ingest;
pub mod init;
pub mod migrate;
pub mod policy;
pub mod proposals;
pub mod serve;
pub mod shell;
pub mod sql;
mod stop;
pub mod table;
pub mod token;
mod upkeep;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;

/// A governed SQL gateway for data lakes.
#[derive(Debug, Parser)]
#[command(name = "lakegate", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// The configuration file [default: ./lakegate.toml, then $LAKEGATE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell what somebody may see, and why
    Access(access::Args),
    /// Everything in one folder: a source database, its tables in the lake, three users, and the gateway
    Demo(demo::Args),
    /// Bring tables in from a database
    Ingest(ingest::Args),
    /// Lay out an empty gateway: configuration, signing key, store and lake folder
    Init(init::Args),
    /// Bring the policy store up to date
    Migrate(migrate::Args),
    /// Manage the policy as files
    Policy(policy::Args),
    /// Tags that are proposed for columns that look personal: list, accept and reject them
    Proposals(proposals::Args),
    /// Serve until asked to stop
    Serve(serve::Args),
    /// Run SQL: one statement with `-c`, or a shell
    Sql(sql::Args),
    /// Make existing folders tables, and list what there is
    Table(table::Args),
    /// Print a token of the local issuer
    Token(token::Args),
}

impl Command {
    /// What is logged unless `LAKEGATE_LOG` says otherwise: a server tells more than a command.
    pub fn default_log(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            _ => "warn",
        }
    }
}

/// Runs the subcommand.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    let done = match cli.command {
        Command::Access(args) => access::run(args, cli.config).await,
        Command::Demo(args) => demo::run(args, cli.config).await,
        Command::Ingest(args) => return ingest::run(args, cli.config).await,
        Command::Init(args) => init::run(args, cli.config).await,
        Command::Migrate(args) => migrate::run(args, cli.config).await,
        // Its outcome is more than done or failed.
        Command::Policy(args) => return policy::run(args, cli.config).await,
        Command::Proposals(args) => proposals::run(args, cli.config).await,
        Command::Serve(args) => serve::run(args, cli.config).await,
        Command::Sql(args) => sql::run(args, cli.config).await,
        Command::Table(args) => table::run(args, cli.config).await,
        Command::Token(args) => token::run(args, cli.config).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

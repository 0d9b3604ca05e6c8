//! `lakegate policy`: the policy as files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::app::policy::File;
use crate::app::{App, policy};
use crate::config::{Config, parse_duration};
use crate::error::{Error, Result};

/// Arguments of `lakegate policy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what an apply would change; exits with 2 when there is a difference
    Plan(PlanArgs),
    /// Make the policy say what the files say, in one transaction
    Apply(Files),
    /// Write the whole policy as a policy file
    Export,
    /// Tell what is allowed and yet not likely meant, in the policy as it is or as the files would make it
    Lint(AnyFiles),
    /// Run the tests in the files against the policy as the files would make it; exits with 1 when one fails
    Test(Files),
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Policy files (YAML)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Also remove what the files do not say: rules, roles and tags, but no databases
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    #[command(flatten)]
    files: Files,
    /// Also tell who would gain or lose what, by the queries of so much time, such as `7d`
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    impact: Option<Duration>,
}

#[derive(Debug, clap::Args)]
struct AnyFiles {
    /// Policy files (YAML)
    files: Vec<PathBuf>,
    /// As if what the files do not say were removed
    #[arg(long, requires = "files")]
    prune: bool,
}

/// What `plan` exits with when the files say something else than the store.
const DIFFERENT: u8 = 2;

/// Runs the subcommand: what it finds goes to stdout, one a line.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<ExitCode> {
    match args.command {
        Command::Plan(files) => plan(&files, config).await,
        Command::Apply(files) => apply(&files, config).await,
        Command::Export => {
            print!("{}", policy::export(&*app(config).await?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Lint(files) => lint(&files, config).await,
        Command::Test(files) => test(&files, config).await,
    }
}

async fn plan(PlanArgs { files, impact }: &PlanArgs, config: Option<PathBuf>) -> Result<ExitCode> {
    let app = app(config).await?;
    let prepared = policy::prepare(&app, &read_all(&files.files)?, files.prune).await?;
    for edit in &prepared.edits {
        println!("{edit}");
    }
    if let Some(time) = impact {
        let impact = policy::impact(&app, &prepared, *time).await?;
        impact.lines().iter().for_each(|line| println!("{line}"));
        eprintln!("{} queries decided again, {} of them left out", impact.queries, impact.left_out);
    }
    eprintln!("{} changes to policy version {}", prepared.edits.len(), prepared.governance.state.version);
    Ok(if prepared.edits.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

async fn apply(files: &Files, config: Option<PathBuf>) -> Result<ExitCode> {
    let applied = policy::apply(&*app(config).await?, "cli", &read_all(&files.files)?, files.prune).await?;
    for edit in &applied.edits {
        println!("{edit}");
    }
    eprintln!("{} changes; policy version {}", applied.edits.len(), applied.version);
    Ok(ExitCode::SUCCESS)
}

async fn lint(files: &AnyFiles, config: Option<PathBuf>) -> Result<ExitCode> {
    let found = policy::lint(&*app(config).await?, &read_all(&files.files)?, files.prune).await?;
    for finding in &found {
        println!("{}: {}", finding.code, finding.message);
    }
    eprintln!("{} findings", found.len());
    Ok(ExitCode::SUCCESS)
}

async fn test(files: &Files, config: Option<PathBuf>) -> Result<ExitCode> {
    let outcome = policy::test(&*app(config).await?, "cli", &read_all(&files.files)?, files.prune).await?;
    for failure in &outcome.failures {
        println!("{failure}");
    }
    eprintln!("{} of {} tests failed", outcome.failures.len(), outcome.tests);
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn app(config: Option<PathBuf>) -> Result<Arc<App>> {
    App::build(Config::load(config.as_deref())?).await
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<File>> {
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Result<File> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::invalid_request(format!("cannot read the policy file `{shown}`: {error}")))?;
    Ok((shown, text))
}

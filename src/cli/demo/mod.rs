//! `lakegate demo`: everything in one folder, from a source database to three users with three answers.
//!
//! Each step is the real one: a SQLite database is written, its tables are brought in as any others, the policy file
//! is applied as any other, and the gateway serves. What is already there is not done again, so a second start takes
//! seconds.

pub mod source;
pub mod welcome;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::App;
use crate::config::{Config, FILE_NAME};
use crate::error::{Error, Result};
use crate::ingest::mode::Mode;
use crate::ingest::progress::{Bars, Progress};
use crate::ingest::source::ReadOptions;
use crate::ingest::{self, Job};
use crate::policy::model::TableName;
use crate::policy::principal::Principal;

/// The database that the demo's tables are in.
const DATABASE: &str = "tpch";
/// The demo's policy file.
const POLICY: &str = include_str!("../../../policies/demo.yaml");

/// Arguments of `lakegate demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, made if missing
    #[arg(long)]
    dir: PathBuf,
    /// How much data: 1 is 6 million order lines
    #[arg(long, default_value_t = 0.01)]
    scale: f64,
    /// Where to listen [default: what the folder's configuration says]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Where to listen for Arrow Flight SQL [default: what the folder's configuration says]
    #[arg(long, value_name = "ADDR")]
    flight: Option<SocketAddr>,
    /// Where to listen for PostgreSQL's protocol [default: what the folder's configuration says]
    #[arg(long, value_name = "ADDR")]
    postgres: Option<SocketAddr>,
}

/// Prepares the folder as far as it is not, and serves.
pub async fn run(args: Args, _config: Option<PathBuf>) -> Result<()> {
    let path = configuration(&args.dir).await?;
    let mut config = Config::load(Some(&path))?;
    if let Some(http) = args.http {
        config.server.http = http;
    }
    config.server.flight = args.flight.or(config.server.flight);
    config.server.postgres = args.postgres.or(config.server.postgres);
    bring_in(&args.dir, args.scale, &config).await?;
    let app = App::build(config).await?;
    let applied = crate::app::policy::apply(
        &app,
        "demo",
        &[("policies/demo.yaml".to_owned(), POLICY.to_owned())],
        false,
    )
    .await?;
    eprintln!("policy: {} changes, version {}", applied.edits.len(), applied.version);
    let program = std::env::current_exe().map_err(Error::internal)?;
    super::serve::listen(app, move |address| println!("{}", welcome::text(&program, &path, address))).await
}

async fn configuration(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(FILE_NAME);
    if path.exists() {
        Ok(path)
    } else {
        super::init::lay_out(dir, &[Principal::User("admin".to_owned())]).await
    }
}

/// Writes the source database and ingests its tables, unless the catalog has them all.
async fn bring_in(dir: &Path, scale: f64, config: &Config) -> Result<()> {
    let context = super::ingest::context(config).await?;
    let there = context.catalog.tables().await?;
    let is_there = |table: &str| there.iter().any(|record| record.name == TableName::new(DATABASE, table));
    if source::TABLES.into_iter().all(is_there) {
        return Ok(());
    }
    let file = std::path::absolute(dir.join("source.db")).map_err(Error::internal)?;
    eprintln!("writing the source database {} (TPC-H, scale {scale})", file.display());
    source::write(&file, scale).await?;
    let url = format!("sqlite://{}", file.display());
    let mut source = ingest::source::open(&url, ReadOptions::default()).await?;
    let job = Job {
        tables: vec!["*".to_owned()],
        exclude: Vec::new(),
        into: DATABASE.to_owned(),
        mode: Mode::Snapshot,
    };
    let progress: Arc<dyn Progress> = Arc::new(Bars::new());
    let summary = ingest::run(&context, source.as_mut(), &job, &progress).await?;
    context.audit.flush().await;
    eprint!("{}", super::ingest::table(&summary));
    super::ingest::complete(&summary)
}

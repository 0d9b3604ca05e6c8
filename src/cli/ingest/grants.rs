//! `lakegate ingest grants`: the privileges of a source as a policy file, for a person to review.
//!
//! The file goes to standard output. Nothing of the gateway is read or written, so no configuration is needed.

use std::io::{self, Write};

use super::WhichArgs;
use crate::error::{Error, Result};
use crate::ingest::grants::offer;
use crate::ingest::source::{self, NO_PRIVILEGES, ReadOptions};

/// `lakegate ingest grants …`
#[derive(clap::Args)]
pub struct Args {
    /// postgres://… or mysql://…
    #[arg(long)]
    source: String,
    #[command(flatten)]
    which: WhichArgs,
    /// The database that the tables are in, as `ingest run --into` has it.
    #[arg(long, value_name = "DATABASE")]
    into: String,
    /// What the names of roles begin with, to keep them apart from roles that are there.
    #[arg(long, value_name = "TEXT", default_value = "")]
    roles_prefix: String,
}

/// Runs the subcommand.
pub(super) async fn run(args: Args) -> Result<()> {
    if source::files::are_at(&args.source) {
        return Err(Error::invalid_request(NO_PRIVILEGES));
    }
    let source = source::open(&args.source, ReadOptions::default()).await?;
    let privileges = source.privileges(&args.which.tables).await?.without(&args.which.exclude)?;
    let offer = offer(&privileges, &args.into, &args.roles_prefix)?;
    let text = offer.print(&source.redacted_url())?;
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(fault) if fault.kind() != io::ErrorKind::BrokenPipe => return Err(Error::internal(fault)),
        _ => {}
    }
    let (rules, withheld) = offer.counts();
    eprintln!(
        "{rules} rules are offered, {withheld} are withheld and stand there as comments: review all of them before `lakegate policy apply`"
    );
    Ok(())
}

/// A password may be part of the source's URL, so it is not shown.
impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args")
            .field("tables", &self.which.tables)
            .field("into", &self.into)
            .finish_non_exhaustive()
    }
}

//! Statements and backslash commands without a terminal: from `-c`, from a file, or from standard input as it arrives.
//!
//! Other than at the prompt the first failure ends it, since what follows was meant to follow a success, and the exit
//! code says so.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::Path;

use tokio::task::spawn_blocking;

use super::output::Failure;
use super::scan;
use super::session::{Next, Session};
use crate::error::{Error, ErrorKind, Result};

/// Where the lines come from.
pub enum Input {
    Stdin,
    Lines { lines: Box<dyn BufRead + Send>, name: String },
}

impl Input {
    /// What is given on the command line.
    pub fn text(text: String) -> Self {
        Self::Lines { lines: Box::new(Cursor::new(text)), name: "the command".to_owned() }
    }

    /// The next line with its end, if there is one.
    async fn next(&mut self) -> std::result::Result<Option<String>, Failure> {
        let mut line = String::new();
        let (outcome, name) = match self {
            Self::Lines { lines, name } => (lines.read_line(&mut line), name.as_str()),
            Self::Stdin => {
                // Reading blocks, so it has a thread of its own.
                let read = spawn_blocking(|| {
                    let mut line = String::new();
                    io::stdin().read_line(&mut line).map(|_| line)
                });
                let outcome = read.await.map_err(io::Error::other).flatten();
                (outcome.map(|text| line = text).map(|()| 0), "standard input")
            }
        };
        outcome.map_err(|error| Failure::Command(format!("{name} cannot be read as text: {error}")))?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}

/// Runs everything in `input`, up to `\q`.
pub async fn run(mut session: Session, mut input: Input) -> Result<()> {
    match feed(&mut session, &mut input).await {
        Ok(()) => Ok(()),
        // Whoever reads the results has seen enough.
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        Err(failure) => Err(told(failure)),
    }
}

/// Runs everything in a file.
pub async fn include(session: &mut Session, file: &Path) -> std::result::Result<(), Failure> {
    let name = format!("`{}`", file.display());
    let opened =
        File::open(file).map_err(|error| Failure::Command(format!("{name} cannot be read: {error}")))?;
    let mut input = Input::Lines { lines: Box::new(BufReader::new(opened)), name };
    feed(session, &mut input).await
}

async fn feed(session: &mut Session, input: &mut Input) -> std::result::Result<(), Failure> {
    let mut pending = String::new();
    while let Some(line) = input.next().await? {
        if line.trim_start().starts_with('\\') && scan::awaits_statement(&pending) {
            pending.clear();
            match session.obey(&line).await? {
                Next::Leave => return Ok(()),
                Next::Go => {}
                Next::Edit(_) => return Err(Failure::Command("`\\e` needs a terminal".to_owned())),
            }
            continue;
        }
        pending.push_str(&line);
        // Looked at only where a statement may end: a long one is not read again with each of its lines.
        if line.contains(';') {
            session.run_complete(&mut pending, |_| ()).await?;
        }
    }
    if scan::is_blank(&pending) { Ok(()) } else { session.run(pending.trim().to_owned()).await }
}

fn told(failure: Failure) -> Error {
    match failure {
        Failure::Query(error) => super::failure(error),
        Failure::Command(message) => Error::invalid_request(message),
        other => Error::new(ErrorKind::QueryFailed, other.to_string()),
    }
}

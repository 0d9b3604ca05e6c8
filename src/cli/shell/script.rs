//! Statements and backslash commands without a terminal: from `-c`, or from standard input as it arrives.
//!
//! Other than in the shell the first failure ends it, since what follows was meant to follow a success, and the exit
//! code says so. Data goes to standard output, words to standard error.

use std::io::{self, Write};

use lakegate_client::{Connection, Query};

use super::command::{self, Command};
use super::output::{self, Failure, Format};
use super::scan;
use crate::error::{Error, ErrorKind, Result};

/// Where the lines come from.
#[derive(Debug)]
pub enum Input {
    Text(String),
    Stdin,
}

/// Runs everything in `input`, up to `\q`.
pub async fn run(connection: Connection, format: Format, mut input: Input) -> Result<()> {
    let mut script = Script { connection, format, timing: true };
    let mut pending = String::new();
    loop {
        let line = input.next().await?;
        let outcome = match &line {
            Some(line) if line.trim_start().starts_with('\\') && scan::awaits_statement(&pending) => {
                pending.clear();
                script.obey(line).await
            }
            Some(line) => {
                pending.push_str(line);
                // Looked at only where a statement may end: a long one is not read again with each of its lines.
                if line.contains(';') { script.run_complete(&mut pending).await } else { Ok(Next::Go) }
            }
            None if scan::is_blank(&pending) => return Ok(()),
            None => script.show(script.connection.query(pending.trim())).await.map(|_| Next::Leave),
        };
        match outcome {
            Ok(Next::Go) => {}
            Ok(Next::Leave) => return Ok(()),
            // Whoever reads the results has seen enough.
            Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(failure) => return Err(told(failure)),
        }
    }
}

impl Input {
    /// The next line with its end, if there is one.
    async fn next(&mut self) -> Result<Option<String>> {
        let line = match self {
            Self::Text(text) => {
                let end = text.find('\n').map_or(text.len(), |at| at + 1);
                let rest = text.split_off(end);
                std::mem::replace(text, rest)
            }
            Self::Stdin => tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line)
            })
            .await
            .map_err(Error::internal)?
            .map_err(|error| {
                Error::invalid_request(format!("standard input cannot be read as text: {error}"))
            })?,
        };
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}

enum Next {
    Go,
    Leave,
}

struct Script {
    connection: Connection,
    format: Format,
    timing: bool,
}

impl Script {
    /// Runs every statement that is complete, and leaves what is not.
    async fn run_complete(&self, pending: &mut String) -> Result<Next, Failure> {
        while let Some((statement, rest)) = scan::split_first(pending) {
            let (statement, rest) = (statement.trim().to_owned(), rest.to_owned());
            if !scan::is_blank(&statement) {
                self.show(self.connection.query(statement)).await?;
            }
            *pending = rest;
        }
        Ok(Next::Go)
    }

    async fn obey(&mut self, line: &str) -> Result<Next, Failure> {
        match command::parse(line, self.connection.database()).map_err(Failure::Command)? {
            Command::Quit => return Ok(Next::Leave),
            Command::Help => io::stdout().write_all(command::HELP.as_bytes()).map_err(Failure::Write)?,
            Command::Timing => {
                self.timing = !self.timing;
                eprintln!("timing is {}", if self.timing { "on" } else { "off" });
            }
            Command::ShowFormat => eprintln!("results are written as {}", self.format),
            Command::Format(format) => self.format = format,
            Command::Ask { sql, params, nothing } => {
                if self.show(self.connection.query(sql).params(params)).await? == 0 {
                    eprintln!("{nothing}");
                }
            }
        }
        Ok(Next::Go)
    }

    async fn show(&self, query: Query) -> Result<u64, Failure> {
        let mut out = io::BufWriter::new(io::stdout());
        let summary = output::run(query, self.format, &mut out).await;
        // What has come before a failure is written too: the error after it says that it is not whole.
        let flushed = out.flush();
        let summary = summary?;
        flushed.map_err(Failure::Write)?;
        match self.timing {
            true => eprintln!("{summary}"),
            false => eprintln!("{}", summary.without_time()),
        }
        Ok(summary.rows)
    }
}

fn told(failure: Failure) -> Error {
    match failure {
        Failure::Query(error) => super::failure(error),
        Failure::Command(message) => Error::invalid_request(message),
        Failure::Write(error) => {
            Error::new(ErrorKind::QueryFailed, format!("the result cannot be written: {error}"))
        }
    }
}

//! The interactive SQL shell: lines in, statements and backslash commands out.
//!
//! A failed or cancelled query does not end the shell. Statements are cut by [`scan`], which understands quotes and
//! comments and nothing else of SQL: what a statement means is the gateway's business.

mod command;
pub(crate) mod output;
mod scan;
pub(crate) mod script;
pub(super) mod table;

use std::io::Write;
use std::path::PathBuf;

use lakegate_client::{Connection, Query};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::error::{Error, ErrorKind, Result};
use command::Command;
use output::{Failure, Format};

const PROMPT: &str = "lakegate> ";
const PROMPT_INSIDE: &str = "      ...> ";

/// What a session remembers between statements.
struct Session {
    connection: Connection,
    format: Format,
    timing: bool,
}

/// Reads and runs until `\q` or the end of the input.
pub async fn run(connection: Connection, format: Format) -> Result<()> {
    let mut session = Session { connection, format, timing: true };
    let history = history_file();
    let mut editor = editor(history.as_deref())?;
    let mut pending = String::new();
    println!("Ask in SQL; end a statement with `;`. `\\?` lists the commands, `\\q` leaves.");
    loop {
        let prompt = if scan::awaits_statement(&pending) { PROMPT } else { PROMPT_INSIDE };
        let (line, returned) = read(editor, prompt).await?;
        editor = returned;
        match line {
            Ok(line) if line.trim_start().starts_with('\\') && scan::awaits_statement(&pending) => {
                pending.clear();
                remember(&mut editor, &line);
                if session.obey(&line).await == Next::Leave {
                    break;
                }
            }
            Ok(line) => {
                pending.push_str(&line);
                pending.push('\n');
                pending = session.run_complete(&mut editor, pending).await;
            }
            Err(ReadlineError::Interrupted) => pending.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => {
                return Err(Error::invalid_request(format!("the terminal cannot be read: {error}")));
            }
        }
    }
    save(&mut editor, history);
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Leave,
}

impl Session {
    /// Runs every statement that is complete, and gives back what is not. A failure ends what was typed with it:
    /// the statements behind it were meant to follow its success.
    async fn run_complete(&self, editor: &mut DefaultEditor, mut pending: String) -> String {
        while let Some((statement, rest)) = scan::split_first(&pending) {
            let (statement, rest) = (statement.trim().to_owned(), rest.to_owned());
            remember(editor, &format!("{statement};"));
            if !scan::is_blank(&statement) && self.show(self.connection.query(statement)).await.is_none() {
                return String::new();
            }
            pending = rest;
        }
        if scan::awaits_statement(&pending) { String::new() } else { pending }
    }

    async fn obey(&mut self, line: &str) -> Next {
        match command::parse(line, self.connection.database()) {
            Ok(Command::Quit) => return Next::Leave,
            Ok(Command::Help) => print!("{}", command::HELP),
            Ok(Command::Timing) => {
                self.timing = !self.timing;
                println!("timing is {}", if self.timing { "on" } else { "off" });
            }
            Ok(Command::ShowFormat) => println!("results are written as {}", self.format),
            Ok(Command::Format(format)) => self.format = format,
            Ok(Command::Ask { sql, params, nothing }) => {
                let rows = self.show(self.connection.query(sql).params(params)).await;
                if rows == Some(0) {
                    eprintln!("{nothing}");
                }
            }
            Err(message) => eprintln!("{message}"),
        }
        Next::Go
    }

    /// Runs a query and prints what comes of it. Ctrl-C drops it, which cancels it at the gateway.
    async fn show(&self, query: Query) -> Option<u64> {
        let mut out = std::io::BufWriter::new(std::io::stdout());
        let outcome = tokio::select! {
            outcome = output::run(query, self.format, &mut out) => Some(outcome),
            _ = tokio::signal::ctrl_c() => None,
        };
        let flushed = out.flush();
        match &outcome {
            Some(Ok(summary)) if self.timing => eprintln!("{summary}"),
            Some(Ok(summary)) => eprintln!("{}", summary.without_time()),
            Some(Err(Failure::Query(error))) => eprintln!("error: {error}"),
            Some(Err(Failure::Command(message))) => eprintln!("{message}"),
            Some(Err(Failure::Write(error))) => eprintln!("error: the result cannot be written: {error}"),
            None => eprintln!("\ncancelled"),
        }
        if let Err(error) = flushed {
            eprintln!("error: the result cannot be written: {error}");
        }
        outcome.and_then(std::result::Result::ok).map(|summary| summary.rows)
    }
}

/// The gateway's words pass unchanged; only their carrier differs.
pub(crate) fn failure(error: lakegate_client::Error) -> Error {
    let kind = match &error {
        lakegate_client::Error::Options(_) => ErrorKind::InvalidRequest,
        lakegate_client::Error::Unreachable(_) => ErrorKind::Unavailable,
        _ => ErrorKind::QueryFailed,
    };
    let query = error.query_id().map(|id| format!(", query {id}")).unwrap_or_default();
    Error::new(kind, format!("{error}{query}"))
}

/// Reading blocks, so it has a thread of its own; the editor goes there and comes back.
async fn read(
    mut editor: DefaultEditor,
    prompt: &'static str,
) -> Result<(rustyline::Result<String>, DefaultEditor)> {
    tokio::task::spawn_blocking(move || {
        let line = editor.readline(prompt);
        (line, editor)
    })
    .await
    .map_err(Error::internal)
}

fn editor(history: Option<&std::path::Path>) -> Result<DefaultEditor> {
    let mut editor = DefaultEditor::new()
        .map_err(|error| Error::invalid_request(format!("the terminal cannot be used: {error}")))?;
    if let Some(path) = history {
        // The first session has none yet, and a shell without its history is still a shell.
        let _ = editor.load_history(path);
    }
    Ok(editor)
}

fn remember(editor: &mut DefaultEditor, entry: &str) {
    let _ = editor.add_history_entry(entry.trim());
}

fn save(editor: &mut DefaultEditor, history: Option<PathBuf>) {
    let Some(path) = history else { return };
    let outcome = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(ReadlineError::from)
        .and_then(|()| editor.save_history(&path));
    if let Err(error) = outcome {
        eprintln!("the history is not saved: {error}");
    }
}

/// `$XDG_DATA_HOME/lakegate/history`, as the XDG base directories say.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("lakegate/history"))
}

//! The interactive SQL shell: lines in, statements and backslash commands out.
//!
//! A failed or cancelled query does not end the shell. Statements are cut by [`scan`], which understands quotes and
//! comments and nothing else of SQL: what a statement means is the gateway's business.

mod assistant;
mod command;
mod complete;
mod copy;
mod edit;
mod history;
mod output;
pub(crate) mod rows;
mod scan;
mod screen;
pub(crate) mod script;
pub(crate) mod session;
mod style;
pub(super) mod table;

use std::io::IsTerminal;

use rustyline::config::{BellStyle, CompletionType};
use rustyline::error::ReadlineError;
use rustyline::history::{DefaultHistory, FileHistory};
use rustyline::{Config, Editor};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::block_in_place;

use crate::error::{Error, ErrorKind, Result};
use assistant::Assistant;
use output::Failure;
use session::{Next, Session};
use style::{Paint, Style};

const PROMPT: &str = "lakegate> ";
const PROMPT_INSIDE: &str = "      ...> ";

type Lines = Editor<Assistant, DefaultHistory>;

/// Reads and runs until `\q` or the end of the input.
pub async fn run(session: Session) -> Result<()> {
    // From here on Ctrl-C is heard and ends nothing by itself.
    let _heard = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut session = session.at_terminal();
    let mut file = history::file();
    let mut lines = editor(&mut session)?;
    if let Some(file) = &file {
        // The first session has none yet, and a shell without its history is still a shell.
        let _ = lines.load_history(file);
    }
    println!("Ask in SQL; end a statement with `;`. `\\?` lists the commands, `\\q` leaves.");
    let mut pending = String::new();
    let mut initial = String::new();
    loop {
        if let Some(assistant) = lines.helper_mut() {
            assistant.pending.clone_from(&pending);
            assistant.database = session.database().map(str::to_owned);
        }
        let line;
        (line, lines) = read(lines, prompt(&pending), std::mem::take(&mut initial)).await?;
        if let Some(terminal) = session.terminal() {
            terminal.size = lines.dimensions().map(|(columns, rows)| (columns.into(), rows.into()));
        }
        let next = match line {
            Ok(line) => take(&mut session, &mut lines, &mut pending, &line).await,
            Err(ReadlineError::Interrupted) => {
                pending.clear();
                Next::Go
            }
            Err(ReadlineError::Eof) => Next::Leave,
            Err(error) => {
                return Err(Error::invalid_request(format!("the terminal cannot be read: {error}")));
            }
        };
        if let Some(Err(error)) = file.as_ref().map(|file| history::save(lines.history_mut(), file)) {
            eprintln!("the history is not kept: {error}");
            file = None;
        }
        match next {
            Next::Go => {}
            Next::Leave => return Ok(()),
            Next::Edit(statement) => match block_in_place(|| edit::edit(&statement)) {
                Ok(text) => initial = text,
                Err(error) => eprintln!("the statement cannot be edited: {error}"),
            },
        }
    }
}

fn prompt(pending: &str) -> &'static str {
    if scan::awaits_statement(pending) { PROMPT } else { PROMPT_INSIDE }
}

/// Does what a line says. A failure ends what was typed with it: what stands behind it was meant to follow its success.
async fn take(session: &mut Session, lines: &mut Lines, pending: &mut String, line: &str) -> Next {
    let outcome = if line.trim_start().starts_with('\\') && scan::awaits_statement(pending) {
        pending.clear();
        remember(lines.history_mut(), line);
        session.obey(line).await
    } else {
        pending.push_str(line);
        pending.push('\n');
        let run = session.run_complete(pending, |statement| remember(lines.history_mut(), statement));
        run.await.map(|()| Next::Go)
    };
    if outcome.is_err() || scan::awaits_statement(pending) {
        pending.clear();
    }
    outcome.unwrap_or_else(|failure| {
        tell(&failure);
        Next::Go
    })
}

fn tell(failure: &Failure) {
    let style = Style::of(std::io::stderr().is_terminal());
    match failure {
        Failure::Cancelled => eprintln!("\n{failure}"),
        Failure::Command(message) => eprintln!("{message}"),
        _ => eprintln!("{} {failure}", style.paint(Paint::Error, "error:")),
    }
}

/// The gateway's words pass unchanged; only their carrier differs.
pub(crate) fn failure(error: lakegate_client::Error) -> Error {
    let kind = match &error {
        lakegate_client::Error::Options(_) => ErrorKind::InvalidRequest,
        lakegate_client::Error::Unreachable(_) => ErrorKind::Unavailable,
        lakegate_client::Error::TimedOut(_) => ErrorKind::Timeout,
        lakegate_client::Error::Cancelled => ErrorKind::Cancelled,
        _ => ErrorKind::QueryFailed,
    };
    let query = error.query_id().map(|id| format!(", query {id}")).unwrap_or_default();
    Error::new(kind, format!("{error}{query}"))
}

/// Reading blocks, so it has a thread of its own; the editor goes there and comes back.
async fn read(
    mut lines: Lines,
    prompt: &'static str,
    initial: String,
) -> Result<(rustyline::Result<String>, Lines)> {
    tokio::task::spawn_blocking(move || {
        let line = lines.readline_with_initial(prompt, (&initial, ""));
        (line, lines)
    })
    .await
    .map_err(Error::internal)
}

fn editor(session: &mut Session) -> Result<Lines> {
    let style = session.style();
    let listing = session.terminal().map(|terminal| terminal.listing.clone());
    let unusable = |error| Error::invalid_request(format!("the terminal cannot be used: {error}"));
    let config = Config::builder()
        .max_history_size(history::MOST)
        .map_err(unusable)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        .build();
    let mut lines = Editor::with_config(config).map_err(unusable)?;
    lines.set_helper(listing.map(|listing| Assistant::new(listing, style)));
    Ok(lines)
}

fn remember(history: &mut FileHistory, entry: &str) {
    use rustyline::history::History;
    let _ = history.add(entry.trim());
}

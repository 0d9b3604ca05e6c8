//! A session with a gateway: what is asked of it and of the shell, one after the other.
//!
//! Runs statements and obeys commands alike at a terminal and in a script, and tells what failed to whoever feeds it:
//! whether to go on is theirs to say. Data goes to standard output, words to standard error.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use lakegate_client::{ConnectOptions, Connection, Query};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::command::{self, Command};
use super::complete::names::Listing;
use super::copy::{self, Copy};
use super::output::{self, Failure};
use super::rows::{self, Format};
use super::scan;
use super::screen::{self, Harmless, Pager, Paging, Screen};
use super::script;
use super::style::Style;

/// Files that run files, one in the other.
const DEEPEST: usize = 16;

/// Words that begin a statement which changes nothing.
const READS: &[&str] = &["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "TABLE"];

/// What a session remembers between statements.
#[derive(Debug)]
pub struct Session {
    options: ConnectOptions,
    connection: Connection,
    format: Format,
    timing: bool,
    records: bool,
    paging: Paging,
    /// Of the standard output.
    style: Style,
    /// Whether the standard output is a terminal.
    is_shown: bool,
    /// What the terminal adds; `None` for a script, which has neither pager nor Ctrl-C of its own.
    terminal: Option<Terminal>,
    last: String,
    depth: usize,
}

/// What there is at a terminal alone.
#[derive(Debug)]
pub struct Terminal {
    pub listing: Listing,
    /// Columns and rows, as they were before the statement.
    pub size: Option<(usize, usize)>,
}

/// What to do after a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Go,
    Leave,
    /// Let the last statement be written anew.
    Edit(String),
}

impl Session {
    /// A session that reads a script.
    pub fn new(options: ConnectOptions, format: Format) -> lakegate_client::Result<Self> {
        Ok(Self {
            connection: Connection::new(options.clone())?,
            options,
            format,
            timing: true,
            records: false,
            paging: Paging::Auto,
            style: Style::of(io::stdout().is_terminal()),
            is_shown: io::stdout().is_terminal(),
            terminal: None,
            last: String::new(),
            depth: 0,
        })
    }

    /// The same at a terminal.
    pub fn at_terminal(mut self) -> Self {
        self.terminal = Some(Terminal { listing: self.listing(), size: None });
        self
    }

    /// What the terminal adds.
    pub fn terminal(&mut self) -> Option<&mut Terminal> {
        self.terminal.as_mut()
    }

    /// The database that tables without one are looked up in.
    pub fn database(&self) -> Option<&str> {
        self.connection.database()
    }

    pub fn style(&self) -> Style {
        self.style
    }

    /// Runs every statement of `pending` that is complete, and leaves there what is not. `remember` gets each before it
    /// runs.
    pub async fn run_complete(
        &mut self,
        pending: &mut String,
        mut remember: impl FnMut(&str) + Send,
    ) -> Result<(), Failure> {
        while let Some((statement, rest)) = scan::split_first(pending) {
            let (statement, rest) = (statement.trim().to_owned(), rest.to_owned());
            *pending = rest;
            if !scan::is_blank(&statement) {
                remember(&format!("{statement};"));
                self.run(statement).await?;
            }
        }
        Ok(())
    }

    /// Runs one statement.
    pub async fn run(&mut self, statement: String) -> Result<(), Failure> {
        let outcome = self.show(self.connection.query(statement.as_str())).await;
        let first = scan::tokens(&statement).find(|token| !token.is_nothing());
        let is_reading = first.is_some_and(|first| READS.iter().any(|word| first.is_word(word)));
        if let Some(terminal) = self.terminal.as_ref().filter(|_| !is_reading) {
            terminal.listing.forget();
        }
        self.last = statement;
        outcome.map(drop)
    }

    /// Does what a line with a backslash says.
    pub async fn obey(&mut self, line: &str) -> Result<Next, Failure> {
        match command::parse(line, self.connection.database()).map_err(Failure::Command)? {
            Command::Quit => return Ok(Next::Leave),
            Command::Help => io::stdout().write_all(command::help().as_bytes()).map_err(Failure::Write)?,
            Command::Timing(wanted) => {
                self.timing = wanted.unwrap_or(!self.timing);
                eprintln!("timing is {}", if self.timing { "on" } else { "off" });
            }
            Command::Records(wanted) => {
                self.records = wanted.unwrap_or(!self.records);
                eprintln!("rows are shown as {}", if self.records { "records" } else { "a table" });
            }
            Command::ShowFormat => eprintln!("results are written as {}", name_of(self.format)),
            Command::Format(format) => self.format = format,
            Command::ShowPager => eprintln!("{}", self.told_of_pager()),
            Command::Pager(paging) => self.paging = paging,
            Command::ShowDatabase => match self.connection.database() {
                Some(database) => eprintln!("tables are looked up in `{database}`"),
                None => eprintln!("tables need their database, as in `DB.TABLE`"),
            },
            Command::Database(database) => self.turn_to(database).await?,
            Command::Copy(copy) => self.copy(&copy).await?,
            Command::Include(file) => self.include(&file).await?,
            Command::Edit if self.terminal.is_some() => return Ok(Next::Edit(self.last.clone())),
            Command::Edit => return Err(Failure::Command("`\\e` needs a terminal".to_owned())),
            Command::Ask { sql, params, nothing } => {
                if self.show(self.connection.query(sql).params(params)).await? == Some(0) {
                    eprintln!("{nothing}");
                }
            }
        }
        Ok(Next::Go)
    }

    /// Runs a query and shows what comes of it: how many rows, unless the reader left before the last.
    async fn show(&self, query: Query) -> Result<Option<u64>, Failure> {
        let mut screen = Screen::new(self.pager());
        let work = output::run(query, |schema| {
            // A table takes care of that itself, and has colours.
            let out: Box<dyn Write + Send> = if self.is_shown && self.format != Format::Table {
                Box::new(Harmless::new(&mut screen))
            } else {
                Box::new(&mut screen)
            };
            Ok(rows::shown(self.format, self.records, schema, self.style, out))
        });
        let outcome = self.unless_interrupted(work).await;
        // What has come before a failure is shown too: the error after it says that it is not whole.
        let closed = block_in_place(|| screen.close());
        match outcome {
            Err(failure) if failure.is_closed_pipe() && self.terminal.is_some() => Ok(None),
            Err(failure) => Err(failure),
            Ok(summary) => {
                closed.map_err(Failure::Write)?;
                eprintln!("{}", summary.told(self.timing));
                Ok(Some(summary.rows))
            }
        }
    }

    async fn copy(&self, copy: &Copy) -> Result<(), Failure> {
        let summary = self.unless_interrupted(copy::run(&self.connection, copy)).await?;
        let time = if self.timing { format!(", {}", summary.took()) } else { String::new() };
        eprintln!("copied {} to `{}`{time}{}", summary.count(), copy.file.display(), summary.notice());
        Ok(())
    }

    /// Ctrl-C ends the work, which is dropped: that cancels the query at the gateway.
    async fn unless_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if self.terminal.is_none() {
            return work.await;
        }
        tokio::select! {
            outcome = work => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::Cancelled),
        }
    }

    async fn turn_to(&mut self, database: String) -> Result<(), Failure> {
        let query = self.connection.query(command::DATABASE).param(database.as_str());
        let found = self.unless_interrupted(output::run(query, |_| Ok(rows::none()))).await?;
        if found.rows == 0 {
            return Err(Failure::Command(format!("database not found: `{database}`")));
        }
        let options = self.options.clone().database(database);
        self.connection = Connection::new(options.clone()).map_err(Failure::Query)?;
        self.options = options;
        Ok(())
    }

    async fn include(&mut self, file: &Path) -> Result<(), Failure> {
        if self.depth >= DEEPEST {
            return Err(Failure::Command(format!("`{}` is run by too many files", file.display())));
        }
        self.depth += 1;
        // A file may run another.
        let outcome = Box::pin(script::include(self, file)).await;
        self.depth -= 1;
        outcome
    }

    fn listing(&self) -> Listing {
        Listing::new(self.connection.clone(), Handle::current())
    }

    fn pager(&self) -> Option<Pager> {
        let (columns, rows) = self.terminal.as_ref()?.size?;
        let always = match self.paging {
            Paging::Always => true,
            Paging::Auto => false,
            Paging::Never => return None,
        };
        Some(Pager { command: screen::pager_command()?, columns, rows, always })
    }

    fn told_of_pager(&self) -> String {
        let when = match self.paging {
            Paging::Always => "always",
            Paging::Auto => "when the screen is too small",
            Paging::Never => "never",
        };
        match screen::pager_command() {
            Some(command) => format!("results are shown in `{command}`: {when}"),
            None => "there is no pager: set `PAGER`".to_owned(),
        }
    }
}

fn name_of(format: Format) -> String {
    use clap::ValueEnum;
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

//! What may follow the cursor: in a statement words of SQL and names, behind a backslash commands and what they take.
//!
//! Reads a statement as roughly as a person glances at it: which word stands before, which tables are named where. It
//! offers only [`Names`], which are what the reader may see, and gives nothing where it understands nothing.

mod commands;
pub mod keywords;
pub mod names;
mod statement;

use std::sync::Arc;

pub use commands::command;
use names::Names;
use statement::{Place, Statement};

/// What can stand where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// Each in place of the last `replaces` bytes before the cursor.
    Words { replaces: usize, words: Vec<String> },
    /// Names of files, for the text that begins this many bytes before the cursor.
    Files(usize),
}

/// The most words to offer; more helps nobody.
const MOST: usize = 500;

/// More is no longer read as a person would.
const LONGEST: usize = 1 << 16;

/// Asks for the names, which may take a moment: only where they are wanted.
pub type Ask<'a> = &'a dyn Fn() -> Arc<Names>;

/// What can stand between `before` and `after`, of which the former may hold statements that are complete.
pub fn sql(before: &str, after: &str, ask: Ask<'_>, database: Option<&str>) -> Offer {
    if before.len() + after.len() > LONGEST {
        return Offer::nothing();
    }
    let statement = Statement::read(before, after);
    let Some(typed) = &statement.typed else { return Offer::nothing() };
    let names = if statement.place == Place::Start { Arc::default() } else { ask() };
    let found = Found { names: &names, database, statement: &statement, typed: &typed.text };
    let (paths, keywords) = match &statement.place {
        Place::Start => (Vec::new(), cased(keywords::FIRST.iter().copied(), &typed.text)),
        Place::Table => (found.tables(), Vec::new()),
        Place::Inside(outer) => (found.inside(outer), Vec::new()),
        Place::Any => (found.anything(), found.keywords()),
    };
    let is_meant = |path: &&[&str]| path.iter().any(|name| begins(name, &typed.text));
    let paths = paths.iter().map(Vec::as_slice).filter(is_meant);
    let mut words: Vec<_> = if typed.is_quoted {
        // What was begun in quotes is one name and ends in quotes.
        paths
            .filter_map(|path| path.first().filter(|name| begins(name, &typed.text)))
            .map(|name| in_quotes(name))
            // The last quote may stand behind the cursor already.
            .map(|name| {
                let open = name.strip_suffix('"').filter(|_| after.starts_with('"'));
                open.map(str::to_owned).unwrap_or(name)
            })
            .collect()
    } else {
        let keywords = keywords.into_iter().filter(|word| begins(word, &typed.text));
        paths.map(written).chain(keywords).collect()
    };
    words.sort();
    words.dedup();
    words.truncate(MOST);
    Offer::Words { replaces: typed.length, words }
}

impl Offer {
    fn nothing() -> Self {
        Self::Words { replaces: 0, words: Vec::new() }
    }
}

/// Names from the outermost on; the last is empty where one is still to come.
type Path<'a> = Vec<&'a str>;

struct Found<'a> {
    names: &'a Names,
    database: Option<&'a str>,
    statement: &'a Statement,
    typed: &'a str,
}

impl<'a> Found<'a> {
    /// What can stand behind `FROM`: the tables of the database in use, databases, and the tables in them that are typed
    /// by their own names.
    fn tables(&self) -> Vec<Path<'a>> {
        let mut paths = Vec::new();
        for (database, tables) in &self.names.databases {
            let is_used = self.database == Some(database.as_str());
            let is_all_there_is = self.database.is_none() || !self.typed.is_empty();
            paths.push(vec![database.as_str(), ""]);
            for table in tables.keys() {
                if is_used {
                    paths.push(vec![table.as_str()]);
                } else if is_all_there_is && !is_listing(database) && begins(table, self.typed) {
                    paths.push(vec![database.as_str(), table.as_str()]);
                }
            }
        }
        paths
    }

    /// What can stand behind `a.`, where `a` is a database, a table or another name of one.
    fn inside(&self, outer: &[String]) -> Vec<Path<'a>> {
        let [only] = outer else { return self.columns(outer) };
        let named = self.statement.tables.iter().filter(|table| table.is_called(only));
        let mut paths: Vec<_> = named.flat_map(|table| self.columns(&table.path)).collect();
        if let Some(tables) = self.names.databases.get(only) {
            paths.extend(tables.keys().map(|table| vec![table.as_str()]));
        }
        if paths.is_empty() { self.columns(outer) } else { paths }
    }

    /// The names that can stand in an expression.
    fn anything(&self) -> Vec<Path<'a>> {
        let mut paths = Vec::new();
        for table in &self.statement.tables {
            paths.extend(self.columns(&table.path));
            paths.extend(table.alias.as_ref().or(table.path.last()).map(|name| vec![name.as_str()]));
        }
        if self.statement.tables.is_empty() && !self.typed.is_empty() {
            // The tables are not yet written, and any column may be meant.
            let databases = self.names.databases.iter();
            let meant = databases.filter(|(name, _)| self.database.is_none_or(|used| used == name.as_str()));
            let columns = meant.flat_map(|(_, tables)| tables.values().flatten());
            paths.extend(columns.map(|name| vec![name.as_str()]));
        }
        paths
    }

    /// Words of SQL, once one is begun.
    fn keywords(&self) -> Vec<String> {
        if self.typed.is_empty() { Vec::new() } else { cased(keywords::all(), self.typed) }
    }

    fn columns(&self, path: &[String]) -> Vec<Path<'a>> {
        let tables = |database: &str| self.names.databases.get(database);
        let columns = match path {
            [table] => self.database.and_then(tables).and_then(|tables| tables.get(table)),
            [database, table] => tables(database).and_then(|tables| tables.get(table)),
            _ => None,
        };
        columns.into_iter().flatten().map(|name| vec![name.as_str()]).collect()
    }
}

/// A database of the gateway's own, which lists the others.
fn is_listing(database: &str) -> bool {
    matches!(database, "information_schema" | "pg_catalog")
}

/// A path as a statement has to write it.
fn written(path: &[&str]) -> String {
    let names = path.iter().map(|name| if name.is_empty() { String::new() } else { identifier(name) });
    names.collect::<Vec<_>>().join(".")
}

/// Whether a word goes on from what is typed; case does not count.
fn begins(word: &str, typed: &str) -> bool {
    let mut letters = word.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).all(|letter| letters.next() == Some(letter))
}

/// Words of SQL in the case of what is typed.
fn cased<'a>(words: impl Iterator<Item = &'a str>, typed: &str) -> Vec<String> {
    let is_small = typed.chars().next_back().is_some_and(char::is_lowercase);
    words.map(|word| if is_small { word.to_lowercase() } else { word.to_owned() }).collect()
}

/// A name as a statement has to write it.
fn identifier(name: &str) -> String {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if is_plain && !keywords::is_reserved(name) { name.to_owned() } else { in_quotes(name) }
}

fn in_quotes(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;

//! What a statement that is being written says so far: what is typed at the cursor, what is expected there, and which
//! tables it names before and behind it.

use super::keywords;
use crate::cli::shell::scan::{self, Token, What};

/// Words that a table follows.
const BEFORE_TABLE: &[&str] = &["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "DESCRIBE", "VIEW"];

/// Words that end the list of tables behind `FROM`.
const AFTER_TABLES: &[&str] = &[
    "WHERE",
    "ON",
    "USING",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "SELECT",
    "WINDOW",
    "QUALIFY",
    "SET",
    "TO",
    "AS",
];

/// A statement, as far as it is understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    /// `None` where nothing can be completed: inside a text, a comment or a number.
    pub typed: Option<Typed>,
    pub place: Place,
    pub tables: Vec<Table>,
}

/// The beginning of a word before the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Typed {
    pub text: String,
    /// Its bytes, with a quote.
    pub length: usize,
    pub is_quoted: bool,
}

/// What is expected at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    Start,
    Table,
    /// Behind the dot of these names.
    Inside(Vec<String>),
    Any,
}

/// A table that a statement names.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub path: Vec<String>,
    pub alias: Option<String>,
}

impl Table {
    /// Whether columns of it can be written behind `name.`.
    pub fn is_called(&self, name: &str) -> bool {
        self.alias.as_ref().or(self.path.last()).is_some_and(|own| own == name)
    }
}

impl Statement {
    /// Reads what surrounds the cursor.
    pub fn read(before: &str, after: &str) -> Self {
        let start = scan::tokens(before).filter(|token| token.what == What::End).last();
        let before = start.and_then(|end| before.get(end.at + 1..)).unwrap_or(before);
        let whole = format!("{before}{after}");
        let whole = scan::split_first(&whole).map_or(whole.as_str(), |(first, _)| first);
        let mut tokens: Vec<_> = scan::tokens(before).collect();
        let typed = typed(&mut tokens);
        tokens.retain(|token| !token.is_nothing());
        // The word at the cursor is not yet the other name of a table.
        let is_begun =
            |token: &Token<'_>| token.at < before.len() && before.len() <= token.at + token.text.len();
        let all = scan::tokens(whole).filter(|token| !token.is_nothing() && !is_begun(token));
        let all: Vec<_> = all.collect();
        Self { typed, place: place(&tokens), tables: tables(&all) }
    }
}

/// Takes off what is typed.
fn typed(tokens: &mut Vec<Token<'_>>) -> Option<Typed> {
    let Some(last) = tokens.last().copied() else { return Some(Typed::default()) };
    match last.what {
        What::Word if last.text.starts_with(|c: char| c.is_numeric()) => None,
        What::Name if last.closed => None,
        What::Text => None,
        What::Comment if !last.closed => None,
        What::Word | What::Name => {
            tokens.pop();
            let is_quoted = last.what == What::Name;
            Some(Typed { text: last.value(), length: last.text.len(), is_quoted })
        }
        _ => Some(Typed::default()),
    }
}

fn place(tokens: &[Token<'_>]) -> Place {
    let Some((last, rest)) = tokens.split_last() else { return Place::Start };
    if last.text == "." {
        return Place::Inside(path_before(rest));
    }
    let is_about_rights = tokens.first().is_some_and(|first| is_one_of(first, &["GRANT", "REVOKE"]));
    if is_one_of(last, BEFORE_TABLE)
        || (is_about_rights && last.is_word("on"))
        || (last.text == "," && is_among_tables(rest))
    {
        return Place::Table;
    }
    if tokens.len() == 1 && last.is_word("explain") { Place::Start } else { Place::Any }
}

/// The names before a dot, outermost first.
fn path_before(tokens: &[Token<'_>]) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [before @ .., name] = rest {
        let Some(name) = name_of(name) else { break };
        path.insert(0, name);
        match before {
            [more @ .., dot] if dot.text == "." => rest = more,
            _ => break,
        }
    }
    path
}

/// Whether a comma here stands between tables.
fn is_among_tables(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    for token in tokens.iter().rev() {
        match token.text {
            ")" => depth += 1,
            "(" if depth == 0 => return false,
            "(" => depth -= 1,
            _ if depth > 0 => {}
            _ if token.is_word("from") => return true,
            _ if is_one_of(token, AFTER_TABLES) && !token.is_word("as") => return false,
            _ => {}
        }
    }
    false
}

/// Every table that is named behind `FROM` and its like.
fn tables(tokens: &[Token<'_>]) -> Vec<Table> {
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let before = tokens.get(..position).unwrap_or_default();
        if is_one_of(token, BEFORE_TABLE) || (token.text == "," && is_among_tables(before)) {
            found.extend(table(tokens.get(position + 1..).unwrap_or_default()));
        }
    }
    found
}

fn table(mut tokens: &[Token<'_>]) -> Option<Table> {
    let mut path = Vec::new();
    while let [name, rest @ ..] = tokens {
        path.push(name_of(name)?);
        tokens = rest;
        match rest {
            [dot, more @ ..] if dot.text == "." && !more.is_empty() => tokens = more,
            _ => break,
        }
    }
    if let [first, rest @ ..] = tokens
        && first.is_word("as")
    {
        tokens = rest;
    }
    let alias = tokens.first().and_then(name_of);
    Some(Table { path, alias }).filter(|table| !table.path.is_empty())
}

/// A name as the gateway reads it: without quotes its case does not count.
fn name_of(token: &Token<'_>) -> Option<String> {
    match token.what {
        What::Name => Some(token.value()),
        What::Word if !keywords::is_reserved(token.text) => Some(token.text.to_ascii_lowercase()),
        _ => None,
    }
}

fn is_one_of(token: &Token<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| token.is_word(word))
}

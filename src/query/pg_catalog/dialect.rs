//! What clients of PostgreSQL write to ask the catalog, put into words that the engine knows.
//!
//! Only statements that ask the catalog are changed: `'t'::regclass`, `pg_catalog.format_type(…)`, `x OPERATOR(…) y`. Where
//! they read other tables too, names are put right and nothing else. What comes out is text again and goes through the
//! parser and its checks as if it had been sent so.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use super::equal_names::told_apart;
use super::functions;
use super::literals;
use super::named::{is_of_catalog_alone, renamed};
use super::respelled::respelled;
use crate::error::{Error, ErrorKind, Result};
use crate::query::parse::after_explain_access;
use crate::query::spelling::{refuse_quotes_in_names, spelled};
use crate::query::versions;

static PARSER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// The longest text that a question may become; some words stand for much.
const LONGEST: usize = 1 << 20;

/// Words that no other statement has a use for.
const OF_CATALOG: [&str; 11] = [
    "regclass",
    "regcollation",
    "regnamespace",
    "regoper",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "current_user",
    "session_user",
    "current_catalog",
];

/// A statement in the engine's words.
pub(in crate::query) struct Rewritten {
    pub sql: String,
    /// Whether the functions and tables of the catalog are asked.
    pub asks_catalog: bool,
}

/// `sql` in the engine's words, when they are others.
pub(in crate::query) fn rewritten(sql: &str) -> Result<Option<Rewritten>> {
    if let Some(query) = after_explain_access(sql) {
        let rewritten = rewritten(query)?;
        return Ok(rewritten.map(|inner| Rewritten { sql: format!("EXPLAIN ACCESS {}", inner.sql), ..inner }));
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().unwrap_or_default();
    let asks_catalog = asks_catalog(&tokens);
    if !asks_catalog && !literals::are_in(&tokens) {
        return with_names_apart(sql);
    }
    refuse_quotes_in_names(&PostgreSqlDialect {}, sql)?;
    let Some(statement) = one(versions::statements(&PostgreSqlDialect {}, sql).map_err(syntax)?) else {
        // What is wrong with it is told by the parser of all statements.
        return Ok(None);
    };
    let changed = match (asks_catalog, is_of_catalog_alone(&statement)) {
        (false, _) => Some(statement),
        (true, false) => Some(renamed(statement)),
        // What the crate takes for a list in quotes it puts in as it stands, so such are translated first; else it
        // gets the text as it was written, by which it knows some questions.
        (true, true) => {
            let translated = literals::translated(statement.clone())?;
            let plain = if translated == statement { sql.to_owned() } else { spelled(&translated) };
            one(PARSER.parse(&plain).map_err(syntax)?).map(respelled)
        }
    };
    let Some(mut changed) = changed else { return Ok(None) };
    told_apart(&mut changed);
    let sql = spelled(&literals::translated(changed)?);
    match sql.len() > LONGEST {
        true => Err(Error::new(ErrorKind::LimitExceeded, "the question to the catalog is too long")),
        false => Ok(Some(Rewritten { sql, asks_catalog })),
    }
}

/// `sql` with names of its result's columns told apart, if that is needed. What does not read is told of by the parser of all
/// statements.
fn with_names_apart(sql: &str) -> Result<Option<Rewritten>> {
    let Some(mut statement) = versions::statements(&PostgreSqlDialect {}, sql).ok().and_then(one) else {
        return Ok(None);
    };
    if !told_apart(&mut statement) {
        return Ok(None);
    }
    refuse_quotes_in_names(&PostgreSqlDialect {}, sql)?;
    Ok(Some(Rewritten { sql: spelled(&statement), asks_catalog: false }))
}

fn one(statements: Vec<Statement>) -> Option<Statement> {
    let mut statements = statements.into_iter();
    statements.next().filter(|_| statements.next().is_none())
}

fn asks_catalog(tokens: &[Token]) -> bool {
    static FUNCTIONS: LazyLock<BTreeSet<String>> = LazyLock::new(functions::names);
    let tokens = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    let behind = tokens.clone().skip(1).map(Some).chain([None]);
    tokens.zip(behind).any(|(token, next)| {
        let Token::Word(word) = token else { return false };
        let word = word.value.to_lowercase();
        word.starts_with("pg_")
            || OF_CATALOG.contains(&word.as_str())
            || (next.is_some_and(|next| *next == Token::LParen) && FUNCTIONS.contains(&word))
    })
}

fn syntax(error: ParserError) -> Error {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            Error::new(ErrorKind::SyntaxError, text.trim_end_matches('.').to_owned())
        }
        ParserError::RecursionLimitExceeded => {
            Error::new(ErrorKind::SyntaxError, "the statement is nested too deeply")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_the_catalog_is_changed() {
        for sql in [
            "SELECT * FROM shop.cards",
            "SELECT 'pg_class', version, format_type FROM t",
            "SELECT /* pg_class */ 1",
            "SELECT (SELECT max(x) FROM t)",
        ] {
            assert!(rewritten(sql).unwrap().is_none(), "{sql}");
        }
        for (sql, changed) in [
            ("SELECT oid FROM pg_class", "SELECT oid FROM pg_catalog.pg_class"),
            ("select pg_catalog.version()", "SELECT version() AS version"),
            (
                "select x from pg_type t where typname OPERATOR(pg_catalog.~) 'a'",
                "SELECT x FROM pg_catalog.pg_type t WHERE typname ~ 'a'",
            ),
        ] {
            assert_eq!(rewritten(sql).unwrap().map(|found| found.sql).as_deref(), Some(changed), "{sql}");
        }
    }
}

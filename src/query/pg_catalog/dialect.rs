//! What clients of PostgreSQL write to ask the catalog, put into words that the engine knows.
//!
//! Only statements that ask the catalog are changed: `'t'::regclass`, `pg_catalog.format_type(…)`, `x OPERATOR(…) y`. What
//! comes out is text again and goes through the parser and its checks as if it had been sent so.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use super::functions;
use super::respelled::respelled;
use crate::error::{Error, ErrorKind, Result};

static PARSER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

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

/// `sql` in the engine's words, when it asks the catalog.
pub(in crate::query) fn rewritten(sql: &str) -> Result<Option<String>> {
    if !asks_catalog(sql) {
        return Ok(None);
    }
    let mut statements = PARSER.parse(sql).map_err(syntax)?.into_iter();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(Some(Statement::Statement(Box::new(respelled(statement))).to_string())),
        // What is wrong with it is told by the parser of all statements.
        _ => Ok(None),
    }
}

fn asks_catalog(sql: &str) -> bool {
    static FUNCTIONS: LazyLock<BTreeSet<String>> = LazyLock::new(functions::names);
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().unwrap_or_default();
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let behind = tokens.iter().skip(1).map(Some).chain([None]);
    tokens.iter().zip(behind).any(|(token, next)| {
        let Token::Word(word) = token else { return false };
        let word = word.value.to_lowercase();
        word.starts_with("pg_")
            || OF_CATALOG.contains(&word.as_str())
            || (next == Some(&Token::LParen) && FUNCTIONS.contains(&word))
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
            assert_eq!(rewritten(sql).unwrap(), None, "{sql}");
        }
        for (sql, changed) in [
            ("SELECT oid FROM pg_class", "SELECT oid FROM pg_catalog.pg_class"),
            ("select pg_catalog.version()", "SELECT version() AS version"),
            (
                "select x from pg_type t where typname OPERATOR(pg_catalog.~) 'a'",
                "SELECT x FROM pg_catalog.pg_type t WHERE typname ~ 'a'",
            ),
        ] {
            assert_eq!(rewritten(sql).unwrap().as_deref(), Some(changed), "{sql}");
        }
    }
}

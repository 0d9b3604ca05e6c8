//! `VERSION AS OF 3` and `TIMESTAMP AS OF '…'` behind a table's name.
//!
//! The parser knows them in other dialects alone, and the planner reads over them, which would give the rows of now. So
//! they become a last part of the table's name before the text is parsed, `sales.orders."VERSION AS OF 3"`, and the
//! catalog's part of it before it is planned: a table of its own in the session, and `orders.id` still is its column.

use std::ops::ControlFlow;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::Utc;
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Statement, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::parse::full_object_name;
use crate::catalog::version::At;
use crate::error::{Error, Result};

type Parsed<T> = std::result::Result<T, ParserError>;

/// The words of `sql`, in which a version is a part of its table's name.
pub(super) fn tokens(dialect: &dyn Dialect, sql: &str) -> Parsed<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location()?;
    let mut told = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let [first, behind @ ..] = rest {
        match clause(rest)? {
            Some((at, length)) => {
                let mark = Token::make_word(&at.to_string(), Some('"'));
                told.extend([Token::Period, mark].map(|token| TokenWithSpan::new(token, first.span)));
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                told.push(first.clone());
                rest = behind;
            }
        }
    }
    Ok(told)
}

/// The statements in `sql`.
pub(super) fn statements(dialect: &dyn Dialect, sql: &str) -> Parsed<Vec<Statement>> {
    Parser::new(dialect).with_tokens_with_locations(tokens(dialect, sql)?).parse_statements()
}

/// The version that `tokens` begin with, and how many of them say it. Behind `AS OF` there is nothing else that a
/// statement could mean: no alias is followed by a number or a text.
fn clause(tokens: &[TokenWithSpan]) -> Parsed<Option<(At, usize)>> {
    let said = tokens.iter().enumerate();
    let mut said = said.filter(|(_, token)| !matches!(token.token, Token::Whitespace(_))).peekable();
    if !matches!(tokens.first().map(|token| &token.token), Some(Token::Word(_))) {
        return Ok(None);
    }
    said.next_if(|(_, token)| is_word(token, &["for"]));
    let Some((_, kind)) = said.next().filter(|(_, token)| is_word(token, &["version", "timestamp"])) else {
        return Ok(None);
    };
    let is_time = is_word(kind, &["timestamp"]);
    if !["as", "of"].iter().all(|word| said.next_if(|(_, token)| is_word(token, &[word])).is_some()) {
        return Ok(None);
    }
    let is_typed = is_time && said.next_if(|(_, token)| is_word(token, &["timestamp", "date"])).is_some();
    let Some((end, value)) = said.next() else { return Ok(None) };
    let at = match &value.token {
        Token::Number(number, false) if !is_time => number.parse().ok().map(At::Version),
        Token::SingleQuotedString(text) if is_time => string_to_datetime(&Utc, text).ok().map(At::Time),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Minus => None,
        _ if is_typed => None,
        _ => return Ok(None),
    };
    match at {
        Some(at) => Ok(Some((at, end.saturating_add(1)))),
        None => {
            let wanted = match is_time {
                true => "`TIMESTAMP AS OF` needs a time such as `'2026-01-31 08:00:00'`, not a parameter",
                false => "`VERSION AS OF` needs the number of a version, not a parameter",
            };
            Err(ParserError::ParserError(format!("{wanted}{}", value.span.start)))
        }
    }
}

fn is_word(token: &TokenWithSpan, words: &[&str]) -> bool {
    let Token::Word(word) = &token.token else { return false };
    word.quote_style.is_none() && words.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

/// Gives each table of `statement` at a version a name of its own: the version's, the database's and the table's. One
/// without a database is looked up in `database`.
pub(super) fn name_apart(statement: &mut Statement, database: Option<&str>) -> Result<()> {
    match statement.visit(&mut Naming { database }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts the versions in `statement` back behind their tables' names, to be printed.
pub(super) fn put_back(statement: &mut Statement) {
    let _ = statement.visit(&mut Spelling);
}

struct Naming<'a> {
    database: Option<&'a str>,
}

impl VisitorMut for Naming<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, args, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(at) = taken_off(name) else { return ControlFlow::Continue(()) };
        if args.is_some() {
            return ControlFlow::Break(Error::invalid_request(format!(
                "`{name}` is a function, without versions"
            )));
        }
        match full_object_name(name, self.database) {
            Ok(table) => {
                let parts = [at.to_string(), table.database, table.table];
                *name = ObjectName::from(parts.map(|part| Ident::with_quote('"', part)).to_vec());
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

struct Spelling;

impl VisitorMut for Spelling {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor
            && let Some(at) = taken_off(name)
            && let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut()
        {
            // Without quotes of its own it is printed as it stands.
            *last = Ident::new(format!("{last} {at}"));
        }
        ControlFlow::Continue(())
    }
}

/// The version that the name ends with, which is no part of it any more.
fn taken_off(name: &mut ObjectName) -> Option<At> {
    let at = match name.0.as_slice() {
        [_, .., ObjectNamePart::Identifier(last)] if last.quote_style.is_some() => last.value.parse().ok()?,
        _ => return None,
    };
    name.0.pop();
    Some(at)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::{GenericDialect, PostgreSqlDialect};

    use super::*;
    use crate::query::spelling::spelled;

    fn respelled(dialect: &dyn Dialect, sql: &str) -> Parsed<String> {
        statements(dialect, sql)
            .map(|statements| statements.iter().map(spelled).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a_version_is_said_behind_a_table() {
        for dialect in [&GenericDialect {} as &dyn Dialect, &PostgreSqlDialect {}] {
            for (sql, meant) in [
                ("SELECT * FROM t version as of 3", "SELECT * FROM t VERSION AS OF 3"),
                ("SELECT * FROM a.b FOR VERSION AS OF 3 x", "SELECT * FROM a.b VERSION AS OF 3 x"),
                ("SELECT * FROM \"T\" /* x */ VERSION AS\nOF 03", "SELECT * FROM \"T\" VERSION AS OF 3"),
                (
                    "SELECT * FROM t TIMESTAMP AS OF '2026-01-01 10:00:00+02' AS x JOIN t ON true",
                    "SELECT * FROM t TIMESTAMP AS OF '2026-01-01T08:00:00Z' AS x JOIN t ON true",
                ),
                (
                    "SELECT * FROM t TIMESTAMP AS OF DATE '2026-01-01'",
                    "SELECT * FROM t TIMESTAMP AS OF '2026-01-01T00:00:00Z'",
                ),
            ] {
                let once = respelled(dialect, sql).unwrap();
                assert_eq!(once, meant, "{sql}");
                assert_eq!(respelled(dialect, &once).unwrap(), meant);
            }
        }
    }

    #[test]
    fn other_words_stay_what_they_are() {
        for sql in [
            "SELECT version AS of FROM t",
            "SELECT timestamp AS of, version FROM t AS version",
            "SELECT \"version\" AS of FROM version",
            "SELECT TIMESTAMP '2026-01-01 00:00:00'",
            "SELECT 'VERSION AS OF 3'",
        ] {
            assert_eq!(respelled(&GenericDialect {}, sql).unwrap(), sql);
        }
        for sql in [
            "SELECT * FROM t VERSION AS OF ?",
            "SELECT * FROM t VERSION AS OF -1",
            "SELECT * FROM t VERSION AS OF 1.5",
            "SELECT * FROM t VERSION AS OF '3'",
            "SELECT * FROM t TIMESTAMP AS OF 'yesterday'",
            "SELECT * FROM t TIMESTAMP AS OF $1",
            "SELECT * FROM t VERSION AS OF 99999999999999999999",
        ] {
            let refused = respelled(&GenericDialect {}, sql).unwrap_err().to_string();
            assert!(refused.contains("needs") && refused.contains("Line: 1"), "{sql}: {refused}");
        }
    }
}

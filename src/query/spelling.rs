//! A statement's tree as text that reads as the same tree, and places in a text.
//!
//! The parser prints a text in quotes as it guesses that it was written: of two quotation marks in a row, and of one behind a
//! backslash, it thinks that they are escaped. Whoever prints a statement to have it read again prints it here.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Statement, Value, ValueWithSpan, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::versions;
use crate::error::{Error, ErrorKind, Result};

/// `statement` as text. What is in it as a text of any kind is a text in plain quotes.
pub fn spelled(statement: &Statement) -> String {
    let mut statement = statement.clone();
    let _ = statement.visit(&mut Quoting);
    versions::put_back(&mut statement);
    statement.to_string()
}

/// `statement` as text that is kept and read again later.
///
/// # Errors
///
/// `syntax_error` when it would read as another.
pub fn kept(statement: &Statement) -> Result<String> {
    let text = spelled(statement);
    let mut meant = statement.clone();
    let _ = meant.visit(&mut Plain);
    match versions::statements(&GenericDialect {}, &text) {
        Ok(again) if again.as_slice() == [meant] => Ok(text),
        _ => Err(Error::new(
            ErrorKind::SyntaxError,
            "the query cannot be kept as it is; leave out quotation marks in names",
        )),
    }
}

/// Refuses names with a quotation mark in them, which are printed as others.
///
/// # Errors
///
/// `syntax_error` when `sql` has one.
pub fn refuse_quotes_in_names(dialect: &dyn Dialect, sql: &str) -> Result<()> {
    let is_quoted = |token: &Token| match token {
        Token::Word(word) => word.quote_style.is_some_and(|quote| word.value.contains(quote)),
        _ => false,
    };
    // What does not read is told of by whoever reads it.
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    let mut after_as = false;
    // A text behind AS is a name.
    let mut is_name_with_quotes = |token: &&Token| {
        let is_text = matches!(token, Token::SingleQuotedString(text) if text.contains(['\'', '\\']));
        let found = is_quoted(token) || (after_as && is_text);
        if !matches!(token, Token::Whitespace(_)) {
            after_as = matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case("as"));
        }
        found
    };
    match tokens.iter().find(|token| is_name_with_quotes(token)) {
        Some(name) => {
            let text = format!("the name `{name}` has a quotation mark in it, which is not possible here");
            Err(Error::new(ErrorKind::SyntaxError, text))
        }
        None => Ok(()),
    }
}

/// The bytes before each of `places` in `text`; places go up, and lines and columns count from 1.
pub fn offsets(text: &str, places: impl IntoIterator<Item = Location>) -> Vec<usize> {
    let mut characters = text.char_indices();
    let (mut line, mut column) = (1, 1);
    let mut offset = 0;
    let reached = |at: Location| {
        while (line, column) < (at.line, at.column) {
            let Some((start, character)) = characters.next() else { break };
            offset = start + character.len_utf8();
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        offset
    };
    places.into_iter().map(reached).collect()
}

/// Doubles the quotation marks in texts: the printer leaves pairs as they are.
struct Quoting;

impl VisitorMut for Quoting {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Some(text) = text_of(&value.value) {
            value.value = Value::SingleQuotedString(text.replace('\'', "''"));
        }
        ControlFlow::Continue(())
    }
}

/// Makes a text of any kind one in plain quotes.
struct Plain;

impl VisitorMut for Plain {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Some(text) = text_of(&value.value) {
            value.value = Value::SingleQuotedString(text.to_owned());
        }
        ControlFlow::Continue(())
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(text),
        Value::DollarQuotedString(dollar) => Some(&dollar.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn value(dialect: &dyn Dialect, sql: &str) -> String {
        let statement = Parser::parse_sql(dialect, sql).unwrap().remove(0);
        let again = spelled(&statement);
        let tokens = Tokenizer::new(&GenericDialect {}, &again).tokenize().unwrap();
        let texts: Vec<&String> = tokens
            .iter()
            .filter_map(|token| match token {
                Token::SingleQuotedString(text) => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(texts.len(), 1, "{again}");
        texts[0].clone()
    }

    #[test]
    fn a_text_is_the_same_when_it_is_read_again() {
        for text in [
            "it's",
            "a''b",
            r"x\' OR 1=1 --",
            r"x\'' OR 1=1 --",
            r"\",
            r"\\'",
            "'",
            "''",
            "'''",
            "; --",
            "/*",
        ] {
            let literal = format!("SELECT '{}'", text.replace('\'', "''"));
            assert_eq!(value(&PostgreSqlDialect {}, &literal), text, "{literal}");
            assert_eq!(value(&GenericDialect {}, &literal), text, "{literal}");
        }
        for (literal, text) in [
            (r"E'it\'s \\'", r"it's \"),
            ("N'it''s'", "it's"),
            ("$q$it's \\' $x$ ;$q$", "it's \\' $x$ ;"),
            (r"U&'\0041''b'", "A'b"),
        ] {
            assert_eq!(value(&PostgreSqlDialect {}, &format!("SELECT {literal}")), text, "{literal}");
        }
    }

    #[test]
    fn places_are_those_of_the_tokenizer() {
        let text = "SELECT 'ü\n🦀', 1\n  ; x";
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().unwrap();
        let places = tokens.iter().map(|token| token.span.start);
        for (token, offset) in tokens.iter().zip(offsets(text, places)) {
            let is_there = match &token.token {
                Token::SingleQuotedString(_) => text[offset..].starts_with('\''),
                Token::SemiColon => text[offset..].starts_with(';'),
                Token::Word(word) => text[offset..].starts_with(&word.value),
                _ => true,
            };
            assert!(is_there, "{token:?} at {offset}");
        }
    }

    #[test]
    fn a_name_with_a_quotation_mark_is_refused() {
        let refused = |sql: &str| refuse_quotes_in_names(&PostgreSqlDialect {}, sql).is_err();
        assert!(refused(r#"SELECT "a""b""#));
        assert!(refused(r"SELECT 1 AS 'x\'', 2 --'") && refused("SELECT 1 as /* x */ 'a''b'"));
        assert!(!refused(r#"SELECT "a'b", 'c"d', 1 AS 'x'"#));
    }

    #[test]
    fn what_is_kept_reads_as_it_was_meant() {
        let kept = |sql: &str| kept(&Parser::parse_sql(&GenericDialect {}, sql).unwrap().remove(0));
        assert_eq!(kept("SELECT 'it''s', a.b FROM c").unwrap(), "SELECT 'it''s', a.b FROM c");
        assert!(kept(r#"SELECT 1 AS "a""""b""#).is_err());
        assert!(kept(r"SELECT 1 AS 'x\'', 2 --'").is_err());
    }
}

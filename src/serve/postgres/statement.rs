//! What a text says, as far as the door itself has to know: where one statement ends, and which of them are about the
//! connection and not about data.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use pgwire::api::results::Tag;

use crate::query::spelling::offsets;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// It reads: what is told when all rows are sent.
    Query(&'static str),
    /// It changes the policy or a view, and takes effect at once.
    Command(&'static str),
    /// It is about the connection.
    Session(OfSession),
}

/// A statement about the connection. There is nothing to undo, so a transaction is only what the client knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OfSession {
    Begin(String),
    Commit,
    Rollback,
    /// What was done since stays done.
    RollbackTo,
    Set {
        name: String,
        value: String,
    },
    Reset(Option<String>),
    Show(String),
    /// Forgets the prepared statement, or all.
    Deallocate(Option<String>),
    /// Nothing to do but to say that it is done.
    Nothing(&'static str),
}

impl Statement {
    /// What `sql` says.
    pub fn of(sql: &str) -> Self {
        let words = words(sql);
        let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        let first: Vec<&str> = upper.iter().map(String::as_str).collect();
        match first.as_slice() {
            ["EXPLAIN", ..] => Self::Query("EXPLAIN"),
            ["GRANT", ..] => Self::Command("GRANT"),
            ["REVOKE", ..] => Self::Command("REVOKE"),
            ["CREATE", "OR", "REPLACE", "VIEW", ..] | ["CREATE", "VIEW", ..] => Self::Command("CREATE VIEW"),
            ["DROP", "VIEW", ..] => Self::Command("DROP VIEW"),
            _ => OfSession::of(&first, &words).map_or(Self::Query("SELECT"), Self::Session),
        }
    }
}

impl OfSession {
    fn of(upper: &[&str], words: &[String]) -> Option<Self> {
        let rest = |from: usize| words.get(from..).unwrap_or_default().concat();
        let named = |at: usize| words.get(at).map(|word| word.trim_matches('"').to_owned());
        Some(match upper {
            ["BEGIN", ..] => Self::Begin("BEGIN".to_owned()),
            ["START", "TRANSACTION", ..] => Self::Begin("START TRANSACTION".to_owned()),
            ["COMMIT" | "END", ..] => Self::Commit,
            ["ROLLBACK" | "ABORT", "TO", ..] | ["ROLLBACK", "TRANSACTION" | "WORK", "TO", ..] => {
                Self::RollbackTo
            }
            ["ROLLBACK" | "ABORT", ..] => Self::Rollback,
            ["SAVEPOINT", ..] => Self::Nothing("SAVEPOINT"),
            ["RELEASE", ..] => Self::Nothing("RELEASE"),
            ["DISCARD", "ALL"] => Self::Reset(None),
            ["DISCARD", ..] => Self::Nothing("DISCARD"),
            ["UNLISTEN", ..] => Self::Nothing("UNLISTEN"),
            ["CLOSE", ..] => Self::Nothing("CLOSE CURSOR"),
            ["DEALLOCATE", "ALL"] | ["DEALLOCATE", "PREPARE", "ALL"] => Self::Deallocate(None),
            ["DEALLOCATE", "PREPARE", _] => Self::Deallocate(named(2)),
            ["DEALLOCATE", _] => Self::Deallocate(named(1)),
            ["RESET", "ALL"] => Self::Reset(None),
            ["RESET", _] => Self::Reset(named(1)),
            ["SET", "TRANSACTION", ..] | ["SET", "SESSION", "CHARACTERISTICS", ..] => Self::Nothing("SET"),
            ["SET", "SESSION" | "LOCAL", "TIME", "ZONE", ..] => Self::set("TimeZone", rest(4)),
            ["SET", "TIME", "ZONE", ..] => Self::set("TimeZone", rest(3)),
            ["SET", "NAMES", ..] => Self::set("client_encoding", rest(2)),
            ["SET", "SESSION" | "LOCAL", name, "=" | "TO", ..] => Self::set(name, rest(4)),
            ["SET", name, "=" | "TO", ..] => Self::set(name, rest(3)),
            ["SHOW", "TRANSACTION", "ISOLATION", "LEVEL"] => Self::Show("transaction_isolation".to_owned()),
            ["SHOW", "TIME", "ZONE"] => Self::Show("TimeZone".to_owned()),
            ["SHOW", name] if !["TABLES", "DATABASES", "SCHEMAS", "GRANTS", "COLUMNS"].contains(name) => {
                Self::Show(named(1)?)
            }
            _ => return None,
        })
    }

    fn set(name: &str, value: String) -> Self {
        let value = value
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''))
            .map(str::to_owned)
            .unwrap_or(value);
        Self::Set { name: name.trim_matches('"').to_lowercase(), value }
    }

    /// What is told when it is done.
    pub fn tag(&self) -> Tag {
        Tag::new(match self {
            Self::Begin(tag) => tag,
            Self::Commit => "COMMIT",
            Self::Rollback | Self::RollbackTo => "ROLLBACK",
            Self::Set { .. } => "SET",
            Self::Reset(_) => "RESET",
            Self::Show(_) => "SHOW",
            Self::Deallocate(_) => "DEALLOCATE",
            Self::Nothing(tag) => tag,
        })
    }
}

fn tokens(sql: &str) -> Option<Vec<Token>> {
    Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().ok()
}

/// The tokens without what is between them.
fn words(sql: &str) -> Vec<String> {
    let tokens = tokens(sql).unwrap_or_default();
    let said = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon));
    said.map(ToString::to_string).collect()
}

/// The statements of a text, each without its `;` and as it was written. What does not read is left as it is, for the parser
/// to say why.
pub(super) fn split(sql: &str) -> Vec<&str> {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else {
        return vec![sql];
    };
    let is_end = |token: &&TokenWithSpan| token.token == Token::SemiColon;
    let ends = offsets(sql, tokens.iter().filter(is_end).map(|token| token.span.start));
    let says_something = |part: &[TokenWithSpan]| {
        part.iter().any(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    };
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    let ends = ends.iter().copied().chain([sql.len()]);
    let parts = tokens.split(|token| token.token == Token::SemiColon);
    starts
        .zip(ends)
        .zip(parts)
        .filter(|(_, part)| says_something(part))
        .filter_map(|((start, end), _)| sql.get(start..end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(sql: &str) -> OfSession {
        match Statement::of(sql) {
            Statement::Session(said) => said,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn set(name: &str, value: &str) -> OfSession {
        OfSession::Set { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn statements_end_at_semicolons_that_are_not_in_texts() {
        assert_eq!(
            split("SELECT 1; SELECT ';' ;; -- x;\n SELECT \"a;b\""),
            ["SELECT 1", " SELECT ';' ", " -- x;\n SELECT \"a;b\""]
        );
        assert_eq!(split("SELECT  1 ;"), ["SELECT  1 "]);
        assert_eq!(split(" ; -- nothing"), [""; 0]);
        assert_eq!(split("SELECT 'open"), ["SELECT 'open"]);
        for literal in [
            "'it''s'",
            r"E'\''",
            r"'\'",
            r#""a"";""#,
            "N''''",
            "$q$;'$q$",
            "/* ; ' */ 'ü\n;'",
            "'x'' OR 1=1 --'",
        ] {
            let first = format!("SELECT {literal}");
            assert_eq!(split(&format!("{first};SELECT 1")), [first.as_str(), "SELECT 1"]);
        }
    }

    #[test]
    fn what_is_about_the_connection_is_known() {
        assert_eq!(session("begin read only"), OfSession::Begin("BEGIN".to_owned()));
        assert_eq!(session("ROLLBACK TO SAVEPOINT a"), OfSession::RollbackTo);
        assert_eq!(session("abort"), OfSession::Rollback);
        assert_eq!(session("SET search_path TO shop, public"), set("search_path", "shop,public"));
        assert_eq!(session("set session TimeZone = 'UTC'"), set("timezone", "UTC"));
        assert_eq!(session("SET TIME ZONE 'Asia/Tokyo'"), set("timezone", "Asia/Tokyo"));
        assert_eq!(session("/* x */ show Server_Version;"), OfSession::Show("Server_Version".to_owned()));
        assert_eq!(session("DEALLOCATE \"s 1\""), OfSession::Deallocate(Some("s 1".to_owned())));
        for query in
            ["SELECT 1", "SHOW TABLES", "SHOW TABLES IN shop", "SET ROLE x", "WITH a AS (SELECT 1) SELECT 1"]
        {
            assert_eq!(Statement::of(query), Statement::Query("SELECT"), "{query}");
        }
        assert_eq!(Statement::of("grant select on a.b to user:c"), Statement::Command("GRANT"));
        assert_eq!(
            Statement::of("create or replace view a.b as select 1"),
            Statement::Command("CREATE VIEW")
        );
    }
}

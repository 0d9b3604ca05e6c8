//! Which views show each reader something else, and why.
//!
//! What comes into the lake is what a view shows to the account that reads it. For another reader that is the same only when it
//! reads with the rights of its definer and nothing in it asks who reads. That is looked for in its statement, as the server
//! writes it: names in backquotes, everything else words. A word that is not known to be the same for everybody is told.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use sqlx::mysql::MySqlRow;

use super::discover::text;
use crate::error::Result;

pub(super) const VIEWS: &str =
    "SELECT table_schema, table_name, view_definition, security_type FROM information_schema.views";

/// The words of statements that are the same whoever asks, and functions of their arguments alone.
const KNOWN: [&str; 78] = [
    "select",
    "distinct",
    "all",
    "as",
    "from",
    "where",
    "group",
    "by",
    "having",
    "order",
    "asc",
    "desc",
    "limit",
    "offset",
    "union",
    "except",
    "intersect",
    "join",
    "left",
    "right",
    "inner",
    "outer",
    "cross",
    "straight_join",
    "on",
    "using",
    "and",
    "or",
    "xor",
    "not",
    "in",
    "is",
    "null",
    "true",
    "false",
    "like",
    "escape",
    "between",
    "exists",
    "any",
    "case",
    "when",
    "then",
    "else",
    "end",
    "interval",
    "div",
    "mod",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "coalesce",
    "ifnull",
    "nullif",
    "if",
    "concat",
    "concat_ws",
    "lcase",
    "ucase",
    "lower",
    "upper",
    "trim",
    "substr",
    "length",
    "char_length",
    "abs",
    "round",
    "floor",
    "ceiling",
    "year",
    "month",
    "greatest",
    "least",
    "cast",
    "char",
    "signed",
];

/// Schemas whose tables show each reader something else.
const OF_THE_SERVER: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

const INVOKER: &str = "the view reads with the rights of its reader (SQL SECURITY INVOKER)";
const HIDDEN: &str = "the server does not show what the view reads to this account (`SHOW VIEW`)";
const ASKS: &str =
    "the view has something in it that may be another for another reader, such as USER() or a function";
const READS: &str =
    "the view reads what may show each reader other rows: another such view, or tables of the server";

/// A schema and a name in it.
type Name = (String, String);

/// The views that may show each reader something else, with the reason, from the rows of [`VIEWS`].
pub(super) fn that_depend_on_their_reader(rows: &[MySqlRow]) -> Result<BTreeMap<Name, String>> {
    let mut views = Vec::new();
    for row in rows {
        let definer = text(row, 3)?.eq_ignore_ascii_case("DEFINER");
        views.push(((text(row, 0)?, text(row, 1)?), text(row, 2)?, definer));
    }
    Ok(differing(&views).into_iter().map(|(name, why)| (name, why.to_owned())).collect())
}

/// Of views with their statements and whether each reads with the rights of its definer.
fn differing(views: &[(Name, String, bool)]) -> BTreeMap<Name, &'static str> {
    let (mut differing, mut reads) = (BTreeMap::new(), Vec::new());
    for (name, statement, definer) in views {
        match pairs(statement) {
            _ if !definer => drop(differing.insert(name.clone(), INVOKER)),
            _ if statement.is_empty() => drop(differing.insert(name.clone(), HIDDEN)),
            None => drop(differing.insert(name.clone(), ASKS)),
            Some(pairs) => reads.push((name, pairs)),
        }
    }
    // Each round finds the views over those that the one before found.
    loop {
        let is_other = |pair: &Name| differing.contains_key(pair) || OF_THE_SERVER.contains(&pair.0.as_str());
        let found =
            reads.iter().filter(|(name, pairs)| !differing.contains_key(*name) && pairs.iter().any(is_other));
        let found = found.map(|(name, _)| (*name).clone()).collect::<Vec<_>>();
        if found.is_empty() {
            return differing;
        }
        differing.extend(found.into_iter().map(|name| (name, READS)));
    }
}

/// All pairs of names with a dot between, some of which are tables; none when there is something that is not known.
fn pairs(statement: &str) -> Option<BTreeSet<Name>> {
    let tokens = Tokenizer::new(&MySqlDialect {}, statement).tokenize().ok()?;
    let tokens =
        tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect::<Vec<_>>();
    let mut pairs = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = |by: usize| tokens.get(at.saturating_add(by));
        match token {
            Token::Word(word) if word.quote_style.is_some() => {
                // A function that somebody made.
                if next(1) == Some(&Token::LParen) {
                    return None;
                }
                if let (Some(Token::Period), Some(Token::Word(name))) = (next(1), next(2)) {
                    pairs.insert((word.value.clone(), name.value.clone()));
                }
            }
            Token::Word(word) if KNOWN.contains(&word.value.to_ascii_lowercase().as_str()) => {}
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div => {}
            _ => return None,
        }
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements as MariaDB 10.11 writes them.
    #[test]
    fn a_view_is_the_same_for_all_when_all_in_it_is_known() {
        for (statement, expected) in [
            (
                "select `s`.`t`.`a` AS `a`,count(0) AS `n` from `s`.`t` where `s`.`t`.`b` in (1,2) group by `s`.`t`.`a`",
                None,
            ),
            (
                "select ucase('it''s user()') AS `current_user` from (`s`.`t` join `s`.`u` on(`t`.`a` = `u`.`a`))",
                None,
            ),
            ("select `s`.`f`() AS `x`", Some(ASKS)),
            ("select current_user() AS `u` from `s`.`t`", Some(ASKS)),
            ("select user() AS `u` from `s`.`t`", Some(ASKS)),
            ("select @@hostname AS `u` from `s`.`t`", Some(ASKS)),
            (
                "select `information_schema`.`tables`.`a` AS `a` from `information_schema`.`tables`",
                Some(READS),
            ),
            ("", Some(HIDDEN)),
        ] {
            let name = ("s".to_owned(), "v".to_owned());
            let found = differing(&[(name.clone(), statement.to_owned(), true)]);
            assert_eq!(found.get(&name).copied(), expected, "{statement}");
        }
    }

    #[test]
    fn a_view_over_another_that_differs_differs() {
        let name = |name: &str| ("s".to_owned(), name.to_owned());
        let over = |of: &str| format!("select `{of}`.`a` AS `a` from `s`.`{of}`");
        let views = [
            (name("outer"), over("middle"), true),
            (name("middle"), over("inner"), true),
            (name("inner"), over("t"), false),
            (name("same"), over("t"), true),
        ];
        let found = differing(&views).into_iter().map(|((_, name), why)| (name, why)).collect::<Vec<_>>();
        let expected = [("inner", INVOKER), ("middle", READS), ("outer", READS)];
        assert_eq!(found, expected.map(|(name, why)| (name.to_owned(), why)));
    }
}

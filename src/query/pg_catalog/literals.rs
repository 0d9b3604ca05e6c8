//! Literals, patterns and operators that PostgreSQL's clients write and that the engine would take for something else without
//! a word: lists and bytes in quotes, the letters in which `to_char` and its like say a form of time, `^` and `SIMILAR TO`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Statement, Value,
    VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::parts::{parsed, put_in};
use crate::error::{Error, ErrorKind, Result};

/// `base ^ exponent`, which is of `double precision` in PostgreSQL and never exclusive or.
const POWER: &str = "power(base::double precision, exponent::double precision)";

/// Functions whose second argument is a form of time.
const WITH_PATTERN: [&str; 3] = ["to_char", "to_date", "to_timestamp"];

/// What the letters of a form stand for in the engine's; the longest first.
const LETTERS: [(&str, &str); 22] = [
    ("YYYY", "%Y"),
    ("IYYY", "%G"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("Month", "%B"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("Day", "%A"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("US", "%6f"),
    ("MS", "%3f"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("IW", "%V"),
    ("Dy", "%a"),
    ("ID", "%u"),
    ("T", "T"),
];

/// Whether there may be something to translate in a statement of these tokens.
pub(super) fn are_in(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| match token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => {
            text.trim_start().starts_with('{') || text.starts_with("\\x")
        }
        Token::Word(word) => {
            let word = word.value.to_lowercase();
            WITH_PATTERN.contains(&word.as_str()) || ["regproc", "similar"].contains(&word.as_str())
        }
        Token::Caret => true,
        _ => false,
    })
}

/// `statement` with these in the engine's spelling.
///
/// # Errors
///
/// `query_failed` for what cannot be said in it.
pub(super) fn translated(mut statement: Statement) -> Result<Statement> {
    match statement.visit(&mut Translating) {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(text) => Err(Error::new(ErrorKind::QueryFailed, text)),
    }
}

struct Translating;

impl VisitorMut for Translating {
    type Break = String;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Cast { expr: inner, data_type: DataType::Array(_), .. } => {
                let Some(list) = text_of(inner).filter(|text| text.trim_start().starts_with('{')) else {
                    return ControlFlow::Continue(());
                };
                match items(list) {
                    Some(items) => **inner = Expr::Array(Array { elem: items, named: true }),
                    None => {
                        return ControlFlow::Break(format!(
                            "the list `{list}` does not read; write `ARRAY[…]`"
                        ));
                    }
                }
            }
            Expr::Cast { expr: inner, data_type: DataType::Bytea, .. } => {
                let digits = text_of(inner).and_then(|text| text.strip_prefix("\\x"));
                let is_hex = |digits: &&str| digits.chars().all(|digit| digit.is_ascii_hexdigit());
                if let Some(bytes) =
                    digits.filter(is_hex).and_then(|digits| parsed(&format!("decode('{digits}', 'hex')")))
                {
                    **inner = bytes;
                }
            }
            Expr::Function(call) if WITH_PATTERN.contains(&call.name.to_string().to_lowercase().as_str()) => {
                let FunctionArguments::List(list) = &mut call.args else { return ControlFlow::Continue(()) };
                if let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))] = list.args.as_mut_slice() {
                    return with_pattern(pattern);
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::PGExp | BinaryOperator::BitwiseXor, right } => {
                if let Some(mut power) = parsed(POWER) {
                    put_in(&mut power, &[("base", (**left).clone()), ("exponent", (**right).clone())]);
                    *expr = power;
                }
            }
            Expr::SimilarTo { .. } => {
                return ControlFlow::Break("`SIMILAR TO` is not known here: write `~` or `LIKE`".to_owned());
            }
            Expr::BinaryOp { left, right, .. } => {
                as_function_name(left, right);
                as_function_name(right, left);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Columns of `pg_type` that have the name of a function.
const FUNCTION_NAMES: [&str; 4] = ["typinput", "typoutput", "typreceive", "typsend"];

/// `typinput = 'pg_catalog.array_in'::regproc` compares names here.
fn as_function_name(column: &Expr, function: &mut Expr) {
    let column = match column {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(path) => path.last(),
        _ => None,
    };
    if !column.is_some_and(|name| FUNCTION_NAMES.contains(&name.value.to_lowercase().as_str())) {
        return;
    }
    let Expr::Cast { expr: inner, data_type, .. } = function else { return };
    let is_function = data_type.to_string().to_lowercase().ends_with("regproc");
    if let Some(name) = text_of(inner).filter(|_| is_function) {
        let name = name.rsplit('.').next().unwrap_or(name).to_owned();
        *function = Expr::Value(Value::SingleQuotedString(name).with_empty_span());
    }
}

fn with_pattern(pattern: &mut Expr) -> ControlFlow<String> {
    // One with a `%` is in the engine's own letters.
    let Some(letters) = text_of(pattern).filter(|text| !text.contains('%')) else {
        return ControlFlow::Continue(());
    };
    match in_our_letters(letters) {
        Some(ours) => {
            *pattern = Expr::Value(Value::SingleQuotedString(ours).with_empty_span());
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(format!("the form `{letters}` has letters that are not known here")),
    }
}

fn in_our_letters(pattern: &str) -> Option<String> {
    let mut ours = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"')?;
            ours.push_str(text);
            rest = after;
            continue;
        }
        let known = LETTERS.iter().find(|(theirs, _)| rest.starts_with(theirs));
        match known {
            Some((theirs, letters)) => {
                ours.push_str(letters);
                rest = rest.get(theirs.len()..)?;
            }
            None if first.is_alphabetic() => return None,
            None => {
                ours.push(first);
                rest = rest.get(first.len_utf8()..)?;
            }
        }
    }
    Some(ours)
}

/// What stands between the braces of a list in quotes; a list of lists does not read.
fn items(list: &str) -> Option<Vec<Expr>> {
    let inside = list.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut letters = inside.chars().peekable();
    if inside.trim().is_empty() {
        return Some(items);
    }
    loop {
        let (mut text, mut is_quoted) = (String::new(), false);
        loop {
            match letters.next() {
                None | Some(',') => break,
                Some('{' | '}') => return None,
                Some('"') if text.trim().is_empty() && !is_quoted => {
                    (text, is_quoted) = (quoted(&mut letters)?, true);
                }
                Some('"') => return None,
                Some('\\') => text.push(letters.next()?),
                Some(letter) if is_quoted && letter.is_whitespace() => {}
                Some(_) if is_quoted => return None,
                Some(letter) => text.push(letter),
            }
        }
        let value = match (is_quoted, text.trim()) {
            (true, _) => Value::SingleQuotedString(text),
            (false, "") => return None,
            (false, word) if word.eq_ignore_ascii_case("null") => Value::Null,
            (false, word) => Value::SingleQuotedString(word.to_owned()),
        };
        items.push(Expr::Value(value.with_empty_span()));
        if letters.peek().is_none() {
            return (!inside.trim_end().ends_with(',') || is_quoted).then_some(items);
        }
    }
}

/// The text up to the next quotation mark.
fn quoted(letters: &mut impl Iterator<Item = char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(letters.next()?),
            letter => text.push(letter),
        }
    }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn of(sql: &str) -> Result<String, String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        translated(statement).map(|changed| changed.to_string()).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn lists_and_bytes_in_quotes_are_lists_and_bytes() {
        for (sql, ours) in [
            ("SELECT '{a,b}'::text[]", "SELECT ARRAY['a', 'b']::TEXT[]"),
            ("SELECT '{}'::int[]", "SELECT ARRAY[]::INT[]"),
            (
                r#"SELECT '{ 1, NULL ,"NULL","a,\"b" }'::text[]"#,
                r#"SELECT ARRAY['1', NULL, 'NULL', 'a,"b']::TEXT[]"#,
            ),
            (
                "SELECT 1 FROM t WHERE t.typinput = 'pg_catalog.array_in'::regproc",
                "SELECT 1 FROM t WHERE t.typinput = 'array_in'",
            ),
            ("SELECT CAST('{1}' AS int[])", "SELECT CAST(ARRAY['1'] AS INT[])"),
            (r"SELECT '\x01ff'::bytea", "SELECT decode('01ff', 'hex')::BYTEA"),
            ("SELECT '{a}'::text, '{x', ARRAY['a']::text[]", "SELECT '{a}'::TEXT, '{x', ARRAY['a']::TEXT[]"),
        ] {
            assert_eq!(of(sql).as_deref(), Ok(ours), "{sql}");
        }
        for sql in ["'{a,}'", "'{,a}'", "'{{1},{2}}'", r#"'{"a'"#, "'{a'", r#"'{"a"b}'"#] {
            assert!(of(&format!("SELECT {sql}::text[]")).is_err(), "{sql}");
        }
    }

    #[test]
    fn forms_of_time_are_in_our_letters() {
        for (sql, ours) in [
            (
                "SELECT to_char(d, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')",
                "SELECT to_char(d, '%Y-%m-%dT%H:%M:%S.%6f')",
            ),
            ("SELECT TO_DATE('x', 'DD.MM.YY')", "SELECT TO_DATE('x', '%d.%m.%y')"),
            ("SELECT to_char(d, '%Y'), to_timestamp(1)", "SELECT to_char(d, '%Y'), to_timestamp(1)"),
        ] {
            assert_eq!(of(sql).as_deref(), Ok(ours), "{sql}");
        }
        assert_eq!(
            of("SELECT to_char(1, '999D99')").unwrap_err(),
            "the form `999D99` has letters that are not known here"
        );
    }
}

//! A condition of PostgreSQL's row level security as a row rule of ours, where both are true of exactly the same rows.
//!
//! What is taken is a small part of SQL on purpose: AND, OR, NOT, comparisons of columns with constants and with each
//! other, `= ANY (ARRAY[…])`, `<> ALL (ARRAY[…])`, `IS NULL`, `IS TRUE`, and the name of the reader. Types decide what may be
//! compared how: whole numbers and days in every way, texts, labels and truth values for being equal. All else is refused with
//! a reason, and never rendered nearly. The text is read from the tree that was understood, not copied.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArguments, Ident,
    UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::ingest::source::privileges::{HeldColumn, Values};
use crate::ingest::source::quoted;

/// The longest condition that is looked at, in bytes: a person can read no longer one either.
const LONGEST: usize = 8192;

/// What a condition is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// True of every row.
    AllRows,
    Rows(String),
}

/// `text`, which the server wrote, over a table of `columns`; or why it cannot be said here.
pub(super) fn rule(text: &str, columns: &[HeldColumn]) -> Result<Rule, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text);
    let mut parser = parser.map_err(|_| "it is not understood".to_owned())?;
    let expr = parser.parse_expr().map_err(|_| "it is not understood".to_owned())?;
    if parser.peek_token_ref().token != Token::EOF {
        return Err("it is not understood to its end".to_owned());
    }
    let sql = Table(columns).condition(&expr)?;
    Ok(if sql == "true" { Rule::AllRows } else { Rule::Rows(sql) })
}

struct Table<'a>(&'a [HeldColumn]);

/// One side of a comparison.
struct Side {
    sql: String,
    values: Values,
    is_constant: bool,
}

impl Table<'_> {
    fn condition(&self, expr: &Expr) -> Result<String, String> {
        match expr {
            Expr::Nested(inner) => self.condition(inner),
            Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
                Ok(format!("({} {op} {})", self.condition(left)?, self.condition(right)?))
            }
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(format!("(NOT {})", self.condition(expr)?)),
            Expr::IsTrue(inner) => Ok(format!("({} IS TRUE)", self.truth(inner)?)),
            Expr::IsNotTrue(inner) => Ok(format!("({} IS NOT TRUE)", self.truth(inner)?)),
            Expr::IsFalse(inner) => Ok(format!("({} IS FALSE)", self.truth(inner)?)),
            Expr::IsNotFalse(inner) => Ok(format!("({} IS NOT FALSE)", self.truth(inner)?)),
            Expr::IsNull(inner) => Ok(format!("({} IS NULL)", self.nullable(inner)?)),
            Expr::IsNotNull(inner) => Ok(format!("({} IS NOT NULL)", self.nullable(inner)?)),
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                self.is_among(left, "IN", right)
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                self.is_among(left, "NOT IN", right)
            }
            other => self.truth(other),
        }
    }

    /// A column or a constant that is true, false or NULL. Of a comparison it is not asked whether it is NULL: one of days may be
    /// where it is not in the source, which else only makes a condition less often true.
    fn truth(&self, expr: &Expr) -> Result<String, String> {
        let side = self.side(expr)?;
        match side.values {
            Values::Truth => Ok(side.sql),
            _ => Err(format!("`{expr}` is not a truth value")),
        }
    }

    fn comparison(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<String, String> {
        let (one, other) = (self.side(left)?, self.side(right)?);
        if one.values != other.values || !can_compare(&one.values, op) {
            return Err(format!("`{left} {op} {right}` may mean something else here"));
        }
        Ok(format!("({} {op} {})", one.sql, other.sql))
    }

    fn is_among(&self, left: &Expr, word: &str, list: &Expr) -> Result<String, String> {
        let side = self.side(left)?;
        let mut constants = Vec::new();
        for item in items(list).ok_or_else(|| format!("`{list}` is not a list of constants"))? {
            let constant = self.side(item)?;
            if !constant.is_constant
                || constant.values != side.values
                || !can_compare(&side.values, &BinaryOperator::Eq)
            {
                return Err(format!(
                    "`{left}` and `{item}` may not be equal here where they are in the source"
                ));
            }
            constants.push(constant.sql);
        }
        match constants.is_empty() {
            true => Err("it has an empty list".to_owned()),
            false => Ok(format!("({} {word} ({}))", side.sql, constants.join(", "))),
        }
    }

    /// A column whose NULLs are those of the source.
    fn nullable(&self, expr: &Expr) -> Result<String, String> {
        let side = self.side(expr)?;
        match side.values {
            Values::Truth | Values::Whole | Values::Text | Values::Label(_) if !side.is_constant => {
                Ok(side.sql)
            }
            _ => Err(format!(
                "`{expr}` may be NULL here where it is not in the source: `--unrepresentable null` puts NULL in the place of what \
                 the lake cannot hold"
            )),
        }
    }

    fn side(&self, expr: &Expr) -> Result<Side, String> {
        let constant = |sql: String, values: Values| Ok(Side { sql, values, is_constant: true });
        match expr {
            Expr::Nested(inner) => self.side(inner),
            Expr::Identifier(name) if is_current_role(name) => Ok(reader()),
            Expr::Identifier(name) => self.column(name),
            Expr::Value(value) => match &value.value {
                Value::Boolean(truth) => constant(truth.to_string(), Values::Truth),
                Value::Number(digits, _) => constant(whole(&digits.to_string())?, Values::Whole),
                other => Err(format!("`{other}` is a constant without a type")),
            },
            Expr::Function(function) if is_current_user(function) => Ok(reader()),
            Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: inner,
                data_type,
                array: false,
                format: None,
            } => match unwrapped(inner) {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(text) => {
                        let (sql, values) = typed(text, data_type)?;
                        constant(sql, values)
                    }
                    _ => self.cast(inner, data_type),
                },
                _ => self.cast(inner, data_type),
            },
            other => Err(format!("`{other}` has no equal here that is sure")),
        }
    }

    /// A cast that changes no value.
    fn cast(&self, expr: &Expr, data_type: &DataType) -> Result<Side, String> {
        let side = self.side(expr)?;
        let changes_nothing = match side.values {
            Values::Text => is_text(data_type),
            // A number that a cast does not take stops the statement in the source, so only the widest is certain.
            Values::Whole => matches!(data_type, DataType::BigInt(None)),
            _ => false,
        };
        match changes_nothing {
            true => Ok(side),
            false => Err(format!("`{expr}::{data_type}` may be another value here")),
        }
    }

    fn column(&self, name: &Ident) -> Result<Side, String> {
        let column = self.0.iter().find(|column| column.name == name.value);
        let column = column.ok_or_else(|| format!("`{}` is not a column of the table", name.value))?;
        Ok(Side { sql: quoted(&column.name), values: column.values.clone(), is_constant: false })
    }
}

/// The items of `ARRAY[…]`, also under a cast to an array of texts.
fn items(list: &Expr) -> Option<&[Expr]> {
    match unwrapped(list) {
        Expr::Array(array) => Some(&array.elem),
        Expr::Cast {
            expr, data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(of, None)), ..
        } if is_text(of) => items(expr),
        _ => None,
    }
}

fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unwrapped(inner),
        other => other,
    }
}

fn can_compare(values: &Values, op: &BinaryOperator) -> bool {
    match op {
        BinaryOperator::Eq | BinaryOperator::NotEq => !matches!(values, Values::Other),
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
            matches!(values, Values::Whole | Values::Day)
        }
        _ => false,
    }
}

/// Without a length: one would cut the text.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Text | DataType::CharacterVarying(None) | DataType::Varchar(None))
}

/// The constant `text` of the type that the server gave it.
fn typed(text: &str, data_type: &DataType) -> Result<(String, Values), String> {
    match data_type {
        text_type if is_text(text_type) => Ok((literal(text), Values::Text)),
        DataType::SmallInt(None) | DataType::Integer(None) | DataType::BigInt(None) => {
            Ok((whole(text)?, Values::Whole))
        }
        DataType::Date => Ok((format!("DATE {}", literal(day(text)?)), Values::Day)),
        other => match other.to_string() {
            name if name.eq_ignore_ascii_case("uuid") => {
                Ok((literal(text), Values::Label("uuid".to_owned())))
            }
            name if name == "name" => Ok((literal(text), Values::Text)),
            name => Ok((literal(text), Values::Label(name))),
        },
    }
}

fn whole(digits: &str) -> Result<String, String> {
    let number = digits.parse::<i64>();
    number
        .map(|number| number.to_string())
        .map_err(|_| format!("`{digits}` is not a whole number of 64 bits"))
}

/// A day of the years that every reader knows.
fn day(text: &str) -> Result<&str, String> {
    let is_day = text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
    if is_day { Ok(text) } else { Err(format!("`{text}` is a day that may be another one here")) }
}

fn reader() -> Side {
    Side { sql: "current_user()".to_owned(), values: Values::Text, is_constant: false }
}

fn is_current_user(function: &Function) -> bool {
    let name = function.name.to_string();
    matches!(function.args, FunctionArguments::None) && (name == "CURRENT_USER" || name == "USER")
}

/// The server writes names of columns in small letters or in quotes.
fn is_current_role(name: &Ident) -> bool {
    name.quote_style.is_none() && name.value == "CURRENT_ROLE"
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<HeldColumn> {
        let of = |name: &str, values: Values| HeldColumn { name: name.to_owned(), values };
        vec![
            of("id", Values::Whole),
            of("tx", Values::Text),
            of("We\"ird", Values::Text),
            of("current_role", Values::Text),
            of("u", Values::Label("uuid".to_owned())),
            of("m", Values::Label("mood".to_owned())),
            of("d", Values::Day),
            of("b", Values::Truth),
            of("bp", Values::Other),
        ]
    }

    /// Conditions as a server of PostgreSQL 15 writes them.
    #[test]
    fn what_is_exactly_the_same_here_is_rendered() {
        for (text, expected) in [
            ("(tx = CURRENT_USER)", "(\"tx\" = current_user())"),
            ("(CURRENT_ROLE = (tx)::text)", "(current_user() = \"tx\")"),
            ("(tx = USER)", "(\"tx\" = current_user())"),
            ("(\"current_role\" = 'x'::text)", "(\"current_role\" = 'x')"),
            (
                "((tx)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
                "(\"tx\" IN ('a', 'b'))",
            ),
            ("(id = ANY (ARRAY[(1)::bigint, '99999999999'::bigint]))", "(\"id\" IN (1, 99999999999))"),
            ("(id <> ALL (ARRAY[3, 4]))", "(\"id\" NOT IN (3, 4))"),
            (
                "((id >= 1) AND (id <= '-3'::integer) AND (NOT b))",
                "(((\"id\" >= 1) AND (\"id\" <= -3)) AND (NOT \"b\"))",
            ),
            ("((b IS NOT TRUE) OR (b = false))", "((\"b\" IS NOT TRUE) OR (\"b\" = false))"),
            ("((tx IS NULL) OR (m IS NOT NULL))", "((\"tx\" IS NULL) OR (\"m\" IS NOT NULL))"),
            (
                "(u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid)",
                "(\"u\" = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')",
            ),
            ("(m <> 'ok'::mood)", "(\"m\" <> 'ok')"),
            ("(d >= '2024-02-29'::date)", "(\"d\" >= DATE '2024-02-29')"),
            ("(\"We\"\"ird\" = 'it''s\\x -- \"'::text)", "(\"We\"\"ird\" = 'it''s\\x -- \"')"),
            ("(tx = 'a'::name)", "(\"tx\" = 'a')"),
        ] {
            assert_eq!(rule(text, &columns()), Ok(Rule::Rows(expected.to_owned())), "{text}");
        }
        assert_eq!(rule("true", &columns()), Ok(Rule::AllRows));
    }

    #[test]
    fn what_may_mean_something_else_is_refused() {
        for text in [
            "(bp = 'abc'::bpchar)",
            "(bp IS NULL)",
            "((d < '2024-01-01'::date) IS NOT TRUE)",
            "((id = 5) IS TRUE)",
            "(d IS NULL)",
            "(tx = SESSION_USER)",
            "(tx > 'a'::text)",
            "(m > 'ok'::mood)",
            "(m = 'ok'::other)",
            "(m = 'ok'::text)",
            "((m)::text = 'ok'::text)",
            "(id = '5'::text)",
            "(id = 1.5)",
            "(id = 99999999999999999999)",
            "((id)::integer = 5)",
            "((tx)::character varying(3) = 'abc'::text)",
            "(tx = 'abcdef'::character varying(3))",
            "(tx ~~ 'a%'::text)",
            "(tx IS DISTINCT FROM 'a'::text)",
            "(tx = ANY ('{a,b}'::text[]))",
            "(tx = ANY (ARRAY['a'::text, NULL::text]))",
            "(tx = ANY (ARRAY[tx]))",
            "(tx > ANY (ARRAY['a'::text]))",
            "(id <> ANY (ARRAY[1, 2]))",
            "(id = ALL (ARRAY[1, 2]))",
            "(id = ANY (ARRAY[]))",
            "(lower(tx) = 'a'::text)",
            "(tx = current_setting('app.tenant'::text))",
            "(EXISTS ( SELECT 1 FROM other))",
            "(id = ( SELECT 1))",
            "(tx = ('a'::text COLLATE \"C\"))",
            "(d >= '0044-03-15 BC'::date)",
            "(d >= 'infinity'::date)",
            "(d > '12024-02-01'::date)",
            "(id OPERATOR(public.=) 5)",
            "(none = 5)",
            "id",
            "tx",
            "NULL",
            "NULL::boolean",
            "('t' = 't')",
            "(id = 5) x",
            "(id = 5); SELECT 1",
            "",
        ] {
            assert!(rule(text, &columns()).is_err(), "{text}: {:?}", rule(text, &columns()));
        }
        assert!(rule(&format!("({} = 5)", "x".repeat(LONGEST)), &columns()).is_err());
    }
}

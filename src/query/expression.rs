//! A policy's expression as the engine knows it: parsed, checked and bound to its table, with the reader's values in
//! it as constants.
//!
//! Names are looked up in the guarded table alone. What the reader brings (name, roles, attributes) becomes a literal
//! in the syntax tree and is never text that is parsed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility};
use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::ast::{
    self, Array, CastKind, Expr as Syntax, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArguments,
    Value, visit_expressions, visit_expressions_mut,
};

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::fault::in_words;
use super::functions::planner::CONCATENATION;
use super::functions::{self, Class};
use super::precedence;
use super::sql_type;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::compile::Index;
use crate::policy::principal::Identity;

/// What an expression may ask of the reader.
#[derive(Debug)]
pub struct Reader<'a> {
    pub identity: &'a Identity,
    pub index: &'a Index,
}

/// The boolean expression `text` over `schema`, for `reader`.
pub fn condition(
    text: &str,
    schema: &DFSchema,
    reader: &Reader<'_>,
    session: &SessionState,
) -> Result<Expr, String> {
    match value(text, schema, reader, session)? {
        (expr, DataType::Boolean | DataType::Null) => Ok(expr),
        (_, other) => Err(format!("it gives {}, and a row rule must give a boolean", sql_type(&other))),
    }
}

/// The expression `text` over `schema`, for `reader`, with its type.
pub fn value(
    text: &str,
    schema: &DFSchema,
    reader: &Reader<'_>,
    session: &SessionState,
) -> Result<(Expr, DataType), String> {
    let mut syntax = parse(text)?;
    substitute(&mut syntax.expr, reader)?;
    let expr = session.create_logical_expr_from_sql_expr(syntax, schema).map_err(|fault| in_words(&fault))?;
    refuse_what_is_not_a_rule(&expr)?;
    let data_type = expr.get_type(schema).map_err(|fault| in_words(&fault))?;
    Ok((expr, data_type))
}

/// The expression `text` with the values of `reader` in it, spelt out: equal where it says the same to two readers.
pub fn bound(text: &str, reader: &Reader<'_>) -> Result<String, String> {
    let mut syntax = parse(text)?;
    substitute(&mut syntax.expr, reader)?;
    // As SQL two values could look alike: a quote that is in one, and one that is escaped.
    Ok(format!("{:?}", syntax.expr))
}

/// Every name in the expression `text`: those of its columns, and perhaps others. None in one that does not read.
pub fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Ok(syntax) = parse(text) else { return names };
    let _: ControlFlow<()> = visit_expressions(&syntax.expr, |part| {
        match part {
            Syntax::Identifier(name) => names.extend([name.value.clone()]),
            Syntax::CompoundIdentifier(parts) => names.extend(parts.iter().map(|name| name.value.clone())),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    names
}

/// Checks what can be checked of a rule's expression without a table.
pub fn check_syntax(text: &str) -> Result<(), String> {
    parse(text).map(|_| ())
}

/// Whether every row for which `narrow` is true is one for which `wide` is, as far as the texts show it: `wide` is all
/// of `narrow`, or everything that `wide` joins by AND is among what `narrow` does.
pub fn implies(narrow: &str, wide: &str) -> bool {
    let (Ok(narrow), Ok(wide)) = (parse(narrow), parse(wide)) else { return false };
    let (mut has, mut needs) = (Vec::new(), Vec::new());
    conjuncts(&narrow.expr, &mut has);
    conjuncts(&wide.expr, &mut needs);
    needs.iter().all(|part| has.contains(part))
}

fn conjuncts<'a>(syntax: &'a Syntax, parts: &mut Vec<&'a Syntax>) {
    match syntax {
        Syntax::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        Syntax::Nested(inner) => conjuncts(inner, parts),
        other => parts.push(other),
    }
}

/// The refusal of a query whose policy no longer fits its table. The reader learns no expression.
pub fn no_longer_fits(table: &str, text: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::PolicyInvalid,
        format!("a policy of `{table}` no longer fits the table; ask an administrator"),
    )
    .with_source(format!("`{text}` on {table}: {reason}"))
}

fn parse(text: &str) -> Result<ExprWithAlias, String> {
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .tokenize_with_location()
        .map_err(|fault| fault.to_string())?;
    let mut parser =
        DFParserBuilder::new(without_empty_calls(tokens)).build().map_err(|fault| in_words(&fault))?;
    let mut syntax = parser.parse_into_expr().map_err(|fault| in_words(&fault))?;
    if syntax.alias.is_some() {
        return Err("it has an alias".to_owned());
    }
    precedence::restore(&mut syntax.expr);
    let found = visit_expressions(&syntax.expr, |part| match part {
        Syntax::Subquery(_) | Syntax::Exists { .. } | Syntax::InSubquery { .. } => {
            ControlFlow::Break("a subquery is not possible in a rule")
        }
        Syntax::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
            ControlFlow::Break("a parameter is not possible in a rule")
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(reason) => Err(reason.to_owned()),
        ControlFlow::Continue(()) => Ok(syntax),
    }
}

/// The parser knows `current_user` as a word without brackets; rules write it as the function that it is.
fn without_empty_calls(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut tokens =
        tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).peekable();
    while let Some(token) = tokens.next() {
        let is_current_user =
            matches!(&token.token, Token::Word(word) if word.keyword == Keyword::CURRENT_USER);
        kept.push(token);
        if is_current_user && tokens.next_if(|next| next.token == Token::LParen).is_some() {
            // Arguments are left where they are: the parser then refuses them.
            tokens.next_if(|next| next.token == Token::RParen);
        }
    }
    kept
}

/// Puts constants in the place of `current_user()`, `is_member(…)`, `attr(…)` and `attr_list(…)`.
fn substitute(syntax: &mut Syntax, reader: &Reader<'_>) -> Result<(), String> {
    let outcome = visit_expressions_mut(syntax, |part| {
        let Syntax::Function(function) = part else { return ControlFlow::Continue(()) };
        match asked_of_reader(function, reader) {
            Ok(Some(constant)) => *part = constant,
            Ok(None) => {}
            Err(reason) => return ControlFlow::Break(reason),
        }
        ControlFlow::Continue(())
    });
    match outcome {
        ControlFlow::Break(reason) => Err(reason),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn asked_of_reader(function: &ast::Function, reader: &Reader<'_>) -> Result<Option<Syntax>, String> {
    let name = function.name.to_string().to_lowercase();
    match name.as_str() {
        "current_user" => Ok(Some(text(&reader.identity.user))),
        "is_member" => {
            let group = text_argument(function)?;
            let roles = reader.index.roles_of(reader.identity);
            let is_member = roles.contains(&group) || reader.identity.groups.contains(&group);
            Ok(Some(Syntax::value(Value::Boolean(is_member))))
        }
        "attr" => {
            let value = reader.identity.attributes.get(&text_argument(function)?).and_then(as_text);
            Ok(Some(value.map_or_else(null_text, |value| text(&value))))
        }
        "attr_list" => {
            let values = match reader.identity.attributes.get(&text_argument(function)?) {
                Some(serde_json::Value::Array(values)) => values.iter().filter_map(as_text).collect(),
                Some(value) => as_text(value).into_iter().collect::<Vec<_>>(),
                None => Vec::new(),
            };
            Ok(Some(text_list(&values)))
        }
        _ => Ok(None),
    }
}

/// An attribute as text: strings as they are, other JSON values as they are written, null as nothing.
fn as_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn text(value: &str) -> Syntax {
    Syntax::value(Value::SingleQuotedString(value.to_owned()))
}

fn cast(expr: Syntax, data_type: ast::DataType) -> Syntax {
    Syntax::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn null_text() -> Syntax {
    cast(Syntax::value(Value::Null), ast::DataType::Text)
}

/// Cast, so that an empty list has a type as well.
fn text_list(values: &[String]) -> Syntax {
    let list = Syntax::Array(Array { elem: values.iter().map(|value| text(value)).collect(), named: true });
    cast(
        list,
        ast::DataType::Array(ast::ArrayElemTypeDef::SquareBracket(Box::new(ast::DataType::Text), None)),
    )
}

fn text_argument(function: &ast::Function) -> Result<String, String> {
    if let FunctionArguments::List(list) = &function.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Value(value)))] = list.args.as_slice()
        && let Value::SingleQuotedString(text) = &value.value
    {
        return Ok(text.clone());
    }
    Err(format!("`{}` takes one text in quotes", function.name))
}

/// A rule must give the same answer for the same row every time, from the row and the reader alone.
fn refuse_what_is_not_a_rule(expr: &Expr) -> Result<(), String> {
    let mut reason = None;
    expr.apply(|part| {
        reason = match part {
            Expr::AggregateFunction(_) => Some("an aggregate is not possible in a rule".to_owned()),
            Expr::WindowFunction(_) => Some("a window function is not possible in a rule".to_owned()),
            Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) => {
                Some("a subquery is not possible in a rule".to_owned())
            }
            Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                Some(format!("`{}` does not give the same answer every time", call.func.name()))
            }
            // An operator, and not in the list of functions.
            Expr::ScalarFunction(call) if call.func.name() == CONCATENATION => None,
            Expr::ScalarFunction(call) => not_for_rules("scalar", call.func.name()),
            Expr::HigherOrderFunction(call) => not_for_rules("higher_order", call.func.name()),
            _ => None,
        };
        Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(|fault| in_words(&fault))?;
    reason.map_or(Ok(()), Err)
}

fn not_for_rules(kind: &str, name: &str) -> Option<String> {
    (functions::class(kind, name) < Class::Policy).then(|| format!("`{name}` is not possible in a rule"))
}

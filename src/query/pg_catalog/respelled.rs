//! Ways of writing that clients of PostgreSQL use to ask the catalog and that the engine has not: an escape character of
//! one's own, the field of a row that a function gives, and a subquery for one value that looks as if it gave many.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArguments, GroupByExpr, JoinOperator, Query, Select, SelectItem, SetExpr,
    Statement, Subscript, TableFactor, TableWithJoins, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::WITHOUT_ROWS;
use super::parts::{parsed, put_in};

/// `statement` in the engine's spelling.
pub(super) fn respelled(mut statement: Statement) -> Statement {
    let _ = statement.visit(&mut Respelling);
    statement
}

struct Respelling;

impl VisitorMut for Respelling {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escaped) = escape_char.as_ref().and_then(|escape| with_backslash(pattern, escape))
                {
                    **pattern = escaped;
                    *escape_char = None;
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                // Of a name the first parts are those of a column: `con.conkey[1]`.
                let of_column = match root.as_ref() {
                    Expr::Identifier(_) => {
                        access_chain.iter().take_while(|access| matches!(access, AccessExpr::Dot(_))).count()
                    }
                    _ => 0,
                };
                access_chain.iter_mut().skip(of_column).for_each(as_subscript);
            }
            Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("array") => {
                if let FunctionArguments::Subquery(query) = &mut call.args
                    && let Some(list) = list_of(query)
                {
                    *expr = list;
                }
            }
            Expr::Subquery(query) => match has_no_rows(query) {
                true => *expr = Expr::Value(Value::Null.with_empty_span()),
                false => to_one_row(query),
            },
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `pattern` with `\` in the place of the escape character: `'a/_b' ESCAPE '/'` is `'a\_b'`.
fn with_backslash(pattern: &Expr, escape: &ValueWithSpan) -> Option<Expr> {
    let Value::SingleQuotedString(escape) = &escape.value else { return None };
    if escape == "\\" {
        // It is the engine's own.
        return Some(pattern.clone());
    }
    let mut replaced = parsed("replace(replace(p, '\\', '\\\\'), e, '\\')")?;
    let parts = [
        ("p", pattern.clone()),
        ("e", Expr::Value(Value::SingleQuotedString(escape.clone()).with_empty_span())),
    ];
    put_in(&mut replaced, &parts);
    Some(replaced)
}

/// What an aggregate is called in queries of the catalog.
const AGGREGATES: [&str; 9] =
    ["array_agg", "bool_and", "bool_or", "count", "first_value", "max", "min", "string_agg", "sum"];

/// A subquery for one value, which the engine wants to see that it gives one row: the least of the values, of which the
/// catalog has one.
fn to_one_row(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if query.limit_clause.is_some() || select.from.is_empty() {
        return;
    }
    if let Some(value) = single_value(select)
        && let Some(mut least) = parsed("min(v)")
    {
        put_in(&mut least, &[("v", value.clone())]);
        *value = least;
    }
}

/// How psql asks for the options of a table, of which there are none.
const OPTIONS: [&str; 2] = ["pg_catalog.unnest(tc.reloptions) x", "unnest(tc.reloptions) x"];

/// `ARRAY(SELECT v …)` is `(SELECT array_agg(v) …)`; of what has no rows it is an empty list.
fn list_of(query: &mut Query) -> Option<Expr> {
    if has_no_rows(query) {
        return parsed("ARRAY[]::text[]");
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    if select.from.iter().any(|of| OPTIONS.contains(&of.to_string().as_str())) {
        return parsed("ARRAY[]::text[]");
    }
    let value = single_value(select)?;
    let mut list = parsed("array_agg(v)")?;
    put_in(&mut list, &[("v", value.clone())]);
    *value = list;
    query.order_by = None;
    Some(Expr::Subquery(Box::new(query.clone())))
}

/// Whether `query` reads a table that has no rows, and gives none for it: its value is NULL.
fn has_no_rows(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let is_empty = |of: &TableWithJoins| match &of.relation {
        TableFactor::Table { name, .. } => {
            name.0.last().is_some_and(|name| WITHOUT_ROWS.contains(&name.to_string().as_str()))
        }
        _ => false,
    };
    let keeps_none = |of: &TableWithJoins| {
        of.joins
            .iter()
            .all(|join| matches!(join.join_operator, JoinOperator::Join(_) | JoinOperator::Inner(_)))
    };
    select.from.iter().any(|of| is_empty(of) && keeps_none(of)) && single_value(select).is_some()
}

/// The one value of each row, when nothing is grouped.
fn single_value(select: &mut Select) -> Option<&mut Expr> {
    if !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty()) {
        return None;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    match value {
        Expr::Function(call) if AGGREGATES.contains(&call.name.to_string().to_lowercase().as_str()) => None,
        value => Some(value),
    }
}

/// `(f(x)).n` is `(f(x))['n']`.
fn as_subscript(access: &mut AccessExpr) {
    if let AccessExpr::Dot(Expr::Identifier(name)) = access {
        let index = Expr::Value(Value::SingleQuotedString(name.value.clone()).with_empty_span());
        *access = AccessExpr::Subscript(Subscript::Index { index });
    }
}

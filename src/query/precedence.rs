//! `a IS DISTINCT FROM b AND c` as SQL means it.
//!
//! The parser takes everything that follows for the right side, so `active` would be a part of what is compared in
//! `tenant IS NOT DISTINCT FROM attr('tenant') AND active`. In SQL `AND` and `OR` bind less than any comparison.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut};

/// Gives every comparison in `syntax` its own sides.
pub fn restore(syntax: &mut impl VisitMut) {
    let _ = VisitMut::visit(syntax, &mut Precedence);
}

struct Precedence;

impl VisitorMut for Precedence {
    type Break = ();

    /// From the inside out, so that what is on the right is right already.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (last, binds_less): (_, fn(&BinaryOperator) -> bool) = match expr {
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => (right, is_and_or),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: negated } => (negated, is_and_or),
            Expr::BinaryOp { op: BinaryOperator::And, right, .. } => (right, is_or),
            _ => return ControlFlow::Continue(()),
        };
        let mut whole = std::mem::replace(last.as_mut(), nothing());
        let first = first(&mut whole, binds_less);
        // `expr` gets what is first in `whole`, and then takes its place.
        std::mem::swap(last.as_mut(), first);
        *first = std::mem::replace(expr, nothing());
        *expr = whole;
        ControlFlow::Continue(())
    }
}

/// What stands leftmost among the operators that bind less.
fn first(expr: &mut Expr, binds_less: fn(&BinaryOperator) -> bool) -> &mut Expr {
    if !matches!(expr, Expr::BinaryOp { op, .. } if binds_less(op)) {
        return expr;
    }
    match expr {
        Expr::BinaryOp { left, .. } => first(left, binds_less),
        other => other,
    }
}

fn is_and_or(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or)
}

fn is_or(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::Or)
}

fn nothing() -> Expr {
    Expr::value(Value::Null)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// `expr` with each comparison in brackets.
    fn bracketed(expr: &Expr) -> String {
        match expr {
            Expr::IsDistinctFrom(left, right) => format!("[{left} <> {right}]"),
            Expr::IsNotDistinctFrom(left, right) => format!("[{left} = {right}]"),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => format!("NOT {}", bracketed(expr)),
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", bracketed(left), bracketed(right)),
            other => other.to_string(),
        }
    }

    #[test]
    fn a_comparison_ends_where_and_begins() {
        for (text, meant) in [
            ("a IS DISTINCT FROM b", "[a <> b]"),
            ("a IS DISTINCT FROM b AND c", "([a <> b] AND c)"),
            ("a IS NOT DISTINCT FROM f(b) AND c OR d", "(([a = f(b)] AND c) OR d)"),
            ("x AND a IS DISTINCT FROM b OR c", "((x AND [a <> b]) OR c)"),
            ("a IS DISTINCT FROM b AND c IS DISTINCT FROM d AND e", "([a <> b] AND ([c <> d] AND e))"),
            ("x AND y AND a IS DISTINCT FROM b AND c", "((x AND y) AND ([a <> b] AND c))"),
            ("NOT a IS DISTINCT FROM b AND c OR d", "((NOT [a <> b] AND c) OR d)"),
            ("x OR NOT a IS DISTINCT FROM b OR c", "(x OR (NOT [a <> b] OR c))"),
            ("x AND NOT y AND z OR NOT (a OR b) AND c", "(((x AND NOT y) AND z) OR (NOT (a OR b) AND c))"),
            ("a IS DISTINCT FROM (b AND c)", "[a <> (b AND c)]"),
            ("a IS DISTINCT FROM b + 1 AND c", "([a <> b + 1] AND c)"),
        ] {
            let mut expr = Parser::new(&GenericDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap();
            restore(&mut expr);
            assert_eq!(bracketed(&expr), meant, "{text}");
        }
    }
}

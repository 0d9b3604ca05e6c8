//! Expressions made of others. An expression is never printed into another: what a reader wrote is put in as the tree that it is.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The expression that `sql`, of our own, says.
pub(super) fn parsed(sql: &str) -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).and_then(|mut parser| parser.parse_expr()).ok()
}

/// Puts expressions in the place of names.
pub(super) fn put_in(expr: &mut Expr, parts: &[(&str, Expr)]) {
    let _ = visit_expressions_mut(expr, |inner| {
        if let Expr::Identifier(name) = inner
            && let Some((_, part)) = parts.iter().find(|(placeholder, _)| *placeholder == name.value)
        {
            *inner = Expr::Nested(Box::new(part.clone()));
        }
        ControlFlow::<()>::Continue(())
    });
}

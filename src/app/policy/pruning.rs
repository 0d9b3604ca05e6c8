//! Whether the row rules in force let files be left out: by what they compare, and by how the tables lie.

use std::collections::BTreeSet;

use datafusion::logical_expr::{BinaryExpr, Operator};
use datafusion::prelude::Expr;

use crate::app::App;
use crate::app::rules::standing::Standing;
use crate::catalog::files;
use crate::error::Result;
use crate::policy::lint::Finding;
use crate::policy::model::TableName;
use crate::store::record::State;

/// Of how many tables the files are looked at in one lint: each costs the reading of some footers.
const MOST_TABLES: usize = 256;

/// What is to be told of the row rules in `rules`, which fit their tables.
pub async fn cannot_prune(app: &App, state: &State, rules: &[Standing]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut looked_at = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    for Standing { rule, tried } in rules {
        for (name, expression) in tried.iter().flatten() {
            if !can_prune(expression, &|_| true) {
                let why = "no part of its row rule compares a plain column with a constant";
                found.push(finding(format!("{rule} makes every file be read: {why}")));
                break;
            }
            if looked_at.len() == MOST_TABLES && !looked_at.contains(name) {
                left_out.insert(name);
                continue;
            }
            looked_at.insert(name);
            match is_of_help(app, state, name, expression).await {
                Ok(true) => {}
                Ok(false) => found.push(finding(format!(
                    "{rule} makes every file of `{name}` be read: the table is neither partitioned nor sorted by {}",
                    listed(expression)
                ))),
                Err(error) => {
                    let text = format!("whether {rule} makes every file of `{name}` be read is not known: {}", error.detail());
                    found.push(Finding::new("files_unreadable", text));
                }
            }
        }
    }
    if !left_out.is_empty() {
        let text = format!(
            "whether their row rules make every file be read was not looked at for {} of {} tables",
            left_out.len(),
            left_out.len() + looked_at.len()
        );
        found.push(Finding::new("files_not_looked_at", text));
    }
    found
}

fn finding(text: String) -> Finding {
    Finding::new("row_filter_cannot_prune", text)
}

fn listed(expression: &Expr) -> String {
    let columns: BTreeSet<String> =
        expression.column_refs().into_iter().map(|column| format!("`{}`", column.name)).collect();
    columns.into_iter().collect::<Vec<_>>().join(" or ")
}

/// Whether the files of a table lie so that `expression` leaves some of them out. A view has none of its own.
async fn is_of_help(app: &App, state: &State, table: &TableName, expression: &Expr) -> Result<bool> {
    let Some(record) = state.tables.get(table) else { return Ok(true) };
    let columns: Vec<&str> =
        expression.column_refs().into_iter().map(|column| column.name.as_str()).collect();
    let clustering = app.lake.clustering(&files(&record.value), &columns).await?;
    Ok(can_prune(expression, &|column| clustering.helps(column)))
}

/// Whether files can be left out by what is known of the columns that `helps` names: some part that must hold
/// compares one of them with a constant, as far as is known without the reader.
fn can_prune(expression: &Expr, helps: &dyn Fn(&str) -> bool) -> bool {
    let is_constant = |expression: &Expr| expression.column_refs().is_empty();
    let is_column = |expression: &Expr| matches!(expression, Expr::Column(column) if helps(&column.name));
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            can_prune(left, helps) || can_prune(right, helps)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            can_prune(left, helps) && can_prune(right, helps)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            use Operator::{Eq, Gt, GtEq, Lt, LtEq};
            matches!(op, Eq | Lt | LtEq | Gt | GtEq)
                && ((is_column(left) && is_constant(right)) || (is_constant(left) && is_column(right)))
        }
        Expr::InList(list) => !list.negated && is_column(&list.expr) && list.list.iter().all(is_constant),
        Expr::Between(between) => {
            !between.negated
                && is_column(&between.expr)
                && is_constant(&between.low)
                && is_constant(&between.high)
        }
        Expr::Like(like) => {
            !like.negated && !like.case_insensitive && is_column(&like.expr) && is_constant(&like.pattern)
        }
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_column(inner),
        Expr::Not(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) => is_column(inner),
        // A truth value itself; or a constant, which folds the rest away.
        Expr::Column(_) => is_column(expression),
        other => is_constant(other),
    }
}

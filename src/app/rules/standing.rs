//! The rules that are in force, looked at again: tables change, and what fitted them once may not any more.

use arrow_schema::SchemaRef;
use datafusion::logical_expr::{BinaryExpr, Operator};
use datafusion::prelude::Expr;

use super::{Judge, Names};
use crate::app::{App, Governance};
use crate::error::Error;
use crate::policy::grant::GrantSpec;
use crate::policy::leaf;
use crate::policy::model::{TableName, Target};
use crate::policy::restriction::{Effect, Restriction};
use crate::store::record::State;

/// What is wrong with a rule that stands.
#[derive(Debug)]
pub enum Trouble {
    /// Its expression or mask does not fit a table that it is on: the table cannot be read.
    DoesNotFit(Error),
    /// No part of its row rule can tell which files to leave out: every one is read.
    CannotPrune,
}

/// The rules of `state` that are in trouble, each as words that name it.
pub fn in_trouble(app: &App, state: State) -> Vec<(String, Trouble)> {
    let judge = Judge::new(app, Governance::of(state), Names::MayCome);
    let mut found = Vec::new();
    for grant in judge.after.grants.values().map(|grant| &grant.value) {
        if let Some(rows) = &grant.rows {
            let trouble = judge.rows(rows, judge.tables_of(&grant.on));
            found.extend(trouble.map(|trouble| (format!("`{}`", GrantSpec::from(grant.as_ref())), trouble)));
        }
    }
    for filter in judge.after.filters.values().map(|filter| &filter.value) {
        if let Some(rows) = &filter.rows {
            let on = Target::Table(filter.on.clone());
            let trouble = judge.rows(rows, judge.tables_of(&on));
            found.extend(trouble.map(|trouble| (format!("the filter `{}`", filter.name), trouble)));
        }
    }
    for rule in judge.after.restrictions.values().map(|rule| &rule.value) {
        let trouble = judge.restriction_in_trouble(rule);
        found.extend(trouble.map(|trouble| (format!("the restriction `{}`", rule.name), trouble)));
    }
    found
}

impl Judge<'_> {
    fn restriction_in_trouble(&self, rule: &Restriction) -> Option<Trouble> {
        match &rule.effect {
            Effect::Rows(rows) => {
                let on =
                    self.all_tables().filter(|(name, _)| leaf::restricts_rows_of(rule, name, &self.index));
                self.rows(rows, on)
            }
            Effect::Hide | Effect::Mask(_) => {
                self.effect(rule).err().map(|(_, error)| Trouble::DoesNotFit(error))
            }
        }
    }

    /// A row rule on each of `tables`: that it does not fit one of them is worse than that it reads all of another.
    fn rows<'t>(
        &self,
        text: &str,
        tables: impl Iterator<Item = (&'t TableName, &'t SchemaRef)>,
    ) -> Option<Trouble> {
        let mut trouble = None;
        for (name, schema) in tables {
            match self.expressions.rows_on(text, name, schema, &self.index) {
                Err(error) => return Some(Trouble::DoesNotFit(error)),
                Ok(expression) if !prunes(&expression) => trouble = Some(Trouble::CannotPrune),
                Ok(_) => {}
            }
        }
        trouble
    }
}

/// Whether files can be left out by what is known of their columns: some part that must hold compares a plain column
/// with a constant, as far as is known without the reader.
fn prunes(expression: &Expr) -> bool {
    let is_constant = |expression: &Expr| expression.column_refs().is_empty();
    let is_column = |expression: &Expr| matches!(expression, Expr::Column(_));
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => prunes(left) || prunes(right),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => prunes(left) && prunes(right),
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
        // A column that is a truth value itself; or a constant, which folds the rest away.
        Expr::Column(_) => true,
        other => is_constant(other),
    }
}

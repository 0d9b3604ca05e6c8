//! A reader's EXPLAIN: the plan of their query over tables as they see them.
//!
//! It is optimized anew with nothing below the barriers. What the policy does there would otherwise show in the shape of
//! what is above: a rule that lets no row pass is taken for an empty table, and a column that it uses is read.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, Result, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};

use super::barrier::logical::Barrier;

/// The text of `plan`, which is not optimized yet, as its reader may see it.
pub fn told_to_reader(plan: LogicalPlan, session: &SessionState) -> Result<String> {
    let opaque = each_barrier(plan, opaque)?;
    let optimized = session.optimize(&opaque)?;
    let told = each_barrier(optimized, |barrier| Ok(GuardedScan::of(barrier)))?;
    Ok(told.display_indent().to_string())
}

fn each_barrier(plan: LogicalPlan, change: impl Fn(&Barrier) -> Result<LogicalPlan>) -> Result<LogicalPlan> {
    let changed = plan.transform_down_with_subqueries(|node| match Barrier::of(&node) {
        Some(barrier) => Ok(Transformed::new(change(barrier)?, true, TreeNodeRecursion::Jump)),
        None => Ok(Transformed::no(node)),
    })?;
    Ok(changed.data)
}

/// `barrier` with nothing below but a table that has the columns that leave it.
fn opaque(barrier: &Barrier) -> Result<LogicalPlan> {
    let schema = UserDefinedLogicalNodeCore::schema(barrier);
    let qualifier = schema.iter().find_map(|(qualifier, _)| qualifier.cloned());
    let name = qualifier.unwrap_or_else(|| TableReference::bare(barrier.table.as_str()));
    let source = LogicalTableSource::new(Arc::clone(schema.inner()));
    let input = LogicalPlanBuilder::scan(name, Arc::new(source), None)?.build()?;
    let node = barrier.with_exprs_and_inputs(Vec::new(), vec![input])?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// A leaf that shows a guarded table: its columns, and the reader's own predicates that reach the scan. Not the policy's
/// expressions, not the columns they use, not the files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuardedScan {
    table: String,
    filters: Vec<String>,
    schema: DFSchemaRef,
}

impl GuardedScan {
    fn of(barrier: &Barrier) -> LogicalPlan {
        let node = Self {
            table: barrier.table.clone(),
            filters: barrier.passed.iter().map(ToString::to_string).collect(),
            schema: Arc::clone(UserDefinedLogicalNodeCore::schema(barrier)),
        };
        LogicalPlan::Extension(Extension { node: Arc::new(node) })
    }
}

impl PartialOrd for GuardedScan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.table.partial_cmp(&other.table)
    }
}

impl UserDefinedLogicalNodeCore for GuardedScan {
    fn name(&self) -> &str {
        "GuardedScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>();
        write!(f, "GuardedScan: {} projection=[{}]", self.table, columns.join(", "))?;
        if !self.filters.is_empty() {
            write!(f, ", filters=[{}]", self.filters.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}

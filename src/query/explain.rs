//! What stands in the place of a barrier in a reader's EXPLAIN: the guarded table, its columns, and the reader's own
//! predicates that reach the scan. Not the policy's expressions, not the columns they use, not the files.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::{DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use std::sync::Arc;

use super::barrier::logical::Barrier;

/// A leaf that shows a guarded table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuardedScan {
    table: String,
    filters: Vec<String>,
    schema: DFSchemaRef,
}

impl GuardedScan {
    /// The leaf that shows `barrier` to its reader.
    pub fn of(barrier: &Barrier) -> LogicalPlan {
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

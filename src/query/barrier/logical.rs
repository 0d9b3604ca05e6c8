//! The barrier in a logical plan, and the optimizer rule that decides what may pass it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Extension, Filter, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::leakproof::is_leakproof;

/// A guarded table: everything below is the policy's, everything above is the reader's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// The guarded table's full name.
    pub table: String,
    /// Whether the policy filters rows, so that a plan without a filter below cannot be right.
    pub filters_rows: bool,
    /// The reader's own leakproof predicates that were moved below, for the reader's EXPLAIN.
    pub passed: Vec<Expr>,
    /// Whether the planner may know the size of what is below, which hidden rows have a part in.
    pub tells_size: bool,
    input: Arc<LogicalPlan>,
}

impl Barrier {
    /// Puts a barrier over `input`, the plan that applies the policy of `table`.
    pub fn over(table: String, filters_rows: bool, input: LogicalPlan) -> LogicalPlan {
        let node =
            Self { table, filters_rows, passed: Vec::new(), tells_size: false, input: Arc::new(input) };
        LogicalPlan::Extension(Extension { node: Arc::new(node) })
    }

    /// `plan`, of which no expression can fail, with barriers that tell the size of what is below.
    pub fn telling_sizes(plan: LogicalPlan) -> Result<LogicalPlan> {
        let told = plan.transform_down_with_subqueries(|node| match Self::of(&node) {
            Some(barrier) => {
                let node = Self { tells_size: true, ..barrier.clone() };
                let node = LogicalPlan::Extension(Extension { node: Arc::new(node) });
                Ok(Transformed::new(node, true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(node)),
        })?;
        Ok(told.data)
    }

    /// The barrier in `plan`, if its topmost node is one.
    pub fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The same barrier with `predicates`, which must be leakproof, applied below it.
    fn letting_through(&self, predicates: Vec<Expr>) -> Result<LogicalPlan> {
        let mut node = self.clone();
        node.passed.extend(predicates.iter().cloned());
        if let Some(predicate) = conjunction(predicates) {
            node.input = Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, node.input)?));
        }
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

impl UserDefinedLogicalNodeCore for Barrier {
    fn name(&self) -> &str {
        "Barrier"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    /// None: a barrier computes nothing, so it needs no column that the plan above does not.
    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    /// All columns, as a second lock behind [`PushDownFilterToBarrier`].
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Barrier: {}", self.table)
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut inputs = inputs.into_iter();
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return plan_err!("a barrier has exactly one input");
        };
        Ok(Self { input: Arc::new(input), ..self.clone() })
    }

    /// Columns are still pruned: output column i is input column i.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    /// A limit counts visible rows wherever it stands above the policy's filter.
    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}

impl Hash for Barrier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for Barrier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.table == other.table).then(|| self.input.partial_cmp(&other.input)).flatten()
    }
}

/// Stands in the place of the engine's `PushDownFilter` and lets only leakproof predicates pass a barrier.
///
/// The engine's own rule asks a node which *columns* must not be pushed, so a predicate without a column
/// (`CAST('x' AS INT) = 1`) would pass every node and fail, or not, depending on whether hidden rows exist. Here a
/// predicate that reaches a barrier is judged by what it can do, before the engine's rule sees it.
#[derive(Debug, Default)]
pub struct PushDownFilterToBarrier {
    inner: PushDownFilter,
}

impl OptimizerRule for PushDownFilterToBarrier {
    fn name(&self) -> &str {
        "push_down_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else {
            return self.inner.rewrite(plan, config);
        };
        let Some((barrier, predicates)) = meeting_barrier(&filter) else {
            return self.inner.rewrite(LogicalPlan::Filter(filter), config);
        };
        let (pass, stay): (Vec<_>, Vec<_>) =
            predicates.into_iter().partition(|predicate| is_leakproof(predicate, barrier.schema()));
        if pass.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let below = barrier.letting_through(pass)?;
        Ok(Transformed::yes(match conjunction(stay) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(below))?),
            None => below,
        }))
    }
}

/// The barrier that `filter` stands on, and all predicates that do, the lowest first.
///
/// Filters stand on one another, and the engine's rule, which makes one of them, would go on to the barrier with that.
fn meeting_barrier(filter: &Filter) -> Option<(&Barrier, Vec<Expr>)> {
    let (barrier, mut predicates) = match &*filter.input {
        LogicalPlan::Filter(lower) => meeting_barrier(lower)?,
        other => (Barrier::of(other)?, Vec::new()),
    };
    predicates.extend(split_conjunction_owned(filter.predicate.clone()));
    Some((barrier, predicates))
}

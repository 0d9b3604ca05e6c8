//! How many rows at once a plan can hold its large constants for.
//!
//! The engine copies a constant for each row of a batch, and does not count the copies: a text of a megabyte in a
//! statement would take eight gigabytes. A plan with large constants is run in smaller batches.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, internal_err, resources_err};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Smaller constants are not counted, so that a long list of them slows nothing.
const SMALL: usize = 1024;

/// Gives `session` the batch size that the constants of `plan` leave room for: together a quarter of the memory.
pub fn fit_batches(plan: &LogicalPlan, session: &mut SessionState) -> Result<(), DataFusionError> {
    let constants = large_constants(plan)?;
    let MemoryLimit::Finite(memory) = session.runtime_env().memory_pool.memory_limit() else {
        return internal_err!("the memory of queries has no limit");
    };
    let Some(rows) = (memory / 4).checked_div(constants) else { return Ok(()) };
    if rows == 0 {
        return resources_err!("the constants of the statement are too large");
    }
    let config = session.config_mut();
    let batch_size = config.batch_size().min(rows);
    *config = config.clone().with_batch_size(batch_size);
    Ok(())
}

fn large_constants(plan: &LogicalPlan) -> Result<usize, DataFusionError> {
    let mut total = 0_usize;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::Literal(value, _) = part
                    && value.size() > SMALL
                {
                    total = total.saturating_add(value.size());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(total)
}

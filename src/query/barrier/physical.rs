//! The barrier in a physical plan: rows pass unchanged, the reader's filters do not, and a fault from below is the
//! policy's and not the reader's.
//!
//! Two things cross it when no expression of the reader can fail ([`super::infallible`]), since they cost speed
//! otherwise and then tell nothing: the input's statistics go up as estimates, for the planner's choice of join order;
//! and dynamic filters on plain columns go down, which are comparisons with values that the other side of a join, or a
//! sort, has shown.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, FilterDescription, FilterPushdownPhase, PushedDown,
};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::StreamExt;

use super::logical::Barrier;
use super::scrub;

/// The executable form of [`Barrier`].
#[derive(Debug)]
pub struct BarrierExec {
    table: String,
    filters_rows: bool,
    tells_size: bool,
    properties: Arc<PlanProperties>,
    input: Arc<dyn ExecutionPlan>,
}

/// A fault below a barrier: raised by the policy's own expressions or by reading, never by the reader's expressions.
#[derive(Debug, thiserror::Error)]
#[error("a fault below the barrier of `{table}`: {source}")]
pub struct BehindBarrier {
    pub table: String,
    pub source: Arc<DataFusionError>,
}

impl BarrierExec {
    fn new(table: String, filters_rows: bool, tells_size: bool, input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = Arc::new(properties(&input));
        Self { table, filters_rows, tells_size, properties, input }
    }

    /// The guarded table's full name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether the policy filters rows, so that a plan without a filter below cannot be right.
    pub fn filters_rows(&self) -> bool {
        self.filters_rows
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut children = children.into_iter();
        let (Some(input), None) = (children.next(), children.next()) else {
            return internal_err!("a barrier has exactly one input");
        };
        Ok(Arc::new(Self::new(self.table.clone(), self.filters_rows, self.tells_size, input)))
    }
}

/// What the planner may know of the rows: how they come, but nothing of what the policy made of them. That a rule
/// leaves one value in a column, or a mask one for all, is no ground to plan the reader's query otherwise.
fn properties(input: &Arc<dyn ExecutionPlan>) -> PlanProperties {
    let of_input = input.properties();
    PlanProperties::clone(of_input)
        .with_eq_properties(EquivalenceProperties::new(input.schema()))
        .with_partitioning(Partitioning::UnknownPartitioning(of_input.partitioning.partition_count()))
}

/// A dynamic filter over plain columns: it compares, and a comparison of columns cannot fail. One whose children are
/// expressions would evaluate the reader's expression on hidden rows.
fn is_on_plain_columns(filter: &Arc<dyn PhysicalExpr>) -> bool {
    filter.downcast_ref::<DynamicFilterPhysicalExpr>().is_some_and(|dynamic| {
        dynamic.children().iter().all(|child| child.downcast_ref::<Column>().is_some())
    })
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BarrierExec: {}", self.table)
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &str {
        "BarrierExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// It does, and says that it does not: a sort by the reader's expressions would be pushed below.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let table = self.table.clone();
        let rows = self.input.execute(partition, context)?.map(move |batch| {
            batch.and_then(|batch| scrub::blank(&batch)).map_err(|fault| {
                DataFusionError::External(Box::new(BehindBarrier {
                    table: table.clone(),
                    source: Arc::new(fault),
                }))
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    /// As estimates: an exact count would answer `count(*)` without reading, for rows that the reader cannot see.
    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(match input_stats.first() {
            Some(statistics) if self.tells_size => Arc::new(Statistics::clone(statistics).to_inexact()),
            _ => Arc::new(Statistics::new_unknown(&self.schema())),
        })
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        // To its parents the barrier takes no filter. What may pass is offered to the input as a wish of its own, so
        // that the parent still evaluates it.
        let passing = parent_filters
            .iter()
            .filter(|filter| self.tells_size && is_on_plain_columns(filter))
            .cloned()
            .collect::<Vec<_>>();
        let offered = ChildFilterDescription::from_child(&passing, &self.input)?;
        let offered = FilterDescription::new().with_child(offered).parent_filters().concat();
        let wishes = offered
            .into_iter()
            .filter(|filter| matches!(filter.discriminant, PushedDown::Yes))
            .map(|filter| filter.predicate)
            .collect();
        let child = ChildFilterDescription::all_unsupported(&parent_filters).with_self_filters(wishes);
        Ok(FilterDescription::new().with_child(child))
    }
}

/// Makes a [`BarrierExec`] of every [`Barrier`].
#[derive(Debug)]
pub struct BarrierPlanner;

#[async_trait]
impl ExtensionPlanner for BarrierPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn datafusion::catalog::Session,
        _context: &datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(barrier) = node.as_any().downcast_ref::<Barrier>() else {
            return Ok(None);
        };
        let [input] = physical_inputs else {
            return internal_err!("a barrier has exactly one input");
        };
        Ok(Some(Arc::new(BarrierExec::new(
            barrier.table.clone(),
            barrier.filters_rows,
            barrier.tells_size,
            Arc::clone(input),
        ))))
    }
}

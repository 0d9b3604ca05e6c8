//! Joins that give their thread back.
//!
//! The engine's operators yield when an input makes them wait. A join can work for minutes on one batch of its input,
//! and until it is done neither its timeout nor another query gets the thread. So what an operator gives that may make
//! many rows of one is paused after some milliseconds of work; and the rows that a nested-loop join probes with come
//! in portions that follow how long the last one took. Rows and their order stay what they are.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{
    CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions,
};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

/// The rows of the first portion: the build side may be as large as memory allows, and each row meets all of it.
const FIRST_PORTION: usize = 1;
/// A portion that took less than this is followed by one twice as large.
const SHORT: Duration = Duration::from_millis(2);
/// After working this long without a pause the thread is given back.
const LONG: Duration = Duration::from_millis(10);

/// Operators that may give many rows for one that they take.
const AMPLIFIERS: [&str; 6] = [
    "NestedLoopJoinExec",
    "CrossJoinExec",
    "HashJoinExec",
    "SortMergeJoinExec",
    "PiecewiseMergeJoinExec",
    "UnnestExec",
];

/// The rule that makes joins yield; it must be the last, since it marks the plan as it is run.
#[derive(Debug)]
pub struct YieldingJoins;

impl PhysicalOptimizerRule for YieldingJoins {
    fn name(&self) -> &str {
        "yielding_joins"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if !AMPLIFIERS.contains(&node.name()) {
                return Ok(Transformed::no(node));
            }
            let node = match node.downcast_ref::<NestedLoopJoinExec>() {
                Some(_) => probed_in_portions(node)?,
                None => node,
            };
            Ok(Transformed::yes(Arc::new(PacedExec { input: node, in_portions: false })))
        })
        .map(|changed| changed.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The join with its probe side, the second child, in portions.
fn probed_in_portions(join: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let [build, probe] = join.children()[..] else { return internal_err!("a join has two inputs") };
    let probe: Arc<dyn ExecutionPlan> = Arc::new(PacedExec { input: Arc::clone(probe), in_portions: true });
    let children = vec![Arc::clone(build), probe];
    join.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))
}

/// Its input, with pauses.
#[derive(Debug)]
struct PacedExec {
    input: Arc<dyn ExecutionPlan>,
    in_portions: bool,
}

impl PacedExec {
    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut children = children.into_iter();
        let (Some(input), None) = (children.next(), children.next()) else {
            return internal_err!("a pace has exactly one input");
        };
        Ok(Arc::new(Self { input, in_portions: self.in_portions }))
    }
}

impl DisplayAs for PacedExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacedExec")
    }
}

impl ExecutionPlan for PacedExec {
    fn name(&self) -> &str {
        "PacedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        let rows = self.input.execute(partition, context)?;
        let portion = if self.in_portions { FIRST_PORTION } else { usize::MAX };
        Ok(Box::pin(Paced { rows, rest: None, portion, given: None, since: None }))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(input_stats.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

/// Rows in portions whose size follows how long the reader takes for one, with pauses.
struct Paced {
    rows: SendableRecordBatchStream,
    rest: Option<RecordBatch>,
    portion: usize,
    /// When the last portion was given.
    given: Option<Instant>,
    /// Since when the thread was not given back.
    since: Option<Instant>,
}

impl Paced {
    fn adapt(&mut self, took: Duration) {
        if took < SHORT {
            self.portion = self.portion.saturating_mul(2);
        } else if took > LONG {
            self.portion = (self.portion / 2).max(1);
        }
    }

    fn next_portion(&mut self) -> Option<RecordBatch> {
        let rest = self.rest.take()?;
        let portion = if rest.num_rows() > self.portion {
            self.rest = Some(rest.slice(self.portion, rest.num_rows() - self.portion));
            rest.slice(0, self.portion)
        } else {
            rest
        };
        self.given = Some(Instant::now());
        Some(portion)
    }
}

impl Stream for Paced {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(given) = self.given.take() {
            self.adapt(given.elapsed());
        }
        if self.since.get_or_insert_with(Instant::now).elapsed() > LONG {
            self.since = None;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(portion) = self.next_portion() {
            return Poll::Ready(Some(Ok(portion)));
        }
        match self.rows.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(batch))) => {
                self.rest = Some(batch);
                Poll::Ready(self.next_portion().map(Ok))
            }
            Poll::Pending => {
                self.since = None;
                Poll::Pending
            }
            other => other,
        }
    }
}

impl RecordBatchStream for Paced {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

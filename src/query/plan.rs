//! [`Guarded`] → [`Planned`]: an executable plan that has passed the check, or the text of a plan for EXPLAIN.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};

use futures::StreamExt;

use super::barrier::check::check;
use super::barrier::infallible::is_infallible;
use super::barrier::logical::Barrier;
use super::barrier::scrub;
use super::constants::fit_batches;
use super::engine;
use super::explain;
use super::fault::{self, OnGuardedRow};
use super::parameter::Parameter;
use super::parse::Explain;
use super::rewrite::Guarded;
use super::wanted::parameter_types;
use crate::error::{Error, Result};

/// What will be run, and what the audit log should know of it.
#[derive(Debug)]
pub struct Planned {
    work: Plan,
    schema: SchemaRef,
    /// Whether policy withholds something of the tables that are read.
    withholds: bool,
    /// Columns that the statement reads, as `database.table.column`.
    pub columns: Vec<String>,
    /// The statement as it is run, as a plan without the engine's physical detail.
    pub governed: String,
}

#[derive(Debug)]
enum Plan {
    Run {
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    },
    /// Run to its end for the text.
    Analyze {
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        told: Option<String>,
    },
    Tell(RecordBatch),
}

impl Planned {
    /// Plans the statement with its parameters. One row more than `max_rows` is asked for, so that the stream knows
    /// whether there was more.
    pub async fn plan(
        guarded: Guarded,
        params: &[Parameter],
        max_rows: Option<u64>,
        sees_everything: bool,
    ) -> Result<Self> {
        let mut session = guarded.session;
        let plan = session.statement_to_plan(guarded.statement).await.map_err(fault::translate)?;
        refuse_all_but_queries(&plan)?;
        let plan = bind(plan, params, guarded.asks_catalog)?;
        let plan = match max_rows {
            Some(rows) if guarded.explain.is_none() => limited(plan, rows)?,
            _ => plan,
        };
        // First of all: the names that the planner makes up count what was planned before.
        let told = match guarded.explain {
            Some(_) if !sees_everything => {
                Some(explain::told_to_reader(plan.clone(), &session).map_err(fault::translate)?)
            }
            _ => None,
        };
        let optimized = session.optimize(&plan).map_err(fault::translate)?;
        let columns = columns_read(&optimized)?;
        let governed = optimized.display_indent().to_string();
        let withholds = guarded.withholds;
        let told = told.or_else(|| guarded.explain.map(|_| governed.clone()));
        if let (Some(told), Some(Explain::Plan)) = (&told, guarded.explain) {
            let batch = explanation(told)?;
            return Ok(Self {
                schema: batch.schema(),
                work: Plan::Tell(batch),
                withholds,
                columns,
                governed,
            });
        }
        fit_batches(&optimized, &mut session).map_err(fault::translate)?;
        let optimized = match is_infallible(&optimized).map_err(fault::translate)? {
            true => Barrier::telling_sizes(optimized).map_err(fault::translate)?,
            false => {
                // Files are not read in the order of what their statistics say, of hidden columns and rows too.
                session.config_mut().options_mut().optimizer.enable_sort_pushdown = false;
                optimized
            }
        };
        let physical = engine::physical_plan(&optimized, &session).await.map_err(fault::translate)?;
        check(&physical, &guarded.grounds).map_err(Error::internal)?;
        let context = session.task_ctx();
        if guarded.explain == Some(Explain::Analyze) {
            // What ran below a barrier, and how many rows it saw, is for administrators.
            let told = told.filter(|_| !sees_everything);
            let schema = explanation("")?.schema();
            return Ok(Self {
                schema,
                work: Plan::Analyze { plan: physical, context, told },
                withholds,
                columns,
                governed,
            });
        }
        let schema = physical.schema();
        Ok(Self { schema, work: Plan::Run { plan: physical, context }, withholds, columns, governed })
    }

    /// An answer that is known already.
    pub(super) fn told(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            work: Plan::Tell(batch),
            withholds: false,
            columns: Vec::new(),
            governed: String::new(),
        }
    }

    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What will run, when nothing is withheld of what it reads.
    pub fn open_plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        match &self.work {
            Plan::Run { plan, .. } if !self.withholds => Some(plan),
            _ => None,
        }
    }

    /// Starts the plan. Nothing runs until the stream is polled.
    pub fn start(self) -> Result<SendableRecordBatchStream> {
        let rows = match self.work {
            Plan::Run { plan, context } => execute_stream(plan, context).map_err(fault::translate)?,
            Plan::Analyze { plan, context, told } => {
                let rows = futures::stream::once(analyze(plan, context, told));
                Box::pin(RecordBatchStreamAdapter::new(self.schema, rows))
            }
            Plan::Tell(batch) => {
                let schema = batch.schema();
                Box::pin(MemoryStream::try_new(vec![batch], schema, None).map_err(fault::translate)?)
            }
        };
        Ok(match self.withholds {
            true => marking_faults(alone(rows)),
            false => rows,
        })
    }
}

/// `rows` without a byte of what is withheld.
fn alone(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let scrubbed = rows.map(|batch| batch.and_then(|batch| scrub::alone(&batch)));
    Box::pin(RecordBatchStreamAdapter::new(schema, scrubbed))
}

/// `rows` whose faults are told as those of rows that lie among withheld ones.
fn marking_faults(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let marked =
        rows.map(|batch| batch.map_err(|fault| DataFusionError::External(Box::new(OnGuardedRow(fault)))));
    Box::pin(RecordBatchStreamAdapter::new(schema, marked))
}

/// The parser's list allows queries alone; the plan is asked again, since it is what runs.
pub(super) fn refuse_all_but_queries(plan: &LogicalPlan) -> Result<()> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(Error::internal)
}

/// The plan with values for its parameters. A question to the catalog may have lost some of them on the way.
pub(super) fn bind(plan: LogicalPlan, params: &[Parameter], may_have_lost: bool) -> Result<LogicalPlan> {
    let wanted = parameter_types(&plan, may_have_lost)?.len();
    if params.len() < wanted || (params.len() > wanted && !may_have_lost) {
        return Err(Error::invalid_request(format!(
            "the statement has {wanted} parameters and {} were given",
            params.len()
        )));
    }
    if params.is_empty() {
        return Ok(plan);
    }
    plan.with_param_values(ParamValues::from(params.to_vec())).map_err(fault::translate)
}

fn limited(plan: LogicalPlan, rows: u64) -> Result<LogicalPlan> {
    let fetch = usize::try_from(rows).unwrap_or(usize::MAX).saturating_add(1);
    LogicalPlanBuilder::from(plan)
        .limit(0, Some(fetch))
        .and_then(LogicalPlanBuilder::build)
        .map_err(fault::translate)
}

/// What the plan reads of each table: of a barrier what leaves it, of any other scan what is projected.
pub(super) fn columns_read(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut columns = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let Some(barrier) = Barrier::of(node) {
            let fields = datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(barrier);
            // The table's own name, at whichever version it is read.
            let name = fields.iter().find_map(|(qualifier, _)| qualifier.map(ToString::to_string));
            let name = name.unwrap_or_else(|| barrier.table.clone());
            columns.extend(fields.fields().iter().map(|field| format!("{name}.{}", field.name())));
            return Ok(TreeNodeRecursion::Jump);
        }
        if let LogicalPlan::TableScan(scan) = node {
            let fields = scan.projected_schema.fields().iter();
            columns.extend(fields.map(|field| format!("{}.{}", scan.table_name, field.name())));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(fault::translate)?;
    Ok(columns.into_iter().collect())
}

/// Runs the plan to its end and tells how it went: the plan as its reader may see it with the rows it gave, or with
/// everything that was measured.
async fn analyze(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    told: Option<String>,
) -> datafusion::common::Result<RecordBatch> {
    let mut rows = execute_stream(Arc::clone(&plan), context)?;
    let mut count = 0_usize;
    while let Some(batch) = rows.next().await {
        count = count.saturating_add(batch?.num_rows());
    }
    let text = match told {
        Some(told) => format!("{told}\nrows: {count}"),
        None => DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false).to_string(),
    };
    explanation(&text).map_err(|error| DataFusionError::External(Box::new(error)))
}

pub(super) fn explanation(text: &str) -> Result<RecordBatch> {
    let lines: ArrayRef = Arc::new(text.lines().map(Some).collect::<StringArray>());
    RecordBatch::try_from_iter([("plan", lines)]).map_err(Error::internal)
}

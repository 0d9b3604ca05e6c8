//! [`Guarded`] → [`Planned`]: an executable plan that has passed the check, or the text of a plan for EXPLAIN.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};

use super::barrier::check::check;
use super::barrier::logical::Barrier;
use super::explain::GuardedScan;
use super::fault;
use super::rewrite::Guarded;
use crate::error::{Error, Result};

/// What will be run, and what the audit log should know of it.
#[derive(Debug)]
pub struct Planned {
    work: Plan,
    schema: SchemaRef,
    /// Columns that the statement reads, as `database.table.column`.
    pub columns: Vec<String>,
    /// The statement as it is run, as a plan without the engine's physical detail.
    pub governed: String,
}

#[derive(Debug)]
enum Plan {
    Run { plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext> },
    Tell(RecordBatch),
}

impl Planned {
    /// Plans the statement with its parameters. One row more than `max_rows` is asked for, so that the stream knows
    /// whether there was more.
    pub async fn plan(
        guarded: Guarded,
        params: &[serde_json::Value],
        max_rows: Option<u64>,
        sees_everything: bool,
    ) -> Result<Self> {
        let session = guarded.session;
        let plan = session.statement_to_plan(guarded.statement).await.map_err(fault::translate)?;
        refuse_all_but_queries(&plan)?;
        let plan = bind(plan, params)?;
        let plan = match max_rows {
            Some(rows) if !guarded.explain => limited(plan, rows)?,
            _ => plan,
        };
        let optimized = session.optimize(&plan).map_err(fault::translate)?;
        let columns = columns_read(&optimized)?;
        let governed = optimized.display_indent().to_string();
        if guarded.explain {
            let told = if sees_everything { governed.clone() } else { redacted(optimized)? };
            let batch = explanation(&told)?;
            return Ok(Self { schema: batch.schema(), work: Plan::Tell(batch), columns, governed });
        }
        let physical = session
            .query_planner()
            .create_physical_plan(&optimized, &session)
            .await
            .map_err(fault::translate)?;
        check(&physical, &guarded.grounds).map_err(Error::internal)?;
        let work = Plan::Run { plan: Arc::clone(&physical), context: session.task_ctx() };
        Ok(Self { schema: physical.schema(), work, columns, governed })
    }

    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Starts the plan. Nothing runs until the stream is polled.
    pub fn start(self) -> Result<SendableRecordBatchStream> {
        match self.work {
            Plan::Run { plan, context } => execute_stream(plan, context).map_err(fault::translate),
            Plan::Tell(batch) => {
                let schema = batch.schema();
                Ok(Box::pin(MemoryStream::try_new(vec![batch], schema, None).map_err(fault::translate)?))
            }
        }
    }
}

/// The parser's list allows queries alone; the plan is asked again, since it is what runs.
fn refuse_all_but_queries(plan: &LogicalPlan) -> Result<()> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(Error::internal)
}

fn bind(plan: LogicalPlan, params: &[serde_json::Value]) -> Result<LogicalPlan> {
    let wanted = plan.get_parameter_names().map_err(fault::translate)?.len();
    if wanted != params.len() {
        return Err(Error::invalid_request(format!(
            "the statement has {wanted} parameters and {} were given",
            params.len()
        )));
    }
    if params.is_empty() {
        return Ok(plan);
    }
    let values =
        params.iter().enumerate().map(|(at, value)| scalar(at, value)).collect::<Result<Vec<_>>>()?;
    plan.with_param_values(ParamValues::from(values)).map_err(fault::translate)
}

fn scalar(at: usize, value: &serde_json::Value) -> Result<ScalarValue> {
    use serde_json::Value;
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::from(*value)),
        Value::String(value) => Ok(ScalarValue::from(value.as_str())),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(ScalarValue::from(integer)),
            (None, Some(float)) => Ok(ScalarValue::from(float)),
            _ => Err(Error::invalid_request(format!("parameter {}: `{number}` is not a number", at + 1))),
        },
        Value::Array(_) | Value::Object(_) => Err(Error::invalid_request(format!(
            "parameter {}: only null, booleans, numbers and texts can be parameters",
            at + 1
        ))),
    }
}

fn limited(plan: LogicalPlan, rows: u64) -> Result<LogicalPlan> {
    let fetch = usize::try_from(rows).unwrap_or(usize::MAX).saturating_add(1);
    LogicalPlanBuilder::from(plan)
        .limit(0, Some(fetch))
        .and_then(LogicalPlanBuilder::build)
        .map_err(fault::translate)
}

/// What the plan reads of each table: of a barrier what leaves it, of any other scan what is projected.
fn columns_read(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut columns = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let Some(barrier) = Barrier::of(node) {
            let fields = datafusion::logical_expr::UserDefinedLogicalNodeCore::schema(barrier);
            columns.extend(fields.fields().iter().map(|field| format!("{}.{}", barrier.table, field.name())));
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

/// The plan as its reader may see it: what lies below a barrier is a scan of the guarded table.
fn redacted(plan: LogicalPlan) -> Result<String> {
    let plan = plan
        .transform_down_with_subqueries(|node| match Barrier::of(&node) {
            Some(barrier) => Ok(Transformed::new(GuardedScan::of(barrier), true, TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(node)),
        })
        .map_err(fault::translate)?;
    Ok(plan.data.display_indent().to_string())
}

fn explanation(text: &str) -> Result<RecordBatch> {
    let lines: ArrayRef = Arc::new(text.lines().map(Some).collect::<StringArray>());
    RecordBatch::try_from_iter([("plan", lines)]).map_err(Error::internal)
}

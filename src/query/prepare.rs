//! What a statement would give, for clients that ask before they run it.
//!
//! It goes the way of the statement itself up to the plan: what may not be run may not be described. Nothing is run,
//! also not a statement that changes something.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};

use super::parameter::Parameter;
use super::parse::{Explain, Text};
use super::plan::{bind, explanation, refuse_all_but_queries};
use super::record::Record;
use super::rewrite::Guarded;
use super::wanted::parameter_types;
use super::{PolicyNotice, Request, access, command, fault, guard, refuse_too_long, stream};
use crate::app::App;
use crate::error::Result;
use crate::policy::principal::Identity;

/// The shape of a statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The columns of its result.
    pub schema: SchemaRef,
    /// The types of its parameters, in their order; NULL's where any would do.
    pub parameters: Vec<DataType>,
    pub notice: PolicyNotice,
}

/// The shape of `request`'s statement for `identity`. Its parameters need not be given; with them the types of
/// columns that they alone decide are known. Every way it can end leaves one
/// audit record.
pub async fn prepare(app: &Arc<App>, identity: Arc<Identity>, request: Request) -> Result<Prepared> {
    let mut record = Record::open(&app.audit, &identity, &request, "prepare");
    let deadline = tokio::time::Instant::now() + app.engine.timeout();
    let _turn = match app.engine.turn().await {
        Ok(turn) => turn,
        Err(error) => {
            record.close(Some(&error));
            return Err(error);
        }
    };
    let app_of_work = Arc::clone(app);
    app.engine
        .spawn(async move {
            let stages = stages(&app_of_work, identity, &request, &mut record);
            let outcome = match tokio::time::timeout_at(deadline, stages).await {
                Ok(outcome) => outcome,
                Err(_) => Err(stream::too_slow(app_of_work.engine.timeout())),
            };
            record.close(outcome.as_ref().err());
            outcome
        })
        .await?
}

async fn stages(
    app: &App,
    identity: Arc<Identity>,
    request: &Request,
    record: &mut Record,
) -> Result<Prepared> {
    refuse_too_long(&request.sql, app.config.limits.max_sql_bytes)?;
    app.refuse_stale()?;
    let parsed = match Text::parse_as(request.dialect, &request.sql, request.database.as_deref())? {
        Text::Query(parsed) => parsed,
        Text::Command(command) => {
            record.names(command.tables().iter().map(ToString::to_string));
            return Ok(Prepared::told(&command::told("")?));
        }
    };
    record.names(parsed.names().into_iter().map(ToString::to_string));
    if parsed.explain() == Some(Explain::Access) {
        return Ok(Prepared::told(&access::as_batch(&[])?));
    }
    let is_explained = parsed.explain().is_some();
    let (guarded, notice) = guard(app, identity, parsed, request, record).await?;
    let prepared = Prepared { notice, ..Prepared::of(guarded, &request.params).await? };
    match is_explained {
        true => Ok(Prepared { schema: explanation("")?.schema(), ..prepared }),
        false => Ok(prepared),
    }
}

impl Prepared {
    fn told(batch: &RecordBatch) -> Self {
        Self { schema: batch.schema(), parameters: Vec::new(), notice: PolicyNotice::default() }
    }

    async fn of(guarded: Guarded, given: &[Parameter]) -> Result<Self> {
        let session = guarded.session;
        let plan = session.statement_to_plan(guarded.statement).await.map_err(fault::translate)?;
        refuse_all_but_queries(&plan)?;
        let parameters = parameter_types(&plan, guarded.asks_catalog)?;
        let plan = if given.is_empty() { plan } else { bind(plan, given, guarded.asks_catalog)? };
        // Types are settled on the way; without its parameters a statement may not get that far.
        let settled = match session.optimize(&plan) {
            Ok(settled) => settled,
            Err(_) if !parameters.is_empty() => plan,
            Err(fault) => return Err(fault::translate(fault)),
        };
        let schema = Arc::new(settled.schema().as_arrow().clone());
        Ok(Self { schema, parameters, notice: PolicyNotice::default() })
    }
}

//! The request path. Every protocol ends in [`run`], which names each stage in order:
//!
//! parse → decide → authorize → rewrite → plan → execute → stream, with the audit record around them all.
//!
//! A stage is a type, made by the stage before it and by nothing else: only what is [`Authorized`](authorize::Authorized)
//! can be rewritten, only what is [`Guarded`](rewrite::Guarded) can be planned. A check that is skipped does not compile.

pub mod access;
pub mod authorize;
pub mod barrier;
mod command;
mod constants;
mod earlier;
pub mod engine;
mod explain;
pub mod expression;
pub mod fault;
pub mod functions;
mod grouping_sets;
pub mod listing;
pub mod mask;
pub mod matrix;
pub mod notice;
pub mod pace;
pub mod parameter;
pub mod parse;
mod pg_catalog;
pub mod plan;
mod precedence;
mod prepare;
mod record;
pub mod replay;
pub mod rewrite;
mod show;
pub mod spelling;
mod sql_type;
pub mod standing;
pub mod stream;
mod versions;
mod wanted;
pub mod watch;
pub mod writable;

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use tokio::time::Instant;
use uuid::Uuid;

use self::authorize::Decided;
pub use self::command::CreateView;
pub use self::notice::PolicyNotice;
pub use self::parameter::Parameter;
pub use self::parse::Dialect;
use self::parse::{Explain, Parsed, Text};
pub use self::pg_catalog::{VERSION as POSTGRES_VERSION, shown_name};
use self::plan::Planned;
pub use self::prepare::{Prepared, prepare};
use self::record::Record;
use self::rewrite::Guarded;
pub use self::sql_type::sql_type;
use self::standing::Standing;
pub use self::stream::RowStream;
use self::watch::{Stage, Watch};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::principal::Identity;

/// One statement, as any protocol hands it in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Time-ordered (UUID version 7); the audit record has the same.
    pub query_id: Uuid,
    pub sql: String,
    pub dialect: Dialect,
    /// For `?` and `$1`, in their order.
    pub params: Vec<Parameter>,
    /// Where an unqualified table is looked up.
    pub database: Option<String>,
    /// Fail with `policy_withheld` when policy would make the result narrower.
    pub strict: bool,
    /// The most rows to give.
    pub max_rows: Option<u64>,
    /// The protocol it came through.
    pub door: &'static str,
    /// For whoever keeps the result and tells how far it is.
    pub watch: Option<Arc<Watch>>,
}

/// What a statement gives: its columns, what policy did, and the rows as they come.
#[derive(Debug)]
pub struct Answer {
    pub query_id: Uuid,
    pub schema: SchemaRef,
    pub notice: PolicyNotice,
    pub rows: RowStream,
}

impl Request {
    fn entering(&self, stage: Stage) {
        if let Some(watch) = &self.watch {
            watch.enter(stage);
        }
    }

    fn rests_on(&self, standing: impl FnOnce() -> Standing) {
        if let Some(watch) = &self.watch {
            watch.rests_on(standing());
        }
    }
}

/// Runs one statement for `identity`. Every way it can end leaves one audit record.
pub async fn run(app: &Arc<App>, identity: Arc<Identity>, request: Request) -> Result<Answer> {
    let mut record = Record::open(&app.audit, &identity, &request, "query");
    let started = Instant::now();
    let turn = match app.engine.turn().await {
        Ok(turn) => turn,
        Err(error) => {
            record.close(Some(&error));
            return Err(error);
        }
    };
    request.entering(Stage::Planning);
    let (owned_app, owned_request) = (Arc::clone(app), request.clone());
    let deadline = started + app.engine.timeout();
    let (planned, notice, record) = app
        .engine
        .spawn(async move {
            let stages = stages(&owned_app, identity, &owned_request, &mut record);
            let outcome = match tokio::time::timeout_at(deadline, stages).await {
                Ok(outcome) => outcome,
                Err(_) => Err(stream::too_slow(owned_app.engine.timeout())),
            };
            if let Err(error) = &outcome {
                record.close(Some(error));
            }
            outcome.map(|(planned, notice)| (planned, notice, record))
        })
        .await??;
    let schema = Arc::clone(planned.schema());
    request.entering(Stage::Running);
    if let Some(watch) = &request.watch {
        watch.runs(planned.open_plan());
    }
    let rows = match planned.start() {
        Ok(rows) => rows,
        Err(error) => {
            let mut record = record;
            record.close(Some(&error));
            return Err(error);
        }
    };
    let rows = RowStream::new(&app.engine, rows, record, request.max_rows, turn, started);
    Ok(Answer { query_id: request.query_id, schema, notice, rows })
}

async fn stages(
    app: &App,
    identity: Arc<Identity>,
    request: &Request,
    record: &mut Record,
) -> Result<(Planned, PolicyNotice)> {
    refuse_too_long(&request.sql, app.config.limits.max_sql_bytes)?;
    app.refuse_stale()?;
    let administers = app.is_administrator(&identity);
    let database = request.database.as_deref();

    let parsed = match Text::parse_as(request.dialect, &request.sql, database)? {
        Text::Query(parsed) => parsed,
        Text::Command(command) => {
            record.names(command.tables().iter().map(ToString::to_string));
            let before = app.state();
            let told = command.run(app, &identity).await;
            request.rests_on(|| match told {
                Ok(_) => Standing::of_nothing(),
                Err(_) => Standing::of_all(&identity, &before, administers),
            });
            let told = told?;
            return Ok((Planned::told(told), PolicyNotice::default()));
        }
    };
    record.names(parsed.names().into_iter().map(ToString::to_string));
    if parsed.explain() == Some(Explain::Access) {
        request.rests_on(|| Standing::of_all(&identity, &app.state(), administers));
        let told = access::as_batch(&access::explain(app, &identity, &parsed, administers).await?)?;
        return Ok((Planned::told(told), PolicyNotice::default()));
    }
    let (guarded, notice) = guard(app, identity, parsed, request, record).await?;
    let planned = Planned::plan(guarded, &request.params, request.max_rows, administers).await?;
    record.planned(&planned);
    Ok((planned, notice))
}

/// From what was asked to what may be planned.
async fn guard(
    app: &App,
    identity: Arc<Identity>,
    parsed: Parsed,
    request: &Request,
    record: &mut Record,
) -> Result<(Guarded, PolicyNotice)> {
    let administers = app.is_administrator(&identity);
    let has_wildcard = parsed.has_wildcard();
    let governance = app.state();
    let decided = Decided::decide(parsed, Arc::clone(&identity), Arc::clone(&governance), administers);
    if decided.is_err() {
        request.rests_on(|| Standing::of_all(&identity, &governance, administers));
    }
    let decided = decided?;
    request.rests_on(|| Standing::of(&decided, administers));
    let authorized = decided.authorize(&app.store, app.engine.timeout()).await?;
    let notice = PolicyNotice::of(&authorized);
    record.authorized(&authorized, &notice);
    if request.strict {
        notice.refuse_narrowing(has_wildcard)?;
    }
    let guarded = Guarded::rewrite(app, authorized, request.database.as_deref()).await?;
    Ok((guarded, notice))
}

/// Refuses a text that is longer than a statement may be, before anything is made of it.
///
/// # Errors
///
/// `limit_exceeded` when it is.
pub fn refuse_too_long(sql: &str, limit: usize) -> Result<()> {
    if sql.len() > limit {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("the statement has {} bytes and may have {limit}", sql.len()),
        ));
    }
    Ok(())
}

//! The same path with a part of the protection taken out, so that the comparison is shown what it must find.
//!
//! The stages are the gateway's own; what is weakened is weakened here, on what they hand out, and nowhere in the
//! gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::ViewTable;
use datafusion::execution::{SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use lakegate::app::App;
use lakegate::error::{Error, Result};
use lakegate::query::authorize::Decided;
use lakegate::query::barrier::logical::Barrier;
use lakegate::query::engine::CATALOG;
use lakegate::query::fault::{self, OnGuardedRow};
use lakegate::query::parameter::all_from_json;
use lakegate::query::parse::Parsed;
use lakegate::query::plan::Planned;
use lakegate::query::rewrite::Guarded;

use super::lake::{Lake, reader};
use super::outcome::{Outcome, ask, told};
use super::questions::Question;

/// What is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Nothing: the detour that this file takes shows no difference by itself.
    Nothing,
    /// The policy's filter is in the plan, and nothing keeps the reader's expressions away from it.
    NoBarrier,
    /// Every function of the engine exists.
    AnyFunction,
    /// EXPLAIN shows a reader what it shows an administrator.
    OpenExplain,
}

/// Asks `app` with `weakness`.
pub async fn ask_weakened(lake: &Lake, question: &Question, weakness: Weakness) -> Outcome {
    let app = &lake.app;
    let names_refused = ["file_row_index", "input_file_name"].iter().any(|name| question.sql.contains(name));
    let is_open = names_refused && !lake.names_files_by_chance(&question.sql);
    if weakness == Weakness::AnyFunction && !is_open {
        return ask(app, question).await;
    }
    let is_told = question.sql.starts_with("EXPLAIN") || question.sql.contains("information_schema");
    if is_told && weakness != Weakness::OpenExplain {
        return ask(app, question).await;
    }
    match answer(app, question, weakness).await {
        // That the two lakes lie in two folders is no difference.
        Ok(text) => Outcome { code: "ok".to_owned(), text: text.replace(&lake.folder(), "lake") },
        Err(error) => Outcome::failed(&error),
    }
}

async fn answer(app: &Arc<App>, question: &Question, weakness: Weakness) -> Result<String> {
    let parsed = Parsed::parse(&question.sql, Some("db"))?;
    let decided = Decided::decide(parsed, reader(), app.state(), false)?;
    let authorized = decided.authorize(&app.store, std::time::Duration::ZERO).await?;
    let names = authorized.tables().iter().map(|table| table.record.name.clone()).collect::<Vec<_>>();
    let guarded = Guarded::rewrite(app, authorized, Some("db")).await?;
    if weakness == Weakness::OpenExplain {
        let planned =
            Planned::plan(guarded, &all_from_json(&question.params)?, question.max_rows, true).await?;
        let rows = planned.start()?.try_collect::<Vec<_>>().await.map_err(fault::translate)?;
        return Ok(told(&rows, question.ordered));
    }
    let mut tables: BTreeMap<_, Arc<dyn TableProvider>> = BTreeMap::new();
    for name in names {
        let catalog = guarded.session().catalog_list().catalog(CATALOG).unwrap();
        let schema = catalog.schema(&name.database).unwrap();
        let table = schema.table(&name.table).await.unwrap().unwrap();
        let plan = table.get_logical_plan().unwrap().into_owned();
        let plan = if weakness == Weakness::NoBarrier { without_barrier(plan) } else { plan };
        tables.insert(name, Arc::new(ViewTable::new(plan, None)));
    }
    let session = app.engine.session(tables, Some("db"))?;
    let session = match weakness {
        Weakness::AnyFunction => SessionStateBuilder::new_from_existing(session)
            .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
            .build(),
        _ => session,
    };
    let frame = SessionContext::new_with_state(session).sql(&question.sql).await.map_err(fault::translate)?;
    let rows = frame.collect().await.map_err(on_guarded_row)?;
    Ok(told(&rows, question.ordered))
}

/// The fault as the gateway tells it: which of several rows it was is chance.
fn on_guarded_row(fault: DataFusionError) -> Error {
    fault::translate(DataFusionError::External(Box::new(OnGuardedRow(fault))))
}

fn without_barrier(plan: LogicalPlan) -> LogicalPlan {
    let open = plan.transform_down(|node| match Barrier::of(&node) {
        Some(barrier) => Ok(Transformed::yes(UserDefinedLogicalNodeCore::inputs(barrier)[0].clone())),
        None => Ok(Transformed::no(node)),
    });
    open.unwrap().data
}

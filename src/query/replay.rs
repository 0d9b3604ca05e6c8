//! A recorded query asked again of a policy, without running it: what it would see, and whether it would be answered.
//!
//! It is authorized like any other, and then planned over tables that have the visible columns and no rows. Nothing of
//! the lake is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use super::authorize::{Authorized, asker, decide_named, pruned};
use super::fault;
use super::parse::Parsed;
use crate::app::{App, Governance};
use crate::catalog::shapes;
use crate::error::{Error, Result};
use crate::policy::decision::{ColumnShape, Decision};
use crate::policy::model::{TableName, is_listing};
use crate::policy::principal::Identity;

/// What a query would come to.
#[derive(Debug)]
pub struct Replayed {
    /// What would be decided on each table and view that it reads, as far as they exist.
    pub decisions: BTreeMap<TableName, (Vec<ColumnShape>, Decision)>,
    /// Why it would not be answered.
    pub refused: Option<Error>,
}

/// A statement as it was asked.
#[derive(Debug)]
pub struct Recorded {
    pub identity: Arc<Identity>,
    pub administers: bool,
    pub sql: String,
    pub database: Option<String>,
}

/// What `recorded` would come to under the policy of `governance`; `None` when it is no query.
pub async fn replay(app: &App, governance: &Arc<Governance>, recorded: &Recorded) -> Option<Replayed> {
    let Recorded { identity, administers, sql, database } = recorded;
    let parsed = Parsed::parse(sql, database.as_deref()).ok()?;
    let asker = asker(identity, governance, *administers);
    let mut decisions = BTreeMap::new();
    let mut decide = |name: &TableName| {
        if let Some((decision, schema)) = decide_named(&asker, name, governance) {
            decisions.insert(name.clone(), (shapes(schema.fields()), decision));
        }
    };
    parsed.tables().iter().filter(|name| !is_listing(&name.database)).for_each(&mut decide);
    let refused =
        match Authorized::authorize(parsed, Arc::clone(identity), Arc::clone(governance), *administers) {
            Err(error) => Some(error),
            Ok(authorized) => {
                authorized.decisions().for_each(|(name, _)| decide(name));
                plan(app, governance, authorized).await.err()
            }
        };
    Some(Replayed { decisions, refused })
}

async fn plan(app: &App, governance: &Governance, authorized: Authorized) -> Result<()> {
    let mut tables: BTreeMap<TableName, Arc<dyn TableProvider>> = BTreeMap::new();
    for (name, decision) in authorized.decisions() {
        let Some(schema) = governance.state.schema_of(name) else { continue };
        let fields = pruned(schema.fields(), &decision.readable());
        tables.insert(name.clone(), Arc::new(EmptyTable::new(Arc::new(Schema::new(fields)))));
    }
    let parsed = authorized.into_parsed();
    if parsed.tables().iter().any(|name| is_listing(&name.database)) {
        return Ok(());
    }
    let session = app.engine.session(tables, parsed.database())?;
    session.statement_to_plan(parsed.into_statement()).await.map(|_| ()).map_err(fault::translate)
}

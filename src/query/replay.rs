//! A recorded query asked again of a policy, without running it: what it would see, and whether it would be answered.
//!
//! It is authorized like any other, and then planned over tables that have the visible columns and no rows. Nothing of
//! the lake is opened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::Schema;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;

use super::authorize::{Authorized, Decided, asker, decide_named};
use super::fault;
use super::parse::Parsed;
use crate::app::{App, Governance};
use crate::catalog::shapes;
use crate::catalog::version::TableAt;
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
    parsed.names().into_iter().filter(|name| !is_listing(&name.database)).for_each(&mut decide);
    let decided = Decided::decide(parsed, Arc::clone(identity), Arc::clone(governance), *administers);
    let authorized = match decided {
        Ok(decided) => {
            decided.as_of_now().decisions().for_each(|(name, _)| decide(name));
            decided.authorize(&app.store, Duration::ZERO).await
        }
        Err(error) => Err(error),
    };
    let refused = match authorized {
        Ok(authorized) => plan(app, authorized).await.err(),
        Err(error) => Some(error),
    };
    Some(Replayed { decisions, refused })
}

async fn plan(app: &App, authorized: Authorized) -> Result<()> {
    let mut tables: BTreeMap<TableAt, Arc<dyn TableProvider>> = BTreeMap::new();
    for (table, fields) in authorized.fields(Decision::readable) {
        tables.insert(table, Arc::new(EmptyTable::new(Arc::new(Schema::new(fields)))));
    }
    let parsed = authorized.into_parsed();
    if parsed.names().into_iter().any(|name| is_listing(&name.database)) {
        return Ok(());
    }
    let session = app.engine.session(tables, parsed.database())?;
    session.statement_to_plan(parsed.into_statement()).await.map(|_| ()).map_err(fault::translate)
}

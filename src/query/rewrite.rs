//! [`Authorized`] → [`Guarded`]: a session in which every name means the guarded table and nothing else.
//!
//! A guarded table is a plan: the scan, the policy's row filter, the visible columns with their cell rules, and above
//! them a barrier when rows or cells are hidden. The reader's statement is planned against it as against any table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Column;
use datafusion::common::TableReference;
use datafusion::common::{DFSchema, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType, when};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::lit;
use datafusion::sql::parser::Statement;

use super::authorize::{Authorized, AuthorizedTable};
use super::barrier::check::Ground;
use super::barrier::logical::Barrier;
use super::expression::{Reader, condition, no_longer_fits};
use super::{fault, listing};
use crate::app::App;
use crate::error::Result;
use crate::policy::decision::{Cell, Decision, Rows};

/// A statement and a session that holds its guarded tables alone.
#[derive(Debug)]
pub struct Guarded {
    pub(super) statement: Statement,
    pub(super) explain: bool,
    pub(super) session: SessionState,
    /// By full name: what the check of the finished plan must find.
    pub(super) grounds: BTreeMap<String, Ground>,
}

impl Guarded {
    /// Builds the guarded tables of `authorized`.
    pub async fn rewrite(app: &App, authorized: Authorized, database: Option<&str>) -> Result<Self> {
        let mut tables: BTreeMap<_, Arc<dyn TableProvider>> = BTreeMap::new();
        let mut grounds = BTreeMap::new();
        for table in authorized.tables() {
            let name = table.record.name.clone();
            grounds.insert(name.to_string(), ground(app, table)?);
            tables.insert(name, guarded_table(app, &authorized, table).await?);
        }
        listing::add(app, &authorized, &mut tables)?;
        let session = app.engine.session(tables, database)?;
        let parsed = authorized.into_parsed();
        Ok(Self { explain: parsed.explain(), statement: parsed.into_statement(), session, grounds })
    }
}

fn needs_barrier(decision: &Decision) -> bool {
    decision.rows != Rows::All || decision.columns.iter().any(|column| column.cell != Cell::Always)
}

fn ground(app: &App, table: &AuthorizedTable) -> Result<Ground> {
    let (_, store, folder) = app.lake.store_for(&table.record.location)?;
    Ok(Ground {
        store: store.as_str().to_owned(),
        folder: folder.to_string(),
        needs_barrier: needs_barrier(&table.decision),
    })
}

async fn guarded_table(
    app: &App,
    authorized: &Authorized,
    table: &AuthorizedTable,
) -> Result<Arc<dyn TableProvider>> {
    let name = &table.record.name;
    let provider = crate::catalog::provider(&app.lake, &table.record).await?;
    let reference = TableReference::partial(name.database.as_str(), name.table.as_str());
    let scan =
        LogicalPlanBuilder::scan(reference, provider_as_source(provider), None).map_err(fault::translate)?;
    let identity = authorized.identity();
    let reader = Reader { identity, index: &authorized.governance().index };
    let rules = Rules {
        table: name.to_string(),
        schema: Arc::clone(scan.schema()),
        reader,
        session: app.engine.bare(),
    };
    let (plan, filters_rows) = rules.guard(scan, &table.decision)?;
    let plan = match needs_barrier(&table.decision) {
        true => Barrier::over(name.to_string(), filters_rows, plan),
        false => plan,
    };
    Ok(Arc::new(GuardedTable { schema: Arc::new(plan.schema().as_arrow().clone()), plan }))
}

/// The rules of one table, bound to its columns.
struct Rules<'a> {
    table: String,
    schema: Arc<DFSchema>,
    reader: Reader<'a>,
    session: &'a SessionState,
}

impl Rules<'_> {
    /// The scan with the decision applied: first the rows, then the columns and their cells. Every rule sees raw
    /// values, since all of them stand in the same plan below the barrier.
    ///
    /// Also says whether rows are filtered: a rule that is true of every row for this reader leaves no filter.
    fn guard(&self, scan: LogicalPlanBuilder, decision: &Decision) -> Result<(LogicalPlan, bool)> {
        let condition = match &decision.rows {
            Rows::All => None,
            Rows::AnyOf(rules) => {
                Some(self.simplified(self.any_of(rules)?)).filter(|rule| *rule != lit(true))
            }
        };
        let filters_rows = condition.is_some();
        let filtered = match condition {
            Some(condition) => scan.filter(condition).map_err(fault::translate)?,
            None => scan,
        };
        let columns = decision
            .columns
            .iter()
            .map(|column| self.cell(&column.name, &column.cell))
            .collect::<Result<Vec<_>>>()?;
        let plan = filtered.project(columns).and_then(LogicalPlanBuilder::build).map_err(fault::translate)?;
        Ok((plan, filters_rows))
    }

    /// The rule with what is constant for this reader worked out; as it is when that fails, so that it fails where
    /// rows are read and is told as the policy's fault.
    fn simplified(&self, rule: Expr) -> Expr {
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&self.schema))
            .with_config_options(Arc::clone(self.session.config_options()))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let coerced = simplifier.coerce(rule.clone(), &self.schema);
        coerced.and_then(|rule| simplifier.simplify(rule)).unwrap_or(rule)
    }

    fn cell(&self, name: &str, cell: &Cell) -> Result<Expr> {
        let (qualifier, field) =
            self.schema.qualified_field_with_unqualified_name(name).map_err(fault::translate)?;
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match cell {
            Cell::Always => Ok(column),
            Cell::When(rules) => {
                let value = when(self.any_of(rules)?, column).end().map_err(fault::translate)?;
                Ok(value.alias_qualified(qualifier.cloned(), name))
            }
        }
    }

    /// True where any of `rules` is; an empty list is true nowhere.
    fn any_of(&self, rules: &[String]) -> Result<Expr> {
        let conditions = rules
            .iter()
            .map(|rule| {
                condition(rule, &self.schema, &self.reader, self.session)
                    .map_err(|reason| no_longer_fits(&self.table, rule, &reason))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(disjunction(conditions).unwrap_or_else(|| lit(false)))
    }
}

/// A table that is its plan. It cannot be scanned, so that no path of the engine goes around the plan.
#[derive(Debug)]
struct GuardedTable {
    schema: SchemaRef,
    plan: LogicalPlan,
}

#[async_trait]
impl TableProvider for GuardedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        internal_err!("a guarded table is read through its plan")
    }
}

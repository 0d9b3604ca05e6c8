//! [`Authorized`] → [`Guarded`]: a session in which every name means the guarded table and nothing else.
//!
//! A guarded table is a plan: the scan, the policy's row filter, the visible columns with their cell rules, and above
//! them a barrier when rows or cells are hidden. The reader's statement is planned against it as against any table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Column;
use datafusion::common::TableReference;
use datafusion::common::{DFSchema, Result as EngineResult, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, disjunction};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType, cast, when};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::lit;
use datafusion::sql::parser::Statement;

use super::authorize::{Authorized, AuthorizedTable, AuthorizedView};
use super::barrier::check::{Ground, is_inside};
use super::barrier::logical::Barrier;
use super::expression::{Reader, condition, no_longer_fits, value};
use super::mask::{self, MaskKey};
use super::parse::Explain;
use super::{fault, listing, pg_catalog};
use crate::app::App;
use crate::catalog::version::TableAt;
use crate::error::{Error, Result};
use crate::policy::decision::{Cell, ColumnDecision, Decision, Rows};
use crate::policy::restriction::Mask;

/// A statement and a session that holds its guarded tables alone.
#[derive(Debug)]
pub struct Guarded {
    pub(super) statement: Statement,
    pub(super) explain: Option<Explain>,
    pub(super) session: SessionState,
    /// By full name: what the check of the finished plan must find.
    pub(super) grounds: BTreeMap<String, Ground>,
    /// Whether policy withholds rows, cells, values or columns.
    pub(super) withholds: bool,
    /// Whether the statement was put into other words to ask PostgreSQL's catalog.
    pub(super) asks_catalog: bool,
}

impl Guarded {
    /// Builds the guarded tables of `authorized`.
    pub async fn rewrite(app: &App, authorized: Authorized, database: Option<&str>) -> Result<Self> {
        let mut tables: BTreeMap<TableAt, Arc<dyn TableProvider>> = BTreeMap::new();
        let mut grounds = grounds(app, authorized.tables())?;
        for table in authorized.tables() {
            let under_barrier = grounds.get(&table.named().to_string()).is_none_or(Ground::needs_barrier);
            tables.insert(table.named(), guarded_table(app, &authorized, table, under_barrier).await?);
        }
        listing::add(app, &authorized, &mut tables).await?;
        for view in authorized.views() {
            let guarded = guarded_view(app, &authorized, view, &tables).await?;
            grounds.insert(view.view.name.to_string(), Ground::View);
            tables.insert(view.view.name.clone().into(), guarded);
        }
        let mut session = app.engine.session(tables, database)?;
        let asks_catalog = authorized.parsed().asks_catalog();
        if asks_catalog {
            session = pg_catalog::with_functions(session, &authorized.identity().user, database)?;
        }
        let withholds = authorized.decisions().any(|(_, decision)| withholds(decision));
        let parsed = authorized.into_parsed();
        Ok(Self {
            explain: parsed.explain(),
            statement: parsed.into_statement(),
            session,
            grounds,
            withholds,
            asks_catalog,
        })
    }

    /// The session that the statement is planned in.
    pub fn session(&self) -> &SessionState {
        &self.session
    }
}

fn withholds(decision: &Decision) -> bool {
    decision.notice_flags().columns_hidden || needs_barrier(decision)
}

/// Where rows, cells or values are withheld, the reader's expressions must not meet what is below.
fn needs_barrier(decision: &Decision) -> bool {
    let flags = decision.notice_flags();
    flags.rows_filtered || flags.cells_nulled || !flags.masked.is_empty()
}

/// The ground of each table. Those that share files, as the versions of one table do, are all read under a barrier when
/// one of them has to be: a file does not tell which of them it is read for.
fn grounds(app: &App, tables: &[AuthorizedTable]) -> Result<BTreeMap<String, Ground>> {
    let places = tables.iter().map(|table| place(app, table)).collect::<Result<Vec<_>>>()?;
    let ground = |(table, place): (&AuthorizedTable, &(String, String))| {
        let mut others = tables.iter().zip(&places);
        let needs_barrier =
            others.any(|(other, of)| share_files(of, place) && needs_barrier(&other.decision));
        let (store, folder) = place.clone();
        (table.named().to_string(), Ground::Files { store, folder, needs_barrier })
    };
    Ok(tables.iter().zip(&places).map(ground).collect())
}

/// The URL of the object store that the table lies in, and the folder's path in it.
fn place(app: &App, table: &AuthorizedTable) -> Result<(String, String)> {
    let (_, store, folder) = app.lake.store_for(&table.record.location)?;
    Ok((store.as_str().to_owned(), folder.to_string()))
}

fn share_files((store, folder): &(String, String), (of, other): &(String, String)) -> bool {
    store == of && (is_inside(folder, other) || is_inside(other, folder))
}

async fn guarded_table(
    app: &App,
    authorized: &Authorized,
    table: &AuthorizedTable,
    under_barrier: bool,
) -> Result<Arc<dyn TableProvider>> {
    let name = &table.record.name;
    let provider = crate::catalog::provider(&app.lake, &table.record).await?;
    let reference = TableReference::partial(name.database.as_str(), name.table.as_str());
    let scan =
        LogicalPlanBuilder::scan(reference, provider_as_source(provider), None).map_err(fault::translate)?;
    let scan = match &table.shared {
        Some(shared) => as_now(scan, &table.record.schema, shared).map_err(fault::translate)?,
        None => scan,
    };
    let identity = authorized.identity();
    let reader = Reader { identity, index: &authorized.governance().index };
    let rules = Rules {
        table: table.named().to_string(),
        schema: Arc::clone(scan.schema()),
        reader,
        session: app.engine.bare(),
        key: &app.mask_key,
    };
    rules.guarded(scan, &table.decision, under_barrier)
}

/// `scan`, which has the columns of `then`, with the columns that are `shared` and no others, in the types they have now.
fn as_now(scan: LogicalPlanBuilder, then: &Schema, shared: &[FieldRef]) -> EngineResult<LogicalPlanBuilder> {
    let column = |field: &FieldRef| {
        let (qualifier, _) = scan.schema().qualified_field_with_unqualified_name(field.name())?;
        let raw = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let before = then.field_with_name(field.name())?.data_type();
        Ok(match before.is_numeric() && before != field.data_type() {
            true => cast(raw, field.data_type().clone()).alias_qualified(qualifier.cloned(), field.name()),
            false => raw,
        })
    };
    let columns = shared.iter().map(column).collect::<EngineResult<Vec<_>>>()?;
    scan.project(columns)
}

/// The view over the guarded tables that it reads, under its own decision. Columns that the reader's view of those
/// tables does not have are not in it.
async fn guarded_view(
    app: &App,
    authorized: &Authorized,
    view: &AuthorizedView,
    tables: &BTreeMap<TableAt, Arc<dyn TableProvider>>,
) -> Result<Arc<dyn TableProvider>> {
    let name = &view.view.name;
    let session = app.engine.session(tables.clone(), view.view.database.as_deref())?;
    let query = view.query.statement().clone();
    let plan = session.statement_to_plan(query).await.map_err(fault::translate)?;
    let reference = TableReference::partial(name.database.as_str(), name.table.as_str());
    let plan = LogicalPlanBuilder::from(plan).alias(reference).map_err(fault::translate)?;
    let mut decision = view.decision.clone();
    decision.columns.retain(|column| plan.schema().has_column_with_unqualified_name(&column.name));
    let identity = authorized.identity();
    let rules = Rules {
        table: name.to_string(),
        schema: Arc::clone(plan.schema()),
        reader: Reader { identity, index: &authorized.governance().index },
        session: app.engine.bare(),
        key: &app.mask_key,
    };
    rules.guarded(plan, &decision, needs_barrier(&decision))
}

/// The rules of one table, bound to its columns.
struct Rules<'a> {
    table: String,
    schema: Arc<DFSchema>,
    reader: Reader<'a>,
    session: &'a SessionState,
    key: &'a MaskKey,
}

impl Rules<'_> {
    /// `plan` under `decision`, as a table.
    fn guarded(
        &self,
        plan: LogicalPlanBuilder,
        decision: &Decision,
        under_barrier: bool,
    ) -> Result<Arc<dyn TableProvider>> {
        let (plan, filters_rows) = self.guard(plan, decision)?;
        let plan = match under_barrier {
            true => Barrier::over(self.table.clone(), filters_rows, plan),
            false => plan,
        };
        Ok(Arc::new(GuardedTable { schema: Arc::new(plan.schema().as_arrow().clone()), plan }))
    }

    /// The scan with the decision applied: first the rows, then the columns and their cells. Every rule sees raw
    /// values, since all of them stand in the same plan below the barrier.
    ///
    /// Also says whether rows are filtered: a rule that is true of every row for this reader leaves no filter.
    fn guard(&self, scan: LogicalPlanBuilder, decision: &Decision) -> Result<(LogicalPlan, bool)> {
        let given = match &decision.rows {
            Rows::All => None,
            Rows::AnyOf(rules) => Some(self.any_of(rules)?),
        };
        let required = decision.required.iter().map(|rule| self.rule(rule)).collect::<Result<Vec<_>>>()?;
        let condition = conjunction(given.into_iter().chain(required))
            .map(|condition| self.simplified(condition))
            .filter(|rule| *rule != lit(true));
        let filters_rows = condition.is_some();
        let filtered = match condition {
            Some(condition) => scan.filter(condition).map_err(fault::translate)?,
            None => scan,
        };
        let columns =
            decision.columns.iter().map(|column| self.column(column)).collect::<Result<Vec<_>>>()?;
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

    /// A visible column under its own name.
    fn column(&self, column: &ColumnDecision) -> Result<Expr> {
        let (qualifier, field) =
            self.schema.qualified_field_with_unqualified_name(&column.name).map_err(fault::translate)?;
        let raw = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let seen = self.seen(column, raw.clone(), field.data_type())?;
        match seen == raw {
            true => Ok(raw),
            false => Ok(seen.alias_qualified(qualifier.cloned(), &column.name)),
        }
    }

    /// What the reader sees in the place of `raw`: masked, NULL where the cell is not theirs, and of a struct the
    /// fields that are.
    fn seen(&self, column: &ColumnDecision, raw: Expr, data_type: &DataType) -> Result<Expr> {
        if !column.fields.is_empty() {
            return self.struct_of(column, raw, data_type);
        }
        let value = match &column.mask {
            None => raw,
            Some(applied) => self.masked(&applied.mask, raw, data_type)?,
        };
        match &column.cell {
            Cell::Always => Ok(value),
            Cell::When(rules) => when(self.any_of(rules)?, value).end().map_err(fault::translate),
        }
    }

    fn struct_of(&self, column: &ColumnDecision, raw: Expr, data_type: &DataType) -> Result<Expr> {
        let DataType::Struct(fields) = data_type else {
            return Err(self.no_longer_fits(&column.name, "it is no struct any more"));
        };
        let mut parts = Vec::with_capacity(column.fields.len() * 2);
        for inner in &column.fields {
            let Some((_, field)) = fields.find(&inner.name) else {
                return Err(self.no_longer_fits(&inner.name, "there is no such field any more"));
            };
            parts.push(lit(inner.name.as_str()));
            let raw = get_field(raw.clone(), inner.name.as_str());
            parts.push(self.seen(inner, raw, field.data_type())?);
        }
        when(raw.is_not_null(), named_struct(parts)).end().map_err(fault::translate)
    }

    fn masked(&self, mask: &Mask, raw: Expr, data_type: &DataType) -> Result<Expr> {
        let masked = match mask {
            Mask::Using(text) => value(text, &self.schema, &self.reader, self.session)
                .and_then(|(expression, found)| mask::using(expression, &found, raw, data_type)),
            named => mask::named(named, raw, data_type, self.key),
        };
        masked.map_err(|reason| self.no_longer_fits(mask.name(), &reason))
    }

    /// True where any of `rules` is; an empty list is true nowhere.
    fn any_of(&self, rules: &[String]) -> Result<Expr> {
        let conditions = rules.iter().map(|rule| self.rule(rule)).collect::<Result<Vec<_>>>()?;
        Ok(disjunction(conditions).unwrap_or_else(|| lit(false)))
    }

    fn rule(&self, rule: &str) -> Result<Expr> {
        condition(rule, &self.schema, &self.reader, self.session)
            .map_err(|reason| self.no_longer_fits(rule, &reason))
    }

    fn no_longer_fits(&self, rule: &str, reason: &str) -> Error {
        no_longer_fits(&self.table, rule, reason)
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

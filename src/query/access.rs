//! Why a table looks as it does to somebody: the answer of `EXPLAIN ACCESS`.
//!
//! It is made of the decision that a query gets, in two forms. The safe one is for readers: what they see and which
//! kinds of rules apply, with no expression, no hidden name and no rule of anybody; a table that does not exist reads
//! as one without a grant. The full one is for administrators.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use serde::Serialize;

use super::authorize::{asker, decide_named};
use super::earlier::Earlier;
use super::fault;
use super::parse::Parsed;
use super::plan::columns_read;
use super::refuse_too_long;
use crate::app::{App, Governance};
use crate::catalog::shapes;
use crate::catalog::version::{At, TableAt};
use crate::error::{Error, Result};
use crate::policy::decide::Asker;
use crate::policy::decision::{AppliedMask, Cell, ColumnShape, Decision, Rows, Verdict, by_leaf, walk};
use crate::policy::grant::GrantSpec;
use crate::policy::model::{TableName, is_listing};
use crate::policy::principal::Identity;
use crate::policy::restriction::Mask;

/// What somebody may see of one table, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableAccess {
    pub table: String,
    /// `allowed`, `describe_only` or `not_found`.
    pub verdict: &'static str,
    /// The visible columns, a field of a struct by its path.
    pub columns: Vec<String>,
    pub columns_hidden: bool,
    pub rows_filtered: bool,
    /// Columns that are NULL in rows where no grant gives them.
    pub cells_nulled: Vec<String>,
    pub masked: Vec<String>,
    /// The smallest grant that would allow what is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// For administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
}

/// The rules behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rules {
    /// The grants, each as a sentence with its id.
    pub grants: Vec<String>,
    /// The names of the restrictions that take something away.
    pub restrictions: Vec<String>,
    /// Rows are those for which any of these holds; all when there is none.
    pub rows: Vec<String>,
    /// And each of these must hold.
    pub required: Vec<String>,
    pub hidden_columns: Vec<String>,
    /// For each column that is NULL in places, where it is not.
    pub cells: BTreeMap<String, Vec<String>>,
    /// For each masked column its mask and the restriction it comes from.
    pub masks: BTreeMap<String, String>,
}

/// What is asked about.
#[derive(Debug, Clone)]
pub enum Question {
    /// The tables that a query names; one without a database is looked up in `database`.
    Sql {
        sql: String,
        database: Option<String>,
    },
    Table(TableName),
}

/// What `identity` may see of what `question` is about; in full when `full`.
pub async fn answer(
    app: &App,
    identity: &Identity,
    question: &Question,
    full: bool,
) -> Result<Vec<TableAccess>> {
    match question {
        Question::Sql { sql, database } => {
            refuse_too_long(sql, app.config.limits.max_sql_bytes)?;
            explain(app, identity, &Parsed::parse(sql, database.as_deref())?, full).await
        }
        Question::Table(name) => explain_table(app, identity, name, full).await.map(|access| vec![access]),
    }
}

/// What `identity` may see of each table that `parsed` names; in full when `full`.
pub async fn explain(
    app: &App,
    identity: &Identity,
    parsed: &Parsed,
    full: bool,
) -> Result<Vec<TableAccess>> {
    let governance = app.state();
    let asker = asker(identity, &governance, app.is_administrator(identity));
    let used =
        if full { columns_used(app, parsed, &governance).await.unwrap_or_default() } else { BTreeMap::new() };
    let mut tables = Vec::new();
    for table in parsed.tables().iter().filter(|table| !is_listing(&table.name.database)) {
        let mut access = table_access(app, &asker, table, &governance, full).await?;
        access.needs = needs(identity, &table.name, &access, used.get(table));
        tables.push(access);
    }
    Ok(tables)
}

async fn explain_table(app: &App, identity: &Identity, name: &TableName, full: bool) -> Result<TableAccess> {
    let governance = app.state();
    let asker = asker(identity, &governance, app.is_administrator(identity));
    let mut access = table_access(app, &asker, &name.clone().into(), &governance, full).await?;
    access.needs = needs(identity, name, &access, None);
    Ok(access)
}

async fn table_access(
    app: &App,
    asker: &Asker,
    table: &TableAt,
    governance: &Governance,
    full: bool,
) -> Result<TableAccess> {
    let (decision, columns) = match decide_named(asker, &table.name, governance) {
        Some((decision, schema)) => (decision, shapes(schema.fields())),
        None => (Decision::not_found(), Vec::new()),
    };
    let (decision, columns) = match (table.at, governance.state.tables.get(&table.name)) {
        (At::Now, _) | (_, None) => (decision, columns),
        // Of a table that may not be read nobody hears which versions it has.
        _ if decision.verdict != Verdict::Select => (decision, columns),
        (at, Some(record)) => {
            let earlier = Earlier::find(&app.store, &record.value, at, &decision, Duration::ZERO).await?;
            (earlier.decision, shapes(&earlier.shared.into_iter().collect()))
        }
    };
    Ok(told(table, &decision, full.then(|| rules(&decision, &columns, governance))))
}

fn told(table: &TableAt, decision: &Decision, rules: Option<Rules>) -> TableAccess {
    let flags = decision.notice_flags();
    let (mut columns, mut cells_nulled) = (Vec::new(), Vec::new());
    walk(&decision.columns, "", &mut |path, column| {
        columns.push(path.to_owned());
        if matches!(column.cell, Cell::When(_)) {
            cells_nulled.push(path.to_owned());
        }
    });
    let is_readable = decision.verdict == Verdict::Select;
    TableAccess {
        table: table.to_string(),
        verdict: match decision.verdict {
            Verdict::Select => "allowed",
            Verdict::DescribeOnly => "describe_only",
            Verdict::Unfit => "policy_invalid",
            Verdict::NotFound => "not_found",
        },
        columns,
        columns_hidden: is_readable && flags.columns_hidden,
        rows_filtered: is_readable && flags.rows_filtered,
        cells_nulled,
        masked: flags.masked,
        needs: None,
        rules,
    }
}

fn rules(decision: &Decision, columns: &[ColumnShape], governance: &Governance) -> Rules {
    let sentence = |id: &String| {
        let grant = governance.state.grants.get(id)?;
        Some(format!("{} [{id}]", GrantSpec::from(grant.value.as_ref())))
    };
    let mut rules = Rules {
        grants: decision.grants.iter().filter_map(sentence).collect(),
        restrictions: decision.restrictions.clone(),
        required: decision.required.clone(),
        ..Rules::default()
    };
    if let (Rows::AnyOf(rows), Verdict::Select) = (&decision.rows, decision.verdict) {
        rules.rows.clone_from(rows);
    }
    walk(&decision.columns, "", &mut |path, column| {
        if let Cell::When(rows) = &column.cell {
            rules.cells.insert(path.to_owned(), rows.clone());
        }
        if let Some(applied) = &column.mask {
            rules.masks.insert(path.to_owned(), mask_text(applied));
        }
    });
    let leaves = by_leaf(columns, &decision.columns).into_iter();
    rules.hidden_columns = leaves.filter(|(_, column)| column.is_none()).map(|(path, _)| path).collect();
    rules
}

fn mask_text(applied: &AppliedMask) -> String {
    let mask = match &applied.mask {
        Mask::Using(expression) => format!("using {expression}"),
        named => named.name().to_owned(),
    };
    format!("{mask}, by {}", applied.restriction)
}

/// The grant that is missing: on the columns that the query uses and that are not visible, when these are known.
fn needs(
    identity: &Identity,
    name: &TableName,
    access: &TableAccess,
    used: Option<&BTreeSet<String>>,
) -> Option<String> {
    let to = format!("USER \"{}\"", identity.user.replace('"', "\"\""));
    let is_visible = |column: &&String| {
        access.columns.iter().any(|path| path.split('.').next() == Some(column.as_str()) || path == *column)
    };
    let missing: Vec<&str> = match used {
        Some(used) => used.iter().filter(|column| !is_visible(column)).map(String::as_str).collect(),
        None => Vec::new(),
    };
    if access.verdict == "allowed" && missing.is_empty() {
        return None;
    }
    let columns = if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
    Some(format!("GRANT SELECT{columns} ON {name} TO {to}"))
}

/// The columns that the statement uses, found by planning it over tables without rows.
async fn columns_used(
    app: &App,
    parsed: &Parsed,
    governance: &Governance,
) -> Result<BTreeMap<TableAt, BTreeSet<String>>> {
    let mut tables: BTreeMap<TableAt, Arc<dyn TableProvider>> = BTreeMap::new();
    for table in parsed.tables() {
        if let Some(schema) = governance.state.schema_of(&table.name) {
            tables.insert(table.clone(), Arc::new(EmptyTable::new(Arc::clone(schema))));
        }
    }
    let session = app.engine.session(tables, parsed.database())?;
    let plan = session.statement_to_plan(parsed.statement().clone()).await.map_err(fault::translate)?;
    let plan = session.optimize(&plan).map_err(fault::translate)?;
    let mut used: BTreeMap<TableAt, BTreeSet<String>> = BTreeMap::new();
    let prefix = |table: &TableAt| match table.at {
        At::Now => format!("{}.", table.name),
        at => format!("{at}.{}.", table.name),
    };
    for column in columns_read(&plan)? {
        let table =
            parsed.tables().iter().find_map(|table| Some((table, column.strip_prefix(&prefix(table))?)));
        if let Some((table, column)) = table {
            used.entry(table.clone()).or_default().insert(column.to_owned());
        }
    }
    Ok(used)
}

/// The answer as a table: one line for each thing that is to be said.
pub fn as_batch(tables: &[TableAccess]) -> Result<RecordBatch> {
    let mut lines: Vec<[String; 3]> = Vec::new();
    for access in tables {
        let mut say =
            |what: &str, detail: String| lines.push([access.table.clone(), what.to_owned(), detail]);
        say("verdict", access.verdict.to_owned());
        if !access.columns.is_empty() {
            say("columns", access.columns.join(", "));
        }
        if access.columns_hidden {
            say("hidden", "some columns are hidden".to_owned());
        }
        if access.rows_filtered {
            say("rows", "a row rule applies".to_owned());
        }
        access.cells_nulled.iter().for_each(|column| say("nulled", column.clone()));
        access.masked.iter().for_each(|column| say("masked", column.clone()));
        if let Some(rules) = &access.rules {
            say_rules(rules, &mut say);
        }
        if let Some(needs) = &access.needs {
            say("needs", needs.clone());
        }
    }
    let column =
        |at: usize| -> ArrayRef { Arc::new(lines.iter().map(|line| line.get(at)).collect::<StringArray>()) };
    RecordBatch::try_from_iter([("table", column(0)), ("what", column(1)), ("detail", column(2))])
        .map_err(Error::internal)
}

fn say_rules(rules: &Rules, say: &mut impl FnMut(&str, String)) {
    rules.grants.iter().for_each(|grant| say("grant", grant.clone()));
    rules.restrictions.iter().for_each(|name| say("restriction", name.clone()));
    rules.rows.iter().for_each(|rows| say("rows where", rows.clone()));
    rules.required.iter().for_each(|rows| say("and where", rows.clone()));
    rules.hidden_columns.iter().for_each(|column| say("hidden column", column.clone()));
    rules
        .cells
        .iter()
        .for_each(|(column, rows)| say("cell", format!("{column} where {}", rows.join(" OR "))));
    rules.masks.iter().for_each(|(column, mask)| say("mask", format!("{column}: {mask}")));
}

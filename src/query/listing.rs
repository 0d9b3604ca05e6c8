//! `information_schema`: the databases, tables and columns that this reader may see, as tables.
//!
//! They are made of the same decision as a query's, for each request anew, so that a listing never tells more than a
//! query would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::FieldRef;
use datafusion::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use super::authorize::{Authorized, asker, decide_on, decide_on_view, pruned};
use super::engine::CATALOG;
use super::parse::no_such_table;
use super::pg_catalog::Catalog;
use super::sql_type::sql_type;
use crate::app::{App, Governance};
use crate::catalog::version::TableAt;
use crate::error::{Error, Result};
use crate::policy::decision::Decision;
use crate::policy::model::{Columns, Grant, PG_CATALOG, TableName, Target, is_listing};
use crate::policy::principal::Identity;
use crate::store::record::{Description, TableRecord};

/// A table that a reader may see, and how.
#[derive(Debug)]
pub struct Visible<'a> {
    pub record: &'a TableRecord,
    pub revision: i64,
    pub decision: Decision,
}

/// Every table that `identity` may read or describe, by name.
pub fn visible_tables<'a>(
    governance: &'a Governance,
    identity: &Identity,
    describes_all: bool,
) -> Vec<Visible<'a>> {
    let asker = asker(identity, governance, describes_all);
    governance
        .state
        .tables
        .values()
        .map(|record| Visible {
            decision: decide_on(&asker, &record.value, governance),
            revision: record.revision,
            record: &record.value,
        })
        .filter(|visible| !visible.decision.describe.is_empty())
        .collect()
}

impl Visible<'_> {
    /// The names of the columns of which the reader may know all.
    fn known(&self) -> BTreeSet<String> {
        let is_whole = |field: &FieldRef| {
            let found = self.record.schema.fields().find(field.name());
            found.is_some_and(|(_, whole)| whole.data_type() == field.data_type())
        };
        self.fields().iter().filter(|field| is_whole(field)).map(|field| field.name().clone()).collect()
    }

    /// The columns as the reader may know them, a struct with the fields that are theirs.
    pub fn fields(&self) -> Vec<FieldRef> {
        pruned(self.record.schema.fields(), &self.decision.describe)
    }
}

/// A table or view as the listings show it.
#[derive(Debug)]
pub struct Listed<'a> {
    pub name: &'a TableName,
    /// `BASE TABLE` or `VIEW`.
    pub kind: &'static str,
    /// The columns that the reader may know.
    pub fields: Vec<FieldRef>,
    /// What is said of it, as far as the reader may know.
    pub description: Option<Description>,
}

impl Listed<'_> {
    /// What is said of one of its columns.
    fn comment(&self, field: &FieldRef) -> Option<&str> {
        self.description.as_ref()?.columns.get(field.name()).map(String::as_str)
    }
}

/// Every table and view that `identity` may read or describe, by name.
pub fn listed<'a>(governance: &'a Governance, identity: &Identity, describes_all: bool) -> Vec<Listed<'a>> {
    let tables = visible_tables(governance, identity, describes_all);
    let mut listed: Vec<Listed<'_>> = tables
        .iter()
        .map(|table| Listed {
            name: &table.record.name,
            kind: "BASE TABLE",
            fields: table.fields(),
            description: told(governance, &tables, &table.record.name),
        })
        .collect();
    let asker = asker(identity, governance, describes_all);
    for view in governance.state.views.values().map(|view| &view.value) {
        let decision = decide_on_view(&asker, view, governance);
        if !decision.describe.is_empty() {
            let fields = pruned(view.schema.fields(), &decision.describe);
            listed.push(Listed { name: &view.name, kind: "VIEW", fields, description: None });
        }
    }
    listed.sort_by_key(|listed| listed.name);
    listed
}

/// What of the description of `name` may be told to whoever sees `visible`, which are in the order of their names.
pub fn told(governance: &Governance, visible: &[Visible<'_>], name: &TableName) -> Option<Description> {
    let description = &governance.state.descriptions.get(name)?.value;
    let known = |table: &TableName| {
        let at = visible.binary_search_by(|visible| visible.record.name.cmp(table));
        at.ok().and_then(|at| visible.get(at)).map(Visible::known).unwrap_or_default()
    };
    let own = known(name);
    let mut told = description.told(|table, column| match table == name {
        true => own.contains(column),
        false => known(table).contains(column),
    });
    // It is said of the whole table, so perhaps of a column that this reader does not know.
    let all = governance.state.schema_of(name)?.fields();
    told.comment = told.comment.filter(|_| all.iter().all(|field| own.contains(field.name())));
    Some(told)
}

/// Adds the listings that the statement names to its `tables`.
pub async fn add(
    app: &App,
    authorized: &Authorized,
    tables: &mut BTreeMap<TableAt, Arc<dyn TableProvider>>,
) -> Result<()> {
    let identity = authorized.identity();
    let governance = authorized.governance();
    let named = authorized.parsed().names().into_iter().filter(|name| is_listing(&name.database));
    let (of_postgres, named): (Vec<_>, Vec<_>) = named.partition(|name| name.database == PG_CATALOG);
    if of_postgres.is_empty() && named.is_empty() {
        return Ok(());
    }
    let administers = app.is_administrator(identity);
    let visible = listed(governance, identity, administers);
    if !of_postgres.is_empty() {
        let catalog = Catalog::of(&identity.user, &visible).await?;
        for name in of_postgres {
            tables.insert(name.clone().into(), catalog.table(name).await?);
        }
    }
    for name in named {
        let batch = match name.table.as_str() {
            "schemata" => schemata(&visible),
            "tables" => tables_listing(&visible),
            "columns" => columns_listing(&visible),
            "grants" => grants_listing(governance, identity, administers, &visible),
            _ => return Err(no_such_table(&name.to_string())),
        }?;
        let provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(Error::internal)?;
        tables.insert(name.clone().into(), Arc::new(provider));
    }
    Ok(())
}

fn schemata(visible: &[Listed<'_>]) -> Result<RecordBatch> {
    let databases = visible.iter().map(|listed| listed.name.database.as_str()).collect::<BTreeSet<_>>();
    listing([
        ("catalog_name", texts(databases.iter().map(|_| CATALOG))),
        ("schema_name", texts(databases.iter().copied())),
    ])
}

fn tables_listing(visible: &[Listed<'_>]) -> Result<RecordBatch> {
    let names = || visible.iter().map(|listed| listed.name);
    listing([
        ("table_catalog", texts(names().map(|_| CATALOG))),
        ("table_schema", texts(names().map(|name| name.database.as_str()))),
        ("table_name", texts(names().map(|name| name.table.as_str()))),
        ("table_type", texts(visible.iter().map(|listed| listed.kind))),
    ])
}

fn columns_listing(visible: &[Listed<'_>]) -> Result<RecordBatch> {
    let rows = visible
        .iter()
        .flat_map(|listed| {
            listed.fields.iter().enumerate().map(|(position, field)| (listed.name, position, field))
        })
        .collect::<Vec<_>>();
    let positions =
        rows.iter().map(|(_, position, _)| i64::try_from(*position).unwrap_or(i64::MAX).saturating_add(1));
    let comments = visible.iter().flat_map(|listed| listed.fields.iter().map(|field| listed.comment(field)));
    let types = rows.iter().map(|(_, _, field)| sql_type(field.data_type())).collect::<Vec<_>>();
    listing([
        ("table_catalog", texts(rows.iter().map(|_| CATALOG))),
        ("table_schema", texts(rows.iter().map(|(name, ..)| name.database.as_str()))),
        ("table_name", texts(rows.iter().map(|(name, ..)| name.table.as_str()))),
        ("column_name", texts(rows.iter().map(|(_, _, field)| field.name().as_str()))),
        ("ordinal_position", Arc::new(positions.collect::<Int64Array>()) as ArrayRef),
        (
            "is_nullable",
            texts(rows.iter().map(|(_, _, field)| if field.is_nullable() { "YES" } else { "NO" })),
        ),
        ("data_type", texts(types.iter().map(String::as_str))),
        ("column_comment", Arc::new(comments.collect::<StringArray>()) as ArrayRef),
    ])
}

/// The grants that the reader may know of: an administrator all, others those that are to them, on what they can see.
/// Columns, rows and reasons are for administrators: they tell of what is withheld.
fn grants_listing(
    governance: &Governance,
    identity: &Identity,
    administers: bool,
    visible: &[Listed<'_>],
) -> Result<RecordBatch> {
    let asker = asker(identity, governance, administers);
    let is_seen = |target: &Target| match target {
        Target::Table(table) => visible.iter().any(|listed| listed.name == table),
        Target::Database(_) | Target::AllTables(_) | Target::Tagged(_) => true,
    };
    let is_own = |grant: &Grant| {
        asker.principals.contains(&grant.to) && grant.is_valid_at(asker.now) && is_seen(&grant.on)
    };
    let grants = governance.state.grants.values().map(|grant| grant.value.as_ref());
    let grants: Vec<&Grant> = grants.filter(|grant| administers || is_own(grant)).collect();
    let column = |value: &dyn Fn(&Grant) -> Option<String>| -> ArrayRef {
        Arc::new(grants.iter().map(|grant| value(grant)).collect::<StringArray>())
    };
    let told = |value: Option<String>| value.filter(|_| administers);
    let permissions = |grant: &Grant| {
        let names = grant.permissions.iter().map(|permission| permission.name());
        Some(names.collect::<Vec<_>>().join(", "))
    };
    listing([
        ("grantee", column(&|grant| Some(grant.to.to_string()))),
        ("object", column(&|grant| Some(grant.on.to_string()))),
        ("permissions", column(&permissions)),
        ("columns", column(&|grant| told(columns_text(&grant.columns)))),
        ("rows", column(&|grant| told(grant.rows.clone()))),
        ("filter", column(&|grant| told(grant.filter.clone()))),
        ("grantable", Arc::new(grants.iter().map(|grant| Some(grant.grantable)).collect::<BooleanArray>())),
        ("valid_from", column(&|grant| grant.from.map(|time| time.to_rfc3339()))),
        ("valid_until", column(&|grant| grant.until.map(|time| time.to_rfc3339()))),
        ("reason", column(&|grant| told(grant.reason.clone()))),
        ("id", column(&|grant| told(Some(grant.id.clone())))),
    ])
}

fn columns_text(columns: &Columns) -> Option<String> {
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    match columns {
        Columns::All => None,
        Columns::Include(included) => Some(names(included)),
        Columns::Exclude(excluded) => Some(format!("all but {}", names(excluded))),
    }
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn listing<const N: usize>(columns: [(&'static str, ArrayRef); N]) -> Result<RecordBatch> {
    RecordBatch::try_from_iter(columns).map_err(Error::internal)
}

//! `information_schema`: the databases, tables and columns that this reader may see, as tables.
//!
//! They are made of the same decision as a query's, for each request anew, so that a listing never tells more than a
//! query would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use super::authorize::{Authorized, asker, decide_on};
use super::engine::CATALOG;
use super::parse::{INFORMATION_SCHEMA, no_such_table};
use super::sql_type::sql_type;
use crate::app::{App, Governance};
use crate::error::{Error, Result};
use crate::policy::decision::{ColumnShape, Decision};
use crate::policy::model::TableName;
use crate::policy::principal::Identity;
use crate::store::record::TableRecord;

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
    /// The columns as the reader may know them, a struct with the fields that are theirs.
    pub fn fields(&self) -> Vec<FieldRef> {
        pruned(self.record.schema.fields(), &self.decision.describe)
    }
}

fn pruned(fields: &Fields, shapes: &[ColumnShape]) -> Vec<FieldRef> {
    let field = |shape: &ColumnShape| {
        let (_, field) = fields.find(&shape.name)?;
        match (field.data_type(), shape.fields.as_slice()) {
            (_, []) => Some(Arc::clone(field)),
            (DataType::Struct(inner), shapes) => {
                let kept = DataType::Struct(pruned(inner, shapes).into());
                Some(Arc::new(Field::clone(field).with_data_type(kept)))
            }
            _ => None,
        }
    };
    shapes.iter().filter_map(field).collect()
}

/// Adds the listings that the statement names to its `tables`.
pub fn add(
    app: &App,
    authorized: &Authorized,
    tables: &mut BTreeMap<TableName, Arc<dyn TableProvider>>,
) -> Result<()> {
    let identity = authorized.identity();
    let governance = authorized.governance();
    for name in authorized.parsed().tables().iter().filter(|name| name.database == INFORMATION_SCHEMA) {
        let visible = visible_tables(governance, identity, app.is_administrator(identity));
        let batch = match name.table.as_str() {
            "schemata" => schemata(&visible),
            "tables" => tables_listing(&visible),
            "columns" => columns_listing(&visible),
            _ => return Err(no_such_table(&name.to_string())),
        }?;
        let provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(Error::internal)?;
        tables.insert(name.clone(), Arc::new(provider));
    }
    Ok(())
}

fn schemata(visible: &[Visible<'_>]) -> Result<RecordBatch> {
    let databases = visible.iter().map(|table| table.record.name.database.as_str()).collect::<BTreeSet<_>>();
    listing([
        ("catalog_name", texts(databases.iter().map(|_| CATALOG))),
        ("schema_name", texts(databases.iter().copied())),
    ])
}

fn tables_listing(visible: &[Visible<'_>]) -> Result<RecordBatch> {
    let names = || visible.iter().map(|table| &table.record.name);
    listing([
        ("table_catalog", texts(names().map(|_| CATALOG))),
        ("table_schema", texts(names().map(|name| name.database.as_str()))),
        ("table_name", texts(names().map(|name| name.table.as_str()))),
        ("table_type", texts(names().map(|_| "BASE TABLE"))),
    ])
}

fn columns_listing(visible: &[Visible<'_>]) -> Result<RecordBatch> {
    let rows = visible
        .iter()
        .flat_map(|table| {
            let fields = table.fields().into_iter().enumerate();
            fields.map(|(position, field)| (&table.record.name, position, field))
        })
        .collect::<Vec<_>>();
    let positions =
        rows.iter().map(|(_, position, _)| i64::try_from(*position).unwrap_or(i64::MAX).saturating_add(1));
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
    ])
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringArray>())
}

fn listing<const N: usize>(columns: [(&'static str, ArrayRef); N]) -> Result<RecordBatch> {
    RecordBatch::try_from_iter(columns).map_err(Error::internal)
}

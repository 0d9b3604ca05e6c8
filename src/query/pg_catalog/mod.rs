//! `pg_catalog`: what clients of PostgreSQL look up before they show a table, as tables and functions.
//!
//! The tables come from the datafusion-pg-catalog crate and are filled from the same listing as `information_schema`, for
//! each statement anew: a table, column or view that its reader may not know is in none of them. Object ids count the
//! visible objects in the order of their names, so they are the same on every connection of a reader and tell nothing
//! of others.

mod completed;
mod dialect;
mod equal_names;
mod functions;
mod literals;
mod named;
mod parts;
mod respelled;
mod visible;

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::common::collect;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables, PgCatalogTable};

use self::completed::completed;
pub(super) use self::dialect::{Rewritten, rewritten};
pub use self::equal_names::shown_name;
pub use self::functions::VERSION;
pub(super) use self::functions::with_functions;
use self::visible::{Reader, Visible};
use super::fault;
use super::listing::Listed;
use super::parse::no_such_table;
use crate::error::{Error, Result};
use crate::policy::model::{PG_CATALOG, TableName};

/// What does not depend on the reader: types, functions, operators. Read once.
static UNCHANGING: LazyLock<Result<Arc<PgCatalogStaticTables>, String>> =
    LazyLock::new(|| PgCatalogStaticTables::try_new().map(Arc::new).map_err(|error| error.to_string()));

fn unchanging() -> Result<Arc<PgCatalogStaticTables>> {
    UNCHANGING.clone().map_err(Error::internal)
}

/// The tables of one reader.
pub(super) struct Catalog {
    tables: PgCatalogSchemaProvider<Visible, Reader>,
    user: String,
}

impl Catalog {
    /// The catalog in which `user` sees what is `listed`.
    pub async fn of(user: &str, listed: &[Listed<'_>]) -> Result<Self> {
        let reader = Reader { user: user.to_owned() };
        let provider = PgCatalogSchemaProvider::try_new(Visible::of(listed), unchanging()?, reader)
            .map_err(fault::translate)?;
        let catalog = Self { tables: provider, user: user.to_owned() };
        // Ids are given when an object is first seen. `pg_class` sees all of them, in one order.
        catalog.rows("pg_class").await?;
        Ok(catalog)
    }

    /// The table `name`, as it is now.
    pub async fn table(&self, name: &TableName) -> Result<Arc<dyn TableProvider>> {
        self.rows(&name.table).await
    }

    async fn rows(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let table = self.tables.build_table_by_name(name).map_err(fault::translate)?;
        let table = table.ok_or_else(|| no_such_table(&format!("{PG_CATALOG}.{name}")))?;
        if WITHOUT_ROWS.contains(&name) {
            return Ok(Arc::new(EmptyTable::new(with_lists(&table.schema()))));
        }
        self.provider(name, &table).await.map_err(fault::translate)
    }

    /// The rows at hand: a plan over them reads nothing else.
    async fn provider(
        &self,
        name: &str,
        table: &PgCatalogTable,
    ) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        match table {
            PgCatalogTable::Dynamic(stream) => {
                let rows = collect(stream.execute(Arc::new(TaskContext::default()))).await?;
                let rows = rows
                    .into_iter()
                    .map(|batch| completed(name, batch, &self.user))
                    .collect::<Result<Vec<_>, _>>()?;
                let schema = rows.first().map_or_else(|| Arc::clone(stream.schema()), RecordBatch::schema);
                Ok(Arc::new(MemTable::try_new(schema, vec![rows])?))
            }
            unchanging => unchanging.try_into_table_provider(),
        }
    }
}

/// What our tables have none of: keys, indexes, defaults, sequences, collations, triggers. Those that PostgreSQL's own tables
/// have are not told.
const WITHOUT_ROWS: [&str; 10] = [
    "pg_attrdef",
    "pg_auth_members",
    "pg_collation",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_index",
    "pg_inherits",
    "pg_policy",
    "pg_sequence",
    "pg_trigger",
];

/// The columns with lists of column numbers as such, where the crate has their text.
fn with_lists(schema: &SchemaRef) -> SchemaRef {
    const VECTORS: [&str; 6] = ["indkey", "indclass", "indcollation", "indoption", "conkey", "confkey"];
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int16, true)));
    let column = |field: &FieldRef| match VECTORS.contains(&field.name().as_str()) {
        true => Arc::new(Field::clone(field).with_data_type(list.clone())),
        false => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(column).collect::<Vec<_>>()))
}

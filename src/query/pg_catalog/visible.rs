//! What a reader may know, in the form in which the catalog's tables ask for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::TableType;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::{PgCatalogContextProvider, Role};

use crate::policy::model::PG_CATALOG;
use crate::query::engine::CATALOG;
use crate::query::listing::Listed;

/// Tables and views by their database, with the columns that the reader may know. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Visible(Arc<BTreeMap<String, BTreeMap<String, Relation>>>);

#[derive(Debug)]
struct Relation {
    is_view: bool,
    schema: SchemaRef,
}

impl Visible {
    pub fn of(listed: &[Listed<'_>]) -> Self {
        let mut databases: BTreeMap<String, BTreeMap<String, Relation>> = BTreeMap::new();
        // Types and functions stand in it.
        databases.entry(PG_CATALOG.to_owned()).or_default();
        for table in listed {
            let schema = Arc::new(Schema::new(table.fields.clone()));
            let relation = Relation { is_view: table.kind == "VIEW", schema };
            let database = databases.entry(table.name.database.clone()).or_default();
            database.insert(table.name.table.clone(), relation);
        }
        Self(Arc::new(databases))
    }

    fn relation(&self, catalog: &str, database: &str, table: &str) -> Option<&Relation> {
        (catalog == CATALOG).then(|| self.0.get(database)?.get(table)).flatten()
    }
}

#[async_trait]
impl CatalogInfo for Visible {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(vec![CATALOG.to_owned()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok((catalog == CATALOG).then(|| self.0.keys().cloned().collect()))
    }

    async fn table_names(
        &self,
        catalog: &str,
        database: &str,
    ) -> Result<Option<Vec<String>>, DataFusionError> {
        let tables = self.0.get(database).filter(|_| catalog == CATALOG);
        Ok(tables.map(|tables| tables.keys().cloned().collect()))
    }

    async fn table_schema(
        &self,
        catalog: &str,
        database: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        Ok(self.relation(catalog, database, table).map(|relation| Arc::clone(&relation.schema)))
    }

    async fn table_type(
        &self,
        catalog: &str,
        database: &str,
        table: &str,
    ) -> Result<Option<TableType>, DataFusionError> {
        let relation = self.relation(catalog, database, table);
        Ok(relation.map(|relation| if relation.is_view { TableType::View } else { TableType::Base }))
    }
}

/// The roles that a reader sees: the one to which everything belongs, and themselves.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub user: String,
}

#[async_trait]
impl PgCatalogContextProvider for Reader {
    async fn roles(&self) -> Vec<String> {
        vec![CATALOG.to_owned(), self.user.clone()]
    }

    async fn role(&self, name: &str) -> Option<Role> {
        (name == CATALOG || name == self.user).then(|| Role {
            name: name.to_owned(),
            is_superuser: false,
            can_login: name == self.user,
            can_create_db: false,
            can_create_role: false,
            can_create_user: false,
            can_replication: false,
            grants: Vec::new(),
            inherited_roles: Vec::new(),
        })
    }
}

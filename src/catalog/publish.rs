//! The one write that makes a version of a table visible.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use chrono::Utc;
use uuid::Uuid;

use super::resolve;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;
use crate::policy::model::TableName;
use crate::store::Store;
use crate::store::record::{Bookmark, Change, Database, Format, PublishedVersion, TableRecord, Versioned};

/// The catalog as a writer of tables sees it: what is published, and how to publish more.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    actor: String,
}

/// Where a table's next version goes, and the revision of the catalog that this was read from.
#[derive(Debug)]
pub struct Place {
    record: TableRecord,
    expected: Option<i64>,
}

impl Catalog {
    /// The catalog in `store`; what is published is written down as done by `actor`.
    pub fn new(store: Store, actor: impl Into<String>) -> Self {
        Self { store, actor: actor.into() }
    }

    /// Who publishes.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The published table, with the revision that publishing its next version has to know.
    pub async fn find(&self, name: &TableName) -> Result<Option<Versioned<TableRecord>>> {
        let state = self.store.load().await?;
        match resolve(&state, name) {
            Ok(table) => {
                let value = TableRecord::clone(&table.value);
                Ok(Some(Versioned { revision: table.revision, value }))
            }
            Err(error) if error.kind() == ErrorKind::TableNotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the next version of the table `name` goes: the folder of the published one, or a new one in `lake`.
    pub async fn place(&self, lake: &Lake, name: &TableName) -> Result<Place> {
        let now = Utc::now();
        let Some(Versioned { revision, value }) = self.find(name).await? else {
            let id = Uuid::new_v4().to_string();
            let record = TableRecord {
                location: lake.table_location(name, &id),
                id,
                name: name.clone(),
                format: Format::Delta,
                version: None,
                schema: Arc::new(Schema::empty()),
                partition_columns: Vec::new(),
                comment: None,
                bookmark: None,
                created_at: now,
                updated_at: now,
            };
            return Ok(Place { record, expected: None });
        };
        if value.format != Format::Delta || !lake.owns(&value.location) {
            return Err(Error::conflict(format!(
                "`{name}` is a registered folder of another system and is not overwritten: drop it first or choose \
                 another database"
            )));
        }
        Ok(Place { record: value, expected: Some(revision) })
    }

    /// Makes `version`, which lies at `place`, the one that is read, and `bookmark` how far its source has been read, in one
    /// transaction.
    pub async fn publish_version(
        &self,
        place: Place,
        version: i64,
        schema: SchemaRef,
        bookmark: Option<Bookmark>,
    ) -> Result<i64> {
        let Place { mut record, expected } = place;
        record.version = Some(version);
        record.schema = schema;
        record.bookmark = bookmark;
        record.updated_at = Utc::now();
        self.publish(record, expected).await
    }

    /// Takes the table `name` out of the catalog, if it is still as in the revision `expected`. Its files stay.
    pub async fn drop(&self, name: &TableName, expected: i64) -> Result<i64> {
        let change = Change::DropTable { name: name.clone(), expected: Some(expected) };
        self.store.commit(&self.actor, vec![change]).await
    }

    /// The versions of `table` that were published and are kept, in order.
    pub async fn versions(&self, table: &TableRecord) -> Result<Vec<PublishedVersion>> {
        self.store.versions(&table.id).await
    }

    /// All published tables, by name.
    pub async fn tables(&self) -> Result<Vec<TableRecord>> {
        let state = self.store.load().await?;
        Ok(state.tables.values().map(|table| TableRecord::clone(&table.value)).collect())
    }

    /// Makes `table` what its name stands for, in place of the revision `expected`, or as a new table. Whoever
    /// changed it meanwhile wins: this is then a conflict, and nothing changes. A missing database is created with
    /// its first table.
    pub async fn publish(&self, table: TableRecord, expected: Option<i64>) -> Result<i64> {
        let name = table.name.clone();
        let mut changes = Vec::new();
        match expected {
            Some(_) => changes.push(Change::UpdateTable { value: table, expected }),
            None => {
                if !self.store.load().await?.databases.contains_key(&name.database) {
                    changes.push(Change::CreateDatabase(Database {
                        name: name.database.clone(),
                        comment: None,
                    }));
                }
                changes.push(Change::CreateTable(table));
            }
        }
        self.store.commit(&self.actor, changes).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict => Error::conflict(format!(
                "the table `{name}` was changed by somebody else meanwhile: nothing was published; run it again"
            ))
            .with_source(error),
            _ => error,
        })
    }
}

impl Place {
    /// The table as it is published; none of a new one.
    pub fn published(&self) -> Option<&TableRecord> {
        self.expected.map(|_| &self.record)
    }

    /// The URL of the table's folder.
    pub fn location(&self) -> &str {
        &self.record.location
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("actor", &self.actor).finish_non_exhaustive()
    }
}

//! The one write that makes a version of a table visible.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use chrono::Utc;
use uuid::Uuid;

use super::current::Current;
use super::{resolve, shapes};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;
use crate::policy::model::TableName;
use crate::policy::path::{is_at_or_inside, leaf_paths};
use crate::store::Store;
use crate::store::record::{
    Bookmark, Change, Database, Format, PublishedVersion, State, TableRecord, TakenFile, TakenFiles,
    Unreleased, Versioned,
};

/// The catalog as a writer of tables sees it: what is published, and how to publish more.
#[derive(Clone)]
pub struct Catalog {
    store: Store,
    current: Arc<Current>,
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
        Self { current: Arc::new(Current::new(store.clone())), store, actor: actor.into() }
    }

    /// All that the store holds now.
    pub(super) async fn state(&self) -> Result<Arc<State>> {
        self.current.state().await
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Who publishes.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The published table, with the revision that publishing its next version has to know.
    pub async fn find(&self, name: &TableName) -> Result<Option<Versioned<TableRecord>>> {
        let state = self.state().await?;
        match resolve(&state, name) {
            Ok(table) => {
                let value = TableRecord::clone(&table.value);
                Ok(Some(Versioned { revision: table.revision, value }))
            }
            Err(error) if error.kind() == ErrorKind::TableNotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Catalog::find`], of a table that must be there.
    ///
    /// # Errors
    ///
    /// `table_not_found` when it is not.
    pub async fn found(&self, name: &TableName) -> Result<Versioned<TableRecord>> {
        let missing = || Error::new(ErrorKind::TableNotFound, format!("table not found: `{name}`"));
        self.find(name).await?.ok_or_else(missing)
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
            ))
            .lasting());
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
        let (record, expected) = place.at(version, schema, bookmark);
        self.publish(record, expected).await
    }

    /// As [`Catalog::publish_version`], of a table that takes files: `files` are noted with the version, `anew` in the place of
    /// all that were.
    pub async fn publish_files(
        &self,
        place: Place,
        version: i64,
        schema: SchemaRef,
        anew: bool,
        files: Vec<TakenFile>,
    ) -> Result<i64> {
        let (record, expected) = place.at(version, schema, Some(Bookmark::of_files()));
        let taken = TakenFiles { table_id: record.id.clone(), anew, files };
        self.publish_taking(record, expected, Some(&taken)).await
    }

    /// Which files of `urls` the table with the id `table_id` has taken, each with its tag then.
    pub async fn taken_files(&self, table_id: &str, urls: &[String]) -> Result<HashMap<String, String>> {
        self.store.taken_files(table_id, urls).await
    }

    /// Takes the table `name` out of the catalog, if it is still as in the revision `expected`. Its files stay.
    pub async fn drop(&self, name: &TableName, expected: i64) -> Result<i64> {
        let change = Change::DropTable { name: name.clone(), expected: Some(expected) };
        self.store.commit(&self.actor, vec![change]).await
    }

    /// The columns of the table `name` that grants with an exclude list do not cover yet.
    pub async fn unreleased(&self, name: &TableName) -> Result<BTreeSet<String>> {
        let state = self.state().await?;
        Ok(state.unreleased.get(name).map(|kept| kept.value.columns.clone()).unwrap_or_default())
    }

    /// Lets grants with an exclude list cover `columns` of the table `name`, which it got later; without any, all of them.
    /// Gives those that were released.
    pub async fn release(&self, name: &TableName, columns: &[String]) -> Result<Vec<String>> {
        let state = self.state().await?;
        let (released, change) = release(&state, name, columns)?;
        self.store.commit(&self.actor, change.into_iter().collect()).await?;
        Ok(released)
    }

    /// The versions of `table` that were published and are kept, in order.
    pub async fn versions(&self, table: &TableRecord) -> Result<Vec<PublishedVersion>> {
        self.store.versions(&table.id).await
    }

    /// Forgets a version of `table`, unless a query reads it, and says whether it is forgotten.
    pub async fn forget_version(&self, table: &TableRecord, version: &PublishedVersion) -> Result<bool> {
        self.store.forget_version(&table.id, version).await
    }

    /// All published tables, by name.
    pub async fn tables(&self) -> Result<Vec<TableRecord>> {
        let state = self.state().await?;
        Ok(state.tables.values().map(|table| TableRecord::clone(&table.value)).collect())
    }

    /// Makes `table` what its name stands for, in place of the revision `expected`, or as a new table. Whoever
    /// changed it meanwhile wins: this is then a conflict, and nothing changes. A missing database is created with
    /// its first table.
    pub async fn publish(&self, table: TableRecord, expected: Option<i64>) -> Result<i64> {
        self.publish_taking(table, expected, None).await
    }

    async fn publish_taking(
        &self,
        table: TableRecord,
        expected: Option<i64>,
        taken: Option<&TakenFiles>,
    ) -> Result<i64> {
        let name = table.name.clone();
        let state = self.state().await?;
        let mut changes = Vec::new();
        match expected {
            Some(_) => {
                changes.extend(unreleased(&state, &table));
                changes.push(Change::UpdateTable { value: table, expected });
            }
            None => {
                if !state.databases.contains_key(&name.database) {
                    changes.push(Change::CreateDatabase(Database {
                        name: name.database.clone(),
                        comment: None,
                    }));
                }
                changes.push(Change::CreateTable(table));
            }
        }
        self.store.commit_taking(&self.actor, changes, taken).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict => Error::conflict(format!(
                "the table `{name}` was changed by somebody else meanwhile: nothing was published; run it again"
            ))
            .with_source(error),
            _ => error,
        })
    }
}

/// The change that releases `columns` of the table `name`, or all of them, and which those are; no change when there are
/// none.
pub fn release(state: &State, name: &TableName, columns: &[String]) -> Result<(Vec<String>, Option<Change>)> {
    let table = resolve(state, name)?;
    let known = leaf_paths(&shapes(table.value.schema.fields()));
    let is_meant =
        |path: &String| columns.is_empty() || columns.iter().any(|column| is_at_or_inside(path, column));
    if let Some(column) =
        columns.iter().find(|column| !known.iter().any(|path| is_at_or_inside(path, column)))
    {
        return Err(Error::new(ErrorKind::ColumnNotFound, format!("`{name}` has no column `{column}`")));
    }
    let Some(kept) = state.unreleased.get(name) else { return Ok((Vec::new(), None)) };
    let (released, waiting): (Vec<String>, Vec<String>) =
        kept.value.columns.iter().cloned().partition(is_meant);
    let value = Unreleased { table: name.clone(), columns: waiting.into_iter().collect() };
    let change = keeping(Some(kept), value);
    Ok((released, change))
}

/// What becomes of the columns that no grant with an exclude list shows yet: those that `table` gets now are among them.
fn unreleased(state: &State, table: &TableRecord) -> Option<Change> {
    let before = &state.tables.get(&table.name)?.value;
    let paths = |table: &TableRecord| leaf_paths(&shapes(table.schema.fields()));
    let (known, now) = (paths(before), paths(table));
    let kept = state.unreleased.get(&table.name);
    let waiting = kept.iter().flat_map(|kept| &kept.value.columns).filter(|path| now.contains(*path));
    let columns: BTreeSet<String> = now.difference(&known).chain(waiting).cloned().collect();
    let value = Unreleased { table: table.name.clone(), columns };
    keeping(kept, value)
}

/// The change that puts `value` in the place of what is `kept`, if it is another; nothing is kept of nothing.
fn keeping(kept: Option<&Versioned<Unreleased>>, value: Unreleased) -> Option<Change> {
    match kept {
        Some(kept) if kept.value == value => None,
        Some(kept) if value.columns.is_empty() => {
            Some(Change::DropUnreleased { table: value.table, expected: Some(kept.revision) })
        }
        Some(kept) => Some(Change::UpdateUnreleased { value, expected: Some(kept.revision) }),
        None if value.columns.is_empty() => None,
        None => Some(Change::CreateUnreleased(value)),
    }
}

impl Place {
    /// The table as it is published; none of a new one.
    pub fn published(&self) -> Option<&TableRecord> {
        self.expected.map(|_| &self.record)
    }

    /// The revision that this was read from; none of a new table.
    pub fn revision(&self) -> Option<i64> {
        self.expected
    }

    /// The table with its next version, and the revision that is expected.
    fn at(self, version: i64, schema: SchemaRef, bookmark: Option<Bookmark>) -> (TableRecord, Option<i64>) {
        let version = Some(version);
        (TableRecord { version, schema, bookmark, updated_at: Utc::now(), ..self.record }, self.expected)
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

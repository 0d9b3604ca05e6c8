//! The Delta log: which files make a version, with what schema and statistics; and the commit of the next version.
//!
//! The log is read and written by deltalake through our own object store. Nothing here knows rows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use chrono::{TimeZone, Utc};
use datafusion::catalog::TableProvider;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::scalar::ScalarValue;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, LogicalFileView, MetadataExt, Protocol, StructField, StructType};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use super::kernel::KernelTable;
use super::scan::{DataFile, LakeTable};
use super::statistics::FileBounds;
use super::stores::{self, Stores};
use super::{FileFormat, TableFiles};
use crate::error::{Error, ErrorKind, Result};

/// What a reader may be asked to know of a table and is known here.
const KNOWN_FEATURES: [&str; 5] =
    ["timestampNtz", "vacuumProtocolCheck", "v2Checkpoint", "deletionVectors", "columnMapping"];

/// The log of one table, which may not exist yet.
#[derive(Clone)]
pub struct DeltaLog {
    location: String,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    prefix: Path,
    log: LogStoreRef,
}

/// A property that a table is to have; without a value, one that it is not to have.
#[derive(Debug, Clone, Copy)]
pub struct Property<'a> {
    pub name: &'a str,
    pub value: Option<&'a str>,
}

/// A table at one version.
pub struct OpenTable {
    log: DeltaLog,
    table: DeltaTable,
}

impl DeltaLog {
    pub(super) fn new(stores: &Stores, location: &str) -> Result<Self> {
        let (store, store_url, prefix) = stores.open(location)?;
        let url = Url::parse(&format!("{}/", location.trim_end_matches('/'))).map_err(Error::internal)?;
        let inside = Arc::new(PrefixStore::new(store.clone(), prefix.clone()));
        let log = default_logstore(inside, store.clone(), &url, &StorageConfig::default());
        Ok(Self { location: location.to_owned(), store, store_url, prefix, log })
    }

    /// The object store and the folder that the files of this table go to.
    pub fn folder(&self) -> (&Arc<dyn ObjectStore>, &Path) {
        (&self.store, &self.prefix)
    }

    /// The URL of the table's folder.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The columns as Delta has them: what a writer must write. A type or a name that Delta cannot hold is an error.
    pub fn canonical(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let columns = self.columns(schema)?;
        let schema: Schema = (&columns).try_into_arrow().map_err(Error::internal)?;
        Ok(Arc::new(schema))
    }

    /// The table at `version`, or at its newest one.
    pub async fn open(&self, version: Option<i64>) -> Result<OpenTable> {
        let mut table = DeltaTable::new(self.log.clone());
        let Some(version) = version else {
            table.load().await.map_err(|cause| self.failed(cause))?;
            return Ok(OpenTable { log: self.clone(), table });
        };
        let number = u64::try_from(version).map_err(|_| self.no_version(version))?;
        if let Err(cause) = table.load_version(number).await {
            // The log tells a missing version in the same words as a broken one.
            let newest = self.log.get_latest_version(0).await;
            let absent = newest.is_ok_and(|newest| newest < number);
            return Err(if absent {
                self.no_version(version).with_source(cause)
            } else {
                self.failed(cause)
            });
        }
        Ok(OpenTable { log: self.clone(), table })
    }

    /// What reads `files`, which lie in the table's folder and have the columns of `schema`, whether a version names them or
    /// not.
    pub fn reading(&self, schema: &SchemaRef, files: &[Add]) -> Result<Arc<dyn TableProvider>> {
        let described = TableFiles {
            location: self.location.clone(),
            format: FileFormat::Delta,
            version: None,
            schema: schema.clone(),
            partition_columns: Vec::new(),
        };
        let mut table = LakeTable::new(self.store.clone(), self.store_url.clone(), &described)?;
        for file in files {
            let location = self.path_of(&file.path)?;
            let size = u64::try_from(file.size).map_err(Error::internal)?;
            let last_modified = Utc.timestamp_millis_opt(file.modification_time).single().unwrap_or_default();
            let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
            let bounds = FileBounds::parse(file.stats.as_deref(), &table.columns());
            table.push(DataFile { meta, values: Vec::new(), bounds });
        }
        Ok(Arc::new(table.finish()?))
    }

    /// Whether there is a log at all.
    pub async fn exists(&self) -> Result<bool> {
        self.log.is_delta_table_location().await.map_err(|cause| self.failed(cause))
    }

    /// Writes version 0: the table's columns and its first files, in one commit.
    pub async fn create(&self, name: &str, schema: &SchemaRef, files: Vec<Add>) -> Result<i64> {
        let columns: StructType = self.columns(schema)?;
        if self.exists().await? {
            let location = &self.location;
            return Err(Error::conflict(format!(
                "there is a Delta table at `{location}` already: run it again"
            )));
        }
        let table = CreateBuilder::new()
            .with_log_store(self.log.clone())
            .with_table_name(name)
            .with_columns(columns.fields().cloned())
            .with_actions(files.into_iter().map(Action::Add))
            .with_commit_properties(properties())
            .await
            .map_err(|cause| self.failed(cause))?;
        number(table.version())
    }

    /// Where the file lies that the log has at `path`.
    pub(super) fn path_of(&self, path: &str) -> Result<Path> {
        if path.contains("://") {
            return Err(self.strange(path));
        }
        let inside = Path::parse(path).map_err(|_| self.strange(path))?;
        Ok(self.prefix.parts().chain(inside.parts()).collect())
    }

    /// Refuses to take a file out of the log whose path other writers may have spelled otherwise: as texts the two would differ,
    /// and the file would stay.
    fn refuse_unsure(&self, path: &str) -> Result<()> {
        let is_sure = |letter: char| letter.is_ascii_alphanumeric() || "-_.=/".contains(letter);
        match path.chars().all(is_sure) {
            true => Ok(()),
            false => Err(self.unreadable(&format!(
                "has the file `{path}`, whose name writers of Delta spell in several ways: only the system that wrote it can \
                 replace it"
            ))),
        }
    }

    fn strange(&self, path: &str) -> Error {
        let location = &self.location;
        Error::new(
            ErrorKind::QueryFailed,
            format!("the Delta table at `{location}` names a file that cannot be read: `{path}`"),
        )
    }

    /// Where all files of the versions `versions` lie.
    pub async fn paths_of(&self, versions: &BTreeSet<i64>) -> Result<HashSet<Path>> {
        let mut paths = HashSet::new();
        for version in versions {
            let open = self.open(Some(*version)).await?;
            let state = open.table.snapshot().map_err(|cause| self.failed(cause))?;
            for file in state.snapshot().log_data().iter() {
                paths.insert(open.meta(&file)?.location);
            }
        }
        Ok(paths)
    }

    fn columns(&self, schema: &SchemaRef) -> Result<StructType> {
        for field in schema.fields() {
            let column: Result<StructField, _> = field.as_ref().try_into_kernel();
            column.map_err(|cause| {
                let name = field.name();
                Error::invalid_request(format!("column `{name}` has a type that Delta cannot hold"))
                    .with_source(cause)
            })?;
        }
        schema.as_ref().try_into_kernel().map_err(|cause| {
            Error::invalid_request("its columns cannot be those of one Delta table: their names must differ")
                .with_source(cause)
        })
    }

    fn no_version(&self, version: i64) -> Error {
        let location = &self.location;
        Error::new(ErrorKind::NotFound, format!("the Delta table at `{location}` has no version {version}"))
    }

    fn failed(&self, cause: DeltaTableError) -> Error {
        let location = &self.location;
        let error = match &cause {
            DeltaTableError::NotATable(_) => Error::new(
                ErrorKind::NotFound,
                format!("no Delta table found at `{location}`: check the location and the format"),
            ),
            DeltaTableError::VersionAlreadyExists(_) | DeltaTableError::Transaction { .. } => {
                Error::conflict(format!(
                    "another writer changed the Delta table at `{location}` meanwhile: run it again"
                ))
            }
            _ => self
                .refused(&cause.to_string())
                .unwrap_or_else(|| Error::new(ErrorKind::Unavailable, stores::reason(&cause, location))),
        };
        error.with_source(cause)
    }

    /// A log that deltalake has read and refuses. Its words alone say why.
    fn refused(&self, cause: &str) -> Option<Error> {
        let after = |words: &str| cause.split_once(words).map(|(_, rest)| rest);
        if let Some((feature, _)) = after("Unsupported: Feature '").and_then(|rest| rest.split_once('\'')) {
            return Some(self.unreadable(&needs(&format!("the table feature `{feature}`"))));
        }
        if let Some(version) = after("Unsupported: Unsupported minimum reader version ") {
            return Some(self.unreadable(&needs(&format!("a reader of version {version}"))));
        }
        if after("catalog-managed").is_some() {
            return Some(self.unreadable(&needs("the table feature `catalogManaged`")));
        }
        after("Failed to parse value")
            .map(|_| self.unreadable("has a partition value that does not fit its column"))
    }

    fn unreadable(&self, why: &str) -> Error {
        let location = &self.location;
        Error::invalid_request(format!("the Delta table at `{location}` {why}"))
    }
}

impl OpenTable {
    /// The number of this version.
    pub fn version(&self) -> Result<i64> {
        number(self.table.version())
    }

    /// The actions that give the table the columns of `schema` and the property, where it has others.
    fn changes(&self, schema: &SchemaRef, property: Option<Property<'_>>) -> Result<Vec<Action>> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        let columns = self.log.columns(schema)?;
        let mut metadata = state.metadata().clone();
        let mut actions = Vec::new();
        if *state.schema() != columns {
            let features = state.protocol().reader_features().unwrap_or_default();
            let known = features.iter().any(|feature| feature.as_ref() == "timestampNtz");
            if !known && has_local_timestamps(schema) {
                actions.push(Action::Protocol(with_local_timestamps(state.protocol())?));
            }
            metadata = metadata.with_schema(&columns).map_err(|cause| self.log.failed(cause.into()))?;
        }
        if let Some(Property { name, value }) = property {
            let changed = match value {
                Some(value) => metadata.add_config_key(name.to_owned(), value.to_owned()),
                None => metadata.remove_config_key(name),
            };
            metadata = changed.map_err(|cause| self.log.failed(cause.into()))?;
        }
        if metadata != *state.metadata() {
            actions.push(Action::Metadata(metadata));
        }
        Ok(actions)
    }

    /// All files of this version.
    pub fn files(&self) -> Result<Vec<Add>> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        // The library would have its callers read the log's own batches; a list of files is what a commit takes.
        #[expect(deprecated, reason = "there is no other way to a file's whole action")]
        let add = |file: LogicalFileView| file.add_action();
        Ok(state.snapshot().log_data().into_iter().map(add).collect())
    }

    /// Writes the next version: exactly `files`, in one commit, whatever this one has. A file that both have stays as it
    /// is. Any commit in between, by anybody, is a conflict.
    pub async fn replace(self, schema: &SchemaRef, files: Vec<Add>) -> Result<i64> {
        let actions = self.changes(schema, None)?;
        let operation =
            DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
        self.commit(actions, files, operation, true).await
    }

    /// Writes the next version, as [`OpenTable::replace`] does, with files that hold the rows of the version `of` in another
    /// arrangement, and with `property` set or removed. Where this is that version, readers of the log's changes have nothing
    /// to read.
    pub async fn rearrange(
        self,
        of: i64,
        schema: &SchemaRef,
        files: Vec<Add>,
        property: Property<'_>,
    ) -> Result<i64> {
        let actions = self.changes(schema, Some(property))?;
        let bytes = files.iter().map(|file| file.size).max().unwrap_or_default();
        let operation = DeltaOperation::Optimize { predicate: None, target_size: bytes };
        let changes_data = self.version()? != of;
        self.commit(actions, files, operation, changes_data).await
    }

    /// What the property `name` of the table says.
    pub fn property(&self, name: &str) -> Result<Option<String>> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        Ok(state.metadata().configuration().get(name).cloned())
    }

    async fn commit(
        self,
        mut actions: Vec<Action>,
        files: Vec<Add>,
        operation: DeltaOperation,
        changes_data: bool,
    ) -> Result<i64> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        let wanted: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let mut there = HashSet::new();
        for file in state.snapshot().log_data().into_iter() {
            match wanted.contains(file.path().as_ref()) {
                true => drop(there.insert(file.path().into_owned())),
                false => {
                    self.log.refuse_unsure(&file.path())?;
                    actions.push(Action::Remove(file.remove_action(changes_data)));
                }
            }
        }
        let added = files.into_iter().filter(|file| !there.contains(&file.path));
        actions.extend(added.map(|file| Action::Add(Add { data_change: changes_data, ..file })));
        let commit = CommitBuilder::from(properties().with_max_retries(0))
            .with_actions(actions)
            .build(Some(state), self.log.log.clone(), operation)
            .await
            .map_err(|cause| self.log.failed(cause))?;
        number(Some(commit.version()))
    }

    /// The columns of this version, partition columns last, and which those are.
    pub fn schema(&self) -> Result<(SchemaRef, Vec<String>)> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        let schema: Schema = state.schema().as_ref().try_into_arrow().map_err(|cause| {
            Error::invalid_request(format!(
                "the Delta table at `{}` has a column type that cannot be read: {cause}",
                self.log.location
            ))
        })?;
        let partitions = state.metadata().partition_columns().to_vec();
        let (last, first): (Vec<_>, Vec<_>) =
            schema.fields().iter().cloned().partition(|field| partitions.contains(field.name()));
        let named = |name: &String| last.iter().find(|field| field.name() == name).cloned();
        let fields: Vec<_> = first.into_iter().chain(partitions.iter().filter_map(named)).collect();
        Ok((Arc::new(Schema::new(fields)), partitions))
    }

    /// What reads this version: our scan over its files, or deltalake's own where files alone do not say the rows.
    pub(super) async fn provider(&self, files: &TableFiles) -> Result<Arc<dyn TableProvider>> {
        let failed = |cause| self.log.failed(cause);
        if !self.is_plain()? {
            let provider = self.table.table_provider().await.map_err(|cause| failed(cause.into()))?;
            return Ok(Arc::new(KernelTable::new(provider, &files.partition_columns)));
        }
        let DeltaLog { store, store_url, .. } = &self.log;
        let mut table = LakeTable::new(store.clone(), store_url.clone(), files)?;
        let state = self.table.snapshot().map_err(failed)?;
        for file in state.snapshot().log_data().iter() {
            let bounds = FileBounds::parse(file.stats().as_deref(), &table.columns());
            let values = self.partition_values(&file, &table)?;
            table.push(DataFile { meta: self.meta(&file)?, values, bounds });
        }
        Ok(Arc::new(table.finish()?))
    }

    /// Whether the listed files hold exactly the rows and columns of the table.
    fn is_plain(&self) -> Result<bool> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        let mapped = state.metadata().configuration().get("delta.columnMapping.mode");
        Ok(mapped.is_none_or(|mode| mode == "none")
            && state.snapshot().log_data().iter().all(|file| file.deletion_vector_descriptor().is_none()))
    }

    /// Whether its files, read one by one, are all of its rows and columns: none of these is in the log, or in a file beside.
    pub fn is_in_its_files_alone(&self) -> Result<bool> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        Ok(self.is_plain()? && state.metadata().partition_columns().is_empty())
    }

    /// Whether all that this version asks of its readers is known here: a reader must not guess.
    fn readable(&self) -> Result<()> {
        let state = self.table.snapshot().map_err(|cause| self.log.failed(cause))?;
        let mut features = state.protocol().reader_features().unwrap_or_default().iter();
        if let Some(feature) = features.find(|feature| !KNOWN_FEATURES.contains(&feature.as_ref())) {
            return Err(self.log.unreadable(&needs(&format!("the table feature `{feature}`"))));
        }
        for file in state.snapshot().log_data().iter() {
            self.meta(&file).map_err(|error| Error::invalid_request(error.detail()))?;
        }
        if self.is_plain()? {
            return Ok(());
        }
        // An empty partition value is NULL, and deltalake's scan takes it for an empty text.
        let empty =
            |file: LogicalFileView| file.partition_values_map().values().flatten().any(String::is_empty);
        match state.snapshot().log_data().iter().any(empty) {
            true => Err(self.log.unreadable(
                "has empty partition values, which cannot be read beside `deletionVectors` or `columnMapping`",
            )),
            false => Ok(()),
        }
    }

    fn meta(&self, file: &LogicalFileView) -> Result<ObjectMeta> {
        let path = file.path();
        let location = self.log.path_of(&path)?;
        let last_modified = Utc.timestamp_millis_opt(file.modification_time()).single().unwrap_or_default();
        let size = u64::try_from(file.size()).map_err(|_| self.log.strange(&path))?;
        Ok(ObjectMeta { location, last_modified, size, e_tag: None, version: None })
    }

    fn partition_values(&self, file: &LogicalFileView, table: &LakeTable) -> Result<Vec<ScalarValue>> {
        let values: HashMap<String, Option<String>> = file.partition_values_map();
        let read = |field: &arrow_schema::FieldRef| {
            let text = values.get(field.name()).cloned().flatten().filter(|text| !text.is_empty());
            match text {
                None => ScalarValue::try_new_null(field.data_type()),
                Some(text) => ScalarValue::try_from_string(text, field.data_type()),
            }
        };
        table.partition_columns().iter().map(read).collect::<Result<_, _>>().map_err(|cause| {
            let location = &self.log.location;
            Error::new(
                ErrorKind::QueryFailed,
                format!("the Delta table at `{location}` has a partition value that does not fit its column"),
            )
            .with_source(cause)
        })
    }
}

impl fmt::Debug for DeltaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaLog").field("location", &self.location).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.table.version();
        f.debug_struct("OpenTable").field("log", &self.log).field("version", &version).finish_non_exhaustive()
    }
}

/// What registering an existing Delta table asks: its newest version and columns.
pub(super) async fn inspect(stores: &Stores, location: &str) -> Result<TableFiles> {
    let table = DeltaLog::new(stores, location)?.open(None).await?;
    table.readable()?;
    let (schema, partition_columns) = table.schema()?;
    let version = Some(table.version()?);
    Ok(TableFiles {
        location: location.to_owned(),
        format: FileFormat::Delta,
        version,
        schema,
        partition_columns,
    })
}

fn needs(what: &str) -> String {
    format!("needs {what}, which is not known here")
}

/// Old versions stay readable until somebody removes them on purpose.
fn properties() -> CommitProperties {
    CommitProperties::default().with_cleanup_expired_logs(Some(false))
}

fn number(version: Option<u64>) -> Result<i64> {
    let version = version.ok_or_else(|| Error::internal("a Delta table was opened without a version"))?;
    i64::try_from(version).map_err(Error::internal)
}

fn has_local_timestamps(schema: &Schema) -> bool {
    fn holds(data_type: &arrow_schema::DataType) -> bool {
        use arrow_schema::DataType::{List, Map, Struct, Timestamp};
        match data_type {
            Timestamp(_, None) => true,
            List(field) | Map(field, _) => holds(field.data_type()),
            Struct(fields) => fields.iter().any(|field| holds(field.data_type())),
            _ => false,
        }
    }
    schema.fields().iter().any(|field| holds(field.data_type()))
}

/// Timestamps without a zone are a feature that readers and writers have to know.
fn with_local_timestamps(protocol: &Protocol) -> Result<Protocol> {
    let mut reader: Vec<String> = Vec::new();
    let mut writer: Vec<String> = Vec::new();
    reader.extend(protocol.reader_features().unwrap_or_default().iter().map(ToString::to_string));
    writer.extend(protocol.writer_features().unwrap_or_default().iter().map(ToString::to_string));
    if protocol.min_writer_version() < 7 {
        // What a writer of version 2 had to know, by its name in version 7.
        writer.extend(["appendOnly".to_owned(), "invariants".to_owned()]);
    }
    for features in [&mut reader, &mut writer] {
        features.push("timestampNtz".to_owned());
        features.sort();
        features.dedup();
    }
    serde_json::from_value(serde_json::json!({
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader, "writerFeatures": writer,
    }))
    .map_err(Error::internal)
}

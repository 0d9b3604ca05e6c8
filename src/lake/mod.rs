//! The lake: object stores, table folders, the Delta log, and the scan over listed files.
//!
//! Delta keeps the log (atomic commits, versions, file list, statistics) and DataFusion's own Parquet source reads
//! the listed files. This folder knows files and versions; who may read them, what a table is called by whom and
//! which version is the published one are the business of others.

mod area;
mod clustering;
mod columns;
mod delta;
mod folder;
mod kernel;
mod layout;
mod scan;
mod statistics;
mod stored;
mod stores;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::RuntimeEnv;
use moka::future::Cache;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;

use crate::config::LakeConfig;
use crate::error::{Error, Result};
use crate::policy::model::TableName;

pub use area::Area;
pub use clustering::Clustering;
pub use delta::{DeltaLog, OpenTable, Property};
pub(crate) use statistics::read_statistics;
pub use stored::{Stored, StoredFile};
pub use stores::Stores;
pub(crate) use stores::failed as store_failed;

/// How many table versions keep their file list in memory.
const CACHED_VERSIONS: u64 = 1024;

/// Every object store that tables lie in, and the versions of tables that were opened. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    root: Arc<str>,
    stores: Arc<Stores>,
    versions: Cache<(String, i64), Arc<dyn TableProvider>>,
}

/// The files of one table at one version: all that a scan needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFiles {
    /// A `file://` or `s3://` URL of a folder.
    pub location: String,
    pub format: FileFormat,
    /// The version of the Delta log to read; `None` for formats without versions.
    pub version: Option<i64>,
    /// All columns, partition columns last. These types rule: files written otherwise are cast while read.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
}

/// How the files of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    Delta,
    Parquet,
    Csv,
    Ndjson,
}

impl Lake {
    /// The lake that `config` describes. Credentials of S3 come from the environment (`AWS_*`).
    pub fn new(config: &LakeConfig) -> Result<Self> {
        Self::with_s3(config, AmazonS3Builder::from_env())
    }

    /// As [`Lake::new`], with credentials and whatever else `config` does not say from `s3`.
    pub fn with_s3(config: &LakeConfig, s3: AmazonS3Builder) -> Result<Self> {
        let stores = Arc::new(Stores::new(config, s3));
        let root = config.root.trim_end_matches('/');
        stores.open(root)?;
        Ok(Self { root: root.into(), stores, versions: Cache::new(CACHED_VERSIONS) })
    }

    /// What a query reads for this table. It brings its object store into the session's runtime by itself; a
    /// version of a Delta table that was opened before costs no look at the log.
    pub async fn provider(&self, files: &TableFiles) -> Result<Arc<dyn TableProvider>> {
        match (files.format, files.version) {
            (FileFormat::Delta, Some(version)) => {
                let open = self.open_version(files, version);
                let key = (files.location.clone(), version);
                self.versions.try_get_with(key, open).await.map_err(repeat)
            }
            (FileFormat::Delta, None) => Err(Error::invalid_request(format!(
                "the Delta table at `{}` has no published version: register it again",
                files.location
            ))),
            _ => folder::provider(&self.stores, files),
        }
    }

    /// The columns that the files at `location` have, and their newest version: what registering a table asks.
    pub async fn inspect(&self, location: &str, format: FileFormat) -> Result<TableFiles> {
        let found = match format {
            FileFormat::Delta => delta::inspect(&self.stores, location).await,
            _ => folder::inspect(&self.stores, location, format).await,
        }?;
        Ok(TableFiles { schema: columns::bare(&found.schema), ..found })
    }

    /// The Delta log of the table at `location`, to be read at any version or written.
    pub fn delta_log(&self, location: &str) -> Result<DeltaLog> {
        DeltaLog::new(&self.stores, location)
    }

    /// Where a table of ours lies: the id keeps it apart from an earlier table of the same name.
    pub fn table_location(&self, name: &TableName, id: &str) -> String {
        format!("{}/{}/{}-{id}", self.root, layout::segment(&name.database), layout::segment(&name.table))
    }

    /// Where results that are kept lie when they do not fit into memory.
    pub fn results(&self) -> Result<Area> {
        let location = format!("{}/.results", self.root);
        let (store, _, folder) = self.stores.open(&location)?;
        Ok(Area::new(store, folder, location))
    }

    /// Whether `location` is below the lake's root.
    pub fn owns(&self, location: &str) -> bool {
        location.strip_prefix(self.root.as_ref()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The object store that holds `location`, its URL for DataFusion, and the folder inside it.
    pub fn store_for(&self, location: &str) -> Result<(Arc<dyn ObjectStore>, ObjectStoreUrl, Path)> {
        self.stores.open(location)
    }

    /// All object stores, made on first use: for a runtime that should find any of them by URL.
    pub fn registry(&self) -> Arc<dyn ObjectStoreRegistry> {
        self.stores.clone()
    }

    /// Makes the store of the lake's root, and all that were opened until now, known to `env`.
    pub fn register_with(&self, env: &RuntimeEnv) -> Result<()> {
        for (url, store) in self.stores.opened() {
            env.register_object_store(&url, store);
        }
        Ok(())
    }

    async fn open_version(&self, files: &TableFiles, version: i64) -> Result<Arc<dyn TableProvider>> {
        let table = self.delta_log(&files.location)?.open(Some(version)).await?;
        table.provider(files).await
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A failure to write a file of the table at `location`, told by what the operator can do about it.
pub fn write_failed(location: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let detail = stores::reason(&cause, location);
    Error::unavailable(detail, cause)
}

/// One failure told to each of the queries that waited for the same version.
fn repeat(shared: Arc<Error>) -> Error {
    let told = Error::new(shared.kind(), shared.detail());
    match std::error::Error::source(shared.as_ref()) {
        Some(cause) => told.with_source(cause.to_string()),
        None => told,
    }
}

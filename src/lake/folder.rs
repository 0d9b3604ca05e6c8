//! Tables without a log: a folder of Parquet, CSV or NDJSON files, Hive-partitioned or not.
//!
//! What is in the folder when a query starts is what the query reads. The columns are found once, when the table is
//! registered, and then rule.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::FileFormat as EngineFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use super::scan::view;
use super::stores::{self, Stores};
use super::{FileFormat, TableFiles, columns, layout};
use crate::error::{Error, ErrorKind, Result};

/// How many files of CSV or NDJSON are read for their columns, and how many rows of each.
const SAMPLED_FILES: usize = 8;
const SAMPLED_ROWS: usize = 10_000;

/// What reads the folder.
pub(super) fn provider(stores: &Stores, files: &TableFiles) -> Result<Arc<dyn TableProvider>> {
    let (store, store_url, _) = stores.open(&files.location)?;
    let is_partition = |name: &str| files.partition_columns.iter().any(|column| column == name);
    let schema = columns::bare(&files.schema);
    let in_files: Vec<_> =
        schema.fields().iter().filter(|field| !is_partition(field.name())).cloned().map(view).collect();
    let partitions = files
        .partition_columns
        .iter()
        .map(|name| Ok((name.clone(), files.schema.field_with_name(name)?.data_type().clone())))
        .collect::<Result<Vec<_>, arrow_schema::ArrowError>>()
        .map_err(Error::internal)?;
    let (format, extension) = engine_format(files.format);
    let options =
        ListingOptions::new(format).with_file_extension(extension).with_table_partition_cols(partitions);
    let url = folder_url(&files.location)?;
    let config = ListingTableConfig::new(url)
        .with_listing_options(options)
        .with_schema(Arc::new(Schema::new(in_files)));
    let inner = ListingTable::try_new(config).map_err(Error::internal)?;
    Ok(Arc::new(FolderTable { inner, store, store_url }))
}

/// The columns of the files in the folder, and what its sub-folders say about partitions.
pub(super) async fn inspect(stores: &Stores, location: &str, format: FileFormat) -> Result<TableFiles> {
    let (store, _, prefix) = stores.open(location)?;
    let found = list(&store, &prefix, location, format).await?;
    let partitions = partition_columns(&prefix, &found, location)?;
    let in_files = infer(&store, &found, location, format).await?;
    if let Some((name, _)) = partitions.iter().find(|(name, _)| in_files.field_with_name(name).is_ok()) {
        return Err(Error::invalid_request(format!(
            "`{location}` has `{name}` both as a folder name and as a column of its files: remove one of them"
        )));
    }
    let mut fields: Vec<_> = in_files.fields().iter().cloned().collect();
    fields.extend(partitions.iter().map(|(name, kind)| Arc::new(Field::new(name, kind.clone(), true))));
    Ok(TableFiles {
        location: location.to_owned(),
        format,
        version: None,
        schema: Arc::new(Schema::new(fields)),
        partition_columns: partitions.into_iter().map(|(name, _)| name).collect(),
    })
}

async fn list(
    store: &Arc<dyn ObjectStore>,
    prefix: &Path,
    location: &str,
    format: FileFormat,
) -> Result<Vec<ObjectMeta>> {
    let all: Vec<ObjectMeta> =
        store.list(Some(prefix)).try_collect().await.map_err(|cause| stores::failed(location, cause))?;
    if all.is_empty() {
        return Err(stores::missing(location));
    }
    if all.iter().any(|meta| layout::is_log(prefix, &meta.location)) {
        return Err(Error::invalid_request(format!(
            "`{location}` holds a Delta table: some of its files may be old; register it as `delta`"
        )));
    }
    let all = all.into_iter().filter(|meta| layout::is_data(prefix, &meta.location));
    let (_, extension) = engine_format(format);
    let mut found: Vec<_> =
        all.filter(|meta| meta.location.as_ref().ends_with(extension) && meta.size > 0).collect();
    if found.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("`{location}` has no files whose names end in `{extension}`: check the format"),
        ));
    }
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// The `key=value` folders: whole numbers if all values are, texts otherwise.
fn partition_columns(prefix: &Path, found: &[ObjectMeta], location: &str) -> Result<Vec<(String, DataType)>> {
    let values: Vec<_> = found.iter().map(|meta| layout::hive_values(prefix, &meta.location)).collect();
    let names: BTreeSet<Vec<&str>> =
        values.iter().map(|values| values.iter().map(|(key, _)| key.as_str()).collect()).collect();
    if names.len() > 1 {
        return Err(Error::invalid_request(format!(
            "the files below `{location}` are not partitioned alike: all need the same `key=value` folders"
        )));
    }
    if values.iter().flatten().any(|(_, value)| value == layout::HIVE_NULL) {
        return Err(Error::invalid_request(format!(
            "`{location}` has a `{}` folder, which stands for NULL: such a partition cannot be read; move its files",
            layout::HIVE_NULL
        )));
    }
    let names: Vec<&str> = names.into_iter().next().unwrap_or_default();
    let whole = |index: usize| {
        values.iter().filter_map(|values| values.get(index)).all(|(_, value)| {
            // `007` is no number: it would come back as `7`.
            value.parse::<i64>().is_ok_and(|number| number.to_string() == *value)
        })
    };
    let kind = |index| if whole(index) { DataType::Int64 } else { DataType::Utf8 };
    Ok(names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), kind(index))).collect())
}

async fn infer(
    store: &Arc<dyn ObjectStore>,
    found: &[ObjectMeta],
    location: &str,
    format: FileFormat,
) -> Result<SchemaRef> {
    let sampled = match format {
        FileFormat::Csv | FileFormat::Ndjson => found.get(..SAMPLED_FILES).unwrap_or(found),
        FileFormat::Parquet | FileFormat::Delta => found,
    };
    let (engine_format, _) = engine_format(format);
    let session = SessionContext::new().state();
    let wrong = |cause: DataFusionError| {
        Error::invalid_request(format!(
            "the files at `{location}` cannot be read as one table in this format: check the format and that all \
             files have the same columns"
        ))
        .with_source(cause)
    };
    let schema = engine_format.infer_schema(&session, store, sampled).await.map_err(wrong)?;
    if schema.fields().is_empty() {
        return Err(Error::invalid_request(format!("the files at `{location}` have no columns")));
    }
    // The names of other systems' types and settings are no part of the table, and any column may miss in a file.
    let plain = |field: &Arc<Field>| Field::new(field.name(), without_views(field.data_type()), true);
    Ok(Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>())))
}

fn without_views(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => without_views(value),
        other => other.clone(),
    }
}

fn engine_format(format: FileFormat) -> (Arc<dyn EngineFormat>, &'static str) {
    match format {
        FileFormat::Parquet | FileFormat::Delta => (Arc::new(ParquetFormat::new()), ".parquet"),
        FileFormat::Csv => {
            let csv = CsvFormat::default().with_has_header(true).with_newlines_in_values(true);
            (Arc::new(csv.with_schema_infer_max_rec(SAMPLED_ROWS)), ".csv")
        }
        FileFormat::Ndjson => {
            (Arc::new(JsonFormat::default().with_schema_infer_max_rec(SAMPLED_ROWS)), "json")
        }
    }
}

fn folder_url(location: &str) -> Result<ListingTableUrl> {
    let url = url::Url::parse(&format!("{}/", location.trim_end_matches('/'))).map_err(Error::internal)?;
    // Not `parse`, which would read `*` and `?` of a folder's name as patterns.
    ListingTableUrl::try_new(url, None).map_err(Error::internal)
}

/// A listing table that makes its object store known to whatever session scans it.
struct FolderTable {
    inner: ListingTable,
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
}

impl fmt::Debug for FolderTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderTable").field("store", &self.store_url).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FolderTable {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        session.runtime_env().register_object_store(self.store_url.as_ref(), self.store.clone());
        self.inner.scan(session, projection, filters, limit).await
    }
}

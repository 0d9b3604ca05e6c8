//! The scan of a table over its listed files: DataFusion's own Parquet source, with the statistics of the log.
//!
//! Files that a predicate cannot match are left out here; row groups and pages inside the others are left out by the
//! Parquet source, which also keeps the footers it has read in the runtime's cache.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::{DFSchema, Statistics, project_schema};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;
use object_store::{ObjectMeta, ObjectStore};

use super::statistics::{ColumnBounds, FileBounds};
use super::{TableFiles, columns};
use crate::error::{Error, Result};

/// One Parquet file of a table.
#[derive(Debug)]
pub(super) struct DataFile {
    pub meta: ObjectMeta,
    /// Of the partition columns, in their order.
    pub values: Vec<ScalarValue>,
    /// Of the columns in the file, in their order.
    pub bounds: FileBounds,
}

/// The files of a table at one version, ready to be scanned any number of times.
#[derive(Debug)]
pub(super) struct LakeTable {
    store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    schema: TableSchema,
    files: Vec<ScanFile>,
    statistics: Statistics,
}

#[derive(Debug)]
struct ScanFile {
    file: PartitionedFile,
    bounds: Arc<Statistics>,
    rows: Option<usize>,
}

impl LakeTable {
    /// A table without files yet.
    pub fn new(store: Arc<dyn ObjectStore>, store_url: ObjectStoreUrl, files: &TableFiles) -> Result<Self> {
        let schema = table_schema(&columns::bare(&files.schema), &files.partition_columns)?;
        let statistics = Statistics::new_unknown(schema.table_schema());
        Ok(Self { store, store_url, schema, files: Vec::new(), statistics })
    }

    /// The columns that are in the files.
    pub fn columns(&self) -> Vec<FieldRef> {
        self.schema.file_schema().fields().iter().cloned().collect()
    }

    /// The columns that are in the folder names.
    pub fn partition_columns(&self) -> Vec<FieldRef> {
        self.schema.table_partition_cols().iter().cloned().collect()
    }

    /// Adds a file.
    pub fn push(&mut self, file: DataFile) {
        let DataFile { meta, values, mut bounds } = file;
        let rows = bounds.rows;
        bounds.columns.extend(values.iter().map(|value| ColumnBounds::constant(value, rows)));
        let size = meta.size;
        let mut file = PartitionedFile::new_from_meta(meta).with_partition_values(values);
        file.statistics = Some(Arc::new(bounds.facts(size)));
        self.files.push(ScanFile { file, bounds: Arc::new(bounds.bounds(size)), rows });
    }

    /// The table with all its files.
    pub fn finish(mut self) -> Result<Self> {
        self.statistics = self.sum(self.files.iter()).map_err(Error::internal)?;
        Ok(self)
    }

    fn sum<'a>(&self, files: impl Iterator<Item = &'a ScanFile>) -> EngineResult<Statistics> {
        let known: Vec<&Statistics> = files.filter_map(|file| file.file.statistics.as_deref()).collect();
        if known.is_empty() {
            return Ok(Statistics::new_unknown(self.schema.table_schema()));
        }
        Statistics::try_merge_iter(known, self.schema.table_schema())
    }

    /// The files that may hold a row for which all of `filters` are true.
    fn matching(&self, session: &dyn Session, filters: &[Expr]) -> Vec<&ScanFile> {
        let kept = self.prune(session, filters).unwrap_or_default();
        let keep = |index: usize| kept.get(index).copied().unwrap_or(true);
        self.files.iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, file)| file).collect()
    }

    /// For each file, whether it may match; nothing when the filters say nothing about bounds. A predicate that
    /// cannot be evaluated leaves no file out: its error belongs to the rows, and to whoever may see them.
    fn prune(&self, session: &dyn Session, filters: &[Expr]) -> Option<Vec<bool>> {
        let predicate = conjunction(filters.iter().cloned())?;
        let schema = self.schema.table_schema();
        let named = DFSchema::try_from(schema.clone()).ok()?;
        let predicate = session.create_physical_expr(predicate, &named).ok()?;
        let builder = PruningPredicateBuilder::new().with_file_schema(schema.clone());
        let predicate = builder.try_build(predicate).ok()?;
        let bounds = self.files.iter().map(|file| file.bounds.clone()).collect();
        predicate.prune(&PrunableStatistics::new(bounds, schema.clone())).ok()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        session.runtime_env().register_object_store(self.store_url.as_ref(), self.store.clone());
        let mut files = self.matching(session, filters);
        if let (Some(limit), true) = (limit, filters.is_empty()) {
            files.truncate(enough(&files, limit));
        }
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(self.schema.table_schema(), projection)?)));
        }
        // A plan that fails over them is made again without.
        let with_statistics = session.config_options().execution.collect_statistics;
        let statistics = match with_statistics {
            true => self.sum(files.iter().copied())?,
            false => Statistics::new_unknown(self.schema.table_schema()),
        };
        let file = |file: &ScanFile| PartitionedFile {
            statistics: file.file.statistics.clone().filter(|_| with_statistics),
            ..file.file.clone()
        };
        let groups = FileGroup::new(files.into_iter().map(file).collect())
            .split_files(session.config().target_partitions());
        let options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let format = ParquetFormat::new().with_options(options);
        let source = format.file_source(self.schema.clone());
        let config = FileScanConfigBuilder::new(self.store_url.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(session, config).await
    }
}

/// How many of the files hold `limit` rows for certain.
fn enough(files: &[&ScanFile], limit: usize) -> usize {
    let mut rows = 0_usize;
    for (index, file) in files.iter().enumerate() {
        if rows >= limit {
            return index.max(1);
        }
        match file.rows {
            Some(count) => rows = rows.saturating_add(count),
            None => return files.len(),
        }
    }
    files.len()
}

/// The schema as the scan makes it: texts and bytes as views, which Parquet decodes without copying.
fn table_schema(schema: &SchemaRef, partition_columns: &[String]) -> Result<TableSchema> {
    let (last, first): (Vec<FieldRef>, Vec<FieldRef>) =
        schema.fields().iter().cloned().partition(|field| partition_columns.contains(field.name()));
    if last.len() != partition_columns.len() {
        return Err(Error::internal("a partition column is missing in the schema of its table"));
    }
    let files = Schema::new(first.into_iter().map(view).collect::<Vec<_>>());
    Ok(TableSchema::builder(Arc::new(files)).with_table_partition_cols(last).build())
}

/// The column with texts and bytes as views.
pub(super) fn view(field: FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        _ => return field,
    };
    Arc::new(Field::clone(&field).with_data_type(data_type))
}

//! Batches in, Parquet files in the lake out: bounded memory, several files for a large table, nothing visible.
//!
//! The files are named by no version until somebody commits them. A writer that is given up removes what it wrote.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow_schema::{FieldRef, SchemaRef};
use chrono::Utc;
use deltalake_core::kernel::Add;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use uuid::Uuid;

use super::describe::{self, Floats};
use crate::error::{Error, Result};
use crate::lake::{self, DeltaLog};

/// When a file is full.
const FILE_BYTES: usize = 512 * 1024 * 1024;
/// The rows of a row group, when they fit into memory.
const GROUP_ROWS: usize = 1024 * 1024;
/// How much goes to the object store in one request.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// How much of a batch is encoded at once.
const SLICE_BYTES: usize = 4 * 1024 * 1024;

/// Writes the files of one table.
pub struct TableWriter {
    location: String,
    store: Arc<dyn ObjectStore>,
    folder: Path,
    schema: SchemaRef,
    properties: WriterProperties,
    group_bytes: usize,
    file_bytes: usize,
    prefix: String,
    described: Vec<String>,
    open: Option<OpenFile>,
    closed: Vec<Add>,
    totals: Totals,
}

/// What has gone through a writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub rows: u64,
    /// Of Parquet, as it lies in the lake.
    pub bytes: u64,
}

impl Totals {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_add(other.rows), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

/// How files are made for readers that look for some values.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The rows of a row group at most.
    pub group_rows: usize,
    /// The columns with a bloom filter in each row group.
    pub bloom: Vec<String>,
    /// The columns whose bounds the log has, however far behind they stand.
    pub described: Vec<String>,
}

struct OpenFile {
    name: String,
    writer: AsyncArrowWriter<BufWriter>,
    floats: Floats,
}

impl TableWriter {
    /// A writer into the folder of `log` that keeps about `memory` bytes at most.
    pub fn new(log: &DeltaLog, schema: SchemaRef, memory: u64) -> Self {
        let (store, folder) = log.folder();
        // A row group is held once while it is encoded and once more while it is sent.
        let group_bytes = usize::try_from(memory / 4).unwrap_or(usize::MAX).clamp(1 << 20, 256 << 20);
        Self {
            location: log.location().to_owned(),
            store: store.clone(),
            folder: folder.clone(),
            properties: properties(&schema, GROUP_ROWS, &[]),
            schema,
            group_bytes,
            file_bytes: FILE_BYTES,
            prefix: "part".to_owned(),
            described: Vec::new(),
            open: None,
            closed: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// The folder that the files go to.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The same with files of about `bytes` each.
    pub fn with_file_bytes(mut self, bytes: usize) -> Self {
        self.file_bytes = bytes;
        self
    }

    /// The same with files of another make.
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.properties = properties(&self.schema, layout.group_rows, &layout.bloom);
        self.described = layout.described;
        self
    }

    /// Closes the file that is open. The names of those that follow begin with `prefix`.
    pub async fn begin(&mut self, prefix: &str) -> Result<()> {
        self.close().await?;
        prefix.clone_into(&mut self.prefix);
        Ok(())
    }

    /// Adds the rows of `batch`.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.fit(batch)?;
        let rows = batch.num_rows();
        let step = slice_rows(&batch);
        let mut start = 0;
        while start < rows {
            let length = step.min(rows - start);
            self.encode(&batch.slice(start, length)).await?;
            start += length;
        }
        Ok(())
    }

    /// Closes the last file: all that was written, to be committed.
    pub async fn finish(&mut self) -> Result<Vec<Add>> {
        self.close().await?;
        Ok(std::mem::take(&mut self.closed))
    }

    /// What has been written until now; the bytes of the file that is still open are those sent.
    pub fn totals(&self) -> Totals {
        let sent = self.open.as_ref().map_or(0, |file| file.writer.bytes_written() as u64);
        Totals { rows: self.totals.rows, bytes: self.totals.bytes + sent }
    }

    /// Removes the files written, as well as it can: they are not needed, and nothing refers to them.
    pub async fn abandon(mut self, committed: &[Add]) {
        if let Some(file) = self.open.take() {
            let path = self.path(&file.name);
            let mut upload = file.writer.into_inner();
            if let Err(cause) = upload.abort().await {
                tracing::debug!(%path, %cause, "an upload could not be stopped");
            }
        }
        for file in self.closed.iter().chain(committed) {
            let path = self.path(&file.path);
            if let Err(cause) = self.store.delete(&path).await {
                tracing::warn!(%path, %cause, "a file that no version refers to could not be removed");
            }
        }
    }

    async fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        let group_bytes = self.group_bytes;
        let location = self.location.clone();
        let failed = |cause| failed(&location, cause);
        let file = self.file().map_err(failed)?;
        file.floats.see(batch);
        file.writer.write(batch).await.map_err(failed)?;
        if file.writer.memory_size() >= group_bytes {
            file.writer.flush().await.map_err(failed)?;
        }
        // Row groups that are full have been sent; the one in progress will be about this large.
        let size = file.writer.bytes_written() + file.writer.in_progress_size();
        self.totals.rows += batch.num_rows() as u64;
        if size >= self.file_bytes {
            self.close().await?;
        }
        Ok(())
    }

    fn file(&mut self) -> Result<&mut OpenFile, ParquetError> {
        if self.open.is_none() {
            let name = format!("{}-{:05}-{}.parquet", self.prefix, self.closed.len(), Uuid::now_v7());
            let path = self.path(&name);
            let sink = BufWriter::with_capacity(self.store.clone(), path, PART_BYTES).with_max_concurrency(2);
            let writer = AsyncArrowWriter::try_new(sink, self.schema.clone(), Some(self.properties.clone()))?;
            self.open = Some(OpenFile { name, writer, floats: Floats::new(&self.schema) });
        }
        self.open.as_mut().ok_or_else(|| ParquetError::General("no file is open".to_owned()))
    }

    async fn close(&mut self) -> Result<()> {
        // Taken first: an upload that failed to finish cannot be stopped any more, only be dropped.
        let Some(mut file) = self.open.take() else { return Ok(()) };
        let footer = file.writer.finish().await.map_err(|cause| failed(&self.location, cause))?;
        let bytes = file.writer.bytes_written();
        let stats = describe::statistics(&self.schema, &footer, &file.floats, &self.described)?;
        self.totals.bytes += bytes as u64;
        self.closed.push(Add {
            path: file.name,
            partition_values: HashMap::new(),
            size: i64::try_from(bytes).map_err(Error::internal)?,
            modification_time: Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        });
        Ok(())
    }

    /// The batch with the columns and types that the table has in Delta: names inside of lists and maps differ between
    /// systems, and a column that the source does not have any more is NULL.
    fn fit(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (given, named) =
            (batch.schema_ref().fields(), |(one, other): (&FieldRef, &FieldRef)| one.name() == other.name());
        if given.len() == self.schema.fields().len() && given.iter().zip(self.schema.fields()).all(named) {
            return self.typed(batch.columns().iter().map(Some), batch.num_rows());
        }
        if given.iter().any(|field| self.schema.fields().find(field.name()).is_none()) {
            return Err(Error::internal("a batch has a column that its table has not"));
        }
        let columns = self.schema.fields().iter().map(|field| batch.column_by_name(field.name()));
        self.typed(columns, batch.num_rows())
    }

    fn typed<'a>(
        &self,
        columns: impl Iterator<Item = Option<&'a ArrayRef>>,
        rows: usize,
    ) -> Result<RecordBatch> {
        // A value that does not fit is an error, not a NULL.
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        let columns = self.schema.fields().iter().zip(columns).map(|(field, column)| match column {
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => cast_with_options(column, field.data_type(), &exact),
            None => Ok(new_null_array(field.data_type(), rows)),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        RecordBatch::try_new(self.schema.clone(), columns).map_err(Error::internal)
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableWriter").field("location", &self.location).finish_non_exhaustive()
    }
}

fn properties(schema: &SchemaRef, group_rows: usize, bloom: &[String]) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(group_rows))
        .set_created_by(concat!("lakegate ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in schema.fields().iter().filter(|field| describe::is_float(field.data_type())) {
        let column = ColumnPath::new(vec![field.name().clone()]);
        builder = builder.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    for column in bloom {
        // As many different values as there can be; a filter of fewer is folded to what they need.
        builder = builder
            .set_column_bloom_filter_enabled(ColumnPath::new(vec![column.clone()]), true)
            .set_column_bloom_filter_max_ndv(ColumnPath::new(vec![column.clone()]), group_rows as u64);
    }
    builder.build()
}

/// How many rows make a slice of about [`SLICE_BYTES`].
fn slice_rows(batch: &RecordBatch) -> usize {
    let bytes = batch.get_array_memory_size().max(1);
    let rows = batch.num_rows().max(1);
    usize::try_from(rows as u128 * SLICE_BYTES as u128 / bytes as u128).unwrap_or(rows).max(1)
}

fn failed(location: &str, cause: ParquetError) -> Error {
    lake::write_failed(location, cause)
}

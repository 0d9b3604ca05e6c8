//! The rows of one result on their way to where they are kept.
//!
//! Rows are gathered to chunks, and a chunk is an Arrow IPC stream, compressed: in memory while all results together may
//! hold it, and else a file of the lake. What is being gathered, a few MiB for each running query, is not counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::SchemaRef;
use bytes::{Buf, Bytes};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::DataType;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::Area;
use crate::query::barrier::scrub::alone;

/// A chunk is closed once its rows take so much before they are compressed.
const CHUNK: usize = 4 << 20;

/// The most rows of a batch.
const ROWS: usize = 8192;

/// What results may hold in memory, all together.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

/// Rows that are kept.
#[derive(Debug)]
pub(super) struct Chunk {
    pub first_row: u64,
    pub rows: u64,
    pub bytes: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Bytes, #[allow(dead_code, reason = "it is given back with the bytes")] Share),
    Lake(String),
}

/// The files of one result.
#[derive(Debug)]
pub(super) struct Files {
    id: Uuid,
    area: Area,
    begun: AtomicU32,
}

/// What gathers the rows of one result.
pub(super) struct Spool {
    schema: SchemaRef,
    files: Arc<Files>,
    budget: Arc<Budget>,
    /// The most bytes of this result.
    limit: u64,
    gathered: Vec<RecordBatch>,
    size: usize,
    rows: u64,
    bytes: u64,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    fn share(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Share { budget: Arc::clone(self), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Files {
    pub fn new(id: Uuid, area: Area) -> Self {
        Self { id, area, begun: AtomicU32::new(0) }
    }

    async fn write(&self, bytes: Bytes) -> Result<String> {
        // Counted before it is written, so that a part of one that was stopped is removed as well.
        let name = self.name(self.begun.fetch_add(1, Ordering::Relaxed));
        self.area.put(&name, bytes).await?;
        Ok(name)
    }

    /// Removes all of them.
    pub async fn remove(&self) -> Result<()> {
        let begun = self.begun.load(Ordering::Relaxed);
        self.area.remove((0..begun).map(|number| self.name(number)).collect()).await
    }

    fn name(&self, number: u32) -> String {
        format!("{}-{number}.arrow", self.id)
    }
}

impl Chunk {
    /// Its rows.
    pub async fn read(&self, files: &Files) -> Result<Vec<RecordBatch>> {
        let bytes = match &self.place {
            Place::Memory(bytes, _) => bytes.clone(),
            Place::Lake(name) => files.area.get(name).await?,
        };
        let reader = StreamReader::try_new(bytes.reader(), None).map_err(Error::internal)?;
        reader.collect::<std::result::Result<_, _>>().map_err(Error::internal)
    }
}

impl Spool {
    pub fn new(schema: SchemaRef, files: &Arc<Files>, budget: &Arc<Budget>, limit: u64) -> Self {
        Self {
            schema,
            files: Arc::clone(files),
            budget: Arc::clone(budget),
            limit,
            gathered: Vec::new(),
            size: 0,
            rows: 0,
            bytes: 0,
        }
    }

    /// Whether rows are gathered that are not kept yet.
    pub fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// `batch` in parts of which none is larger than a chunk, as far as rows can be parted.
    pub fn parts(&self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let (rows, size) = (batch.num_rows(), size_of(batch).max(1));
        let at_once = (rows.saturating_mul(CHUNK) / size).clamp(1, ROWS);
        (0..rows).step_by(at_once).map(|from| batch.slice(from, at_once.min(rows - from))).collect()
    }

    /// Takes `part`, and gives a chunk when one is full.
    pub async fn add(&mut self, part: RecordBatch) -> Result<Option<Chunk>> {
        let size = size_of(&part);
        self.size += size;
        self.gathered.push(part);
        if self.size < CHUNK { Ok(None) } else { self.close().await }
    }

    /// What is gathered, as a chunk.
    pub async fn close(&mut self) -> Result<Option<Chunk>> {
        let batches = std::mem::take(&mut self.gathered);
        self.size = 0;
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows == 0 {
            return Ok(None);
        }
        let batch = concat_batches(&self.schema, &batches).map_err(Error::internal)?;
        drop(batches);
        let stream = written(&batch)?;
        let bytes = stream.len() as u64;
        self.bytes += bytes;
        if self.bytes > self.limit {
            let text = format!(
                "the result takes more than the {} bytes that one may take here; ask for less, or read it as it comes",
                self.limit
            );
            return Err(Error::new(ErrorKind::LimitExceeded, text));
        }
        let place = match self.budget.share(bytes) {
            Some(share) => Place::Memory(stream, share),
            None => Place::Lake(self.files.write(stream).await?),
        };
        let first_row = self.rows;
        self.rows += rows;
        Ok(Some(Chunk { first_row, rows, bytes, place }))
    }
}

/// `batch` in batches of as many rows as are usual: how many it was made of tells nothing.
fn written(batch: &RecordBatch) -> Result<Bytes> {
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::LZ4_FRAME))
        .map_err(Error::internal)?;
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).map_err(Error::internal)?;
    for from in (0..batch.num_rows()).step_by(ROWS) {
        let part = batch.slice(from, ROWS.min(batch.num_rows() - from));
        writer.write(&alone(&part).map_err(Error::internal)?).map_err(Error::internal)?;
    }
    // Without the room that it has grown into, which is not counted.
    writer.into_inner().map(|bytes| Bytes::from(bytes.into_boxed_slice())).map_err(Error::internal)
}

/// What the rows of `batch` take, without what it shares with others.
fn size_of(batch: &RecordBatch) -> usize {
    // A view begins with the length of what it is of, in its lowest 32 bits.
    let of_views = |views: &[u128]| views.iter().map(|view| 16 + (*view & 0xffff_ffff) as usize).sum();
    let sizes = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => of_views(column.as_string_view().views()),
        DataType::BinaryView => of_views(column.as_binary_view().views()),
        _ => column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()),
    });
    sizes.sum()
}

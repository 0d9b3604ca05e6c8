//! Results as bodies: five formats behind one trait, and the one loop that drives them.
//!
//! A body is pulled: a chunk is encoded when the connection asks for it, from the batch that the query then gives, so
//! a slow reader slows the query and nothing piles up. What closes a format (the last bracket of JSON, the footer of
//! Parquet, the end marker of Arrow) is written only after the last row; a result that breaks ends the body with an
//! error instead, which drops the connection before its final chunk. No client can take a part for the whole.

mod accept;
mod arrow;
mod csv;
mod json;
mod names;
mod ndjson;
mod parquet;

use ::arrow::record_batch::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use uuid::Uuid;

pub use self::accept::negotiate;
use crate::error::{Error, Result};
pub use crate::query::sql_type;
use crate::query::{PolicyNotice, RowStream};

/// A chunk is sent once it has this many bytes.
const CHUNK: usize = 256 * 1024;

/// How the rows of a result are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Ndjson,
    Csv,
    Arrow,
    Parquet,
}

/// What is known of a result before its first row.
#[derive(Debug, Clone)]
pub struct Head {
    pub query_id: Uuid,
    pub schema: SchemaRef,
    pub notice: PolicyNotice,
}

/// Rows as they come, which know at their end whether some were left out.
pub trait Rows: Stream<Item = Result<RecordBatch>> + Send + Unpin + 'static {
    /// Whether rows were left out because of the caller's limit. Known at the end.
    fn truncated(&self) -> bool;
}

impl Rows for RowStream {
    fn truncated(&self) -> bool {
        RowStream::truncated(self)
    }
}

/// One format: bytes are appended to `out`, which the driver empties in between.
trait Encoder: Send {
    /// What stands before the first row. Fails when the format cannot hold a column of this result.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()>;

    /// The rows of one batch.
    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// What makes the result complete. Called after the last row, and never after a failure.
    fn end(&mut self, truncated: bool, out: &mut Vec<u8>) -> Result<()>;

    /// How many rows to encode between two looks at the size of the chunk.
    fn rows_at_once(&self) -> usize {
        1024
    }
}

impl Format {
    /// Every format, the default first.
    pub const ALL: [Self; 5] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow, Self::Parquet];

    /// The media type that asks for this format.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The `content-type` of a body in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        }
    }

    /// Whether a body in this format shows by itself that it is whole. One that does not needs a transport that does.
    pub fn marks_its_end(self) -> bool {
        match self {
            Self::Json | Self::Arrow | Self::Parquet => true,
            Self::Ndjson | Self::Csv => false,
        }
    }

    fn encoder(self, head: Head) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Json => Box::new(json::Json::new(head)),
            Self::Ndjson => Box::new(ndjson::Ndjson::new(&head.schema)),
            Self::Csv => Box::new(csv::Csv::new(head.schema)),
            Self::Arrow => Box::new(arrow::Arrow::new(&head.schema)?),
            Self::Parquet => Box::new(parquet::Parquet::new(&head.schema)?),
        })
    }
}

/// Starts a body. Waits for the first batch, so that a query that fails at once still becomes an error with a status
/// of its own; a failure after that ends the stream with an error.
pub async fn start(
    format: Format,
    head: Head,
    mut rows: impl Rows,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let mut encoder = format.encoder(head)?;
    let mut out = Vec::new();
    encoder.begin(&mut out)?;
    let current = rows.next().await.transpose()?;
    let body = Body { encoder, rows, out, ended: current.is_none(), current, offset: 0 };
    // `try_unfold` asks for nothing more after an error, and a body that has failed stays failed.
    Ok(stream::try_unfold(Some(body), |body| async move {
        match body {
            Some(body) => body.chunk().await,
            None => Ok(None),
        }
    })
    .boxed())
}

/// A body on its way: the batch being encoded, and the bytes that wait for the next chunk.
struct Body<R> {
    encoder: Box<dyn Encoder>,
    rows: R,
    out: Vec<u8>,
    current: Option<RecordBatch>,
    offset: usize,
    ended: bool,
}

impl<R: Rows> Body<R> {
    /// The next chunk, with what is left to do after it; `None` in place of that when this was the last.
    async fn chunk(mut self) -> Result<Option<(Bytes, Option<Self>)>> {
        while !self.ended {
            self.fill()?;
            if self.out.len() >= CHUNK {
                let chunk = Bytes::from(std::mem::take(&mut self.out));
                return Ok(Some((chunk, Some(self))));
            }
            self.current = self.rows.next().await.transpose()?;
            self.offset = 0;
            self.ended = self.current.is_none();
        }
        self.encoder.end(self.rows.truncated(), &mut self.out)?;
        Ok((!self.out.is_empty()).then(|| (Bytes::from(self.out), None)))
    }

    /// Encodes the current batch until it is used up or the chunk is full.
    fn fill(&mut self) -> Result<()> {
        let Some(batch) = &self.current else { return Ok(()) };
        while self.offset < batch.num_rows() && self.out.len() < CHUNK {
            let count = self.encoder.rows_at_once().min(batch.num_rows() - self.offset);
            self.encoder.rows(&batch.slice(self.offset, count), &mut self.out)?;
            self.offset += count;
        }
        Ok(())
    }
}

/// A batch that the writer of a format refuses.
fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal(error)
}

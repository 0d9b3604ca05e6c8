//! `COPY … TO STDOUT (FORMAT binary)` as record batches: the stream is cut anywhere, tuples are taken when whole.
//!
//! The form is in the PostgreSQL manual under COPY, "Binary Format".

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::{Buf, Bytes, BytesMut};

use super::super::{ReadOptions, ReadSummary, Unfit};
use super::column::{Column, malformed};
use super::types::{Kind, Mapped};
use crate::error::{Error, Result};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, the flags and the length of the extension, of which there is none.
const HEADER: usize = 19;

/// Takes the bytes of one COPY and gives batches.
pub(super) struct Decoder<'a> {
    schema: SchemaRef,
    columns: Vec<Column>,
    unfit: Unfit<'a>,
    options: ReadOptions,
    /// What came and is not yet a whole tuple.
    rest: BytesMut,
    header_seen: bool,
    /// Whether the end mark came: without it the stream is broken.
    pub(super) ended: bool,
    rows: u64,
    waiting_rows: usize,
    waiting_bytes: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(table: &'a str, schema: SchemaRef, columns: &[Mapped], options: ReadOptions) -> Self {
        Self {
            schema,
            columns: columns.iter().map(Column::new).collect(),
            unfit: Unfit::new(table, &options),
            options,
            rest: BytesMut::new(),
            header_seen: false,
            ended: false,
            rows: 0,
            waiting_rows: 0,
            waiting_bytes: 0,
        }
    }

    /// Takes what came; true while a batch is full and must be taken before more is given.
    pub(super) fn give(&mut self, bytes: &Bytes) {
        self.rest.extend_from_slice(bytes);
    }

    /// Reads tuples until a batch is full (true) or more bytes are needed (false).
    pub(super) fn advance(&mut self) -> Result<bool> {
        if !self.header_seen {
            if self.rest.len() < HEADER {
                return Ok(false);
            }
            if !self.rest.starts_with(SIGNATURE) {
                return Err(malformed());
            }
            self.rest.advance(HEADER);
            self.header_seen = true;
        }
        // Taken out, so that the tuples can be read while the columns are filled.
        let mut rest = std::mem::take(&mut self.rest);
        let mut used = 0;
        let outcome = loop {
            if self.is_full() {
                break Ok(true);
            }
            match self.tuple(rest.get(used..).unwrap_or_default()) {
                Ok(Some(size)) => used += size,
                Ok(None) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        rest.advance(used);
        self.rest = rest;
        outcome
    }

    /// Reads one tuple at the begin of `bytes` and gives its size; nothing when it is not whole.
    fn tuple(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        if self.ended {
            return if bytes.is_empty() { Ok(None) } else { Err(malformed()) };
        }
        let Some(size) = whole(bytes) else { return Ok(None) };
        let mut fields = bytes;
        let count = fields.try_get_i16().map_err(|_| malformed())?;
        if count == -1 {
            self.ended = true;
            return Ok(Some(size));
        }
        if usize::try_from(count).ok() != Some(self.columns.len()) {
            return Err(malformed());
        }
        for column in &mut self.columns {
            let length = fields.try_get_i32().map_err(|_| malformed())?;
            let value = match usize::try_from(length) {
                Ok(length) => {
                    let (value, rest) = fields.split_at_checked(length).ok_or_else(malformed)?;
                    fields = rest;
                    Some(value)
                }
                Err(_) => None,
            };
            column.push(value, &mut self.unfit)?;
        }
        self.rows += 1;
        self.waiting_rows += 1;
        self.waiting_bytes += size;
        Ok(Some(size))
    }

    fn is_full(&self) -> bool {
        self.waiting_rows >= self.options.batch_rows || self.waiting_bytes >= self.options.batch_bytes
    }

    /// The rows that wait, if there are any.
    pub(super) fn batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.waiting_rows == 0 {
            return Ok(None);
        }
        let rows = std::mem::take(&mut self.waiting_rows);
        self.waiting_bytes = 0;
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map(Some)
            .map_err(Error::internal)
    }

    pub(super) fn summary(&self) -> ReadSummary {
        ReadSummary { rows: self.rows, nulled: self.unfit.nulled }
    }
}

/// How many rows a column of each type has of the stream `bytes` when it comes in parts of `size`.
pub(crate) fn rows_in(bytes: &[u8], size: usize) -> Result<u64> {
    let kinds = [
        Kind::Bool,
        Kind::Int64,
        Kind::Float64,
        Kind::Decimal(38, 10),
        Kind::Text,
        Kind::Date,
        Kind::TimestampTz,
        Kind::List(Box::new(Kind::Int32)),
    ];
    let columns = kinds.map(|kind| {
        let field = Field::new("c", kind.data_type(), true);
        Mapped { field, kind, select: String::new(), shown: String::new(), optional: true }
    });
    let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>());
    let mut decoder = Decoder::new("t", Arc::new(schema), &columns, ReadOptions::default());
    for part in bytes.chunks(size.max(1)) {
        decoder.give(&Bytes::copy_from_slice(part));
        while decoder.advance()? {
            decoder.batch()?;
        }
    }
    decoder.batch()?;
    Ok(decoder.summary().rows)
}

/// The size of the tuple at the begin of `bytes`, when all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let count = rest.try_get_i16().ok()?;
    let mut size = 2_usize;
    for _ in 0..count {
        let length = rest.try_get_i32().ok()?;
        size = size.checked_add(4)?;
        if let Ok(length) = usize::try_from(length) {
            rest = rest.get(length..)?;
            size = size.checked_add(length)?;
        }
    }
    Some(size)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for (number, text) in [(1_i32, Some("one")), (2, None), (3, Some(""))] {
            bytes.extend(2_i16.to_be_bytes());
            bytes.extend(4_i32.to_be_bytes());
            bytes.extend(number.to_be_bytes());
            match text {
                Some(text) => {
                    bytes.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
                None => bytes.extend((-1_i32).to_be_bytes()),
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let column = |name: &str, kind: Kind| {
            let field = arrow_schema::Field::new(name, kind.data_type(), true);
            Mapped { field, kind, select: String::new(), shown: String::new(), optional: true }
        };
        let columns = [column("n", Kind::Int32), column("t", Kind::Text)];
        let schema =
            Arc::new(Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>()));
        let bytes = stream();
        for size in 1..bytes.len() {
            let mut decoder = Decoder::new("t", Arc::clone(&schema), &columns, ReadOptions::default());
            for part in bytes.chunks(size) {
                decoder.give(&Bytes::copy_from_slice(part));
                assert!(!decoder.advance().unwrap());
            }
            assert!(decoder.ended);
            let batch = decoder.batch().unwrap().unwrap();
            assert_eq!(batch.column(0).as_primitive::<Int32Type>().values(), &[1, 2, 3]);
            let texts = batch.column(1).as_string::<i32>();
            assert_eq!((texts.value(0), texts.is_null(1), texts.value(2)), ("one", true, ""));
        }
    }
}

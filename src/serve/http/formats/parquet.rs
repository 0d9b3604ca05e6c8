//! `application/vnd.apache.parquet`, written as it goes: a row group is sent as soon as it is full, and its size in
//! bytes bounds the memory. The footer, without which no reader opens the file, comes after the last row.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Encoder, names, unwritable};
use crate::error::{Error, Result};

/// A row group is closed when this many bytes of it wait in memory.
const ROW_GROUP: usize = 16 * 1024 * 1024;

pub(super) struct Parquet {
    writer: ArrowWriter<Vec<u8>>,
    /// The columns with distinct names: readers of Parquet find columns by name.
    schema: SchemaRef,
}

impl Parquet {
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        if schema.fields().is_empty() {
            return Err(Error::invalid_request(
                "a result without columns cannot be a Parquet file; ask for JSON",
            ));
        }
        let schema = renamed(schema);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer =
            ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(|error| {
                Error::invalid_request("a column has a type that Parquet cannot hold; ask for another format")
                    .with_source(error)
            })?;
        Ok(Self { writer, schema })
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        // Exactly what the crate's own asynchronous writer does: offsets are counted before this buffer.
        out.append(self.writer.inner_mut());
    }
}

impl Encoder for Parquet {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.drain(out);
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()).map_err(unwritable)?;
        self.writer.write(&batch).map_err(unwritable)?;
        if self.writer.memory_size() >= ROW_GROUP {
            self.writer.flush().map_err(unwritable)?;
        }
        self.drain(out);
        Ok(())
    }

    fn end(&mut self, _truncated: bool, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish().map_err(unwritable)?;
        self.drain(out);
        Ok(())
    }

    fn rows_at_once(&self) -> usize {
        8192
    }
}

fn renamed(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().zip(names::distinct(schema));
    let fields = fields.map(|(field, name)| Field::clone(field).with_name(name));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

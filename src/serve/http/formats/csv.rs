//! `text/csv` after RFC 4180, with a header line: NULL is nothing at all, the empty text is `""`.
//!
//! Values are written as they are: a text that a spreadsheet would take for a formula is not altered, because a
//! program that reads it back must get what was stored. Nested values are JSON.

use arrow::record_batch::RecordBatch;
use arrow_schema::SchemaRef;

use super::Encoder;
use crate::error::Result;
use crate::serve::values::{Style, columns};

pub(super) struct Csv {
    schema: SchemaRef,
    cell: Vec<u8>,
}

impl Csv {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, cell: Vec::new() }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        for (position, field) in self.schema.fields().iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            quote(field.name().as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = columns(batch, Style::Plain)?;
        for row in 0..batch.num_rows() {
            for (position, cell) in cells.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                if cell.is_null(row) {
                    continue;
                }
                self.cell.clear();
                cell.write(row, &mut self.cell)?;
                quote(&self.cell, out);
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn end(&mut self, _truncated: bool, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// A field, in quotes where it needs them: the empty text does, to differ from NULL.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if plain {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

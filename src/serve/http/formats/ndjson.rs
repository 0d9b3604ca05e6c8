//! `application/x-ndjson`: an object a row, a line a row. Of columns with the same name the later ones get a number.

use arrow::record_batch::RecordBatch;
use arrow_schema::Schema;

use super::{Encoder, names};
use crate::error::Result;
use crate::serve::values::{Style, columns, json_text};

pub(super) struct Ndjson {
    /// `"name":` of each column, as it stands in every row.
    keys: Vec<Vec<u8>>,
}

impl Ndjson {
    pub(super) fn new(schema: &Schema) -> Self {
        let key = |name: &String| {
            let mut key = Vec::new();
            json_text(name, &mut key);
            key.push(b':');
            key
        };
        Self { keys: names::distinct(schema).iter().map(key).collect() }
    }
}

impl Encoder for Ndjson {
    fn begin(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = columns(batch, Style::Json)?;
        for row in 0..batch.num_rows() {
            out.push(b'{');
            for (position, (key, cell)) in self.keys.iter().zip(&cells).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                cell.write(row, out)?;
            }
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }

    fn end(&mut self, _truncated: bool, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

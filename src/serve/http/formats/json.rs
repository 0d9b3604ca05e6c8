//! `application/json`: one object with the columns, the rows as arrays, and what policy did.

use arrow::record_batch::RecordBatch;

use super::{Encoder, Head, unwritable};
use crate::error::Result;
use crate::serve::http::query::ResultColumn;
use crate::serve::values::{Style, columns};

/// `{"query_id", "columns", "rows", "row_count", "truncated", "policy"}`, in this order, so that a reader knows the
/// columns before the first row and the outcome after the last.
pub(super) struct Json {
    head: Head,
    count: u64,
}

impl Json {
    pub(super) fn new(head: Head) -> Self {
        Self { head, count: 0 }
    }
}

impl Encoder for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let described = self.head.schema.fields().iter().map(ResultColumn::of);
        let described = serde_json::to_string(&described.collect::<Vec<_>>()).map_err(unwritable)?;
        out.extend_from_slice(
            format!("{{\"query_id\":\"{}\",\"columns\":{described},\"rows\":[", self.head.query_id)
                .as_bytes(),
        );
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = columns(batch, Style::Json)?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.count == 0 { b"\n[" } else { b",\n[" });
            for (position, cell) in cells.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                cell.write(row, out)?;
            }
            out.push(b']');
            self.count += 1;
        }
        Ok(())
    }

    fn end(&mut self, truncated: bool, out: &mut Vec<u8>) -> Result<()> {
        let policy = serde_json::to_string(&self.head.notice).map_err(unwritable)?;
        let tail =
            format!("\n],\"row_count\":{},\"truncated\":{truncated},\"policy\":{policy}}}\n", self.count);
        out.extend_from_slice(tail.as_bytes());
        Ok(())
    }
}

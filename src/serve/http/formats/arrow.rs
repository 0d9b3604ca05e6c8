//! `application/vnd.apache.arrow.stream`: the Arrow IPC stream, with its end marker only after the last row.

use arrow::record_batch::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;

use super::{Encoder, unwritable};
use crate::error::Result;

pub(super) struct Arrow {
    writer: StreamWriter<Vec<u8>>,
}

impl Arrow {
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), schema).map_err(unwritable)? })
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.get_mut());
    }
}

impl Encoder for Arrow {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.drain(out);
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(batch).map_err(unwritable)?;
        self.drain(out);
        Ok(())
    }

    fn end(&mut self, _truncated: bool, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish().map_err(unwritable)?;
        self.drain(out);
        Ok(())
    }

    fn rows_at_once(&self) -> usize {
        usize::MAX
    }
}

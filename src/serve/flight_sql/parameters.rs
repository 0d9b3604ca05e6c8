//! The row of parameters that a client sends, and keeps in its handle.
//!
//! Every message is looked at before it is read (`serve/values/stream.rs`). What contradicts itself inside makes the
//! reader of Arrow's format panic, which is caught here and refused.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::StreamWriter;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use futures::{FutureExt, Stream, StreamExt};
use tonic::Status;

use super::status::malformed;
use crate::query::Parameter;
use crate::serve::values::stream::{is_plain, sound};

/// The one row that `parts` hold, as a stream of bytes; none when there is no row.
pub(super) async fn received(
    parts: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Option<Vec<u8>>, Status> {
    let parts = parts.map(|part| {
        let part = part.map_err(|status| FlightError::Tonic(Box::new(status)))?;
        let is_plain = part.data_header.is_empty()
            || root_as_message(&part.data_header)
                .is_ok_and(|message| is_plain(&message, part.data_body.len()));
        match is_plain {
            true => Ok(part),
            false => Err(FlightError::DecodeError("a message is not what it says".to_owned())),
        }
    });
    let unreadable = || malformed("the parameters are no plain Arrow stream");
    let mut batches = FlightRecordBatchStream::new_from_flight_data(parts);
    let mut row = None;
    while let Some(batch) = AssertUnwindSafe(batches.next()).catch_unwind().await.map_err(|_| unreadable())? {
        let batch = batch.map_err(|_| unreadable())?;
        if batch.num_rows() > 1 || (batch.num_rows() == 1 && row.is_some()) {
            return Err(malformed("a statement is run with one row of parameters at a time"));
        }
        row = row.or((batch.num_rows() == 1).then_some(batch));
    }
    row.map(|row| written(&row)).transpose()
}

fn written(row: &RecordBatch) -> Result<Vec<u8>, Status> {
    let unusable = |_| malformed("the parameters cannot be kept");
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).map_err(unusable)?;
    writer.write(row).map_err(unusable)?;
    writer.into_inner().map_err(unusable)
}

/// The values in `bytes`, which a client brings back.
pub(super) fn values(bytes: &[u8]) -> Result<Vec<Parameter>, Status> {
    let unusable = || malformed("the parameters of this handle do not read");
    if sound(bytes).is_none() {
        return Err(unusable());
    }
    let read = || StreamReader::try_new(bytes, None).ok()?.next()?.ok();
    let row = catch_unwind(read).ok().flatten().ok_or_else(unusable)?;
    if row.num_rows() != 1 {
        return Err(unusable());
    }
    let values = row.columns().iter().map(|column| ScalarValue::try_from_array(&Arc::clone(column), 0));
    values.collect::<Result<Vec<_>, _>>().map_err(|_| unusable())
}

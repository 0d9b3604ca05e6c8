//! The row of parameters that a client sends, and keeps in its handle.
//!
//! The reader of Arrow's format takes sizes at their word: a message of a few bytes could ask for more memory than there
//! is. So every message is looked at before it is read: what it says to have it must have, and nothing is compressed. What
//! contradicts itself inside makes the reader panic, which is caught here and refused.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_ipc::{Message, root_as_message};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use futures::{FutureExt, Stream, StreamExt};
use tonic::Status;

use super::status::malformed;
use crate::query::Parameter;

/// What stands before each message of a stream: a marker, and the length of what describes it.
const MARKER: u32 = u32::MAX;

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
    if !is_sound(bytes) {
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

/// Whether every message of the stream `bytes` is there and plain.
fn is_sound(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((marker, after)) = number(rest) else { return false };
        let Some((length, after)) = number(after) else { return false };
        let Some((description, after)) = after.split_at_checked(length as usize) else { return false };
        if marker != MARKER {
            return false;
        }
        if description.is_empty() {
            return true;
        }
        let Ok(message) = root_as_message(description) else { return false };
        let body = usize::try_from(message.bodyLength()).ok().filter(|_| is_plain(&message, after.len()));
        let Some((_, after)) = body.and_then(|body| after.split_at_checked(body)) else { return false };
        rest = after;
    }
    true
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// Whether `message` needs no more than the `body` bytes that came with it.
fn is_plain(message: &Message<'_>, body: usize) -> bool {
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()));
    let lies_within = |length: usize| {
        let mut buffers = batch.and_then(|batch| batch.buffers()).into_iter().flatten();
        buffers.all(|buffer| {
            let (from, size) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
            from.ok()
                .zip(size.ok())
                .and_then(|(from, size)| from.checked_add(size))
                .is_some_and(|end| end <= length)
        })
    };
    // A row of parameters has lists of no more items than there are bits for them: some types take no bytes at all.
    let is_short = |length: usize| {
        let most = i64::try_from(length.saturating_mul(8).max(1)).unwrap_or(i64::MAX);
        let mut nodes = batch.and_then(|batch| batch.nodes()).into_iter().flatten();
        nodes.all(|node| {
            (0..=most).contains(&node.length()) && (0..=node.length()).contains(&node.null_count())
        })
    };
    usize::try_from(message.bodyLength())
        .is_ok_and(|length| length <= body && lies_within(length) && is_short(length))
        && batch.is_none_or(|batch| batch.compression().is_none())
}

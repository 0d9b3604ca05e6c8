//! Whether bytes that a client sends are a stream of Arrow's format that may be read.
//!
//! The reader of the format takes sizes at their word: a message of a few bytes could ask for more memory than there
//! is. So every message is looked at before it is read: what it says to have it must have, and nothing is compressed. What
//! contradicts itself inside makes the reader panic, which is caught here and refused.

use std::panic::catch_unwind;

use arrow::array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::{Message, root_as_message};

/// What stands before each message of a stream: a marker, and the length of what describes it.
const MARKER: u32 = u32::MAX;

/// How a stream that is sound ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With its end mark, behind which nothing stands.
    Marked,
    /// Without it, or with bytes behind it.
    Open,
}

/// All batches of the stream `bytes`; none unless it is sound and all there.
pub(crate) fn batches(bytes: &[u8]) -> Option<Vec<RecordBatch>> {
    if sound(bytes) != Some(End::Marked) {
        return None;
    }
    catch_unwind(|| StreamReader::try_new(bytes, None).ok()?.collect::<Result<Vec<_>, _>>().ok()).ok()?
}

/// How the stream `bytes` ends, if every message of it is there and plain.
pub(crate) fn sound(bytes: &[u8]) -> Option<End> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (marker, after) = number(rest)?;
        let (length, after) = number(after)?;
        let (description, after) = after.split_at_checked(length as usize)?;
        if marker != MARKER {
            return None;
        }
        if description.is_empty() {
            return Some(if after.is_empty() { End::Marked } else { End::Open });
        }
        let message = root_as_message(description).ok()?;
        let body = usize::try_from(message.bodyLength()).ok().filter(|_| is_plain(&message, after.len()))?;
        rest = after.split_at_checked(body)?.1;
    }
    Some(End::Open)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// Whether `message` needs no more than the `body` bytes that came with it.
pub(crate) fn is_plain(message: &Message<'_>, body: usize) -> bool {
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
    // No column has more items than there are bits for them: some types take no bytes at all.
    let is_short = |length: usize| {
        let most = i64::try_from(length.saturating_mul(8).max(1)).unwrap_or(i64::MAX);
        let mut nodes = batch.and_then(|batch| batch.nodes()).into_iter().flatten();
        nodes.all(|node| {
            (0..=most).contains(&node.length()) && (0..=node.length()).contains(&node.null_count())
        })
    };
    // A batch without columns says how many rows it has, and nothing stands behind it.
    let as_many_rows = batch.is_none_or(|batch| {
        let first = batch.nodes().and_then(|nodes| nodes.iter().next().map(|node| node.length()));
        batch.length() == first.unwrap_or(0)
    });
    as_many_rows
        && usize::try_from(message.bodyLength())
            .is_ok_and(|length| length <= body && lies_within(length) && is_short(length))
        && batch.is_none_or(|batch| batch.compression().is_none())
}

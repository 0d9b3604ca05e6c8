//! Batches of texts that are written out a bounded part at a time.
//!
//! A file may hold a long text once and name it in each row: a few bytes stand for more than there is memory. So texts are
//! read as views of what is held once, and each part of a batch has about so many bytes of them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow_schema::DataType;

/// The type that texts and bytes of this type are read as.
pub(super) fn viewed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => match viewed(value) {
            views @ (DataType::Utf8View | DataType::BinaryView) => views,
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// The rows of `batch` in parts whose texts have `most` bytes together, or that are one row.
pub(super) fn parts(batch: &RecordBatch, most: usize) -> Vec<RecordBatch> {
    let lengths = lengths(batch);
    let (mut parts, mut start, mut held) = (Vec::new(), 0, 0_usize);
    for (row, length) in lengths.iter().enumerate() {
        if row > start && held.saturating_add(*length) > most {
            parts.push(batch.slice(start, row - start));
            (start, held) = (row, 0);
        }
        held = held.saturating_add(*length);
    }
    parts.push(batch.slice(start, batch.num_rows() - start));
    parts
}

/// How many bytes the viewed texts of each row have.
fn lengths(batch: &RecordBatch) -> Vec<usize> {
    let mut lengths = vec![0_usize; batch.num_rows()];
    for column in batch.columns() {
        let views = match column.data_type() {
            DataType::Utf8View => column.as_string_view().views(),
            DataType::BinaryView => column.as_binary_view().views(),
            _ => continue,
        };
        for (sum, (row, view)) in lengths.iter_mut().zip(views.iter().enumerate()) {
            if column.is_valid(row) {
                // The lowest four bytes of a view are its length.
                *sum = sum.saturating_add((*view & u128::from(u32::MAX)) as usize);
            }
        }
    }
    lengths
}

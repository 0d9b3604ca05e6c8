//! Arrow's types in the lake's, value by value or not at all.
//!
//! A type has an equal that holds each of its values, or one that holds most of them (nanoseconds as microseconds); then
//! every value is turned back and compared. What is not the same is told, and never rounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};

use super::super::Unfit;
use crate::error::{Error, Result};

/// What holds the values of a type in the lake; none when nothing does.
pub(in crate::ingest) fn equal(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => decimal(*precision, *scale)?,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Utf8,
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Dictionary(_, value) => equal(value)?,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(field(item)?)
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            DataType::Struct(fields.iter().map(field).collect::<Option<_>>()?)
        }
        DataType::Map(entries, is_sorted) => DataType::Map(field(entries)?, *is_sorted),
        _ => return None,
    })
}

fn decimal(precision: u8, scale: i8) -> Option<DataType> {
    let is_held = precision <= 38 && scale >= 0 && scale.unsigned_abs() <= precision;
    is_held.then_some(DataType::Decimal128(precision, scale))
}

/// The same by name, and nothing that was written beside it.
fn field(of: &FieldRef) -> Option<FieldRef> {
    Some(Arc::new(Field::new(of.name(), equal(of.data_type())?, of.is_nullable())))
}

/// Whether each value has its equal.
pub(super) fn is_held_whole(data_type: &DataType) -> bool {
    match data_type {
        DataType::Date64 => false,
        DataType::Timestamp(unit, _) => *unit == TimeUnit::Microsecond,
        DataType::Dictionary(_, value) => is_held_whole(value),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_held_whole(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_held_whole(field.data_type())),
        _ => true,
    }
}

/// The values of `column` in the type `to`, which is its [`equal`].
pub(in crate::ingest) fn exactly(
    column: &ArrayRef,
    to: &DataType,
    name: &str,
    unfit: &mut Unfit<'_>,
) -> Result<ArrayRef> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    if is_held_whole(column.data_type()) {
        return cast(column, to, false);
    }
    let held = cast(column, to, true)?;
    let back = cast(&held, column.data_type(), true)?;
    if back.as_ref() == column.as_ref() {
        return Ok(held);
    }
    let is_other = (0..column.len()).map(|row| back.slice(row, 1).as_ref() != column.slice(row, 1).as_ref());
    let others = is_other.collect::<BooleanArray>();
    for row in (0..others.len()).filter(|row| others.value(*row)) {
        unfit.meet(
            name,
            &text(column, row),
            "the lake holds whole microseconds, whole days and no more years",
        )?;
    }
    nullif(&held, &others).map_err(Error::internal)
}

fn cast(column: &ArrayRef, to: &DataType, or_null: bool) -> Result<ArrayRef> {
    let options = CastOptions { safe: or_null, ..CastOptions::default() };
    cast_with_options(column, to, &options).map_err(Error::internal)
}

/// A value as people read it.
pub(super) fn text(column: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    ArrayFormatter::try_new(column.as_ref(), &options)
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default()
}

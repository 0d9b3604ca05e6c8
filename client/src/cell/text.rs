//! Texts, and values written as texts.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Decimal256Type};
use serde_json::Value as Json;

use super::{Cell, FromCell};
use crate::decimal::{Decimal, digits};
use crate::error::Result;

impl<'a> FromCell<'a> for &'a str {
    const WHAT: &'static str = "a text that stays in the row";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        Ok(match cell.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(row),
            DataType::LargeUtf8 => array.as_string::<i64>().value(row),
            DataType::Utf8View => array.as_string_view().value(row),
            _ => return Err(cell.mismatch::<Self>()),
        })
    }
}

impl<'a> FromCell<'a> for String {
    const WHAT: &'static str = "a text";

    /// Bytes are no text, and to guess how they are meant to be one would be.
    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        match cell.data_type() {
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Err(cell.mismatch::<Self>()),
            _ => Ok(match cell.get::<Json>()? {
                Json::String(text) => text,
                other => other.to_string(),
            }),
        }
    }
}

impl<'a> FromCell<'a> for &'a [u8] {
    const WHAT: &'static str = "bytes";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        Ok(match cell.data_type() {
            DataType::Binary => array.as_binary::<i32>().value(row),
            DataType::LargeBinary => array.as_binary::<i64>().value(row),
            DataType::BinaryView => array.as_binary_view().value(row),
            DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row),
            _ => return Err(cell.mismatch::<Self>()),
        })
    }
}

/// A decimal of any size.
pub(super) fn decimal(cell: Cell<'_>) -> Result<String> {
    match cell.data_type() {
        DataType::Decimal256(_, scale) => {
            let value = cell.array().as_primitive::<Decimal256Type>().value(cell.row());
            Ok(digits(&value.to_string(), *scale))
        }
        _ => cell.get::<Decimal>().map(|value| value.to_string()),
    }
}

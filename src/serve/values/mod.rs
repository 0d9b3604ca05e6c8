//! One cell as text: the values of JSON, and the plain form of them that CSV has. Every door that tells values as text uses
//! them, so that a value reads alike at all of them.
//!
//! | SQL | JSON | CSV |
//! | --- | --- | --- |
//! | integers, floats | number; `"NaN"`, `"Infinity"`, `"-Infinity"` | the same without quotes |
//! | decimal | text, so that no digit is lost | the same |
//! | date, time, timestamp | ISO 8601; with a time zone in UTC, with `Z` | the same |
//! | interval | ISO 8601 duration | the same |
//! | varbinary | base64 | the same |
//! | struct, list | object, array | JSON |
//! | map | list of `[key, value]`, since keys need not be texts | JSON |
//!
//! A column is looked at once: [`columns`] makes a writer for each that knows its type, and rows go through it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, types};
use arrow::buffer::NullBuffer;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};

mod nested;
pub(crate) mod stream;
mod time;

/// Whether a text stands in quotes and is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum Style {
    Json,
    Plain,
}

/// Writes the value of a row that is not NULL.
type WriteValue = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()> + Send>;

/// Writes the cells of one column.
pub(in crate::serve) struct Cells {
    nulls: Option<NullBuffer>,
    value: WriteValue,
}

impl Cells {
    pub(in crate::serve) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the cell of `row`; NULL is `null`.
    pub(in crate::serve) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        (self.value)(row, out)
    }
}

/// A writer for each column of `batch`.
pub(in crate::serve) fn columns(batch: &RecordBatch, style: Style) -> Result<Vec<Cells>> {
    batch.columns().iter().map(|column| cells(column, style)).collect()
}

/// Appends `text` as a JSON string.
pub(in crate::serve) fn json_text(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail, and a text is always JSON.
    let _ = serde_json::to_writer(out, text);
}

/// A writer for one column.
pub(in crate::serve) fn cells(array: &ArrayRef, style: Style) -> Result<Cells> {
    let value = match array.data_type() {
        DataType::Dictionary(_, plain) => return cells(&decoded(array, plain)?, style),
        DataType::RunEndEncoded(_, values) => return cells(&decoded(array, values.data_type())?, style),
        data_type if data_type.is_nested() => nested::nested(array)?,
        _ => scalar(array, style)?,
    };
    Ok(Cells { nulls: array.logical_nulls(), value })
}

fn decoded(array: &ArrayRef, plain: &DataType) -> Result<ArrayRef> {
    arrow::compute::cast(array, plain).map_err(Error::internal)
}

macro_rules! displayed {
    ($array:expr, $kind:ident) => {{
        let values = $array.as_primitive::<types::$kind>().clone();
        Box::new(move |row, out| {
            let _ = write!(out, "{}", values.value(row));
            Ok(())
        })
    }};
}

macro_rules! float {
    ($array:expr, $kind:ident, $style:expr) => {{
        let values = $array.as_primitive::<types::$kind>().clone();
        Box::new(move |row, out| {
            let value = values.value(row);
            if value.is_finite() {
                let _ = serde_json::to_writer(&mut *out, &value);
            } else {
                let name = if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                };
                quoted($style, name, out);
            }
            Ok(())
        })
    }};
}

macro_rules! decimal {
    ($array:expr, $kind:ident, $style:expr) => {{
        let values = $array.as_primitive::<types::$kind>().clone();
        Box::new(move |row, out| {
            quoted($style, &values.value_as_string(row), out);
            Ok(())
        })
    }};
}

macro_rules! text {
    ($values:expr, $style:expr) => {{
        let values = $values.clone();
        Box::new(move |row, out| {
            match $style {
                Style::Json => json_text(values.value(row), out),
                Style::Plain => out.extend_from_slice(values.value(row).as_bytes()),
            }
            Ok(())
        })
    }};
}

macro_rules! binary {
    ($values:expr, $style:expr) => {{
        let values = $values.clone();
        Box::new(move |row, out| {
            quoted($style, &STANDARD.encode(values.value(row)), out);
            Ok(())
        })
    }};
}

fn scalar(array: &ArrayRef, style: Style) -> Result<WriteValue> {
    Ok(match array.data_type() {
        DataType::Int8 => displayed!(array, Int8Type),
        DataType::Int16 => displayed!(array, Int16Type),
        DataType::Int32 => displayed!(array, Int32Type),
        DataType::Int64 => displayed!(array, Int64Type),
        DataType::UInt8 => displayed!(array, UInt8Type),
        DataType::UInt16 => displayed!(array, UInt16Type),
        DataType::UInt32 => displayed!(array, UInt32Type),
        DataType::UInt64 => displayed!(array, UInt64Type),
        DataType::Float16 => return scalar(&decoded(array, &DataType::Float32)?, style),
        DataType::Float32 => float!(array, Float32Type, style),
        DataType::Float64 => float!(array, Float64Type, style),
        DataType::Decimal32(..) => decimal!(array, Decimal32Type, style),
        DataType::Decimal64(..) => decimal!(array, Decimal64Type, style),
        DataType::Decimal128(..) => decimal!(array, Decimal128Type, style),
        DataType::Decimal256(..) => decimal!(array, Decimal256Type, style),
        DataType::Utf8 => text!(array.as_string::<i32>(), style),
        DataType::LargeUtf8 => text!(array.as_string::<i64>(), style),
        DataType::Utf8View => text!(array.as_string_view(), style),
        DataType::Binary => binary!(array.as_binary::<i32>(), style),
        DataType::LargeBinary => binary!(array.as_binary::<i64>(), style),
        DataType::BinaryView => binary!(array.as_binary_view(), style),
        DataType::FixedSizeBinary(_) => binary!(array.as_fixed_size_binary(), style),
        DataType::Boolean => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
                Ok(())
            })
        }
        other if other.is_temporal() => time::temporal(array, style)?,
        _ => formatted(array, style),
    })
}

/// What no other arm knows, as Arrow shows it.
fn formatted(array: &ArrayRef, style: Style) -> WriteValue {
    let values = Arc::clone(array);
    Box::new(move |row, out| {
        let formatter = ArrayFormatter::try_new(&values, &FormatOptions::new()).map_err(Error::internal)?;
        let text = formatter.value(row).try_to_string().map_err(Error::internal)?;
        match style {
            Style::Json => json_text(&text, out),
            Style::Plain => out.extend_from_slice(text.as_bytes()),
        }
        Ok(())
    })
}

/// Appends a text that needs no escapes, in quotes for JSON.
fn quoted(style: Style, text: &str, out: &mut Vec<u8>) {
    match style {
        Style::Json => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        Style::Plain => out.extend_from_slice(text.as_bytes()),
    }
}

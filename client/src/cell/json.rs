//! Values in JSON, each as the gateway writes it there.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Number, Value as Json};

use super::{Cell, FromCell, text};
use crate::error::Result;

impl<'a> FromCell<'a> for Json {
    const WHAT: &'static str = "JSON";
    const TAKES_NULL: bool = true;

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        use DataType as T;
        if cell.is_null() {
            return Ok(Self::Null);
        }
        Ok(match cell.data_type() {
            T::Boolean => Self::Bool(cell.get()?),
            T::UInt64 => Self::from(cell.get::<u64>()?),
            whole if whole.is_integer() => Self::from(cell.get::<i64>()?),
            T::Float16 | T::Float32 | T::Float64 => float(cell)?,
            decimal if decimal.is_decimal() => Self::String(text::decimal(cell)?),
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::from(cell.get::<&str>()?),
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
                Self::String(BASE64_STANDARD.encode(cell.get::<&[u8]>()?))
            }
            T::Timestamp(_, Some(_)) => {
                Self::String(cell.get::<DateTime<Utc>>()?.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            T::Struct(_) => object(cell)?,
            T::Map(_, _) => entries(cell)?,
            list if list.is_list() => Self::Array(cell.get()?),
            _ => Self::String(displayed(cell)?),
        })
    }
}

fn float(cell: Cell<'_>) -> Result<Json> {
    let wide: f64 = cell.get()?;
    Ok(match cell.data_type() {
        _ if wide.is_nan() => Json::from("NaN"),
        _ if wide.is_infinite() => Json::from(if wide > 0.0 { "Infinity" } else { "-Infinity" }),
        // With as many digits as its own type has.
        DataType::Float32 => Json::from(cell.array().as_primitive::<Float32Type>().value(cell.row())),
        DataType::Float16 => {
            Json::from(cell.array().as_primitive::<Float16Type>().value(cell.row()).to_f32())
        }
        _ => Number::from_f64(wide).map_or(Json::Null, Json::Number),
    })
}

fn object(cell: Cell<'_>) -> Result<Json> {
    let parent = cell.array().as_struct_opt().ok_or_else(|| cell.mismatch::<Json>())?;
    let fields = parent.fields().iter().zip(parent.columns());
    let fields = fields.map(|(field, column)| {
        let value = Cell::new(cell.name(), column.as_ref(), cell.row()).get()?;
        Ok((field.name().clone(), value))
    });
    fields.collect::<Result<Map<_, _>>>().map(Json::Object)
}

/// A list of `[key, value]`.
fn entries(cell: Cell<'_>) -> Result<Json> {
    let map = cell.array().as_map_opt().ok_or_else(|| cell.mismatch::<Json>())?;
    let entries = map.value(cell.row());
    let entry = |at: usize| {
        let sides = entries.columns().iter().map(|side| Cell::new(cell.name(), side.as_ref(), at).get());
        sides.collect::<Result<Vec<Json>>>().map(Json::Array)
    };
    (0..entries.len()).map(entry).collect::<Result<_>>().map(Json::Array)
}

fn displayed(cell: Cell<'_>) -> Result<String> {
    let options = FormatOptions::new();
    let unwritable = |_| cell.failed("has a value here that cannot be written");
    let formatter = ArrayFormatter::try_new(cell.array(), &options).map_err(unwritable)?;
    formatter.value(cell.row()).try_to_string().map_err(unwritable)
}

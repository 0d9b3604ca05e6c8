//! One JSON value as one of a column's type, exactly or not at all.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::{DataType, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::moment::{date, time};
use super::super::number::Number;
use super::value::Json;
use crate::error::{Error, Result};

/// How values are spelled that JSON has no form of its own for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Not at all: a text is a text.
    Plain,
    /// As results have them: decimals, dates, times and bytes are texts, and so are the floats that are no numbers.
    Results,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
enum Scalar<'a> {
    Boolean(bool),
    Whole(i64),
    Single(f32),
    Double(f64),
    Decimal(i128),
    Days(i32),
    Micros(i64),
    Bytes(Vec<u8>),
    Text(&'a str),
}

/// Whether a column of this type holds `value`.
pub(super) fn is_held(value: &Json, data_type: &DataType, spelling: Spelling) -> bool {
    *value == Json::Null || scalar(value, data_type, spelling).is_some()
}

fn scalar<'a>(value: &'a Json, data_type: &DataType, spelling: Spelling) -> Option<Scalar<'a>> {
    match value {
        Json::Boolean(value) => (*data_type == DataType::Boolean).then_some(Scalar::Boolean(*value)),
        Json::Number(digits) => number(Number::parse(digits)?, data_type),
        Json::Text(text) if *data_type == DataType::Utf8 => Some(Scalar::Text(text)),
        Json::Text(text) if spelling == Spelling::Results => spelled(text, data_type),
        _ => None,
    }
}

fn number(number: Number<'_>, data_type: &DataType) -> Option<Scalar<'static>> {
    let whole = |least: i64, most: i64| {
        number.to_i64().filter(|value| (least..=most).contains(value)).map(Scalar::Whole)
    };
    match data_type {
        DataType::Int8 => whole(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => whole(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => whole(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => whole(i64::MIN, i64::MAX),
        DataType::Float32 => number.to_f32().map(Scalar::Single),
        DataType::Float64 => number.to_f64().map(Scalar::Double),
        DataType::Decimal128(precision, scale) => number.to_decimal(*precision, *scale).map(Scalar::Decimal),
        _ => None,
    }
}

fn spelled<'a>(text: &str, data_type: &DataType) -> Option<Scalar<'a>> {
    match data_type {
        DataType::Decimal128(..) => number(Number::parse(text)?, data_type),
        DataType::Float32 => unusual(text).map(|value| Scalar::Single(value as f32)),
        DataType::Float64 => unusual(text).map(Scalar::Double),
        DataType::Date32 => date(text).map(Scalar::Days),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let (micros, has_zone) = time(text)?;
            (has_zone == zone.is_some()).then_some(Scalar::Micros(micros))
        }
        DataType::Binary => STANDARD.decode(text).ok().map(Scalar::Bytes),
        _ => None,
    }
}

fn unusual(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The values as an array; NULL where none is given. Each was looked at before.
pub(super) fn array(values: &[Option<&Json>], data_type: &DataType, spelling: Spelling) -> Result<ArrayRef> {
    let scalars = values.iter().map(|value| scalar((*value)?, data_type, spelling));
    /// One kind of scalar as the values of one kind of array.
    macro_rules! collected {
        ($array:ty, $pattern:pat => $value:expr) => {
            scalars.map(|scalar| if let Some($pattern) = scalar { $value } else { None }).collect::<$array>()
        };
    }
    Ok(match data_type {
        DataType::Boolean => Arc::new(collected!(BooleanArray, Scalar::Boolean(value) => Some(value))),
        DataType::Int8 => Arc::new(collected!(Int8Array, Scalar::Whole(value) => i8::try_from(value).ok())),
        DataType::Int16 => {
            Arc::new(collected!(Int16Array, Scalar::Whole(value) => i16::try_from(value).ok()))
        }
        DataType::Int32 => {
            Arc::new(collected!(Int32Array, Scalar::Whole(value) => i32::try_from(value).ok()))
        }
        DataType::Int64 => Arc::new(collected!(Int64Array, Scalar::Whole(value) => Some(value))),
        DataType::Float32 => Arc::new(collected!(Float32Array, Scalar::Single(value) => Some(value))),
        DataType::Float64 => Arc::new(collected!(Float64Array, Scalar::Double(value) => Some(value))),
        DataType::Decimal128(precision, scale) => {
            let array = collected!(Decimal128Array, Scalar::Decimal(value) => Some(value));
            Arc::new(array.with_precision_and_scale(*precision, *scale).map_err(Error::internal)?)
        }
        DataType::Date32 => Arc::new(collected!(Date32Array, Scalar::Days(value) => Some(value))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let array = collected!(TimestampMicrosecondArray, Scalar::Micros(value) => Some(value));
            Arc::new(array.with_timezone_opt(zone.clone()))
        }
        DataType::Binary => {
            let values = scalars.collect::<Vec<_>>();
            let bytes = values.iter().map(|value| match value {
                Some(Scalar::Bytes(bytes)) => Some(bytes.as_slice()),
                _ => None,
            });
            Arc::new(bytes.collect::<BinaryArray>())
        }
        DataType::Utf8 => Arc::new(collected!(StringArray, Scalar::Text(text) => Some(text))),
        other => new_null_array(other, values.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_exactly_or_not_at_all() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (text, data_type, expected) in [
            ("127", DataType::Int8, true),
            ("128", DataType::Int8, false),
            ("-32769", DataType::Int16, false),
            ("2147483648", DataType::Int32, false),
            ("1.0", DataType::Int32, false),
            ("0.1", DataType::Float32, true),
            ("0.123456789", DataType::Float32, false),
            ("16777217", DataType::Float32, false),
            ("\"NaN\"", DataType::Float32, true),
            ("\"1.5\"", DataType::Float64, false),
            ("\"12.50\"", DataType::Decimal128(4, 2), true),
            ("\"12.505\"", DataType::Decimal128(4, 2), false),
            ("123.45", DataType::Decimal128(4, 2), false),
            ("\"2024-02-29\"", DataType::Date32, true),
            ("\"2023-02-29\"", DataType::Date32, false),
            ("\"2024-02-29T12:00:00Z\"", utc.clone(), true),
            ("\"2024-02-29T12:00:00\"", utc, false),
            ("\"2024-02-29T12:00:00Z\"", local.clone(), false),
            ("\"2024-02-29T12:00:00.1234567\"", local, false),
            ("\"AP8=\"", DataType::Binary, true),
            ("\"AP8\"", DataType::Binary, false),
            ("1", DataType::Utf8, false),
            ("\"true\"", DataType::Boolean, false),
        ] {
            let value = Json::parse(text.as_bytes()).unwrap();
            assert_eq!(is_held(&value, &data_type, Spelling::Results), expected, "{text} {data_type}");
            assert!(!text.starts_with('"') || !is_held(&value, &data_type, Spelling::Plain), "{text}");
        }
    }
}

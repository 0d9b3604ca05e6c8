//! Values of parameters.

use arrow::array::Array;
use arrow::datatypes::DataType;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::Value as Json;

use crate::cell::Cell;
use crate::decimal::Decimal;
use crate::error::{Error, Result};
use crate::sql_type::sql_type;

/// A value for `?` or `$1` in a statement, made of what Rust has: truth values, numbers, texts, dates and times of
/// [`chrono`], [`Decimal`]s, and `Option`s of these for NULL.
///
/// Dates, times, decimals and numbers above [`i64::MAX`] go over the wire as texts; the gateway reads them as the type that
/// the place in the statement has. Where a place has no type, as in `SELECT $1`, say it: `SELECT CAST($1 AS DATE)`. Bytes go
/// as text too: `decode($1, 'base64')`.
///
/// ```
/// use lakegate_client::Value;
///
/// assert_eq!(Value::from(7), Value::Int(7));
/// assert_eq!(Value::from("EU"), Value::Text("EU".to_owned()));
/// assert_eq!(Value::from(None::<i64>), Value::Null);
/// assert_eq!(Value::from("1.50".parse::<lakegate_client::Decimal>()?), Value::Text("1.50".to_owned()));
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number; must be finite.
    Float(f64),
    /// A text.
    Text(String),
}

impl Value {
    /// The value of `array` at `row`: for parameters that come as Arrow's arrays. Bytes, lists and structs cannot be sent.
    ///
    /// ```
    /// use arrow::array::Int32Array;
    /// use lakegate_client::Value;
    ///
    /// let ids = Int32Array::from(vec![Some(7), None]);
    /// assert_eq!(Value::of_array(&ids, 0)?, Value::Int(7));
    /// assert_eq!(Value::of_array(&ids, 1)?, Value::Null);
    /// assert!(Value::of_array(&ids, 2).is_err());
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn of_array(array: &dyn Array, row: usize) -> Result<Self> {
        if row >= array.len() {
            return Err(Error::Options(format!("there is no row `{row}` of parameters")));
        }
        let cell = Cell::new("parameter", array, row);
        let unsent =
            || Error::Options(format!("a `{}` cannot be sent as a parameter", sql_type(array.data_type())));
        if cell.is_null() {
            return Ok(Self::Null);
        }
        match cell.data_type() {
            DataType::Boolean => cell.get().map(Self::Bool),
            DataType::UInt64 => cell.get::<u64>().map(Self::from),
            whole if whole.is_integer() => cell.get().map(Self::Int),
            float if float.is_floating() => cell.get().map(Self::Float),
            nested if nested.is_nested() => Err(unsent()),
            _ => cell.get().map(Self::Text).map_err(|_| unsent()),
        }
    }

    /// JSON has no infinities, and a parameter must not silently become NULL.
    pub(crate) fn to_json(&self) -> Result<Json> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Text(value) => Json::from(value.as_str()),
            Self::Float(value) => Json::Number(
                serde_json::Number::from_f64(*value)
                    .ok_or_else(|| Error::Options(format!("`{value}` cannot be sent as a parameter")))?,
            ),
        })
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool, i64 => Int, i32 => Int, i16 => Int, i8 => Int, u32 => Int, u16 => Int, u8 => Int, f64 => Float,
    f32 => Float, &str => Text, String => Text,
}

/// What JSON has no form for, as the text that SQL reads.
macro_rules! from_as_text {
    ($($type:ty: $value:ident => $text:expr),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::Text($text)
            }
        })*
    };
}

from_as_text! {
    Decimal: value => value.to_string(),
    NaiveDate: value => value.to_string(),
    NaiveTime: value => value.to_string(),
    NaiveDateTime: value => value.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
    DateTime<Utc>: value => value.to_rfc3339_opts(SecondsFormat::AutoSi, true),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::Text(value.to_string()), Self::Int)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_json_of_the_same_meaning() {
        for (value, json) in [
            (Value::from(true), "true"),
            (Value::from(i64::MIN), "-9223372036854775808"),
            (Value::from(0.5), "0.5"),
            (Value::from("a\"b"), r#""a\"b""#),
            (Value::Null, "null"),
            (Value::from(u64::MAX), "\"18446744073709551615\""),
            (Value::from(7_u64), "7"),
            (Value::from(Decimal::new(-5, 2)), "\"-0.05\""),
            (Value::from(NaiveDate::from_ymd_opt(2024, 1, 2)), "\"2024-01-02\""),
            (Value::from(NaiveTime::from_hms_micro_opt(1, 2, 3, 4)), "\"01:02:03.000004\""),
            (Value::from(DateTime::from_timestamp(1, 5_000_000)), "\"1970-01-01T00:00:01.005Z\""),
            (
                Value::from(DateTime::from_timestamp(1, 0).map(|moment| moment.naive_utc())),
                "\"1970-01-01T00:00:01\"",
            ),
        ] {
            assert_eq!(value.to_json().unwrap().to_string(), json);
        }
    }

    #[test]
    fn parameters_of_arrays_are_those_of_rust() {
        use arrow::array::{BinaryArray, Date32Array, StringViewArray, TimestampSecondArray, UInt64Array};
        let of = |array: &dyn Array| Value::of_array(array, 0);
        assert_eq!(of(&UInt64Array::from(vec![u64::MAX])).unwrap(), Value::from(u64::MAX));
        assert_eq!(of(&StringViewArray::from(vec!["a"])).unwrap(), Value::from("a"));
        assert_eq!(of(&Date32Array::from(vec![19_724])).unwrap(), Value::from("2024-01-02"));
        let moment = TimestampSecondArray::from(vec![0]).with_timezone("Europe/Berlin");
        assert_eq!(of(&moment).unwrap(), Value::from("1970-01-01T00:00:00Z"));
        let error = of(&BinaryArray::from(vec![&b"a"[..]])).unwrap_err();
        assert_eq!(error.to_string(), "a `varbinary` cannot be sent as a parameter");
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(Value::Float(f64::NAN).to_json().is_err());
        assert!(Value::Float(f64::INFINITY).to_json().is_err());
    }
}

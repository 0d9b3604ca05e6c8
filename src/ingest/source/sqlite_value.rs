//! One column of a SQLite table on its way into Arrow: each value must be of the column's type, or it is told.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_schema::{DataType, Field};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike};
use sqlx::sqlite::SqliteValueRef;
use sqlx::{Decode, Sqlite, TypeInfo, Value, ValueRef};

use super::Unfit;
use crate::error::{Error, ErrorKind, Result};

/// A column that is being filled.
pub(super) struct Column {
    name: String,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal { builder: Decimal128Builder, precision: u8, scale: i8 },
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Moment(TimestampMicrosecondBuilder),
}

/// A value as SQLite holds it.
enum Held {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Column {
    pub(super) fn new(field: &Field) -> Self {
        let values = match field.data_type() {
            DataType::Boolean => Values::Boolean(BooleanBuilder::new()),
            DataType::Float64 => Values::Float(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Values::Decimal {
                builder: Decimal128Builder::new().with_data_type(field.data_type().clone()),
                precision: *precision,
                scale: *scale,
            },
            DataType::Utf8 => Values::Text(StringBuilder::new()),
            DataType::Binary => Values::Bytes(BinaryBuilder::new()),
            DataType::Date32 => Values::Date(Date32Builder::new()),
            DataType::Timestamp(..) => Values::Moment(TimestampMicrosecondBuilder::new()),
            _ => Values::Integer(Int64Builder::new()),
        };
        Self { name: field.name().clone(), values }
    }

    /// Adds a value and gives about how many bytes it takes.
    pub(super) fn push(&mut self, value: SqliteValueRef<'_>, unfit: &mut Unfit<'_>) -> Result<usize> {
        let held = held(value)?;
        let bytes = match &held {
            Held::Text(text) => text.len(),
            Held::Blob(blob) => blob.len(),
            _ => 8,
        };
        let Self { name, values } = self;
        match (values, held) {
            (values, Held::Null) => values.push_null(),
            (Values::Boolean(builder), Held::Integer(value @ (0 | 1))) => builder.append_value(value == 1),
            (Values::Integer(builder), Held::Integer(value)) => builder.append_value(value),
            (Values::Float(builder), Held::Real(value)) => builder.append_value(value),
            (Values::Float(builder), Held::Integer(value)) if is_exact(value) => {
                builder.append_value(value as f64)
            }
            (Values::Text(builder), Held::Text(value)) => builder.append_value(value),
            (Values::Bytes(builder), Held::Blob(value)) => builder.append_value(value),
            (Values::Decimal { builder, precision, scale }, held) => match number_text(&held) {
                Some(text) => match exact_decimal(&text, *precision, *scale) {
                    Some(value) => builder.append_value(value),
                    None => {
                        let why = format!("it does not fit decimal({precision},{scale})");
                        unfit.meet(name, &text, &why)?;
                        builder.append_null();
                    }
                },
                None => return Err(wrong_class(name, "a number", &held)),
            },
            // The NUMERIC affinity of a decimal without precision keeps numbers as numbers.
            (Values::Text(builder), held @ (Held::Integer(_) | Held::Real(_))) => match number_text(&held) {
                Some(text) => builder.append_value(text),
                None => return Err(wrong_class(name, "text", &held)),
            },
            (Values::Date(builder), Held::Text(text)) => match parse_date(&text) {
                Some(days) => builder.append_value(days),
                None => {
                    unfit.meet(name, &text, "it is not a date like 2024-01-31")?;
                    builder.append_null();
                }
            },
            (Values::Moment(builder), Held::Text(text)) => match parse_moment(&text) {
                Some(micros) => builder.append_value(micros),
                None => {
                    unfit.meet(name, &text, "it is not a time like 2024-01-31 12:34:56.789")?;
                    builder.append_null();
                }
            },
            (values, held) => return Err(wrong_class(name, values.wanted(), &held)),
        }
        Ok(bytes)
    }

    /// The values until now; the column is empty again.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Integer(builder) => Arc::new(builder.finish()),
            Values::Float(builder) => Arc::new(builder.finish()),
            Values::Decimal { builder, .. } => Arc::new(builder.finish()),
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Bytes(builder) => Arc::new(builder.finish()),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Moment(builder) => Arc::new(builder.finish()),
        })
    }
}

impl Values {
    fn push_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Moment(builder) => builder.append_null(),
        }
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "0 or 1",
            Self::Integer(_) => "an integer",
            Self::Float(_) | Self::Decimal { .. } => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "a blob",
            Self::Date(_) => "a date as text",
            Self::Moment(_) => "a time as text",
        }
    }
}

fn held(value: SqliteValueRef<'_>) -> Result<Held> {
    if value.is_null() {
        return Ok(Held::Null);
    }
    let class = value.type_info().name().to_owned();
    // The value's own class decides, whatever the column was declared as.
    let value = ValueRef::to_owned(&value);
    let value = value.as_ref();
    let decoded = match class.as_str() {
        "INTEGER" | "INT4" | "INT8" | "BOOLEAN" => <i64 as Decode<Sqlite>>::decode(value).map(Held::Integer),
        "REAL" => <f64 as Decode<Sqlite>>::decode(value).map(Held::Real),
        "BLOB" => <Vec<u8> as Decode<Sqlite>>::decode(value).map(Held::Blob),
        _ => <String as Decode<Sqlite>>::decode(value).map(Held::Text),
    };
    decoded.map_err(|fault| Error::new(ErrorKind::QueryFailed, format!("a value cannot be read: {fault}")))
}

fn wrong_class(column: &str, wanted: &str, held: &Held) -> Error {
    let found = match held {
        Held::Null => "NULL".to_owned(),
        Held::Integer(value) => format!("the integer `{value}`"),
        Held::Real(value) => format!("the number `{value}`"),
        Held::Text(value) => format!("the text `{}`", value.chars().take(40).collect::<String>()),
        Held::Blob(value) => format!("a blob of {} bytes", value.len()),
    };
    Error::new(
        ErrorKind::QueryFailed,
        format!(
            "column `{column}` should hold {wanted} and holds {found}; correct it, or bring in a view that casts it"
        ),
    )
}

/// Every integer up to 2^53 is a float without loss.
fn is_exact(value: i64) -> bool {
    value.unsigned_abs() <= 1 << 53
}

/// A number as the shortest text that means it.
fn number_text(held: &Held) -> Option<String> {
    match held {
        Held::Integer(value) => Some(value.to_string()),
        Held::Real(value) if value.is_finite() => Some(format!("{value}")),
        Held::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// `text` as an integer of 10^-scale, when that loses nothing.
fn exact_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::try_from(scale).ok()?;
    let all_digits = !whole.is_empty() && whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit());
    if !all_digits || fraction.len() > scale {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
    let fits = unscaled < 10_i128.checked_pow(u32::from(precision))?;
    fits.then_some(if negative { -unscaled } else { unscaled })
}

fn parse_date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(DateTime::UNIX_EPOCH.date_naive()).num_days()).ok()
}

/// A time without a zone: with `T` or a space, with or without seconds and their fraction, or a date alone.
fn parse_moment(text: &str) -> Option<i64> {
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let moment = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let moment = moment.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    // A second 60 is read as a fraction of 59, and would come out as the next minute.
    if moment.nanosecond() >= 1_000_000_000 {
        return None;
    }
    let fraction = text.rsplit_once('.').map_or("", |(_, fraction)| fraction);
    (fraction.trim_end_matches('0').len() <= 6).then(|| moment.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_or_nothing() {
        for (text, expected) in [
            ("12.3", Some(1230)),
            ("-0.05", Some(-5)),
            ("7", Some(700)),
            ("1.230", Some(123)),
            ("1.234", None),
            ("1e3", None),
            ("999999.99", Some(99_999_999)),
            ("1000000", None),
            ("", None),
            (".5", None),
        ] {
            assert_eq!(exact_decimal(text, 8, 2), expected, "{text}");
        }
    }

    #[test]
    fn a_time_keeps_its_microseconds_or_is_refused() {
        assert_eq!(parse_moment("1970-01-01 00:00:01.000001"), Some(1_000_001));
        assert_eq!(parse_moment("1970-01-02"), Some(86_400_000_000));
        assert_eq!(parse_moment("1970-01-01T00:00:00.1234567"), None);
        assert_eq!(parse_moment("yesterday"), None);
        assert_eq!(parse_date("0000-00-00"), None);
    }
}

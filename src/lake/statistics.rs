//! What a Delta log says about the values of a file: read from JSON, kept as bounds.
//!
//! Two uses with different needs. To leave a file out, a bound may be wider than the values, never narrower. To answer
//! from it (`min(x)`), it must be a value of the file. Writers shorten texts, cut timestamps to milliseconds and leave
//! out NaN, so only some types serve the second use; what serves neither is not read at all.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::scalar::ScalarValue;
use serde_json::Value;

/// The digits that a JSON number keeps whoever wrote it: more may have passed through a float.
const EXACT_DIGITS: u8 = 15;

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FileBounds {
    pub rows: Option<usize>,
    /// One for each column, in the order of the table.
    pub columns: Vec<ColumnBounds>,
}

/// What is known of one column of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ColumnBounds {
    pub min: Option<ScalarValue>,
    pub max: Option<ScalarValue>,
    pub nulls: Option<usize>,
    /// Whether `min` and `max` are values of the file, and not only bounds.
    pub exact: bool,
}

impl FileBounds {
    /// Reads the `stats` of an add action; what is missing or strange is not known.
    pub fn parse(stats: Option<&str>, columns: &[FieldRef]) -> Self {
        let json: Value = stats.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let rows = json.get("numRecords").and_then(Value::as_u64).and_then(|rows| rows.try_into().ok());
        Self { rows, columns: columns.iter().map(|field| ColumnBounds::parse(&json, field)).collect() }
    }

    /// As bounds of the values: for leaving files out.
    pub fn bounds(&self, size: u64) -> Statistics {
        self.statistics(size, |_| true)
    }

    /// As facts: for answers and estimates. A bound that is no value of the file counts as an estimate.
    pub fn facts(&self, size: u64) -> Statistics {
        self.statistics(size, |column| column.exact)
    }

    fn statistics(&self, size: u64, exact: impl Fn(&ColumnBounds) -> bool) -> Statistics {
        let column = |bounds: &ColumnBounds| {
            let known = |value: &Option<ScalarValue>| match value {
                Some(value) if exact(bounds) => Precision::Exact(value.clone()),
                Some(value) => Precision::Inexact(value.clone()),
                None => Precision::Absent,
            };
            let mut column = ColumnStatistics::new_unknown();
            column.min_value = known(&bounds.min);
            column.max_value = known(&bounds.max);
            column.null_count = bounds.nulls.map_or(Precision::Absent, Precision::Exact);
            column
        };
        Statistics {
            num_rows: self.rows.map_or(Precision::Absent, Precision::Exact),
            total_byte_size: usize::try_from(size).map_or(Precision::Absent, Precision::Inexact),
            column_statistics: self.columns.iter().map(column).collect(),
        }
    }
}

impl ColumnBounds {
    /// Of a partition column: one value in all rows.
    pub fn constant(value: &ScalarValue, rows: Option<usize>) -> Self {
        if value.is_null() {
            return Self { nulls: rows, ..Self::default() };
        }
        Self { min: Some(value.clone()), max: Some(value.clone()), nulls: Some(0), exact: true }
    }

    fn parse(json: &Value, field: &FieldRef) -> Self {
        let of = |what: &str| json.get(what).and_then(|columns| columns.get(field.name()));
        let nulls = of("nullCount").and_then(Value::as_u64).and_then(|nulls| nulls.try_into().ok());
        let min = of("minValues").and_then(|value| scalar(value, field.data_type(), Bound::Lower));
        let max = of("maxValues").and_then(|value| scalar(value, field.data_type(), Bound::Upper));
        Self { min, max, nulls, exact: is_exact(field.data_type()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Lower,
    Upper,
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Date32 | DataType::Boolean)
}

fn scalar(value: &Value, data_type: &DataType, bound: Bound) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(value.as_str()?.to_owned()))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some(value.as_str()?.to_owned()))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(value.as_str()?.to_owned()))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(value.as_bool()?))),
        DataType::Date32 => {
            let date: NaiveDate = value.as_str()?.parse().ok()?;
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            Some(ScalarValue::Date32(Some(days.try_into().ok()?)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = timestamp(value.as_str()?)?;
            // Some writers cut to milliseconds, which would put the last of them above its bound.
            let micros = if bound == Bound::Upper && micros % 1000 == 0 { micros + 999 } else { micros };
            Some(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()))
        }
        DataType::Decimal128(precision, _) if *precision <= EXACT_DIGITS => {
            ScalarValue::try_from_string(value.as_number()?.to_string(), data_type).ok()
        }
        whole if whole.is_integer() => {
            ScalarValue::try_from_string(value.as_number()?.to_string(), data_type).ok()
        }
        // Floats: a NaN is above all bounds that are written, and comparisons see it there.
        DataType::Float32 | DataType::Float64 if bound == Bound::Lower => float(value, data_type),
        _ => None,
    }
}

fn float(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    let number = value.as_f64().filter(|number| number.is_finite())?;
    // Zero may stand for both zeros, and the negative one is the lower.
    let number = if number == 0.0 { -0.0 } else { number };
    match data_type {
        DataType::Float32 => {
            // Rounding to the nearest may go up; one step down never does.
            #[expect(clippy::cast_possible_truncation, reason = "a wider bound is all that is wanted")]
            let narrow = number as f32;
            Some(ScalarValue::Float32(Some(if f64::from(narrow) > number {
                narrow.next_down()
            } else {
                narrow
            })))
        }
        _ => Some(ScalarValue::Float64(Some(number))),
    }
}

fn timestamp(text: &str) -> Option<i64> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.timestamp_micros());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some(local.and_utc().timestamp_micros())
}

/// Reads `text` as the statistics of a file with a column of each kind that has bounds.
pub(crate) fn read_statistics(text: &str) -> Statistics {
    let types = [
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Date32,
        DataType::Decimal128(38, 10),
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Boolean,
    ];
    let field = |(at, data_type): (usize, DataType)| Arc::new(Field::new(format!("c{at}"), data_type, true));
    let columns: Vec<FieldRef> = types.into_iter().enumerate().map(field).collect();
    FileBounds::parse(Some(text), &columns).facts(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data_type: DataType, min: &str, max: &str) -> ColumnBounds {
        let text = format!(
            r#"{{"numRecords":3,"minValues":{{"x":{min}}},"maxValues":{{"x":{max}}},"nullCount":{{"x":1}}}}"#
        );
        let file = FileBounds::parse(Some(&text), &[Arc::new(Field::new("x", data_type, true))]);
        assert_eq!(file.rows, Some(3));
        file.columns[0].clone()
    }

    #[test]
    fn whole_numbers_and_dates_are_facts() {
        let bounds = of(DataType::Int64, "-9007199254740993", "9223372036854775807");
        assert_eq!(bounds.min, Some(ScalarValue::Int64(Some(-9_007_199_254_740_993))));
        assert_eq!(bounds.max, Some(ScalarValue::Int64(Some(i64::MAX))));
        assert!(bounds.exact && bounds.nulls == Some(1));
        let bounds = of(DataType::Date32, r#""1969-12-31""#, r#""2024-02-29""#);
        assert_eq!(bounds.min, Some(ScalarValue::Date32(Some(-1))));
        assert_eq!(bounds.max, Some(ScalarValue::Date32(Some(19_782))));
    }

    #[test]
    fn shortened_values_are_bounds_only() {
        let bounds = of(DataType::Utf8View, r#""a""#, r#""b""#);
        assert!(!bounds.exact && bounds.min.is_some());
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let bounds = of(zone, r#""1970-01-01T00:00:00.001Z""#, r#""1970-01-01T00:00:01.000Z""#);
        assert_eq!(bounds.min, Some(ScalarValue::TimestampMicrosecond(Some(1000), Some("UTC".into()))));
        assert_eq!(bounds.max, Some(ScalarValue::TimestampMicrosecond(Some(1_000_999), Some("UTC".into()))));
    }

    #[test]
    fn what_may_have_lost_digits_is_not_believed() {
        assert_eq!(of(DataType::Decimal128(38, 2), "1.25", "9.99").min, None);
        let bounds = of(DataType::Decimal128(12, 2), "1.25", "10");
        assert_eq!(bounds.min, Some(ScalarValue::Decimal128(Some(125), 12, 2)));
        assert_eq!(bounds.max, Some(ScalarValue::Decimal128(Some(1000), 12, 2)));
        let bounds = of(DataType::Float64, "0.0", "7.5");
        assert!(matches!(bounds.min, Some(ScalarValue::Float64(Some(zero))) if zero.is_sign_negative()));
        assert_eq!(bounds.max, None);
        assert_eq!(of(DataType::Int32, r#""7""#, "99999999999").max, None);
    }

    #[test]
    fn no_statistics_are_no_bounds() {
        let columns = [Arc::new(Field::new("x", DataType::Int64, true))];
        for text in [None, Some(""), Some("[]"), Some(r#"{"minValues":3}"#)] {
            assert_eq!(
                FileBounds::parse(text, &columns).columns,
                [ColumnBounds { exact: true, ..Default::default() }]
            );
        }
    }
}

//! What the Delta log says of a file that was written: rows, and for each column its least and greatest value.
//!
//! Readers leave files out by it, so a bound may be wider than the values, never narrower. What cannot be said
//! safely (binary, nested, NaN, endless years) is not said.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{Float32Type, Float64Type};
use arrow_schema::{DataType, SchemaRef};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use datafusion::scalar::ScalarValue;
use deltalake_core::kernel::Add;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Number, Value, json};

use crate::error::{Error, Result};

/// How many columns have statistics: as many as Delta's own writers give them.
const DESCRIBED_COLUMNS: usize = 32;

/// How many letters of a text are kept in a bound.
const BOUND_LETTERS: usize = 32;

/// The least and greatest of the floats that went into a file. Parquet's own statistics leave NaN out, but
/// comparisons do not, so those are not written and these are.
#[derive(Debug, Default)]
pub(super) struct Floats(Vec<Option<FloatRange>>);

#[derive(Debug, Default, Clone, Copy)]
struct FloatRange {
    range: Option<(f64, f64)>,
    has_nan: bool,
    nulls: u64,
}

/// Whether the column is one whose statistics are ours to keep.
pub(super) fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

impl Floats {
    /// Nothing seen yet of the columns of `schema`.
    pub fn new(schema: &SchemaRef) -> Self {
        let column = |data_type| is_float(data_type).then(FloatRange::default);
        Self(schema.fields().iter().map(|field| column(field.data_type())).collect())
    }

    /// Takes the floats of `batch` into account.
    pub fn see(&mut self, batch: &RecordBatch) {
        for (column, range) in batch.columns().iter().zip(&mut self.0) {
            if let Some(range) = range {
                range.see(column);
            }
        }
    }
}

impl FloatRange {
    fn see(&mut self, column: &ArrayRef) {
        self.nulls = self.nulls.saturating_add(column.null_count() as u64);
        // Both orders are total: a NaN is either the least or the greatest.
        let ends = match column.data_type() {
            DataType::Float32 => {
                let column = column.as_primitive::<Float32Type>();
                min(column).zip(max(column)).map(|(low, high)| (f64::from(low), f64::from(high)))
            }
            _ => {
                let column = column.as_primitive::<Float64Type>();
                min(column).zip(max(column))
            }
        };
        let Some((low, high)) = ends else { return };
        self.has_nan |= low.is_nan() || high.is_nan();
        self.range = match self.range {
            None => Some((low, high)),
            Some((least, greatest)) => Some((least.min(low), greatest.max(high))),
        };
    }

    fn bounds(&self) -> Option<(Value, Value)> {
        let (low, high) = self.range.filter(|_| !self.has_nan)?;
        let number = |value: f64| Number::from_f64(value).map(Value::Number);
        number(low).zip(number(high))
    }
}

/// The `stats` of the add action for a file with this footer; with those of the columns `also`, wherever they stand.
pub(super) fn statistics(
    schema: &SchemaRef,
    footer: &ParquetMetaData,
    floats: &Floats,
    also: &[String],
) -> Result<String> {
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (index, field) in schema.fields().iter().enumerate() {
        let is_described = index < DESCRIBED_COLUMNS || also.contains(field.name());
        if !is_described || field.data_type().is_nested() {
            continue;
        }
        let (bounds, count) = match floats.0.get(index) {
            Some(Some(range)) => (range.bounds(), Some(range.nulls)),
            _ => column(schema, field.name(), footer)?,
        };
        if let Some((low, high)) = bounds {
            least.insert(field.name().clone(), low);
            greatest.insert(field.name().clone(), high);
        }
        if let Some(count) = count {
            nulls.insert(field.name().clone(), count.into());
        }
    }
    let rows = footer.file_metadata().num_rows();
    let all = json!({ "numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls });
    serde_json::to_string(&all).map_err(Error::internal)
}

type Described = (Option<(Value, Value)>, Option<u64>);

fn column(schema: &SchemaRef, name: &str, footer: &ParquetMetaData) -> Result<Described> {
    let groups = footer.row_groups();
    let parquet = footer.file_metadata().schema_descr();
    let converter = StatisticsConverter::try_new(name, schema, parquet).map_err(Error::internal)?;
    let counts = converter.row_group_null_counts(groups.iter()).map_err(Error::internal)?;
    let nulls = (counts.null_count() == 0).then(|| counts.iter().flatten().sum());
    let full = |index: usize| {
        let group = groups.get(index).map_or(0, |group| group.num_rows());
        counts.iter().nth(index).flatten().is_some_and(|nulls| i64::try_from(nulls) == Ok(group))
    };
    let lows = converter.row_group_mins(groups.iter()).map_err(Error::internal)?;
    let highs = converter.row_group_maxes(groups.iter()).map_err(Error::internal)?;
    let low = end(&lows, &full, |a, b| a < b)?.and_then(|value| lower(&value));
    let high = end(&highs, &full, |a, b| a > b)?.and_then(|value| upper(&value));
    Ok((low.zip(high), nulls))
}

/// The value that beats all others; none if a row group that is not all NULL does not tell its own.
fn end(
    values: &ArrayRef,
    all_null: &impl Fn(usize) -> bool,
    beats: impl Fn(&ScalarValue, &ScalarValue) -> bool,
) -> Result<Option<ScalarValue>> {
    let mut best: Option<ScalarValue> = None;
    for index in 0..values.len() {
        if values.is_null(index) {
            if all_null(index) {
                continue;
            }
            return Ok(None);
        }
        let value = ScalarValue::try_from_array(values, index).map_err(Error::internal)?;
        if best.as_ref().is_none_or(|best| beats(&value, best)) {
            best = Some(value);
        }
    }
    Ok(best)
}

fn lower(value: &ScalarValue) -> Option<Value> {
    match text(value) {
        Some(text) => Some(Value::String(text.chars().take(BOUND_LETTERS).collect())),
        None => plain(value),
    }
}

fn upper(value: &ScalarValue) -> Option<Value> {
    match text(value) {
        Some(text) if text.chars().count() <= BOUND_LETTERS => Some(Value::String(text.to_owned())),
        Some(text) => raised(text.chars().take(BOUND_LETTERS).collect()).map(Value::String),
        None => plain(value),
    }
}

/// The text after all texts that start with `letters`: its last letter that has a next one, raised.
fn raised(mut letters: Vec<char>) -> Option<String> {
    while let Some(letter) = letters.pop() {
        let next = match letter {
            '\u{D7FF}' => Some('\u{E000}'),
            letter => char::from_u32(u32::from(letter) + 1),
        };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

fn plain(value: &ScalarValue) -> Option<Value> {
    match value {
        ScalarValue::Int8(Some(_))
        | ScalarValue::Int16(Some(_))
        | ScalarValue::Int32(Some(_))
        | ScalarValue::Int64(Some(_))
        | ScalarValue::Decimal128(Some(_), _, _) => {
            serde_json::from_str::<Number>(&decimal(value)?).ok().map(Value::Number)
        }
        ScalarValue::Date32(Some(days)) => {
            let date = NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(*days)))?;
            (1..=9999).contains(&date.year()).then(|| Value::String(date.format("%Y-%m-%d").to_string()))
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            let instant = DateTime::from_timestamp_micros(*micros)?;
            let zone = if zone.is_some() { "Z" } else { "" };
            let text = format!("{}{zone}", instant.format("%Y-%m-%dT%H:%M:%S%.6f"));
            (1..=9999).contains(&instant.year()).then_some(Value::String(text))
        }
        _ => None,
    }
}

/// The digits of a whole or decimal number, as JSON writes them.
fn decimal(value: &ScalarValue) -> Option<String> {
    let ScalarValue::Decimal128(Some(unscaled), _, scale) = value else { return Some(value.to_string()) };
    let places = usize::try_from(*scale).ok()?;
    let sign = if *unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len().checked_sub(places)?)?;
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// How many rows `file` has, by the statistics that were written with it.
pub(super) fn rows(file: &Add) -> Option<u64> {
    told(file)?.get("numRecords")?.as_u64()
}

/// Whether a row of `file` has no value in `column`, by the statistics that were written with it.
pub(super) fn has_null(file: &Add, column: &str) -> bool {
    let nulls = told(file).and_then(|stats| stats.get("nullCount")?.get(column)?.as_u64());
    nulls.is_some_and(|nulls| nulls > 0)
}

fn told(file: &Add) -> Option<Value> {
    serde_json::from_str(file.stats.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn texts_are_shortened_to_true_bounds() {
        let long = ScalarValue::Utf8(Some("z".repeat(40)));
        assert_eq!(lower(&long), Some(Value::String("z".repeat(32))));
        assert_eq!(upper(&long), Some(Value::String(format!("{}{{", "z".repeat(31)))));
        let short = ScalarValue::Utf8(Some("zürich".into()));
        assert_eq!(upper(&short), Some(Value::String("zürich".into())));
        let top = ScalarValue::Utf8(Some("\u{10FFFF}".repeat(40)));
        assert_eq!(upper(&top), None);
        let mixed = ScalarValue::Utf8(Some(format!("a{}", "\u{10FFFF}".repeat(40))));
        assert_eq!(upper(&mixed), Some(Value::String("b".into())));
        assert_eq!(raised(vec!['\u{D7FF}']), Some("\u{E000}".into()));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let of =
            |unscaled, scale| plain(&ScalarValue::Decimal128(Some(unscaled), 38, scale)).unwrap().to_string();
        assert_eq!(of(12_345_678_901_234_567_890_123, 2), "123456789012345678901.23");
        assert_eq!(of(-5, 3), "-0.005");
        assert_eq!(of(7, 0), "7");
        assert_eq!(plain(&ScalarValue::Int64(Some(i64::MIN))).unwrap().to_string(), i64::MIN.to_string());
    }

    #[test]
    fn years_that_readers_cannot_parse_are_left_out() {
        assert_eq!(plain(&ScalarValue::Date32(Some(i32::MAX))), None);
        assert_eq!(plain(&ScalarValue::Date32(Some(-1))), Some("1969-12-31".into()));
        let local = ScalarValue::TimestampMicrosecond(Some(-1), None);
        assert_eq!(plain(&local), Some("1969-12-31T23:59:59.999999".into()));
        let unit = DataType::Timestamp(TimeUnit::Second, None);
        assert_eq!(ScalarValue::try_new_null(&unit).ok().as_ref().and_then(plain), None);
    }
}

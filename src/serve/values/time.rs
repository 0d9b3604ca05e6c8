//! Dates, times, timestamps and intervals after ISO 8601.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, types};
use arrow::temporal_conversions::{as_date, as_datetime, as_time};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::{Style, WriteValue, formatted, quoted};
use crate::error::{Error, ErrorKind, Result};

/// A writer for a column of a temporal type.
pub(super) fn temporal(array: &ArrayRef, style: Style) -> Result<WriteValue> {
    use DataType as T;
    Ok(match array.data_type() {
        T::Date32 => iso(array.as_primitive::<types::Date32Type>(), style, date::<types::Date32Type>),
        T::Date64 => iso(array.as_primitive::<types::Date64Type>(), style, date::<types::Date64Type>),
        T::Time32(TimeUnit::Second) => {
            iso(array.as_primitive::<types::Time32SecondType>(), style, time::<types::Time32SecondType>)
        }
        T::Time32(_) => iso(
            array.as_primitive::<types::Time32MillisecondType>(),
            style,
            time::<types::Time32MillisecondType>,
        ),
        T::Time64(TimeUnit::Microsecond) => iso(
            array.as_primitive::<types::Time64MicrosecondType>(),
            style,
            time::<types::Time64MicrosecondType>,
        ),
        T::Time64(_) => iso(
            array.as_primitive::<types::Time64NanosecondType>(),
            style,
            time::<types::Time64NanosecondType>,
        ),
        T::Timestamp(unit, zone) => timestamps(array, *unit, zone.is_some(), style),
        T::Interval(IntervalUnit::YearMonth) => {
            iso(array.as_primitive::<types::IntervalYearMonthType>(), style, |months| {
                Some(interval(i64::from(months), 0, 0))
            })
        }
        T::Interval(IntervalUnit::DayTime) => {
            iso(array.as_primitive::<types::IntervalDayTimeType>(), style, |value| {
                Some(interval(0, i64::from(value.days), i128::from(value.milliseconds) * 1_000_000))
            })
        }
        T::Interval(IntervalUnit::MonthDayNano) => {
            iso(array.as_primitive::<types::IntervalMonthDayNanoType>(), style, |value| {
                Some(interval(i64::from(value.months), i64::from(value.days), i128::from(value.nanoseconds)))
            })
        }
        T::Duration(unit) => durations(array, *unit, style),
        _ => formatted(array, style),
    })
}

fn iso<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    style: Style,
    text: impl Fn(T::Native) -> Option<String> + Send + 'static,
) -> WriteValue {
    let values = values.clone();
    Box::new(move |row, out| {
        let text = text(values.value(row)).ok_or_else(out_of_range)?;
        quoted(style, &text, out);
        Ok(())
    })
}

fn out_of_range() -> Error {
    Error::new(ErrorKind::QueryFailed, "a date or time lies outside the years that can be written as text")
}

fn date<T: ArrowPrimitiveType>(value: T::Native) -> Option<String>
where
    i64: From<T::Native>,
{
    Some(as_date::<T>(i64::from(value))?.to_string())
}

fn time<T: ArrowPrimitiveType>(value: T::Native) -> Option<String>
where
    i64: From<T::Native>,
{
    Some(as_time::<T>(i64::from(value))?.format("%H:%M:%S%.f").to_string())
}

fn moment<T: ArrowPrimitiveType>(value: i64, zoned: bool) -> Option<String> {
    let moment = as_datetime::<T>(value)?.format("%Y-%m-%dT%H:%M:%S%.f");
    Some(if zoned { format!("{moment}Z") } else { moment.to_string() })
}

/// Arrow keeps a timestamp with a time zone in UTC already: the zone is only a way to show it.
fn timestamps(array: &ArrayRef, unit: TimeUnit, zoned: bool, style: Style) -> WriteValue {
    use types::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    macro_rules! of {
        ($kind:ident) => {
            iso(array.as_primitive::<$kind>(), style, move |value| moment::<$kind>(value, zoned))
        };
    }
    match unit {
        TimeUnit::Second => of!(TimestampSecondType),
        TimeUnit::Millisecond => of!(TimestampMillisecondType),
        TimeUnit::Microsecond => of!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => of!(TimestampNanosecondType),
    }
}

fn durations(array: &ArrayRef, unit: TimeUnit, style: Style) -> WriteValue {
    macro_rules! of {
        ($kind:ident, $nanoseconds:literal) => {
            iso(array.as_primitive::<types::$kind>(), style, |value| {
                Some(interval(0, 0, i128::from(value) * $nanoseconds))
            })
        };
    }
    match unit {
        TimeUnit::Second => of!(DurationSecondType, 1_000_000_000),
        TimeUnit::Millisecond => of!(DurationMillisecondType, 1_000_000),
        TimeUnit::Microsecond => of!(DurationMicrosecondType, 1_000),
        TimeUnit::Nanosecond => of!(DurationNanosecondType, 1),
    }
}

/// `P1Y2M3DT4H5M6.5S`; each part has its own sign, as PostgreSQL writes it. Nothing at all is `PT0S`.
fn interval(months: i64, days: i64, nanoseconds: i128) -> String {
    let mut text = String::from("P");
    for (value, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
        if value != 0 {
            let _ = write!(text, "{value}{unit}");
        }
    }
    if nanoseconds != 0 || text == "P" {
        text.push('T');
        clock(nanoseconds, &mut text);
    }
    text
}

fn clock(nanoseconds: i128, text: &mut String) {
    const SECOND: u128 = 1_000_000_000;
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (seconds, fraction) = (nanoseconds.unsigned_abs() / SECOND, nanoseconds.unsigned_abs() % SECOND);
    for (value, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
        if value != 0 {
            let _ = write!(text, "{sign}{value}{unit}");
        }
    }
    let seconds = seconds % 60;
    if fraction != 0 {
        let fraction = format!("{fraction:09}");
        let _ = write!(text, "{sign}{seconds}.{}S", fraction.trim_end_matches('0'));
    } else if seconds != 0 || text.ends_with('T') {
        let _ = write!(text, "{sign}{seconds}S");
    }
}

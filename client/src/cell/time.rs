//! Dates and times.

use arrow::array::AsArray;
use arrow::datatypes::{
    ArrowTemporalType, DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::{Cell, FromCell};
use crate::error::Result;

impl<'a> FromCell<'a> for NaiveDate {
    const WHAT: &'static str = "a date";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        let value = match cell.data_type() {
            DataType::Date32 => array.as_primitive::<Date32Type>().value_as_date(row),
            DataType::Date64 => array.as_primitive::<Date64Type>().value_as_date(row),
            _ => return Err(cell.mismatch::<Self>()),
        };
        value.ok_or_else(|| cell.unfit::<Self>())
    }
}

impl<'a> FromCell<'a> for NaiveTime {
    const WHAT: &'static str = "a time of day";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        let value = match cell.data_type() {
            DataType::Time32(TimeUnit::Second) => array.as_primitive::<Time32SecondType>().value_as_time(row),
            DataType::Time32(_) => array.as_primitive::<Time32MillisecondType>().value_as_time(row),
            DataType::Time64(TimeUnit::Nanosecond) => {
                array.as_primitive::<Time64NanosecondType>().value_as_time(row)
            }
            DataType::Time64(_) => array.as_primitive::<Time64MicrosecondType>().value_as_time(row),
            _ => return Err(cell.mismatch::<Self>()),
        };
        value.ok_or_else(|| cell.unfit::<Self>())
    }
}

impl<'a> FromCell<'a> for NaiveDateTime {
    const WHAT: &'static str = "a date and time without a zone";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        match cell.data_type() {
            DataType::Timestamp(unit, None) => moment(cell, unit).ok_or_else(|| cell.unfit::<Self>()),
            _ => Err(cell.mismatch::<Self>()),
        }
    }
}

impl<'a> FromCell<'a> for DateTime<Utc> {
    const WHAT: &'static str = "a moment in time";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        match cell.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                moment(cell, unit).map(|moment| moment.and_utc()).ok_or_else(|| cell.unfit::<Self>())
            }
            _ => Err(cell.mismatch::<Self>()),
        }
    }
}

/// With a zone it is that of UTC, which is what Arrow keeps.
fn moment(cell: Cell<'_>, unit: &TimeUnit) -> Option<NaiveDateTime> {
    fn of<T: ArrowTemporalType>(cell: Cell<'_>) -> Option<NaiveDateTime>
    where
        i64: From<T::Native>,
    {
        cell.array().as_primitive::<T>().value_as_datetime(cell.row())
    }
    match unit {
        TimeUnit::Second => of::<TimestampSecondType>(cell),
        TimeUnit::Millisecond => of::<TimestampMillisecondType>(cell),
        TimeUnit::Microsecond => of::<TimestampMicrosecondType>(cell),
        TimeUnit::Nanosecond => of::<TimestampNanosecondType>(cell),
    }
}

impl<'a> FromCell<'a> for TimeDelta {
    const WHAT: &'static str = "a span of time without months";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        let span = match cell.data_type() {
            DataType::Duration(TimeUnit::Second) => {
                Self::try_seconds(array.as_primitive::<DurationSecondType>().value(row))
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Self::try_milliseconds(array.as_primitive::<DurationMillisecondType>().value(row))
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Some(Self::microseconds(array.as_primitive::<DurationMicrosecondType>().value(row)))
            }
            DataType::Duration(TimeUnit::Nanosecond) => {
                Some(Self::nanoseconds(array.as_primitive::<DurationNanosecondType>().value(row)))
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                let value = array.as_primitive::<IntervalDayTimeType>().value(row);
                days(value.days.into(), Self::milliseconds(value.milliseconds.into()))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                (value.months == 0)
                    .then(|| days(value.days.into(), Self::nanoseconds(value.nanoseconds)))
                    .flatten()
            }
            DataType::Interval(IntervalUnit::YearMonth) => None,
            _ => return Err(cell.mismatch::<Self>()),
        };
        span.ok_or_else(|| cell.unfit::<Self>())
    }
}

fn days(days: i64, rest: TimeDelta) -> Option<TimeDelta> {
    TimeDelta::try_days(days)?.checked_add(&rest)
}

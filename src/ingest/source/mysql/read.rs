//! Rows of MySQL into Arrow: the bytes of a value as the server sent them, checked and put into a builder.
//!
//! The bytes are read here and not through the driver's conversions, which take a zero date for NULL and refuse
//! columns whose collation they do not know. A value that does not fit its column is an error, never another value.

use std::str::from_utf8;

use arrow::array::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_schema::{DataType, SchemaRef};
use chrono::{NaiveDate, NaiveTime};
use futures::TryStreamExt as _;
use sqlx::mysql::{MySql, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Decode, Row as _, ValueRef as _};
use tokio::sync::mpsc::Sender;

use super::super::{ReadOptions, SourceTable, Unfit};
use super::broken;
use super::types::{Mapped, Reading, quoted};
use crate::error::{Error, ErrorKind, Result};

/// What is read of a table.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub table: &'a SourceTable,
    pub columns: &'a [Mapped],
    pub condition: Option<&'a str>,
    /// At most so many rows.
    pub limit: Option<usize>,
}

/// Sends all rows of `wanted` and says how many there were. A receiver that is gone ends it.
pub(super) async fn rows(
    connection: &mut MySqlConnection,
    wanted: Wanted<'_>,
    options: &ReadOptions,
    unfit: &mut Unfit<'_>,
    batches: &Sender<RecordBatch>,
) -> Result<u64> {
    let Wanted { table, columns, .. } = wanted;
    // Every name in it is quoted, and so is every value of a bookmark.
    let query = sqlx::query(AssertSqlSafe(select(wanted))).persistent(false);
    let mut stream = query.fetch(connection);
    let mut batch = Batch::new(&table.name, table.schema.clone(), columns)?;
    let mut rows = 0_u64;
    while let Some(row) = stream.try_next().await.map_err(|error| broken(&table.name, error))? {
        batch.append(&row, unfit)?;
        if (batch.rows >= options.batch_rows || batch.bytes >= options.batch_bytes)
            && !send(&mut batch, batches, &mut rows).await?
        {
            return Ok(rows);
        }
    }
    if batch.rows > 0 {
        send(&mut batch, batches, &mut rows).await?;
    }
    Ok(rows)
}

/// Whether somebody took it.
async fn send(batch: &mut Batch<'_>, batches: &Sender<RecordBatch>, rows: &mut u64) -> Result<bool> {
    let finished = batch.finish()?;
    let count = u64::try_from(finished.num_rows()).unwrap_or(u64::MAX);
    let taken = batches.send(finished).await.is_ok();
    if taken {
        *rows = rows.saturating_add(count);
    }
    Ok(taken)
}

fn select(Wanted { table, columns, condition, limit }: Wanted<'_>) -> String {
    let expressions = columns.iter().map(|column| column.expression.as_str()).collect::<Vec<_>>().join(", ");
    let rows = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    format!("SELECT {expressions} FROM {}{rows}{limit}", full_name(table))
}

/// The table with its schema.
pub(super) fn full_name(table: &SourceTable) -> String {
    let schema = table.schema_name.as_deref().map(|name| format!("{}.", quoted(name))).unwrap_or_default();
    format!("{schema}{}", quoted(&table.name))
}

/// The rows that are not sent yet.
struct Batch<'a> {
    table: &'a str,
    schema: SchemaRef,
    columns: Vec<Column<'a>>,
    rows: usize,
    /// About the size of their values.
    bytes: usize,
}

struct Column<'a> {
    name: &'a str,
    reading: Reading,
    cells: Cells,
}

enum Cells {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl<'a> Batch<'a> {
    fn new(table: &'a str, schema: SchemaRef, columns: &'a [Mapped]) -> Result<Self> {
        let column = |mapped: &'a Mapped| {
            let cells = Cells::new(mapped.field.data_type())?;
            Ok(Column { name: mapped.field.name(), reading: mapped.reading, cells })
        };
        let columns = columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Self { table, schema, columns, rows: 0, bytes: 0 })
    }

    fn append(&mut self, row: &MySqlRow, unfit: &mut Unfit<'_>) -> Result<()> {
        for (index, column) in self.columns.iter_mut().enumerate() {
            let value = bytes(row, index)?;
            column.append(value, unfit).map_err(|problem| problem.told(self.table, column.name))?;
            self.bytes = self.bytes.saturating_add(value.map_or(1, |value| value.len().saturating_add(8)));
        }
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        let arrays = self.columns.iter_mut().map(|column| column.cells.builder().finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(Error::internal)
    }
}

/// What is wrong with a value.
enum Problem {
    /// It is not of the column's type: the server sent what it did not announce.
    Unreadable,
    /// More text or bytes in one batch than its offsets can count.
    TooLong,
    Told(Error),
}

impl Problem {
    fn told(self, table: &str, column: &str) -> Error {
        match self {
            Self::Told(error) => error,
            Self::TooLong => Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "column `{column}` of `{table}` has a value of more than 2 GiB; bring in a view without it"
                ),
            ),
            Self::Unreadable => Error::new(
                ErrorKind::QueryFailed,
                format!(
                    "column `{column}` of `{table}` has a value that is not of its type; bring in a view that casts it"
                ),
            ),
        }
    }
}

impl Column<'_> {
    fn append(&mut self, value: Option<&[u8]>, unfit: &mut Unfit<'_>) -> Result<(), Problem> {
        let whole = || value.map(|value| integer(value, self.reading)).transpose();
        match &mut self.cells {
            Cells::Boolean(cells) => cells.append_option(whole()?.map(|bit| bit != 0)),
            Cells::Int8(cells) => cells.append_option(narrow(whole()?)?),
            Cells::Int16(cells) => cells.append_option(narrow(whole()?)?),
            Cells::Int32(cells) => cells.append_option(narrow(whole()?)?),
            Cells::Int64(cells) => cells.append_option(narrow(whole()?)?),
            Cells::Float32(cells) => {
                cells.append_option(value.map(fixed).transpose()?.map(f32::from_le_bytes))
            }
            Cells::Float64(cells) => {
                cells.append_option(value.map(fixed).transpose()?.map(f64::from_le_bytes))
            }
            Cells::Decimal(cells, precision, scale) => {
                let number = match self.reading {
                    Reading::Decimal => value.map(|value| decimal(value, *precision, *scale)).transpose()?,
                    _ => whole()?,
                };
                cells.append_option(number);
            }
            Cells::Text(cells) => {
                room(cells.values_slice().len(), value)?;
                cells.append_option(value.map(utf8).transpose()?);
            }
            Cells::Bytes(cells) => {
                room(cells.values_slice().len(), value)?;
                cells.append_option(value);
            }
            Cells::Date(cells) => {
                let day = moment(self.name, value, unfit, date)?;
                cells.append_option(day.map(|day| day.to_epoch_days()));
            }
            Cells::Timestamp(cells) => cells.append_option(moment(self.name, value, unfit, microseconds)?),
        }
        Ok(())
    }
}

impl Cells {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int8 => Self::Int8(Int8Builder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => {
                let cells = Decimal128Builder::new().with_data_type(data_type.clone());
                Self::Decimal(cells, *precision, *scale)
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            other => return Err(Error::internal(format!("no column of {other} is ever mapped"))),
        })
    }

    fn builder(&mut self) -> &mut dyn ArrayBuilder {
        match self {
            Self::Boolean(cells) => cells,
            Self::Int8(cells) => cells,
            Self::Int16(cells) => cells,
            Self::Int32(cells) => cells,
            Self::Int64(cells) => cells,
            Self::Float32(cells) => cells,
            Self::Float64(cells) => cells,
            Self::Decimal(cells, ..) => cells,
            Self::Text(cells) => cells,
            Self::Bytes(cells) => cells,
            Self::Date(cells) => cells,
            Self::Timestamp(cells) => cells,
        }
    }
}

/// A whole number: little-endian in the width of its column, or the big-endian bits of a `bit`.
fn integer(value: &[u8], reading: Reading) -> Result<i128, Problem> {
    if reading == Reading::Bits {
        return match value.len() {
            ..=8 => Ok(value.iter().fold(0, |number, byte| (number << 8) | i128::from(*byte))),
            _ => Err(Problem::Unreadable),
        };
    }
    let is_signed = reading == Reading::Signed;
    Ok(match value.len() {
        1 if is_signed => i8::from_le_bytes(fixed(value)?).into(),
        1 => u8::from_le_bytes(fixed(value)?).into(),
        2 if is_signed => i16::from_le_bytes(fixed(value)?).into(),
        2 => u16::from_le_bytes(fixed(value)?).into(),
        4 if is_signed => i32::from_le_bytes(fixed(value)?).into(),
        4 => u32::from_le_bytes(fixed(value)?).into(),
        8 if is_signed => i64::from_le_bytes(fixed(value)?).into(),
        8 => u64::from_le_bytes(fixed(value)?).into(),
        _ => return Err(Problem::Unreadable),
    })
}

fn narrow<T: TryFrom<i128>>(value: Option<i128>) -> Result<Option<T>, Problem> {
    value.map(|value| T::try_from(value).map_err(|_| Problem::Unreadable)).transpose()
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Problem> {
    value.try_into().map_err(|_| Problem::Unreadable)
}

fn utf8(value: &[u8]) -> Result<&str, Problem> {
    from_utf8(value).map_err(|_| Problem::Unreadable)
}

/// `-12.5` with the scale 3 is -12500.
fn decimal(value: &[u8], precision: u8, scale: i8) -> Result<i128, Problem> {
    let text = utf8(value)?;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::try_from(scale).map_err(|_| Problem::Unreadable)?;
    let missing = scale.checked_sub(fraction.len()).ok_or(Problem::Unreadable)?;
    let mut number = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing)) {
        if !digit.is_ascii_digit() {
            return Err(Problem::Unreadable);
        }
        let digit = i128::from(digit.saturating_sub(b'0'));
        number = number.checked_mul(10).and_then(|n| n.checked_add(digit)).ok_or(Problem::Unreadable)?;
    }
    match 10_i128.checked_pow(u32::from(precision)) {
        Some(limit) if number < limit => Ok(if is_negative { number.saturating_neg() } else { number }),
        _ => Err(Problem::Unreadable),
    }
}

/// The text of a date or a time of day on a date; one that no calendar has goes to `unfit`.
fn moment<T>(
    column: &str,
    value: Option<&[u8]>,
    unfit: &mut Unfit<'_>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = value.map(utf8).transpose()? else { return Ok(None) };
    match parse(text) {
        Some(moment) => Ok(Some(moment)),
        None => {
            unfit.meet(column, text, "it is no day of the calendar").map(|()| None).map_err(Problem::Told)
        }
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

fn microseconds(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(' ')?;
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?;
    Some(date(day)?.and_time(time).and_utc().timestamp_micros())
}

fn room(used: usize, value: Option<&[u8]>) -> Result<(), Problem> {
    let after = used.saturating_add(value.map_or(0, <[u8]>::len));
    i32::try_from(after).map(drop).map_err(|_| Problem::TooLong)
}

/// What the server sent for a column; nothing for NULL.
fn bytes(row: &MySqlRow, index: usize) -> Result<Option<&[u8]>> {
    let value = row.try_get_raw(index).map_err(Error::internal)?;
    if value.is_null() {
        return Ok(None);
    }
    <&[u8] as Decode<'_, MySql>>::decode(value).map(Some).map_err(Error::internal)
}

/// A text of the server's own lists.
pub(super) fn text(row: &MySqlRow, index: usize) -> Result<Option<String>> {
    let value = bytes(row, index)?.map(from_utf8).transpose().map_err(Error::internal)?;
    Ok(value.map(str::to_owned))
}

/// A count of the server's own lists.
pub(super) fn number(row: &MySqlRow, index: usize) -> Result<Option<u64>> {
    let Some(value) = bytes(row, index)? else { return Ok(None) };
    Ok(integer(value, Reading::Unsigned).ok().and_then(|number| u64::try_from(number).ok()))
}

/// What happened, for the person who asked.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_never_cut() {
        let read = |text: &str, precision, scale| decimal(text.as_bytes(), precision, scale).ok();
        assert_eq!(read("-12.5", 5, 3), Some(-12_500));
        assert_eq!(read("0.00", 5, 2), Some(0));
        assert_eq!(read("000042", 6, 0), Some(42));
        assert_eq!(read(&"9".repeat(38), 38, 0), Some(10_i128.pow(38) - 1));
        assert_eq!(read("1.25", 5, 1), None);
        assert_eq!(read("1000", 3, 0), None);
        assert_eq!(read("1e3", 5, 0), None);
    }

    #[test]
    fn days_that_no_calendar_has_are_not_moments() {
        assert_eq!(date("1970-01-02").map(|day| day.to_epoch_days()), Some(1));
        for text in ["0000-00-00", "2020-00-10", "2020-02-30", "2020-10-00"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(microseconds("1970-01-01 00:00:01.000002"), Some(1_000_002));
        assert_eq!(microseconds("1969-12-31 23:59:59"), Some(-1_000_000));
        assert_eq!(microseconds("2020-00-10 00:00:00"), None);
    }
}

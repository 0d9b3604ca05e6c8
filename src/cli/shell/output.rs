//! A query's result, written in one of the shell's formats as it arrives.
//!
//! Holds a bounded part of the result, and leaves a result that breaks off visibly unfinished: an array that does not
//! close, and the error after it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, JsonArray, NullableEncoder, WriterBuilder,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use lakegate_client::{PolicyNotice, Query};

use super::table::TableWriter;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// An array of objects.
    Json,
    /// Comma separated values with a header.
    Csv,
}

/// What to say after a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub rows: u64,
    pub time: Duration,
    pub policy: PolicyNotice,
}

/// Why a result is not (completely) written.
#[derive(Debug)]
pub enum Failure {
    Query(lakegate_client::Error),
    Write(io::Error),
    /// A backslash command that is none, told as a sentence.
    Command(String),
}

/// Runs a query and writes its result.
pub async fn run(query: Query, format: Format, out: &mut (impl Write + Send)) -> Result<Summary, Failure> {
    let start = Instant::now();
    let mut batches = query.stream().await.map_err(Failure::Query)?;
    let policy = batches.policy.clone();
    let mut writer = ResultWriter::new(format, batches.schema(), out);
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.map_err(Failure::Query)? {
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(Failure::Write)?;
    }
    writer.finish().map_err(Failure::Write)?;
    Ok(Summary { rows, time: start.elapsed(), policy })
}

/// A writer for each format. `finish` is not called for a result that broke off.
enum ResultWriter<W: Write> {
    Table(TableWriter<W>),
    Json(Box<arrow::json::Writer<W, JsonArray>>),
    Csv { writer: Box<arrow::csv::Writer<W>>, schema: SchemaRef, begun: bool },
}

impl<W: Write> ResultWriter<W> {
    fn new(format: Format, schema: SchemaRef, out: W) -> Self {
        match format {
            Format::Table => Self::Table(TableWriter::new(schema, out)),
            Format::Json => Self::Json(Box::new(
                WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .with_encoder_factory(Arc::new(ExactValues))
                    .build::<_, JsonArray>(out),
            )),
            Format::Csv => {
                let writer = arrow::csv::WriterBuilder::new().with_header(true).build(out);
                Self::Csv { writer: Box::new(writer), schema, begun: false }
            }
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            Self::Table(writer) => writer.write(batch),
            Self::Json(writer) => writer.write(batch).map_err(io_error),
            Self::Csv { writer, begun, .. } => {
                *begun = true;
                writer.write(batch).map_err(io_error)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Table(writer) => writer.finish(),
            Self::Json(mut writer) => {
                writer.finish().map_err(io_error)?;
                writeln!(writer.get_mut())
            }
            // The header comes with the first rows; a result without any has one too.
            Self::Csv { mut writer, schema, begun: false } => {
                writer.write(&RecordBatch::new_empty(schema)).map_err(io_error)
            }
            Self::Csv { .. } => Ok(()),
        }
    }
}

/// Values that a JSON number or text would change are written so that nothing is lost: decimals as text, bytes as base64.
#[derive(Debug)]
struct ExactValues;

struct Quoted<'a>(ArrayFormatter<'a>);

struct Base64<'a>(Box<dyn Fn(usize) -> &'a [u8] + 'a>);

impl EncoderFactory for ExactValues {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            kind if kind.is_decimal() => Box::new(Quoted(ArrayFormatter::try_new(array, &CELLS)?)),
            DataType::Binary => Box::new(Base64(Box::new(|row| array.as_binary::<i32>().value(row)))),
            DataType::LargeBinary => Box::new(Base64(Box::new(|row| array.as_binary::<i64>().value(row)))),
            DataType::BinaryView => Box::new(Base64(Box::new(|row| array.as_binary_view().value(row)))),
            DataType::FixedSizeBinary(_) => {
                Box::new(Base64(Box::new(|row| array.as_fixed_size_binary().value(row))))
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

const CELLS: FormatOptions<'static> = FormatOptions::new();

impl Encoder for Quoted<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.extend(format!("\"{}\"", self.0.value(row)).bytes());
    }
}

impl Encoder for Base64<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.extend(format!("\"{}\"", BASE64_STANDARD.encode((self.0)(row))).bytes());
    }
}

/// A pipe that its reader closed must stay recognisable below Arrow's error.
fn io_error(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}

impl Summary {
    /// The same without how long it took.
    pub fn without_time(&self) -> String {
        format!("({}){}", self.count(), self.notice())
    }

    fn count(&self) -> String {
        if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) }
    }

    /// Rules apply; what they removed is not known here, so the words do not claim it.
    fn notice(&self) -> String {
        let mut parts = Vec::new();
        if self.policy.rows_filtered {
            parts.push("some rows may be hidden from you".to_owned());
        }
        if self.policy.cells_nulled {
            parts.push("some values may be shown as NULL".to_owned());
        }
        if self.policy.columns_hidden {
            parts.push("some columns are hidden from you".to_owned());
        }
        if !self.policy.masked.is_empty() {
            parts.push(format!("masked: {}", self.policy.masked.join(", ")));
        }
        if parts.is_empty() { String::new() } else { format!("\npolicy: {}", parts.join("; ")) }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = match self.time {
            time if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
            time => format!("{:.2} s", time.as_secs_f64()),
        };
        write!(f, "({}, {time}){}", self.count(), self.notice())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BinaryArray, Decimal128Array, Float64Array, StringArray};

    fn batch() -> RecordBatch {
        let price: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_i128), None])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        );
        let raw: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(&[0, 255]), None]));
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\""), None]));
        let size: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None]));
        RecordBatch::try_from_iter([("price", price), ("raw", raw), ("name", name), ("size", size)]).unwrap()
    }

    fn written(format: Format, batches: &[RecordBatch]) -> String {
        let mut out = Vec::new();
        let mut writer = ResultWriter::new(format, batch().schema(), &mut out);
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_loses_no_digit_and_no_null() {
        assert_eq!(
            written(Format::Json, &[batch()]),
            "[{\"price\":\"123456789012345678.90\",\"raw\":\"AP8=\",\"name\":\"a,\\\"b\\\"\",\"size\":0.5},\
             {\"price\":null,\"raw\":null,\"name\":null,\"size\":null}]\n"
        );
        assert_eq!(written(Format::Json, &[]), "[]\n");
    }

    #[test]
    fn csv_has_a_header_with_and_without_rows() {
        assert_eq!(
            written(Format::Csv, &[batch()]),
            "price,raw,name,size\n123456789012345678.90,00ff,\"a,\"\"b\"\"\",0.5\n,,,\n"
        );
        assert_eq!(written(Format::Csv, &[]), "price,raw,name,size\n");
    }

    #[test]
    fn the_summary_says_which_rules_apply_and_not_more() {
        let time = Duration::from_millis(1234);
        let open = Summary { rows: 1, time, policy: PolicyNotice::default() };
        assert_eq!(open.to_string(), "(1 row, 1.23 s)");
        let policy = PolicyNotice {
            rows_filtered: true,
            cells_nulled: true,
            masked: vec!["email".to_owned()],
            columns_hidden: true,
        };
        assert_eq!(
            Summary { rows: 0, time, policy }.without_time(),
            "(0 rows)\npolicy: some rows may be hidden from you; some values may be shown as NULL; \
             some columns are hidden from you; masked: email"
        );
    }
}

//! Rows as bytes: one writer for each format that a result is shown or kept in.
//!
//! Each writes a batch as it arrives and holds no more than its format needs. What makes a format whole, the last
//! bracket or the footer, is written at the end alone, so that a result which breaks off is visibly unfinished. Where
//! the bytes go is not known here.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, JsonArray, LineDelimited, NullableEncoder, WriterBuilder,
    make_encoder,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_ipc::writer::FileWriter;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::style::Style;
use super::table::{RecordWriter, TableWriter};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// An array of objects.
    Json,
    /// An object on each line.
    Ndjson,
    /// Comma separated values with a header.
    Csv,
}

/// How results are kept in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    Csv,
    Json,
    Ndjson,
    Parquet,
    Arrow,
}

/// A row group of Parquet is closed when this many bytes of it wait in memory.
const ROW_GROUP: usize = 16 << 20;

/// Writes a result, batch by batch.
pub trait RowWriter: Send {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()>;

    /// Writes what makes the format whole; not called for a result that broke off.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A writer for people, or for what reads the standard output.
pub fn shown<'a>(
    format: Format,
    are_records: bool,
    schema: &SchemaRef,
    style: Style,
    out: impl Write + Send + 'a,
) -> Box<dyn RowWriter + 'a> {
    match format {
        Format::Table if are_records => Box::new(RecordWriter::new(schema, out, style)),
        Format::Table => Box::new(TableWriter::new(Arc::clone(schema), out).styled(style)),
        Format::Json => named(schema, Box::new(json(out))),
        Format::Ndjson => named(schema, Box::new(ndjson(out))),
        Format::Csv => Box::new(Csv::new(schema, out)),
    }
}

/// A writer for a file. Fails when the format cannot hold a column.
pub fn kept<'a>(
    format: FileFormat,
    schema: &SchemaRef,
    out: impl Write + Send + 'a,
) -> io::Result<Box<dyn RowWriter + 'a>> {
    Ok(match format {
        FileFormat::Csv => Box::new(Csv::new(schema, out)),
        FileFormat::Json => named(schema, Box::new(json(out))),
        FileFormat::Ndjson => named(schema, Box::new(ndjson(out))),
        FileFormat::Arrow => Box::new(FileWriter::try_new(out, schema).map_err(io_error)?),
        FileFormat::Parquet => {
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            named(schema, Box::new(ArrowWriter::try_new(out, distinct(schema), Some(properties))?))
        }
    })
}

/// For formats whose readers find columns by name: each has one of its own, the second `id` is `id_2`.
struct Named<'a> {
    schema: SchemaRef,
    inner: Box<dyn RowWriter + 'a>,
}

fn named<'a>(schema: &SchemaRef, inner: Box<dyn RowWriter + 'a>) -> Box<dyn RowWriter + 'a> {
    Box::new(Named { schema: distinct(schema), inner })
}

impl RowWriter for Named<'_> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch.columns().to_vec();
        let batch = if columns.is_empty() {
            batch.clone()
        } else {
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io_error)?
        };
        self.inner.write(&batch)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.inner.finish()
    }
}

fn distinct(schema: &SchemaRef) -> SchemaRef {
    let taken: HashSet<&String> = schema.fields().iter().map(|field| field.name()).collect();
    let mut given = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        let mut name = field.name().clone();
        let mut number = 1_u64;
        while given.contains(&name) || (number > 1 && taken.contains(&name)) {
            number += 1;
            name = format!("{}_{number}", field.name());
        }
        given.insert(name.clone());
        Field::clone(field).with_name(name)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Writes nothing, for who asks only whether there are rows.
pub fn none() -> Box<dyn RowWriter> {
    struct None;

    impl RowWriter for None {
        fn write(&mut self, _: &RecordBatch) -> io::Result<()> {
            Ok(())
        }

        fn finish(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    Box::new(None)
}

impl<W: Write + Send> RowWriter for TableWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        TableWriter::write(self, batch)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        TableWriter::finish(*self)
    }
}

impl<W: Write + Send> RowWriter for RecordWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        RecordWriter::write(self, batch)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write + Send> RowWriter for FileWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        FileWriter::write(self, batch).map_err(io_error)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        FileWriter::finish(&mut self).map_err(io_error)
    }
}

impl<W: Write + Send> RowWriter for ArrowWriter<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        ArrowWriter::write(self, batch)?;
        if self.memory_size() >= ROW_GROUP {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        ArrowWriter::finish(&mut self)?;
        Ok(())
    }
}

type Json<W> = arrow::json::Writer<W, JsonArray>;
type Ndjson<W> = arrow::json::Writer<W, LineDelimited>;

fn json<W: Write>(out: W) -> Json<W> {
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    builder.with_encoder_factory(Arc::new(ExactValues)).build(out)
}

fn ndjson<W: Write>(out: W) -> Ndjson<W> {
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    builder.with_encoder_factory(Arc::new(ExactValues)).build(out)
}

impl<W: Write + Send> RowWriter for Json<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        Json::write(self, batch).map_err(io_error)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        Json::finish(&mut self).map_err(io_error)?;
        writeln!(self.get_mut())
    }
}

impl<W: Write + Send> RowWriter for Ndjson<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        Ndjson::write(self, batch).map_err(io_error)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        Ndjson::finish(&mut self).map_err(io_error)
    }
}

/// Comma separated values; what is nested in a column is JSON there.
struct Csv<W: Write> {
    writer: arrow::csv::Writer<W>,
    schema: SchemaRef,
    has_begun: bool,
}

impl<W: Write> Csv<W> {
    fn new(schema: &SchemaRef, out: W) -> Self {
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            kind if kind.is_nested() => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
            _ => Arc::clone(field),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer = arrow::csv::WriterBuilder::new().with_header(true).build(out);
        Self { writer, schema, has_begun: false }
    }
}

impl<W: Write + Send> RowWriter for Csv<W> {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.has_begun = true;
        let shape = batch.schema();
        let columns = batch.columns().iter().zip(shape.fields()).map(|(column, field)| {
            if field.data_type().is_nested() { as_json(field, column) } else { Ok(Arc::clone(column)) }
        });
        let columns = columns.collect::<Result<Vec<_>, ArrowError>>().map_err(io_error)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io_error)?;
        self.writer.write(&batch).map_err(io_error)
    }

    /// The header comes with the first rows; a result without any has one too.
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if self.has_begun {
            return Ok(());
        }
        self.writer.write(&RecordBatch::new_empty(self.schema)).map_err(io_error)
    }
}

fn as_json(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options =
        EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(ExactValues));
    let mut encoder = make_encoder(field, column, &options)?;
    let mut texts = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(texts.finish()))
}

/// Values that a JSON number or text would change are written so that nothing is lost: decimals as text, bytes as base64,
/// and numbers that JSON has not by their names.
#[derive(Debug)]
struct ExactValues;

struct Float<'a>(Box<dyn Fn(usize) -> f64 + 'a>, ArrayFormatter<'a>);

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
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>();
                Box::new(Float(Box::new(|row| values.value(row)), ArrayFormatter::try_new(array, &CELLS)?))
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>();
                Box::new(Float(
                    Box::new(|row| values.value(row).into()),
                    ArrayFormatter::try_new(array, &CELLS)?,
                ))
            }
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

impl Encoder for Float<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let text = match (self.0)(row) {
            value if value.is_nan() => "\"NaN\"".to_owned(),
            f64::INFINITY => "\"Infinity\"".to_owned(),
            f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
            _ => self.1.value(row).to_string(),
        };
        out.extend(text.bytes());
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
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Decimal128Array, Float64Array, Int64Array, StringArray, StructArray};

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
        let schema = batches.first().unwrap_or(&batch()).schema();
        let mut out = Vec::new();
        let mut writer = shown(format, false, &schema, Style::default(), &mut out);
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_loses_no_digit_and_no_null() {
        let rows = [
            "{\"price\":\"123456789012345678.90\",\"raw\":\"AP8=\",\"name\":\"a,\\\"b\\\"\",\"size\":0.5}",
            "{\"price\":null,\"raw\":null,\"name\":null,\"size\":null}",
        ];
        assert_eq!(written(Format::Json, &[batch()]), format!("[{}]\n", rows.join(",")));
        assert_eq!(written(Format::Ndjson, &[batch()]), format!("{}\n", rows.join("\n")));
        assert_eq!(written(Format::Json, &[]), "[]\n");
        assert_eq!(written(Format::Ndjson, &[]), "");
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
    fn numbers_that_json_has_not_have_names_and_columns_with_one_name_get_two() {
        let size: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY, 1e300]));
        let fields = ["a", "a", "a_2"].map(|name| Field::new(name, DataType::Float64, true));
        let columns = vec![Arc::clone(&size), Arc::clone(&size), size];
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), columns).unwrap();
        let expected = "{\"a\":\"NaN\",\"a_3\":\"NaN\",\"a_2\":\"NaN\"}\n\
            {\"a\":\"-Infinity\",\"a_3\":\"-Infinity\",\"a_2\":\"-Infinity\"}\n\
            {\"a\":1e300,\"a_3\":1e300,\"a_2\":1e300}\n";
        assert_eq!(written(Format::Ndjson, &[rows]), expected);
    }

    #[test]
    fn what_is_nested_is_json_in_csv() {
        let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let field = Arc::new(Field::new("n", DataType::Int64, true));
        let nested: ArrayRef = Arc::new(StructArray::from(vec![(field, inner)]));
        let rows = RecordBatch::try_from_iter([("s", nested)]).unwrap();
        assert_eq!(written(Format::Csv, &[rows]), "s\n\"{\"\"n\"\":1}\"\n\"{\"\"n\"\":null}\"\n");
    }

    #[test]
    fn a_file_of_columns_is_whole_only_at_its_end() {
        for (format, end) in [(FileFormat::Parquet, "PAR1"), (FileFormat::Arrow, "ARROW1")] {
            let mut out = Vec::new();
            let mut writer = kept(format, &batch().schema(), &mut out).unwrap();
            writer.write(&batch()).unwrap();
            writer.finish().unwrap();
            assert!(out.ends_with(end.as_bytes()), "{format:?}");
        }
    }
}

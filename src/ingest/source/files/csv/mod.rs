//! CSV: a header, values between delimiters, types found out from the first rows of each file.
//!
//! A value that is not of its column's type makes its line a bad one; it is never bent, and the line is never left out
//! without a word.

mod column;
mod delimiter;
mod kind;
mod record;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use tokio::sync::mpsc::Sender;

use super::input::Input;
use super::object::Object;
use super::rejects::shown;
use super::{Reading, names};
use crate::error::{Error, Result};
use column::Column;
use kind::{Guess, Value, value};
use record::{Record, Records};

/// How many rows of a table say what its columns are.
const SAMPLED_ROWS: usize = 10_000;
/// How many of each file at least.
const SAMPLED_OF_FILE: usize = 100;

const ADVICE: &str = ", `--csv-types text` takes every value as the text that it is";

/// How CSV files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// Between values; found out for each file unless given.
    pub delimiter: Option<u8>,
    pub types: CsvTypes,
}

/// What the values of a CSV file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CsvTypes {
    /// What all of the first rows are: whole numbers, decimals, doubles, booleans, dates, times, or texts.
    #[default]
    Infer,
    /// Texts.
    Text,
}

/// A file whose delimiter is known.
#[derive(Debug, Clone)]
pub(super) struct File {
    object: Object,
    delimiter: u8,
}

/// The columns of all files of a table, in the order in which they are met.
#[derive(Default)]
struct Guesses {
    columns: Vec<(String, Guess)>,
    /// The columns whose values count as well.
    known: Option<SchemaRef>,
}

/// The columns of these files, and how each is to be read; values count as those that the `lake` has of a column. Waits for their
/// bytes: not for an async task.
pub(super) fn describe(
    objects: &[Object],
    options: CsvOptions,
    lake: Option<&SchemaRef>,
) -> Result<(SchemaRef, Vec<File>)> {
    let rows = match options.types {
        CsvTypes::Infer => (SAMPLED_ROWS / objects.len().max(1)).max(SAMPLED_OF_FILE),
        CsvTypes::Text => 0,
    };
    let known = lake.filter(|_| options.types == CsvTypes::Infer).cloned();
    let (mut guesses, mut files) = (Guesses { known, ..Guesses::default() }, Vec::new());
    for object in objects {
        let delimiter = options.delimiter.map_or_else(|| delimiter::find(object), Ok)?;
        let file = File { object: object.clone(), delimiter };
        guesses.see(&file, rows)?;
        files.push(file);
    }
    let named = guesses.columns.iter().map(|(name, _)| name.as_str());
    names::refuse_alike(named)?;
    let field = |(name, guess): &(String, Guess)| Field::new(name, guess.data_type(), true);
    let fields = guesses.columns.iter().map(field).collect::<Vec<_>>();
    if let Some(lake) = lake.filter(|_| fields.is_empty()) {
        return Ok((Arc::clone(lake), files));
    }
    if fields.is_empty() {
        return Err(Error::invalid_request("the file is empty: a header says what its columns are"));
    }
    Ok((Arc::new(Schema::new(fields)), files))
}

impl Guesses {
    /// Looks at the header and the first rows of a file. Lines that are no rows say nothing; reading tells of them.
    fn see(&mut self, file: &File, rows: usize) -> Result<()> {
        let mut records = Records::new(Input::open(&file.object)?, file.delimiter);
        let Some(header) = header(&mut records, &file.object)? else { return Ok(()) };
        let places = header.iter().map(|name| self.place(name)).collect::<Vec<_>>();
        for _ in 0..rows {
            let Some(record) = records.next()? else { break };
            let is_row = record.fault.is_none() && record.fields.len() == header.len();
            let texts = is_row.then(|| texts(&record).ok()).flatten().unwrap_or_default();
            for (text, place) in texts.into_iter().zip(&places) {
                if let (Some(text), Some((_, guess))) = (text, self.columns.get_mut(*place)) {
                    *guess = guess.and(&text);
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, name: &str) -> usize {
        match self.columns.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                let known = self.known.as_ref().and_then(|known| known.fields().find(name));
                let guess = known.map_or(Guess::Nothing, |(_, field)| Guess::of_type(field.data_type()));
                self.columns.push((name.to_owned(), guess));
                self.columns.len() - 1
            }
        }
    }
}

/// Sends the rows of `file` and says how many they are. Waits: not for an async task.
pub(super) fn read(file: &File, reading: &Reading, batches: &Sender<RecordBatch>) -> Result<u64> {
    let mut records = Records::new(Input::open(&file.object)?, file.delimiter);
    let Some(header) = header(&mut records, &file.object)? else { return Ok(0) };
    let mut rows = Rows::new(reading, &header);
    while let Some(record) = records.next()? {
        if record.is_blank() && header.len() > 1 {
            continue;
        }
        let values = match rows.values(&record) {
            Ok(values) => values,
            Err(reason) => {
                reading.reject(file.object.url(), record.line, record.text, &reason, ADVICE)?;
                continue;
            }
        };
        rows.push(&values, record.text.len())?;
        if rows.is_full() && batches.blocking_send(rows.batch()?).is_err() {
            return Ok(rows.read);
        }
    }
    if rows.waiting > 0 {
        let _ = batches.blocking_send(rows.batch()?);
    }
    Ok(rows.read)
}

/// The names in the first line; none of a file without lines.
fn header(records: &mut Records, object: &Object) -> Result<Option<Vec<String>>> {
    let Some(record) = records.next()? else { return Ok(None) };
    let wrong = |why: &str| Error::invalid_request(format!("the header of `{}`: {why}", object.url()));
    if let Some(fault) = record.fault {
        return Err(wrong(fault));
    }
    let texts = texts(&record).map_err(|why| wrong(&why))?;
    let names = texts.into_iter().map(|text| text.unwrap_or_default().into_owned()).collect::<Vec<_>>();
    if let Some(at) = names.iter().position(String::is_empty) {
        return Err(wrong(&format!("column {} has no name", at + 1)));
    }
    if let Some(name) = names.iter().find(|name| name.chars().any(char::is_control)) {
        return Err(wrong(&format!("`{}` is no name of a column", shown(&name.escape_debug().to_string()))));
    }
    names::refuse_alike(names.iter().map(String::as_str)).map_err(|error| wrong(error.detail()))?;
    Ok(Some(names))
}

/// The fields of a record; none where nothing stands. What is in quotation marks is there, also when it is empty.
fn texts<'a>(record: &Record<'a>) -> Result<Vec<Option<Cow<'a, str>>>, String> {
    let text = |field: &record::Field| {
        let bytes = record.text.get(field.start..field.end).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        Ok(match text {
            "" if !field.is_quoted => None,
            text if field.has_marks => Some(Cow::Owned(text.replace("\"\"", "\""))),
            text => Some(Cow::Borrowed(text)),
        })
    };
    record.fields.iter().map(text).collect()
}

/// The rows of one file on their way into batches.
struct Rows<'a> {
    reading: &'a Reading,
    /// For each field of the file, the column of the table that it is.
    places: Vec<usize>,
    columns: Vec<Column>,
    read: u64,
    waiting: usize,
    bytes: usize,
}

impl<'a> Rows<'a> {
    fn new(reading: &'a Reading, header: &[String]) -> Self {
        let fields = reading.schema.fields();
        let place = |name: &String| fields.iter().position(|field| field.name() == name);
        Self {
            reading,
            places: header.iter().map(|name| place(name).unwrap_or(usize::MAX)).collect(),
            columns: fields.iter().map(|field| Column::new(field.data_type())).collect(),
            read: 0,
            waiting: 0,
            bytes: 0,
        }
    }

    /// The values of all columns, or why the record is no row.
    fn values<'r>(&self, record: &Record<'r>) -> Result<Vec<Value<'r>>, String> {
        if let Some(fault) = record.fault {
            return Err(fault.to_owned());
        }
        let (fields, expected) = (record.fields.len(), self.places.len());
        if fields != expected {
            return Err(format!("it has {fields} values and the header {expected}"));
        }
        let mut values = vec![Value::Null; self.columns.len()];
        for (text, place) in texts(record)?.into_iter().zip(&self.places) {
            let Some(text) = text else { continue };
            let place = self.reading.schema.fields().get(*place).zip(values.get_mut(*place));
            let Some((field, into)) = place else { return Err("its header has changed".to_owned()) };
            let told = || {
                let (name, kind) = (field.name(), word(field.data_type()));
                format!("`{}` in column `{name}` is no {kind}", shown(&text))
            };
            *into = value(text.clone(), field.data_type()).ok_or_else(told)?;
        }
        Ok(values)
    }

    fn push(&mut self, values: &[Value<'_>], bytes: usize) -> Result<()> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value)?;
        }
        self.read = self.read.saturating_add(1);
        self.waiting = self.waiting.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.waiting >= self.reading.options.batch_rows || self.bytes >= self.reading.options.batch_bytes
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        (self.waiting, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.reading.schema), arrays).map_err(Error::internal)
    }
}

/// A type as people call it.
fn word(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "boolean, which is `true` or `false`".to_owned(),
        DataType::Int64 => "`bigint`".to_owned(),
        DataType::Decimal128(precision, scale) => format!("`decimal({precision},{scale})`"),
        DataType::Float64 => "`double` that is the same number".to_owned(),
        DataType::Date32 => "date as `2024-01-31`".to_owned(),
        DataType::Timestamp(_, None) => "time as `2024-01-31 12:34:56`".to_owned(),
        DataType::Timestamp(_, Some(_)) => "time with a zone as `2024-01-31 12:34:56Z`".to_owned(),
        _ => "text".to_owned(),
    }
}

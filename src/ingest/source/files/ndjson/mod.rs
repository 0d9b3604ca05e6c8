//! NDJSON: one object a line. Objects in it become structs, lists become lists, texts stay texts.

mod body;
mod column;
mod scalar;
mod shape;
mod value;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use tokio::sync::mpsc::Sender;

use super::Reading;
use super::input::Input;
use super::object::Object;
use crate::error::{Error, Result};
use column::Column;
use scalar::Spelling;
use shape::Keys;
use value::Json;

pub(in crate::ingest) use body::rows_of;

/// How many values a batch has, missing ones too, which are short in the file and take room in memory: of rows with ever other keys
/// most are missing.
const MOST_VALUES: usize = 1 << 20;
/// How many values one line may have, when each object in a list has all keys of all of them.
const MOST_VALUES_OF_LINE: usize = 1 << 24;

/// The columns of these files: every line is looked at, and values count as those that the `lake` has of a key. Waits for their
/// bytes: not for an async task.
pub(super) fn describe(objects: &[Object], lake: Option<&SchemaRef>) -> Result<SchemaRef> {
    let mut keys = lake.map(|lake| Keys::of_fields(lake.fields())).unwrap_or_default();
    let mut seen = HashSet::new();
    for object in objects {
        let mut lines = Lines::open(object)?;
        while let Some((_, line)) = lines.next()? {
            // What is no row says nothing here; reading tells of it.
            let Ok(of_line) = entries(line).and_then(|entries| Keys::of(&entries)) else { continue };
            if keys.refuse(&of_line).is_ok() {
                for name in of_line.names() {
                    if !seen.contains(name) {
                        seen.insert(name.to_owned());
                    }
                }
                keys.join(of_line);
                keys.refuse_too_many()?;
            }
        }
    }
    if let Some(lake) = lake.filter(|_| seen.is_empty()) {
        return Ok(Arc::clone(lake));
    }
    let keys = keys.only(&seen);
    Ok(Arc::new(Schema::new(keys.fields("")?)))
}

/// Sends the rows of `object` and says how many they are. Waits: not for an async task.
pub(super) fn read(object: &Object, reading: &Reading, batches: &Sender<RecordBatch>) -> Result<u64> {
    let mut lines = Lines::open(object)?;
    let mut rows = Rows::new(reading);
    while let Some((number, line)) = lines.next()? {
        if let Err(reason) = rows.push(line) {
            reading.reject(object.url(), number, line, &reason, "")?;
        }
        if rows.is_full() && batches.blocking_send(rows.batch()?).is_err() {
            return Ok(rows.read);
        }
    }
    if !rows.waiting.is_empty() {
        let _ = batches.blocking_send(rows.batch()?);
    }
    Ok(rows.read)
}

/// What a row is made of.
fn entries(line: &[u8]) -> Result<Vec<(String, Json)>, String> {
    match Json::parse(line)? {
        Json::Object(entries) => Ok(entries),
        other => Err(format!("it is {} and no object", other.kind())),
    }
}

/// The lines of a file that have something in them.
struct Lines {
    input: Input,
    given: usize,
}

impl Lines {
    fn open(object: &Object) -> Result<Self> {
        Ok(Self { input: Input::open(object)?, given: 0 })
    }

    /// The next line and its number.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        loop {
            self.input.take(self.given, u64::from(self.given > 0));
            self.given = 0;
            let length = self.length()?;
            if length == 0 {
                return Ok(None);
            }
            self.given = length;
            let is_blank = self.line().iter().all(u8::is_ascii_whitespace);
            if !is_blank {
                break;
            }
        }
        Ok(Some((self.input.line(), self.line())))
    }

    fn line(&self) -> &[u8] {
        let line = self.input.rest().get(..self.given).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// How long the next line is with its end; 0 at the end of the file.
    fn length(&mut self) -> Result<usize> {
        let mut searched = 0;
        loop {
            let rest = self.input.rest();
            let found = rest.get(searched..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
            if let Some(found) = found {
                return Ok(searched + found + 1);
            }
            searched = rest.len();
            if !self.input.more()? {
                return Ok(searched);
            }
        }
    }
}

/// The rows of one file on their way into batches.
struct Rows<'a> {
    reading: &'a Reading,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    waiting: Vec<Vec<(String, Json)>>,
    bytes: usize,
    /// How many values a row has at least, and those that wait have together.
    width: usize,
    values: usize,
    read: u64,
}

impl<'a> Rows<'a> {
    fn new(reading: &'a Reading) -> Self {
        let columns = column::columns(reading.schema.fields(), Spelling::Plain);
        let (places, width) = (column::places(&columns), column::width(&columns));
        Self { reading, columns, places, waiting: Vec::new(), bytes: 0, width, values: 0, read: 0 }
    }

    /// Adds a line, unless it is no row.
    fn push(&mut self, line: &[u8]) -> Result<(), String> {
        let entries = entries(line)?;
        column::refuse(&self.columns, &self.places, &entries).map_err(|fault| fault.to_string())?;
        let values = self.width.saturating_add(column::items(&self.columns, &self.places, &entries));
        if values > MOST_VALUES_OF_LINE {
            return Err(format!("its lists have {values} values, counting keys that their objects lack"));
        }
        self.values = self.values.saturating_add(values);
        self.waiting.push(entries);
        self.bytes = self.bytes.saturating_add(line.len());
        self.read = self.read.saturating_add(1);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let options = &self.reading.options;
        self.waiting.len() >= options.batch_rows
            || self.bytes >= options.batch_bytes
            || self.values >= MOST_VALUES
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        (self.bytes, self.values) = (0, 0);
        let rows = std::mem::take(&mut self.waiting);
        let objects = rows.iter().map(|entries| Some(entries.as_slice())).collect::<Vec<_>>();
        let arrays = column::arrays(&self.columns, &self.places, &objects)?;
        RecordBatch::try_new(Arc::clone(&self.reading.schema), arrays).map_err(Error::internal)
    }
}

//! NDJSON whose columns are known: all of its lines are rows, or none is taken.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{Fields, Schema};

use super::super::rejects::shown;
use super::column;
use super::scalar::Spelling;
use super::value::Json;
use super::{MOST_VALUES_OF_LINE, entries};
use crate::error::{Error, ErrorKind, Result};

/// The rows in `body` as values of `fields`, spelled as results are; NULL where a line lacks a column.
///
/// # Errors
///
/// `column_not_found` for a key that is none of `fields`, and `invalid_request` for anything else, with the line.
pub(in crate::ingest) fn rows_of(body: &[u8], fields: &Fields) -> Result<RecordBatch> {
    let columns = column::columns(fields, Spelling::Results);
    let places = column::places(&columns);
    let (mut rows, mut values) = (Vec::new(), 0_usize);
    for (number, line) in (1_u64..).zip(body.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let told = |why: String| Error::invalid_request(format!("line {number}: {why}"));
        let entries = entries(line).map_err(told)?;
        if let Some((key, _)) = entries.iter().find(|(key, _)| !places.contains_key(key)) {
            let text = format!("line {number}: column not found: `{}`", shown(key));
            return Err(Error::new(ErrorKind::ColumnNotFound, text));
        }
        column::refuse(&columns, &places, &entries).map_err(|fault| told(fault.to_string()))?;
        let given = |name: &str| entries.iter().any(|(key, value)| key == name && *value != Json::Null);
        if let Some(field) = fields.iter().find(|field| !field.is_nullable() && !given(field.name())) {
            return Err(told(format!("`{}` must have a value", field.name())));
        }
        values = values.saturating_add(column::items(&columns, &places, &entries));
        if values > MOST_VALUES_OF_LINE {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                "the lists of these rows need more memory than one request may hold: send fewer at once",
            ));
        }
        rows.push(entries);
    }
    let objects = rows.iter().map(|entries| Some(entries.as_slice())).collect::<Vec<_>>();
    let unfit =
        |cause| Error::invalid_request("a value inside of another must not be missing").with_source(cause);
    let arrays = column::arrays(&columns, &places, &objects).map_err(unfit)?;
    RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), arrays).map_err(Error::internal)
}

//! Columns of a source that look personal, by their names and by a few rows.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::personal::{Column, Finding, examine, is_telling};
use super::source::{Snapshot, SourceTable};
use crate::error::{Error, Result};

/// The longest value that is looked at, in letters.
const LETTERS: usize = 200;

/// The columns of `table` that look personal, each with what was found. At most `rows` rows are read. Where that fails, the
/// names alone are judged.
pub async fn personal_columns(
    snapshot: &mut dyn Snapshot,
    table: &SourceTable,
    rows: usize,
) -> Vec<(String, Finding)> {
    let telling = table.schema.fields().iter().filter(|field| is_telling(field.data_type()));
    let columns = telling.map(|field| field.name().clone()).collect::<Vec<_>>();
    let batches = match columns.is_empty() || rows == 0 {
        true => Vec::new(),
        false => snapshot.sample(table, &columns, rows).await.unwrap_or_else(|error| {
            // Its words may have a value.
            tracing::warn!(table = table.name, code = error.kind().code(), "a table could not be sampled");
            Vec::new()
        }),
    };
    let mut found = Vec::new();
    for (at, name) in columns.iter().enumerate() {
        let Some((_, field)) = table.schema.fields().find(name) else { continue };
        let values = batches.iter().map(|batch| texts(batch, at)).collect::<Result<Vec<_>>>();
        let values = values.map(|values| values.concat()).unwrap_or_default();
        let column = Column { table: &table.name, name, data_type: field.data_type(), values: &values };
        found.extend(examine(&column).map(|finding| (name.clone(), finding)));
    }
    found
}

/// The values of a column as texts, without NULL and what is empty.
fn texts(batch: &RecordBatch, at: usize) -> Result<Vec<String>> {
    let none = || Error::internal("a sample without its column");
    let column: &ArrayRef = batch.columns().get(at).ok_or_else(none)?;
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).map_err(Error::internal)?;
    let values = (0..column.len()).filter(|row| column.is_valid(*row));
    let text = |row| formatter.value(row).to_string().trim().chars().take(LETTERS).collect::<String>();
    Ok(values.map(text).filter(|text| !text.is_empty()).collect())
}

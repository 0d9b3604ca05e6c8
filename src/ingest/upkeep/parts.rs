//! The part of a table that a row belongs to: rows of different parts are never in one file.
//!
//! A part is told by the texts of its values, which stand in columns of their own behind those of the table while rows are
//! sorted. Files are then left out by the least and greatest values that the log has of them; the log has no partition
//! columns, and no reader needs to know of parts.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, partition};
use arrow_schema::{DataType, Schema};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use super::arrangement::{Partition, short};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::source::quoted;
use crate::ingest::spill::failed;

/// A table of more parts has small files, which are slower to read than large ones that hold all.
const MOST_PARTS: usize = 10_000;

/// The parts of a table, as columns of a statement.
pub(super) struct Parts {
    /// Expression and name of each.
    columns: Vec<(String, String)>,
}

impl Parts {
    /// Of a table with the columns of `schema`.
    pub fn new(partition: &[Partition], schema: &Schema) -> Self {
        let name = |at: usize| {
            let mut name = format!("part{at}");
            // The table may have a column of any name.
            while schema.column_with_name(&name).is_some() {
                name.push('_');
            }
            name
        };
        let columns = partition.iter().enumerate().map(|(at, partition)| (expression(partition), name(at)));
        Self { columns: columns.collect() }
    }

    /// How many columns they are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// The columns, to be selected.
    pub fn selected(&self) -> Vec<String> {
        self.columns.iter().map(|(expression, name)| format!("{expression} AS {}", quoted(name))).collect()
    }

    /// Their names, to be sorted by.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(_, name)| quoted(name)).collect()
    }

    /// The parts that the rows of `table` belong to, as they are told by [`Parts::of`].
    pub async fn of_rows(&self, session: &SessionContext, table: &str) -> Result<BTreeSet<String>> {
        if self.columns.is_empty() {
            return Ok(BTreeSet::from([short(&[])]));
        }
        let sql =
            format!("SELECT DISTINCT {} FROM {table} LIMIT {}", self.selected().join(", "), MOST_PARTS + 1);
        let mut rows = session.sql(&sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let mut parts = BTreeSet::new();
        while let Some(batch) = rows.try_next().await.map_err(failed)? {
            for row in 0..batch.num_rows() {
                parts.insert(told(batch.columns(), row)?);
            }
        }
        match parts.len() > MOST_PARTS {
            true => Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the rows would be in more than {MOST_PARTS} parts: choose coarser ones"),
            )),
            false => Ok(parts),
        }
    }

    /// The rows of `batch`, which ends with the columns of the parts, as ranges of rows of one part, with what tells it.
    pub fn of(&self, batch: &RecordBatch) -> Result<Vec<(String, Range<usize>)>> {
        let (_, columns) = batch.columns().split_at(batch.num_columns().saturating_sub(self.columns.len()));
        if columns.is_empty() {
            return Ok(vec![(short(&[]), 0..batch.num_rows())]);
        }
        let ranges = partition(columns).map_err(Error::internal)?.ranges();
        ranges.into_iter().map(|range| Ok((told(columns, range.start)?, range))).collect()
    }
}

/// A text of the part that a row belongs to.
fn expression(partition: &Partition) -> String {
    let column = quoted(&partition.column);
    match partition.part {
        Some(part) => format!("CAST(date_trunc('{}', {column}) AS VARCHAR)", part.name()),
        None => format!("CAST({column} AS VARCHAR)"),
    }
}

/// A few letters that stand for the part with the values that `columns` have in `row`.
fn told(columns: &[ArrayRef], row: usize) -> Result<String> {
    let value = |column: &ArrayRef| {
        let column = cast(&column.slice(row, 1), &DataType::Utf8).map_err(Error::internal)?;
        let texts = column.as_string::<i32>();
        Ok(texts.is_valid(0).then(|| texts.value(0).to_owned()))
    };
    let values = columns.iter().map(value).collect::<Result<Vec<_>>>()?;
    Ok(short(&serde_json::to_vec(&values).map_err(Error::internal)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;
    use arrow_schema::Field;

    use super::*;

    fn batch(columns: &[&[Option<&str>]]) -> RecordBatch {
        let named = |(at, column): (usize, &&[Option<&str>])| {
            (format!("c{at}"), Arc::new(StringArray::from(column.to_vec())) as ArrayRef)
        };
        RecordBatch::try_from_iter_with_nullable(
            columns.iter().enumerate().map(named).map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    fn parts(columns: &[&str]) -> Parts {
        let partition = columns.iter().map(|name| Partition { column: (*name).to_owned(), part: None });
        Parts::new(&partition.collect::<Vec<_>>(), &Schema::empty())
    }

    #[test]
    fn values_that_read_alike_when_put_together_are_different_parts() {
        let rows = batch(&[
            &[Some("a"), Some("a,b"), Some("a\",\"b"), None, Some("null"), Some("")],
            &[Some("b,c"), Some("c"), Some("c"), None, None, None],
        ]);
        let found = parts(&["c0", "c1"]).of(&rows).unwrap();
        let names = found.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
        assert_eq!((found.len(), names.len()), (6, 6));
    }

    #[test]
    fn rows_of_one_part_are_one_range() {
        let rows = batch(&[&[Some("x"); 4], &[Some("a"), Some("a"), None, None]]);
        let found = parts(&["c1"]).of(&rows).unwrap();
        assert_eq!(found.iter().map(|(_, range)| range.clone()).collect::<Vec<_>>(), [0..2, 2..4]);
        assert_eq!(parts(&[]).of(&rows).unwrap().len(), 1);
    }

    #[test]
    fn a_column_of_the_name_of_a_part_stays_itself() {
        let schema = Schema::new(vec![Field::new("part0", DataType::Utf8, true)]);
        let partition = Partition { column: "part0".to_owned(), part: None };
        assert_eq!(Parts::new(&[partition], &schema).selected(), [r#"CAST("part0" AS VARCHAR) AS "part0_""#]);
    }
}

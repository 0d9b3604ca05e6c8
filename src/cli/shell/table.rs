//! Results as aligned columns.
//!
//! The widths come from the first rows, and all others are written as they arrive: a result of any length needs the
//! memory of its first rows. Cells cannot speak to the terminal: control characters are written as escapes.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use unicode_width::UnicodeWidthStr;

/// How many rows are looked at for the widths.
const SAMPLE: usize = 1000;

/// Writes batches as one table.
pub struct TableWriter<W: Write> {
    out: W,
    schema: SchemaRef,
    /// The rows that wait for the widths; `None` once the widths are known.
    sample: Option<Vec<Vec<String>>>,
    widths: Vec<usize>,
}

impl<W: Write> TableWriter<W> {
    /// A table with these columns.
    pub fn new(schema: SchemaRef, out: W) -> Self {
        let widths = schema.fields().iter().map(|field| printable(field.name()).width()).collect();
        Self { out, schema, sample: Some(Vec::new()), widths }
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let options = FormatOptions::new().with_null("NULL").with_display_error(true);
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(io::Error::other)?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| printable(&column.value(row).to_string())).collect();
            self.add(cells)?;
        }
        Ok(())
    }

    /// Writes what still waits. A result without columns or rows has a header too.
    pub fn finish(mut self) -> io::Result<()> {
        self.settle()
    }

    fn add(&mut self, cells: Vec<String>) -> io::Result<()> {
        let Some(sample) = &mut self.sample else { return self.line(&cells) };
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.width());
        }
        sample.push(cells);
        if sample.len() < SAMPLE { Ok(()) } else { self.settle() }
    }

    /// The widths are final: writes the header and the rows that waited.
    fn settle(&mut self) -> io::Result<()> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        let names: Vec<_> = self.schema.fields().iter().map(|field| printable(field.name())).collect();
        self.line(&names)?;
        let rule: Vec<_> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(self.out, "{}", rule.join("+"))?;
        sample.iter().try_for_each(|cells| self.line(cells))
    }

    /// Numbers stand right, so that their digits stand below each other.
    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), field) in cells.iter().zip(&self.widths).zip(self.schema.fields()) {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            let right = field.data_type().is_numeric();
            let (before, after) = if right { (space.as_str(), "") } else { ("", space.as_str()) };
            if !line.is_empty() {
                line.push('|');
            }
            line.extend([" ", before, cell, after, " "]);
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};

    fn batch(ids: Vec<Option<i64>>, names: Vec<&str>) -> RecordBatch {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0; ids.len()]));
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        let names: ArrayRef = Arc::new(StringArray::from(names));
        RecordBatch::try_from_iter_with_nullable([
            ("id", ids, true),
            ("name", names, true),
            ("day", days, true),
        ])
        .unwrap()
    }

    fn table(batches: &[RecordBatch]) -> String {
        let mut out = Vec::new();
        let mut writer = TableWriter::new(batch(vec![], vec![]).schema(), &mut out);
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_numbers_right() {
        let rows = batch(vec![Some(7), Some(1234), None], vec!["ana", "日本", "a\u{1b}[31m\nb"]);
        let expected = [
            "   id | name           | day",
            "------+----------------+------------",
            "    7 | ana            | 1970-01-01",
            " 1234 | 日本           | 1970-01-01",
            " NULL | a\\u{1b}[31m\\nb | 1970-01-01",
            "",
        ];
        assert_eq!(table(&[rows]), expected.join("\n"));
    }

    #[test]
    fn a_result_without_rows_shows_its_columns() {
        assert_eq!(table(&[]), " id | name | day\n----+------+-----\n");
    }

    #[test]
    fn widths_come_from_the_first_rows_and_later_ones_are_not_cut() {
        let mut names = vec!["ab"; SAMPLE];
        names.push("longer than all before");
        let text = table(&[batch(vec![Some(1); SAMPLE + 1], names)]);
        assert_eq!(text.lines().count(), SAMPLE + 3);
        assert_eq!(text.lines().nth(2), Some("  1 | ab   | 1970-01-01"));
        assert_eq!(text.lines().last(), Some("  1 | longer than all before | 1970-01-01"));
    }
}

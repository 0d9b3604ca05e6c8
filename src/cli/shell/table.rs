//! Results as aligned columns, or as records with a line for each value.
//!
//! The widths come from the first rows, and all others are written as they arrive: a result of any length needs the
//! memory of its first rows. Cells cannot speak to the terminal: control characters are written as escapes.

use std::borrow::Cow;
use std::io::{self, Write};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use unicode_width::UnicodeWidthStr;

use super::style::{Paint, Style};

/// How many rows are looked at for the widths.
const SAMPLE: usize = 1000;

const NULL: &str = "NULL";

/// A cell as it is shown; `None` is NULL.
type Cell = Option<String>;

/// Writes batches as one table.
pub struct TableWriter<W: Write> {
    out: W,
    schema: SchemaRef,
    style: Style,
    /// The rows that wait for the widths; `None` once the widths are known.
    sample: Option<Vec<Vec<Cell>>>,
    widths: Vec<usize>,
}

impl<W: Write> TableWriter<W> {
    /// A table with these columns.
    pub fn new(schema: SchemaRef, out: W) -> Self {
        let widths = schema.fields().iter().map(|field| printable(field.name()).width()).collect();
        Self { out, schema, style: Style::default(), sample: Some(Vec::new()), widths }
    }

    /// With headings and NULLs that differ from the rest.
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        each_row(batch, |cells| self.add(cells))
    }

    /// Writes what still waits. A result without columns or rows has a header too.
    pub fn finish(mut self) -> io::Result<()> {
        self.settle()
    }

    fn add(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        let Some(sample) = &mut self.sample else { return self.line(&cells) };
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(shown(cell).width());
        }
        sample.push(cells);
        if sample.len() < SAMPLE { Ok(()) } else { self.settle() }
    }

    /// The widths are final: writes the header and the rows that waited.
    fn settle(&mut self) -> io::Result<()> {
        let Some(sample) = self.sample.take() else { return Ok(()) };
        let names: Vec<_> = self.schema.fields().iter().map(|field| printable(field.name())).collect();
        self.aligned(names.iter().map(|name| (name.as_str(), Some(Paint::Heading))))?;
        let rule: Vec<_> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(self.out, "{}", rule.join("+"))?;
        sample.iter().try_for_each(|cells| self.line(cells))
    }

    fn line(&mut self, cells: &[Cell]) -> io::Result<()> {
        self.aligned(cells.iter().map(|cell| (shown(cell), cell.is_none().then_some(Paint::Faint))))
    }

    /// Numbers stand right, so that their digits stand below each other.
    fn aligned<'a>(&mut self, cells: impl Iterator<Item = (&'a str, Option<Paint>)>) -> io::Result<()> {
        let (mut line, mut has_begun) = (String::new(), false);
        let last = self.widths.len().saturating_sub(1);
        for (position, (((text, paint), width), field)) in
            cells.zip(&self.widths).zip(self.schema.fields()).enumerate()
        {
            let space = " ".repeat(width.saturating_sub(text.width()));
            let right = field.data_type().is_numeric();
            let (before, after) = if right { (space.as_str(), "") } else { ("", space.as_str()) };
            let painted = paint.map_or(Cow::Borrowed(text), |paint| self.style.paint(paint, text));
            if has_begun {
                line.push('|');
            }
            has_begun = true;
            line.extend([" ", before, painted.as_ref()]);
            if position < last {
                line.extend([after, " "]);
            }
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// Writes batches as records, which is how wide rows can be read.
pub struct RecordWriter<W: Write> {
    out: W,
    names: Vec<String>,
    /// Of the longest name.
    width: usize,
    style: Style,
    count: u64,
}

impl<W: Write> RecordWriter<W> {
    /// Records with these columns.
    pub fn new(schema: &SchemaRef, out: W, style: Style) -> Self {
        let names: Vec<_> = schema.fields().iter().map(|field| printable(field.name())).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
        Self { out, names, width, style, count: 0 }
    }

    /// Adds rows.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        each_row(batch, |cells| {
            self.count += 1;
            let title = format!("-[ record {} ]-", self.count);
            writeln!(self.out, "{}", self.style.paint(Paint::Faint, &title))?;
            for (name, cell) in self.names.iter().zip(&cells) {
                let space = " ".repeat(self.width.saturating_sub(name.width()));
                let name = self.style.paint(Paint::Heading, name);
                let value = match cell {
                    Some(text) => Cow::Borrowed(text.as_str()),
                    None => self.style.paint(Paint::Faint, NULL),
                };
                writeln!(self.out, "{}", format!("{name}{space} | {value}").trim_end())?;
            }
            Ok(())
        })
    }
}

fn each_row(batch: &RecordBatch, mut row: impl FnMut(Vec<Cell>) -> io::Result<()>) -> io::Result<()> {
    let options = FormatOptions::new().with_null(NULL).with_display_error(true);
    let columns = batch
        .columns()
        .iter()
        .map(|column| Ok((ArrayFormatter::try_new(column, &options)?, column.logical_nulls())))
        .collect::<Result<Vec<_>, arrow::error::ArrowError>>()
        .map_err(io::Error::other)?;
    for position in 0..batch.num_rows() {
        let cells = columns.iter().map(|(values, nulls)| {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(position));
            (!is_null).then(|| printable(&values.value(position).to_string()))
        });
        row(cells.collect())?;
    }
    Ok(())
}

fn shown(cell: &Cell) -> &str {
    cell.as_deref().unwrap_or(NULL)
}

/// A text that cannot speak to the terminal.
pub fn printable(text: &str) -> String {
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

    fn table(batches: &[RecordBatch], style: Style) -> String {
        let mut out = Vec::new();
        let mut writer = TableWriter::new(batch(vec![], vec![]).schema(), &mut out).styled(style);
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
        assert_eq!(table(&[rows], Style::default()), expected.join("\n"));
    }

    #[test]
    fn colours_change_no_column() {
        let rows = || batch(vec![None, Some(1)], vec!["NULL", ""]);
        let coloured = table(&[rows()], Style::always());
        assert!(coloured.contains("\x1b[2mNULL\x1b[0m | NULL |"), "{coloured}");
        let plain =
            ["\x1b[0m", "\x1b[1m", "\x1b[2m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, table(&[rows()], Style::default()));
    }

    #[test]
    fn a_result_without_rows_shows_its_columns() {
        assert_eq!(table(&[], Style::default()), " id | name | day\n----+------+-----\n");
    }

    #[test]
    fn a_record_has_a_line_for_each_value() {
        let rows = batch(vec![Some(7), None], vec!["ana", "b\n"]);
        let mut out = Vec::new();
        RecordWriter::new(&rows.schema(), &mut out, Style::default()).write(&rows).unwrap();
        let expected = "-[ record 1 ]-\nid   | 7\nname | ana\nday  | 1970-01-01\n\
            -[ record 2 ]-\nid   | NULL\nname | b\\n\nday  | 1970-01-01\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn widths_come_from_the_first_rows_and_later_ones_are_not_cut() {
        let mut names = vec!["ab"; SAMPLE];
        names.push("longer than all before");
        let text = table(&[batch(vec![Some(1); SAMPLE + 1], names)], Style::default());
        assert_eq!(text.lines().count(), SAMPLE + 3);
        assert_eq!(text.lines().nth(2), Some("  1 | ab   | 1970-01-01"));
        assert_eq!(text.lines().last(), Some("  1 | longer than all before | 1970-01-01"));
    }
}

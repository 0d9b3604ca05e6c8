//! Which rows of a table are read, as a condition in the words of its source.

use arrow_schema::DataType;

use super::{SourceTable, required};
use crate::error::Result;
use crate::ingest::mode::Overlap;

/// Which rows of a table are read, and which of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub since: Option<Since>,
    pub marked: Option<Marked>,
    /// These columns alone, in this order; all when empty.
    pub columns: Vec<String>,
}

/// Rows behind a bookmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    pub columns: Vec<String>,
    /// As [`Snapshot::reached`](super::Snapshot::reached) gave them.
    pub values: Vec<String>,
    /// Whether rows at the bookmark itself are read again, and those that have none.
    pub inclusive: bool,
    pub overlap: Option<Overlap>,
}

/// Rows that a column marks as deleted, or those that it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    pub column: String,
    pub deleted: bool,
}

/// How a source writes what a condition is made of.
pub(super) trait Spelling {
    /// The table, with its schema where there is one.
    fn table(&self, table: &SourceTable) -> String;
    /// A value as the text that [`value`](Self::value) takes.
    fn text(&self, name: &str) -> String;
    /// The condition that a value can be a bookmark.
    fn is_bookmark(&self, column: &str) -> String {
        format!("{} IS NOT NULL", self.name(column))
    }
    /// The column's name.
    fn name(&self, column: &str) -> String;
    /// A value of the column.
    fn value(&self, column: &str, value: &str) -> Result<String>;
    /// What is `by` before `value`.
    fn before(&self, value: &str, by: Overlap) -> Result<String>;
}

impl Selection {
    /// The condition that the rows of `table` meet; none when all are read.
    pub(super) fn condition(&self, table: &SourceTable, spelling: &dyn Spelling) -> Result<Option<String>> {
        let since = self.since.as_ref().map(|since| since.condition(spelling)).transpose()?;
        let marked = self.marked.as_ref().map(|marked| marked.condition(table, spelling)).transpose()?;
        let parts = since.into_iter().chain(marked).collect::<Vec<_>>();
        Ok((!parts.is_empty()).then(|| parts.join(" AND ")))
    }
}

/// The statement that gives the greatest values of `columns` as texts, in one row at most.
pub(super) fn furthest(table: &SourceTable, columns: &[String], spelling: &dyn Spelling) -> String {
    let listed = |form: &dyn Fn(&str) -> String, between: &str| {
        columns.iter().map(|column| form(column)).collect::<Vec<_>>().join(between)
    };
    format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1",
        listed(&|column| spelling.text(&spelling.name(column)), ", "),
        spelling.table(table),
        listed(&|column| spelling.is_bookmark(column), " AND "),
        listed(&|column| format!("{} DESC", spelling.name(column)), ", "),
    )
}

impl Since {
    fn condition(&self, spelling: &dyn Spelling) -> Result<String> {
        let names = self.columns.iter().map(|column| spelling.name(column)).collect::<Vec<_>>();
        let value = |(column, value): (&String, &String)| {
            let value = spelling.value(column, value)?;
            self.overlap.map_or(Ok(value.clone()), |by| spelling.before(&value, by))
        };
        let values = self.columns.iter().zip(&self.values).map(value).collect::<Result<Vec<_>>>()?;
        let listed = |parts: &[String]| match parts {
            [one] => one.clone(),
            many => format!("({})", many.join(", ")),
        };
        let (names_listed, values) = (listed(&names), listed(&values));
        if !self.inclusive {
            return Ok(format!("{names_listed} > {values}"));
        }
        let missing = names.iter().map(|name| format!(" OR {name} IS NULL")).collect::<String>();
        Ok(format!("({names_listed} >= {values}{missing})"))
    }
}

impl Marked {
    fn condition(&self, table: &SourceTable, spelling: &dyn Spelling) -> Result<String> {
        let name = spelling.name(&self.column);
        let field = required(table, &self.column)?;
        Ok(match (field.data_type(), self.deleted) {
            (DataType::Boolean, true) => format!("COALESCE({name}, false) = true"),
            (DataType::Boolean, false) => format!("COALESCE({name}, false) = false"),
            (data_type, true) if data_type.is_numeric() => format!("COALESCE({name}, 0) <> 0"),
            (data_type, false) if data_type.is_numeric() => format!("COALESCE({name}, 0) = 0"),
            (_, true) => format!("{name} IS NOT NULL"),
            (_, false) => format!("{name} IS NULL"),
        })
    }
}

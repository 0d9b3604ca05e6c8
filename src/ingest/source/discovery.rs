//! What a source has: its schemas, tables, columns, keys and comments, told without reading a row of a table.
//!
//! It is held whole, so its memory grows with the names and comments of the source's catalog, and with nothing else of it.
//! A table that cannot be brought in is listed too, with the reason.

use arrow_schema::DataType;

use super::SourceTable;
use super::pattern::{self, Found};
use crate::error::Result;

/// What a source has.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// All of them, also those without a table that is meant. None of a source that has no schemas.
    pub schemas: Vec<SourceSchema>,
    pub tables: Vec<DiscoveredTable>,
}

/// A schema of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSchema {
    pub name: String,
    pub comment: Option<String>,
}

/// A table or view of a source.
#[derive(Debug, Clone)]
pub struct DiscoveredTable {
    pub schema: Option<String>,
    pub name: String,
    pub kind: TableKind,
    pub comment: Option<String>,
    /// About how many rows it has, where the source keeps count.
    pub estimate: Option<u64>,
    pub columns: Vec<DiscoveredColumn>,
    /// The columns of its primary key, in the key's order.
    pub key: Vec<String>,
    pub foreign_keys: Vec<ForeignKey>,
    /// Why it cannot be read, whatever its columns are.
    pub unreadable: Option<String>,
    /// Whether the source gives this account only some of its rows.
    pub shows_some_rows: bool,
}

/// What a table is in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
    MaterializedView,
    /// Its rows lie in another system.
    ForeignTable,
}

/// A column of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredColumn {
    pub name: String,
    /// As its source writes it; none of a source whose types are those of the lake.
    pub source_type: Option<String>,
    /// What it becomes in the lake, or why nothing.
    pub lake_type: std::result::Result<DataType, String>,
    /// Whether it may be NULL in the source.
    pub nullable: bool,
    pub comment: Option<String>,
}

/// Columns whose values are in another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub columns: Vec<String>,
    /// The other table's schema, where the source has schemas.
    pub schema: Option<String>,
    pub table: String,
    /// The columns there, each beside its own.
    pub references: Vec<String>,
}

impl Discovery {
    /// The same without the tables that `exclude` means.
    ///
    /// # Errors
    ///
    /// `not_found` for a name among them that is no table here.
    pub fn without(self, exclude: &[String]) -> Result<Self> {
        let tables = pattern::without(self.tables, exclude, |table| (table.schema.as_deref(), &table.name))?;
        Ok(Self { tables, ..self })
    }
}

impl DiscoveredTable {
    /// Its name with its schema, where it has one.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Why it cannot be brought in; none when it can.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        let column = || self.columns.iter().find_map(|column| column.lake_type.as_ref().err());
        self.unreadable.as_ref().or_else(column).map(String::as_str)
    }

    /// As [`pattern::choose`] has it.
    pub(super) fn found(&self) -> Found {
        Found { schema: self.schema.clone(), name: self.name.clone() }
    }
}

/// What a source says that has no catalog beside its tables.
impl From<&SourceTable> for DiscoveredTable {
    fn from(table: &SourceTable) -> Self {
        let column = |field: &arrow_schema::FieldRef| DiscoveredColumn {
            name: field.name().clone(),
            source_type: None,
            lake_type: Ok(field.data_type().clone()),
            nullable: table.optional.contains(field.name()),
            comment: None,
        };
        Self {
            schema: table.schema_name.clone(),
            name: table.name.clone(),
            kind: TableKind::Table,
            comment: None,
            estimate: table.estimate,
            columns: table.schema.fields().iter().map(column).collect(),
            key: table.key.clone(),
            foreign_keys: Vec::new(),
            unreadable: table.problem.clone(),
            shows_some_rows: false,
        }
    }
}

/// An account's missing rights on a table: `usage` of its schema, and the `columns` that it may not read of `all`.
pub(super) fn missing_rights(
    schema: &str,
    has_usage: bool,
    columns: &[String],
    all: usize,
) -> Option<String> {
    if !has_usage {
        return Some(format!("the account may not use the schema `{schema}`"));
    }
    match (columns, columns.len() == all) {
        ([], _) => None,
        (_, true) => Some("the account may not read it".to_owned()),
        ([one], false) => Some(format!("the account may not read the column `{one}`")),
        (many, false) => Some(format!("the account may not read the columns `{}`", many.join("`, `"))),
    }
}

/// A comment that says something.
pub(super) fn said(comment: Option<String>) -> Option<String> {
    comment.filter(|comment| !comment.trim().is_empty())
}

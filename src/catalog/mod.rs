//! The catalog: from a table's name to its published version in the lake.
//!
//! It says what a name stands for, and never whether the reader may know: that is decided before anybody asks here.

mod current;
mod descriptions;
mod proposals;
pub mod publish;
pub mod register;
pub mod version;
pub mod widening;

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Fields};
use datafusion::catalog::TableProvider;

use crate::error::{Error, ErrorKind, Result};
use crate::lake::{FileFormat, Lake, TableFiles};
use crate::policy::decision::ColumnShape;
use crate::policy::model::TableName;
pub use crate::store::record::{Bookmark, Description, Reference, TableRecord, TakenFile};
use crate::store::record::{Format, State, Versioned};

/// The table called `name`, with the revision that a change of it has to know.
pub fn resolve<'a>(state: &'a State, name: &TableName) -> Result<&'a Versioned<Arc<TableRecord>>> {
    let not_found = || Error::new(ErrorKind::TableNotFound, format!("table not found: `{name}`"));
    state.tables.get(name).ok_or_else(not_found)
}

/// What reads the published version of the table.
pub async fn provider(lake: &Lake, record: &TableRecord) -> Result<Arc<dyn TableProvider>> {
    lake.provider(&files(record)).await
}

/// The files that make the published version of the table.
pub fn files(record: &TableRecord) -> TableFiles {
    TableFiles {
        location: record.location.clone(),
        format: file_format(record.format),
        version: record.version,
        schema: record.schema.clone(),
        partition_columns: record.partition_columns.clone(),
    }
}

fn file_format(format: Format) -> FileFormat {
    match format {
        Format::Delta => FileFormat::Delta,
        Format::Parquet => FileFormat::Parquet,
        Format::Csv => FileFormat::Csv,
        Format::Ndjson => FileFormat::Ndjson,
    }
}

/// The columns as the policy knows them: names, and the fields of structs.
pub fn shapes(fields: &Fields) -> Vec<ColumnShape> {
    let shape = |field: &FieldRef| ColumnShape {
        name: field.name().clone(),
        fields: match field.data_type() {
            DataType::Struct(fields) => shapes(fields),
            _ => Vec::new(),
        },
    };
    fields.iter().map(shape).collect()
}

//! Making an existing folder a table: its columns are found once and then rule.

use chrono::Utc;
use uuid::Uuid;

use super::file_format;
use super::publish::Catalog;
use crate::error::{Error, Result};
use crate::lake::{FileFormat, Lake};
use crate::policy::model::TableName;
use crate::store::record::{Format, TableRecord};

/// Publishes the folder at `location` as the table `name`. A table that was registered before from the same folder
/// is read anew: its columns and, of a Delta table, its newest version. Whoever calls this may read any folder that
/// the process can read, so only administrators may.
pub async fn register(
    catalog: &Catalog,
    lake: &Lake,
    name: &TableName,
    location: &str,
    format: Format,
) -> Result<TableRecord> {
    let location = location.trim_end_matches('/');
    let before = catalog.find(name).await?;
    if let Some(before) = &before
        && (before.value.location != location || before.value.format != format)
    {
        return Err(Error::conflict(format!(
            "`{name}` is another table already: drop it first or choose a name"
        )));
    }
    let found = lake.inspect(location, file_format(format)).await?;
    unique_columns(name, found.schema.fields().iter().map(|field| field.name()))?;
    let now = Utc::now();
    let table = TableRecord {
        bookmark: None,
        id: before.as_ref().map_or_else(|| Uuid::new_v4().to_string(), |before| before.value.id.clone()),
        name: name.clone(),
        location: location.to_owned(),
        format: published_format(found.format),
        version: found.version,
        schema: found.schema,
        partition_columns: found.partition_columns,
        comment: before.as_ref().and_then(|before| before.value.comment.clone()),
        created_at: before.as_ref().map_or(now, |before| before.value.created_at),
        updated_at: now,
    };
    catalog.publish(table.clone(), before.map(|before| before.revision)).await?;
    Ok(table)
}

/// Two columns of one name cannot be told apart by a rule.
fn unique_columns<'a>(table: &TableName, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::invalid_request(format!("`{table}` would have two columns called `{name}`")));
        }
    }
    Ok(())
}

fn published_format(format: FileFormat) -> Format {
    match format {
        FileFormat::Delta => Format::Delta,
        FileFormat::Parquet => Format::Parquet,
        FileFormat::Csv => Format::Csv,
        FileFormat::Ndjson => Format::Ndjson,
    }
}

//! The tree of databases, tables and columns, in the form that ADBC prescribes.

use std::collections::BTreeMap;
use std::sync::Arc;

use adbc_core::error::Result;
use adbc_core::options::ObjectDepth;
use adbc_core::schemas::GET_OBJECTS_SCHEMA;
use arrow::array::RecordBatch;
use arrow::json::ReaderBuilder;
use lakegate_client::blocking::DatabaseMetaData;
use lakegate_client::{TableColumn, TypeInfo};
use serde_json::{Value as Json, json};

use crate::fault::of_client;
use crate::reader::{Reader, one};

/// What of the tree is asked for; names are patterns of LIKE.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub depth: ObjectDepth,
    pub catalog: Option<&'a str>,
    pub database: Option<&'a str>,
    pub table: Option<&'a str>,
    pub table_type: Option<Vec<&'a str>>,
    pub column: Option<&'a str>,
}

impl Wanted<'_> {
    fn has_tables(&self) -> bool {
        !matches!(self.depth, ObjectDepth::Catalogs | ObjectDepth::Schemas)
    }

    fn has_columns(&self) -> bool {
        matches!(self.depth, ObjectDepth::All | ObjectDepth::Columns)
    }
}

/// The tree, as deep as it is wanted.
pub(crate) fn objects(metadata: &DatabaseMetaData, wanted: &Wanted<'_>) -> Result<Reader> {
    let mut catalogs = Vec::new();
    for catalog in metadata.catalogs().into_iter().filter(|catalog| like(catalog, wanted.catalog)) {
        let databases = match wanted.depth {
            ObjectDepth::Catalogs => Json::Null,
            _ => Json::Array(databases(metadata, wanted).map_err(|error| of_client(&error))?),
        };
        catalogs.push(json!({ "catalog_name": catalog, "catalog_db_schemas": databases }));
    }
    let mut decoder = ReaderBuilder::new(Arc::clone(&GET_OBJECTS_SCHEMA)).build_decoder()?;
    for catalog in catalogs {
        // Read back from its text: handed over as they are, numbers of any precision are none to the decoder.
        decoder.decode(catalog.to_string().as_bytes())?;
    }
    let batch = decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&GET_OBJECTS_SCHEMA)));
    Ok(one(batch))
}

fn databases(metadata: &DatabaseMetaData, wanted: &Wanted<'_>) -> lakegate_client::Result<Vec<Json>> {
    let mut tables = if wanted.has_tables() { tables(metadata, wanted)? } else { BTreeMap::new() };
    let names = metadata.databases(wanted.database)?.into_iter();
    let told = names.map(|name| {
        let tables = if wanted.has_tables() {
            Json::Array(tables.remove(&name).unwrap_or_default())
        } else {
            Json::Null
        };
        json!({ "db_schema_name": name, "db_schema_tables": tables })
    });
    Ok(told.collect())
}

/// By database.
fn tables(
    metadata: &DatabaseMetaData,
    wanted: &Wanted<'_>,
) -> lakegate_client::Result<BTreeMap<String, Vec<Json>>> {
    let mut columns = if wanted.has_columns() { columns(metadata, wanted)? } else { BTreeMap::new() };
    let mut found: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for table in metadata.tables(wanted.database, wanted.table)? {
        if wanted.table_type.as_ref().is_some_and(|types| !types.contains(&table.kind.as_str())) {
            continue;
        }
        let key = (table.database.clone(), table.name.clone());
        let (columns, constraints) = match wanted.has_columns() {
            true => (Json::Array(columns.remove(&key).unwrap_or_default()), json!([])),
            false => (Json::Null, Json::Null),
        };
        found.entry(table.database).or_default().push(json!({
            "table_name": table.name, "table_type": table.kind, "table_columns": columns,
            "table_constraints": constraints
        }));
    }
    Ok(found)
}

/// By database and table.
fn columns(
    metadata: &DatabaseMetaData,
    wanted: &Wanted<'_>,
) -> lakegate_client::Result<BTreeMap<(String, String), Vec<Json>>> {
    let types = metadata.type_info();
    let mut found: BTreeMap<(String, String), Vec<Json>> = BTreeMap::new();
    for column in metadata.columns(wanted.database, wanted.table, wanted.column)? {
        let told = described(&column, types);
        found.entry((column.database, column.table)).or_default().push(told);
    }
    Ok(found)
}

fn described(column: &TableColumn, types: &[TypeInfo]) -> Json {
    let (name, size) = shape(&column.type_name);
    let info = types.iter().find(|info| info.name == name);
    let (precision, scale) = match size {
        Some((precision, scale)) => (Some(precision), Some(scale)),
        None => info.map_or((None, None), |info| (info.precision, info.scale)),
    };
    let number = info.map(|info| info.jdbc_type);
    json!({
        "column_name": column.name,
        "ordinal_position": i32::try_from(column.position).unwrap_or(i32::MAX),
        "xdbc_data_type": number,
        "xdbc_sql_data_type": number,
        "xdbc_type_name": column.type_name,
        "xdbc_column_size": precision,
        "xdbc_decimal_digits": scale,
        "xdbc_num_prec_radix": precision.map(|_| 10),
        "xdbc_nullable": i16::from(column.nullable),
        "xdbc_is_nullable": if column.nullable { "YES" } else { "NO" },
        "xdbc_is_autoincrement": false,
        "xdbc_is_generatedcolumn": false,
    })
}

/// `decimal(10,2)` is `decimal`, with 10 digits of which 2 are behind the point.
fn shape(type_name: &str) -> (&str, Option<(u32, u32)>) {
    let end = type_name.find(['(', '<']).unwrap_or(type_name.len());
    let (name, rest) = type_name.split_at(end);
    let size = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|rest| {
        let (precision, scale) = rest.split_once(',')?;
        Some((precision.parse().ok()?, scale.parse().ok()?))
    });
    (name, size)
}

/// Whether a name is like `pattern`: `%` stands for anything, `_` for one character, and a backslash for the next itself.
fn like(name: &str, pattern: Option<&str>) -> bool {
    fn matches(name: &[u8], pattern: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'%', rest @ ..], []) => matches(&[], rest),
            ([b'%', rest @ ..], [_, tail @ ..]) => matches(name, rest) || matches(tail, pattern),
            ([b'_', rest @ ..], [_, tail @ ..]) => matches(tail, rest),
            ([b'\\', one, rest @ ..], [other, tail @ ..]) | ([one, rest @ ..], [other, tail @ ..]) => {
                one == other && matches(tail, rest)
            }
            _ => false,
        }
    }
    pattern.is_none_or(|pattern| matches(name.as_bytes(), pattern.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_like() {
        for (pattern, is) in [
            ("%", true),
            ("lake%", true),
            ("%gate%", true),
            ("l_kegate", true),
            ("lakegate", true),
            (r"l\akegate", true),
            (r"l\_kegate", false),
            ("lake", false),
            ("", false),
        ] {
            assert_eq!(like("lakegate", Some(pattern)), is, "{pattern}");
        }
        assert!(like("lakegate", None));
    }

    #[test]
    fn types_are_taken_apart() {
        assert_eq!(shape("decimal(10,2)"), ("decimal", Some((10, 2))));
        assert_eq!(shape("list<decimal(10,2)>"), ("list", None));
        assert_eq!(shape("bigint unsigned"), ("bigint unsigned", None));
    }
}

//! Paths of columns: `address.city` is the field `city` of the column `address`. Names are compared as they are.

use std::collections::BTreeSet;

use super::decision::{ColumnShape, join};

/// Whether `path` is `outer` or a field inside it.
pub fn is_at_or_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether `path` leads to a column or to a field of a struct.
pub fn has_path(columns: &[ColumnShape], path: &str) -> bool {
    columns.iter().any(|column| match path.strip_prefix(column.name.as_str()) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| has_path(&column.fields, rest)),
        None => false,
    })
}

/// The paths of everything in `columns` that has a value of its own.
pub fn leaf_paths(columns: &[ColumnShape]) -> BTreeSet<String> {
    fn collect(columns: &[ColumnShape], prefix: &str, paths: &mut BTreeSet<String>) {
        for column in columns {
            let path = join(prefix, &column.name);
            match column.fields.as_slice() {
                [] => drop(paths.insert(path)),
                fields => collect(fields, &path, paths),
            }
        }
    }
    let mut paths = BTreeSet::new();
    collect(columns, "", &mut paths);
    paths
}

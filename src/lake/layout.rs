//! How names become folders, and what Hive-style folder names say about partitions.

use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Hive's name for a partition value that is NULL.
pub(super) const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');

/// A name as one folder of a path: anything that could be read as more than a name is percent-encoded.
pub(super) fn segment(name: &str) -> String {
    let encoded = utf8_percent_encode(name, KEPT).to_string();
    // A folder called `.` or `..` would be another one.
    if encoded.chars().all(|letter| letter == '.') { encoded.replace('.', "%2E") } else { encoded }
}

/// Whether a file is data: names that start with `_` or `.` are logs, markers and leftovers of other systems.
pub(super) fn is_data(prefix: &Path, file: &Path) -> bool {
    file.prefix_match(prefix).is_some_and(|mut parts| {
        parts.all(|part| !part.as_ref().starts_with('.') && !part.as_ref().starts_with('_'))
    })
}

/// Whether a file belongs to the log of a Delta table in this folder.
pub(super) fn is_log(prefix: &Path, file: &Path) -> bool {
    file.prefix_match(prefix)
        .and_then(|mut parts| parts.next())
        .is_some_and(|part| part.as_ref() == "_delta_log")
}

/// The `key=value` folders between the table's folder and the file, outermost first.
pub(super) fn hive_values(prefix: &Path, file: &Path) -> Vec<(String, String)> {
    let Some(parts) = file.prefix_match(prefix) else { return Vec::new() };
    let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
    let folders = parts.split_last().map(|(_, folders)| folders).unwrap_or_default();
    folders
        .iter()
        .filter_map(|folder| folder.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_folder() {
        assert_eq!(segment("orders_2024"), "orders_2024");
        assert_eq!(segment("a/b"), "a%2Fb");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("größe"), "gr%C3%B6%C3%9Fe");
    }

    #[test]
    fn hive_folders_are_read_outermost_first() {
        let prefix = Path::from("lake/t");
        let file = Path::from("lake/t/year=2024/city=S%C3%A3o/part-0.parquet");
        let values = hive_values(&prefix, &file);
        assert_eq!(values[0], ("year".into(), "2024".into()));
        assert_eq!(values.len(), 2);
        assert!(is_data(&prefix, &file));
        assert!(!is_data(&prefix, &Path::from("lake/t/_delta_log/0.json")));
        assert!(is_log(&prefix, &Path::from("lake/t/_delta_log/0.json")) && !is_log(&prefix, &file));
        assert!(!is_data(&prefix, &Path::from("lake/t/_SUCCESS")));
        assert!(!is_data(&prefix, &Path::from("lake/other/x")));
    }
}

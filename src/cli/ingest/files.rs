//! How files are read that tables are brought in from, as arguments.

use std::path::PathBuf;

use crate::ingest::source::files::{CsvOptions, CsvTypes, FileOptions};
use crate::lake::Lake;

/// Arguments that are for files alone.
#[derive(Debug, clap::Args)]
pub(super) struct FileArgs {
    /// A new file for lines that are no rows; without it the first one stops its table.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// What stands between the values of CSV files: one character, or `tab`. Found out unless given.
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    csv_delimiter: Option<u8>,
    /// What the values of CSV files are.
    #[arg(long, value_enum, default_value_t = CsvTypes::Infer)]
    csv_types: CsvTypes,
}

impl FileArgs {
    /// With the object stores of `lake`.
    pub fn options(&self, lake: &Lake) -> FileOptions {
        FileOptions {
            lake: lake.clone(),
            csv: CsvOptions { delimiter: self.csv_delimiter, types: self.csv_types },
            rejects: self.rejects.clone(),
        }
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err(format!("`{text}` cannot stand between values: write one character as `;`, or `tab`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character_that_no_value_needs() {
        for (text, expected) in
            [(",", Some(b',')), ("tab", Some(b'\t')), ("\t", Some(b'\t')), ("|", Some(b'|'))]
        {
            assert_eq!(delimiter(text).ok(), expected, "{text}");
        }
        for text in ["", "\"", "\n", "ab", "a", "1", "ü"] {
            assert!(delimiter(text).is_err(), "{text:?}");
        }
    }
}

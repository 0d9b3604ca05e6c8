//! The lines that were not brought in, for whoever has to mend them: a file with one JSON object for each.
//!
//! Without such a file the first of them stops its table. What is counted as rejected is in the file, and on the disk
//! before the table's rows become visible.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::error::{Error, ErrorKind, Result};
use crate::lake;

/// How much of a line is in an error.
const SHOWN_LETTERS: usize = 80;

/// Where lines go that are not brought in.
#[derive(Debug)]
pub(super) enum Rejects {
    /// Nowhere: the first one stops its table.
    None,
    /// They are passed over: somebody only looks.
    Unnoticed,
    File(Opened),
}

#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    file: Mutex<BufWriter<File>>,
}

/// A line, or the lines of one record, that is not brought in.
pub(super) struct Bad<'a> {
    pub table: &'a str,
    pub url: &'a str,
    /// The number of its first line.
    pub line: u64,
    /// Without its end.
    pub text: &'a [u8],
    pub reason: &'a str,
    /// What helps, beside a file for such lines.
    pub advice: &'a str,
}

impl Rejects {
    /// The file at `path`, which must be new: rows of an earlier run may be in another one.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::None) };
        // Rows of the source are in it, so it is its owner's alone.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|cause| {
            Error::invalid_request(format!(
                "the file for rejected lines `{}` cannot be made, it must be new: {cause}",
                path.display()
            ))
        })?;
        Ok(Self::File(Opened { path: path.to_owned(), file: Mutex::new(BufWriter::new(file)) }))
    }

    /// Writes it down and says how many lines it is; an error when there is no place for it.
    pub fn take(&self, bad: &Bad<'_>) -> Result<u64> {
        let opened = match self {
            Self::None => return Err(bad.error()),
            Self::Unnoticed => return Ok(0),
            Self::File(opened) => opened,
        };
        let mut file = opened.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = 0;
        for (number, line) in (bad.line..).zip(bad.text.split(|byte| *byte == b'\n')) {
            let mut entry = bad.entry(number, line.strip_suffix(b"\r").unwrap_or(line)).to_string();
            entry.push('\n');
            file.write_all(entry.as_bytes()).map_err(|cause| opened.failed(cause))?;
            lines += 1;
        }
        Ok(lines)
    }

    /// Makes sure that all of it is on the disk.
    pub fn keep(&self) -> Result<()> {
        let Self::File(opened) = self else { return Ok(()) };
        let mut file = opened.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.flush().and_then(|()| file.get_ref().sync_data()).map_err(|cause| opened.failed(cause))
    }
}

impl Opened {
    fn failed(&self, cause: std::io::Error) -> Error {
        lake::write_failed(&self.path.display().to_string(), cause)
    }
}

impl Bad<'_> {
    fn entry(&self, number: u64, line: &[u8]) -> serde_json::Value {
        let mut entry = json!({
            "table": self.table, "file": self.url, "line": number, "reason": self.reason,
            "text": String::from_utf8_lossy(line),
        });
        if std::str::from_utf8(line).is_err()
            && let Some(entry) = entry.as_object_mut()
        {
            entry.insert("base64".to_owned(), STANDARD.encode(line).into());
        }
        entry
    }

    fn error(&self) -> Error {
        Error::new(
            ErrorKind::QueryFailed,
            format!(
                "`{}` line {}: {}; `--rejects FILE` puts such lines into a file and goes on{}",
                self.url, self.line, self.reason, self.advice
            ),
        )
    }
}

/// A value as an error or a reason shows it.
pub(super) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_LETTERS) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

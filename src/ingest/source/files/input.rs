//! The bytes of a text file with a look ahead that grows as far as one record needs, and no farther than a bound.

use std::io::{ErrorKind, Read};

use super::object::Object;
use crate::error::{self, Error, Result};

/// How long one record may be, in bytes. It is held in memory.
pub(super) const RECORD_BYTES: usize = 64 * 1024 * 1024;

const READ_BYTES: usize = 256 * 1024;

const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A text file that is read from its beginning.
pub(super) struct Input {
    object: Object,
    bytes: Box<dyn Read + Send>,
    held: Vec<u8>,
    taken: usize,
    /// The number of the line that is next.
    line: u64,
}

impl Input {
    /// At the beginning of `object`, behind its byte order mark.
    pub fn open(object: &Object) -> Result<Self> {
        Self::over(object, object.bytes()?)
    }

    /// The same of `bytes`, which are those of `object` or its first ones.
    pub fn over(object: &Object, bytes: Box<dyn Read + Send>) -> Result<Self> {
        let mut input = Self { object: object.clone(), bytes, held: Vec::new(), taken: 0, line: 1 };
        while input.held.len() < MARK.len() && input.more()? {}
        if input.held.starts_with(MARK) {
            input.taken = MARK.len();
        }
        Ok(input)
    }

    /// What is held and not taken.
    pub fn rest(&self) -> &[u8] {
        self.held.get(self.taken..).unwrap_or_default()
    }

    /// The number of the first line of the rest.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Takes the first `length` bytes of the rest, which are so many lines.
    pub fn take(&mut self, length: usize, lines: u64) {
        self.taken = self.taken.saturating_add(length).min(self.held.len());
        self.line = self.line.saturating_add(lines);
    }

    /// Reads more behind the rest; false at the end of the file.
    pub fn more(&mut self) -> Result<bool> {
        if self.rest().len() > RECORD_BYTES {
            return Err(Error::new(
                error::ErrorKind::LimitExceeded,
                format!(
                    "`{}` line {}: what begins here has no end within {} MiB: a quotation mark may not be closed",
                    self.object.url(),
                    self.line,
                    RECORD_BYTES >> 20
                ),
            ));
        }
        if self.taken > 0 {
            self.held.drain(..self.taken);
            self.taken = 0;
        }
        let before = self.held.len();
        self.held.resize(before + READ_BYTES, 0);
        let read = loop {
            match self.bytes.read(self.held.get_mut(before..).unwrap_or_default()) {
                Ok(read) => break read,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.object.read_failed(cause)),
            }
        };
        self.held.truncate(before + read);
        Ok(read > 0)
    }
}

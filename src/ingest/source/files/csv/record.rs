//! Records of a CSV file, strictly as RFC 4180 has them, and the extent of each that is not.
//!
//! The parsers that there are take a quotation mark in the wrong place for something, and do not tell an empty value
//! from a missing one. Here both can be told, and a record that is wrong is given with its lines, so that none is lost.
//! A wrong quotation mark takes all lines with it up to where it shows: what is between could be text or rows.

use super::super::input::Input;
use crate::error::Result;

/// A field of a record: where it lies, between the quotation marks if it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub start: usize,
    pub end: usize,
    pub is_quoted: bool,
    /// Quotation marks inside of it are doubled.
    pub has_marks: bool,
}

/// Records one after the other.
pub(super) struct Records {
    input: Input,
    delimiter: u8,
    fields: Vec<Field>,
    /// How far the record reaches that was given last, and in how many lines.
    given: (usize, u64),
}

/// One record, or lines that are none.
pub(super) struct Record<'a> {
    /// The number of its first line.
    pub line: u64,
    /// Without the end of its last line.
    pub text: &'a [u8],
    pub fields: &'a [Field],
    pub fault: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Plain,
    Quoted,
    /// Behind a quotation mark inside of a quoted field: its end, or the first of two.
    Mark,
    Broken(&'static str),
}

const INSIDE: &str = "a quotation mark stands inside a value that does not begin with one";
const BEHIND: &str = "something stands behind the closing quotation mark of a value";
const OPEN: &str = "a quotation mark is not closed";

impl Records {
    pub fn new(input: Input, delimiter: u8) -> Self {
        Self { input, delimiter, fields: Vec::new(), given: (0, 0) }
    }

    /// The next record; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.input.take(self.given.0, self.given.1);
        self.given = (0, 0);
        self.fields.clear();
        let (end, length, fault) = self.scan()?;
        if length == 0 {
            return Ok(None);
        }
        let text = self.input.rest().get(..end).unwrap_or_default();
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        self.given = (length, u64::try_from(lines).unwrap_or(u64::MAX).saturating_add(1));
        Ok(Some(Record { line: self.input.line(), text, fields: &self.fields, fault }))
    }

    /// Where the record ends, how long it is with the end of its line, and what is wrong with it.
    fn scan(&mut self) -> Result<(usize, usize, Option<&'static str>)> {
        let (mut at, mut start, mut has_marks) = (0, 0, false);
        let mut state = State::Begin;
        loop {
            at = self.skipped(at, state);
            let Some(byte) = self.input.rest().get(at).copied() else {
                if self.input.more()? {
                    continue;
                }
                return Ok(self.ended(at, start, state, has_marks));
            };
            let is_end = byte == b'\n' && state != State::Quoted;
            if is_end || (byte == self.delimiter && !matches!(state, State::Quoted | State::Broken(_))) {
                let end = if is_end { self.line_end(at) } else { at };
                self.push(start, end, state, has_marks);
                if is_end {
                    let fault = if let State::Broken(fault) = state { Some(fault) } else { None };
                    return Ok((end, at + 1, fault));
                }
                (start, state, has_marks) = (at + 1, State::Begin, false);
            } else {
                state = match (state, byte) {
                    (State::Begin, b'"') => State::Quoted,
                    (State::Begin, _) => State::Plain,
                    (State::Plain, b'"') => State::Broken(INSIDE),
                    (State::Quoted, b'"') => State::Mark,
                    (State::Mark, b'"') => {
                        has_marks = true;
                        State::Quoted
                    }
                    (State::Mark, b'\r') if self.is_before_newline(at)? => State::Mark,
                    (State::Mark, _) => State::Broken(BEHIND),
                    (state, _) => state,
                };
            }
            at += 1;
        }
    }

    /// The next place that means something in this state.
    fn skipped(&self, at: usize, state: State) -> usize {
        let rest = self.input.rest();
        let rest_of = rest.get(at..).unwrap_or_default();
        let found = match state {
            State::Begin | State::Mark => Some(0),
            State::Plain => rest_of.iter().position(|byte| [self.delimiter, b'\n', b'"'].contains(byte)),
            State::Quoted => rest_of.iter().position(|byte| *byte == b'"'),
            State::Broken(_) => rest_of.iter().position(|byte| *byte == b'\n'),
        };
        found.map_or(rest.len(), |found| at + found)
    }

    fn is_before_newline(&mut self, at: usize) -> Result<bool> {
        while self.input.rest().len() <= at + 1 {
            if !self.input.more()? {
                // The end of the file is the end of its last line.
                return Ok(true);
            }
        }
        Ok(self.input.rest().get(at + 1) == Some(&b'\n'))
    }

    fn line_end(&self, newline: usize) -> usize {
        match newline.checked_sub(1).and_then(|before| self.input.rest().get(before)) {
            Some(b'\r') => newline - 1,
            _ => newline,
        }
    }

    /// The last record of a file, whose line does not end.
    fn ended(
        &mut self,
        at: usize,
        start: usize,
        state: State,
        has_marks: bool,
    ) -> (usize, usize, Option<&'static str>) {
        if at == 0 {
            return (0, 0, None);
        }
        let last = self.input.rest().get(at - 1);
        let end = self.line_end(if last == Some(&b'\n') { at - 1 } else { at });
        self.push(start, end, state, has_marks);
        match state {
            State::Quoted => (end, at, Some(OPEN)),
            State::Broken(fault) => (end, at, Some(fault)),
            _ => (end, at, None),
        }
    }

    fn push(&mut self, start: usize, end: usize, state: State, has_marks: bool) {
        let field = match state {
            State::Mark => {
                // Between the marks; a carriage return may stand behind the second.
                let behind = self.input.rest().get(start..end).unwrap_or_default();
                let length = behind.iter().rposition(|byte| *byte == b'"').unwrap_or_default();
                Field { start: start + 1, end: start + length, is_quoted: true, has_marks }
            }
            _ => Field { start, end: end.max(start), is_quoted: false, has_marks },
        };
        self.fields.push(field);
    }
}

impl Record<'_> {
    /// Whether there is nothing in its line.
    pub fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

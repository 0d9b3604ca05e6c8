//! Every parser of our own that reads bytes from outside, as a function of bytes.
//!
//! For the targets in `fuzz/`, which search for inputs with the coverage in sight, and for `tests/it/parsers.rs`, which changes
//! good inputs at random on every run. A parser may refuse whatever it likes; it may not panic, and those that take their
//! input in parts must judge it alike however it is cut.

use crate::ingest::source::rows_in_copy;
use crate::lake::read_statistics;
use crate::policy::file;
use crate::query::expression::{check_syntax, implies};
use crate::query::parse::{Dialect, Text};
use crate::serve::http::formats::negotiate;
use crate::serve::{flight_sql, postgres};

/// A parser: its name, and what reads an input with it.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub const PARSERS: &[Parser] = &[
    ("statement", statement),
    ("expression", expression),
    ("policy_file", policy_file),
    ("accept_header", accept_header),
    ("flight_ticket", flight_ticket),
    ("flight_parameters", flight_parameters),
    ("postgres_frames", postgres_frames),
    ("postgres_copy", postgres_copy),
    ("delta_statistics", delta_statistics),
    ("settings", settings),
];

/// A statement, as the documentation has it and as PostgreSQL's clients write it.
pub fn statement(bytes: &[u8]) {
    with_text(bytes, |text| {
        for dialect in [Dialect::Plain, Dialect::Postgres] {
            let _ = Text::parse_as(dialect, text, Some("db"));
        }
    });
}

/// An expression of a rule. What reads follows from itself.
pub fn expression(bytes: &[u8]) {
    with_text(bytes, |text| {
        let reads = check_syntax(text).is_ok();
        assert_eq!(implies(text, text), reads, "`{text}` does not follow from itself");
    });
}

/// A policy file.
pub fn policy_file(bytes: &[u8]) {
    with_text(bytes, |text| {
        let _ = file::parse("policy.yaml", text);
    });
}

/// The header that says which format is liked.
pub fn accept_header(bytes: &[u8]) {
    with_text(bytes, |text| {
        let _ = negotiate([text]);
    });
}

/// A ticket or a handle of Flight SQL.
pub fn flight_ticket(bytes: &[u8]) {
    flight_sql::reads(bytes);
}

/// The parameters in a handle of Flight SQL.
pub fn flight_parameters(bytes: &[u8]) {
    flight_sql::parameters_read(bytes);
}

/// The lengths of the messages of PostgreSQL's protocol.
pub fn postgres_frames(bytes: &[u8]) {
    let whole = postgres::lengths_fit(bytes, bytes.len());
    for size in [1, 3, 7] {
        assert_eq!(postgres::lengths_fit(bytes, size), whole, "in parts of {size}");
    }
}

/// The rows of PostgreSQL's `COPY … (FORMAT binary)`.
pub fn postgres_copy(bytes: &[u8]) {
    let whole = rows_in_copy(bytes, bytes.len()).ok();
    for size in [1, 7] {
        assert_eq!(rows_in_copy(bytes, size).ok(), whole, "in parts of {size}");
    }
}

/// The statistics in the log of a Delta table.
pub fn delta_statistics(bytes: &[u8]) {
    with_text(bytes, |text| {
        read_statistics(text);
    });
}

/// Sizes and spans of time.
pub fn settings(bytes: &[u8]) {
    with_text(bytes, |text| {
        let _ = (crate::config::parse_size(text), crate::config::parse_duration(text));
    });
}

fn with_text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
}

//! The tests of a policy file: what a person asks, and what must come of it. Who runs them is not known here.

use std::collections::{BTreeMap, BTreeSet};

use super::at::{At, write_one_of};
use super::{FileError, Placed};
use crate::error::ErrorKind;
use crate::policy::principal::Identity;

/// A statement by somebody, and its expected outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    pub identity: Identity,
    pub sql: String,
    pub expected: Expected,
}

/// What must come of it: an error, or a result of which something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The code.
    Error(&'static str),
    Result {
        /// The names of the columns in order.
        columns: Option<Vec<String>>,
        /// How many rows.
        rows: Option<u64>,
    },
}

/// The errors that a statement can end with.
const ERRORS: [ErrorKind; 12] = [
    ErrorKind::PermissionDenied,
    ErrorKind::StatementNotAllowed,
    ErrorKind::TableNotFound,
    ErrorKind::NotFound,
    ErrorKind::ColumnNotFound,
    ErrorKind::SyntaxError,
    ErrorKind::InvalidRequest,
    ErrorKind::LimitExceeded,
    ErrorKind::QueryFailed,
    ErrorKind::PolicyError,
    ErrorKind::PolicyInvalid,
    ErrorKind::Timeout,
];

pub(super) fn read(at: &At<'_>) -> Result<Placed<Assertion>, FileError> {
    let fields = at.fields("a test", &["as", "sql", "columns", "rows", "error"])?;
    let identity =
        identity(at.required(&fields, "as", "who asks, as `{ user: bo, groups: [analysts] }`")?)?;
    let sql = at.required(&fields, "sql", "the statement")?.text()?;
    let columns = fields.get("columns").map(At::texts).transpose()?;
    let rows = fields.get("rows").map(At::whole_number).transpose()?;
    let expected = match (fields.get("error"), &columns, rows) {
        (Some(error), None, None) => Expected::Error(code(error)?),
        (Some(error), ..) => {
            return Err(error.error("a failure has no result: write either `error`, or `columns` and `rows`"));
        }
        (None, None, None) => {
            return Err(at.error("a test expects something: write `columns`, `rows` or `error`"));
        }
        (None, ..) => Expected::Result { columns, rows },
    };
    Ok(at.placed(Assertion { identity, sql, expected }, &fields))
}

fn identity(at: &At<'_>) -> Result<Identity, FileError> {
    let fields = at.fields("`as`", &["user", "groups", "attributes"])?;
    let user = at.required(&fields, "user", "the user's name")?.text()?;
    let groups =
        fields.get("groups").map(At::parsed_set::<String>).transpose()?.unwrap_or_else(BTreeSet::new);
    let mut attributes = BTreeMap::new();
    for (name, value) in fields.get("attributes").map(At::entries).transpose()?.unwrap_or_default() {
        attributes.insert(name, value.json()?);
    }
    Ok(Identity { user, groups, attributes })
}

fn code(at: &At<'_>) -> Result<&'static str, FileError> {
    let written = at.text()?;
    let codes = ERRORS.map(ErrorKind::code);
    codes.into_iter().find(|code| *code == written).ok_or_else(|| {
        at.error(format!("`{written}` is not an error that a statement ends with; {}", write_one_of(&codes)))
    })
}

//! What a single rule must satisfy to be kept, whichever door it comes through.
//!
//! Whether an expression fits its table is not known here: that is checked where the engine is.

use std::collections::BTreeSet;

use super::model::{Columns, INFORMATION_SCHEMA, Permission, Target};
use super::principal::Principal;
use crate::error::Error;

/// The most bytes of a name.
const LONGEST_NAME: usize = 128;

/// A rule that cannot be kept: the field that is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub field: &'static str,
    pub message: String,
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::invalid_request(invalid.message)
    }
}

/// Checks the name of a database that is to be made.
pub fn check_database(name: &str) -> Result<(), Invalid> {
    check_name("database", name)?;
    match name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        true => invalid(
            "name",
            format!(
                "`{name}` is not a name for a database: `{INFORMATION_SCHEMA}` is where every reader finds what is theirs"
            ),
        ),
        false => Ok(()),
    }
}

/// Checks that a name can be written in a statement, a rule or an address without doubt.
pub fn check_name(what: &str, name: &str) -> Result<(), Invalid> {
    let mistakable = |character: char| character.is_control() || ".*/\"`".contains(character);
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST_NAME {
        "it is longer than 128 bytes"
    } else if name.trim() != name || name.chars().any(mistakable) {
        "leave out `.`, `*`, `/`, quotes, control characters and spaces at its ends"
    } else {
        return Ok(());
    };
    invalid("name", format!("`{name}` is not a name for a {what}: {reason}"))
}

/// Checks that the parts of a grant fit together.
pub fn check_grant(
    on: &Target,
    permissions: &BTreeSet<Permission>,
    columns: &Columns,
    rows: Option<&str>,
) -> Result<(), Invalid> {
    check_target(on)?;
    check_permissions(on, permissions)?;
    let reads = permissions.contains(&Permission::Select);
    if *columns != Columns::All && !reads {
        return invalid("columns", "`columns` says what may be read: it needs the permission `select`");
    }
    if rows.is_some() && !reads {
        return invalid("rows", "`rows` says what may be read: it needs the permission `select`");
    }
    check_columns(columns)?;
    match rows {
        Some(text) if text.trim().is_empty() => {
            invalid("rows", "`rows` is empty: write a boolean expression, or leave `rows` out for all rows")
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that the members of a role can be members.
pub fn check_members(members: &BTreeSet<Principal>) -> Result<(), Invalid> {
    match members.contains(&Principal::Public) {
        true => invalid(
            "members",
            "`public` cannot be a member of a role: grant to `public` itself, which is everyone who is authenticated",
        ),
        false => Ok(()),
    }
}

/// Checks that the names of a target are plain names.
pub fn check_target(on: &Target) -> Result<(), Invalid> {
    let plain = |name: &str| !name.is_empty() && !name.contains(['.', '*']) && name.trim() == name;
    let fits = match on {
        Target::Database(database) | Target::AllTables(database) => plain(database),
        Target::Table(table) => plain(&table.database) && plain(&table.table),
    };
    match fits {
        true => Ok(()),
        false => invalid(
            "on",
            format!(
                "`{on}` is not something to grant on: write `DATABASE`, `DATABASE.*` or `DATABASE.TABLE`"
            ),
        ),
    }
}

fn check_permissions(on: &Target, permissions: &BTreeSet<Permission>) -> Result<(), Invalid> {
    if permissions.is_empty() {
        return invalid(
            "permissions",
            "a grant allows something: name at least one permission, such as `select`",
        );
    }
    let database = on.database();
    let is_database = matches!(on, Target::Database(_));
    for permission in permissions {
        match permission {
            Permission::Select | Permission::Insert if is_database => {
                let message = format!(
                    "`{permission}` is for tables, and `{database}` is a database: write `{database}.*` for all its tables"
                );
                return invalid("permissions", message);
            }
            Permission::CreateTable if !is_database => {
                let message = format!(
                    "`create_table` is for databases, and `{on}` is tables: write `{database}` for the database"
                );
                return invalid("permissions", message);
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_columns(columns: &Columns) -> Result<(), Invalid> {
    let names = match columns {
        Columns::All => return Ok(()),
        Columns::Include(names) if names.is_empty() => {
            return invalid(
                "columns",
                "`include` names no column: name at least one, or leave `columns` out for all",
            );
        }
        Columns::Exclude(names) if names.is_empty() => {
            return invalid(
                "columns",
                "`exclude` names no column: name at least one, or leave `columns` out for all",
            );
        }
        Columns::Include(names) | Columns::Exclude(names) => names,
    };
    match names.iter().any(|name| name.is_empty()) {
        true => invalid("columns", "a column's name is empty"),
        false => Ok(()),
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> Result<(), Invalid> {
    Err(Invalid { field, message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for name in ["", "a.b", "a*", " a", "a\n", "a/b", "a\"b", "a`b", &"x".repeat(129)] {
            assert!(check_name("role", name).is_err(), "{name:?}");
        }
        for name in ["größe 2", "it's", "information_schema", &"x".repeat(128)] {
            assert!(check_name("role", name).is_ok(), "{name:?}");
        }
        assert!(check_database("information_schema").is_err());
        assert!(check_database("information_schemas").is_ok());
    }
}

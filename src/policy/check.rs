//! What a single rule must satisfy to be kept, whichever door it comes through.
//!
//! Whether an expression fits its table is not known here: that is checked where the engine is.

use std::collections::BTreeSet;

use super::model::{Columns, Permission, Target};
use super::principal::Principal;

/// A rule that cannot be kept: the field that is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub field: &'static str,
    pub message: String,
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

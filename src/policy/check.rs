//! What a single rule must satisfy to be kept, whichever door it comes through.
//!
//! Whether an expression fits its table is not known here: that is checked where the engine is.

use std::collections::BTreeSet;

use super::grant::GrantSpec;
use super::model::{Columns, Permission, Target, is_listing};
use super::principal::Principal;
use super::restriction::{Effect, Mask, Restriction, Scope};
use super::tag::{Tag, is_plain_word, not_plain};
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
    match is_listing(&name.to_ascii_lowercase()) {
        true => invalid(
            "name",
            format!("`{name}` is not a name for a database: it is where every reader finds what is theirs"),
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
pub fn check_grant(grant: &GrantSpec) -> Result<(), Invalid> {
    check_target(&grant.on)?;
    check_permissions(&grant.on, &grant.permissions)?;
    check_reading(grant)?;
    check_columns(&grant.columns)?;
    match (grant.from, grant.until) {
        (Some(from), Some(until)) if until <= from => {
            invalid("until", "`until` is not after `from`: the grant would never hold")
        }
        _ => Ok(()),
    }
}

/// What says which part may be read needs the permission to read, and is said once.
fn check_reading(grant: &GrantSpec) -> Result<(), Invalid> {
    let reads = grant.permissions.contains(&Permission::Select);
    let said = [
        ("columns", grant.columns != Columns::All),
        ("rows", grant.rows.is_some()),
        ("filter", grant.filter.is_some()),
    ];
    for (field, is_said) in said {
        if is_said && !reads {
            return invalid(
                field,
                format!("`{field}` says what may be read: it needs the permission `select`"),
            );
        }
        if is_said && field != "filter" && grant.filter.is_some() {
            return invalid(
                field,
                format!("the filter says which columns and rows: leave out `{field}` or `filter`"),
            );
        }
    }
    if grant.filter.is_some() && !matches!(grant.on, Target::Table(_)) {
        return invalid("filter", "a filter is for one table: write the table that it is on");
    }
    check_rows(grant.rows.as_deref())
}

/// Checks that a row expression says something.
pub fn check_rows(rows: Option<&str>) -> Result<(), Invalid> {
    match rows {
        Some(text) if text.trim().is_empty() => {
            invalid("rows", "`rows` is empty: write a boolean expression, or leave `rows` out for all rows")
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that the parts of a restriction fit together.
pub fn check_restriction(restriction: &Restriction) -> Result<(), Invalid> {
    if restriction.on.is_empty() {
        return invalid("on", "a restriction is on something: name a database, a table, a column or tags");
    }
    if restriction.applies_to.is_empty() {
        return invalid("applies_to", "`applies_to` names nobody: leave it out for everyone");
    }
    let on_columns = restriction.on.iter().any(|scope| matches!(scope, Scope::Column(..)));
    match &restriction.effect {
        Effect::Rows(_) if on_columns => {
            invalid("on", "`rows` are of a table: name the table and not a column of it")
        }
        Effect::Rows(text) => check_rows(Some(text)),
        Effect::Mask(Mask::Using(text)) if text.trim().is_empty() => {
            invalid("mask", "`using` is empty: write an expression of the column's type")
        }
        Effect::Hide | Effect::Mask(_) => Ok(()),
    }
}

/// Checks that a tag can be one.
pub fn check_tag(tag: &Tag) -> Result<(), Invalid> {
    if tag.values.is_empty() {
        return invalid(
            "values",
            format!("the tag `{}` has no values: list those that it may have", tag.key),
        );
    }
    let mut seen = BTreeSet::new();
    for word in std::iter::once(&tag.key).chain(&tag.values) {
        if !is_plain_word(word) {
            return invalid("values", not_plain(word));
        }
    }
    match tag.values.iter().find(|value| !seen.insert(*value)) {
        Some(value) => invalid("values", format!("`{value}` is there twice")),
        None => Ok(()),
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
        // Made of plain words by its type.
        Target::Tagged(_) => true,
    };
    match fits {
        true => Ok(()),
        false => invalid(
            "on",
            format!(
                "`{on}` is not something to grant on: write `DATABASE`, `DATABASE.*`, `DATABASE.TABLE` or tags"
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
    let database = on.database().unwrap_or("DATABASE");
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

/// Checks that a list of columns names some.
pub fn check_columns(columns: &Columns) -> Result<(), Invalid> {
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

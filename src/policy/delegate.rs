//! Passing access on: what the holder of a grantable grant may grant to others, which is the same or less.
//!
//! One grant must cover the whole of the new one: no more columns, no more rows, no longer. Whether one row expression
//! implies another is told by the caller, who can read expressions.

use std::collections::BTreeSet;

use super::compile::Index;
use super::decide::Asker;
use super::grant::GrantSpec;
use super::model::{Columns, Grant, Target};
use super::path::is_at_or_inside;

/// Whether `asker` holds a grantable grant that covers all of `wanted`. `implies(narrow, wide)` says whether every
/// row for which `narrow` is true is one for which `wide` is.
pub fn may_pass_on(
    asker: &Asker,
    wanted: &GrantSpec,
    index: &Index,
    implies: &dyn Fn(&str, &str) -> bool,
) -> bool {
    let held = match &wanted.on {
        Target::Table(table) => index.grants_for(table, asker),
        other => index.grants_on(std::slice::from_ref(other), asker),
    };
    held.into_iter().filter(|grant| grant.grantable).any(|grant| covers(grant, wanted, index, implies))
}

fn covers(held: &Grant, wanted: &GrantSpec, index: &Index, implies: &dyn Fn(&str, &str) -> bool) -> bool {
    // A named filter may be changed by its owner later: it is resolved now and never promised.
    if wanted.filter.is_some() && wanted.filter != held.filter {
        return false;
    }
    let filter = wanted.filter.as_ref().and_then(|name| index.filters().get(name));
    let columns = filter.map_or(&wanted.columns, |filter| &filter.columns);
    let rows = filter.map_or(wanted.rows.as_deref(), |filter| filter.rows.as_deref());
    !matches!(held.on, Target::Tagged(_))
        && wanted.permissions.is_subset(&held.permissions)
        && is_within(columns, &held.columns)
        && (names_what_is_there(columns, &held.columns, &wanted.on))
        && !shows_unreleased(columns, &held.columns, index.unreleased_in(&wanted.on))
        && match (&held.rows, rows) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => implies(narrow, wide),
            (Some(_), None) => false,
        }
        // The held grant is in force, so one that begins later or now begins within it.
        && held.until.is_none_or(|until| wanted.until.is_some_and(|wanted| wanted <= until))
}

/// Whether every column of `narrow`, also one that comes later, is one of `wide`.
fn is_within(narrow: &Columns, wide: &Columns) -> bool {
    match (narrow, wide) {
        (_, Columns::All) => true,
        (Columns::Include(names), _) => names.iter().all(|name| covers_whole(wide, name)),
        (Columns::Exclude(less), Columns::Exclude(more)) => {
            more.iter().all(|name| less.iter().any(|other| is_at_or_inside(name, other)))
        }
        (Columns::All | Columns::Exclude(_), Columns::Include(_)) | (Columns::All, Columns::Exclude(_)) => {
            false
        }
    }
}

/// Whether columns that `narrow` names can be looked up: those of many tables may come to be later, and then an exclude list
/// does not show them until they are released.
fn names_what_is_there(narrow: &Columns, wide: &Columns, on: &Target) -> bool {
    !matches!((narrow, wide), (Columns::Include(_), Columns::Exclude(_))) || matches!(on, Target::Table(_))
}

/// Whether `narrow` names a column that `wide` does not cover as long as nobody has released it.
fn shows_unreleased<'a>(
    narrow: &Columns,
    wide: &Columns,
    mut unreleased: impl Iterator<Item = &'a String>,
) -> bool {
    let (Columns::Include(names), Columns::Exclude(_)) = (narrow, wide) else { return false };
    let touches = |name: &String, path: &String| is_at_or_inside(name, path) || is_at_or_inside(path, name);
    unreleased.any(|path| names.iter().any(|name| touches(name, path)))
}

/// Whether the column and everything inside it is covered.
fn covers_whole(columns: &Columns, path: &str) -> bool {
    match columns {
        Columns::All => true,
        Columns::Include(names) => any_around(names, path),
        Columns::Exclude(names) => {
            !any_around(names, path) && !names.iter().any(|name| is_at_or_inside(name, path))
        }
    }
}

fn any_around(names: &BTreeSet<String>, path: &str) -> bool {
    names.iter().any(|name| is_at_or_inside(path, name))
}

//! The decision: what an identity may see of a table, by the grants alone.
//!
//! Grants add: columns are the union of theirs, rows are those of any of them, and a cell has its value where a
//! grant that includes its column holds. Pure and total: it never fails, it only gives less. What an expression
//! means is not known here.

use std::collections::BTreeSet;

use super::compile::Index;
use super::decision::{Cell, ColumnDecision, Decision, Rows, Verdict};
use super::model::{Columns, Grant, Permission, TableName, Target};
use super::principal::Identity;

/// Decides what `identity` may see of `table`, whose top-level columns are `columns` in table order.
///
/// `describe_all` is for administrators: they may describe everything, and read nothing without a grant.
pub fn decide(
    identity: &Identity,
    table: &TableName,
    columns: &[String],
    index: &Index,
    describe_all: bool,
) -> Decision {
    let targets = [Target::Table(table.clone()), Target::AllTables(table.database.clone())];
    let grants = index.grants_on(&targets, &index.principals_of(identity));
    let describing: Vec<&Grant> = allowing(&grants, Permission::Describe);
    let describes = describe_all || !describing.is_empty();

    // A grant that covers none of the table's columns shows nothing, so its rows must not count either.
    let mut applied = allowing(&grants, Permission::Select);
    applied.retain(|grant| columns.iter().any(|column| grant.columns.covers(column)));
    if applied.is_empty() {
        return if describes { describe_only(&describing, columns) } else { Decision::not_found() };
    }

    let rows = visible_rows(&applied);
    let visible: Vec<ColumnDecision> = columns
        .iter()
        .filter_map(|name| Some(ColumnDecision { name: name.clone(), cell: cell(name, &applied, &rows)? }))
        .collect();
    let describe = match describes {
        true => columns.to_vec(),
        false => visible.iter().map(|column| column.name.clone()).collect(),
    };
    Decision {
        verdict: Verdict::Select,
        columns_hidden: visible.len() < columns.len(),
        columns: visible,
        rows,
        grants: ids(&applied),
        describe,
    }
}

/// Whether the database is there for the identity: some grant of theirs is on it or on something in it.
pub fn decide_database(identity: &Identity, database: &str, index: &Index, describe_all: bool) -> bool {
    describe_all || index.touches(database, &index.principals_of(identity))
}

/// Whether some grant allows `permission` on `target`. A grant on `db.*` covers every table of the database, not
/// the database itself. What may be *read* of a table is [`decide`]'s answer, not this one.
pub fn can(identity: &Identity, permission: Permission, target: &Target, index: &Index) -> bool {
    let mut targets = vec![target.clone()];
    if let Target::Table(table) = target {
        targets.push(Target::AllTables(table.database.clone()));
    }
    let grants = index.grants_on(&targets, &index.principals_of(identity));
    grants.iter().any(|grant| grant.permissions.contains(&permission))
}

fn describe_only(describing: &[&Grant], columns: &[String]) -> Decision {
    Decision {
        verdict: Verdict::DescribeOnly,
        columns_hidden: !columns.is_empty(),
        grants: ids(describing),
        describe: columns.to_vec(),
        ..Decision::not_found()
    }
}

fn visible_rows(applied: &[&Grant]) -> Rows {
    let expressions: Option<BTreeSet<&str>> = applied.iter().map(|grant| row_text(grant)).collect();
    match expressions {
        None => Rows::All,
        Some(expressions) => Rows::AnyOf(texts(expressions)),
    }
}

/// Where a column has its value, or nothing when no grant includes it.
fn cell(column: &str, applied: &[&Grant], rows: &Rows) -> Option<Cell> {
    let including: Vec<&&Grant> = applied.iter().filter(|grant| grant.columns.covers(column)).collect();
    if including.is_empty() {
        return None;
    }
    let expressions: Option<BTreeSet<&str>> = including.iter().map(|grant| row_text(grant)).collect();
    // A grant without rows gives the value in every row.
    let Some(expressions) = expressions else { return Some(Cell::Always) };
    let expressions = texts(expressions);
    // The same expressions made the row visible, so the value is there whenever the row is.
    match rows {
        Rows::AnyOf(all) if *all == expressions => Some(Cell::Always),
        Rows::AnyOf(_) | Rows::All => Some(Cell::When(expressions)),
    }
}

fn row_text(grant: &Grant) -> Option<&str> {
    grant.rows.as_deref().map(str::trim)
}

fn texts(sorted: BTreeSet<&str>) -> Vec<String> {
    sorted.into_iter().map(str::to_owned).collect()
}

fn allowing<'a>(grants: &[&'a Grant], permission: Permission) -> Vec<&'a Grant> {
    grants.iter().copied().filter(|grant| grant.permissions.contains(&permission)).collect()
}

fn ids(grants: &[&Grant]) -> Vec<String> {
    grants.iter().map(|grant| grant.id.clone()).collect()
}

impl Columns {
    /// Whether the column is covered. Names are compared as they are: `Id` is not `id`. An exclude list covers
    /// every column that it does not name, also one that the table gets later.
    pub fn covers(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Include(names) => names.contains(column),
            Self::Exclude(names) => !names.contains(column),
        }
    }
}

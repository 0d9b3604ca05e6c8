//! Who sees what of one table: a row for each principal that the policy names, a value for each column.
//!
//! Every row is the decision that a query of somebody who is that principal alone would get. A user's groups are known
//! to the issuer of tokens and not here, so a user's row leaves them out; each group has a row of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::parse::no_such_table;
use crate::app::Governance;
use crate::catalog::shapes;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::{Asker, decide};
use crate::policy::decision::{Cell, ColumnDecision, ColumnShape, Decision, Verdict, by_leaf};
use crate::policy::model::TableName;
use crate::policy::path::is_at_or_inside;
use crate::policy::principal::Principal;

/// What somebody gets of a column. Where several hold, the one that takes more is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Every value, in every row.
    Full,
    /// Every value of the rows that they see.
    Filtered,
    /// Something else stands in the place of the values.
    Masked,
    /// NULL in some of the rows that they see.
    Nulled,
    None,
}

/// What one principal gets of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub principal: String,
    /// By the column's path.
    pub access: BTreeMap<String, Sight>,
    pub rows_filtered: bool,
    /// The roles that it reaches, from which grants come too.
    pub roles: Vec<String>,
    /// The ids of the grants that this follows from.
    pub grants: Vec<String>,
    /// The names of the restrictions that take something away.
    pub restrictions: Vec<String>,
}

/// A table, and which of its columns are asked about.
#[derive(Debug)]
pub struct Matrix {
    governance: Arc<Governance>,
    table: TableName,
    shapes: Vec<ColumnShape>,
    paths: Vec<String>,
    /// The one column that is asked about.
    column: Option<String>,
    now: DateTime<Utc>,
}

impl Matrix {
    /// Of `table`; with `column`, of that column alone, or of the fields inside it.
    pub fn new(governance: Arc<Governance>, table: TableName, column: Option<&str>) -> Result<Self> {
        let schema = governance.state.schema_of(&table);
        let shapes = shapes(schema.ok_or_else(|| no_such_table(&table.to_string()))?.fields());
        let mut paths = by_leaf(&shapes, &[]).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        if let Some(column) = column {
            paths.retain(|path| is_at_or_inside(path, column));
            if paths.is_empty() {
                let text = format!("`{table}` has no column `{column}`");
                return Err(Error::new(ErrorKind::ColumnNotFound, text));
            }
        }
        Ok(Self { governance, table, shapes, paths, column: column.map(str::to_owned), now: Utc::now() })
    }

    /// The columns, in table order, the fields of a struct by their paths.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Everybody whom a grant, a restriction or a role names, by their text.
    pub fn principals(&self) -> BTreeMap<String, Principal> {
        let state = &self.governance.state;
        let mut found = BTreeSet::from([Principal::Public]);
        found.extend(state.grants.values().map(|grant| grant.value.to.clone()));
        for rule in state.restrictions.values() {
            found.extend(rule.value.applies_to.iter().chain(&rule.value.except).cloned());
        }
        for (name, role) in &state.roles {
            found.insert(Principal::Role(name.clone()));
            found.extend(role.value.members.iter().cloned());
        }
        found.into_iter().map(|principal| (principal.to_string(), principal)).collect()
    }

    /// The row of `principal`; none when one column is asked about and they see nothing of it.
    pub fn row(&self, principal: &Principal) -> Option<Row> {
        let index = &self.governance.index;
        let principals = index.reached_from([principal.clone()]);
        let roles = principals.iter().filter(|reached| *reached != principal);
        let roles = roles.filter_map(|reached| match reached {
            Principal::Role(name) => Some(name.clone()),
            Principal::User(_) | Principal::Group(_) | Principal::Public => None,
        });
        let roles = roles.collect();
        let asker = Asker { principals, now: self.now, describes_all: false };
        let decision = decide(&asker, &self.table, &self.shapes, index);
        let access = self.access(&decision);
        if self.column.is_some() && access.values().all(|sight| *sight == Sight::None) {
            return None;
        }
        let is_readable = decision.verdict == Verdict::Select;
        Some(Row {
            principal: principal.to_string(),
            access,
            rows_filtered: is_readable && decision.filters_rows(),
            roles,
            grants: if is_readable { decision.grants } else { Vec::new() },
            restrictions: decision.restrictions,
        })
    }

    fn access(&self, decision: &Decision) -> BTreeMap<String, Sight> {
        let columns = match decision.verdict {
            Verdict::Select => decision.columns.as_slice(),
            Verdict::DescribeOnly | Verdict::Unfit | Verdict::NotFound => &[],
        };
        let of =
            |column: Option<&ColumnDecision>| column.map_or(Sight::None, |column| sight(column, decision));
        let all = by_leaf(&self.shapes, columns).into_iter().map(|(path, column)| (path, of(column)));
        let is_asked = |path: &str| self.column.as_ref().is_none_or(|column| is_at_or_inside(path, column));
        all.filter(|(path, _)| is_asked(path)).collect()
    }
}

fn sight(column: &ColumnDecision, decision: &Decision) -> Sight {
    match (&column.mask, &column.cell) {
        (Some(_), _) => Sight::Masked,
        (None, Cell::When(_)) => Sight::Nulled,
        (None, Cell::Always) if decision.filters_rows() => Sight::Filtered,
        (None, Cell::Always) => Sight::Full,
    }
}

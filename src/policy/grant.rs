//! A grant as it is written, before the store gives it an id.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::model::{Columns, Grant, Permission, Target};
use super::principal::Principal;

/// Everything about a grant but its id. See [`Grant`] for the fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantSpec {
    pub to: Principal,
    pub on: Target,
    pub permissions: BTreeSet<Permission>,
    pub columns: Columns,
    pub rows: Option<String>,
    pub filter: Option<String>,
    pub grantable: bool,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub reason: Option<String>,
}

impl GrantSpec {
    /// A grant of `permissions` with nothing else said.
    pub fn new(to: Principal, on: Target, permissions: BTreeSet<Permission>) -> Self {
        Self {
            to,
            on,
            permissions,
            columns: Columns::All,
            rows: None,
            filter: None,
            grantable: false,
            from: None,
            until: None,
            reason: None,
        }
    }

    /// Whether both grants are the same: all fields but `reason` are.
    pub fn same_as(&self, other: &Self) -> bool {
        self.without_reason() == other.without_reason()
    }

    /// What makes it the grant that it is: two that agree in this are the same.
    pub fn without_reason(&self) -> Self {
        Self { reason: None, ..self.clone() }
    }

    /// The grant under the id that the store gives it.
    pub fn with_id(self, id: impl Into<String>) -> Grant {
        let Self { to, on, permissions, columns, rows, filter, grantable, from, until, reason } = self;
        Grant { id: id.into(), to, on, permissions, columns, rows, filter, grantable, from, until, reason }
    }
}

impl From<&Grant> for GrantSpec {
    fn from(grant: &Grant) -> Self {
        let Grant { id: _, to, on, permissions, columns, rows, filter, grantable, from, until, reason } =
            grant.clone();
        Self { to, on, permissions, columns, rows, filter, grantable, from, until, reason }
    }
}

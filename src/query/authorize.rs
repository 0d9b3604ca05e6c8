//! [`Parsed`] → [`Authorized`]: every table the statement names, with the decision on it, or a refusal.
//!
//! A table that does not exist and one that the reader may not see are refused with the same words on the same path.

use std::sync::Arc;

use super::parse::{INFORMATION_SCHEMA, Parsed, no_such_table};
use crate::app::Governance;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::decide;
use crate::policy::decision::{Decision, Verdict};
use crate::policy::principal::Identity;
use crate::store::record::TableRecord;

/// A statement whose every table the identity may read, with what it may see of each.
#[derive(Debug)]
pub struct Authorized {
    parsed: Parsed,
    identity: Arc<Identity>,
    governance: Arc<Governance>,
    tables: Vec<AuthorizedTable>,
}

/// A table of the statement and the decision on it.
#[derive(Debug)]
pub struct AuthorizedTable {
    pub record: TableRecord,
    pub decision: Decision,
}

impl Authorized {
    /// Decides on every table that `parsed` names.
    pub fn authorize(
        parsed: Parsed,
        identity: Arc<Identity>,
        governance: Arc<Governance>,
        describes_all: bool,
    ) -> Result<Self> {
        let mut tables = Vec::new();
        for name in parsed.tables().iter().filter(|name| name.database != INFORMATION_SCHEMA) {
            let Some(record) = governance.state.tables.get(name) else {
                return Err(no_such_table(&name.to_string()));
            };
            let decision = decide_on(&identity, &record.value, &governance, describes_all);
            match decision.verdict {
                Verdict::Select => tables.push(AuthorizedTable { record: record.value.clone(), decision }),
                Verdict::NotFound => return Err(no_such_table(&name.to_string())),
                Verdict::DescribeOnly => {
                    return Err(Error::new(
                        ErrorKind::PermissionDenied,
                        format!("`{name}` may be described but not read; ask for a `select` grant"),
                    ));
                }
            }
        }
        Ok(Self { parsed, identity, governance, tables })
    }

    /// The tables of the statement, with the decision on each.
    pub fn tables(&self) -> &[AuthorizedTable] {
        &self.tables
    }

    /// Who asks.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The rules that were in force when the decision was made.
    pub fn governance(&self) -> &Arc<Governance> {
        &self.governance
    }

    /// The statement.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    pub(super) fn into_parsed(self) -> Parsed {
        self.parsed
    }
}

/// The decision of the policy in `governance` on `record`.
pub fn decide_on(
    identity: &Identity,
    record: &TableRecord,
    governance: &Governance,
    describes_all: bool,
) -> Decision {
    let columns = record.schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    decide(identity, &record.name, &columns, &governance.index, describes_all)
}

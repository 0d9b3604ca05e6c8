//! [`Parsed`] → [`Authorized`]: every table the statement names, with the decision on it, or a refusal.
//!
//! A table that does not exist and one that the reader may not see are refused with the same words on the same path.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Fields};
use chrono::Utc;

use super::parse::{INFORMATION_SCHEMA, Parsed, no_such_table};
use crate::app::Governance;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::{Asker, decide};
use crate::policy::decision::{ColumnShape, Decision, Verdict};
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
        let asker = asker(&identity, &governance, describes_all);
        for name in parsed.tables().iter().filter(|name| name.database != INFORMATION_SCHEMA) {
            let Some(record) = governance.state.tables.get(name) else {
                return Err(no_such_table(&name.to_string()));
            };
            let decision = decide_on(&asker, &record.value, &governance);
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

/// `identity` as the policy in `governance` sees it now.
pub fn asker(identity: &Identity, governance: &Governance, describes_all: bool) -> Asker {
    Asker::new(identity, &governance.index, Utc::now(), describes_all)
}

/// The decision of the policy in `governance` on `record`.
pub fn decide_on(asker: &Asker, record: &TableRecord, governance: &Governance) -> Decision {
    decide(asker, &record.name, &shapes(record.schema.fields()), &governance.index)
}

/// The columns as the policy knows them: names, and the fields of structs.
pub fn shapes(fields: &Fields) -> Vec<ColumnShape> {
    let shape = |field: &FieldRef| ColumnShape {
        name: field.name().clone(),
        fields: match field.data_type() {
            DataType::Struct(fields) => shapes(fields),
            _ => Vec::new(),
        },
    };
    fields.iter().map(shape).collect()
}

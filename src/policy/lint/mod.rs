//! What is allowed and yet not likely meant: rules that another rule voids, that concern nobody, or that are on nothing.
//!
//! Pure, over the rules and the columns of the tables. Who is in a group is known to the issuer of tokens alone: a
//! group counts as itself here. Whether an expression fits its table is not known here.

mod columns;
mod grants;
mod masks;
mod members;
mod names;
mod voided;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use self::members::Members;
use super::compile::Index;
use super::decision::ColumnShape;
use super::grant::GrantSpec;
use super::model::{Grant, PolicySet, TableName};

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Its kind, which stays the same from version to version.
    pub code: &'static str,
    /// A sentence that names the rules.
    pub message: String,
}

/// What is looked at.
#[derive(Debug)]
pub struct Ground<'a> {
    pub policy: &'a PolicySet,
    pub index: &'a Index,
    /// The databases with their comments.
    pub databases: &'a BTreeMap<String, Option<String>>,
    /// Tables and views with their columns.
    pub tables: &'a BTreeMap<TableName, Vec<ColumnShape>>,
    pub now: DateTime<Utc>,
}

/// Everything that is found, by code.
pub fn lint(ground: &Ground<'_>) -> Vec<Finding> {
    let members = Members::new(&ground.policy.roles);
    let mut found = grants::findings(ground, &members);
    found.extend(voided::findings(ground, &members));
    found.extend(masks::findings(ground, &members));
    found.extend(names::findings(ground));
    found.extend(columns::findings(ground));
    found.sort();
    found.dedup();
    found
}

impl Finding {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A grant as its sentence.
fn sentence(grant: &Grant) -> String {
    GrantSpec::from(grant).to_string()
}

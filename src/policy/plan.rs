//! What to change so that the policy says what the files say.
//!
//! Pure: from what is wanted and what is, to a list of edits in a fixed order. Adding comes before taking away, so
//! that nobody who keeps access by a rewritten rule depends on the order. Who makes the edits, in one transaction,
//! is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::file::{DatabaseSpec, Desired, FileError};
use super::grant::GrantSpec;
use super::model::{Columns, Grant, PolicySet, Role};

/// One change. Displays as one readable line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    AddDatabase(DatabaseSpec),
    AddRole(Role),
    /// The role with its new members.
    UpdateRole {
        before: Role,
        after: Role,
    },
    AddGrant(GrantSpec),
    /// The grant with its new reason: nothing else can differ, for then it would be another grant.
    UpdateGrant(Grant),
    RemoveGrant(Grant),
    RemoveRole(Role),
}

/// The edits that lead from `current` to `desired`. Without `prune` nothing is removed. Databases are never
/// removed: they hold tables, and files do not say which.
pub fn plan(
    desired: &Desired,
    current: &PolicySet,
    databases: &BTreeSet<String>,
    prune: bool,
) -> Result<Vec<Edit>, FileError> {
    if !prune {
        desired.check_roles(&current.roles)?;
    }
    let mut edits = Vec::new();
    let missing = desired.databases.values().filter(|database| !databases.contains(&database.value.name));
    edits.extend(missing.map(|database| Edit::AddDatabase(database.value.clone())));
    plan_roles(desired, &current.roles, &mut edits);
    plan_grants(desired, &current.grants, prune, &mut edits);
    if prune {
        let gone = current.roles.values().filter(|role| !desired.roles.contains_key(&role.name));
        edits.extend(gone.cloned().map(Edit::RemoveRole));
    }
    Ok(edits)
}

fn plan_roles(desired: &Desired, current: &BTreeMap<String, Role>, edits: &mut Vec<Edit>) {
    let (mut added, mut updated) = (Vec::new(), Vec::new());
    for role in desired.roles.values().map(|role| &role.value) {
        match current.get(&role.name) {
            None => added.push(Edit::AddRole(role.clone())),
            Some(before) if before.members != role.members => {
                updated.push(Edit::UpdateRole { before: before.clone(), after: role.clone() });
            }
            Some(_) => {}
        }
    }
    edits.append(&mut added);
    edits.append(&mut updated);
}

fn plan_grants(desired: &Desired, current: &[Grant], prune: bool, edits: &mut Vec<Edit>) {
    let mut current: Vec<(&Grant, GrantSpec)> =
        current.iter().map(|grant| (grant, GrantSpec::from(grant))).collect();
    current.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    let (mut updated, mut said) = (Vec::new(), BTreeSet::new());
    for wanted in desired.grants.iter().map(|grant| &grant.value) {
        let same: Vec<_> = current.iter().filter(|(_, spec)| spec.same_as(wanted)).collect();
        said.extend(same.iter().map(|(grant, _)| grant.id.as_str()));
        match same.first() {
            None => edits.push(Edit::AddGrant(wanted.clone())),
            Some(_) if same.iter().any(|(grant, _)| grant.reason == wanted.reason) => {}
            Some((grant, _)) => {
                let grant = Grant { reason: wanted.reason.clone(), ..(*grant).clone() };
                updated.push(Edit::UpdateGrant(grant));
            }
        }
    }
    edits.append(&mut updated);
    if prune {
        let gone = current.iter().filter(|(grant, _)| !said.contains(grant.id.as_str()));
        edits.extend(gone.map(|(grant, _)| Edit::RemoveGrant((*grant).clone())));
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddDatabase(database) => {
                write!(f, "+ database {}", database.name)?;
                show(f, "comment", database.comment.as_deref())
            }
            Self::AddRole(role) => {
                let members: Vec<String> = role.members.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "+ role {} with {}",
                    role.name,
                    if members.is_empty() { "nobody".to_owned() } else { members.join(", ") }
                )
            }
            Self::UpdateRole { before, after } => {
                write!(f, "~ role {}:", after.name)?;
                for member in after.members.difference(&before.members) {
                    write!(f, " +{member}")?;
                }
                for member in before.members.difference(&after.members) {
                    write!(f, " -{member}")?;
                }
                Ok(())
            }
            Self::AddGrant(grant) => {
                write!(f, "+ {grant}")?;
                show(f, "reason", grant.reason.as_deref())
            }
            Self::UpdateGrant(grant) => {
                write!(f, "~ {}", GrantSpec::from(grant))?;
                show(f, "reason", Some(grant.reason.as_deref().unwrap_or("none")))
            }
            Self::RemoveGrant(grant) => write!(f, "- {} [{}]", GrantSpec::from(grant), grant.id),
            Self::RemoveRole(role) => write!(f, "- role {}", role.name),
        }
    }
}

/// A grant without its reason, as a sentence: `grant select (id, total) on sales.orders to role:analyst`.
impl fmt::Display for GrantSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let permissions: Vec<&str> = self.permissions.iter().map(|permission| permission.name()).collect();
        write!(f, "grant {}", permissions.join(", "))?;
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        match &self.columns {
            Columns::All => {}
            Columns::Include(included) => write!(f, " ({})", names(included))?,
            Columns::Exclude(excluded) => write!(f, " (all but {})", names(excluded))?,
        }
        write!(f, " on {} to {}", self.on, self.to)?;
        show(f, "where", self.rows.as_deref())
    }
}

/// Adds ` · word text` when there is a text, on the same line whatever the text has in it.
fn show(f: &mut fmt::Formatter<'_>, word: &str, text: Option<&str>) -> fmt::Result {
    match text {
        Some(text) => write!(f, " · {word} {}", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => Ok(()),
    }
}

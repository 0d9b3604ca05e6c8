//! The policy as an immutable index, made once a policy version and read by every decision.
//!
//! A decision asks two things: which principals does this identity count as, and which of their grants cover this
//! object. Both are answered by keys, so a decision costs what the identity and the object have to do with the
//! policy, not what the policy weighs. Knows nothing of columns and rows: that is the decision's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::model::{Grant, PolicySet, Role, Target};
use super::principal::{Identity, Principal};

/// A policy set with its grants found by target and principal, and its roles found by member.
#[derive(Debug, Default)]
pub struct Index {
    roles: BTreeMap<String, Role>,
    grants: Vec<Grant>,
    /// Positions in `grants`, by what the grant is on and whom it is for.
    covering: HashMap<Target, HashMap<Principal, Vec<usize>>>,
    /// Who has any grant on a database or on something in it.
    touching: HashMap<String, BTreeSet<Principal>>,
    /// The roles that name a principal as a member themselves.
    member_of: HashMap<Principal, Vec<String>>,
}

impl Index {
    /// Indexes `policy`. Grants are kept ordered by id, so that reasons read the same from run to run.
    pub fn new(policy: PolicySet) -> Self {
        let PolicySet { roles, mut grants } = policy;
        grants.sort_by(|a, b| a.id.cmp(&b.id));
        let mut index = Self { roles, grants, ..Self::default() };
        for (position, grant) in index.grants.iter().enumerate() {
            let by_principal = index.covering.entry(grant.on.clone()).or_default();
            by_principal.entry(grant.to.clone()).or_default().push(position);
            let touching = index.touching.entry(grant.on.database().to_owned()).or_default();
            touching.insert(grant.to.clone());
        }
        for (name, role) in &index.roles {
            for member in &role.members {
                index.member_of.entry(member.clone()).or_default().push(name.clone());
            }
        }
        index
    }

    /// Everything the identity counts as: its user, its groups, the roles these reach, and `public`.
    ///
    /// Roles come from the policy alone: a claim of the token that calls itself a role makes none.
    pub fn principals_of(&self, identity: &Identity) -> BTreeSet<Principal> {
        let mut principals = BTreeSet::new();
        let mut waiting = vec![Principal::User(identity.user.clone())];
        waiting.extend(identity.groups.iter().cloned().map(Principal::Group));
        // Each principal is followed once, so a diamond counts once and a cycle ends.
        while let Some(principal) = waiting.pop() {
            if !principals.insert(principal.clone()) {
                continue;
            }
            let reached = self.member_of.get(&principal).into_iter().flatten();
            waiting.extend(reached.cloned().map(Principal::Role));
        }
        // Added last: a role is a set of users, groups and roles, so nobody is in one by being anybody.
        principals.insert(Principal::Public);
        principals
    }

    /// The roles that the identity is in, by itself, by a group, or through other roles.
    pub fn roles_of(&self, identity: &Identity) -> BTreeSet<String> {
        let roles = self.principals_of(identity).into_iter().filter_map(|principal| match principal {
            Principal::Role(name) => Some(name),
            Principal::User(_) | Principal::Group(_) | Principal::Public => None,
        });
        roles.collect()
    }

    /// The grants of any of `principals` on one of `targets`, ordered by id.
    pub fn grants_on(&self, targets: &[Target], principals: &BTreeSet<Principal>) -> Vec<&Grant> {
        let mut positions: BTreeSet<usize> = BTreeSet::new();
        for by_principal in targets.iter().filter_map(|target| self.covering.get(target)) {
            positions.extend(principals.iter().filter_map(|one| by_principal.get(one)).flatten().copied());
        }
        positions.into_iter().filter_map(|position| self.grants.get(position)).collect()
    }

    /// Whether any of `principals` has any grant on the database or on something in it.
    pub fn touches(&self, database: &str, principals: &BTreeSet<Principal>) -> bool {
        self.touching.get(database).is_some_and(|touching| !touching.is_disjoint(principals))
    }

    /// All roles, by name.
    pub fn roles(&self) -> &BTreeMap<String, Role> {
        &self.roles
    }

    /// All grants, ordered by id.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }
}

/// Refuses roles that contain themselves, naming the cycle from its first role back to it: `a`, `b`, `a`.
pub fn check_cycles(roles: &BTreeMap<String, Role>) -> Result<(), Vec<String>> {
    let mut done = BTreeSet::new();
    for start in roles.keys() {
        walk(start, roles, &mut done)?;
    }
    Ok(())
}

/// Follows the roles that are members of `start`, depth first. A list of its own instead of recursion: how deep
/// roles are nested is the writer's choice, the size of the stack is not.
fn walk(start: &str, roles: &BTreeMap<String, Role>, done: &mut BTreeSet<String>) -> Result<(), Vec<String>> {
    let mut path: Vec<(String, Vec<String>)> = Vec::new();
    let mut open = BTreeSet::new();
    if !done.contains(start) {
        open.insert(start.to_owned());
        path.push((start.to_owned(), nested(start, roles)));
    }
    while let Some((role, members)) = path.last_mut() {
        let Some(member) = members.pop() else {
            open.remove(role);
            done.insert(role.clone());
            path.pop();
            continue;
        };
        if open.contains(&member) {
            let first = path.iter().position(|(on_path, _)| *on_path == member).unwrap_or_default();
            let cycle = path.iter().skip(first).map(|(on_path, _)| on_path.clone());
            return Err(cycle.chain([member]).collect());
        }
        if !done.contains(&member) {
            let members = nested(&member, roles);
            open.insert(member.clone());
            path.push((member, members));
        }
    }
    Ok(())
}

fn nested(role: &str, roles: &BTreeMap<String, Role>) -> Vec<String> {
    let members = roles.get(role).into_iter().flat_map(|role| &role.members);
    let roles = members.filter_map(|member| match member {
        Principal::Role(name) => Some(name.clone()),
        Principal::User(_) | Principal::Group(_) | Principal::Public => None,
    });
    roles.collect()
}

//! Who is in whom, as far as the policy says.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::model::Role;
use crate::policy::principal::Principal;

/// The roles with everything inside them.
#[derive(Debug)]
pub(super) struct Members<'a> {
    roles: &'a BTreeMap<String, Role>,
    /// Of each role: users, groups and roles in it, directly or through others.
    inside: BTreeMap<&'a str, BTreeSet<&'a Principal>>,
}

/// Those who are in two principals at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Both<'a> {
    Nobody,
    /// Everybody in this one.
    All(&'a Principal),
    /// Those that the policy names.
    Some(BTreeSet<&'a Principal>),
}

impl<'a> Members<'a> {
    pub fn new(roles: &'a BTreeMap<String, Role>) -> Self {
        let inside = roles.keys().map(|name| (name.as_str(), walk(name, roles)));
        Self { roles, inside: inside.collect() }
    }

    /// Whether everybody in `one` is in `other`.
    pub fn is_within(&self, one: &Principal, other: &Principal) -> bool {
        one == other
            || *other == Principal::Public
            || self.of(other).is_some_and(|inside| inside.contains(one))
    }

    /// Why nobody is in `principal`, when nobody is.
    pub fn why_empty(&self, principal: &Principal) -> Option<&'static str> {
        let Principal::Role(name) = principal else { return None };
        if !self.roles.contains_key(name) {
            return Some("there is no such role");
        }
        self.people(principal).is_empty().then_some("nobody is in the role")
    }

    pub fn in_both<'p: 'a>(&'p self, one: &'p Principal, other: &'p Principal) -> Both<'p> {
        if self.why_empty(one).or_else(|| self.why_empty(other)).is_some() {
            return Both::Nobody;
        }
        if self.is_within(one, other) {
            return Both::All(one);
        }
        if self.is_within(other, one) {
            return Both::All(other);
        }
        let (one, other) = (self.people(one), self.people(other));
        let both: BTreeSet<_> = one.intersection(&other).copied().collect();
        if both.is_empty() { Both::Nobody } else { Both::Some(both) }
    }

    fn of(&self, principal: &Principal) -> Option<&BTreeSet<&'a Principal>> {
        match principal {
            Principal::Role(name) => self.inside.get(name.as_str()),
            Principal::User(_) | Principal::Group(_) | Principal::Public => None,
        }
    }

    /// The users and groups in `principal`.
    fn people<'p>(&'p self, principal: &'p Principal) -> BTreeSet<&'p Principal> {
        match principal {
            Principal::Role(_) => {
                let inside = self.of(principal).into_iter().flatten().copied();
                inside.filter(|member| !matches!(member, Principal::Role(_))).collect()
            }
            Principal::User(_) | Principal::Group(_) | Principal::Public => BTreeSet::from([principal]),
        }
    }
}

/// Each member is followed once, so a cycle ends.
fn walk<'a>(name: &str, roles: &'a BTreeMap<String, Role>) -> BTreeSet<&'a Principal> {
    let mut inside = BTreeSet::new();
    let mut waiting: Vec<&Principal> = roles.get(name).into_iter().flat_map(|role| &role.members).collect();
    while let Some(member) = waiting.pop() {
        if inside.insert(member)
            && let Principal::Role(name) = member
        {
            waiting.extend(roles.get(name).into_iter().flat_map(|role| &role.members));
        }
    }
    inside
}

//! The holders of a source as principals of ours: who signs in is `user:NAME`, who is held by others is `role:NAME` with
//! those as its members.
//!
//! A role of ours has exactly the members that have its privileges in the source without asking for them. A group that cannot be a
//! role here is passed over: each holder is granted what it has in full, so nobody loses by that and nobody gains.

use std::collections::{BTreeMap, BTreeSet};

use crate::ingest::source::privileges::{Holder, HolderId, HolderKind};
use crate::policy::check::check_name;
use crate::policy::model::Role;
use crate::policy::principal::Principal;

/// The role of everybody who has an account in the source. `public` of ours is more: everybody who signs in here.
const EVERYONE: &str = "public";

/// The principals that the holders are.
#[derive(Debug)]
pub(super) struct People<'a> {
    holders: &'a [Holder],
    /// The names of those that are roles.
    roles: BTreeMap<HolderId, String>,
}

impl<'a> People<'a> {
    /// Roles are called as in the source, behind `prefix`.
    pub fn new(holders: &'a [Holder], prefix: &str) -> Self {
        let held = holders.iter().flat_map(|holder| &holder.reaches).collect::<BTreeSet<_>>();
        let (mut roles, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for (id, holder) in holders.iter().enumerate() {
            let name = match holder.kind {
                HolderKind::Everyone => format!("{prefix}{EVERYONE}"),
                _ => format!("{prefix}{}", holder.name),
            };
            let is_group = holder.kind != HolderKind::User || held.contains(&id);
            // One that reaches itself would be a role that contains itself.
            let can_be = check_name("role", &name).is_ok() && !holder.reaches.contains(&id);
            if is_group && can_be && taken.insert(name.clone()) {
                roles.insert(id, name);
            }
        }
        Self { holders, roles }
    }

    /// All holders that are principals and whose privileges say what they may see.
    pub fn ids(&self) -> impl Iterator<Item = HolderId> {
        (0..self.holders.len()).filter(|id| self.principal(*id).is_some())
    }

    /// Whom a grant to the holder names; nobody for one that nothing may be granted to.
    pub fn principal(&self, id: HolderId) -> Option<Principal> {
        let holder = self.holders.get(id).filter(|holder| holder.unbound.is_none())?;
        match self.roles.get(&id) {
            Some(name) => Some(Principal::Role(name.clone())),
            None => (holder.kind == HolderKind::User).then(|| Principal::User(holder.name.clone())),
        }
    }

    /// Why a group is not a role here, for each that is none.
    pub fn passed_over(&self) -> impl Iterator<Item = &'a str> {
        let groups = self.holders.iter().enumerate();
        let none =
            groups.filter(|(id, holder)| holder.kind == HolderKind::Group && !self.roles.contains_key(id));
        none.map(|(_, holder)| holder.name.as_str())
    }

    /// Whether `id` has in the source whatever `other` has: it is it, or reaches it.
    pub fn has_all_of(&self, id: HolderId, other: HolderId) -> bool {
        id == other || self.reaches(id).contains(&other)
    }

    /// Whether it is everybody who has an account in the source.
    pub fn is_everyone(&self, id: HolderId) -> bool {
        self.holders.get(id).is_some_and(|holder| holder.kind == HolderKind::Everyone)
    }

    /// The roles whose grants are also those of `id`.
    pub fn roles_of(&self, id: HolderId) -> impl Iterator<Item = HolderId> {
        let reached = self.reaches(id).iter().copied();
        reached.filter(move |other| {
            *other != id && self.principal(*other).is_some() && self.roles.contains_key(other)
        })
    }

    /// The principals that together are all of `ids`: none that is a member of another one among them.
    pub fn named(&self, ids: &BTreeSet<HolderId>) -> BTreeSet<Principal> {
        let outermost = ids.iter().filter(|id| !self.roles_of(**id).any(|role| ids.contains(&role)));
        outermost.filter_map(|id| self.principal(*id)).collect()
    }

    /// The roles through which members come to one of `used`, each with all its members.
    pub fn roles_for(&self, used: &BTreeSet<Principal>) -> Vec<Role> {
        let is_used = |id: &HolderId| self.principal(*id).is_some_and(|principal| used.contains(&principal));
        // Users are members of everybody themselves, and not through their roles.
        let leads_to_used =
            |id: HolderId| self.roles_of(id).any(|role| !self.is_everyone(role) && is_used(&role));
        let is_needed = |id: &HolderId| is_used(id) || leads_to_used(*id);
        let needed = self.roles.iter().filter(|(id, _)| self.principal(**id).is_some() && is_needed(id));
        needed.map(|(id, name)| Role { name: name.clone(), members: self.members(*id) }).collect()
    }

    /// Those that have the role without another role between.
    fn members(&self, role: HolderId) -> BTreeSet<Principal> {
        let is_everyone = self.is_everyone(role);
        let between = |id: HolderId| {
            self.roles_of(id).any(|other| other != role && self.reaches(other).contains(&role))
        };
        let mut members = BTreeSet::new();
        for id in self.ids().filter(|id| self.has_all_of(*id, role)) {
            let is_user = self.holders.get(id).filter(|holder| holder.kind == HolderKind::User);
            if let Some(user) = is_user.filter(|_| is_everyone || id == role) {
                members.insert(Principal::User(user.name.clone()));
            } else if id != role && !is_everyone && !between(id) {
                members.extend(self.principal(id));
            }
        }
        members
    }

    fn reaches(&self, id: HolderId) -> &'a BTreeSet<HolderId> {
        static NONE: BTreeSet<HolderId> = BTreeSet::new();
        self.holders.get(id).map_or(&NONE, |holder| &holder.reaches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(name: &str, kind: HolderKind, reaches: &[HolderId]) -> Holder {
        let reaches = reaches.iter().copied().collect();
        Holder { name: name.to_owned(), kind, reaches, unbound: None, notes: Vec::new() }
    }

    /// Each role of `people` as `name: members`.
    fn roles(people: &People<'_>) -> Vec<String> {
        let used = people.ids().filter_map(|id| people.principal(id)).collect();
        let line = |role: Role| {
            let members = role.members.iter().map(ToString::to_string).collect::<Vec<_>>();
            format!("{}: {}", role.name, members.join(" "))
        };
        people.roles_for(&used).into_iter().map(line).collect()
    }

    #[test]
    fn a_role_has_those_as_members_that_have_its_privileges() {
        use HolderKind::{Everyone, Group, User};
        let mut holders = vec![
            holder("everyone", Everyone, &[]),
            holder("staff", Group, &[0]),
            holder("sales", Group, &[0, 1]),
            // Signs in, and another one has what it has.
            holder("ana", User, &[0, 1, 2]),
            holder("bo", User, &[0, 1, 2, 3]),
            holder("eve", User, &[0]),
            holder("a.b", Group, &[0, 1]),
            holder("kim", User, &[0, 1, 6]),
            holder("root", User, &[]),
        ];
        holders[8].unbound = Some("a superuser".to_owned());
        let people = People::new(&holders, "src_");
        let expected = [
            "src_public: user:ana user:bo user:eve user:kim",
            "src_staff: user:kim role:src_sales",
            "src_sales: role:src_ana",
            "src_ana: user:ana user:bo",
        ];
        assert_eq!(roles(&people), expected);
        assert_eq!(people.passed_over().collect::<Vec<_>>(), ["a.b"]);
        assert_eq!(people.principal(8), None);
        assert_eq!(people.named(&[1, 2, 3, 4, 7].into()), [Principal::Role("src_staff".to_owned())].into());
        assert_eq!(people.named(&[3, 4, 5].into()).len(), 2);
    }

    #[test]
    fn a_group_that_reaches_itself_is_no_role() {
        use HolderKind::{Group, User};
        let holders = [holder("a", Group, &[0, 1]), holder("b", Group, &[0, 1]), holder("u", User, &[0, 1])];
        assert!(roles(&People::new(&holders, "")).is_empty());
    }
}

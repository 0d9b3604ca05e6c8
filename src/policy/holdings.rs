//! The grants, found by what they are on and whom they are for.
//!
//! Copies share what they have in common, so a change costs what it changes and not what the policy weighs: the old
//! version stays whole for whoever reads it. A place is found by a number made of its names; what is found is compared
//! by name, so two places that share a number are still two.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::decide::Asker;
use super::model::{Grant, Target};
use super::principal::Principal;

/// All grants that give something.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings {
    /// By the target and the principal.
    by_place: imbl::HashMap<u64, Held>,
    on_tags: imbl::HashMap<Principal, Vec<Arc<Grant>>>,
    /// How many grants without a window of time a principal has on a database or on something in it.
    touching: imbl::HashMap<u64, u32>,
    /// By the database, those that hold for a time only.
    for_a_time: imbl::HashMap<String, Vec<Arc<Grant>>>,
}

/// Nearly always it is one; a list of its own for each would cost more than the grants.
#[derive(Debug, Clone)]
enum Held {
    One(Arc<Grant>),
    Many(Vec<Arc<Grant>>),
}

impl Held {
    fn all(&self) -> &[Arc<Grant>] {
        match self {
            Self::One(grant) => std::slice::from_ref(grant),
            Self::Many(grants) => grants,
        }
    }
}

impl Holdings {
    pub(super) fn add(&mut self, grant: Arc<Grant>) {
        let Some(database) = grant.on.database() else {
            self.on_tags.entry(grant.to.clone()).or_default().push(grant);
            return;
        };
        if grant.from.is_none() && grant.until.is_none() {
            let count = self.touching.entry(number(database, &grant.to)).or_insert(0);
            *count = count.saturating_add(1);
        } else {
            self.for_a_time.entry(database.to_owned()).or_default().push(Arc::clone(&grant));
        }
        let place = number(&grant.on, &grant.to);
        let held = match self.by_place.remove(&place) {
            None => Held::One(grant),
            Some(Held::One(first)) => Held::Many(vec![first, grant]),
            Some(Held::Many(mut grants)) => {
                grants.push(grant);
                Held::Many(grants)
            }
        };
        self.by_place.insert(place, held);
    }

    /// Takes out the grant with the id and the place of `gone`.
    pub(super) fn remove(&mut self, gone: &Grant) {
        let stays = |grant: &Arc<Grant>| grant.id != gone.id;
        let Some(database) = gone.on.database() else {
            if let Some(grants) = self.on_tags.get_mut(&gone.to) {
                grants.retain(stays);
            }
            return;
        };
        let place = number(&gone.on, &gone.to);
        let Some(held) = self.by_place.get(&place) else { return };
        if held.all().iter().all(stays) {
            return;
        }
        let mut left: Vec<Arc<Grant>> = held.all().iter().filter(|grant| stays(grant)).cloned().collect();
        match (left.pop(), left.is_empty()) {
            (None, _) => self.by_place.remove(&place),
            (Some(last), true) => self.by_place.insert(place, Held::One(last)),
            (Some(last), false) => {
                left.push(last);
                self.by_place.insert(place, Held::Many(left))
            }
        };
        if gone.from.is_none() && gone.until.is_none() {
            let touching = number(database, &gone.to);
            if let Some(count) = self.touching.get_mut(&touching) {
                *count = count.saturating_sub(1);
            }
        } else if let Some(grants) = self.for_a_time.get_mut(database) {
            grants.retain(stays);
        }
    }

    /// The asker's grants in force on exactly one of `targets`, in no order.
    pub(super) fn on<'a>(&'a self, targets: &[Target], asker: &Asker) -> Vec<&'a Grant> {
        let mut found = Vec::new();
        for target in targets {
            for principal in &asker.principals {
                let held = self.by_place.get(&number(target, principal)).map_or(&[][..], Held::all);
                found.extend(held.iter().map(AsRef::as_ref).filter(|grant: &&Grant| {
                    grant.on == *target && grant.to == *principal && grant.is_valid_at(asker.now)
                }));
            }
        }
        found
    }

    /// The grants on exactly `target` for exactly `principal`, in force or not.
    pub(super) fn at(&self, target: &Target, principal: &Principal) -> impl Iterator<Item = &Grant> {
        let held = self.by_place.get(&number(target, principal)).map_or(&[][..], Held::all);
        held.iter()
            .map(AsRef::as_ref)
            .filter(move |grant: &&Grant| grant.on == *target && grant.to == *principal)
    }

    /// The grants on tags for exactly `principal` that are in force at `now`.
    pub(super) fn on_tags(&self, principal: &Principal, now: DateTime<Utc>) -> impl Iterator<Item = &Grant> {
        let grants = self.on_tags.get(principal).into_iter().flatten();
        grants.map(AsRef::as_ref).filter(move |grant: &&Grant| grant.is_valid_at(now))
    }

    pub(super) fn has_any_on_tags(&self) -> bool {
        !self.on_tags.is_empty()
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Grant> {
        let placed = self.by_place.values().flat_map(Held::all);
        placed.chain(self.on_tags.values().flatten()).map(AsRef::as_ref)
    }

    /// Whether the asker has a grant in force on the database or on something in it.
    pub(super) fn touch(&self, database: &str, asker: &Asker) -> bool {
        asker
            .principals
            .iter()
            .any(|principal| self.touching.get(&number(database, principal)).is_some_and(|count| *count > 0))
            || self
                .for_a_time
                .get(database)
                .into_iter()
                .flatten()
                .any(|grant| asker.principals.contains(&grant.to) && grant.is_valid_at(asker.now))
    }
}

fn number(place: &(impl Hash + ?Sized), principal: &Principal) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    principal.hash(&mut hasher);
    hasher.finish()
}

//! What to change so that the policy says what the files say.
//!
//! Pure: from what is wanted and what is, to a list of edits in a fixed order, for people to read. In which order
//! the store takes them, and who makes them, in one transaction, is not known here.

mod show;

use std::collections::{BTreeMap, BTreeSet};

use super::file::{DatabaseSpec, Desired, FileError, Placed, TaggingSpec};
use super::grant::GrantSpec;
use super::model::{Filter, Grant, PolicySet, Role};
use super::restriction::Restriction;
use super::tag::{Tag, TaggedObject, Tags};

/// One change. Displays as one readable line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Add(Item),
    Update {
        before: Item,
        after: Item,
    },
    Remove(Item),
    AddGrant(GrantSpec),
    /// The grant with its new reason: nothing else can differ, for then it would be another grant.
    UpdateGrant(Grant),
    RemoveGrant(Grant),
}

/// What is known by a name; `before` and `after` of one edit have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Database(DatabaseSpec),
    Role(Role),
    Tag(Tag),
    Tagging(TaggingSpec),
    Filter(Filter),
    Restriction(Restriction),
}

/// The edits that lead from `current` and the `databases` with their comments to `desired`. Without `prune` nothing is
/// removed. Databases are never removed: they hold tables, and files do not say which.
pub fn plan(
    desired: &Desired,
    current: &PolicySet,
    databases: &BTreeMap<String, Option<String>>,
    prune: bool,
) -> Result<Vec<Edit>, FileError> {
    if !prune {
        desired.check_roles(&current.roles)?;
    }
    let kinds = [
        plan_databases(desired, databases),
        Kind::of(&desired.tags, &current.tags, Item::Tag),
        Kind::of(&desired.roles, &current.roles, Item::Role),
        plan_tags(desired, &current.tagged, prune),
        Kind::of(&desired.filters, &current.filters, Item::Filter),
        plan_grants(desired, &current.grants),
        Kind::of(&desired.restrictions, &current.restrictions, Item::Restriction),
    ];
    let mut edits = Vec::new();
    let mut gone = Vec::new();
    for mut kind in kinds {
        edits.append(&mut kind.added);
        edits.append(&mut kind.updated);
        gone.push(kind.removed);
    }
    if prune {
        // What is used goes after what uses it.
        edits.extend(gone.into_iter().rev().flatten());
    }
    Ok(edits)
}

/// The edits of one kind of thing.
#[derive(Default)]
struct Kind {
    added: Vec<Edit>,
    updated: Vec<Edit>,
    removed: Vec<Edit>,
}

impl Kind {
    fn of<T: Clone + PartialEq>(
        desired: &BTreeMap<String, Placed<T>>,
        current: &BTreeMap<String, T>,
        item: impl Fn(T) -> Item,
    ) -> Self {
        let mut kind = Self::default();
        for (name, wanted) in desired {
            kind.compare(current.get(name).cloned(), wanted.value.clone(), &item);
        }
        let gone = current.iter().filter(|(name, _)| !desired.contains_key(*name));
        kind.removed = gone.map(|(_, value)| Edit::Remove(item(value.clone()))).collect();
        kind
    }

    fn compare<T: PartialEq>(&mut self, before: Option<T>, after: T, item: &impl Fn(T) -> Item) {
        match before {
            None => self.added.push(Edit::Add(item(after))),
            Some(before) if before != after => {
                self.updated.push(Edit::Update { before: item(before), after: item(after) });
            }
            Some(_) => {}
        }
    }
}

fn plan_databases(desired: &Desired, current: &BTreeMap<String, Option<String>>) -> Kind {
    let mut kind = Kind::default();
    for wanted in desired.databases.values().map(|database| &database.value) {
        let before = current
            .get(&wanted.name)
            .map(|comment| DatabaseSpec { name: wanted.name.clone(), comment: comment.clone() });
        // A comment that is not said stays as it is.
        let kept = before.as_ref().and_then(|before| before.comment.clone());
        let after = DatabaseSpec { comment: wanted.comment.clone().or(kept), ..wanted.clone() };
        kind.compare(before, after, &Item::Database);
    }
    kind
}

/// Tags are said key by key: without `prune` an object keeps those that the files do not speak of.
fn plan_tags(desired: &Desired, current: &BTreeMap<TaggedObject, Tags>, prune: bool) -> Kind {
    let mut kind = Kind::default();
    let spec = |object: &TaggedObject, tags: Tags| TaggingSpec { object: object.clone(), tags };
    for (object, wanted) in &desired.tagged {
        let before = current.get(object).filter(|tags| !tags.is_empty());
        let mut tags = before.filter(|_| !prune).cloned().unwrap_or_default();
        tags.extend(wanted.value.tags.clone());
        match before {
            None if tags.is_empty() => {}
            Some(before) if tags.is_empty() => {
                kind.removed.push(Edit::Remove(Item::Tagging(spec(object, before.clone()))));
            }
            _ => kind.compare(
                before.map(|tags| spec(object, tags.clone())),
                spec(object, tags),
                &Item::Tagging,
            ),
        }
    }
    let gone =
        current.iter().filter(|(object, tags)| !tags.is_empty() && !desired.tagged.contains_key(object));
    kind.removed.extend(gone.map(|(object, tags)| Edit::Remove(Item::Tagging(spec(object, tags.clone())))));
    kind
}

fn plan_grants(desired: &Desired, current: &[Grant]) -> Kind {
    let mut same: BTreeMap<GrantSpec, Vec<&Grant>> = BTreeMap::new();
    let mut current: Vec<&Grant> = current.iter().collect();
    current.sort_by(|a, b| a.id.cmp(&b.id));
    for grant in &current {
        same.entry(GrantSpec::from(*grant).without_reason()).or_default().push(grant);
    }
    let (mut kind, mut said) = (Kind::default(), BTreeSet::new());
    for wanted in desired.grants.iter().map(|grant| &grant.value) {
        let same = same.get(&wanted.without_reason()).map(Vec::as_slice).unwrap_or_default();
        said.extend(same.iter().map(|grant| grant.id.as_str()));
        match same.first() {
            None => kind.added.push(Edit::AddGrant(wanted.clone())),
            Some(_) if same.iter().any(|grant| grant.reason == wanted.reason) => {}
            Some(grant) => {
                let grant = Grant { reason: wanted.reason.clone(), ..(*grant).clone() };
                kind.updated.push(Edit::UpdateGrant(grant));
            }
        }
    }
    let gone = current.into_iter().filter(|grant| !said.contains(grant.id.as_str()));
    kind.removed = gone.map(|grant| Edit::RemoveGrant(grant.clone())).collect();
    kind
}

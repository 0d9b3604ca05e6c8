//! Edits as changes of the store, in the order that it takes, and back: from a change that is refused to the place in
//! the files that says so.

use uuid::Uuid;

use crate::app::rules::Refused;
use crate::error::Error;
use crate::policy::file::{Desired, Place};
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Role, Target};
use crate::policy::plan::{Edit, Item};
use crate::policy::principal::Principal;
use crate::policy::restriction::Scope;
use crate::policy::tag::TagExpression;
use crate::store::record::{Change, Database, State, Tagging};

/// The changes that make `edits` of `state`; what is changed must still be as it was read.
///
/// The store refuses a role that contains itself after any single change, also if the next one would undo that. So
/// roles lose members before any gains one.
pub(super) fn changes(edits: &[Edit], state: &State) -> Vec<Change> {
    let (mut losing, mut others) = (Vec::new(), Vec::new());
    for edit in edits {
        match edit {
            Edit::Update { before: Item::Role(before), after: Item::Role(after) } => {
                let expected = state.roles.get(&after.name).map(|role| role.revision);
                let kept = Role {
                    name: after.name.clone(),
                    members: before.members.intersection(&after.members).cloned().collect(),
                };
                let gains = kept.members.len() < after.members.len();
                let is_split = gains && nests(before) && kept.members != before.members;
                if is_split {
                    losing.push(Change::UpdateRole { value: kept, expected });
                }
                let expected = expected.map(|revision| revision + i64::from(is_split));
                let change = Change::UpdateRole { value: after.clone(), expected };
                if gains { others.push(change) } else { losing.push(change) }
            }
            Edit::Remove(Item::Role(_)) => losing.push(change(edit.clone(), state)),
            _ => others.push(change(edit.clone(), state)),
        }
    }
    losing.append(&mut others);
    losing
}

fn nests(role: &Role) -> bool {
    role.members.iter().any(|member| matches!(member, Principal::Role(_)))
}

fn change(edit: Edit, state: &State) -> Change {
    let grant = |id: &str| state.grants.get(id).map(|grant| grant.revision);
    match edit {
        Edit::Add(item) => create(item),
        Edit::Update { after, .. } => update(after, state),
        Edit::Remove(item) => drop(item, state),
        Edit::AddGrant(spec) => Change::CreateGrant(spec.with_id(Uuid::now_v7().to_string())),
        Edit::UpdateGrant(value) => Change::UpdateGrant { expected: grant(&value.id), value },
        Edit::RemoveGrant(before) => Change::DropGrant { expected: grant(&before.id), id: before.id },
    }
}

fn create(item: Item) -> Change {
    match item {
        Item::Database(spec) => Change::CreateDatabase(Database { name: spec.name, comment: spec.comment }),
        Item::Role(value) => Change::CreateRole(value),
        Item::Tag(value) => Change::CreateTag(value),
        Item::Tagging(spec) => Change::CreateTagging(Tagging { object: spec.object, tags: spec.tags }),
        Item::Filter(value) => Change::CreateFilter(value),
        Item::Restriction(value) => Change::CreateRestriction(value),
    }
}

fn update(item: Item, state: &State) -> Change {
    let expected = revision(&item, state);
    match item {
        Item::Database(spec) => {
            Change::UpdateDatabase { value: Database { name: spec.name, comment: spec.comment }, expected }
        }
        Item::Role(value) => Change::UpdateRole { value, expected },
        Item::Tag(value) => Change::UpdateTag { value, expected },
        Item::Tagging(spec) => {
            Change::UpdateTagging { value: Tagging { object: spec.object, tags: spec.tags }, expected }
        }
        Item::Filter(value) => Change::UpdateFilter { value, expected },
        Item::Restriction(value) => Change::UpdateRestriction { value, expected },
    }
}

fn drop(item: Item, state: &State) -> Change {
    let expected = revision(&item, state);
    match item {
        Item::Database(spec) => Change::DropDatabase { name: spec.name, expected },
        Item::Role(role) => Change::DropRole { name: role.name, expected },
        Item::Tag(tag) => Change::DropTag { key: tag.key, expected },
        Item::Tagging(spec) => Change::DropTagging { object: spec.object, expected },
        Item::Filter(filter) => Change::DropFilter { name: filter.name, expected },
        Item::Restriction(rule) => Change::DropRestriction { name: rule.name, expected },
    }
}

fn revision(item: &Item, state: &State) -> Option<i64> {
    match item {
        Item::Database(database) => state.databases.get(&database.name).map(|it| it.revision),
        Item::Role(role) => state.roles.get(&role.name).map(|it| it.revision),
        Item::Tag(tag) => state.tags.get(&tag.key).map(|it| it.revision),
        Item::Tagging(tagging) => state.taggings.get(&tagging.object.to_string()).map(|it| it.revision),
        Item::Filter(filter) => state.filters.get(&filter.name).map(|it| it.revision),
        Item::Restriction(rule) => state.restrictions.get(&rule.name).map(|it| it.revision),
    }
}

/// A refusal, at the place that it comes from when the files say it.
pub(super) fn placed(wrong: Refused, changes: &[Change], desired: &Desired) -> Error {
    let place = changes.get(wrong.change).and_then(|change| place(change, wrong.field, desired));
    match place {
        Some(place) => place.error(wrong.error.detail()).into(),
        None => wrong.error,
    }
}

fn place(change: &Change, field: &str, desired: &Desired) -> Option<Place> {
    match change {
        Change::CreateGrant(grant) | Change::UpdateGrant { value: grant, .. } => {
            let spec = GrantSpec::from(grant);
            desired.grants.iter().find(|placed| placed.value.same_as(&spec)).map(|it| it.place_of(field))
        }
        Change::CreateRole(role) | Change::UpdateRole { value: role, .. } => {
            desired.roles.get(&role.name).map(|it| it.place_of(field))
        }
        Change::CreateTag(tag) | Change::UpdateTag { value: tag, .. } => {
            desired.tags.get(&tag.key).map(|it| it.place.clone())
        }
        // The place of a tagging is that of its tags.
        Change::CreateTagging(tagging) | Change::UpdateTagging { value: tagging, .. } => {
            desired.tagged.get(&tagging.object).map(|it| it.place.clone())
        }
        Change::CreateFilter(filter) | Change::UpdateFilter { value: filter, .. } => {
            desired.filters.get(&filter.name).map(|it| it.place_of(field))
        }
        Change::CreateRestriction(rule) | Change::UpdateRestriction { value: rule, .. } => {
            // A column that a restriction names is part of what it is on.
            let field = if field == "columns" { "on" } else { field };
            desired.restrictions.get(&rule.name).map(|it| it.place_of(field))
        }
        Change::CreateDatabase(database) | Change::UpdateDatabase { value: database, .. } => {
            desired.databases.get(&database.name).map(|it| it.place.clone())
        }
        // What goes is nowhere in the files; what still uses it is.
        Change::DropFilter { name, .. } => uses_filter(name, desired),
        Change::DropTag { key, .. } => uses_tag(key, desired),
        _ => None,
    }
}

fn uses_filter(name: &str, desired: &Desired) -> Option<Place> {
    let user = desired.grants.iter().find(|grant| grant.value.filter.as_deref() == Some(name));
    user.map(|grant| grant.place_of("filter"))
}

fn uses_tag(key: &str, desired: &Desired) -> Option<Place> {
    let asks = |expression: &TagExpression| expression.keys().contains_key(key);
    let mut tagged = desired.tagged.values().filter(|tagging| tagging.value.tags.contains_key(key));
    let mut grants = desired.grants.iter().filter(|grant| match &grant.value.on {
        Target::Tagged(expression) => asks(expression),
        _ => false,
    });
    let mut rules = desired.restrictions.values().filter(|rule| {
        rule.value.on.iter().any(|scope| matches!(scope, Scope::Tagged(expression) if asks(expression)))
    });
    let of_tag = tagged.next().map(|tagging| tagging.place_of(key));
    let of_grant = || grants.next().map(|grant| grant.place_of("on"));
    of_tag.or_else(of_grant).or_else(|| rules.next().map(|rule| rule.place_of("on")))
}

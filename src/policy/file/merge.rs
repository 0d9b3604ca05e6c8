//! Several policy files as one: each thing once, and roles without cycles.
//!
//! What would hold must not depend on the order of the files, so whatever two of them say differently is refused.

use std::collections::BTreeMap;

use super::{Assertion, DatabaseSpec, FileError, Placed, PolicyFile, TaggingSpec};
use crate::policy::compile::check_cycles;
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Filter, Role};
use crate::policy::restriction::Restriction;
use crate::policy::tag::{Tag, TaggedObject};

/// What all files say together.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub roles: BTreeMap<String, Placed<Role>>,
    /// By key.
    pub tags: BTreeMap<String, Placed<Tag>>,
    pub databases: BTreeMap<String, Placed<DatabaseSpec>>,
    pub tagged: BTreeMap<TaggedObject, Placed<TaggingSpec>>,
    pub filters: BTreeMap<String, Placed<Filter>>,
    /// In the order in which they were written, each once.
    pub grants: Vec<Placed<GrantSpec>>,
    pub restrictions: BTreeMap<String, Placed<Restriction>>,
    pub tests: Vec<Placed<Assertion>>,
}

/// Puts files together.
pub fn merge(files: impl IntoIterator<Item = PolicyFile>) -> Result<Desired, FileError> {
    let mut desired = Desired::default();
    let mut grants = Grants::default();
    for file in files {
        file.roles.into_iter().try_for_each(|it| once("role", &mut desired.roles, it, |role| &role.name))?;
        file.tags.into_iter().try_for_each(|it| once("tag", &mut desired.tags, it, |tag| &tag.key))?;
        file.databases.into_iter().try_for_each(|database| desired.add_database(database))?;
        file.tagged.into_iter().try_for_each(|tagging| desired.add_tags(tagging))?;
        let filters = &mut desired.filters;
        file.filters.into_iter().try_for_each(|it| once("filter", filters, it, |filter| &filter.name))?;
        file.grants.into_iter().try_for_each(|grant| grants.add(&mut desired.grants, grant))?;
        let rules = &mut desired.restrictions;
        file.restrictions.into_iter().try_for_each(|it| once("restriction", rules, it, |rule| &rule.name))?;
        desired.tests.extend(file.tests);
    }
    desired.check_roles(&BTreeMap::new())?;
    Ok(desired)
}

/// Takes up something that has a name, unless another has it already.
fn once<T>(
    what: &str,
    known: &mut BTreeMap<String, Placed<T>>,
    one: Placed<T>,
    name: impl Fn(&T) -> &String,
) -> Result<(), FileError> {
    let name = name(&one.value).clone();
    if let Some(first) = known.get(&name) {
        let message = format!("{what} `{name}` is already at {}", first.place.short());
        return Err(one.place.error(message));
    }
    known.insert(name, one);
    Ok(())
}

/// Where each grant is in the list, by all of it but the reason.
#[derive(Default)]
struct Grants(BTreeMap<GrantSpec, usize>);

impl Grants {
    fn add(&mut self, list: &mut Vec<Placed<GrantSpec>>, grant: Placed<GrantSpec>) -> Result<(), FileError> {
        let key = grant.value.without_reason();
        let first = self.0.get(&key).and_then(|at| list.get(*at));
        match first {
            None => {
                self.0.insert(key, list.len());
                list.push(grant);
                Ok(())
            }
            Some(first) if first.value.reason != grant.value.reason => {
                let message = format!("the same grant with another reason is at {}", first.place.short());
                Err(grant.place.error(message))
            }
            Some(_) => Ok(()),
        }
    }
}

impl Desired {
    /// Refuses roles that contain themselves, also by way of the `kept` ones that the files do not speak of.
    pub fn check_roles(&self, kept: &BTreeMap<String, Role>) -> Result<(), FileError> {
        let mut roles = kept.clone();
        roles.extend(self.roles.iter().map(|(name, role)| (name.clone(), role.value.clone())));
        let Err(cycle) = check_cycles(&roles) else { return Ok(()) };
        let names: Vec<String> = cycle.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("roles contain each other: {}; take one out", names.join(" has "));
        let written = cycle.iter().find_map(|name| self.roles.get(name));
        let place = written.map(|role| role.place_of("members")).unwrap_or_default();
        Err(place.error(message))
    }

    fn add_database(&mut self, database: Placed<DatabaseSpec>) -> Result<(), FileError> {
        match self.databases.get_mut(&database.value.name) {
            None => {
                self.databases.insert(database.value.name.clone(), database);
            }
            Some(first) if first.value.comment.is_none() => {
                first.parts.extend(database.parts);
                first.value.comment = database.value.comment;
            }
            Some(first) if database.value.comment.is_some() && first.value != database.value => {
                let message = format!("the comment differs from the one at {}", first.place.short());
                return Err(database.place_of("comment").error(message));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Several files may put tags on one object, as long as they agree.
    fn add_tags(&mut self, tagging: Placed<TaggingSpec>) -> Result<(), FileError> {
        let Some(first) = self.tagged.get_mut(&tagging.value.object) else {
            self.tagged.insert(tagging.value.object.clone(), tagging);
            return Ok(());
        };
        for (key, value) in &tagging.value.tags {
            if first.value.tags.get(key).is_some_and(|said| said != value) {
                let message = format!("`{key}` has another value at {}", first.place_of(key).short());
                return Err(tagging.place_of(key).error(message));
            }
        }
        first.value.tags.extend(tagging.value.tags);
        first.parts.extend(tagging.parts);
        Ok(())
    }
}

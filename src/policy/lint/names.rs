//! Rules on what does not exist, and tags that nobody uses.

use std::collections::BTreeSet;

use super::{Finding, Ground, sentence};
use crate::policy::model::{Columns, TableName, Target};
use crate::policy::path::has_path;
use crate::policy::restriction::Scope;
use crate::policy::tag::TaggedObject;

pub(super) fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let policy = ground.policy;
    let mut found = Vec::new();
    let mut missing =
        |rule: &str, what: Option<String>| {
            found.extend(what.map(|what| {
                Finding::new("target_missing", format!("{rule} names what is not there: {what}"))
            }));
        };
    for grant in &policy.grants {
        let rule = format!("`{}`", sentence(grant));
        match &grant.on {
            Target::Database(database) | Target::AllTables(database) => {
                missing(&rule, ground.no_database(database));
            }
            Target::Table(table) => missing(&rule, ground.no_table(table, &grant.columns)),
            Target::Tagged(_) => {}
        }
    }
    for filter in policy.filters.values() {
        missing(&format!("the filter `{}`", filter.name), ground.no_table(&filter.on, &filter.columns));
    }
    for rule in policy.restrictions.values() {
        for scope in &rule.on {
            let what = match scope {
                Scope::Database(database) => ground.no_database(database),
                Scope::Table(table) => ground.no_table(table, &Columns::All),
                Scope::Column(table, path) => ground.no_table(table, &only(path)),
                Scope::Tagged(_) => None,
            };
            missing(&format!("the restriction `{}`", rule.name), what);
        }
    }
    for object in policy.tagged.iter().filter(|(_, tags)| !tags.is_empty()).map(|(object, _)| object) {
        let what = match object {
            TaggedObject::Database(database) => ground.no_database(database),
            TaggedObject::Table(table) => ground.no_table(table, &Columns::All),
            TaggedObject::Column(table, path) => ground.no_table(table, &only(path)),
        };
        missing(&format!("the tagging of `{object}`"), what);
    }
    found.extend(unused_tags(ground));
    found
}

fn unused_tags(ground: &Ground<'_>) -> Vec<Finding> {
    let policy = ground.policy;
    let of_grants = policy.grants.iter().filter_map(|grant| match &grant.on {
        Target::Tagged(expression) => Some(expression),
        Target::Database(_) | Target::AllTables(_) | Target::Table(_) => None,
    });
    let scopes = policy.restrictions.values().flat_map(|rule| &rule.on);
    let of_rules = scopes.filter_map(|scope| match scope {
        Scope::Tagged(expression) => Some(expression),
        Scope::Database(_) | Scope::Table(_) | Scope::Column(..) => None,
    });
    let asked: BTreeSet<&String> = of_grants.chain(of_rules).flat_map(|it| it.keys().keys()).collect();
    let assigned: BTreeSet<&String> = policy.tagged.values().flat_map(|tags| tags.keys()).collect();
    let unused = policy.tags.keys().filter_map(|key| match (asked.contains(key), assigned.contains(key)) {
        (true, true) => None,
        (true, false) => {
            Some(format!("the tag `{key}` is on nothing, so the rules that ask for it are on nothing"))
        }
        (false, true) => Some(format!("the tag `{key}` is assigned, and no rule asks for it")),
        (false, false) => Some(format!("the tag `{key}` is on nothing, and no rule asks for it")),
    });
    unused.map(|message| Finding::new("tag_unused", message)).collect()
}

impl Ground<'_> {
    fn no_database(&self, database: &str) -> Option<String> {
        (!self.databases.contains_key(database)).then(|| format!("there is no database `{database}`"))
    }

    fn no_table(&self, table: &TableName, columns: &Columns) -> Option<String> {
        let Some(shapes) = self.tables.get(table) else {
            return Some(format!("there is no table `{table}`"));
        };
        let (Columns::Include(paths) | Columns::Exclude(paths)) = columns else { return None };
        let gone = paths.iter().find(|path| !has_path(shapes, path))?;
        Some(format!("`{table}` has no column `{gone}`"))
    }
}

fn only(path: &str) -> Columns {
    Columns::Include(BTreeSet::from([path.to_owned()]))
}

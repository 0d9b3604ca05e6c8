//! Row filters that another grant voids: grants add, so whoever also has a grant without rows on the same columns sees
//! every row.

use std::collections::{BTreeMap, BTreeSet};

use super::members::{Both, Members};
use super::{Finding, Ground, sentence};
use crate::policy::leaf;
use crate::policy::model::{Grant, Permission, TableName};

pub(super) fn findings(ground: &Ground<'_>, members: &Members<'_>) -> Vec<Finding> {
    let said: BTreeMap<&str, String> =
        ground.policy.grants.iter().map(|grant| (grant.id.as_str(), sentence(grant))).collect();
    let said = |grant: &Grant| said.get(grant.id.as_str()).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (filtered, open, tables) in pairs(ground, members) {
        let tables = list(tables.iter().map(|table| format!("`{table}`")));
        let (filter, wide) = (said(filtered), said(open));
        if filtered.to == open.to {
            let message = format!(
                "the row filter of `{filter}` holds for nobody on {tables}: `{wide}` gives {} all rows",
                open.to
            );
            found.push(Finding::new("row_filter_voided", message));
            continue;
        }
        let who = match members.in_both(&filtered.to, &open.to) {
            Both::Nobody => continue,
            Both::All(principal) => format!("everybody in {principal}"),
            Both::Some(people) => list(people.iter().map(ToString::to_string)),
        };
        let message = format!(
            "the row filter of `{filter}` does not hold on {tables} for {who}: `{wide}` gives them all rows"
        );
        found.push(Finding::new("row_filter_escaped", message));
    }
    found
}

/// A grant with rows, one without that gives at least the same columns to some of the same people, and where.
fn pairs<'a>(
    ground: &Ground<'a>,
    members: &Members<'_>,
) -> Vec<(&'a Grant, &'a Grant, BTreeSet<&'a TableName>)> {
    let in_force =
        |grant: &&Grant| grant.permissions.contains(&Permission::Select) && grant.is_valid_at(ground.now);
    let grants: Vec<&Grant> = ground.index.grants().into_iter().filter(in_force).collect();
    let mut pairs = BTreeMap::new();
    for (table, columns) in ground.tables {
        let covered = |grant: &&'a Grant| {
            let paths = leaf::paths_covered(grant, table, columns, ground.index);
            (!paths.is_empty()).then_some((*grant, paths))
        };
        let here = grants.iter().filter_map(covered).collect::<Vec<_>>();
        let (filtered, open): (Vec<_>, Vec<_>) = here.iter().partition(|(grant, _)| grant.rows.is_some());
        for (filter, narrow) in &filtered {
            for (wide, paths) in &open {
                if paths.is_superset(narrow) && members.in_both(&filter.to, &wide.to) != Both::Nobody {
                    let pair = pairs.entry((filter.id.as_str(), wide.id.as_str()));
                    pair.or_insert_with(|| (*filter, *wide, BTreeSet::new())).2.insert(table);
                }
            }
        }
    }
    pairs.into_values().collect()
}

/// The first few, and how many more there are.
fn list(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let more = items.len().saturating_sub(SHOWN);
    let shown = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

//! Restrictions that take nothing away, and masks of which it is not said which one holds.

use super::members::Members;
use super::{Finding, Ground};
use crate::policy::leaf;
use crate::policy::restriction::{Effect, Restriction};

pub(super) fn findings(ground: &Ground<'_>, members: &Members<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in ground.policy.restrictions.values() {
        if let Some(why) = why_idle(rule, ground, members) {
            let (code, what) = match rule.effect {
                Effect::Mask(_) => ("mask_never_applies", "masks"),
                Effect::Hide => ("restriction_never_applies", "hides"),
                Effect::Rows(_) => ("restriction_never_applies", "filters"),
            };
            found.push(Finding::new(code, format!("the restriction `{}` {what} nothing: {why}", rule.name)));
        }
    }
    for (table, columns) in ground.tables {
        if let Some((path, [one, other])) = leaf::competing_masks(table, columns, ground.index) {
            let message = format!(
                "`{one}` and `{other}` both mask `{table}.{path}` with the same priority: give one of them another"
            );
            found.push(Finding::new("masks_compete", message));
        }
    }
    found
}

fn why_idle(rule: &Restriction, ground: &Ground<'_>, members: &Members<'_>) -> Option<&'static str> {
    let excepted = |principal| rule.except.iter().any(|except| members.is_within(principal, except));
    let counts = |principal: &&_| members.why_empty(principal).is_none();
    let concerned: Vec<_> = rule.applies_to.iter().filter(counts).collect();
    if concerned.is_empty() {
        return Some("nobody is in the roles that it applies to");
    }
    if concerned.into_iter().all(excepted) {
        return Some("everybody that it applies to is excepted");
    }
    let is_on = |(table, columns): (&_, &Vec<_>)| match rule.effect {
        Effect::Rows(_) => leaf::restricts_rows_of(rule, table, ground.index),
        Effect::Hide | Effect::Mask(_) => {
            !leaf::paths_in_scope(rule, table, columns, ground.index).is_empty()
        }
    };
    match (ground.tables.iter().any(is_on), &rule.effect) {
        (true, _) => None,
        (false, Effect::Rows(_)) => Some("no table is what it is on"),
        (false, _) => Some("no column is what it is on"),
    }
}

//! Grants that give nothing: their time is over, nobody is meant, or their filter is gone.

use super::members::Members;
use super::{Finding, Ground, sentence};

pub(super) fn findings(ground: &Ground<'_>, members: &Members<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for grant in &ground.policy.grants {
        let said = sentence(grant);
        if let Some(until) = grant.until.filter(|until| *until <= ground.now) {
            found.push(Finding::new("grant_expired", format!("`{said}` gives nothing since {until}")));
        }
        if let Some(why) = members.why_empty(&grant.to) {
            found.push(Finding::new("grant_to_nobody", format!("`{said}` gives nothing to anybody: {why}")));
        }
        if let Some(name) = grant.filter.as_ref().filter(|name| !ground.policy.filters.contains_key(*name)) {
            let message = format!("`{said}` gives nothing: there is no filter `{name}`");
            found.push(Finding::new("target_missing", message));
        }
    }
    found
}

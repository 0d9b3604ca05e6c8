//! Proposed tags: accepted they become tags, the way of every change; rejected they stay, so that they do not come again.

use super::App;
use crate::error::{Error, Result};
use crate::policy::proposal::Proposal;
use crate::store::record::{Change, State, Tagging, Versioned};

/// What is proposed, by column: but for those that have the tag by now, whatever its value.
pub fn pending(state: &State) -> impl Iterator<Item = (&String, &Proposal)> {
    let has = |name: &String, proposal: &Proposal| {
        state.taggings.get(name).is_some_and(|tagging| tagging.value.tags.contains_key(&proposal.key))
    };
    let all = state.proposals.iter().map(|(name, proposal)| (name, &proposal.value));
    all.filter(move |(name, proposal)| !has(name, proposal))
}

/// Gives the column `object` the tag that is proposed for it, and removes the proposal, in one transaction. Also one that was
/// rejected before.
pub async fn accept(app: &App, actor: &str, object: &str) -> Result<Proposal> {
    let governance = app.state();
    let proposed = find(&governance.state, object)?;
    let proposal = proposed.value.clone();
    check_tag(&governance.state, &proposal)?;
    let tagging = tagging(&governance.state, &proposal)?;
    let gone = Change::DropProposal { object: proposal.object.clone(), expected: Some(proposed.revision) };
    app.change(actor, vec![tagging, gone]).await?;
    Ok(proposal)
}

/// Remembers that the column `object` shall not have the tag that is proposed for it.
pub async fn reject(app: &App, actor: &str, object: &str) -> Result<Proposal> {
    let governance = app.state();
    let proposed = find(&governance.state, object)?;
    let value = Proposal { is_rejected: true, ..proposed.value.clone() };
    if !proposed.value.is_rejected {
        let expected = Some(proposed.revision);
        app.change(actor, vec![Change::UpdateProposal { value: value.clone(), expected }]).await?;
    }
    Ok(value)
}

fn find<'a>(state: &'a State, object: &str) -> Result<&'a Versioned<Proposal>> {
    state.proposals.get(object).ok_or_else(|| Error::not_found("proposal", object))
}

/// A tag is not made on the way: which values a key has is the policy's to say.
fn check_tag(state: &State, proposal: &Proposal) -> Result<()> {
    let Proposal { key, value, .. } = proposal;
    let has = state.tags.get(key).is_some_and(|tag| tag.value.values.contains(value));
    match has {
        true => Ok(()),
        false => Err(Error::conflict(format!(
            "there is no tag `{key}` with the value `{value}`: add it to the policy first, and accept then"
        ))),
    }
}

/// The column's tags with the proposed one among them.
fn tagging(state: &State, proposal: &Proposal) -> Result<Change> {
    let Proposal { object, key, value, .. } = proposal.clone();
    let Some(before) = state.taggings.get(&object.to_string()) else {
        return Ok(Change::CreateTagging(Tagging { object, tags: [(key, value)].into() }));
    };
    let mut tags = before.value.tags.clone();
    if let Some(has) = tags.insert(key.clone(), value) {
        return Err(Error::conflict(format!("`{object}` has the tag `{key}` already: it is `{has}`")));
    }
    Ok(Change::UpdateTagging { value: Tagging { object, tags }, expected: Some(before.revision) })
}

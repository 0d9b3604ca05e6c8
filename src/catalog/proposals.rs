//! What is proposed for the columns of a table that has come in.

use super::publish::Catalog;
use crate::error::Result;
use crate::policy::proposal::Proposal;
use crate::store::record::{Change, State};

impl Catalog {
    /// Keeps those of `proposals` that are new: not for a column that has the tag itself, nor one for which something was
    /// proposed before, which may have been rejected. Gives how many.
    pub async fn propose(&self, proposals: Vec<Proposal>) -> Result<usize> {
        if proposals.is_empty() {
            return Ok(0);
        }
        let state = self.store().load().await?;
        let new = proposals.into_iter().filter(|proposal| is_new(&state, proposal));
        let changes = new.map(Change::CreateProposal).collect::<Vec<_>>();
        let count = changes.len();
        self.store().commit(self.actor(), changes).await?;
        Ok(count)
    }
}

fn is_new(state: &State, proposal: &Proposal) -> bool {
    let object = proposal.object.to_string();
    let tags = state.taggings.get(&object).map(|tagging| &tagging.value.tags);
    !state.proposals.contains_key(&object) && tags.is_none_or(|tags| !tags.contains_key(&proposal.key))
}

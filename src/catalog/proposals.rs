//! What is proposed for the columns of a table that has come in.

use super::publish::Catalog;
use crate::error::{ErrorKind, Result};
use crate::policy::proposal::Proposal;
use crate::store::record::{Change, State};

/// How often it is looked again at what is new, when somebody else proposes the same meanwhile.
const ATTEMPTS: u32 = 5;

impl Catalog {
    /// Keeps those of `proposals` that are new: not for a column that has the tag itself, nor one for which something was
    /// proposed before, which may have been rejected. Gives how many.
    pub async fn propose(&self, proposals: Vec<Proposal>) -> Result<usize> {
        if proposals.is_empty() {
            return Ok(0);
        }
        let mut attempt = 1;
        loop {
            match self.propose_once(&proposals).await {
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn propose_once(&self, proposals: &[Proposal]) -> Result<usize> {
        let state = self.state().await?;
        let new = proposals.iter().filter(|proposal| is_new(&state, proposal)).cloned();
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

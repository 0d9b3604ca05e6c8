//! What the state is after changes: to judge them before they are made, and to take them up without reading all anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use super::record::{Change, State, Versioned};
use crate::policy::compile::Index;

impl State {
    /// The state with `changes` in it. What the store would refuse (a name that is taken, a revision that is old) is
    /// not refused here: the store has the last word.
    pub fn after<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut after = self.clone();
        changes.into_iter().for_each(|change| after.take(change));
        after
    }

    /// The index of this state, made from that of the state before `changes`.
    pub fn index_after<'a>(
        &self,
        before: &Self,
        index: &Index,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Index {
        let mut index = index.clone();
        let mut rules_changed = false;
        // Of a grant that is changed twice, what was there before all and what is there after all.
        let mut touched = std::collections::BTreeSet::new();
        for change in changes {
            match change {
                Change::CreateGrant(grant) | Change::UpdateGrant { value: grant, .. } => {
                    touched.insert(&grant.id)
                }
                Change::DropGrant { id, .. } => touched.insert(id),
                other => {
                    rules_changed |= other.is_of_rules();
                    false
                }
            };
        }
        for id in touched {
            if let Some(gone) = before.grants.get(id) {
                index.remove_grant(&gone.value);
            }
            if let Some(grant) = self.grants.get(id) {
                index.add_grant(&grant.value);
            }
        }
        if rules_changed {
            index.set_rules(self.rules());
        }
        index
    }

    fn take(&mut self, change: &Change) {
        match change.clone() {
            Change::CreateDatabase(value) | Change::UpdateDatabase { value, .. } => {
                put(&mut self.databases, value.name.clone(), value);
            }
            Change::DropDatabase { name, .. } => {
                self.databases.remove(&name);
            }
            Change::CreateTable(value) | Change::UpdateTable { value, .. } => {
                share(&mut self.tables, value.name.clone(), value);
            }
            Change::DropTable { name, .. } => {
                self.tables.remove(&name);
                self.descriptions.remove(&name);
                let within = format!("{name}.");
                self.proposals.retain(|object, _| !object.starts_with(&within));
            }
            Change::CreateRole(value) | Change::UpdateRole { value, .. } => {
                put(&mut self.roles, value.name.clone(), value);
            }
            Change::DropRole { name, .. } => {
                self.roles.remove(&name);
            }
            Change::CreateGrant(value) | Change::UpdateGrant { value, .. } => {
                share(&mut self.grants, value.id.clone(), value);
            }
            Change::DropGrant { id, .. } => {
                self.grants.remove(&id);
            }
            other => self.take_object(other),
        }
    }

    fn take_object(&mut self, change: Change) {
        match change {
            Change::CreateFilter(value) | Change::UpdateFilter { value, .. } => {
                put(&mut self.filters, value.name.clone(), value);
            }
            Change::DropFilter { name, .. } => {
                self.filters.remove(&name);
            }
            Change::CreateRestriction(value) | Change::UpdateRestriction { value, .. } => {
                put(&mut self.restrictions, value.name.clone(), value);
            }
            Change::DropRestriction { name, .. } => {
                self.restrictions.remove(&name);
            }
            Change::CreateTag(value) | Change::UpdateTag { value, .. } => {
                put(&mut self.tags, value.key.clone(), value);
            }
            Change::DropTag { key, .. } => {
                self.tags.remove(&key);
            }
            Change::CreateTagging(value) | Change::UpdateTagging { value, .. } => {
                put(&mut self.taggings, value.object.to_string(), value);
            }
            Change::DropTagging { object, .. } => {
                self.taggings.remove(&object.to_string());
            }
            Change::Describe(value) => share(&mut self.descriptions, value.table.clone(), value),
            Change::CreateProposal(value) | Change::UpdateProposal { value, .. } => {
                put(&mut self.proposals, value.object.to_string(), value);
            }
            Change::DropProposal { object, .. } => {
                self.proposals.remove(&object.to_string());
            }
            Change::CreateView(value) | Change::UpdateView { value, .. } => {
                put(&mut self.views, value.name.clone(), value);
            }
            Change::DropView { name, .. } => {
                self.views.remove(&name);
            }
            Change::CreateUnreleased(value) | Change::UpdateUnreleased { value, .. } => {
                put(&mut self.unreleased, value.table.clone(), value);
            }
            Change::DropUnreleased { table, .. } => {
                self.unreleased.remove(&table);
            }
            Change::CreateSource(value) | Change::UpdateSource { value, .. } => {
                put(&mut self.sources, value.name.clone(), value);
            }
            Change::DropSource { name, .. } => {
                self.sources.remove(&name);
            }
            Change::CreateIngestJob(value) | Change::UpdateIngestJob { value, .. } => {
                put(&mut self.ingest_jobs, value.name.clone(), value);
            }
            Change::DropIngestJob { name, .. } => {
                self.ingest_jobs.remove(&name);
            }
            _ => {}
        }
    }
}

impl Change {
    /// Whether it changes a rule that is not a grant.
    fn is_of_rules(&self) -> bool {
        !matches!(
            self,
            Self::CreateDatabase(_)
                | Self::UpdateDatabase { .. }
                | Self::DropDatabase { .. }
                | Self::CreateTable(_)
                | Self::UpdateTable { .. }
                | Self::DropTable { .. }
                | Self::CreateGrant(_)
                | Self::UpdateGrant { .. }
                | Self::DropGrant { .. }
                | Self::Describe(_)
                | Self::CreateProposal(_)
                | Self::UpdateProposal { .. }
                | Self::DropProposal { .. }
                | Self::CreateView(_)
                | Self::UpdateView { .. }
                | Self::DropView { .. }
                | Self::CreateSource(_)
                | Self::UpdateSource { .. }
                | Self::DropSource { .. }
                | Self::CreateIngestJob(_)
                | Self::UpdateIngestJob { .. }
                | Self::DropIngestJob { .. }
        )
    }
}

/// The value with the revision that the store gives it: 1, and one more at every change.
fn put<K: Ord, T>(kept: &mut BTreeMap<K, Versioned<T>>, name: K, value: T) {
    let revision = kept.get(&name).map_or(0, |before| before.revision).saturating_add(1);
    kept.insert(name, Versioned { revision, value });
}

fn share<K: Ord + Clone, T>(kept: &mut OrdMap<K, Versioned<Arc<T>>>, name: K, value: T) {
    let revision = kept.get(&name).map_or(0, |before| before.revision).saturating_add(1);
    kept.insert(name, Versioned { revision, value: Arc::new(value) });
}

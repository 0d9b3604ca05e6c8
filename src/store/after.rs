//! What the state will be after changes, so that they can be judged before they are made.

use super::record::{Change, State, Versioned};

impl State {
    /// The state with `changes` in it. What the store would refuse (a name that is taken, a revision that is old) is
    /// not refused here: the store has the last word.
    pub fn after<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut after = self.clone();
        changes.into_iter().for_each(|change| after.take(change));
        after
    }

    fn take(&mut self, change: &Change) {
        match change.clone() {
            Change::CreateDatabase(value) | Change::UpdateDatabase { value, .. } => {
                self.databases.insert(value.name.clone(), kept(value));
            }
            Change::DropDatabase { name, .. } => {
                self.databases.remove(&name);
            }
            Change::CreateTable(value) | Change::UpdateTable { value, .. } => {
                self.tables.insert(value.name.clone(), kept(value));
            }
            Change::DropTable { name, .. } => {
                self.tables.remove(&name);
            }
            Change::CreateRole(value) | Change::UpdateRole { value, .. } => {
                self.roles.insert(value.name.clone(), kept(value));
            }
            Change::DropRole { name, .. } => {
                self.roles.remove(&name);
            }
            Change::CreateGrant(value) | Change::UpdateGrant { value, .. } => {
                self.grants.insert(value.id.clone(), kept(value));
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
                self.filters.insert(value.name.clone(), kept(value));
            }
            Change::DropFilter { name, .. } => {
                self.filters.remove(&name);
            }
            Change::CreateRestriction(value) | Change::UpdateRestriction { value, .. } => {
                self.restrictions.insert(value.name.clone(), kept(value));
            }
            Change::DropRestriction { name, .. } => {
                self.restrictions.remove(&name);
            }
            Change::CreateTag(value) | Change::UpdateTag { value, .. } => {
                self.tags.insert(value.key.clone(), kept(value));
            }
            Change::DropTag { key, .. } => {
                self.tags.remove(&key);
            }
            Change::CreateTagging(value) | Change::UpdateTagging { value, .. } => {
                self.taggings.insert(value.object.to_string(), kept(value));
            }
            Change::DropTagging { object, .. } => {
                self.taggings.remove(&object.to_string());
            }
            Change::CreateView(value) | Change::UpdateView { value, .. } => {
                self.views.insert(value.name.clone(), kept(value));
            }
            Change::DropView { name, .. } => {
                self.views.remove(&name);
            }
            _ => {}
        }
    }
}

/// Which revision the store will give it does not matter for judging it.
fn kept<T>(value: T) -> Versioned<T> {
    Versioned { revision: 0, value }
}

//! What is said of tables beside their rows.

use super::publish::Catalog;
use crate::error::Result;
use crate::store::record::{Change, Description};

impl Catalog {
    /// Keeps what is said of a table, unless it is kept already.
    pub async fn describe(&self, description: Description) -> Result<()> {
        let state = self.state().await?;
        let is_same = match state.descriptions.get(&description.table) {
            Some(kept) => *kept.value == description,
            None => description.is_empty(),
        };
        if !is_same {
            self.store().commit(self.actor(), vec![Change::Describe(description)]).await?;
        }
        Ok(())
    }

    /// What is said of the table.
    pub async fn description(&self, table: &crate::policy::model::TableName) -> Result<Option<Description>> {
        let state = self.state().await?;
        Ok(state.descriptions.get(table).map(|kept| Description::clone(&kept.value)))
    }
}

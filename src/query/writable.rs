//! What somebody may add to a table: rows of the columns that they may know, with the permission `insert`.
//!
//! A table that they may not see is one that does not exist, in the same words. A column that is hidden from them is
//! none, and one that is shown in parts is not theirs to write.

use std::sync::Arc;

use arrow_schema::{FieldRef, Fields};

use super::authorize::{asker, decide_on, pruned};
use super::parse::no_such_table;
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::can;
use crate::policy::model::{Permission, TableName, Target};
use crate::policy::principal::Identity;
use crate::store::record::TableRecord;

/// A table that rows may be added to.
#[derive(Debug, Clone)]
pub struct Writable {
    pub record: Arc<TableRecord>,
    /// The columns that the caller may give values for.
    pub fields: Fields,
}

/// The table `name`, if `identity` may add rows to it by the policy that is now in force.
pub fn writable(app: &App, identity: &Identity, name: &TableName) -> Result<Writable> {
    let governance = app.state();
    let not_found = || no_such_table(&name.to_string());
    let record = governance.state.tables.get(name).ok_or_else(not_found)?;
    let asker = asker(identity, &governance, app.is_administrator(identity));
    let decision = decide_on(&asker, &record.value, &governance);
    if decision.describe.is_empty() {
        return Err(not_found());
    }
    if !can(&asker, Permission::Insert, &Target::Table(name.clone()), &governance.index) {
        let text = format!("adding rows to `{name}` needs the permission `insert` on it");
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let all = record.value.schema.fields();
    let is_whole = |field: &FieldRef| all.find(field.name()).is_some_and(|(_, whole)| whole == field);
    let fields = pruned(all, &decision.describe).into_iter().filter(is_whole).collect();
    Ok(Writable { record: Arc::clone(&record.value), fields })
}

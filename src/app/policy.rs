//! Policy files put in force: read → merge → plan → check → commit, all or nothing.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::App;
use crate::error::{Error, Result};
use crate::policy::file::{Desired, FileError, merge, parse};
use crate::policy::plan::{Edit, plan};
use crate::query::check_rows_expression;
use crate::store::record::{Change, Database, State};

/// What an apply did.
#[derive(Debug)]
pub struct Applied {
    /// The policy version now in force.
    pub version: i64,
    /// One readable line for each change; none when the files say what is already so.
    pub edits: Vec<String>,
}

/// Makes the policy say what `files` (name and text of each) say, in one transaction. Without `prune` nothing that
/// they do not mention is removed.
pub async fn apply(app: &App, actor: &str, files: &[(String, String)], prune: bool) -> Result<Applied> {
    app.refresh().await?;
    let state = &app.state().state;
    let parsed = files.iter().map(|(name, text)| parse(name, text)).collect::<Result<Vec<_>, _>>();
    let desired = parsed.and_then(merge).map_err(refused)?;
    let databases = state.databases.keys().cloned().collect::<BTreeSet<_>>();
    let edits = plan(&desired, &state.policy(), &databases, prune).map_err(refused)?;
    check_rules(app, &desired)?;
    let lines = edits.iter().map(ToString::to_string).collect();
    let changes = edits.into_iter().map(|edit| change(edit, state)).collect();
    let version = app.commit_if(actor, state.version, changes).await?;
    Ok(Applied { version, edits: lines })
}

/// Every row rule, with the place it was written at.
fn check_rules(app: &App, desired: &Desired) -> Result<()> {
    for grant in &desired.grants {
        if let Some(rows) = &grant.value.rows {
            check_rows_expression(app, &grant.value.on, rows).map_err(|error| {
                let place = grant.place.within("rows");
                refused(FileError { place, message: error.detail().to_owned() })
            })?;
        }
    }
    Ok(())
}

fn refused(error: FileError) -> Error {
    Error::invalid_request(error.to_string())
}

/// An edit as a change of the store; what is changed must still be as it was read.
fn change(edit: Edit, state: &State) -> Change {
    let role = |name: &str| state.roles.get(name).map(|role| role.revision);
    let grant = |id: &str| state.grants.get(id).map(|grant| grant.revision);
    match edit {
        Edit::AddDatabase(spec) => {
            Change::CreateDatabase(Database { name: spec.name, comment: spec.comment })
        }
        Edit::AddRole(value) => Change::CreateRole(value),
        Edit::UpdateRole { after, .. } => Change::UpdateRole { expected: role(&after.name), value: after },
        Edit::RemoveRole(before) => Change::DropRole { expected: role(&before.name), name: before.name },
        Edit::AddGrant(spec) => Change::CreateGrant(spec.with_id(Uuid::now_v7().to_string())),
        Edit::UpdateGrant(value) => Change::UpdateGrant { expected: grant(&value.id), value },
        Edit::RemoveGrant(before) => Change::DropGrant { expected: grant(&before.id), id: before.id },
    }
}

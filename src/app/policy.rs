//! Policy files put in force: read → merge → plan → check → commit, all or nothing.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::App;
use super::rules::{self, Names, Refused};
use crate::error::{Error, Result};
use crate::policy::file::{Desired, FileError, merge, parse};
use crate::policy::grant::GrantSpec;
use crate::policy::plan::{Edit, plan};
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
    let lines = edits.iter().map(ToString::to_string).collect();
    let changes = edits.into_iter().map(|edit| change(edit, state)).collect::<Vec<_>>();
    rules::check(app, state, &changes, Names::MayCome).map_err(|wrong| place(wrong, &changes, &desired))?;
    let version = app.commit_if(actor, state.version, changes).await?;
    Ok(Applied { version, edits: lines })
}

/// Where the file says what is wrong.
fn place(wrong: Refused, changes: &[Change], desired: &Desired) -> Error {
    let found = match changes.get(wrong.change) {
        Some(Change::CreateGrant(grant) | Change::UpdateGrant { value: grant, .. }) => {
            let spec = GrantSpec::from(grant);
            desired
                .grants
                .iter()
                .find(|placed| placed.value.same_as(&spec))
                .map(|placed| placed.place.clone())
        }
        _ => None,
    };
    match found {
        Some(place) if wrong.field.is_empty() => {
            refused(FileError { place, message: wrong.error.detail().to_owned() })
        }
        Some(place) => {
            refused(FileError { place: place.within(wrong.field), message: wrong.error.detail().to_owned() })
        }
        None => wrong.error,
    }
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

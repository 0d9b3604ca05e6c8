//! Policy files put in force: read → merge → plan → check → commit, all or nothing.

mod change;
mod impact;
mod lint;
mod pruning;
mod trial;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::impact::{Affected, Effect, Impact, impact};
pub use self::lint::lint;
pub use self::trial::{Outcome, test};
use super::rules::{self, Names};
use super::{App, Governance};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::export;
use crate::policy::file::{Desired, merge, parse};
use crate::policy::plan::{Edit, plan};
use crate::store::record::{Change, State};

/// A policy file: its name, for telling where a mistake is, and its text.
pub type File = (String, String);

/// What an apply did.
#[derive(Debug)]
pub struct Applied {
    /// The policy version now in force.
    pub version: i64,
    /// One readable line for each change; none when the files say what is already so.
    pub edits: Vec<String>,
}

/// What files say against one policy version, judged and ready to be made.
#[derive(Debug)]
pub struct Prepared {
    /// What the files were compared with.
    pub governance: Arc<Governance>,
    pub desired: Desired,
    pub edits: Vec<Edit>,
    pub changes: Vec<Change>,
}

/// Makes the policy say what `files` say, in one transaction. Without `prune` nothing that they do not mention is
/// removed. Should somebody else change the policy meanwhile, the difference is made anew.
pub async fn apply(app: &App, actor: &str, files: &[File], prune: bool) -> Result<Applied> {
    loop {
        let prepared = prepare(app, files, prune).await?;
        let lines = prepared.edits.iter().map(ToString::to_string).collect();
        let version = prepared.governance.state.version;
        match app.commit_if(actor, version, prepared.changes).await {
            Ok(made) => return Ok(Applied { version: made, edits: lines }),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                app.refresh().await?;
                if app.state().state.version == version {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads `files`, compares them with what holds now, and judges the difference. Changes nothing.
pub async fn prepare(app: &App, files: &[File], prune: bool) -> Result<Prepared> {
    app.refresh().await?;
    let governance = app.state();
    let state = &governance.state;
    let parsed = files.iter().map(|(name, text)| parse(name, text)).collect::<Result<Vec<_>, _>>();
    let desired = parsed.and_then(merge).map_err(Error::from)?;
    let edits = plan(&desired, &state.policy(), &databases(state), prune)?;
    let changes = change::changes(&edits, state);
    rules::check(app, &governance, &changes, Names::MayCome)
        .map_err(|wrong| change::placed(wrong, &changes, &desired))?;
    Ok(Prepared { governance, desired, edits, changes })
}

/// What the store holds, as a policy file.
pub fn export(app: &App) -> String {
    let governance = app.state();
    export::export(&governance.state.policy(), &databases(&governance.state))
}

fn databases(state: &State) -> BTreeMap<String, Option<String>> {
    state.databases.iter().map(|(name, it)| (name.clone(), it.value.comment.clone())).collect()
}

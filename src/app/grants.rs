//! Granting: by administrators, and by those who hold a grant that may be passed on.

use uuid::Uuid;

use super::{App, Governance};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::Asker;
use crate::policy::decision::Verdict;
use crate::policy::delegate::may_pass_on;
use crate::policy::grant::GrantSpec;
use crate::policy::model::Target;
use crate::policy::principal::Identity;
use crate::query::authorize::{asker, decide_on};
use crate::query::expression::implies;
use crate::query::parse::no_such_table;
use crate::store::record::Change;

/// Grants all of `wanted` or none, and gives their ids. What is granted already stays as it is.
pub async fn grant(app: &App, identity: &Identity, wanted: Vec<GrantSpec>) -> Result<Vec<String>> {
    if !app.is_administrator(identity) {
        let governance = app.state();
        let asker = asker(identity, &governance, false);
        wanted.iter().try_for_each(|spec| refuse_more_than_held(app, &asker, spec))?;
    }
    let (mut ids, mut changes) = (Vec::new(), Vec::new());
    let governance = app.state();
    for spec in wanted {
        if let Some(id) = twin_of(&spec, &governance) {
            ids.push(id);
            continue;
        }
        let id = Uuid::now_v7().to_string();
        ids.push(id.clone());
        changes.push(Change::CreateGrant(spec.with_id(id)));
    }
    app.change(&identity.user, changes).await?;
    Ok(ids)
}

/// The id of a grant that says the same.
fn twin_of(spec: &GrantSpec, governance: &Governance) -> Option<String> {
    let here = governance.index.grants_at(&spec.on, &spec.to);
    let mut kept = here.filter_map(|grant| governance.state.grants.get(&grant.id));
    kept.find(|grant| GrantSpec::from(grant.value.as_ref()).same_as(spec)).map(|grant| grant.value.id.clone())
}

fn refuse_more_than_held(app: &App, asker: &Asker, wanted: &GrantSpec) -> Result<()> {
    let governance = app.state();
    if may_pass_on(asker, wanted, &governance.index, &implies) {
        return Ok(());
    }
    // Whoever cannot see the table does not learn from this that it is there.
    if let Target::Table(name) = &wanted.on {
        let seen = governance
            .state
            .tables
            .get(name)
            .map(|table| decide_on(asker, &table.value, &governance).verdict);
        if seen.unwrap_or(Verdict::NotFound) == Verdict::NotFound {
            return Err(no_such_table(&name.to_string()));
        }
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        format!("you hold no grant on `{}` that may be passed on and covers all of this", wanted.on),
    ))
}

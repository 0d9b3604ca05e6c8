//! Granting: by administrators, and by those who hold a grant that may be passed on.

use arrow_schema::Schema;
use datafusion::common::DFSchema;
use uuid::Uuid;

use super::{App, Governance};
use crate::catalog::shapes;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::Asker;
use crate::policy::decision::{Cell, ColumnDecision, ColumnShape, Verdict};
use crate::policy::delegate::may_pass_on;
use crate::policy::grant::GrantSpec;
use crate::policy::model::{Columns, Grant, Target};
use crate::policy::path::{has_path, is_at_or_inside, leaf_paths};
use crate::policy::principal::Identity;
use crate::query::authorize::{asker, decide_named, pruned};
use crate::query::expression::{self, Reader, implies};
use crate::query::parse::no_such_table;
use crate::store::record::Change;

/// Grants all of `wanted` or none, and gives their ids. What is granted already stays as it is.
pub async fn grant(app: &App, identity: &Identity, wanted: Vec<GrantSpec>) -> Result<Vec<String>> {
    if !app.is_administrator(identity) {
        let governance = app.state();
        let asker = asker(identity, &governance, false);
        wanted.iter().try_for_each(|spec| refuse_more_than_held(app, identity, &asker, spec))?;
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

/// Makes one grant, and gives its id. Where there is the same already, this is a conflict.
pub async fn grant_anew(app: &App, identity: &Identity, wanted: GrantSpec) -> Result<String> {
    if !app.is_administrator(identity) {
        let asker = asker(identity, &app.state(), false);
        refuse_more_than_held(app, identity, &asker, &wanted)?;
    }
    let id = Uuid::now_v7().to_string();
    app.change(&identity.user, vec![Change::CreateGrant(wanted.with_id(id.clone()))]).await?;
    Ok(id)
}

/// The id of a grant that says the same.
fn twin_of(spec: &GrantSpec, governance: &Governance) -> Option<String> {
    let here = governance.index.grants_at(&spec.on, &spec.to);
    let mut kept = here.filter_map(|grant| governance.state.grants.get(&grant.id));
    kept.find(|grant| GrantSpec::from(grant.value.as_ref()).same_as(spec)).map(|grant| grant.value.id.clone())
}

fn refuse_more_than_held(app: &App, identity: &Identity, asker: &Asker, wanted: &GrantSpec) -> Result<()> {
    let governance = app.state();
    if may_pass_on(asker, wanted, &governance.index, &implies) {
        return refuse_what_is_not_seen(app, identity, asker, wanted, &governance);
    }
    // Whoever cannot see the table does not learn from this that it is there.
    if let Target::Table(name) = &wanted.on {
        let seen = decide_named(asker, name, &governance).map(|(decision, _)| decision.verdict);
        if seen.unwrap_or(Verdict::NotFound) == Verdict::NotFound {
            return Err(no_such_table(&name.to_string()));
        }
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        format!("you hold no grant on `{}` that may be passed on and covers all of this", wanted.on),
    ))
}

/// A grant names columns, and its row rule is evaluated with the policy's own rights. Whoever passes one on must not
/// learn by a name which columns there are, nor by a rule what is in those that they do not see as they are.
fn refuse_what_is_not_seen(
    app: &App,
    identity: &Identity,
    asker: &Asker,
    wanted: &GrantSpec,
    governance: &Governance,
) -> Result<()> {
    let held: Vec<&Grant> = match &wanted.on {
        Target::Table(table) => governance.index.grants_for(table, asker),
        other => governance.index.grants_on(std::slice::from_ref(other), asker),
    };
    let is_own =
        |rows: &&str| !held.iter().any(|grant| grant.grantable && grant.rows.as_deref() == Some(*rows));
    let rows = wanted.rows.as_deref().filter(is_own);
    let Target::Table(table) = &wanted.on else {
        return match rows {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("a row rule of your own is for one table, and `{}` may be many", wanted.on),
            )),
        };
    };
    let Some((decision, schema)) = decide_named(asker, table, governance) else { return Ok(()) };
    if let Columns::Include(paths) | Columns::Exclude(paths) = &wanted.columns {
        let seen = shapes(&pruned(schema.fields(), &decision.describe).into());
        let is_known = |path: &String| has_path(&seen, path) || held.iter().any(|grant| names(grant, path));
        if let Some(path) = paths.iter().find(|path| !is_known(path)) {
            return Err(Error::new(ErrorKind::ColumnNotFound, format!("`{table}` has no column `{path}`")));
        }
        let leaves = leaf_paths(&seen);
        let is_open =
            |path: &&String| !leaves.contains(*path) && !held.iter().any(|grant| covers_later(grant, path));
        if let (Columns::Include(_), Some(path)) = (&wanted.columns, paths.iter().find(is_open)) {
            let text = format!(
                "your grant does not cover what comes into `{path}` later: name the fields inside of it that are meant"
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
    }
    let Some(rows) = rows else { return Ok(()) };
    expression::check_syntax(rows).map_err(|reason| {
        Error::invalid_request(format!("the expression `{rows}` cannot be a row rule: {reason}"))
    })?;
    let plain = Schema::new(pruned(schema.fields(), &as_they_are(&decision.columns)));
    let plain = DFSchema::try_from(plain).map_err(Error::internal)?;
    let reader = Reader { identity, index: &governance.index };
    expression::condition(rows, &plain, &reader, app.engine.bare()).map(|_| ()).map_err(|reason| {
        let text = format!("a row rule of your own may use the columns that you see as they are: {reason}");
        Error::new(ErrorKind::PermissionDenied, text)
    })
}

/// Whether it may be passed on and covers all of `path`, with the fields that it gets later.
fn covers_later(grant: &Grant, path: &str) -> bool {
    let is_covered = match &grant.columns {
        Columns::All => true,
        Columns::Include(names) => names.iter().any(|name| is_at_or_inside(path, name)),
        Columns::Exclude(_) => false,
    };
    grant.grantable && is_covered
}

fn names(grant: &Grant, path: &str) -> bool {
    match &grant.columns {
        Columns::All => false,
        Columns::Include(paths) | Columns::Exclude(paths) => grant.grantable && paths.contains(path),
    }
}

/// The columns whose every value is the table's own.
fn as_they_are(columns: &[ColumnDecision]) -> Vec<ColumnShape> {
    let shape = |column: &ColumnDecision| {
        let is_plain = column.cell == Cell::Always && column.mask.is_none();
        let fields = as_they_are(&column.fields);
        let is_there = is_plain && fields.is_empty() == column.fields.is_empty();
        is_there.then(|| ColumnShape { name: column.name.clone(), fields })
    };
    columns.iter().filter_map(shape).collect()
}

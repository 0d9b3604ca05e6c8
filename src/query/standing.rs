//! What of the policy a result rests on: a result that is kept is shown only while that still holds for its owner.
//!
//! It is the decisions on the tables that were read, with the reader's own values in their expressions, spelt out. Who
//! keeps one compares it with that of the same statement now; nobody reads it, and it is never shown.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema};
use chrono::Utc;

use super::authorize::{Decided, pruned};
use super::expression::{self, Reader};
use super::parse::{Explain, Text};
use super::{Request, refuse_too_long};
use crate::app::{App, Governance};
use crate::catalog::version::At;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decision::{Cell, ColumnDecision, Decision, Rows};
use crate::policy::model::is_listing;
use crate::policy::principal::Identity;
use crate::policy::restriction::Mask;

/// How one begins that rests on the whole policy.
const OF_ALL: &str = "version ";

/// Two that are equal let the same be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing(String);

/// Refuses when the policy that `then` was made under lets `identity` see something else of `request`'s tables now.
///
/// # Errors
///
/// `not_found` when it does, and whatever the statement itself would be refused with now.
pub fn refuse_changed(app: &App, identity: &Arc<Identity>, request: &Request, then: &Standing) -> Result<()> {
    app.refuse_stale()?;
    // Spelt out only where it was: it goes over all grants.
    let nothing_changed =
        then.is_of_all() && Standing::of_all(identity, &app.state(), app.is_administrator(identity)) == *then;
    if nothing_changed || now(app, identity, request)? == *then {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        "this result is no longer there: what you may see of its tables has changed; run it again",
    ))
}

/// What `request` would rest on if it ran now.
fn now(app: &App, identity: &Arc<Identity>, request: &Request) -> Result<Standing> {
    refuse_too_long(&request.sql, app.config.limits.max_sql_bytes)?;
    let administers = app.is_administrator(identity);
    let parsed = match Text::parse_as(request.dialect, &request.sql, request.database.as_deref())? {
        Text::Command(_) => return Ok(Standing::of_nothing()),
        Text::Query(parsed) => parsed,
    };
    if parsed.explain() == Some(Explain::Access) {
        return Ok(Standing::of_all(identity, &app.state(), administers));
    }
    let decided = Decided::decide(parsed, Arc::clone(identity), app.state(), administers)?;
    Ok(Standing::of(&decided, administers))
}

impl Standing {
    /// Of a statement that reads nothing.
    pub(super) fn of_nothing() -> Self {
        Self(String::new())
    }

    /// Of what is told of the policy itself: all of it, as it is to this reader now.
    pub(super) fn of_all(identity: &Identity, governance: &Governance, administers: bool) -> Self {
        let mut text = format!("{OF_ALL}{} {administers}", governance.state.version);
        spell(&mut text, &identity.user);
        identity.groups.iter().for_each(|group| spell(&mut text, group));
        text.push_str(";roles");
        governance.index.roles_of(identity).iter().for_each(|role| spell(&mut text, role));
        // Time changes what is in force, and no version.
        text.push_str(";in force");
        let now = Utc::now();
        for grant in governance.state.grants.values().map(|grant| &grant.value) {
            let has_window = grant.from.is_some() || grant.until.is_some();
            let is_open =
                grant.from.is_none_or(|from| from <= now) && grant.until.is_none_or(|until| now < until);
            if has_window && is_open {
                spell(&mut text, &grant.id);
            }
        }
        Self(text)
    }

    fn is_of_all(&self) -> bool {
        self.0.starts_with(OF_ALL)
    }

    /// Of a query. What a version of a table is does not change, and what may be seen of it is what may be seen now: of columns
    /// that are still of the same type, or of a wider one.
    pub(super) fn of(decided: &Decided, administers: bool) -> Self {
        let authorized = decided.as_of_now();
        let (identity, governance) = (authorized.identity(), authorized.governance());
        let is_listed = authorized.parsed().tables().iter().any(|table| is_listing(&table.name.database))
            || authorized.parsed().described().is_some();
        let Self(mut text) = match is_listed {
            true => Self::of_all(identity, governance, administers),
            false => Self(format!("administers {administers}")),
        };
        for table in authorized.tables() {
            spell(&mut text, &table.record.id);
            spell(&mut text, &table.at.to_string());
            if table.at != At::Now {
                spell_types(&mut text, &table.record.schema, &table.decision);
            }
        }
        let reader = Reader { identity, index: &governance.index };
        for (name, decision) in authorized.decisions() {
            text.push_str(";table");
            spell(&mut text, &name.to_string());
            spell(&mut text, &decision.fingerprint());
            for expression in expressions(decision) {
                // One that does not read has failed the query, and fails it again.
                spell(&mut text, &expression::bound(expression, &reader).unwrap_or_default());
            }
        }
        Self(text)
    }
}

/// The types of the columns that the reader sees, and of those that decide what they see. Of no others: nobody learns that a
/// hidden column is another one now.
fn spell_types(text: &mut String, schema: &Schema, decision: &Decision) {
    let spell_all = |text: &mut String, fields: &[FieldRef]| {
        fields.iter().for_each(|field| spell(text, &format!("{} {}", field.name(), field.data_type())));
    };
    spell_all(text, &pruned(schema.fields(), &decision.readable()));
    let named = expressions(decision).into_iter().flat_map(expression::names).collect::<BTreeSet<_>>();
    let deciding = schema.fields().iter().filter(|field| named.contains(field.name())).cloned();
    spell_all(text, &deciding.collect::<Vec<_>>());
}

/// Every expression of the policy in `decision`.
fn expressions(decision: &Decision) -> Vec<&str> {
    let mut found: Vec<&str> = match &decision.rows {
        Rows::All => Vec::new(),
        Rows::AnyOf(rules) => rules.iter().map(String::as_str).collect(),
    };
    found.extend(decision.required.iter().map(String::as_str));
    of_columns(&decision.columns, &mut found);
    found
}

fn of_columns<'d>(columns: &'d [ColumnDecision], found: &mut Vec<&'d str>) {
    for column in columns {
        if let Cell::When(rules) = &column.cell {
            found.extend(rules.iter().map(String::as_str));
        }
        if let Some(Mask::Using(expression)) = column.mask.as_ref().map(|applied| &applied.mask) {
            found.push(expression);
        }
        of_columns(&column.fields, found);
    }
}

/// Led by its length, so that no text can imitate two.
fn spell(out: &mut String, part: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, " {}:{part}", part.len());
}

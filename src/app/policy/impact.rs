//! Who would notice: the queries of the audit log, decided again before and after a change of policy. None is run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Prepared;
use crate::app::App;
use crate::audit::event::AskedAs;
use crate::error::{Error, Result};
use crate::policy::decision::{Cell, ColumnDecision, ColumnShape, Decision, Rows, Verdict, by_leaf};
use crate::policy::model::TableName;
use crate::policy::principal::Identity;
use crate::policy::restriction::Mask;
use crate::query::replay::{Recorded, replay};
use crate::store::AuditFilter;

/// The most different queries that are looked at, the newest first.
const MOST: usize = 10_000;

/// What a change of policy would do to those who asked.
#[derive(Debug, Default)]
pub struct Impact {
    /// How many queries the audit log has of that time.
    pub queries: usize,
    /// How many of them were not looked at: the oldest where there are too many different ones.
    pub left_out: usize,
    /// What people gain and lose, by user and table.
    pub effects: Vec<Effect>,
    /// The queries that would no longer be answered.
    pub failing: Vec<Affected>,
    /// The queries that were not answered and would be.
    pub mending: Vec<Affected>,
}

/// What changes for a user on a table that they asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    pub user: String,
    pub table: String,
    /// `gains` or `loses`, when it is the whole table.
    pub whole: Option<&'static str>,
    pub columns_gained: Vec<String>,
    pub columns_lost: Vec<String>,
    /// Columns that stay and show something else, as `column: before → after`.
    pub columns_changed: Vec<String>,
    /// The rows before and after, when that differs.
    pub rows: Option<(String, String)>,
}

/// A query that ends otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    pub user: String,
    pub sql: String,
    /// How often it was asked.
    pub times: usize,
    /// When it was asked last.
    pub last: DateTime<Utc>,
    /// The code and the words that say why it is not answered, after the change or before it.
    pub reason: String,
}

/// What one user asked, in one way.
type Asked = (String, AskedAs, String);

/// Decides every query of the last `time` again: as things are, and as they would be with `prepared` in force.
pub async fn impact(app: &App, prepared: &Prepared, time: Duration) -> Result<Impact> {
    let before = &prepared.governance;
    let after = Arc::new(before.after(before.state.version.saturating_add(1), &prepared.changes));
    let mut impact = Impact::default();
    let mut effects = BTreeSet::new();
    for ((user, asked_as, sql), (times, last)) in recorded(app, time, &mut impact).await? {
        let identity = Arc::new(Identity { user, groups: asked_as.groups, attributes: BTreeMap::new() });
        let administers = app.is_administrator(&identity);
        let query = Recorded { identity, administers, sql, database: asked_as.database };
        let (Some(old), Some(new)) = (replay(app, before, &query).await, replay(app, &after, &query).await)
        else {
            continue;
        };
        let names = old.decisions.keys().chain(new.decisions.keys()).collect::<BTreeSet<_>>();
        for name in names {
            let [old, new] = [&old, &new].map(|replayed| replayed.decisions.get(name));
            effects.extend(effect(&query.identity.user, name, old, new));
        }
        let affected = |error: &Error| Affected {
            user: query.identity.user.clone(),
            sql: query.sql.clone(),
            times,
            last,
            reason: format!("{}: {}", error.kind().code(), error.detail()),
        };
        match (&old.refused, &new.refused) {
            (None, Some(error)) => impact.failing.push(affected(error)),
            (Some(error), None) => impact.mending.push(affected(error)),
            _ => {}
        }
    }
    impact.effects = effects.into_iter().collect();
    Ok(impact)
}

/// Each different query once, with how often it was asked and when last.
async fn recorded(
    app: &App,
    time: Duration,
    impact: &mut Impact,
) -> Result<BTreeMap<Asked, (usize, DateTime<Utc>)>> {
    let span = chrono::TimeDelta::from_std(time)
        .ok()
        .and_then(|span| Utc::now().checked_sub_signed(span))
        .ok_or_else(|| Error::invalid_request("the span of time reaches before all records"))?;
    let filter = AuditFilter {
        action: Some("query".to_owned()),
        from: Some(span),
        limit: Some(1000),
        ..Default::default()
    };
    let mut found: BTreeMap<Asked, (usize, DateTime<Utc>)> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = app.store.audit(&AuditFilter { after, ..filter.clone() }).await?;
        for event in page.events {
            impact.queries += 1;
            let key = event.asked_as.zip(event.sql).map(|(asked_as, sql)| (event.actor, asked_as, sql));
            let is_full = found.len() >= MOST;
            match key {
                Some(key) if !is_full || found.contains_key(&key) => {
                    found.entry(key).or_insert((0, event.at)).0 += 1;
                }
                _ => impact.left_out += 1,
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

fn effect(
    user: &str,
    table: &TableName,
    old: Option<&(Vec<ColumnShape>, Decision)>,
    new: Option<&(Vec<ColumnShape>, Decision)>,
) -> Option<Effect> {
    let columns_of = |decided: Option<&(Vec<ColumnShape>, Decision)>| {
        decided
            .filter(|(_, decision)| decision.verdict == Verdict::Select)
            .map(|(shapes, decision)| shown(shapes, decision))
    };
    let (before, after) = (columns_of(old), columns_of(new));
    let mut effect = Effect {
        user: user.to_owned(),
        table: table.to_string(),
        whole: None,
        columns_gained: Vec::new(),
        columns_lost: Vec::new(),
        columns_changed: Vec::new(),
        rows: None,
    };
    let (before, after) = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Effect { whole: Some("gains"), ..effect }),
        (Some(_), None) => return Some(Effect { whole: Some("loses"), ..effect }),
        (Some(before), Some(after)) => (before, after),
    };
    for (path, value) in &after {
        match before.get(path) {
            None => effect.columns_gained.push(path.clone()),
            Some(other) if other != value => {
                effect.columns_changed.push(format!("{path}: {other} → {value}"))
            }
            Some(_) => {}
        }
    }
    effect.columns_lost.extend(before.keys().filter(|path| !after.contains_key(*path)).cloned());
    let rows = (old.map(|(_, decision)| rows(decision))?, new.map(|(_, decision)| rows(decision))?);
    effect.rows = (rows.0 != rows.1).then_some(rows);
    let changes = !effect.columns_gained.is_empty()
        || !effect.columns_lost.is_empty()
        || !effect.columns_changed.is_empty()
        || effect.rows.is_some();
    changes.then_some(effect)
}

/// What each visible column shows, the fields of a struct one by one.
fn shown(shapes: &[ColumnShape], decision: &Decision) -> BTreeMap<String, String> {
    let all = by_leaf(shapes, &decision.columns).into_iter();
    all.filter_map(|(path, column)| Some((path, value(column?)))).collect()
}

fn value(column: &ColumnDecision) -> String {
    let of_cell = match &column.cell {
        Cell::Always => String::new(),
        Cell::When(rows) => format!(" where {}", rows.join(" OR ")),
    };
    let of_mask = match column.mask.as_ref().map(|applied| &applied.mask) {
        None => "its value".to_owned(),
        Some(Mask::Using(expression)) => format!("the mask `{expression}`"),
        Some(named) => format!("the mask {}", named.name()),
    };
    format!("{of_mask}{of_cell}")
}

fn rows(decision: &Decision) -> String {
    let granted = match &decision.rows {
        Rows::All => None,
        Rows::AnyOf(any) if any.len() == 1 => any.first().cloned(),
        Rows::AnyOf(any) => Some(format!("({})", any.join(" OR "))),
    };
    let all = granted.into_iter().chain(decision.required.iter().cloned()).collect::<Vec<_>>();
    if all.is_empty() { "all rows".to_owned() } else { all.join(" AND ") }
}

impl Impact {
    /// The whole of it, a line for each thing that is to be said.
    pub fn lines(&self) -> Vec<String> {
        let effects = self.effects.iter().flat_map(Effect::lines);
        let failing = self.failing.iter().map(|it| {
            format!(
                "user:{} would be refused ({}; asked {}): {}",
                it.user,
                it.reason,
                it.times(),
                one_line(&it.sql)
            )
        });
        let mending = self.mending.iter().map(|it| {
            format!("user:{} would be answered (asked {}): {}", it.user, it.times(), one_line(&it.sql))
        });
        effects.chain(failing).chain(mending).collect()
    }
}

impl Affected {
    fn times(&self) -> String {
        if self.times == 1 { "once".to_owned() } else { format!("{} times", self.times) }
    }
}

impl Effect {
    fn lines(&self) -> Vec<String> {
        let Self { user, table, .. } = self;
        let mut lines = Vec::new();
        lines.extend(self.whole.map(|whole| format!("user:{user} {whole} {table}")));
        for (what, columns) in [("gains", &self.columns_gained), ("loses", &self.columns_lost)] {
            if !columns.is_empty() {
                lines.push(format!("user:{user} {what} columns of {table}: {}", columns.join(", ")));
            }
        }
        lines.extend(
            self.columns_changed.iter().map(|change| format!("user:{user} sees otherwise {table}.{change}")),
        );
        lines.extend(
            self.rows
                .iter()
                .map(|(old, new)| format!("user:{user} sees other rows of {table}: {old} → {new}")),
        );
        lines
    }
}

/// A statement on one line, and not all of a long one.
fn one_line(sql: &str) -> String {
    const LONGEST: usize = 200;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

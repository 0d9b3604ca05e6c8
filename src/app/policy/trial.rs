//! The tests of policy files, run as queries against the policy as the files would make it. Nothing is saved.
//!
//! Each statement goes the way of every query, through `query::run`, for the identity that the test names. The audit
//! log says who really asked: whoever runs the tests.

use std::sync::Arc;

use chrono::Utc;
use futures::TryStreamExt;
use uuid::Uuid;

use super::{File, prepare};
use crate::app::App;
use crate::audit::event::AuditEvent;
use crate::audit::sink::AuditSink;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::file::{Assertion, Expected};
use crate::query::{self, Dialect, Request};
use crate::store::record::State;

/// How the tests went.
#[derive(Debug)]
pub struct Outcome {
    /// How many there were.
    pub tests: usize,
    /// What differs, a line for each test that failed, with its place in front.
    pub failures: Vec<String>,
}

/// Runs the tests in `files` for `actor`, against the policy as it would be with `files` applied.
pub async fn test(app: &App, actor: &str, files: &[File], prune: bool) -> Result<Outcome> {
    let prepared = prepare(app, files, prune).await?;
    let state = State {
        // One that no store has: nothing that is kept by version can be taken for the trial's.
        version: -Utc::now().timestamp_micros(),
        ..prepared.governance.state.after(&prepared.changes)
    };
    let trial = app.trial(state, audit_as(app, actor));
    let tests = prepared.desired.tests;
    let mut failures = Vec::new();
    for test in &tests {
        let differs = difference(&trial, &test.value).await;
        failures.extend(differs.map(|(field, text)| test.place_of(field).error(text).to_string()));
    }
    trial.audit.flush().await;
    Ok(Outcome { tests: tests.len(), failures })
}

/// The field of the test that does not hold, and what came instead.
async fn difference(trial: &Arc<App>, test: &Assertion) -> Option<(&'static str, String)> {
    let (columns, count) = match (ask(trial, test).await, &test.expected) {
        (Err(error), Expected::Error(code)) if error.kind().code() == *code => return None,
        (Err(error), Expected::Error(code)) => {
            return Some(("error", format!("expected the error `{code}`, got {}", shown(&error))));
        }
        (Err(error), Expected::Result { .. }) => {
            return Some(("sql", format!("expected a result, got {}", shown(&error))));
        }
        (Ok((columns, count)), Expected::Error(code)) => {
            let came = format!("the columns {} and {count} rows", list(&columns));
            return Some(("error", format!("expected the error `{code}`, got {came}")));
        }
        (Ok(result), Expected::Result { .. }) => result,
    };
    let Expected::Result { columns: wanted, rows } = &test.expected else { return None };
    if let Some(wanted) = wanted.as_ref().filter(|wanted| **wanted != columns) {
        return Some(("columns", format!("expected the columns {}, got {}", list(wanted), list(&columns))));
    }
    let rows = rows.filter(|rows| *rows != count)?;
    Some(("rows", format!("expected {rows} rows, got {count}")))
}

/// The columns of the result, and how many rows it has.
async fn ask(trial: &Arc<App>, test: &Assertion) -> Result<(Vec<String>, u64)> {
    let request = Request {
        query_id: Uuid::now_v7(),
        sql: test.sql.clone(),
        dialect: Dialect::Plain,
        params: Vec::new(),
        database: None,
        strict: false,
        max_rows: None,
        door: "policy",
        watch: None,
    };
    let mut answer = query::run(trial, Arc::new(test.identity.clone()), request).await?;
    let mut count = 0_u64;
    while let Some(batch) = answer.rows.try_next().await? {
        count += batch.num_rows() as u64;
    }
    Ok((answer.schema.fields().iter().map(|field| field.name().clone()).collect(), count))
}

/// The code, and what else was said where that cannot be a value of the data: who runs tests may not read it.
fn shown(error: &Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied
        | ErrorKind::StatementNotAllowed
        | ErrorKind::TableNotFound
        | ErrorKind::ColumnNotFound
        | ErrorKind::SyntaxError
        | ErrorKind::PolicyInvalid => format!("`{}`: {}", error.kind().code(), error.detail()),
        kind => format!("`{}`", kind.code()),
    }
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

/// The audit log for queries that `actor` runs in other people's names.
fn audit_as(app: &App, actor: &str) -> AuditSink {
    let (store, actor) = (app.store.clone(), actor.to_owned());
    AuditSink::new(move |events| {
        let asked = |event: AuditEvent| AuditEvent {
            detail: Some(match &event.detail {
                Some(detail) => format!("as user:{}: {detail}", event.actor),
                None => format!("as user:{}", event.actor),
            }),
            actor: actor.clone(),
            action: "test_policy".to_owned(),
            ..event
        };
        let (store, events) = (store.clone(), events.into_iter().map(asked).collect::<Vec<_>>());
        Box::pin(async move { store.record(&events).await })
    })
}

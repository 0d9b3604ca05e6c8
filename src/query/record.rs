//! The audit record of one request, open from its first moment to its last row.
//!
//! It closes itself: a request that is dropped half-way, since its client went away, is recorded as cancelled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;

use super::Request;
use super::authorize::Authorized;
use super::notice::PolicyNotice;
use super::plan::Planned;
use crate::audit::event::{AskedAs, AuditEvent, Verdict};
use crate::audit::sink::AuditSink;
use crate::error::{Error, ErrorKind};
use crate::policy::principal::Identity;

/// An audit record that is being written.
#[derive(Debug)]
pub struct Record {
    event: Option<AuditEvent>,
    sink: AuditSink,
    started: Instant,
}

impl Record {
    /// Opens the record of `request`, of which `action` is done.
    pub fn open(sink: &AuditSink, identity: &Identity, request: &Request, action: &str) -> Self {
        let mut event = AuditEvent::new(request.query_id, &identity.user, action);
        event.door = Some(request.door.to_owned());
        event.sql = Some(request.sql.clone());
        event.asked_as =
            Some(AskedAs { groups: identity.groups.clone(), database: request.database.clone() });
        Self { event: Some(event), sink: sink.clone(), started: Instant::now() }
    }

    /// Notes which tables the statement names, before anything can refuse it.
    pub fn names(&mut self, tables: impl IntoIterator<Item = String>) {
        if let Some(event) = &mut self.event {
            event.tables = tables.into_iter().collect();
        }
    }

    /// Notes what the policy allowed.
    pub fn authorized(&mut self, authorized: &Authorized, notice: &PolicyNotice) {
        if let Some(event) = &mut self.event {
            let (mut grants, mut restrictions) = (BTreeSet::new(), BTreeSet::new());
            for (_, decision) in authorized.decisions() {
                grants.extend(&decision.grants);
                restrictions.extend(&decision.restrictions);
            }
            let mut policy =
                serde_json::json!({ "notice": notice, "grants": grants, "restrictions": restrictions });
            let named = authorized.tables().iter().filter(|table| table.shared.is_some());
            let versions = named.map(|table| (table.named().to_string(), table.record.version));
            let versions: BTreeMap<String, Option<i64>> = versions.collect();
            if let (false, Some(policy)) = (versions.is_empty(), policy.as_object_mut()) {
                policy.insert("versions".to_owned(), serde_json::json!(versions));
            }
            event.policy = policy;
        }
    }

    /// Notes what will be run.
    pub fn planned(&mut self, planned: &Planned) {
        if let Some(event) = &mut self.event {
            event.columns = planned.columns.clone();
            event.governed_sql = Some(planned.governed.clone());
        }
    }

    /// Counts a batch that was handed to the reader.
    pub fn count(&mut self, batch: &RecordBatch) {
        if let Some(event) = &mut self.event {
            event.rows = event.rows.saturating_add(i64::try_from(batch.num_rows()).unwrap_or(i64::MAX));
            let bytes = i64::try_from(batch.get_array_memory_size()).unwrap_or(i64::MAX);
            event.bytes = event.bytes.saturating_add(bytes);
        }
    }

    /// Closes the record, once: with the error that ended the request, or without one.
    pub fn close(&mut self, error: Option<&Error>) {
        let Some(mut event) = self.event.take() else { return };
        event.verdict = error.map_or(Verdict::Allowed, |error| verdict_of(error.kind()));
        event.error_code = error.map(|error| error.kind().code().to_owned());
        event.detail = error.map(explain);
        event.duration_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.sink.record_now_or_later(event);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let gone = Error::new(ErrorKind::Cancelled, "the client went away before the end");
        self.close(Some(&gone));
    }
}

fn verdict_of(kind: ErrorKind) -> Verdict {
    match kind {
        ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied
        | ErrorKind::PolicyWithheld
        | ErrorKind::StatementNotAllowed
        | ErrorKind::TableNotFound => Verdict::Denied,
        ErrorKind::Cancelled => Verdict::Cancelled,
        _ => Verdict::Failed,
    }
}

/// What the reader was told, and behind it the cause that only the operator sees.
fn explain(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

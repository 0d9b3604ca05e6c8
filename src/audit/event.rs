//! What one audit record says. Engine-free: the store keeps it, the HTTP edge shows it, any stage can fill it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allowed,
    Denied,
    Failed,
    Cancelled,
}

/// One record: who did what, when, with what outcome, and what policy did to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Time-ordered (UUID version 7); of a query, its query id.
    pub id: Uuid,
    pub at: DateTime<Utc>,
    /// The user's name.
    pub actor: String,
    /// Of a query: what else was known of who asked.
    pub asked_as: Option<AskedAs>,
    /// `query`, `login_failed`, `create_grant`, `ingest` …
    pub action: String,
    /// The protocol it came through: `http`, `cli` …
    pub door: Option<String>,
    /// The statement as it was asked.
    pub sql: Option<String>,
    /// The statement as it was run.
    pub governed_sql: Option<String>,
    /// Every table used, as `database.table`.
    pub tables: Vec<String>,
    /// Every column used, as `database.table.column`.
    pub columns: Vec<String>,
    pub verdict: Verdict,
    /// The code of `ErrorKind`, when it did not end well.
    pub error_code: Option<String>,
    /// What policy did: the notice and the ids of the grants that applied; of a change, the thing changed.
    pub policy: serde_json::Value,
    pub rows: i64,
    pub bytes: i64,
    pub duration_ms: i64,
    /// A sentence for the operator: the reason of a denial, the cause of a failure.
    pub detail: Option<String>,
}

/// What a decision depends on besides the user's name and the statement, so that it can be made again.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AskedAs {
    pub groups: BTreeSet<String>,
    /// Where an unqualified table was looked up.
    pub database: Option<String>,
}

impl AuditEvent {
    /// A record of `action` by `actor` as of now, to be filled in.
    pub fn new(id: Uuid, actor: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            id,
            at: Utc::now(),
            actor: actor.into(),
            asked_as: None,
            action: action.into(),
            door: None,
            sql: None,
            governed_sql: None,
            tables: Vec::new(),
            columns: Vec::new(),
            verdict: Verdict::Allowed,
            error_code: None,
            policy: serde_json::Value::Null,
            rows: 0,
            bytes: 0,
            duration_ms: 0,
            detail: None,
        }
    }

    /// The same of something that failed, with the code of its `ErrorKind`.
    #[must_use]
    pub fn failed(self, code: &str, detail: &str) -> Self {
        let (error_code, detail) = (Some(code.to_owned()), Some(detail.to_owned()));
        Self { verdict: Verdict::Failed, error_code, detail, ..self }
    }
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Allowed, Self::Denied, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is not a verdict: write `allowed`, `denied`, `failed` or `cancelled`")
            })
    }
}

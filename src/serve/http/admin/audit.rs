//! `/v1/audit`: who asked for what, and how it ended. For administrators; newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::Params;
use super::{LARGEST_PAGE, PAGE};
use crate::app::App;
use crate::audit::event::{AskedAs, AuditEvent, Verdict};
use crate::error::{Error, Result};
use crate::store::AuditFilter;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct AuditQuery {
    /// The name of who asked.
    user: Option<String>,
    /// A table used, as `database.table`.
    table: Option<String>,
    /// `allowed`, `denied`, `failed` or `cancelled`.
    verdict: Option<String>,
    /// `query`, `create_grant`, `ingest` …
    action: Option<String>,
    /// From this moment on.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    until: Option<DateTime<Utc>>,
    /// The most records to give: 100 unless told, 1000 at most.
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<Uuid>,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditListing {
    items: Vec<AuditView>,
    /// Send it as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditView {
    /// Of a query, its query id.
    id: Uuid,
    at: DateTime<Utc>,
    actor: String,
    /// Of a query: the groups of who asked, and the database of unqualified names.
    #[schema(value_type = Option<Object>)]
    asked_as: Option<AskedAs>,
    action: String,
    door: Option<String>,
    sql: Option<String>,
    governed_sql: Option<String>,
    tables: Vec<String>,
    columns: Vec<String>,
    /// `allowed`, `denied`, `failed` or `cancelled`.
    verdict: String,
    error_code: Option<String>,
    #[schema(value_type = Object)]
    policy: serde_json::Value,
    rows: i64,
    bytes: i64,
    duration_ms: i64,
    detail: Option<String>,
}

impl From<AuditEvent> for AuditView {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.at,
            actor: event.actor,
            asked_as: event.asked_as,
            action: event.action,
            door: event.door,
            sql: event.sql,
            governed_sql: event.governed_sql,
            tables: event.tables,
            columns: event.columns,
            verdict: event.verdict.to_string(),
            error_code: event.error_code,
            policy: event.policy,
            rows: event.rows,
            bytes: event.bytes,
            duration_ms: event.duration_ms,
            detail: event.detail,
        }
    }
}

impl AuditQuery {
    fn into_filter(self) -> Result<AuditFilter> {
        let limit = self.limit.unwrap_or(PAGE);
        if limit == 0 || limit > LARGEST_PAGE {
            return Err(Error::invalid_request(format!("`limit` must be between 1 and {LARGEST_PAGE}")));
        }
        let verdict =
            self.verdict.map(|text| text.parse::<Verdict>()).transpose().map_err(Error::invalid_request)?;
        Ok(AuditFilter {
            user: self.user,
            table: self.table,
            verdict,
            action: self.action,
            from: self.from,
            until: self.until,
            limit: Some(limit),
            after: self.after.map(|id| id.to_string()),
        })
    }
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), responses(
    (status = 200, body = AuditListing),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_audit(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(query): Params<AuditQuery>,
) -> Result<Json<AuditListing>, Problem> {
    let filter = query.into_filter()?;
    // What this node has recorded but not yet written is part of the answer.
    app.audit.flush().await;
    let page = app.store.audit(&filter).await?;
    Ok(Json(AuditListing {
        items: page.events.into_iter().map(Into::into).collect(),
        next: page.next.and_then(|next| next.parse().ok()),
    }))
}

//! The audit log in the store: written once, read newest first.
//!
//! Ids are UUIDs of version 7, whose text sorts by time: a page ends at an id, so records that arrive while somebody
//! pages neither shift nor repeat what they see.

use chrono::{DateTime, Utc};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

use super::failure::{store_failed, unreadable};
use crate::audit::event::{AuditEvent, Verdict};
use crate::error::{Error, Result};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Which audit records to read. What is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub user: Option<String>,
    /// As `database.table`.
    pub table: Option<String>,
    pub verdict: Option<Verdict>,
    pub action: Option<String>,
    /// From this time on, itself included.
    pub from: Option<DateTime<Utc>>,
    /// Before this time, itself excluded.
    pub until: Option<DateTime<Utc>>,
    /// How many in one page: 100 unless given, 1000 at most.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// One page of the audit log, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    pub events: Vec<AuditEvent>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<String>,
}

const INSERT: &str = "INSERT INTO audit_events (id, at, actor, action, door, sql_text, governed_sql, tables, columns, \
     verdict, error_code, policy, row_count, byte_count, duration_ms, detail, asked_as) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (id) DO NOTHING";
const INSERT_TABLE: &str =
    "INSERT INTO audit_tables (name, event_id) VALUES ($1, $2) ON CONFLICT (name, event_id) DO NOTHING";

pub(super) async fn insert(connection: &mut AnyConnection, event: &AuditEvent) -> Result<()> {
    let id = event.id.to_string();
    sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(event.at.timestamp_micros())
        .bind(storable(&event.actor))
        .bind(storable(&event.action))
        .bind(event.door.as_deref().map(storable))
        .bind(event.sql.as_deref().map(storable))
        .bind(event.governed_sql.as_deref().map(storable))
        .bind(serde_json::to_string(&event.tables).map_err(Error::internal)?)
        .bind(serde_json::to_string(&event.columns).map_err(Error::internal)?)
        .bind(event.verdict.to_string())
        .bind(event.error_code.as_deref().map(storable))
        .bind(event.policy.to_string())
        .bind(event.rows)
        .bind(event.bytes)
        .bind(event.duration_ms)
        .bind(event.detail.as_deref().map(storable))
        .bind(event.asked_as.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?)
        .execute(&mut *connection)
        .await
        .map_err(store_failed)?;
    for table in &event.tables {
        sqlx::query(INSERT_TABLE)
            .bind(storable(table))
            .bind(id.as_str())
            .execute(&mut *connection)
            .await
            .map_err(store_failed)?;
    }
    Ok(())
}

/// PostgreSQL keeps no NUL in a text, and a statement may hold one: nobody gets out of the audit log by sending it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) async fn page(connection: &mut AnyConnection, filter: &AuditFilter) -> Result<AuditPage> {
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let conditions = Conditions::of(filter)?;
    // Only numbers and our own words are put into the text; every value is bound.
    let sql =
        format!("SELECT * FROM audit_events {} ORDER BY id DESC LIMIT {}", conditions.clause(), limit + 1);
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (_, value) in conditions.0 {
        query = match value {
            Bound::Text(text) => query.bind(text),
            Bound::Time(time) => query.bind(time.timestamp_micros()),
        };
    }
    let rows = query.fetch_all(connection).await.map_err(store_failed)?;
    let mut events = rows.iter().map(decode).collect::<Result<Vec<_>>>()?;
    // One more than asked for was read, to know whether there is a next page.
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|event| event.id.to_string());
    Ok(AuditPage { events, next })
}

enum Bound {
    Text(String),
    Time(DateTime<Utc>),
}

/// Conditions that must all hold, each with its bound value; `?` stands for it.
struct Conditions(Vec<(&'static str, Bound)>);

impl Conditions {
    fn of(filter: &AuditFilter) -> Result<Self> {
        let text = |condition, value: &Option<String>| {
            value.as_deref().map(|value| (condition, Bound::Text(storable(value))))
        };
        let after = filter.after.as_deref().map(cursor).transpose()?;
        let conditions = [
            text("actor = ?", &filter.user),
            text("action = ?", &filter.action),
            text("verdict = ?", &filter.verdict.map(|verdict| verdict.to_string())),
            text("id IN (SELECT event_id FROM audit_tables WHERE name = ?)", &filter.table),
            filter.from.map(|time| ("at >= ?", Bound::Time(time))),
            filter.until.map(|time| ("at < ?", Bound::Time(time))),
            text("id < ?", &after),
        ];
        Ok(Self(conditions.into_iter().flatten().collect()))
    }

    fn clause(&self) -> String {
        let conditions: Vec<String> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, (condition, _))| condition.replace('?', &format!("${}", index + 1)))
            .collect();
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) }
    }
}

fn cursor(text: &str) -> Result<String> {
    let id: Uuid = text.parse().map_err(|_| {
        Error::invalid_request(format!("`{text}` is not a place in the audit log: use the `next` of a page"))
    })?;
    Ok(id.to_string())
}

fn decode(row: &AnyRow) -> Result<AuditEvent> {
    let text = |column: &str| row.try_get::<String, _>(column).map_err(unreadable);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column).map_err(unreadable);
    let number = |column: &str| row.try_get::<i64, _>(column).map_err(unreadable);
    let at = DateTime::from_timestamp_micros(number("at")?);
    Ok(AuditEvent {
        id: text("id")?.parse().map_err(unreadable)?,
        at: at.ok_or_else(|| unreadable("a time is out of range"))?,
        actor: text("actor")?,
        asked_as: optional("asked_as")?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(unreadable)?,
        action: text("action")?,
        door: optional("door")?,
        sql: optional("sql_text")?,
        governed_sql: optional("governed_sql")?,
        tables: serde_json::from_str(&text("tables")?).map_err(unreadable)?,
        columns: serde_json::from_str(&text("columns")?).map_err(unreadable)?,
        verdict: text("verdict")?.parse().map_err(|error: String| unreadable(error))?,
        error_code: optional("error_code")?,
        policy: serde_json::from_str(&text("policy")?).map_err(unreadable)?,
        rows: number("row_count")?,
        bytes: number("byte_count")?,
        duration_ms: number("duration_ms")?,
        detail: optional("detail")?,
    })
}

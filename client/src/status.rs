//! What the gateway tells of a query that it runs on its own.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::columns::Column;
use crate::error::{Error, Problem, Result};
use crate::notice::PolicyNotice;
use crate::progress::{Progress, QueryState};

/// A submitted query as it is now.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let status = connection.submitted("0190b2c4-…").status().await?;
/// println!("{:?} with {} rows, kept until {:?}", status.progress.state, status.progress.rows, status.expires_at);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Wire")]
#[non_exhaustive]
pub struct QueryStatus {
    /// The query, as the audit log names it.
    pub query_id: String,
    /// How far it is.
    pub progress: Progress,
    /// The columns of its result, once they are known.
    pub columns: Option<Vec<Column>>,
    /// What policy does to its result, once that is known.
    pub policy: Option<PolicyNotice>,
    /// Why it failed.
    pub error: Option<Problem>,
    /// When it was submitted.
    pub created_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the gateway will forget its rows.
    pub expires_at: Option<DateTime<Utc>>,
}

/// As it comes: flat.
#[derive(Deserialize)]
struct Wire {
    query_id: String,
    state: QueryState,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    rows: Option<u64>,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default)]
    percent: Option<f64>,
    #[serde(default)]
    columns: Option<Vec<Column>>,
    #[serde(default)]
    policy: Option<PolicyNotice>,
    #[serde(default)]
    error: Option<Problem>,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    ended_at: Option<DateTime<Utc>>,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

impl From<Wire> for QueryStatus {
    fn from(wire: Wire) -> Self {
        let progress = Progress {
            state: wire.state,
            stage: wire.stage,
            rows: wire.rows.unwrap_or_default(),
            bytes: wire.bytes.unwrap_or_default(),
            percent: wire.percent,
        };
        Self {
            query_id: wire.query_id,
            progress,
            columns: wire.columns,
            policy: wire.policy,
            error: wire.error,
            created_at: wire.created_at,
            ended_at: wire.ended_at,
            expires_at: wire.expires_at,
        }
    }
}

impl QueryStatus {
    /// Whether it will not change any more.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// if connection.submitted("0190b2c4-…").status().await?.has_ended() {
    ///     println!("no need to wait");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn has_ended(&self) -> bool {
        self.progress.state.has_ended()
    }

    /// The status of a query that ended well; else why it did not.
    pub(crate) fn or_failure(self) -> Result<Self> {
        match (self.progress.state, self.error) {
            (QueryState::Failed | QueryState::Cancelled, Some(problem)) => Err(Error::Gateway(problem)),
            (QueryState::Cancelled, None) => Err(Error::Cancelled),
            (QueryState::Failed, None) => {
                Err(Error::Protocol(format!("it does not say why the query {} failed", self.query_id)))
            }
            (_, error) => Ok(Self { error, ..self }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_status_reads_with_all_and_with_little() {
        let text = r#"{"query_id":"a","state":"failed","stage":"reading","rows":7,"bytes":90,"percent":12.5,
            "columns":[{"name":"id","type":"bigint","nullable":false}],
            "policy":{"rows_filtered":true,"cells_nulled":false,"masked":[],"columns_hidden":false},
            "error":{"type":"about:blank","title":"x","status":422,"detail":"divide by zero","code":"query_failed"},
            "created_at":"2026-01-02T03:04:05.5Z","ended_at":null,"expires_at":"2026-01-02T04:04:05+01:00"}"#;
        let status: QueryStatus = serde_json::from_str(text).unwrap();
        assert_eq!((status.progress.rows, status.progress.percent), (7, Some(12.5)));
        assert_eq!(status.columns.as_ref().unwrap()[0].type_name, "bigint");
        assert_eq!(status.expires_at.unwrap().to_rfc3339(), "2026-01-02T03:04:05+00:00");
        let error = status.or_failure().unwrap_err();
        let problem = error.problem().unwrap();
        assert_eq!((&problem.code, problem.status), (&Code::QueryFailed, 422));

        let text = r#"{"query_id":"a","state":"dreaming","rows":0,"bytes":0,"percent":null,"columns":null}"#;
        let status: QueryStatus = serde_json::from_str(text).unwrap();
        assert_eq!(status.progress.state, QueryState::Other);
        assert!(!status.has_ended() && status.or_failure().is_ok());
    }
}

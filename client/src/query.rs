//! One query: its text, its parameters, and how it is sent.

use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;

use crate::cancel::Stop;
use crate::connection::Connection;
use crate::error::Result;
use crate::handle::QueryHandle;
use crate::rows::ResultSet;
use crate::send::{self, ARROW_STREAM};
use crate::settings::{Settings, setting_methods};
use crate::status::QueryStatus;
use crate::stream::{Batches, ResultStream};
use crate::value::Value;

/// One statement, not yet sent.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let rows = connection
///     .query("SELECT * FROM orders WHERE region = $1 AND total > $2")
///     .params(["EU".into(), 100.into()])
///     .strict(true)
///     .max_rows(1000)
///     .rows()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query does nothing before `rows`, `stream` or `submit`"]
pub struct Query {
    connection: Connection,
    sql: String,
    params: Vec<Value>,
    settings: Settings,
}

/// The body of `POST /v1/sql` and of `POST /v1/queries`.
#[derive(Serialize)]
struct Body<'a> {
    sql: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<u64>,
}

impl Query {
    pub(crate) fn new(connection: Connection, sql: String, settings: Settings) -> Self {
        Self { connection, sql, params: Vec::new(), settings }
    }

    pub(crate) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    setting_methods!("lakegate_client::Connection", "connection.query(\"SELECT * FROM orders\")");

    /// The values of the statement's next parameters, in order.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// let query = connection.query("SELECT $1, $2").params([1.into(), "two".into()]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn params(mut self, params: impl IntoIterator<Item = Value>) -> Self {
        self.params.extend(params);
        self
    }

    /// The value of the statement's next parameter.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// let query = connection.query("SELECT ?, ?").param(1).param(None::<i64>);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn param(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Whether its first word says that it changes nothing, as `SELECT` does. In doubt it may change something.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert!(connection.query("SELECT * FROM orders").only_reads());
    /// assert!(!connection.query("DROP VIEW totals").only_reads());
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn only_reads(&self) -> bool {
        send::only_reads(&self.sql)
    }

    /// Sends the query; returns when its first rows (or its end) have arrived. Dropping the future or the rows
    /// cancels the query.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let mut rows = connection.query("SELECT id, total FROM orders").rows().await?;
    /// while let Some(row) = rows.next().await? {
    ///     println!("{}: {:?}", row.get::<i64>("id")?, row.get::<Option<f64>>("total")?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rows(self) -> Result<ResultSet> {
        self.stream().await.map(ResultSet::from)
    }

    /// As [`Query::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// use futures::TryStreamExt;
    ///
    /// let mut batches = connection.query("SELECT id, total FROM orders").stream().await?;
    /// while let Some(batch) = batches.try_next().await? {
    ///     println!("{} rows", batch.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(self) -> Result<ResultStream> {
        let cancel = self.settings.cancel_handle();
        let mut stop = Stop::new(&cancel, self.settings.timeout);
        let request = self.post(&["v1", "sql"])?.header(ACCEPT, ARROW_STREAM);
        let opened = stop.or(async {
            let response = send::retried(request, self.retry()).await?;
            let head = send::head(response.headers())?;
            let (schema, batches) = Batches::open(head.query_id.clone(), response.bytes_stream()).await?;
            Ok((head, schema, batches))
        });
        let (head, schema, batches) = opened.await?;
        let bytes = batches.bytes();
        Ok(ResultStream::new(head, schema, batches, stop, cancel).watched(self.settings.on_progress, bytes))
    }

    /// Gives the query to the gateway, which runs it also when nobody waits; its rows are fetched later, and whoever
    /// loses the connection goes on where it broke. A timeout is for this request alone.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let query = connection.query("SELECT region, sum(total) FROM orders GROUP BY region").submit().await?;
    /// println!("{} is on its way", query.query_id());
    /// query.wait().await?;
    /// let mut rows = query.rows().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit(self) -> Result<QueryHandle> {
        let mut stop = Stop::new(&self.settings.cancel_handle(), self.settings.timeout);
        let request = self.post(&["v1", "queries"])?;
        let status: QueryStatus =
            stop.or(async { send::json(send::retried(request, self.retry()).await?).await }).await?;
        Ok(QueryHandle::new(self.connection, status.query_id, self.settings))
    }

    pub(crate) fn with_params(&self, params: Vec<Value>) -> Self {
        Self { params, ..self.clone() }
    }

    fn retry(&self) -> send::Retry {
        send::Retry::of(&self.sql, self.settings.retries)
    }

    fn post(&self, segments: &[&str]) -> Result<RequestBuilder> {
        let params = self.params.iter().map(Value::to_json).collect::<Result<_>>()?;
        let body = Body {
            sql: &self.sql,
            params,
            database: self.connection.database(),
            strict: self.settings.strict,
            max_rows: self.settings.max_rows,
        };
        Ok(self.connection.request(Method::POST, segments).json(&body))
    }
}

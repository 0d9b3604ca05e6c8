//! Queries and the settings that several share.

use super::handle::QueryHandle;
use super::prepared::PreparedStatement;
use super::rows::{ResultSet, ResultStream};
use super::worker::Worker;
use crate::error::Result;
use crate::settings::{Settings, setting_methods};
use crate::value::Value;

/// How to run queries: set once, used for each.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// let statement = connection.statement().strict(true).max_rows(1000);
/// let orders = statement.query("SELECT * FROM orders").rows()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing before one of its queries is sent"]
pub struct Statement {
    inner: crate::Statement,
    worker: Worker,
}

/// One statement, not yet sent.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// let rows = connection.query("SELECT * FROM orders WHERE total > $1").param(100).rows()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query does nothing before `rows`, `stream` or `submit`"]
pub struct Query {
    inner: crate::Query,
    worker: Worker,
}

impl Statement {
    pub(super) fn new(inner: crate::Statement, worker: Worker) -> Self {
        Self { inner, worker }
    }

    fn settings(&mut self) -> &mut Settings {
        self.inner.settings()
    }

    setting_methods!("lakegate_client::blocking::Connection", "connection.statement()");

    /// A query with these settings.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let query = connection.statement().max_rows(10).query("SELECT * FROM orders");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query::new(self.inner.query(sql), self.worker.clone())
    }

    /// A statement with these settings, to run with several sets of parameters.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let by_id = connection.statement().strict(true).prepare("SELECT * FROM orders WHERE id = $1");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn prepare(&self, sql: impl Into<String>) -> PreparedStatement {
        PreparedStatement::new(self.inner.prepare(sql), self.worker.clone())
    }
}

impl Query {
    pub(super) fn new(inner: crate::Query, worker: Worker) -> Self {
        Self { inner, worker }
    }

    fn settings(&mut self) -> &mut Settings {
        self.inner.settings()
    }

    setting_methods!("lakegate_client::blocking::Connection", "connection.query(\"SELECT * FROM orders\")");

    /// The values of the statement's next parameters, in order.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let query = connection.query("SELECT $1, $2").params([1.into(), "two".into()]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn params(mut self, params: impl IntoIterator<Item = Value>) -> Self {
        self.inner = self.inner.params(params);
        self
    }

    /// The value of the statement's next parameter.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let query = connection.query("SELECT ?, ?").param(1).param(None::<i64>);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn param(mut self, value: impl Into<Value>) -> Self {
        self.inner = self.inner.param(value);
        self
    }

    /// Whether its first word says that it changes nothing, as `SELECT` does. In doubt it may change something.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert!(connection.query("SELECT * FROM orders").only_reads());
    /// assert!(!connection.query("DROP VIEW totals").only_reads());
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn only_reads(&self) -> bool {
        self.inner.only_reads()
    }

    /// Sends the query; returns when its first rows (or its end) have arrived. Dropping the rows cancels the query.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// for row in connection.query("SELECT id FROM orders").rows()? {
    ///     println!("{}", row?.get::<i64>("id")?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn rows(self) -> Result<ResultSet> {
        self.stream().map(ResultSet::from)
    }

    /// As [`Query::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// for batch in connection.query("SELECT id FROM orders").stream()? {
    ///     println!("{} rows", batch?.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> Result<ResultStream> {
        let inner = self.worker.wait(self.inner.stream())?;
        Ok(ResultStream::new(inner, self.worker))
    }

    /// Gives the query to the gateway, which runs it also when nobody waits. A timeout is for this request alone.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let query = connection.query("SELECT region, sum(total) FROM orders GROUP BY region").submit()?;
    /// query.wait()?;
    /// let rows = query.rows()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(self) -> Result<QueryHandle> {
        let inner = self.worker.wait(self.inner.submit())?;
        Ok(QueryHandle::new(inner, self.worker))
    }
}

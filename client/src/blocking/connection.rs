//! A gateway and an identity to ask it with.

use super::handle::QueryHandle;
use super::metadata::DatabaseMetaData;
use super::prepared::PreparedStatement;
use super::query::{Query, Statement};
use super::worker::Worker;
use crate::error::Result;
use crate::options::ConnectOptions;

/// A gateway and an identity to ask it with; [`crate::Connection`] for programs without an async runtime. Cheap to clone;
/// clones share open connections and the thread.
///
/// ```
/// use lakegate_client::{ConnectOptions, blocking::Connection};
///
/// let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…"))?;
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connection {
    inner: crate::Connection,
    worker: Worker,
}

impl Connection {
    /// Checks the options and starts the thread. Does not speak to the server.
    ///
    /// ```
    /// let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1/sales".parse()?)?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn new(options: ConnectOptions) -> Result<Self> {
        Ok(Self { inner: crate::Connection::new(options)?, worker: Worker::start()? })
    }

    /// The same gateway asked by whom `token` says. Open connections and the thread are shared.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let of_ana = connection.as_bearer("eyJ…")?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn as_bearer(&self, token: &str) -> Result<Self> {
        Ok(Self { inner: self.inner.as_bearer(token)?, worker: self.worker.clone() })
    }

    /// The same gateway and identity with another database for table names without one.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert_eq!(connection.in_database("sales").database(), Some("sales"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn in_database(&self, database: impl Into<String>) -> Self {
        Self { inner: self.inner.in_database(database), worker: self.worker.clone() }
    }

    /// The database that table names without one are looked up in.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1/sales".parse()?)?;
    /// assert_eq!(connection.database(), Some("sales"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn database(&self) -> Option<&str> {
        self.inner.database()
    }

    /// A query of one statement, sent by [`Query::rows`] or [`Query::stream`].
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let rows = connection.query("SELECT id FROM orders WHERE region = $1").param("EU").rows()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query::new(self.inner.query(sql), self.worker.clone())
    }

    /// Settings for several queries.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let statement = connection.statement().max_rows(100);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn statement(&self) -> Statement {
        Statement::new(self.inner.statement(), self.worker.clone())
    }

    /// A statement to run with several sets of parameters.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let mut by_id = connection.prepare("SELECT * FROM orders WHERE id = $1");
    /// by_id.set(1, 7)?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn prepare(&self, sql: impl Into<String>) -> PreparedStatement {
        PreparedStatement::new(self.inner.prepare(sql), self.worker.clone())
    }

    /// What there is to ask: databases, tables, columns, privileges, types.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let tables = connection.metadata().tables(Some("sales"), None)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn metadata(&self) -> DatabaseMetaData {
        DatabaseMetaData::new(self.inner.metadata(), self.worker.clone())
    }

    /// The query that was [submitted](Query::submit) under `query_id`, perhaps by another process. Asks nothing yet.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let status = connection.submitted("0190b2c4-…").status()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submitted(&self, query_id: impl Into<String>) -> QueryHandle {
        QueryHandle::new(self.inner.submitted(query_id), self.worker.clone())
    }
}

//! A statement that runs with several sets of parameters.

use super::handle::QueryHandle;
use super::rows::{ResultSet, ResultStream};
use super::worker::Worker;
use crate::error::Result;
use crate::value::Value;

/// A statement and the values of its parameters; [`crate::PreparedStatement`] for programs without an async runtime.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// let mut by_region = connection.prepare("SELECT id FROM orders WHERE region = $1");
/// for region in ["EU", "US"] {
///     println!("{region}: {}", by_region.set(1, region)?.rows()?.count());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PreparedStatement {
    inner: crate::PreparedStatement,
    worker: Worker,
}

/// The results of a statement for each set of parameters, one after the other: each runs when it is asked for.
///
/// ```no_run
/// # fn example(mut by_id: lakegate_client::blocking::PreparedStatement) -> lakegate_client::Result<()> {
/// by_id.set(1, 7)?.add_batch()?.set(1, 8)?.add_batch()?;
/// for rows in by_id.execute_batch() {
///     println!("{} rows", rows?.count());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch runs as its results are asked for"]
pub struct BatchResults {
    inner: crate::BatchResults,
    worker: Worker,
}

impl PreparedStatement {
    pub(super) fn new(inner: crate::PreparedStatement, worker: Worker) -> Self {
        Self { inner, worker }
    }

    /// Sets the value of `$NUMBER`, or of the `?` that is the NUMBERth: the first is 1. `None` is NULL.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let mut statement = connection.prepare("SELECT ?, ?");
    /// statement.set(1, "one")?.set(2, None::<i64>)?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn set(&mut self, number: usize, value: impl Into<Value>) -> Result<&mut Self> {
        self.inner.set(number, value)?;
        Ok(self)
    }

    /// Forgets the values that are set.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// connection.prepare("SELECT $1").set(1, 7)?.clear();
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn clear(&mut self) -> &mut Self {
        self.inner.clear();
        self
    }

    /// Runs the statement with the values that are set.
    ///
    /// ```no_run
    /// # fn example(mut by_id: lakegate_client::blocking::PreparedStatement) -> lakegate_client::Result<()> {
    /// let rows = by_id.set(1, 7)?.rows()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rows(&self) -> Result<ResultSet> {
        self.stream().map(ResultSet::from)
    }

    /// As [`PreparedStatement::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # fn example(mut by_id: lakegate_client::blocking::PreparedStatement) -> lakegate_client::Result<()> {
    /// let batches = by_id.set(1, 7)?.stream()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self) -> Result<ResultStream> {
        let inner = self.worker.wait(self.inner.stream())?;
        Ok(ResultStream::new(inner, self.worker.clone()))
    }

    /// Gives the statement to the gateway as [`Query::submit`](super::Query::submit) does.
    ///
    /// ```no_run
    /// # fn example(mut by_id: lakegate_client::blocking::PreparedStatement) -> lakegate_client::Result<()> {
    /// let query = by_id.set(1, 7)?.submit()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&self) -> Result<QueryHandle> {
        let inner = self.worker.wait(self.inner.submit())?;
        Ok(QueryHandle::new(inner, self.worker.clone()))
    }

    /// Keeps the values that are set as one set of [`PreparedStatement::execute_batch`].
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// let mut by_id = connection.prepare("SELECT * FROM orders WHERE id = $1");
    /// for id in [7, 8, 9] {
    ///     by_id.set(1, id)?.add_batch()?;
    /// }
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn add_batch(&mut self) -> Result<&mut Self> {
        self.inner.add_batch()?;
        Ok(self)
    }

    /// Runs the statement for each set of values, in order and one at a time. The sets are forgotten then. It ends with the
    /// first failure.
    ///
    /// ```no_run
    /// # fn example(mut by_id: lakegate_client::blocking::PreparedStatement) -> lakegate_client::Result<()> {
    /// let results = by_id.set(1, 7)?.add_batch()?.execute_batch();
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute_batch(&mut self) -> BatchResults {
        BatchResults { inner: self.inner.execute_batch(), worker: self.worker.clone() }
    }
}

impl Iterator for BatchResults {
    type Item = Result<ResultSet>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.worker.wait(self.inner.next_stream()).transpose()?;
        Some(next.map(|inner| ResultSet::from(ResultStream::new(inner, self.worker.clone()))))
    }
}

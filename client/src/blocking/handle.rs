//! A query that the gateway runs on its own.

use std::time::Duration;

use super::rows::{ResultSet, ResultStream};
use super::worker::Worker;
use crate::error::Result;
use crate::progress::Progress;
use crate::status::QueryStatus;

/// A query that was [submitted](super::Query::submit); [`crate::QueryHandle`] for programs without an async runtime.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// let query = connection.query("SELECT region, sum(total) FROM orders GROUP BY region").submit()?;
/// query.wait()?;
/// for row in query.rows()? {
///     println!("{}", row?.get::<String>("region")?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct QueryHandle {
    inner: crate::QueryHandle,
    worker: Worker,
}

impl QueryHandle {
    pub(super) fn new(inner: crate::QueryHandle, worker: Worker) -> Self {
        Self { inner, worker }
    }

    /// The query, as the audit log names it.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert_eq!(connection.submitted("0190b2c4").query_id(), "0190b2c4");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn query_id(&self) -> &str {
        self.inner.query_id()
    }

    /// Calls `on_progress` while [`QueryHandle::wait`] waits.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// query.on_progress(|progress| println!("{:?}", progress.percent)).wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(mut self, on_progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.inner = self.inner.on_progress(on_progress);
        self
    }

    /// How it is now.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// println!("{:?}", query.status()?.progress.state);
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> Result<QueryStatus> {
        self.worker.wait(self.inner.status())
    }

    /// How it is once something but its progress has changed, or after `time`, which is taken in whole seconds.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// let status = query.wait_for(std::time::Duration::from_secs(5))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for(&self, time: Duration) -> Result<QueryStatus> {
        self.worker.wait(self.inner.wait_for(time))
    }

    /// Waits until it has ended. A query that failed or was cancelled is an error.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// println!("{} rows", query.wait()?.progress.rows);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self) -> Result<QueryStatus> {
        self.worker.wait(self.inner.wait())
    }

    /// Stops it, or forgets its rows when it has ended.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// query.cancel()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) -> Result<()> {
        self.worker.wait(self.inner.cancel())
    }

    /// Its rows from the first on, across connections that break.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// println!("{} rows", query.rows()?.count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn rows(&self) -> Result<ResultSet> {
        self.stream().map(ResultSet::from)
    }

    /// As [`QueryHandle::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// for batch in query.stream()? {
    ///     println!("{} rows", batch?.num_rows());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self) -> Result<ResultStream> {
        let inner = self.worker.wait(self.inner.stream())?;
        Ok(ResultStream::new(inner, self.worker.clone()))
    }

    /// At most `limit` of its rows, from the row `offset` on, of which the first is 0.
    ///
    /// ```no_run
    /// # fn example(query: lakegate_client::blocking::QueryHandle) -> lakegate_client::Result<()> {
    /// let second_page = query.page(100, 100)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn page(&self, offset: u64, limit: u64) -> Result<ResultSet> {
        let inner = self.worker.wait(self.inner.page_stream(offset, limit))?;
        Ok(ResultSet::from(ResultStream::new(inner, self.worker.clone())))
    }
}

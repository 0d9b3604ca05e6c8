//! Results, as iterators.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;

use super::worker::Worker;
use crate::cancel::CancelHandle;
use crate::columns::ResultSetMetaData;
use crate::error::Result;
use crate::notice::PolicyNotice;
use crate::row::Row;
use crate::rows::Arrived;

/// The rows of a query, one batch at a time. Dropping it before its end cancels the query.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// let batches: Vec<lakegate_client::RecordBatch> =
///     connection.query("SELECT * FROM orders").stream()?.collect::<Result<_, _>>()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ResultStream {
    inner: crate::ResultStream,
    worker: Worker,
}

/// The rows of a query as they arrive, from the first to the last. Dropping it before its end cancels the query.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// for row in connection.query("SELECT id, total FROM orders").rows()? {
///     let row = row?;
///     println!("{}: {:?}", row.get::<i64>("id")?, row.get::<Option<f64>>("total")?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ResultSet {
    stream: ResultStream,
    metadata: Arc<ResultSetMetaData>,
    arrived: Arrived,
}

impl ResultStream {
    pub(super) fn new(inner: crate::ResultStream, worker: Worker) -> Self {
        Self { inner, worker }
    }

    /// The query, as the audit log names it.
    ///
    /// ```no_run
    /// # fn example(batches: lakegate_client::blocking::ResultStream) {
    /// println!("{}", batches.query_id());
    /// # }
    /// ```
    pub fn query_id(&self) -> &str {
        &self.inner.query_id
    }

    /// What policy did to the result.
    ///
    /// ```no_run
    /// # fn example(batches: lakegate_client::blocking::ResultStream) {
    /// println!("{:?}", batches.policy());
    /// # }
    /// ```
    pub fn policy(&self) -> &PolicyNotice {
        &self.inner.policy
    }

    /// The columns; the same for every batch.
    ///
    /// ```no_run
    /// # fn example(batches: lakegate_client::blocking::ResultStream) {
    /// println!("{:?}", batches.schema());
    /// # }
    /// ```
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    /// What stops this run from another thread.
    ///
    /// ```no_run
    /// # fn example(batches: lakegate_client::blocking::ResultStream) {
    /// let button = batches.cancel_handle();
    /// std::thread::spawn(move || button.cancel());
    /// # }
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        self.inner.cancel_handle()
    }
}

impl Iterator for ResultStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.worker.wait(self.inner.next())
    }
}

impl ResultSet {
    /// The columns.
    ///
    /// ```no_run
    /// # fn example(rows: lakegate_client::blocking::ResultSet) {
    /// println!("{:?}", rows.metadata().columns());
    /// # }
    /// ```
    pub fn metadata(&self) -> &ResultSetMetaData {
        &self.metadata
    }

    /// The query, as the audit log names it.
    ///
    /// ```no_run
    /// # fn example(rows: lakegate_client::blocking::ResultSet) {
    /// println!("{}", rows.query_id());
    /// # }
    /// ```
    pub fn query_id(&self) -> &str {
        self.stream.query_id()
    }

    /// What policy did to the result.
    ///
    /// ```no_run
    /// # fn example(rows: lakegate_client::blocking::ResultSet) {
    /// println!("{:?}", rows.policy());
    /// # }
    /// ```
    pub fn policy(&self) -> &PolicyNotice {
        self.stream.policy()
    }

    /// What stops this run from another thread.
    ///
    /// ```no_run
    /// # fn example(rows: lakegate_client::blocking::ResultSet) {
    /// let button = rows.cancel_handle();
    /// std::thread::spawn(move || button.cancel());
    /// # }
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        self.stream.cancel_handle()
    }
}

impl From<ResultStream> for ResultSet {
    /// ```no_run
    /// # fn example(batches: lakegate_client::blocking::ResultStream) {
    /// let rows = lakegate_client::blocking::ResultSet::from(batches);
    /// # }
    /// ```
    fn from(stream: ResultStream) -> Self {
        let metadata = Arc::new(ResultSetMetaData::new(stream.schema()));
        Self { stream, metadata, arrived: Arrived::default() }
    }
}

impl Iterator for ResultSet {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.arrived.pop(&self.metadata) {
                return Some(Ok(row));
            }
            match self.stream.next()? {
                Ok(batch) => self.arrived.fill(batch),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

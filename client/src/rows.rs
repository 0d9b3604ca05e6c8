//! A result, row by row.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt, TryStreamExt};

use crate::cancel::CancelHandle;
use crate::columns::ResultSetMetaData;
use crate::error::Result;
use crate::notice::PolicyNotice;
use crate::row::Row;
use crate::stream::ResultStream;

/// The rows of a query as they arrive, from the first to the last. Dropping it before its end cancels the query.
///
/// It holds one batch at a time, however large the result is. It is also a [`Stream`] of its rows.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let mut rows = connection.query("SELECT id, total FROM orders").rows().await?;
/// if rows.policy().rows_filtered {
///     println!("you may not see all of them");
/// }
/// while let Some(row) = rows.next().await? {
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

/// The batch that rows are given of, and how many were.
#[derive(Debug, Default)]
pub(crate) struct Arrived(Option<(Arc<RecordBatch>, usize)>);

impl Arrived {
    /// The next row, if one is here.
    pub fn pop(&mut self, metadata: &Arc<ResultSetMetaData>) -> Option<Row> {
        let (batch, given) = self.0.as_mut().filter(|(batch, given)| *given < batch.num_rows())?;
        let row = Row::new(Arc::clone(batch), Arc::clone(metadata), *given);
        *given += 1;
        Some(row)
    }

    pub fn fill(&mut self, batch: RecordBatch) {
        self.0 = Some((Arc::new(batch), 0));
    }
}

impl ResultSet {
    /// The next row; none after the last.
    ///
    /// ```no_run
    /// # async fn example(mut rows: lakegate_client::ResultSet) -> lakegate_client::Result<()> {
    /// let first = rows.next().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Result<Option<Row>> {
        StreamExt::next(self).await.transpose()
    }

    /// All rows that are left.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let regions = connection.query("SELECT DISTINCT region FROM orders").rows().await?.collect().await?;
    /// println!("{} regions", regions.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn collect(self) -> Result<Vec<Row>> {
        self.try_collect().await
    }

    /// The columns.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
    /// println!("{:?}", rows.metadata().columns());
    /// # }
    /// ```
    pub fn metadata(&self) -> &ResultSetMetaData {
        &self.metadata
    }

    /// The query, as the audit log names it.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
    /// println!("{}", rows.query_id());
    /// # }
    /// ```
    pub fn query_id(&self) -> &str {
        &self.stream.query_id
    }

    /// What policy did to the result.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
    /// for column in &rows.policy().masked {
    ///     println!("{column} is masked");
    /// }
    /// # }
    /// ```
    pub fn policy(&self) -> &PolicyNotice {
        &self.stream.policy
    }

    /// What stops this run from elsewhere.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
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
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let batches = connection.query("SELECT 1").stream().await?;
    /// let rows = lakegate_client::ResultSet::from(batches);
    /// # Ok(())
    /// # }
    /// ```
    fn from(stream: ResultStream) -> Self {
        let metadata = Arc::new(ResultSetMetaData::new(stream.schema()));
        Self { stream, metadata, arrived: Arrived::default() }
    }
}

impl Stream for ResultSet {
    type Item = Result<Row>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(row) = this.arrived.pop(&this.metadata) {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(this.stream.poll_next_unpin(cx)) {
                Some(Ok(batch)) => this.arrived.fill(batch),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

//! A result, batch by batch, as its bytes arrive.
//!
//! Holds at most one message of the Arrow stream. The end of the bytes is not the end of the result: only the
//! format's own end mark is, so that a result which breaks off between two batches is noticed too.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_ipc::reader::StreamDecoder;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};

use crate::cancel::{CancelHandle, Stop};
use crate::error::{Error, Result};
use crate::notice::PolicyNotice;
use crate::progress::{Progress, QueryState};
use crate::send::{Head, reason};
use crate::settings::OnProgress;

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// The rows of a query, in batches. Dropping it before its end cancels the query.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// use futures::TryStreamExt;
///
/// let batches = connection.query("SELECT * FROM orders").stream().await?;
/// println!("query {}, policy {:?}", batches.query_id, batches.policy);
/// let all: Vec<lakegate_client::RecordBatch> = batches.try_collect().await?;
/// # Ok(())
/// # }
/// ```
pub struct ResultStream {
    /// The query, as the audit log names it.
    pub query_id: String,
    /// What policy did to the result.
    pub policy: PolicyNotice,
    schema: SchemaRef,
    batches: Option<BoxStream<'static, Result<RecordBatch>>>,
    stop: Stop,
    cancel: CancelHandle,
    watch: Option<Watch>,
}

/// Who wants to know how much has arrived.
struct Watch {
    on_progress: OnProgress,
    rows: u64,
    bytes: Arc<AtomicU64>,
}

/// Bytes in, batches out. Ends after its first error.
pub(crate) struct Batches {
    query_id: String,
    first: Option<RecordBatch>,
    body: Option<Body>,
    decoder: StreamDecoder,
    unread: Buffer,
    bytes: Arc<AtomicU64>,
}

impl ResultStream {
    pub(crate) fn new(
        head: Head,
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
        stop: Stop,
        cancel: CancelHandle,
    ) -> Self {
        let Head { query_id, policy } = head;
        Self { query_id, policy, schema, batches: Some(batches.boxed()), stop, cancel, watch: None }
    }

    /// Tells `on_progress` of each batch, if there is one to tell.
    pub(crate) fn watched(mut self, on_progress: Option<OnProgress>, bytes: Arc<AtomicU64>) -> Self {
        self.watch = on_progress.map(|on_progress| Watch { on_progress, rows: 0, bytes });
        self
    }

    /// The columns; the same for every batch.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let batches = connection.query("SELECT * FROM orders").stream().await?;
    /// for field in batches.schema().fields() {
    ///     println!("{}: {}", field.name(), field.data_type());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What stops this run from elsewhere.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let batches = connection.query("SELECT * FROM orders").stream().await?;
    /// let button = batches.cancel_handle();
    /// std::thread::spawn(move || button.cancel());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }
}

impl Stream for ResultStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(batches) = &mut this.batches else { return Poll::Ready(None) };
        let next = match this.stop.poll(cx) {
            Poll::Ready(error) => Some(Err(error)),
            Poll::Pending => ready!(batches.poll_next_unpin(cx)),
        };
        if !matches!(next, Some(Ok(_))) {
            // Whoever still runs the query hears now that nobody reads.
            this.batches = None;
        }
        if let Some(watch) = &mut this.watch {
            watch.tell(next.as_ref());
        }
        Poll::Ready(next)
    }
}

impl Watch {
    fn tell(&mut self, next: Option<&Result<RecordBatch>>) {
        let state = match next {
            Some(Ok(batch)) => {
                self.rows += batch.num_rows() as u64;
                QueryState::Running
            }
            Some(Err(Error::Cancelled)) => QueryState::Cancelled,
            Some(Err(_)) => QueryState::Failed,
            None => QueryState::Finished,
        };
        (self.on_progress)(&Progress::arriving(self.rows, self.bytes.load(Ordering::Relaxed), state));
    }
}

impl fmt::Debug for ResultStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultStream")
            .field("query_id", &self.query_id)
            .field("policy", &self.policy)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Batches {
    /// Reads up to the first batch, so that the schema is known and an early failure is told early.
    pub async fn open(
        query_id: String,
        body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    ) -> Result<(SchemaRef, Self)> {
        let mut batches = Self {
            query_id,
            first: None,
            body: Some(Box::pin(body)),
            decoder: StreamDecoder::new(),
            unread: Buffer::from(Vec::<u8>::new()),
            bytes: Arc::default(),
        };
        batches.first = batches.next().await.transpose()?;
        let schema = batches
            .decoder
            .schema()
            .ok_or_else(|| Error::Protocol("the rows come without their columns".to_owned()))?;
        Ok((schema, batches))
    }

    /// How many bytes have arrived, now and later.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    /// Whether the end mark was read. The decoder does not tell, but it takes no byte after the mark and takes any
    /// first byte of a next message.
    fn is_complete(&mut self) -> bool {
        self.decoder.finish().is_ok() && self.decoder.decode(&mut Buffer::from(&[0_u8])).is_err()
    }

    fn incomplete(&self, reason: impl Into<String>) -> Error {
        Error::Incomplete { reason: reason.into(), query_id: Some(self.query_id.clone()) }
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let failure = match this.decoder.decode(&mut this.unread) {
                Ok(Some(batch)) => return Poll::Ready(Some(Ok(batch))),
                Err(error) => Error::Protocol(format!("its rows cannot be read: {error}")),
                Ok(None) => match ready!(body.poll_next_unpin(cx)) {
                    Some(Ok(bytes)) => {
                        this.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        this.unread = Buffer::from(bytes);
                        continue;
                    }
                    Some(Err(error)) => this.incomplete(reason(&error)),
                    None if this.is_complete() => {
                        this.body = None;
                        return Poll::Ready(None);
                    }
                    None => this.incomplete("the gateway closed the connection"),
                },
            };
            this.body = None;
            return Poll::Ready(Some(Err(failure)));
        }
    }
}

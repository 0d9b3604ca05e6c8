//! A result, batch by batch, as its bytes arrive.
//!
//! Holds at most one message of the Arrow stream. The end of the bytes is not the end of the result: only the
//! format's own end mark is, so that a result which breaks off between two batches is noticed too.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow_ipc::reader::StreamDecoder;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::error::{Error, Result};
use crate::notice::PolicyNotice;
use crate::query::reason;

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// The rows of a query. Dropping it before its end cancels the query.
pub struct ResultStream {
    /// The query, as the audit log names it.
    pub query_id: String,
    /// What policy did to the result.
    pub policy: PolicyNotice,
    schema: SchemaRef,
    first: Option<RecordBatch>,
    rest: Batches,
}

/// Bytes in, batches out. Ends after its first error.
struct Batches {
    query_id: String,
    body: Option<Body>,
    decoder: StreamDecoder,
    unread: Buffer,
}

impl ResultStream {
    /// Reads up to the first batch, so that the schema is known and an early failure is told early.
    pub(crate) async fn open(
        query_id: String,
        policy: PolicyNotice,
        body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    ) -> Result<Self> {
        let mut rest = Batches {
            query_id: query_id.clone(),
            body: Some(Box::pin(body)),
            decoder: StreamDecoder::new(),
            unread: Buffer::from(Vec::<u8>::new()),
        };
        let first = rest.next().await.transpose()?;
        let schema = rest
            .decoder
            .schema()
            .ok_or_else(|| Error::Protocol("the rows come without their columns".to_owned()))?;
        Ok(Self { query_id, policy, schema, first, rest })
    }

    /// The columns; the same for every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Stream for ResultStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None => self.rest.poll_next_unpin(cx),
        }
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
        loop {
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let failure = match this.decoder.decode(&mut this.unread) {
                Ok(Some(batch)) => return Poll::Ready(Some(Ok(batch))),
                Err(error) => Error::Protocol(format!("its rows cannot be read: {error}")),
                Ok(None) => match ready!(body.poll_next_unpin(cx)) {
                    Some(Ok(bytes)) => {
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

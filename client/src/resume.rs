//! The rows of a submitted query across broken connections.
//!
//! What arrived whole is not asked for again, and no row is given twice: the gateway keeps the rows and is asked for
//! those from the first missing one on.

use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, StreamExt};
use reqwest::Method;
use reqwest::header::ACCEPT;

use crate::error::{Error, Result};
use crate::handle::QueryHandle;
use crate::send::{self, ARROW_STREAM, Head};
use crate::stream::Batches;

/// Before the first attempt to go on; each next one waits longer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Where reading is.
pub(crate) struct Resumed {
    query: QueryHandle,
    schema: SchemaRef,
    batches: Batches,
    /// The first row that has not arrived.
    offset: u64,
    /// How many may still come.
    left: Option<u64>,
    /// Attempts since something arrived.
    failures: u32,
}

impl Resumed {
    /// Asks for at most `limit` rows from `offset` on.
    pub async fn open(
        query: QueryHandle,
        offset: u64,
        limit: Option<u64>,
    ) -> Result<(Head, SchemaRef, Self)> {
        let mut failures = 0;
        let (head, schema, batches) = loop {
            match ask(&query, offset, limit).await {
                Err(error) if is_cut(&error) && failures < query.retry().times => {
                    failures += 1;
                    tokio::time::sleep(pause(failures)).await;
                }
                opened => break opened?,
            }
        };
        let resumed = Self { query, schema: schema.clone(), batches, offset, left: limit, failures: 0 };
        Ok((head, schema, resumed))
    }

    pub fn into_stream(self) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
        futures::stream::unfold(Some(self), |state| async move {
            let mut resumed = state?;
            match resumed.next().await? {
                Ok(batch) => Some((Ok(batch), Some(resumed))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            match self.batches.next().await? {
                Ok(batch) => {
                    let rows = batch.num_rows() as u64;
                    self.offset += rows;
                    self.left = self.left.map(|left| left.saturating_sub(rows));
                    self.failures = 0;
                    return Some(Ok(batch));
                }
                // All that was asked for is there; only the end mark is not.
                Err(error) if is_cut(&error) && self.left == Some(0) => return None,
                Err(error) if is_cut(&error) => {
                    if let Err(error) = self.go_on(error).await {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Asks for the rest after `cut`.
    async fn go_on(&mut self, mut cut: Error) -> Result<()> {
        while self.failures < self.query.retry().times {
            self.failures += 1;
            tokio::time::sleep(pause(self.failures)).await;
            match ask(&self.query, self.offset, self.left).await {
                Ok((_, schema, _)) if schema != self.schema => {
                    return Err(Error::Protocol("the rest of the rows has other columns".to_owned()));
                }
                Ok((_, _, batches)) => {
                    self.batches = batches;
                    return Ok(());
                }
                Err(error) if is_cut(&error) => cut = error,
                Err(error) => return Err(error),
            }
        }
        Err(cut)
    }
}

async fn ask(query: &QueryHandle, offset: u64, limit: Option<u64>) -> Result<(Head, SchemaRef, Batches)> {
    let mut request = query.request(Method::GET, &["result"]).header(ACCEPT, ARROW_STREAM);
    if offset > 0 {
        request = request.query(&[("offset", offset)]);
    }
    if let Some(limit) = limit {
        request = request.query(&[("limit", limit)]);
    }
    let response = send::retried(request, query.retry()).await?;
    let head = send::head(response.headers())?;
    let (schema, batches) = Batches::open(head.query_id.clone(), response.bytes_stream()).await?;
    Ok((head, schema, batches))
}

/// Whether the connection is at fault. Why a query failed the gateway says when it is asked for the rest.
fn is_cut(error: &Error) -> bool {
    matches!(error, Error::Incomplete { .. } | Error::Unreachable(_))
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE * 3_u32.saturating_pow(failures.saturating_sub(1).min(4))
}

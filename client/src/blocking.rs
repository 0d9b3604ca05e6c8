//! The same client for programs without an async runtime.
//!
//! Each [`Connection`] keeps one thread that does the network's work; batches are decoded on the caller's thread.
//!
//! ```no_run
//! use lakegate_client::{ConnectOptions, blocking::Connection};
//!
//! let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…"))?;
//! for batch in connection.query("SELECT 1").stream()? {
//!     println!("{} rows", batch?.num_rows());
//! }
//! # Ok::<(), lakegate_client::Error>(())
//! ```

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::connection::ConnectOptions;
use crate::error::{Error, Result};
use crate::notice::PolicyNotice;
use crate::value::Value;

/// A gateway and an identity to ask it with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: crate::Connection,
    worker: Arc<Worker>,
}

/// One statement, not yet sent.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing before `stream`"]
pub struct Query {
    inner: crate::Query,
    worker: Arc<Worker>,
}

/// The rows of a query, one batch at a time. Dropping it before its end cancels the query.
#[derive(Debug)]
pub struct ResultStream {
    inner: crate::ResultStream,
    worker: Arc<Worker>,
}

/// The thread that the network's work runs on.
#[derive(Debug)]
struct Worker(Option<Runtime>);

impl Connection {
    /// Checks the options and starts the thread. Does not speak to the server.
    pub fn new(options: ConnectOptions) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lakegate-client")
            .enable_all()
            .build()
            .map_err(|error| Error::Options(format!("no thread can be started: {error}")))?;
        Ok(Self { inner: crate::Connection::new(options)?, worker: Arc::new(Worker(Some(runtime))) })
    }

    /// A query of one statement, sent by [`Query::stream`].
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query { inner: self.inner.query(sql), worker: self.worker.clone() }
    }
}

impl Query {
    /// The values of the statement's parameters, in order.
    pub fn params(mut self, params: impl IntoIterator<Item = Value>) -> Self {
        self.inner = self.inner.params(params);
        self
    }

    /// The value of the statement's next parameter.
    pub fn param(mut self, value: impl Into<Value>) -> Self {
        self.inner = self.inner.param(value);
        self
    }

    /// Whether to fail with [`Code::PolicyWithheld`](crate::Code::PolicyWithheld) where policy would narrow the result.
    pub fn strict(mut self, strict: bool) -> Self {
        self.inner = self.inner.strict(strict);
        self
    }

    /// The most rows to send.
    pub fn max_rows(mut self, rows: u64) -> Self {
        self.inner = self.inner.max_rows(rows);
        self
    }

    /// Sends the query; returns when its first rows (or its end) have arrived.
    pub fn stream(self) -> Result<ResultStream> {
        let inner = self.worker.wait(self.inner.stream())?;
        Ok(ResultStream { inner, worker: self.worker })
    }
}

impl ResultStream {
    /// The query, as the audit log names it.
    pub fn query_id(&self) -> &str {
        &self.inner.query_id
    }

    /// What policy did to the result.
    pub fn policy(&self) -> &PolicyNotice {
        &self.inner.policy
    }

    /// The columns; the same for every batch.
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

impl Iterator for ResultStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.worker.wait(self.inner.next())
    }
}

impl Worker {
    /// Waits on the caller's thread while the worker thread drives the network. Unlike the runtime's own `block_on`
    /// this also works on a thread of somebody else's runtime.
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _entered = self.0.as_ref().map(Runtime::enter);
        futures::executor::block_on(work)
    }
}

impl Drop for Worker {
    /// Does not wait for the thread, so that a connection may be dropped anywhere.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

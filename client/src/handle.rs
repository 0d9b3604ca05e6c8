//! A query that the gateway runs on its own: asked how far it is, waited for, read, cancelled.
//!
//! The handle is a name; whatever it tells, it asks the gateway for. Losing it loses nothing.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};

use crate::cancel::Stop;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::progress::Progress;
use crate::resume::Resumed;
use crate::rows::ResultSet;
use crate::send::{self, Retry};
use crate::settings::{OnProgress, Settings};
use crate::status::QueryStatus;
use crate::stream::ResultStream;

/// How long one request waits: shorter than what proxies in between take for dead.
const ONE_WAIT: Duration = Duration::from_secs(30);

/// Between two attempts to hear of progress.
const PAUSE: Duration = Duration::from_millis(500);

/// A query that was [submitted](crate::Query::submit). Dropping it does not stop the query.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let query = connection
///     .query("SELECT region, sum(total) FROM orders GROUP BY region")
///     .on_progress(|progress| println!("{:?}", progress.percent))
///     .submit()
///     .await?;
/// query.wait().await?;
/// let mut rows = query.rows().await?;
/// while let Some(row) = rows.next().await? {
///     println!("{}", row.get::<String>("region")?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct QueryHandle {
    connection: Connection,
    query_id: String,
    settings: Settings,
}

impl QueryHandle {
    pub(crate) fn new(connection: Connection, query_id: String, settings: Settings) -> Self {
        Self { connection, query_id, settings }
    }

    /// The query, as the audit log names it. With it [`Connection::submitted`] finds the query again.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert_eq!(connection.submitted("0190b2c4").query_id(), "0190b2c4");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn query_id(&self) -> &str {
        &self.query_id
    }

    /// Calls `on_progress` while [`QueryHandle::wait`] waits.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let query = connection.submitted("0190b2c4").on_progress(|progress| println!("{:?}", progress.stage));
    /// query.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(mut self, on_progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.settings.on_progress = Some(std::sync::Arc::new(on_progress));
        self
    }

    /// How it is now.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// println!("{:?}", query.status().await?.progress.state);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(&self) -> Result<QueryStatus> {
        self.ask(self.request(Method::GET, &[])).await
    }

    /// How it is once something but its progress has changed, or after `time`, which is taken in whole seconds; the gateway
    /// may answer sooner.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// let status = query.wait_for(std::time::Duration::from_secs(5)).await?;
    /// if !status.has_ended() {
    ///     println!("still {:?}", status.progress.state);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for(&self, time: Duration) -> Result<QueryStatus> {
        let wait = format!("{}s", time.as_secs().max(1));
        self.ask(self.request(Method::GET, &[]).query(&[("wait", wait)])).await
    }

    /// Waits until it has ended. A query that failed or was cancelled is an error.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// let status = query.wait().await?;
    /// println!("{} rows", status.progress.rows);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait(&self) -> Result<QueryStatus> {
        let mut stop = Stop::new(&self.settings.cancel_handle(), None);
        let ended = stop.or(async {
            match &self.settings.on_progress {
                Some(on_progress) => self.follow(on_progress).await,
                None => loop {
                    let status = self.wait_for(ONE_WAIT).await?;
                    if status.has_ended() {
                        return Ok(status);
                    }
                },
            }
        });
        ended.await?.or_failure()
    }

    /// Stops it, or forgets its rows when it has ended.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// query.cancel().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel(&self) -> Result<()> {
        // Once more would forget what the first time has stopped.
        let retry = Retry::unless_heard(self.settings.retries);
        send::retried(self.request(Method::DELETE, &[]), retry).await.map(drop)
    }

    /// Its rows from the first on. Follows a query that still runs to its end; a connection that breaks is made anew and
    /// the rows go on where they were, as often as [`retries`](crate::ConnectOptions::retries) says for each place.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// let rows = query.rows().await?.collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rows(&self) -> Result<ResultSet> {
        self.stream().await.map(ResultSet::from)
    }

    /// As [`QueryHandle::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// use futures::TryStreamExt;
    ///
    /// let batches: Vec<lakegate_client::RecordBatch> = query.stream().await?.try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(&self) -> Result<ResultStream> {
        self.read(0, None).await
    }

    /// At most `limit` of its rows, from the row `offset` on, of which the first is 0.
    ///
    /// ```no_run
    /// # async fn example(query: lakegate_client::QueryHandle) -> lakegate_client::Result<()> {
    /// let second_page = query.page(100, 100).await?.collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn page(&self, offset: u64, limit: u64) -> Result<ResultSet> {
        self.page_stream(offset, limit).await.map(ResultSet::from)
    }

    pub(crate) async fn page_stream(&self, offset: u64, limit: u64) -> Result<ResultStream> {
        self.read(offset, Some(limit)).await
    }

    async fn read(&self, offset: u64, limit: Option<u64>) -> Result<ResultStream> {
        let cancel = self.settings.cancel_handle();
        let mut stop = Stop::new(&cancel, None);
        let opened = Resumed::open(self.clone(), offset, limit);
        let (head, schema, resumed) = stop.or(opened).await?;
        Ok(ResultStream::new(head, schema, resumed.into_stream(), stop, cancel))
    }

    /// Listens until the end of the query, also across broken connections, as long as the gateway can be asked at all.
    async fn follow(&self, on_progress: &OnProgress) -> Result<QueryStatus> {
        loop {
            match self.listen(on_progress).await {
                Ok(()) | Err(Error::Unreachable(_)) => {}
                Err(error) => return Err(error),
            }
            let status = self.status().await?;
            on_progress(&status.progress);
            if status.has_ended() {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until the gateway says that the query has ended, or says nothing more.
    async fn listen(&self, on_progress: &OnProgress) -> Result<()> {
        let request = self.request(Method::GET, &["events"]).header("accept", "text/event-stream");
        let response = send::retried(request, self.retry()).await?;
        let mut events = Events::new(response.bytes_stream());
        while let Some(event) = events.next().await? {
            match event.name.as_str() {
                "progress" => {
                    let status: QueryStatus = serde_json::from_str(&event.data)
                        .map_err(|_| Error::Protocol("it tells of a progress that is none".to_owned()))?;
                    // The last one is told when its status is asked for.
                    if !status.has_ended() {
                        on_progress(&status.progress);
                    }
                }
                "end" => break,
                _ => {}
            }
        }
        Ok(())
    }

    async fn ask(&self, request: RequestBuilder) -> Result<QueryStatus> {
        send::json(send::retried(request, self.retry()).await?).await
    }

    pub(crate) fn request(&self, method: Method, behind: &[&str]) -> RequestBuilder {
        let path = [&["v1", "queries", self.query_id.as_str()], behind].concat();
        self.connection.request(method, &path)
    }

    /// Whatever is read of a query may be read twice.
    pub(crate) fn retry(&self) -> Retry {
        Retry::always(self.settings.retries)
    }
}

impl fmt::Debug for QueryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryHandle").field("query_id", &self.query_id).finish_non_exhaustive()
    }
}

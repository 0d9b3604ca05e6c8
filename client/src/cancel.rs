//! Stopping a statement from elsewhere: the button beside the progress bar.
//!
//! To stop is to hang up. The gateway cancels a query when nobody reads its result, so nothing is sent for it.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Stops one run of a statement, from any thread. Clones stop the same one.
///
/// A handle that has been used stays so: a statement that is given it later ends at once.
///
/// ```no_run
/// use lakegate_client::{CancelHandle, Error};
///
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let cancel = CancelHandle::new();
/// let button = cancel.clone();
/// std::thread::spawn(move || button.cancel());
/// match connection.query("SELECT count(*) FROM events").cancelled_by(&cancel).rows().await {
///     Err(Error::Cancelled) => println!("as you like"),
///     other => drop(other?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelHandle(CancellationToken);

impl CancelHandle {
    /// A handle that stops nothing yet: give it to a statement.
    ///
    /// ```
    /// assert!(!lakegate_client::CancelHandle::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the statement: it ends with [`Error::Cancelled`]. Does nothing when it has ended.
    ///
    /// ```
    /// let cancel = lakegate_client::CancelHandle::new();
    /// cancel.clone().cancel();
    /// assert!(cancel.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether [`CancelHandle::cancel`] was called.
    ///
    /// ```
    /// assert!(!lakegate_client::CancelHandle::new().is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Resolves when a run has to end before its end, to why.
pub(crate) struct Stop(BoxFuture<'static, Error>);

impl Stop {
    /// For a run that begins now.
    pub fn new(cancel: &CancelHandle, timeout: Option<Duration>) -> Self {
        let cancelled = cancel.0.clone().cancelled_owned();
        Self(Box::pin(async move {
            match timeout {
                None => {
                    cancelled.await;
                    Error::Cancelled
                }
                Some(timeout) => tokio::select! {
                    () = cancelled => Error::Cancelled,
                    () = tokio::time::sleep(timeout) => Error::TimedOut(timeout),
                },
            }
        }))
    }

    /// The outcome of `work`, if it comes before the stop.
    pub async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            error = &mut self.0 => Err(error),
            outcome = work => outcome,
        }
    }

    /// Why to stop now, if so.
    pub fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Error> {
        self.0.poll_unpin(cx)
    }
}

//! HTTP: the API of product and administration on one listener.
//!
//! A handler is short: extract, check, act, respond. Who asks is proven by the extractors of [`caller`], what went
//! wrong becomes an answer in [`error`], and the routes are one table in [`router`].

mod admin;
mod caller;
mod error;
mod extract;
pub mod formats;
mod health;
mod openapi;
mod queries;
mod query;
mod router;
mod rows;

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::openapi::document;
use super::listener::Listener;
use crate::app::App;
use crate::error::{Error, Result};
use crate::results;

/// How long running requests may go on once the end was asked for.
const GRACE: Duration = Duration::from_secs(20);
/// How long connections may take to close after their requests were cut off.
const CLOSING: Duration = Duration::from_secs(2);

/// Serves until `shutdown` completes: then no connection is taken any more, running requests may finish for a while,
/// and those that do not are cut off, which their clients see as a broken answer.
pub async fn serve(
    app: Arc<App>,
    listener: Listener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
    let sweeping = tokio::spawn(results::sweep(Arc::downgrade(&app)));
    let kept = Arc::clone(&app.results);
    let router = router::router(app, cut.clone());
    let asked = stopping.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        asked.cancel();
    });
    let impatient = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
        tracing::warn!("requests still running at the end of the grace are cut off");
        cut.cancel();
        tokio::time::sleep(CLOSING).await;
    };
    let outcome = tokio::select! {
        outcome = server.into_future() => {
            outcome.map_err(|error| Error::unavailable("the HTTP listener failed", error))
        }
        () = impatient => Ok(()),
    };
    sweeping.abort();
    if tokio::time::timeout(CLOSING, kept.clear()).await.is_err() {
        tracing::warn!("files of results are left in the lake; a later start removes them");
    }
    outcome
}

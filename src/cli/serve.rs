//! `lakegate serve`: the gateway on its doors, until it is asked to stop.

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::stop::asked_to_stop;
use crate::app::App;
use crate::config::Config;
use crate::error::Result;
use crate::ingest::jobs::worker::Worker;
use crate::serve::listener::Listener;
use crate::serve::{flight_sql, http, postgres};

/// What to serve with: the configuration alone.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Serves until SIGINT or SIGTERM.
pub async fn run(_args: Args, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    listen(app, |_| ()).await
}

/// Opens every door of `app`, says so, calls `ready` with the address of HTTP, and serves until the process is asked to
/// stop. When one door fails all are closed.
pub async fn listen(app: Arc<App>, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let server = &app.config.server;
    let tls = server.tls.as_ref();
    let http = Listener::bind(server.http, tls).await?;
    let address = http.address();
    say(format_args!("listening on {address}"));
    let flight = match server.flight {
        Some(address) => Some(opened(Listener::bind(address, tls).await?, "Arrow Flight SQL")),
        None => None,
    };
    let postgres = match server.postgres {
        Some(address) => Some(opened(Listener::bind_plain(address).await?, "PostgreSQL's protocol")),
        None => None,
    };
    ready(address);
    let stop = CancellationToken::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        signal.cancel();
    });
    let until = || stop.clone().cancelled_owned();
    let mut doors: Vec<BoxFuture<'_, Result<()>>> =
        vec![http::serve(Arc::clone(&app), http, until()).boxed()];
    doors.extend(flight.map(|door| flight_sql::serve(Arc::clone(&app), door, until()).boxed()));
    doors.extend(postgres.map(|door| postgres::serve(Arc::clone(&app), door, until()).boxed()));
    let ended = doors.into_iter().map(|door| async { door.await.inspect_err(|_| stop.cancel()) });
    let working = tokio::spawn(work(Arc::clone(&app), stop.clone()));
    let outcomes = futures::future::join_all(ended).await;
    // It has been told to stop as well, and writes down what it has not finished.
    let _ = working.await;
    app.audit.flush().await;
    outcomes.into_iter().collect()
}

/// Runs jobs beside the doors. A table that makes a library panic ends its run, and neither the doors nor other jobs.
async fn work(app: Arc<App>, stop: CancellationToken) {
    loop {
        let (app, until) = (Arc::clone(&app), stop.clone());
        match tokio::spawn(async move { Worker::new(app).work(&until).await }).await {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "a run ended in a panic"),
        }
    }
}

fn opened(listener: Listener, what: &str) -> Listener {
    say(format_args!("listening on {} for {what}", listener.address()));
    listener
}

/// Whoever started the gateway may have stopped listening to it.
fn say(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{words}");
}

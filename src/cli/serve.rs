//! `lakegate serve`: the gateway on its doors, until it is asked to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::serve::http;

/// What to serve with: the configuration alone.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Serves until SIGINT or SIGTERM.
pub async fn run(_args: Args, config: Option<PathBuf>) -> Result<()> {
    let app = App::build(Config::load(config.as_deref())?).await?;
    listen(app, |_| ()).await
}

/// Opens every door of `app`, says so, calls `ready` with the address, and serves until the process is asked to stop.
pub async fn listen(app: Arc<App>, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let address = app.config.server.http;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Error::unavailable(format!("cannot listen on `{address}`: {error}"), error))?;
    let address = listener.local_addr().map_err(Error::internal)?;
    println!("listening on {address}");
    ready(address);
    let outcome = http::serve(Arc::clone(&app), listener, asked_to_stop()).await;
    app.audit.flush().await;
    outcome
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

//! `lakegate serve`: the gateway on its doors, until it is asked to stop.

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::error::Result;
use crate::serve::listener::Listener;
use crate::serve::{flight_sql, http};

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
    let tls = app.config.server.tls.as_ref();
    let http = Listener::bind(app.config.server.http, tls).await?;
    let address = http.address();
    say(format_args!("listening on {address}"));
    let flight = match app.config.server.flight {
        Some(address) => {
            let listener = Listener::bind(address, tls).await?;
            say(format_args!("listening on {} for Arrow Flight SQL", listener.address()));
            Some(listener)
        }
        None => None,
    };
    ready(address);
    let stop = CancellationToken::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        signal.cancel();
    });
    let serve_flight = async {
        match flight {
            Some(listener) => {
                flight_sql::serve(Arc::clone(&app), listener, stop.clone().cancelled_owned()).await
            }
            None => Ok(()),
        }
    };
    let serve_http = http::serve(Arc::clone(&app), http, stop.clone().cancelled_owned());
    let ended = |outcome: Result<()>| outcome.inspect_err(|_| stop.cancel());
    let (of_http, of_flight) =
        tokio::join!(async { ended(serve_http.await) }, async { ended(serve_flight.await) });
    app.audit.flush().await;
    of_http.and(of_flight)
}

/// Whoever started the gateway may have stopped listening to it.
fn say(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{words}");
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

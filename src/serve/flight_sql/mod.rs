//! Arrow Flight SQL: the door of ADBC and of the Arrow JDBC driver.
//!
//! Nothing is kept between two calls. A ticket and the handle of a prepared statement hold the statement itself
//! ([`asked`]): whoever brings one is asked who they are and gets what they may see, so a ticket gives no right, any
//! node answers it, and a client that forgets to close leaves nothing behind. What can be cancelled is in [`running`].

mod asked;
mod caller;
mod catalog;
mod information;
mod parameters;
mod plain;
mod running;
mod service;
mod status;

pub(crate) use self::asked::{parameters_read, reads};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use self::service::Door;
use super::listener::{Listener, Socket};
use crate::app::App;
use crate::error::{Error, Result};

/// The largest message that a client may send: a statement with its parameters.
const LARGEST_MESSAGE: usize = 16 << 20;

/// Calls of one connection that may run at a time.
const CALLS: usize = 64;

/// How often a silent connection is asked whether it is still there.
const ALIVE: Duration = Duration::from_secs(30);

/// How long running calls may go on once the end was asked for.
const GRACE: Duration = Duration::from_secs(20);

impl Connected for Socket {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// Serves until `shutdown` completes; then running calls may finish for a while.
pub async fn serve(
    app: Arc<App>,
    listener: Listener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let service = FlightServiceServer::new(Door::new(app)).max_decoding_message_size(LARGEST_MESSAGE);
    let stopping = tokio_util::sync::CancellationToken::new();
    let asked = stopping.clone();
    let incoming = futures::stream::unfold(listener, |mut listener| async move {
        let (socket, _) = listener.next().await?;
        Some((Ok::<_, std::io::Error>(socket), listener))
    });
    let server = Server::builder()
        .concurrency_limit_per_connection(CALLS)
        .http2_keepalive_interval(Some(ALIVE))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move {
            shutdown.await;
            asked.cancel();
        });
    let impatient = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = server => {
            outcome.map_err(|error| Error::unavailable("the Flight SQL listener failed", error))
        }
        () = impatient => Ok(()),
    }
}

//! The PostgreSQL wire protocol: the door of psql, of PostgreSQL's drivers and of whatever is built on them.
//!
//! The messages are the pgwire crate's, the form of values mostly the arrow-pg crate's. A connection has one
//! token, given as its password, which is judged anew for each statement: when it expires the connection is at its
//! end. The databases of the gateway are the schemas of one PostgreSQL database, called `lakegate`.

mod connection;
mod frames;
mod handler;
mod notice;
mod numeric;
mod rows;
mod session;
mod settings;
mod shapes;
mod startup;
mod statement;
mod status;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::frames::lengths_fit;
use self::handler::Door;
use super::listener::{Listener, Socket, acceptor};
use crate::app::App;
use crate::error::Result;

/// How long connections may go on with what they do once the end was asked for.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until `shutdown` completes; then running statements may finish for a while. `listener` must be one of plain
/// sockets: here a client asks for TLS when it is connected.
///
/// # Errors
///
/// `invalid_request` when the certificate or its key does not read.
pub async fn serve(
    app: Arc<App>,
    mut listener: Listener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let tls = app.config.server.tls.as_ref().map(|tls| acceptor(tls, &[b"postgresql"])).transpose()?;
    let door = Arc::new(Door::new(app));
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.next() => accepted,
        };
        let Some((Socket::Plain(stream), peer)) = accepted else { break };
        let (door, tls, stopping) = (Arc::clone(&door), tls.clone(), stopping.clone());
        connections.spawn(async move {
            if let Err(error) = connection::serve(door, stream, tls, stopping).await {
                tracing::debug!(%peer, %error, "a connection broke");
            }
        });
    }
    stopping.cancel();
    let finished = async { while connections.join_next().await.is_some() {} };
    // Who has not finished by then is cut off with the set.
    let _ = tokio::time::timeout(GRACE, finished).await;
    Ok(())
}

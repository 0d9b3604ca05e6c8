//! One connection: encryption, then message after message until one side ends it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pgwire::api::cancel::DefaultCancelHandler;
use pgwire::api::{ClientInfo, NoopHandler};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::tokio::server::{PgWireMessageServerCodec, negotiate_tls, process_error, process_message};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Framed, FramedParts};
use tokio_util::sync::CancellationToken;

use super::frames::Measured;
use super::handler::{Asked, Door};
use super::session::Session;
use super::status;

/// How long a client may take until it has said who it is.
const STARTUP: Duration = Duration::from_secs(10);

/// Serves `stream` until it ends, or `stopping` and nothing runs.
pub(super) async fn serve(
    door: Arc<Door>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    stopping: CancellationToken,
) -> io::Result<()> {
    let began = tokio::time::Instant::now();
    let negotiated = tokio::time::timeout_at(began + STARTUP, negotiate_tls::<Asked>(stream, tls));
    let Ok(Some(socket)) = negotiated.await? else { return Ok(()) };
    let parts = socket.into_parts();
    // Whatever came in the clear before the keys were agreed on was not said by who holds them.
    if parts.codec.client_info.is_secure() && !parts.read_buf.is_empty() {
        return Err(io::Error::other("bytes in the clear stood before the TLS handshake"));
    }
    let mut measured = FramedParts::new(Measured::new(parts.io, &parts.read_buf)?, parts.codec);
    measured.read_buf = parts.read_buf;
    measured.write_buf = parts.write_buf;
    let mut socket = Framed::from_parts(measured);
    let cancel = Arc::new(DefaultCancelHandler::new(Arc::clone(&door.connections)));
    loop {
        let is_known = Session::of(&socket).is_some();
        if is_known {
            socket.get_mut().trust();
        }
        let message = tokio::select! {
            message = socket.next() => message,
            () = stopping.cancelled() => {
                return end(&mut socket, status::fatal("57P01", "the gateway is stopping")).await;
            }
            () = tokio::time::sleep_until(began + STARTUP), if !is_known => return Ok(()),
        };
        let message = match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Err(error)) => return end(&mut socket, status::fatal("08P01", &error.to_string())).await,
            Some(Ok(message)) => message,
        };
        let is_extended = message.is_extended_query();
        let outcome = process_message(
            message,
            &mut socket,
            Arc::clone(&door),
            Arc::clone(&door),
            Arc::clone(&door),
            Arc::new(NoopHandler),
            Arc::clone(&cancel),
        )
        .await;
        match outcome {
            Ok(()) => {}
            // Nobody goes on who has not said who they are.
            Err(error) if Session::of(&socket).is_none() => {
                return end(&mut socket, status::made_fatal(error)).await;
            }
            Err(error) => {
                let error = status::told(error);
                let is_fatal = status::is_fatal(&error);
                process_error(&mut socket, error, is_extended).await?;
                if is_fatal {
                    return Ok(());
                }
            }
        }
    }
}

async fn end(
    socket: &mut Framed<Measured, PgWireMessageServerCodec<Asked>>,
    error: pgwire::error::PgWireError,
) -> io::Result<()> {
    process_error(socket, error, true).await
}

//! The sockets of a door, behind TLS where the configuration has a certificate.
//!
//! Handshakes go on beside each other and have their time, so that one who connects and says nothing keeps nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig as Tls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;
use crate::error::{Error, Result};

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many handshakes may go on at once.
const HANDSHAKES: usize = 256;

/// How many sockets wait until the door takes them.
const WAITING: usize = 64;

/// How long to wait when no socket can be had, since the process has as many as it may.
const RETRY: Duration = Duration::from_millis(200);

/// A bound address and who connects to it.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    sockets: mpsc::Receiver<(Socket, SocketAddr)>,
    /// Ends with the listener.
    _accepting: JoinSet<()>,
}

/// A connection.
#[derive(Debug)]
pub enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// `unavailable` when the address cannot be had, `invalid_request` when the certificate or its key does not read.
    pub async fn bind(address: SocketAddr, tls: Option<&TlsConfig>) -> Result<Self> {
        let acceptor = tls.map(|tls| acceptor(tls, &[b"h2", b"http/1.1"])).transpose()?;
        let listener = Self::of(address, acceptor).await?;
        if tls.is_none() && !listener.address.ip().is_loopback() {
            tracing::warn!(address = %listener.address, "tokens and rows travel without encryption: set `server.tls`, or put a proxy in front");
        }
        Ok(listener)
    }

    /// Listens on `address` for a door that agrees on encryption by itself: all its sockets are plain.
    ///
    /// # Errors
    ///
    /// `unavailable` when the address cannot be had.
    pub async fn bind_plain(address: SocketAddr) -> Result<Self> {
        Self::of(address, None).await
    }

    async fn of(address: SocketAddr, acceptor: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Error::unavailable(format!("cannot listen on `{address}`: {error}"), error))?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let (sender, sockets) = mpsc::channel(WAITING);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, acceptor, sender));
        Ok(Self { address, sockets, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub async fn next(&mut self) -> Option<(Socket, SocketAddr)> {
        self.sockets.recv().await
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    sender: mpsc::Sender<(Socket, SocketAddr)>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= HANDSHAKES {
            handshakes.join_next().await;
        }
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        // It only makes small answers faster.
        let _ = stream.set_nodelay(true);
        match &acceptor {
            None => {
                if sender.send((Socket::Plain(stream), peer)).await.is_err() {
                    return;
                }
            }
            Some(acceptor) => {
                let (handshake, sender) = (acceptor.accept(stream), sender.clone());
                handshakes.spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, handshake).await {
                        // Nobody waits for it when the door is closing.
                        Ok(Ok(stream)) => drop(sender.send((Socket::Tls(Box::new(stream)), peer)).await),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with this client"),
                        Err(_) => tracing::debug!(%peer, "a client took too long to agree on keys"),
                    }
                });
            }
        }
    }
}

/// What agrees on keys as `config` says, for clients that speak one of `protocols` (names of ALPN).
///
/// # Errors
///
/// `invalid_request` when the certificate or its key does not read.
pub fn acceptor(config: &TlsConfig, protocols: &[&[u8]]) -> Result<TlsAcceptor> {
    let unusable = |key: &str, path: &Path, reason: String| {
        Error::invalid_request(format!("`{key}`: `{}` cannot be used: {reason}", path.display()))
    };
    let certificate = |reason: String| unusable("server.tls.certificate", &config.certificate, reason);
    let chain = CertificateDer::pem_file_iter(&config.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(certificate("it holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| unusable("server.tls.key", &config.key, error.to_string()))?;
    let mut tls = Tls::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| certificate(error.to_string()))?;
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        match self.next().await {
            Some(accepted) => accepted,
            // The task that accepts ends with the listener alone.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

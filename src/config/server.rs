//! `[server]`: where the gateway listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

/// The doors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// `server.http`, `LAKEGATE__SERVER__HTTP`: address and port of the HTTP door; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub http: SocketAddr,
    /// `server.flight`, `LAKEGATE__SERVER__FLIGHT`: the same of the Arrow Flight SQL door, or `off`.
    #[serde(deserialize_with = "address_or_off", serialize_with = "or_off")]
    pub flight: Option<SocketAddr>,
    /// `server.postgres`, `LAKEGATE__SERVER__POSTGRES`: the same of the PostgreSQL wire door, or `off`.
    #[serde(deserialize_with = "address_or_off", serialize_with = "or_off")]
    pub postgres: Option<SocketAddr>,
    /// `[server.tls]`: the certificate of all doors. Without one they speak in the clear.
    pub tls: Option<TlsConfig>,
}

/// What the doors prove who they are with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// `server.tls.certificate`: the certificate and what leads to its issuer, PEM.
    pub certificate: PathBuf,
    /// `server.tls.key`: its private key, PEM.
    pub key: PathBuf,
}

impl ServerConfig {
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(tls) = &mut self.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self { http: local(8080), flight: Some(local(8081)), postgres: Some(local(5433)), tls: None }
    }
}

/// The word for a door that is not opened.
const OFF: &str = "off";

fn address_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        OFF => Ok(None),
        text => parsed(text).map(Some).map_err(de::Error::custom),
    }
}

fn or_off<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => address.serialize(serializer),
        None => serializer.serialize_str(OFF),
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parsed(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn parsed(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address: write an IP and a port, as in `127.0.0.1:8080`"))
}

//! `[server]`: where the gateway listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

/// The doors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// `server.http`, `LAKEGATE__SERVER__HTTP`: address and port of the HTTP door; port 0 takes a free one.
    #[serde(deserialize_with = "address")]
    pub http: SocketAddr,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { http: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080) }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "`{text}` is not an address: write an IP and a port, as in `127.0.0.1:8080`"
        ))
    })
}

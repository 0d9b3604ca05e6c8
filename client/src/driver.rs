//! The door that programs know which choose their driver by the address.

use crate::address::SCHEME;
use crate::connection::Connection;
use crate::error::Result;

/// What opens connections to gateways by their address. It holds nothing.
///
/// ```
/// use lakegate_client::Driver;
///
/// let url = "lakegate://127.0.0.1:8080/sales?token=eyJ…";
/// if Driver::accepts(url) {
///     let connection = Driver::connect(url)?;
/// }
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Driver;

impl Driver {
    /// The version of this library.
    ///
    /// ```
    /// assert!(lakegate_client::Driver::VERSION.contains('.'));
    /// ```
    pub const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// Whether `url` is the address of a gateway, `lakegate://…`. Says nothing of whether it is a good one.
    ///
    /// ```
    /// assert!(lakegate_client::Driver::accepts("lakegate://lake.example.com"));
    /// assert!(!lakegate_client::Driver::accepts("postgresql://db.example.com"));
    /// ```
    pub fn accepts(url: &str) -> bool {
        url.starts_with(SCHEME)
    }

    /// A connection to the gateway at `url`, read as [`ConnectOptions`](crate::ConnectOptions) are. Does not speak to it yet.
    ///
    /// ```
    /// let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1:8080/sales?token=eyJ…")?;
    /// assert_eq!(connection.database(), Some("sales"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn connect(url: &str) -> Result<Connection> {
        Connection::new(url.parse()?)
    }
}

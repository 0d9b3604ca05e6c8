//! Where a gateway is, who asks, and how patient to be.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::address::wrong;
use crate::error::{Error, Result};

/// How long a server may take to accept a connection. Statements themselves have the server's limit alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// As long as a proxy in between usually keeps them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

const MAX_IDLE_CONNECTIONS: usize = 16;

const RETRIES: u32 = 2;

/// Where a gateway is, the token that says who asks, the database that plain table names are in, and how patient to be.
///
/// ```
/// use std::time::Duration;
/// use lakegate_client::ConnectOptions;
///
/// let options = ConnectOptions::new("https://lake.example.com")
///     .token("eyJ…")
///     .database("sales")
///     .statement_timeout(Duration::from_secs(30));
/// ```
///
/// It is also read from [one text](ConnectOptions#method.from_str), as connection strings are written.
#[derive(Clone)]
pub struct ConnectOptions {
    url: String,
    pub(crate) token: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) max_idle_connections: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) retries: u32,
}

impl ConnectOptions {
    /// The gateway at `url`, as in `http://127.0.0.1:8080`.
    ///
    /// ```
    /// let options = lakegate_client::ConnectOptions::new("http://127.0.0.1:8080");
    /// ```
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            database: None,
            connect_timeout: CONNECT_TIMEOUT,
            statement_timeout: None,
            max_idle_connections: MAX_IDLE_CONNECTIONS,
            idle_timeout: IDLE_TIMEOUT,
            retries: RETRIES,
        }
    }

    /// The bearer token that says who asks.
    ///
    /// ```
    /// let options = lakegate_client::ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…");
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The database that table names without one are looked up in.
    ///
    /// ```
    /// let options = lakegate_client::ConnectOptions::new("http://127.0.0.1:8080").database("sales");
    /// ```
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// How long the gateway may take to accept a connection; 10 seconds unless set.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = lakegate_client::ConnectOptions::new("http://h").connect_timeout(Duration::from_secs(2));
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a statement may take, from when it is sent to its last row; only the gateway's own limit unless set.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = lakegate_client::ConnectOptions::new("http://h").statement_timeout(Duration::from_secs(60));
    /// ```
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// How many open connections to keep for the next statements, for all clones of a connection together; 16 unless set.
    /// There is no limit to how many are open at once, so none is waited for: the gateway limits how much runs.
    ///
    /// ```
    /// let options = lakegate_client::ConnectOptions::new("http://h").max_idle_connections(2);
    /// ```
    pub fn max_idle_connections(mut self, connections: usize) -> Self {
        self.max_idle_connections = connections;
        self
    }

    /// How long to keep an open connection for a next statement; 60 seconds unless set.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = lakegate_client::ConnectOptions::new("http://h").idle_timeout(Duration::from_secs(10));
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many times to try again where that is safe, with growing pauses; 2 unless set, 0 for never.
    ///
    /// It is safe when no connection could be made, since nothing was sent then, and for a statement that only reads
    /// also when the gateway answers [`Code::Unavailable`](crate::Code::Unavailable) instead of rows. Nothing else is tried
    /// again, and never a statement of which a row has arrived.
    ///
    /// ```
    /// let options = lakegate_client::ConnectOptions::new("http://h").retries(0);
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    pub(crate) fn at(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// The address that the paths of the API are added to.
    pub(crate) fn base(&self) -> Result<Url> {
        let mut url = Url::parse(&self.url)
            .map_err(|_| wrong("write `http://HOST:PORT`"))
            .and_then(|url| if url.has_host() { Ok(url) } else { Err(wrong("write `http://HOST:PORT`")) })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must begin with `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user or a password; give a token instead"));
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// What says who asks, as a header.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::Options("the token holds characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_asked_is_refused_without_its_secrets() {
        for url in ["", "localhost:8080", "ftp://host", "http://", "http://ana:secret@host"] {
            let error = ConnectOptions::new(url).base().unwrap_err().to_string();
            assert!(error.starts_with("not the URL of a gateway"), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

//! A gateway to ask: its address, who asks, and the HTTP client that the queries share.
//!
//! Nothing is sent before the first query: a connection is a set of checked options.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::error::{Error, Result};
use crate::query::Query;

/// How long a server may take to accept a connection. Queries themselves have the server's limit alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A gateway and an identity to ask it with. Cheap to clone; clones share open connections.
///
/// ```
/// use lakegate_client::{ConnectOptions, Connection};
///
/// let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…"))?;
/// let query = connection.query("SELECT 1").strict(true);
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// Where a gateway is, the token that says who asks, and the database that plain table names are in.
///
/// ```
/// use lakegate_client::ConnectOptions;
///
/// let options = ConnectOptions::new("https://lake.example.com").token("eyJ…").database("sales");
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    url: String,
    token: Option<String>,
    database: Option<String>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    database: Option<String>,
}

impl Connection {
    /// Checks the options. Does not speak to the server.
    pub fn new(options: ConnectOptions) -> Result<Self> {
        let endpoint = options.endpoint()?;
        let authorization = options.token.as_deref().map(bearer).transpose()?;
        let mut builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        if is_loopback(&endpoint) {
            builder = builder.no_proxy();
        }
        if endpoint.scheme() == "http" {
            // Reading the system's certificates takes longer than many a query, and nothing would use them.
            builder = builder.tls_built_in_root_certs(false);
        }
        let client = builder
            .build()
            .map_err(|error| Error::Options(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { shared: Arc::new(Shared { client, endpoint, authorization, database: options.database }) })
    }

    /// A query of one statement, sent by [`Query::stream`].
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query::new(self.clone(), sql.into())
    }

    /// The database that table names without one are looked up in.
    pub fn database(&self) -> Option<&str> {
        self.shared.database.as_deref()
    }

    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        let request = self.shared.client.post(self.shared.endpoint.clone());
        match &self.shared.authorization {
            Some(value) => request.header(reqwest::header::AUTHORIZATION, value.clone()),
            None => request,
        }
    }
}

impl ConnectOptions {
    /// The gateway at `url`, as in `http://127.0.0.1:8080`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, database: None }
    }

    /// The bearer token that says who asks.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The database that table names without one are looked up in.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    fn endpoint(&self) -> Result<Url> {
        let wrong = |why: &str| Error::Options(format!("not the URL of a gateway: {why}"));
        let mut url = Url::parse(&self.url)
            .map_err(|_| wrong("write `http://HOST:PORT`"))
            .and_then(|url| if url.has_host() { Ok(url) } else { Err(wrong("write `http://HOST:PORT`")) })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it must begin with `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user or a password; give a token instead"));
        }
        let path = format!("{}/v1/sql", url.path().trim_end_matches('/'));
        url.set_path(&path);
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

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::Options("the token holds characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A proxy of the environment is for the world outside; it cannot reach what listens on this machine only.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<String> {
        ConnectOptions::new(url).endpoint().map(|url| url.to_string())
    }

    #[test]
    fn the_path_of_the_api_is_added_to_the_address() {
        assert_eq!(endpoint("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080/v1/sql");
        assert_eq!(endpoint("https://host/lake/?x=1#y").unwrap(), "https://host/lake/v1/sql");
    }

    #[test]
    fn an_address_that_cannot_be_asked_is_refused_without_its_secrets() {
        for url in ["", "localhost:8080", "ftp://host", "http://", "http://ana:secret@host"] {
            let error = endpoint(url).unwrap_err().to_string();
            assert!(error.starts_with("not the URL of a gateway"), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_never_shows() {
        let options = ConnectOptions::new("http://h").token("t0ps3cret");
        assert!(!format!("{options:?}").contains("t0ps3cret"));
        assert!(!format!("{:?}", Connection::new(options).unwrap()).contains("t0ps3cret"));
        let error = Connection::new(ConnectOptions::new("http://h").token("t0p\ns3cret")).unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:8080", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}

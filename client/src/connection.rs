//! A gateway to ask: its address, who asks, and the HTTP client that the statements share.
//!
//! Nothing is sent before the first statement: a connection is a set of checked options.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};

use crate::error::{Error, Result};
use crate::handle::QueryHandle;
use crate::metadata::DatabaseMetaData;
use crate::options::{ConnectOptions, bearer};
use crate::prepared::PreparedStatement;
use crate::query::Query;
use crate::settings::Settings;
use crate::statement::Statement;

/// A gateway and an identity to ask it with. Cheap to clone.
///
/// It is its own pool: statements that run at once each use a connection of HTTP, which is kept open for the next one as
/// [`ConnectOptions::max_idle_connections`] and [`ConnectOptions::idle_timeout`] say. Clones share these, and so do
/// [`Connection::as_bearer`] and [`Connection::in_database`].
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
    client: Client,
    gateway: Arc<Gateway>,
}

#[derive(Debug, Clone)]
struct Gateway {
    base: Url,
    authorization: Option<HeaderValue>,
    database: Option<String>,
    settings: Settings,
}

impl Connection {
    /// Checks the options. Does not speak to the server.
    ///
    /// ```
    /// use lakegate_client::{ConnectOptions, Connection};
    ///
    /// let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…"))?;
    /// assert!(Connection::new(ConnectOptions::new("not an address")).is_err());
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn new(options: ConnectOptions) -> Result<Self> {
        let base = options.base()?;
        let authorization = options.token.as_deref().map(bearer).transpose()?;
        let mut builder = Client::builder()
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.max_idle_connections)
            .pool_idle_timeout(options.idle_timeout)
            .redirect(Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Reading the system's certificates takes longer than many a query, and nothing would use them.
            builder = builder.tls_built_in_root_certs(false);
        }
        let client = builder
            .build()
            .map_err(|error| Error::Options(format!("no HTTP client can be made: {error}")))?;
        let settings =
            Settings { timeout: options.statement_timeout, retries: options.retries, ..Settings::default() };
        let gateway = Gateway { base, authorization, database: options.database, settings };
        Ok(Self { client, gateway: Arc::new(gateway) })
    }

    /// The same gateway asked by whom `token` says. Open connections are shared.
    ///
    /// ```
    /// # use lakegate_client::{ConnectOptions, Connection};
    /// # let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080"))?;
    /// let of_ana = connection.as_bearer("eyJ…")?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn as_bearer(&self, token: &str) -> Result<Self> {
        let authorization = Some(bearer(token)?);
        Ok(self.with(Gateway { authorization, ..Gateway::clone(&self.gateway) }))
    }

    /// The same gateway and identity with another database for table names without one. Open connections are shared.
    ///
    /// ```
    /// # use lakegate_client::{ConnectOptions, Connection};
    /// # let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080"))?;
    /// assert_eq!(connection.in_database("sales").database(), Some("sales"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn in_database(&self, database: impl Into<String>) -> Self {
        self.with(Gateway { database: Some(database.into()), ..Gateway::clone(&self.gateway) })
    }

    fn with(&self, gateway: Gateway) -> Self {
        Self { client: self.client.clone(), gateway: Arc::new(gateway) }
    }

    /// A query of one statement, sent by [`Query::rows`] or [`Query::stream`].
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let mut rows = connection.query("SELECT id FROM orders WHERE region = $1").param("EU").rows().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(&self, sql: impl Into<String>) -> Query {
        self.statement().query(sql)
    }

    /// Settings for several queries.
    ///
    /// ```
    /// # use lakegate_client::{ConnectOptions, Connection};
    /// # let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080"))?;
    /// let statement = connection.statement().max_rows(100);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn statement(&self) -> Statement {
        Statement::new(self.clone(), self.gateway.settings.clone())
    }

    /// A statement to run with several sets of parameters.
    ///
    /// ```
    /// # use lakegate_client::{ConnectOptions, Connection};
    /// # let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080"))?;
    /// let mut by_id = connection.prepare("SELECT * FROM orders WHERE id = $1");
    /// by_id.set(1, 7)?;
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn prepare(&self, sql: impl Into<String>) -> PreparedStatement {
        self.statement().prepare(sql)
    }

    /// What there is to ask: databases, tables, columns, privileges, types.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// for table in connection.metadata().tables(Some("sales"), None).await? {
    ///     println!("{}", table.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn metadata(&self) -> DatabaseMetaData {
        DatabaseMetaData::new(self.clone())
    }

    /// The query that was [submitted](Query::submit) under `query_id`, perhaps by another process. Asks nothing yet.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let status = connection.submitted("0190b2c4-…").status().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submitted(&self, query_id: impl Into<String>) -> QueryHandle {
        QueryHandle::new(self.clone(), query_id.into(), self.gateway.settings.clone())
    }

    /// The database that table names without one are looked up in.
    ///
    /// ```
    /// # use lakegate_client::{ConnectOptions, Connection};
    /// let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").database("sales"))?;
    /// assert_eq!(connection.database(), Some("sales"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn database(&self) -> Option<&str> {
        self.gateway.database.as_deref()
    }

    /// A request to the path of `segments` behind the address.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let request = self.client.request(method, endpoint(&self.gateway.base, segments));
        match &self.gateway.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }
}

fn endpoint(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // An address with a host has a path: this cannot fail.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// A proxy of the environment is for the world outside; it cannot reach what listens on this machine only.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(url: &str, segments: &[&str]) -> String {
        endpoint(&ConnectOptions::new(url).base().unwrap(), segments).to_string()
    }

    #[test]
    fn the_path_of_the_api_is_added_to_the_address() {
        assert_eq!(endpoint_of("http://127.0.0.1:8080", &["v1", "sql"]), "http://127.0.0.1:8080/v1/sql");
        assert_eq!(endpoint_of("https://host/lake/?x=1#y", &["v1", "sql"]), "https://host/lake/v1/sql");
        assert_eq!(endpoint_of("http://h/", &["v1", "../a?b"]), "http://h/v1/..%2Fa%3Fb");
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

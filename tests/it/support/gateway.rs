//! A whole gateway in the test process: its own folder, store, lake and signing key, and a real HTTP port.
//!
//! Reads as a sentence: `Gateway::start().await.with_csv("pg.blog", "blog.csv").await.with_policy(text).await`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lakegate::app::{App, audit_into};
use lakegate::catalog::publish::Catalog;
use lakegate::catalog::register::register;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::identity::LocalIssuer;
use lakegate::ingest::Context;
use lakegate::policy::model::TableName;
use lakegate::serve::listener::Listener;
use lakegate::store::record::{Change, Database, Format};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A running gateway; it stops when this is dropped.
pub struct Gateway {
    pub app: Arc<App>,
    pub folder: tempfile::TempDir,
    pub url: String,
    /// Of Arrow Flight SQL.
    pub flight: String,
    /// Of PostgreSQL's protocol.
    pub postgres: SocketAddr,
    issuer: LocalIssuer,
    stop: CancellationToken,
    client: reqwest::Client,
}

/// What a request came back with.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Gateway {
    /// An empty gateway with `user:admin` as its administrator.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// As [`Gateway::start`], with the configuration changed by `change`.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = lay_out(folder.path(), &["user:admin".parse().unwrap()]).await.unwrap();
        let mut config = Config::load(Some(&path)).unwrap();
        change(&mut config);
        let issuer = LocalIssuer::open(config.auth.signing_key.as_ref().unwrap()).unwrap();
        let app = App::build(config).await.unwrap();
        let tls = app.config.server.tls.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any, tls.as_ref()).await.unwrap();
        let url = format!("{scheme}://{}", listener.address());
        let stop = CancellationToken::new();
        let until = stop.clone();
        tokio::spawn(lakegate::serve::http::serve(Arc::clone(&app), listener, async move {
            until.cancelled().await
        }));
        let listener = Listener::bind(any, tls.as_ref()).await.unwrap();
        let flight = format!("{scheme}://{}", listener.address());
        let until = stop.clone();
        tokio::spawn(lakegate::serve::flight_sql::serve(Arc::clone(&app), listener, async move {
            until.cancelled().await
        }));
        let listener = Listener::bind_plain(any).await.unwrap();
        let postgres = listener.address();
        let until = stop.clone();
        tokio::spawn(lakegate::serve::postgres::serve(Arc::clone(&app), listener, async move {
            until.cancelled().await
        }));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
        Self { app, folder, url, flight, postgres, issuer, stop, client }
    }

    /// What brings tables into the lake of this gateway, and may hold `memory` bytes.
    pub fn ingestion(&self, memory: u64) -> Context {
        Context {
            catalog: Catalog::new(self.app.store.clone(), "test"),
            lake: self.app.lake.clone(),
            audit: audit_into(&self.app.store),
            door: "test",
            memory,
        }
    }

    /// Registers `text` as a CSV table called `name`.
    pub async fn with_csv(self, name: &str, text: &str) -> Self {
        let name: TableName = name.parse().unwrap();
        let folder = self.folder.path().join("files").join(name.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("rows.csv"), text).unwrap();
        self.register(&name, &folder, Format::Csv).await;
        self
    }

    /// Registers the files in `folder` as a table called `name`, and makes its database when there is none.
    pub async fn register(&self, name: &TableName, folder: &Path, format: Format) {
        if !self.app.state().state.databases.contains_key(&name.database) {
            let database = Database { name: name.database.clone(), comment: None };
            self.app.commit("test", vec![Change::CreateDatabase(database)]).await.unwrap();
        }
        let location = format!("file://{}", folder.display());
        let catalog = Catalog::new(self.app.store.clone(), "test");
        register(&catalog, &self.app.lake, name, &location, format).await.unwrap();
        self.app.refresh().await.unwrap();
    }

    /// Applies a policy file.
    pub async fn with_policy(self, yaml: &str) -> Self {
        self.apply(yaml).await.unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Applies a policy file, which may fail.
    pub async fn apply(&self, yaml: &str) -> lakegate::error::Result<i64> {
        let files = vec![("policy.yaml".to_owned(), yaml.to_owned())];
        lakegate::app::policy::apply(&self.app, "test", &files, false).await.map(|applied| applied.version)
    }

    /// A token for the user `name` that is good for `life`.
    pub fn token_for(&self, name: &str, life: Duration) -> String {
        self.issuer.issue(name, &[], &Default::default(), life).unwrap()
    }

    /// A token for `who`, written `user@group@group{attributes as JSON}`.
    pub fn token(&self, who: &str) -> String {
        let (names, attributes) = match who.find('{') {
            Some(at) => (&who[..at], serde_json::from_str(&who[at..]).unwrap()),
            None => (who, json!({})),
        };
        let mut names = names.split('@').map(str::to_owned);
        let user = names.next().unwrap();
        let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
        let attributes = attributes.into_iter().collect();
        self.issuer.issue(&user, &names.collect::<Vec<_>>(), &attributes, Duration::from_secs(3600)).unwrap()
    }

    /// Runs `sql` as `who` and gives the JSON answer.
    pub async fn sql(&self, who: &str, sql: &str) -> Response {
        self.post(who, "/v1/sql", &json!({ "sql": sql })).await
    }

    /// Posts `body` to `path` as `who`.
    pub async fn post(&self, who: &str, path: &str, body: &Value) -> Response {
        self.send(self.request(reqwest::Method::POST, path).bearer_auth(self.token(who)).json(body)).await
    }

    /// Gets `path` as `who`.
    pub async fn get(&self, who: &str, path: &str) -> Response {
        self.send(self.request(reqwest::Method::GET, path).bearer_auth(self.token(who))).await
    }

    /// A request to `path` without credentials.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends `request` and reads the whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Response { status, headers, body: answer.bytes().await.unwrap().to_vec() }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

//! A client of PostgreSQL's protocol, with what the server said beside its answers.

use std::ops::Deref;

use tokio::sync::mpsc;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Config, NoTls};

use super::gateway::Gateway;

/// A connection; it ends when this is dropped.
pub struct Client {
    inner: tokio_postgres::Client,
    notices: mpsc::UnboundedReceiver<DbError>,
}

/// How `who` connects, with their own token.
pub fn config(gateway: &Gateway, who: &str, database: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(gateway.postgres.port()).dbname(database);
    config.user(user_of(who)).password(gateway.token(who));
    config
}

/// The name in `user@group{attributes}`.
fn user_of(who: &str) -> &str {
    who.split(['@', '{']).next().unwrap()
}

/// Connects as `who`.
pub async fn connect(gateway: &Gateway, who: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    open(&config(gateway, who, database)).await
}

/// Connects as `config` says.
pub async fn open(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (inner, mut connection) = config.connect(NoTls).await?;
    let (sender, notices) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                let _ = sender.send(notice);
            }
        }
    });
    Ok(Client { inner, notices })
}

impl Client {
    /// What was said since this was asked last.
    pub fn notices(&mut self) -> Vec<DbError> {
        std::iter::from_fn(|| self.notices.try_recv().ok()).collect()
    }
}

impl Deref for Client {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

//! Opening the policy store and bringing it up to date.
//!
//! Knows URLs, pools and migrations; nothing of what the tables mean.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor};
use url::Url;

use super::Store;
use super::failure::store_failed;
use crate::error::{Error, Result};

/// Which database keeps the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// During an upgrade an older version may start on a store that a newer one has migrated: see migrations/README.md.
static SQLITE: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("migrations/sqlite") };
static POSTGRES: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("migrations/postgres") };

const MIGRATE_ATTEMPTS: u32 = 5;

/// How long a server may be silent when the program starts.
const PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the store at a `sqlite://PATH` or `postgres://…` URL. A missing SQLite file is created; its tables are
    /// made by [`Store::migrate`].
    pub async fn connect(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url)?;
        let options = options(url, dialect)?;
        if dialect == Dialect::Postgres {
            probe(url, &options).await?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(15))
            .after_connect(move |connection, _| Box::pin(prepare(connection, dialect)))
            .connect_with(options)
            .await
            .map_err(store_failed)?;
        Ok(Self { pool, dialect, url: url.into() })
    }

    /// Makes or upgrades the store's tables. Does nothing when they are up to date; several may do it at once.
    pub async fn migrate(&self) -> Result<()> {
        let migrator = match self.dialect {
            Dialect::Sqlite => &SQLITE,
            Dialect::Postgres => &POSTGRES,
        };
        let mut attempt = 1;
        loop {
            match migrator.run(&self.pool).await {
                Ok(()) => return Ok(()),
                // SQLite has no lock for migrations: of two that start at once one may fail on what the other has
                // just made, and finds it done when it looks again.
                Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
                    if self.dialect == Dialect::Sqlite && attempt < MIGRATE_ATTEMPTS =>
                {
                    tokio::time::sleep(Duration::from_millis(50) * attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(migration_failed(error)),
            }
        }
    }
}

impl Dialect {
    fn of(url: &str) -> Result<Self> {
        match url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            // The URL may hold a password and is not repeated.
            _ => Err(Error::invalid_request(
                "the store's URL is not one lakegate knows: write `sqlite://PATH` or `postgres://USER@HOST/DATABASE`",
            )),
        }
    }
}

fn options(url: &str, dialect: Dialect) -> Result<AnyConnectOptions> {
    let mut url = url.to_owned();
    if dialect == Dialect::Sqlite && !url.contains("mode=") {
        url.push_str(if url.contains('?') { "&mode=rwc" } else { "?mode=rwc" });
    }
    let options: AnyConnectOptions = url.parse().map_err(|error: sqlx::Error| {
        Error::invalid_request("the store's URL is not well formed").with_source(error)
    })?;
    Ok(options.disable_statement_logging())
}

/// Whether the server can be reached at all: a pool would knock again and again, and say late that nobody is there.
/// A server that is only starting or full is left to the pool, which waits for it.
async fn probe(url: &str, options: &AnyConnectOptions) -> Result<()> {
    let attempt = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(options)).await;
    let (why, cause) = match attempt {
        Err(elapsed) => ("does not answer", elapsed.into()),
        Ok(Ok(connection)) => return connection.close().await.map_err(store_failed),
        Ok(Err(error)) => match reason(&error) {
            Some(why) => (why, Box::from(error)),
            None => return Ok(()),
        },
    };
    let cause: Box<dyn std::error::Error + Send + Sync> = cause;
    let server = server(url).map(|server| format!(" at `{server}`")).unwrap_or_default();
    Err(Error::unavailable(
        format!("the policy store{server} {why}: check `store.url` and its PostgreSQL"),
        cause,
    ))
}

/// What is wrong for longer than a moment, if it is.
fn reason(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::Io(_) => Some("cannot be reached"),
        sqlx::Error::Tls(_) => Some("cannot be reached securely"),
        sqlx::Error::Database(error) => match error.code()?.get(..2)? {
            "28" => Some("does not let this user in"),
            "3D" => Some("has no such database"),
            _ => None,
        },
        _ => None,
    }
}

/// Host and port as the URL has them, and nothing else of it.
fn server(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(format!("{host}:{}", url.port().unwrap_or(5432)))
}

/// Settings of one connection. The order matters: switching to WAL may have to wait for another process.
async fn prepare(connection: &mut AnyConnection, dialect: Dialect) -> sqlx::Result<()> {
    if dialect == Dialect::Sqlite {
        connection.execute("PRAGMA busy_timeout = 10000").await?;
        connection.execute("PRAGMA journal_mode = WAL").await?;
        connection.execute("PRAGMA foreign_keys = ON").await?;
    }
    Ok(())
}

fn migration_failed(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => store_failed(error),
        error => Error::internal(error),
    }
}

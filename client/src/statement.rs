//! Settings that several queries share.

use crate::connection::Connection;
use crate::prepared::PreparedStatement;
use crate::query::Query;
use crate::settings::{Settings, setting_methods};

/// How to run queries: set once, used for each. A [`Query`] is one text with its parameters.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// use std::time::Duration;
///
/// let statement = connection.statement().strict(true).timeout(Duration::from_secs(5));
/// let orders = statement.query("SELECT count(*) FROM orders").rows().await?;
/// let customers = statement.query("SELECT count(*) FROM customers").rows().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a statement does nothing before one of its queries is sent"]
pub struct Statement {
    connection: Connection,
    settings: Settings,
}

impl Statement {
    pub(crate) fn new(connection: Connection, settings: Settings) -> Self {
        Self { connection, settings }
    }

    pub(crate) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    setting_methods!("lakegate_client::Connection", "connection.statement()");

    /// A query with these settings.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// let query = connection.statement().max_rows(10).query("SELECT * FROM orders");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query::new(self.connection.clone(), sql.into(), self.settings.clone())
    }

    /// A statement with these settings, to run with several sets of parameters.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// let by_id = connection.statement().strict(true).prepare("SELECT * FROM orders WHERE id = $1");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn prepare(&self, sql: impl Into<String>) -> PreparedStatement {
        PreparedStatement::new(self.query(sql))
    }
}

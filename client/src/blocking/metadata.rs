//! What there is to ask.

use super::worker::Worker;
use crate::error::Result;
use crate::metadata::{Privilege, Table, TableColumn, TypeInfo};

/// The databases, tables, columns and privileges of a gateway; [`crate::DatabaseMetaData`], which says what patterns are, for
/// programs without an async runtime.
///
/// ```no_run
/// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
/// for table in connection.metadata().tables(Some("sales"), None)? {
///     println!("{} ({})", table.name, table.kind);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DatabaseMetaData {
    inner: crate::DatabaseMetaData,
    worker: Worker,
}

impl DatabaseMetaData {
    pub(super) fn new(inner: crate::DatabaseMetaData, worker: Worker) -> Self {
        Self { inner, worker }
    }

    /// The catalogs, of which there is one. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert_eq!(connection.metadata().catalogs(), ["lakegate"]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn catalogs(&self) -> Vec<String> {
        self.inner.catalogs()
    }

    /// The kinds of tables. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert_eq!(connection.metadata().table_types(), ["BASE TABLE", "VIEW"]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn table_types(&self) -> Vec<String> {
        self.inner.table_types()
    }

    /// The types that columns of tables can have. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert!(connection.metadata().type_info().iter().any(|info| info.name == "bigint"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn type_info(&self) -> &'static [TypeInfo] {
        self.inner.type_info()
    }

    /// A pattern that stands for `name` alone.
    ///
    /// ```
    /// # let connection = lakegate_client::blocking::Connection::new("lakegate://127.0.0.1".parse()?)?;
    /// assert_eq!(connection.metadata().escape("a_b"), r"a\_b");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn escape(&self, name: &str) -> String {
        self.inner.escape(name)
    }

    /// The databases whose names are like `database`.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// println!("{:?}", connection.metadata().databases(None)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn databases(&self, database: Option<&str>) -> Result<Vec<String>> {
        self.worker.wait(self.inner.databases(database))
    }

    /// The tables and views whose names are like `table` in databases like `database`.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let tables = connection.metadata().tables(Some("sales"), Some("order%"))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tables(&self, database: Option<&str>, table: Option<&str>) -> Result<Vec<Table>> {
        self.worker.wait(self.inner.tables(database, table))
    }

    /// The columns whose names are like `column` of tables like `table` in databases like `database`.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let columns = connection.metadata().columns(Some("sales"), Some("orders"), None)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn columns(
        &self,
        database: Option<&str>,
        table: Option<&str>,
        column: Option<&str>,
    ) -> Result<Vec<TableColumn>> {
        self.worker.wait(self.inner.columns(database, table, column))
    }

    /// The grants on objects like `object`.
    ///
    /// ```no_run
    /// # fn example(connection: lakegate_client::blocking::Connection) -> lakegate_client::Result<()> {
    /// let mine = connection.metadata().privileges(None)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn privileges(&self, object: Option<&str>) -> Result<Vec<Privilege>> {
        self.worker.wait(self.inner.privileges(object))
    }
}

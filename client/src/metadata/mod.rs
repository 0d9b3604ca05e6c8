//! What there is to ask: made of `information_schema`, which has what the asker may know and nothing more.
//!
//! Patterns are those of LIKE: `%` stands for anything, `_` for one character, and a backslash before either for itself.
//! They are sent as parameters, so that no name can be read as SQL.

mod type_info;

use crate::connection::Connection;
use crate::error::Result;
use crate::row::Row;
use crate::value::Value;

pub use type_info::TypeInfo;

/// The databases, tables, columns and privileges of a gateway, as far as its connection's identity may know of them.
///
/// Names are given as patterns of LIKE: `%` stands for anything and `_` for one character; [`DatabaseMetaData::escape`]
/// makes a pattern of a name. None means all.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let metadata = connection.metadata();
/// for database in metadata.databases(None).await? {
///     for table in metadata.tables(Some(&metadata.escape(&database)), None).await? {
///         println!("{}.{} ({})", table.database, table.name, table.kind);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DatabaseMetaData {
    connection: Connection,
}

/// A table or view.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let views = connection.metadata().tables(None, None).await?.into_iter().filter(|table| table.kind == "VIEW");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The database that it is in.
    pub database: String,
    /// Its name.
    pub name: String,
    /// `BASE TABLE` or `VIEW`.
    pub kind: String,
}

/// A column of a table or view.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// for column in connection.metadata().columns(Some("sales"), Some("orders"), None).await? {
///     println!("{} {}", column.name, column.type_name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableColumn {
    /// The database of its table.
    pub database: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its place in the table, of which the first is 1.
    pub position: i64,
    /// Its type in the words of SQL.
    pub type_name: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// A grant: what somebody may do with something.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// for privilege in connection.metadata().privileges(Some("sales.%")).await? {
///     println!("{} on {} to {}", privilege.permissions.join(", "), privilege.object, privilege.grantee);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Privilege {
    /// To whom: `user:ana`, `group:analysts`, `role:steward`, `public`.
    pub grantee: String,
    /// On what: `sales.customers`, `sales.*`, `sales`, or an expression of tags.
    pub object: String,
    /// What may be done: `select`, `describe` …
    pub permissions: Vec<String>,
    /// With which columns, when not with all. Told to administrators.
    pub columns: Option<String>,
    /// With which rows, when not with all. Told to administrators.
    pub rows: Option<String>,
    /// Whether it may be granted on.
    pub grantable: bool,
    /// From when on, as ISO 8601 has it.
    pub valid_from: Option<String>,
    /// Until when, as ISO 8601 has it.
    pub valid_until: Option<String>,
}

impl DatabaseMetaData {
    /// The name of the one catalog that a gateway has.
    ///
    /// ```
    /// assert_eq!(lakegate_client::DatabaseMetaData::CATALOG, "lakegate");
    /// ```
    pub const CATALOG: &str = "lakegate";

    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The catalogs, of which there is one. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert_eq!(connection.metadata().catalogs(), ["lakegate"]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn catalogs(&self) -> Vec<String> {
        vec![Self::CATALOG.to_owned()]
    }

    /// The kinds of tables. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert_eq!(connection.metadata().table_types(), ["BASE TABLE", "VIEW"]);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn table_types(&self) -> Vec<String> {
        vec!["BASE TABLE".to_owned(), "VIEW".to_owned()]
    }

    /// The types that columns of tables can have. Asks nothing.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert!(connection.metadata().type_info().iter().any(|info| info.name == "bigint"));
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn type_info(&self) -> &'static [TypeInfo] {
        type_info::TYPES
    }

    /// A pattern that stands for `name` alone.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// assert_eq!(connection.metadata().escape("a_b"), r"a\_b");
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn escape(&self, name: &str) -> String {
        let mut pattern = String::with_capacity(name.len());
        for letter in name.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern
    }

    /// The databases whose names are like `database`, by name: those with something to see in them.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// println!("{:?}", connection.metadata().databases(None).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn databases(&self, database: Option<&str>) -> Result<Vec<String>> {
        let sql = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE $1 ORDER BY 1";
        self.listed(sql, &[database], |row| row.get(0)).await
    }

    /// The tables and views whose names are like `table` in databases like `database`, by name.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let tables = connection.metadata().tables(Some("sales"), Some("order%")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn tables(&self, database: Option<&str>, table: Option<&str>) -> Result<Vec<Table>> {
        let sql = "SELECT table_schema, table_name, table_type FROM information_schema.tables
            WHERE table_schema LIKE $1 AND table_name LIKE $2 ORDER BY 1, 2";
        let table_of = |row: &Row| Ok(Table { database: row.get(0)?, name: row.get(1)?, kind: row.get(2)? });
        self.listed(sql, &[database, table], table_of).await
    }

    /// The columns whose names are like `column` of tables like `table` in databases like `database`, by table and place.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let columns = connection.metadata().columns(Some("sales"), Some("orders"), None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn columns(
        &self,
        database: Option<&str>,
        table: Option<&str>,
        column: Option<&str>,
    ) -> Result<Vec<TableColumn>> {
        let sql = "SELECT table_schema, table_name, column_name, ordinal_position, data_type, is_nullable
            FROM information_schema.columns
            WHERE table_schema LIKE $1 AND table_name LIKE $2 AND column_name LIKE $3
            ORDER BY table_schema, table_name, ordinal_position";
        let column_of = |row: &Row| {
            Ok(TableColumn {
                database: row.get(0)?,
                table: row.get(1)?,
                name: row.get(2)?,
                position: row.get(3)?,
                type_name: row.get(4)?,
                nullable: row.get::<&str>(5)? == "YES",
            })
        };
        self.listed(sql, &[database, table, column], column_of).await
    }

    /// The grants on objects like `object`, which are written `sales.orders`, `sales.*` or `sales`: all for an
    /// administrator, those to them for everybody else.
    ///
    /// ```no_run
    /// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
    /// let mine = connection.metadata().privileges(None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn privileges(&self, object: Option<&str>) -> Result<Vec<Privilege>> {
        let sql = "SELECT grantee, object, permissions, columns, rows, grantable, valid_from, valid_until
            FROM information_schema.grants WHERE object LIKE $1 ORDER BY object, grantee, permissions";
        let privilege_of = |row: &Row| {
            let permissions = row.get::<&str>(2)?.split(", ").map(str::to_owned).collect();
            Ok(Privilege {
                grantee: row.get(0)?,
                object: row.get(1)?,
                permissions,
                columns: row.get(3)?,
                rows: row.get(4)?,
                grantable: row.get(5)?,
                valid_from: row.get(6)?,
                valid_until: row.get(7)?,
            })
        };
        self.listed(sql, &[object], privilege_of).await
    }

    async fn listed<T>(
        &self,
        sql: &str,
        patterns: &[Option<&str>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let params = patterns.iter().map(|pattern| Value::from(pattern.unwrap_or("%")));
        let mut rows = self.connection.query(sql).params(params).rows().await?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().await? {
            found.push(read(&row)?);
        }
        Ok(found)
    }
}

//! MySQL and MariaDB as a source: read-only transactions that all see the same consistent snapshot.
//!
//! What a column becomes is in `types`, how a row becomes Arrow is in `read`, how several connections come to one point in
//! time in `point`, all that there is to know of the tables in `discover`, who may read them in `privileges`; this file connects and lists the tables. The snapshot holds for InnoDB; a table of an engine without transactions (MyISAM, Aria)
//! is read as it is at the moment of reading, since the server knows no older state of it.

mod accounts;
mod discover;
mod point;
mod privileges;
mod read;
mod sample;
mod types;
mod views;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow_schema::Schema;
use async_trait::async_trait;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;
use url::Url;

use self::types::{Declared, Mapped};
use super::discovery::Discovery;
use super::pattern::{self, Found};
use super::privileges::Privileges;
use super::selection::{Spelling, furthest};
use super::split::Parts;
use super::{
    ReadOptions, ReadSummary, Selection, Snapshot, Source, SourceTable, TableReader, Unfit, without_secrets,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::mode::Overlap;

const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// The session speaks UTC and UTF-8, and no mode of the server changes what a value looks like
/// (`PAD_CHAR_TO_FULL_LENGTH` would add spaces).
const SESSION: [&str; 5] = [
    "SET SESSION wait_timeout = 2147483",
    "SET time_zone = '+00:00'",
    "SET NAMES utf8mb4",
    "SET sql_mode = ''",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// The server's own schemas are not tables of anybody; sequences and temporary tables have no rows to bring in.
const TABLES: &str = "SELECT table_schema, table_name, table_type, table_rows, engine, data_length, table_comment \
     FROM information_schema.tables \
     WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') \
       AND table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') \
     ORDER BY table_schema, table_name";

/// Columns and what is asked of them; the end of the statement says of which tables.
macro_rules! columns {
    ($end:literal) => {
        concat!(
            "SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, \
               numeric_precision, numeric_scale, character_set_name, column_key, column_comment, `privileges` \
             FROM information_schema.columns WHERE table_schema = ? ",
            $end
        )
    };
}
use columns;

/// The comparison ignores case here, so the exact names are compared again on this side.
const COLUMNS: &str = columns!("AND table_name = ? ORDER BY ordinal_position");

/// A server that answered once.
struct MySql {
    options: MySqlConnectOptions,
    /// Without the password, as it may be shown.
    shown: String,
    database: Option<String>,
    reading: ReadOptions,
}

/// Open transactions of one moment, and the tables that were asked for.
struct Point {
    connections: Vec<Arc<Mutex<MySqlConnection>>>,
    tables: Vec<SourceTable>,
    /// How many bytes each of `tables` has that may be read in parts.
    sizes: Vec<u64>,
    /// The columns of each of `tables`, in the same order.
    columns: Vec<Vec<Mapped>>,
    reading: ReadOptions,
}

/// Reads parts of one table of it until none is left.
struct Reader {
    connection: Arc<Mutex<MySqlConnection>>,
    table: SourceTable,
    columns: Vec<Mapped>,
    condition: Option<String>,
    parts: Parts,
    reading: ReadOptions,
}

/// A table as the server lists it.
struct Listed {
    schema: String,
    name: String,
    is_view: bool,
    estimate: Option<u64>,
    /// Of a table whose rows are all of one moment.
    bytes: u64,
    comment: Option<String>,
}

/// The server at `url`, after it has let us in once: a wrong address or password is told before any work.
pub(super) async fn open(url: &str, reading: ReadOptions) -> Result<Box<dyn Source>> {
    let source = MySql::parse(url, reading)?;
    let connection = source.connect().await?;
    // The server drops a session that goes away too: a failed farewell changes nothing.
    let _ = connection.close().await;
    Ok(Box::new(source))
}

#[async_trait]
impl Source for MySql {
    async fn snapshot(&self, tables: &[String]) -> Result<Box<dyn Snapshot>> {
        let mut connections = self.point(self.reading.readers).await?;
        let first = connections.first_mut().ok_or_else(|| Error::internal("a point without a connection"))?;
        let (tables, columns, sizes) = self.list(first, tables).await?;
        let connections = connections.into_iter().map(|one| Arc::new(Mutex::new(one))).collect();
        Ok(Box::new(Point { connections, tables, sizes, columns, reading: self.reading }))
    }

    async fn discover(&self, tables: &[String]) -> Result<Discovery> {
        self.discovered(tables).await
    }

    async fn privileges(&self, tables: &[String]) -> Result<Privileges> {
        self.held(tables).await
    }

    fn redacted_url(&self) -> String {
        self.shown.clone()
    }
}

#[async_trait]
impl Snapshot for Point {
    fn tables(&self) -> &[SourceTable] {
        &self.tables
    }

    async fn readers(
        &mut self,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Vec<Box<dyn TableReader>>> {
        if let Some(problem) = &table.problem {
            return Err(Error::invalid_request(problem.clone()));
        }
        let (known, columns, bytes) = self.known(table)?;
        let chosen = match selection.columns.is_empty() {
            true => columns.clone(),
            false => selection.columns.iter().filter_map(|name| column(columns, name).cloned()).collect(),
        };
        let condition = selection.condition(known, &Words(columns))?;
        let parts = match condition {
            None => self.parts(known, columns, bytes).await?,
            // What is new is little, or has an index of its own.
            Some(_) => Parts::whole(),
        };
        let reader = |connection: &Arc<Mutex<MySqlConnection>>| -> Result<Box<dyn TableReader>> {
            Ok(Box::new(Reader {
                connection: Arc::clone(connection),
                table: known.only(&selection.columns)?,
                columns: chosen.clone(),
                condition: condition.clone(),
                parts: parts.clone(),
                reading: self.reading,
            }))
        };
        self.connections.iter().take(parts.len()).map(reader).collect()
    }

    async fn reached(&mut self, table: &SourceTable, columns: &[String]) -> Result<Option<Vec<String>>> {
        let (known, mapped, _) = self.known(table)?;
        if let Some(column) =
            columns.iter().find(|name| column(mapped, name).is_none_or(|column| !column.is_ordered))
        {
            return Err(Error::invalid_request(format!(
                "`{column}` of `{}` cannot be a bookmark: take whole numbers, decimals, dates or times, or a text",
                known.name
            )));
        }
        let statement = furthest(known, columns, &Words(mapped));
        let Some(row) = self.row(&known.name, statement).await? else { return Ok(None) };
        let value = |at| read::text(&row, at).map(Option::unwrap_or_default);
        (0..columns.len()).map(value).collect::<Result<Vec<_>>>().map(Some)
    }

    async fn sample(
        &mut self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        self.sampled(table, columns, rows).await
    }
}

impl Point {
    fn known(&self, table: &SourceTable) -> Result<(&SourceTable, &Vec<Mapped>, u64)> {
        let is_it = |known: &SourceTable| known.name == table.name && known.schema_name == table.schema_name;
        let mut all = self.tables.iter().zip(&self.columns).zip(&self.sizes);
        let known = all.find(|((known, _), _)| is_it(known));
        let known = known.map(|((known, columns), bytes)| (known, columns, *bytes));
        known.ok_or_else(|| Error::not_found("table of the source", &table.name))
    }

    /// The first row that `statement` gives.
    async fn row(&self, table: &str, statement: String) -> Result<Option<MySqlRow>> {
        let first =
            self.connections.first().ok_or_else(|| Error::internal("a point without a connection"))?;
        let mut connection = first.lock().await;
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_optional(&mut *connection).await;
        row.map_err(|error| broken(table, error))
    }
}

fn column<'a>(columns: &'a [Mapped], name: &str) -> Option<&'a Mapped> {
    columns.iter().find(|column| column.field.name() == name)
}

/// Conditions as MySQL has them. A bookmark is kept as the text of its value.
struct Words<'a>(&'a [Mapped]);

impl Spelling for Words<'_> {
    fn name(&self, column: &str) -> String {
        types::quoted(column)
    }

    fn table(&self, table: &SourceTable) -> String {
        read::full_name(table)
    }

    fn text(&self, name: &str) -> String {
        format!("CAST({name} AS CHAR)")
    }

    fn value(&self, name: &str, value: &str) -> Result<String> {
        let column = column(self.0, name).ok_or_else(|| Error::not_found("column", name))?;
        column.literal(value).ok_or_else(|| {
            Error::invalid_request(format!("the bookmark `{value}` is no value of the column `{name}`"))
        })
    }

    fn before(&self, value: &str, by: Overlap) -> Result<String> {
        Ok(match by {
            Overlap::Units(units) => format!("({value} - {units})"),
            Overlap::Time(time) => format!("({value} - INTERVAL {} SECOND)", time.as_secs()),
        })
    }
}

#[async_trait]
impl TableReader for Reader {
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary> {
        let mut connection = self.connection.lock().await;
        let mut unfit = Unfit::new(&self.table.name, &self.reading);
        let (table, columns) = (&self.table, &self.columns);
        let mut rows = 0_u64;
        while let Some(part) = self.parts.take() {
            let condition = part.with(self.condition.as_ref());
            let wanted = read::Wanted { table, columns, condition: condition.as_deref(), limit: None };
            let read = read::rows(&mut connection, wanted, &self.reading, &mut unfit, &batches).await?;
            rows = rows.saturating_add(read);
            if batches.is_closed() {
                break;
            }
        }
        Ok(ReadSummary { rows, nulled: unfit.nulled })
    }
}

impl MySql {
    /// Nothing of a URL that cannot be read is repeated: any part of it may be the password.
    fn parse(url: &str, reading: ReadOptions) -> Result<Self> {
        let bad = || {
            Error::invalid_request("the source is not of the form `mysql://USER:PASSWORD@HOST:PORT/DATABASE`")
        };
        let rest = url.strip_prefix("mysql://").or_else(|| url.strip_prefix("mariadb://")).ok_or_else(bad)?;
        let parsed = Url::parse(&format!("mysql://{rest}")).map_err(|_| bad())?;
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(bad());
        }
        // The session is set up in `SESSION`, so that all of it is in one place.
        let options = MySqlConnectOptions::from_url(&parsed)
            .map_err(|_| bad())?
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .set_names(false)
            .timezone(None)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        let shown = without_secrets(parsed).ok_or_else(bad)?;
        let database = options.get_database().map(str::to_owned);
        Ok(Self { options, shown, database, reading })
    }

    async fn connect(&self) -> Result<MySqlConnection> {
        match tokio::time::timeout(CONNECT_WITHIN, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.refused("connect", error)),
            Err(elapsed) => {
                let seconds = CONNECT_WITHIN.as_secs();
                let detail =
                    format!("cannot connect to {}: no answer within {seconds} seconds", self.place());
                Err(Error::unavailable(detail, elapsed))
            }
        }
    }

    /// The tables that `patterns` mean, each with its columns.
    async fn list(
        &self,
        connection: &mut MySqlConnection,
        patterns: &[String],
    ) -> Result<(Vec<SourceTable>, Vec<Vec<Mapped>>, Vec<u64>)> {
        let failed = |error| self.refused("list the tables", error);
        let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await.map_err(failed)?;
        let listed = rows.iter().map(listed).collect::<Result<Vec<_>>>()?;
        let found = listed
            .iter()
            .map(|table| Found { schema: Some(table.schema.clone()), name: table.name.clone() })
            .collect();
        let chosen = pattern::choose(found, patterns, self.database.as_deref())?;
        let is_chosen = |table: &&Listed| {
            chosen.iter().any(|one| one.name == table.name && one.schema.as_deref() == Some(&table.schema))
        };
        let (mut tables, mut all_columns, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for table in listed.iter().filter(is_chosen) {
            sizes.push(table.bytes);
            let query = sqlx::query(COLUMNS).bind(&table.schema).bind(&table.name);
            let rows = query.fetch_all(&mut *connection).await.map_err(failed)?;
            let (table, columns) = described(table, &rows)?;
            tables.push(table);
            all_columns.push(columns);
        }
        Ok((tables, all_columns, sizes))
    }

    fn place(&self) -> String {
        match self.options.get_socket() {
            Some(path) => format!("`{}`", path.display()),
            None => format!("`{}:{}`", self.options.get_host(), self.options.get_port()),
        }
    }

    /// The server's own words about a refusal hold the user and the address, never the password.
    fn refused(&self, what: &str, error: sqlx::Error) -> Error {
        let place = self.place();
        let action =
            if what == "connect" { format!("connect to {place}") } else { format!("{what} of {place}") };
        Error::unavailable(format!("cannot {action}: {}", read::words(&error)), error)
    }
}

fn listed(row: &MySqlRow) -> Result<Listed> {
    Ok(Listed {
        schema: read::text(row, 0)?.unwrap_or_default(),
        name: read::text(row, 1)?.unwrap_or_default(),
        is_view: read::text(row, 2)?.is_some_and(|kind| kind == "VIEW"),
        estimate: read::number(row, 3)?,
        bytes: match read::text(row, 4)?.as_deref() {
            Some("InnoDB") => read::number(row, 5)?.unwrap_or_default(),
            _ => 0,
        },
        comment: read::text(row, 6)?,
    })
}

/// A table from the rows of [`COLUMNS`]. One with a column that cannot be held keeps its place, with the reason.
fn described(listed: &Listed, rows: &[MySqlRow]) -> Result<(SourceTable, Vec<Mapped>)> {
    let mut columns = Vec::new();
    let (mut key, mut optional) = (Vec::new(), Vec::new());
    let mut problem = None;
    for row in rows {
        let named = |index| read::text(row, index).map(Option::unwrap_or_default);
        if named(0)? != listed.schema || named(1)? != listed.name {
            continue;
        }
        let declared = declared(row, listed.is_view)?;
        if read::text(row, 9)?.is_some_and(|key| key == "PRI") {
            key.push(declared.name.clone());
        } else if declared.nullable {
            optional.push(declared.name.clone());
        }
        match types::map(&declared) {
            Ok(mapped) => columns.push(mapped),
            Err(reason) => problem = problem.or(Some(reason)),
        }
    }
    if columns.is_empty() && problem.is_none() {
        problem = Some(no_columns(&listed.name));
    }
    let fields = columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>();
    let table = SourceTable {
        schema_name: Some(listed.schema.clone()),
        name: listed.name.clone(),
        schema: Arc::new(Schema::new(fields)),
        key,
        optional,
        estimate: listed.estimate,
        problem,
        is_away: false,
    };
    Ok((table, columns))
}

/// A column from a row of [`COLUMNS`].
fn declared(row: &MySqlRow, is_view: bool) -> Result<Declared> {
    let named = |index| read::text(row, index).map(Option::unwrap_or_default);
    Ok(Declared {
        name: named(2)?,
        data_type: named(3)?.to_ascii_lowercase(),
        column_type: named(4)?.to_ascii_lowercase(),
        // What a view says about NULL is a guess of the server's.
        nullable: is_view || named(5)? != "NO",
        precision: read::number(row, 6)?,
        scale: read::number(row, 7)?,
        charset: read::text(row, 8)?,
    })
}

/// Why a table without columns cannot be brought in.
fn no_columns(table: &str) -> String {
    format!("the server shows no columns of `{table}`; a view of it may be broken")
}

/// A failure in the middle of a table: the server's words when it has any.
fn broken(table: &str, error: sqlx::Error) -> Error {
    let detail = format!("cannot read `{table}`: {}", read::words(&error));
    let kind = match error {
        sqlx::Error::Database(_) => ErrorKind::QueryFailed,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, detail).with_source(error)
}

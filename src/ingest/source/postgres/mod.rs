//! PostgreSQL as a source: one exported snapshot for all connections, and `COPY` in binary straight into Arrow.
//!
//! How the server is reached is in `address`, what a column becomes in `types`, the bytes are read in `copy` and `column`, parts
//! side by side in `read`; this file connects, opens the point in time and lists the tables; `discover` tells all that there is to know of
//! them, `privileges` who may read them.

mod address;
mod column;
mod copy;
mod discover;
mod privileges;
mod read;
mod sample;
mod types;
mod views;

pub(crate) use self::copy::rows_in;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow_schema::Schema;
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};
use url::Url;

use self::read::{Connections, TablePart};
use self::types::{Declared, Kind, Mapped};
use super::discovery::Discovery;
use super::pattern::{Found, choose};
use super::privileges::Privileges;
use super::selection::{Spelling, furthest};
use super::split::Parts;
use super::{ReadOptions, Selection, Snapshot, Source, SourceTable, TableReader, quoted, without_secrets};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::mode::Overlap;

const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Text forms that keep every value. One connection waits while others read, for as long as that takes.
const SESSION: [&str; 6] = [
    "SET standard_conforming_strings = on",
    "SET timezone = 'UTC'",
    "SET intervalstyle = 'iso_8601'",
    "SET datestyle = 'ISO'",
    "SET extra_float_digits = 3",
    "SET idle_in_transaction_session_timeout = 0",
];

/// The point that all reads see.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The condition of a schema `n` that is not the server's own.
macro_rules! is_schema {
    () => {
        "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' \
         AND n.nspname NOT LIKE 'pg\\_temp%'"
    };
}

/// The condition of a `c` in a schema `n` that is listed: tables, views, materialized views, partitioned and foreign tables. A
/// partition is read with its table.
macro_rules! is_table {
    () => {
        concat!("c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT c.relispartition AND ", is_schema!())
    };
}
use {is_schema, is_table};

const TABLES: &str = concat!(
    "SELECT n.nspname::text, c.relname::text, c.oid::int8, c.reltuples::int8 \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ",
    is_table!(),
    " ORDER BY 1, 2"
);

/// Each column of some tables, with the type that its domain, if it has one, is over in the end.
const COLUMNS: &str = "WITH RECURSIVE base (attrelid, attnum, oid, typmod) AS ( \
       SELECT attrelid, attnum, atttypid, atttypmod FROM pg_attribute \
       WHERE attrelid = ANY ($1::int8[]::oid[]) AND attnum > 0 AND NOT attisdropped \
       UNION ALL \
       SELECT base.attrelid, base.attnum, t.typbasetype, t.typtypmod FROM base JOIN pg_type t ON t.oid = base.oid \
       WHERE t.typtype = 'd') \
     SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text, t.typtype::text, base.typmod, \
       e.typname::text, e.typtype::text, a.attnotnull, \
       a.attrelid::int8, d.description, has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
     FROM base JOIN pg_type t ON t.oid = base.oid AND t.typtype <> 'd' \
     JOIN pg_attribute a ON a.attrelid = base.attrelid AND a.attnum = base.attnum \
     LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' \
     LEFT JOIN pg_description d \
       ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum \
     ORDER BY a.attrelid, a.attnum";

/// The columns of the primary keys of some tables, in their order.
const KEY: &str = "SELECT a.attname::text, i.indrelid::int8 FROM pg_index i \
     JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place) ON true \
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
     WHERE i.indrelid = ANY ($1::int8[]::oid[]) AND i.indisprimary AND k.place <= i.indnkeyatts \
     ORDER BY i.indrelid, k.place";

/// A server that answered once.
#[derive(Clone)]
struct Postgres {
    options: PgConnectOptions,
    /// Without the password, as it may be shown.
    shown: String,
    reading: ReadOptions,
}

/// One open transaction and the tables that were asked for.
struct Point {
    connections: Connections,
    tables: Vec<SourceTable>,
    /// The columns and the object id of each of `tables`, in the same order.
    known: Vec<(Arc<[Mapped]>, i64)>,
    reading: ReadOptions,
}

/// The server at `url`, after it has let us in once: a wrong address or password is told before any work.
pub(super) async fn open(url: &str, reading: ReadOptions) -> Result<Box<dyn Source>> {
    let url = Url::parse(url).map_err(|_| no_address())?;
    let options = address::options(&url, |name| std::env::var_os(name).is_some())?;
    let shown = without_secrets(url).ok_or_else(no_address)?;
    let source = Postgres { options, shown, reading };
    let connection = source.connect().await?;
    // The server drops a session that goes away too: a failed farewell changes nothing.
    let _ = connection.close().await;
    Ok(Box::new(source))
}

fn no_address() -> Error {
    Error::invalid_request("a PostgreSQL source is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")
}

impl Postgres {
    async fn connect(&self) -> Result<PgConnection> {
        let place = format!("{}:{}", self.options.get_host(), self.options.get_port());
        match tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&self.options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(fault)) => {
                Err(Error::unavailable(format!("cannot connect to `{place}`: {}", reason(&fault)), fault))
            }
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("cannot connect to `{place}`: it does not answer"),
            )),
        }
    }

    /// A connection in a transaction that sees one point in time.
    async fn session(&self) -> Result<PgConnection> {
        let mut connection = self.connect().await?;
        for statement in SESSION.into_iter().chain([BEGIN]) {
            connection.execute(statement).await.map_err(read_failed)?;
        }
        Ok(connection)
    }
}

#[async_trait]
impl Source for Postgres {
    async fn snapshot(&self, tables: &[String]) -> Result<Box<dyn Snapshot>> {
        let mut connection = self.session().await?;
        let shared = match self.reading.readers {
            0 | 1 => None,
            _ => read::exported(&mut connection).await?,
        };
        let listed = connection.fetch_all(TABLES).await.map_err(read_failed)?;
        let found = listed.iter().map(found).collect::<Result<Vec<_>>>()?;
        let chosen = choose(found.iter().map(|(table, ..)| table.clone()).collect(), tables, Some("public"))?;
        let (mut tables, mut known) = (Vec::new(), Vec::new());
        for (table, oid, estimate) in found.into_iter().filter(|(table, ..)| chosen.contains(table)) {
            let (table, columns) = described(&mut connection, table, oid, estimate).await?;
            tables.push(table);
            known.push((columns, oid));
        }
        let connections = Connections::of(self.clone(), connection, shared);
        Ok(Box::new(Point { connections, tables, known, reading: self.reading }))
    }

    async fn discover(&self, tables: &[String]) -> Result<Discovery> {
        let mut connection = self.session().await?;
        discover::discover(&mut connection, tables).await
    }

    async fn privileges(&self, tables: &[String]) -> Result<Privileges> {
        let mut connection = self.session().await?;
        privileges::privileges(&mut connection, tables).await
    }

    fn redacted_url(&self) -> String {
        self.shown.clone()
    }
}

fn found(row: &PgRow) -> Result<(Found, i64, i64)> {
    let table = Found {
        schema: Some(row.try_get(0).map_err(read_failed)?),
        name: row.try_get(1).map_err(read_failed)?,
    };
    Ok((table, row.try_get(2).map_err(read_failed)?, row.try_get(3).map_err(read_failed)?))
}

/// What `table` will be in the lake. One with a column that cannot be held keeps its place, with the reason.
async fn described(
    connection: &mut PgConnection,
    table: Found,
    oid: i64,
    estimate: i64,
) -> Result<(SourceTable, Arc<[Mapped]>)> {
    let rows = sqlx::query(COLUMNS).bind(vec![oid]).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let key = sqlx::query_scalar(KEY).bind(vec![oid]).fetch_all(connection).await.map_err(read_failed)?;
    let (mut columns, mut problem) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        match declared(row)?.mapped() {
            Ok(column) => columns.push(column),
            Err(reason) => problem = problem.or(Some(reason)),
        }
    }
    let fields = columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>();
    let table = SourceTable {
        schema_name: table.schema,
        name: table.name,
        schema: Arc::new(Schema::new(fields)),
        key,
        optional: columns
            .iter()
            .filter(|column| column.optional)
            .map(|column| column.field.name().clone())
            .collect(),
        // The server says -1 for a table that it has never looked at.
        estimate: u64::try_from(estimate).ok(),
        problem,
        is_away: false,
    };
    Ok((table, columns.into()))
}

fn declared(row: &PgRow) -> Result<Declared> {
    let element: (Option<String>, Option<String>) =
        (row.try_get(5).map_err(read_failed)?, row.try_get(6).map_err(read_failed)?);
    Ok(Declared {
        name: row.try_get(0).map_err(read_failed)?,
        shown: row.try_get(1).map_err(read_failed)?,
        type_name: row.try_get(2).map_err(read_failed)?,
        type_type: row.try_get(3).map_err(read_failed)?,
        typmod: row.try_get(4).map_err(read_failed)?,
        element: element.0.zip(element.1),
        required: row.try_get(7).map_err(read_failed)?,
    })
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
        let (columns, oid) = self.known(table)?;
        let condition = selection.condition(table, &Words(columns))?;
        let parts = match condition {
            None => self.connections.parts(table, *oid, self.reading.readers).await?,
            // What is new is little, or has an index that ranges of blocks would keep the server from.
            Some(_) => Parts::whole(),
        };
        let chosen = match selection.columns.is_empty() {
            true => Arc::clone(columns),
            false => selection.columns.iter().filter_map(|name| column(columns, name).cloned()).collect(),
        };
        let reader = TablePart {
            connections: self.connections.clone(),
            table: table.only(&selection.columns)?,
            columns: chosen,
            condition,
            is_whole: parts.len() < 2,
            parts: parts.clone(),
            reading: self.reading,
        };
        let count = self.reading.readers.min(parts.len()).max(1);
        Ok((0..count).map(|_| Box::new(reader.clone()) as Box<dyn TableReader>).collect())
    }

    async fn reached(&mut self, table: &SourceTable, columns: &[String]) -> Result<Option<Vec<String>>> {
        let (known, _) = self.known(table)?;
        let Some(row) = self.connections.row(furthest(table, columns, &Words(known))).await? else {
            return Ok(None);
        };
        let value = |at| row.try_get::<String, _>(at).map_err(read_failed);
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
    fn known(&self, table: &SourceTable) -> Result<&(Arc<[Mapped]>, i64)> {
        let is_it = |one: &SourceTable| one.schema_name == table.schema_name && one.name == table.name;
        let at = self.tables.iter().position(is_it).unwrap_or(usize::MAX);
        self.known.get(at).ok_or_else(|| Error::not_found("table of the snapshot", &table.name))
    }
}

fn column<'a>(columns: &'a [Mapped], name: &str) -> Option<&'a Mapped> {
    columns.iter().find(|column| column.field.name() == name)
}

/// Conditions as PostgreSQL has them. A bookmark is kept as the text that its column's type reads.
struct Words<'a>(&'a [Mapped]);

impl Spelling for Words<'_> {
    fn name(&self, column: &str) -> String {
        quoted(column)
    }

    fn table(&self, table: &SourceTable) -> String {
        read::full_name(table)
    }

    fn text(&self, name: &str) -> String {
        format!("{name}::text")
    }

    /// Nothing is behind a value that has no end.
    fn is_bookmark(&self, name: &str) -> String {
        let quoted = quoted(name);
        match column(self.0, name).map(|column| &column.kind) {
            Some(Kind::Date | Kind::Timestamp | Kind::TimestampTz) => format!("isfinite({quoted})"),
            Some(Kind::Float32 | Kind::Float64 | Kind::Decimal(..)) => format!("{quoted} <> 'NaN'"),
            _ => format!("{quoted} IS NOT NULL"),
        }
    }

    fn value(&self, name: &str, value: &str) -> Result<String> {
        let column = column(self.0, name).ok_or_else(|| Error::not_found("column", name))?;
        Ok(format!("'{}'::{}", value.replace('\'', "''"), column.shown))
    }

    fn before(&self, value: &str, by: Overlap) -> Result<String> {
        Ok(match by {
            Overlap::Units(units) => format!("({value} - {units})"),
            Overlap::Time(time) => format!("({value} - interval '{} seconds')", time.as_secs()),
        })
    }
}

fn read_failed(fault: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the source could not be read: {}", reason(&fault)))
        .with_source(fault)
}

/// What the server or the network said, without anything of ours.
fn reason(fault: &sqlx::Error) -> String {
    match fault {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(io) => io.to_string(),
        other => other.to_string(),
    }
}

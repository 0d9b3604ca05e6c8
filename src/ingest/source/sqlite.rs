//! SQLite: the declared type of a column says what it becomes, and every value must keep to it.
//!
//! SQLite lets any value stand in any column. What does not fit its column's declared type stops the table with its
//! row; it is never bent into the type. The file is opened for reading alone, and one transaction reads everything.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;

use super::discovery::Discovery;
use super::pattern::{Found, choose};
use super::selection::{Spelling, furthest};
use super::sqlite_value::Column;
use super::{
    ReadOptions, ReadSummary, Selection, Snapshot, Source, SourceTable, TableReader, Unfit, quoted,
    sqlite_discovery, sqlite_sample,
};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::mode::Overlap;

/// A SQLite file.
struct Sqlite {
    url: String,
    options: ReadOptions,
}

/// A read transaction on it.
struct SqliteSnapshot {
    connection: Arc<Mutex<SqliteConnection>>,
    tables: Vec<SourceTable>,
    options: ReadOptions,
}

/// Reads one table of it.
struct SqliteReader {
    connection: Arc<Mutex<SqliteConnection>>,
    table: SourceTable,
    condition: Option<String>,
    options: ReadOptions,
}

pub(super) async fn open(url: &str, options: ReadOptions) -> Result<Box<dyn Source>> {
    Ok(Box::new(Sqlite { url: url.to_owned(), options }))
}

#[async_trait]
impl Source for Sqlite {
    async fn snapshot(&self, tables: &[String]) -> Result<Box<dyn Snapshot>> {
        let mut connection = self.connect().await?;
        sqlx::query("BEGIN").execute(&mut connection).await.map_err(read_failed)?;
        let chosen = choose(found(&mut connection).await?, tables, None)?;
        let mut described = Vec::with_capacity(chosen.len());
        for table in chosen {
            described.push(describe(&mut connection, table.name).await?);
        }
        let connection = Arc::new(Mutex::new(connection));
        Ok(Box::new(SqliteSnapshot { connection, tables: described, options: self.options }))
    }

    async fn discover(&self, tables: &[String]) -> Result<Discovery> {
        let mut connection = self.connect().await?;
        sqlx::query("BEGIN").execute(&mut connection).await.map_err(read_failed)?;
        sqlite_discovery::discover(&mut connection, tables).await
    }

    fn redacted_url(&self) -> String {
        self.url.split('?').next().unwrap_or_default().to_owned()
    }
}

impl Sqlite {
    async fn connect(&self) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::from_str(&self.url)
            .map_err(|fault| {
                Error::invalid_request(format!("`{}` is not a SQLite URL", self.url)).with_source(fault)
            })?
            .read_only(true)
            .create_if_missing(false)
            .disable_statement_logging();
        SqliteConnection::connect_with(&options)
            .await
            .map_err(|fault| Error::unavailable(format!("cannot open `{}`: {fault}", self.url), fault))
    }
}

/// Tables and views, with what each is.
pub(super) const TABLES: &str = "SELECT name, type FROM sqlite_schema \
     WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";

pub(super) const COLUMNS: &str =
    "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo($1) WHERE hidden <> 1";

async fn found(connection: &mut SqliteConnection) -> Result<Vec<Found>> {
    let names: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(connection).await.map_err(read_failed)?;
    Ok(names.into_iter().map(|name| Found { schema: None, name }).collect())
}

async fn describe(connection: &mut SqliteConnection, name: String) -> Result<SourceTable> {
    let rows = sqlx::query(COLUMNS).bind(&name).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let mut fields = Vec::with_capacity(rows.len());
    let (mut key, mut optional) = (Vec::new(), Vec::new());
    let mut problem = None;
    for row in &rows {
        let column: String = row.try_get("name").map_err(read_failed)?;
        let declared: String = row.try_get("type").map_err(read_failed)?;
        let required: bool = row.try_get::<i64, _>("notnull").map_err(read_failed)? != 0;
        let place: i64 = row.try_get("pk").map_err(read_failed)?;
        if place > 0 {
            key.push((place, column.clone()));
        }
        // A primary key may be NULL here, unless it is the number of the row.
        let is_row_number = place > 0 && declared.eq_ignore_ascii_case("integer");
        if !required && !is_row_number {
            optional.push(column.clone());
        }
        match mapped(&declared) {
            Some(data_type) => fields.push(Field::new(column, data_type, !required)),
            None if problem.is_none() => problem = Some(no_equal(&column, &declared)),
            None => {}
        }
    }
    key.sort();
    Ok(SourceTable {
        schema_name: None,
        name,
        schema: Arc::new(Schema::new(fields)),
        key: key.into_iter().map(|(_, column)| column).collect(),
        optional,
        estimate: None,
        problem,
        is_away: false,
    })
}

pub(super) fn no_equal(column: &str, declared: &str) -> String {
    if declared.is_empty() {
        format!(
            "column `{column}` has no declared type, so its values may be anything; bring in a view that casts it to a table with one"
        )
    } else {
        format!(
            "column `{column}` has the type `{declared}`, which the lake cannot hold; declare it as a type of docs/TYPES.md"
        )
    }
}

/// The type of the lake for a declared type, by its name without the arguments. See docs/TYPES.md.
pub(super) fn mapped(declared: &str) -> Option<DataType> {
    let declared = declared.trim().to_uppercase();
    let (name, arguments) = match declared.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')'))),
        None => (declared.as_str(), None),
    };
    Some(match name {
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "REAL" | "FLOAT" | "DOUBLE" | "DOUBLE PRECISION" => DataType::Float64,
        "DECIMAL" | "NUMERIC" => decimal(arguments)?,
        "DATE" => DataType::Date32,
        "DATETIME" | "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "BLOB" | "BINARY" | "VARBINARY" => DataType::Binary,
        "TIME" | "JSON" | "UUID" | "STRING" => DataType::Utf8,
        name if name.contains("CHAR") || name.contains("TEXT") || name.contains("CLOB") => DataType::Utf8,
        name if name.contains("INT") => DataType::Int64,
        _ => return None,
    })
}

/// A decimal keeps its precision and scale; one without them is kept as text, since no decimal holds every number.
fn decimal(arguments: Option<&str>) -> Option<DataType> {
    let Some(arguments) = arguments else { return Some(DataType::Utf8) };
    let mut numbers = arguments.split(',').map(|number| number.trim().parse::<i16>().ok());
    let (precision, scale) = (numbers.next()??, numbers.next().unwrap_or(Some(0))?);
    let fits = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
    fits.then_some(())?;
    Some(DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn tables(&self) -> &[SourceTable] {
        &self.tables
    }

    async fn readers(
        &mut self,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Vec<Box<dyn TableReader>>> {
        let connection = Arc::clone(&self.connection);
        let condition = selection.condition(table, &Words)?;
        let table = table.only(&selection.columns)?;
        Ok(vec![Box::new(SqliteReader { connection, table, condition, options: self.options })])
    }

    async fn reached(&mut self, table: &SourceTable, columns: &[String]) -> Result<Option<Vec<String>>> {
        let statement = furthest(table, columns, &Words);
        let mut connection = self.connection.lock().await;
        let row = sqlx::query(AssertSqlSafe(statement)).fetch_optional(&mut *connection).await;
        let Some(row) = row.map_err(read_failed)? else { return Ok(None) };
        let value = |at| row.try_get::<String, _>(at).map_err(read_failed);
        (0..columns.len()).map(value).collect::<Result<Vec<_>>>().map(Some)
    }

    async fn sample(
        &mut self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let mut connection = self.connection.lock().await;
        sqlite_sample::sample(&mut connection, &table.only(columns)?, rows, self.options.lenient()).await
    }
}

#[async_trait]
impl TableReader for SqliteReader {
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary> {
        let table = &self.table;
        let mut connection = self.connection.lock().await;
        let names = table.schema.fields().iter().map(|field| quoted(field.name())).collect::<Vec<_>>();
        let condition = self.condition.as_ref().map(|it| format!(" WHERE {it}")).unwrap_or_default();
        let statement = format!("SELECT {} FROM {}{condition}", names.join(", "), quoted(&table.name));
        rows(&mut connection, table, statement, self.options, &batches).await
    }
}

/// Sends the rows of `table` that `statement` selects. A receiver that is gone ends it.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    table: &SourceTable,
    statement: String,
    options: ReadOptions,
    batches: &Sender<RecordBatch>,
) -> Result<ReadSummary> {
    let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(connection);
    let mut reading = Reading::new(table, options);
    while let Some(row) = rows.try_next().await.map_err(read_failed)? {
        reading.take(&row)?;
        if reading.is_full() && batches.send(reading.batch()?).await.is_err() {
            return Ok(reading.summary());
        }
    }
    if reading.waiting > 0 {
        let _ = batches.send(reading.batch()?).await;
    }
    Ok(reading.summary())
}

/// Conditions as SQLite has them. A bookmark is kept as a literal.
struct Words;

impl Spelling for Words {
    fn name(&self, column: &str) -> String {
        quoted(column)
    }

    fn table(&self, table: &SourceTable) -> String {
        quoted(&table.name)
    }

    fn text(&self, name: &str) -> String {
        // As a literal, which says the type of its value.
        format!("quote({name})")
    }

    fn value(&self, _column: &str, value: &str) -> Result<String> {
        Ok(value.to_owned())
    }

    fn before(&self, value: &str, by: Overlap) -> Result<String> {
        match by {
            Overlap::Units(units) => Ok(format!("({value} - {units})")),
            Overlap::Time(_) => Err(Error::invalid_request(
                "SQLite has no times to step back from: write the overlap as a number",
            )),
        }
    }
}

/// The rows of one table on their way into batches.
struct Reading<'a> {
    table: &'a SourceTable,
    columns: Vec<Column>,
    unfit: Unfit<'a>,
    options: ReadOptions,
    rows: u64,
    waiting: usize,
    bytes: usize,
}

impl<'a> Reading<'a> {
    fn new(table: &'a SourceTable, options: ReadOptions) -> Self {
        let columns = table.schema.fields().iter().map(|field| Column::new(field)).collect();
        Self {
            table,
            columns,
            unfit: Unfit::new(&table.name, &options),
            options,
            rows: 0,
            waiting: 0,
            bytes: 0,
        }
    }

    fn take(&mut self, row: &SqliteRow) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let value = row.try_get_raw(at).map_err(read_failed)?;
            self.bytes = self.bytes.saturating_add(column.push(value, &mut self.unfit).map_err(|error| {
                Error::new(error.kind(), format!("row {}: {}", self.rows.saturating_add(1), error.detail()))
            })?);
        }
        self.rows = self.rows.saturating_add(1);
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.waiting >= self.options.batch_rows || self.bytes >= self.options.batch_bytes
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        (self.waiting, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<ArrayRef>>>()?;
        RecordBatch::try_new(Arc::clone(&self.table.schema), arrays).map_err(Error::internal)
    }

    fn summary(&self) -> ReadSummary {
        ReadSummary { rows: self.rows, nulled: self.unfit.nulled }
    }
}

pub(super) fn read_failed(fault: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the source could not be read: {fault}")).with_source(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_mapped_by_name() {
        for (declared, expected) in [
            ("bigint", Some(DataType::Int64)),
            ("VARCHAR(25)", Some(DataType::Utf8)),
            ("decimal(15, 2)", Some(DataType::Decimal128(15, 2))),
            ("DECIMAL(10)", Some(DataType::Decimal128(10, 0))),
            ("NUMERIC", Some(DataType::Utf8)),
            ("DECIMAL(39,2)", None),
            ("double precision", Some(DataType::Float64)),
            ("", None),
            ("GEOMETRY", None),
        ] {
            assert_eq!(mapped(declared), expected, "{declared}");
        }
    }
}

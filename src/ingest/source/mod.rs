//! The databases and files that tables are brought in from, as the rest of the ingestion sees them.
//!
//! A source gives one consistent point for all tables that are asked for, says what each of them will be in the lake,
//! and streams its rows. `docs/TYPES.md` has the mapping of types; a value is never changed on the way.

pub mod discovery;
pub mod files;
pub mod known;
mod mysql;
pub mod pattern;
mod postgres;
pub mod privileges;
mod sample;
mod selection;
mod split;
mod sqlite;
mod sqlite_discovery;
mod sqlite_sample;
mod sqlite_value;

pub(crate) use self::postgres::rows_in as rows_in_copy;
pub use self::selection::{Marked, Selection, Since};
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;
use url::Url;

use self::discovery::Discovery;
use self::known::Known;
use self::privileges::Privileges;
use crate::catalog::TakenFile;
use crate::error::{Error, ErrorKind, Result};

/// What is said of a source in which nobody is granted anything.
pub const NO_PRIVILEGES: &str = "this source keeps no privileges: whoever may read its file may read all of it; write the grants \
                             yourself, or begin with `lakegate policy export`";

/// A database, or a place of files, that can be read at one consistent point.
#[async_trait]
pub trait Source: Send + Sync {
    /// One consistent point for all tables that match `tables`: names, or patterns with `*`.
    async fn snapshot(&self, tables: &[String]) -> Result<Box<dyn Snapshot>>;
    /// What it has that matches `tables`, or all that it has when that is empty. No row is read.
    async fn discover(&self, tables: &[String]) -> Result<Discovery> {
        let all = ["*".to_owned()];
        let snapshot = self.snapshot(if tables.is_empty() { &all } else { tables }).await?;
        Ok(Discovery { schemas: Vec::new(), tables: snapshot.tables().iter().map(Into::into).collect() })
    }
    /// Who may read what matches `tables`, or all that it has when that is empty, by its own privileges.
    ///
    /// # Errors
    ///
    /// `invalid_request` of a source that keeps no privileges, and when the account may not read them.
    async fn privileges(&self, _: &[String]) -> Result<Privileges> {
        Err(Error::invalid_request(NO_PRIVILEGES))
    }
    /// Where it is, without its password.
    fn redacted_url(&self) -> String;
    /// Whether it can say which rows are behind a bookmark; one that cannot is of files, whose rows come with them.
    fn has_bookmarks(&self) -> bool {
        true
    }
    /// From now on leaves out the files that `known` knows.
    fn leave_out(&mut self, _: Arc<dyn Known>) {}
}

/// The tables of a source at one point.
#[async_trait]
pub trait Snapshot: Send {
    /// The tables that match.
    fn tables(&self) -> &[SourceTable];
    /// Readers that together give each row of `selection` once. They may run side by side.
    async fn readers(
        &mut self,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Vec<Box<dyn TableReader>>>;
    /// The greatest values of `columns`, in the order of the first one, then the second …: how far the table goes. None
    /// when no row has all of them.
    async fn reached(&mut self, table: &SourceTable, columns: &[String]) -> Result<Option<Vec<String>>>;
    /// At most `rows` rows of `columns`, in their order; from all over a large table where that is cheap. Texts may be cut
    /// short, and what the lake cannot hold is NULL.
    async fn sample(
        &mut self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let selection = Selection { columns: columns.to_vec(), ..Selection::default() };
        sample::first(self.readers(table, &selection).await?, rows).await
    }

    /// How many of its lines were no rows and are in the file for rejected lines.
    fn rejected(&self, _: &SourceTable) -> u64 {
        0
    }

    /// The files whose rows are read.
    fn files(&self, _: &SourceTable) -> &[TakenFile] {
        &[]
    }
}

/// Reads a part of a table, or all of it.
#[async_trait]
pub trait TableReader: Send {
    /// Sends its rows; a receiver that goes away ends it quietly.
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary>;
}

/// A table as its source describes it.
#[derive(Debug, Clone)]
pub struct SourceTable {
    pub schema_name: Option<String>,
    pub name: String,
    /// Only types that Delta can hold.
    pub schema: SchemaRef,
    /// The columns of its primary key; none of a table without one.
    pub key: Vec<String>,
    /// The columns that may be NULL in the source.
    pub optional: Vec<String>,
    /// About how many rows it has.
    pub estimate: Option<u64>,
    /// Why it cannot be brought in: a column of a type that has no equal.
    pub problem: Option<String>,
    /// Whether that is because its source does not answer now, and may be gone by the next time.
    pub is_away: bool,
}

impl SourceTable {
    /// The same with `columns` alone, in their order; all of them when that is empty.
    ///
    /// # Errors
    ///
    /// `invalid_request` for a column that it has not.
    pub fn only(&self, columns: &[String]) -> Result<Self> {
        if columns.is_empty() {
            return Ok(self.clone());
        }
        let fields = columns.iter().map(|column| required(self, column).cloned());
        let schema = Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?));
        Ok(Self { schema, ..self.clone() })
    }
}

/// A name as standard SQL reads it back, whatever is in it.
pub(in crate::ingest) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The column `name` of `table`, which must have it.
pub(super) fn required<'a>(table: &'a SourceTable, name: &str) -> Result<&'a FieldRef> {
    table
        .schema
        .fields()
        .find(name)
        .map(|(_, field)| field)
        .ok_or_else(|| Error::invalid_request(format!("`{}` has no column `{name}`", table.name)))
}

/// What reading a table came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadSummary {
    pub rows: u64,
    /// Values that became NULL because the lake cannot hold them.
    pub nulled: u64,
}

impl ReadSummary {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_add(other.rows), nulled: self.nulled.saturating_add(other.nulled) }
    }
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// The most rows of a batch.
    pub batch_rows: usize,
    /// About the most bytes of values in a batch, so that long texts do not pile up.
    pub batch_bytes: usize,
    /// How many parts of a table are read side by side, where the source allows it.
    pub readers: usize,
    pub unrepresentable: Unrepresentable,
}

impl ReadOptions {
    /// The same for a sample, which no value stops.
    fn lenient(self) -> Self {
        Self { unrepresentable: Unrepresentable::Null, ..self }
    }
}

/// What becomes of a value that no type of the lake holds: an infinite date, a zero date, a NaN in a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Unrepresentable {
    /// The table stops, with the column and the value.
    #[default]
    Fail,
    /// It becomes NULL and is counted.
    Null,
}

/// The values of a table that the lake cannot hold, as the options ask.
#[derive(Debug)]
pub(crate) struct Unfit<'a> {
    table: &'a str,
    rule: Unrepresentable,
    /// How many became NULL.
    pub(crate) nulled: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            batch_rows: 8192,
            batch_bytes: 4 * 1024 * 1024,
            readers: 1,
            unrepresentable: Unrepresentable::Fail,
        }
    }
}

impl<'a> Unfit<'a> {
    pub(crate) fn new(table: &'a str, options: &ReadOptions) -> Self {
        Self { table, rule: options.unrepresentable, nulled: 0 }
    }

    /// Takes note of a value that cannot be held. After `Ok` the caller puts NULL in its place.
    pub(crate) fn meet(&mut self, column: &str, value: &str, why: &str) -> Result<()> {
        match self.rule {
            Unrepresentable::Null => {
                self.nulled = self.nulled.saturating_add(1);
                Ok(())
            }
            Unrepresentable::Fail => Err(Error::new(
                ErrorKind::QueryFailed,
                format!(
                    "column `{column}` of `{}` has the value `{value}`: {why}; `--unrepresentable null` puts NULL in \
                     its place, a view can turn it into something else",
                    self.table
                ),
            )),
        }
    }
}

/// `url` without its password and its options, which may be keys; none of one that cannot be without.
pub(in crate::ingest) fn without_secrets(mut url: Url) -> Option<String> {
    if url.password().is_some() {
        url.set_password(None).ok()?;
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

/// The database or the files at `url`; `files` says how the latter are reached and read.
pub async fn open_with_files(
    url: &str,
    options: ReadOptions,
    files: files::FileOptions,
) -> Result<Box<dyn Source>> {
    match files::are_at(url) {
        true => files::open(url, options, files),
        false => open(url, options).await,
    }
}

/// The database at `url`.
pub async fn open(url: &str, options: ReadOptions) -> Result<Box<dyn Source>> {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("sqlite") => sqlite::open(url, options).await,
        Some("postgres" | "postgresql") => postgres::open(url, options).await,
        Some("mysql" | "mariadb") => mysql::open(url, options).await,
        _ => Err(Error::invalid_request(
            "a source is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, `mysql://…`, `sqlite://FILE`, `file:///FOLDER` or \
             `s3://BUCKET/PREFIX`",
        )),
    }
}

impl fmt::Debug for dyn TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader").finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("url", &self.redacted_url()).finish_non_exhaustive()
    }
}

//! Files of an object store or a folder as a source: Parquet, CSV and NDJSON, each file or folder a table.
//!
//! What is there is listed once, with the size and the tag of each file, and exactly that is read: a file that changes
//! meanwhile stops its table. Rows are never left out without a word: a line that is no row stops its table, or goes to
//! the file for rejected lines and is counted. Memory is bound by a few requests, one batch and one record for each reader.

mod csv;
mod exact;
mod input;
mod listing;
mod moment;
mod names;
mod ndjson;
mod number;
mod object;
mod parquet;
mod rejects;
mod slices;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use tokio::sync::mpsc::Sender;

use self::listing::{Format, Listed, list};
use self::object::Object;
use self::rejects::{Bad, Rejects};
use super::known::{Known, KnownFiles};
use super::pattern::{Found, choose};
use super::sample;
use super::{ReadOptions, ReadSummary, Selection, Snapshot, Source, SourceTable, TableReader};
use crate::catalog::TakenFile;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Lake;

pub use self::csv::{CsvOptions, CsvTypes};
pub(in crate::ingest) use self::exact::{equal, exactly};
pub(in crate::ingest) use self::ndjson::rows_of as rows_of_ndjson;

/// How files are reached and read.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// The lake, whose object stores and credentials are used.
    pub lake: Lake,
    pub csv: CsvOptions,
    /// Where lines go that are no rows; without it the first one stops its table.
    pub rejects: Option<PathBuf>,
}

impl FileOptions {
    /// Files that `lake` reaches, read as they come; a line that is no row stops its table.
    pub fn of(lake: &Lake) -> Self {
        Self { lake: lake.clone(), csv: CsvOptions::default(), rejects: None }
    }
}

/// What lies at a URL.
struct Files {
    url: String,
    options: ReadOptions,
    files: FileOptions,
    /// What is left out.
    known: Option<Arc<dyn Known>>,
}

/// The tables there, as they were listed.
struct FilesSnapshot {
    tables: Vec<SourceTable>,
    /// Of each table.
    readings: Vec<TableParts>,
}

/// What is read of a table.
struct TableParts {
    reading: Arc<Reading>,
    parts: Vec<Part>,
    files: Vec<TakenFile>,
}

/// One file of a table.
#[derive(Debug, Clone)]
enum Part {
    Parquet(Object),
    Csv(csv::File),
    Ndjson(Object),
}

/// How the files of one table are read.
struct Reading {
    table: String,
    schema: SchemaRef,
    options: ReadOptions,
    rejects: Arc<Rejects>,
    rejected: AtomicU64,
}

/// Reads files of one table, until none is left.
struct FileReader {
    reading: Arc<Reading>,
    parts: Arc<Mutex<VecDeque<Part>>>,
}

/// Whether `url` is a place of files, and no database.
pub fn are_at(url: &str) -> bool {
    matches!(url.split_once("://"), Some(("file" | "s3", _)))
}

/// The files at `url`, `file:///…` or `s3://bucket/…`.
pub(super) fn open(url: &str, options: ReadOptions, files: FileOptions) -> Result<Box<dyn Source>> {
    // A location that cannot be one is told now, without what may be secret in it.
    files.lake.store_for(url)?;
    Ok(Box::new(Files { url: url.to_owned(), options, files, known: None }))
}

#[async_trait]
impl Source for Files {
    async fn snapshot(&self, tables: &[String]) -> Result<Box<dyn Snapshot>> {
        let listed = list(&self.files.lake, &self.url).await?;
        let found = |table: &Listed| Found { schema: None, name: table.name.clone() };
        let chosen = choose(listed.iter().map(found).collect(), tables, None)?;
        let is_chosen = |table: &Listed| chosen.iter().any(|found| found.name == table.name);
        let rejects = Arc::new(Rejects::open(self.files.rejects.as_deref())?);
        let mut snapshot = FilesSnapshot { tables: Vec::new(), readings: Vec::new() };
        for table in listed.into_iter().filter(is_chosen) {
            let known = self.known_of(&table).await?;
            let described = match &table.problem {
                Some(problem) => Err(Error::invalid_request(problem)),
                None => self.describe(&table, known.as_ref()).await,
            };
            snapshot.push(table.name, described, self.options, &rejects);
        }
        Ok(Box::new(snapshot))
    }

    fn redacted_url(&self) -> String {
        self.url.clone()
    }

    fn has_bookmarks(&self) -> bool {
        false
    }

    fn leave_out(&mut self, known: Arc<dyn Known>) {
        self.known = Some(known);
    }
}

/// What is to be read of a table, and how many rows that are, where the files say.
struct Described {
    schema: SchemaRef,
    parts: Vec<Part>,
    rows: Option<u64>,
    files: Vec<TakenFile>,
}

impl Files {
    async fn known_of(&self, table: &Listed) -> Result<Option<KnownFiles>> {
        let Some(known) = &self.known else { return Ok(None) };
        let urls = table.objects.iter().map(|object| object.url().to_owned()).collect::<Vec<_>>();
        known.of(&table.name, &urls).await
    }

    /// The files of `table` that are not `known`, in columns that go with those of the lake.
    async fn describe(&self, table: &Listed, known: Option<&KnownFiles>) -> Result<Described> {
        let objects = match known {
            Some(known) => table.without(known)?,
            None => table.objects.clone(),
        };
        let file = |object: &Object| TakenFile { url: object.url().to_owned(), tag: object.tag() };
        let files = objects.iter().map(file).collect();
        let lake = known.map(|known| Arc::clone(&known.schema));
        if let Some(schema) = lake.clone().filter(|_| objects.is_empty()) {
            return Ok(Described { schema, parts: Vec::new(), rows: Some(0), files });
        }
        let csv = self.files.csv;
        let (schema, parts, rows) = match table.format {
            Format::Parquet => {
                let (schema, rows) =
                    parquet::describe(&objects, &table.name, self.options, lake.as_deref()).await?;
                (schema, objects.into_iter().map(Part::Parquet).collect(), Some(rows))
            }
            Format::Csv => {
                let (schema, files) = waiting(move || csv::describe(&objects, csv, lake.as_ref())).await?;
                (schema, files.into_iter().map(Part::Csv).collect(), None)
            }
            Format::Ndjson => {
                let of_all = objects.clone();
                let schema = waiting(move || ndjson::describe(&of_all, lake.as_ref())).await?;
                (schema, objects.into_iter().map(Part::Ndjson).collect(), None)
            }
        };
        Ok(Described { schema, parts, rows, files })
    }
}

impl Described {
    fn nothing() -> Self {
        Self { schema: Arc::new(Schema::empty()), parts: Vec::new(), rows: None, files: Vec::new() }
    }
}

impl FilesSnapshot {
    fn push(
        &mut self,
        name: String,
        described: Result<Described>,
        options: ReadOptions,
        rejects: &Arc<Rejects>,
    ) {
        let is_away = described.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable);
        let (described, problem) = match described {
            Ok(described) => (described, None),
            Err(error) => {
                tracing::debug!(table = %name, error = &error as &dyn std::error::Error, "a table cannot be read");
                (Described::nothing(), Some(error.detail().to_owned()))
            }
        };
        let Described { schema, parts, rows, files } = described;
        let optional = schema.fields().iter().filter(|field| field.is_nullable());
        self.tables.push(SourceTable {
            schema_name: None,
            name: name.clone(),
            optional: optional.map(|field| field.name().clone()).collect(),
            schema: Arc::clone(&schema),
            key: Vec::new(),
            estimate: rows,
            problem,
            is_away,
        });
        let (rejects, rejected) = (Arc::clone(rejects), AtomicU64::new(0));
        let reading = Arc::new(Reading { table: name, schema, options, rejects, rejected });
        self.readings.push(TableParts { reading, parts, files });
    }

    fn reading(&self, table: &SourceTable) -> Option<&TableParts> {
        let is_it = |known: &SourceTable| known.name == table.name && known.schema == table.schema;
        self.readings.get(self.tables.iter().position(is_it)?)
    }
}

#[async_trait]
impl Snapshot for FilesSnapshot {
    fn tables(&self) -> &[SourceTable] {
        &self.tables
    }

    async fn readers(
        &mut self,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Vec<Box<dyn TableReader>>> {
        if *selection != Selection::default() {
            return Err(Error::internal("files are read whole"));
        }
        let Some(TableParts { reading, parts, .. }) = self.reading(table) else {
            return Err(Error::internal("a table of another snapshot"));
        };
        let readers = reading.options.readers.min(parts.len()).max(1);
        let parts = Arc::new(Mutex::new(parts.iter().cloned().collect::<VecDeque<_>>()));
        let reader = || FileReader { reading: Arc::clone(reading), parts: Arc::clone(&parts) };
        Ok((0..readers).map(|_| Box::new(reader()) as Box<dyn TableReader>).collect())
    }

    async fn sample(
        &mut self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let at = self.tables.iter().position(|known| known.name == table.name);
        let Some(TableParts { reading: whole, parts, .. }) = at.and_then(|at| self.readings.get(at)) else {
            return Ok(Vec::new());
        };
        let (table, schema) = (whole.table.clone(), Arc::clone(&whole.schema));
        // Lines that are no rows are written down when the table is read, and once.
        let (rejects, rejected) = (Arc::new(Rejects::Unnoticed), AtomicU64::new(0));
        let reading = Arc::new(Reading { table, schema, options: whole.options, rejects, rejected });
        let parts = Arc::new(Mutex::new(parts.iter().cloned().collect::<VecDeque<_>>()));
        let batches = sample::first(vec![Box::new(FileReader { reading, parts })], rows).await?;
        let at = |name: &String| whole.schema.index_of(name).map_err(Error::internal);
        let at = columns.iter().map(at).collect::<Result<Vec<_>>>()?;
        batches.iter().map(|batch| batch.project(&at).map_err(Error::internal)).collect()
    }

    async fn reached(&mut self, _: &SourceTable, _: &[String]) -> Result<Option<Vec<String>>> {
        Err(Error::internal("files are read whole"))
    }

    fn rejected(&self, table: &SourceTable) -> u64 {
        self.reading(table).map_or(0, |table| table.reading.rejected.load(Ordering::Relaxed))
    }

    fn files(&self, table: &SourceTable) -> &[TakenFile] {
        self.reading(table).map_or(&[], |table| table.files.as_slice())
    }
}

#[async_trait]
impl TableReader for FileReader {
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary> {
        let mut summary = ReadSummary::default();
        while let Some(part) = self.next() {
            summary = summary.and(self.read_part(part, &batches).await?);
            if batches.is_closed() {
                break;
            }
        }
        let reading = Arc::clone(&self.reading);
        waiting(move || reading.rejects.keep()).await?;
        Ok(summary)
    }
}

impl FileReader {
    fn next(&self) -> Option<Part> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn read_part(&self, part: Part, batches: &Sender<RecordBatch>) -> Result<ReadSummary> {
        let (reading, batches) = (Arc::clone(&self.reading), batches.clone());
        let rows = match part {
            Part::Parquet(object) => return parquet::read(&object, &reading, &batches).await,
            Part::Csv(file) => waiting(move || csv::read(&file, &reading, &batches)).await?,
            Part::Ndjson(object) => waiting(move || ndjson::read(&object, &reading, &batches)).await?,
        };
        Ok(ReadSummary { rows, nulled: 0 })
    }
}

impl Reading {
    /// Takes note of a line that is no row; an error when there is no place for it.
    fn reject(&self, url: &str, line: u64, text: &[u8], reason: &str, advice: &str) -> Result<()> {
        let lines = self.rejects.take(&Bad { table: &self.table, url, line, text, reason, advice })?;
        self.rejected.fetch_add(lines, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs what waits for bytes, on a thread of its own.
async fn waiting<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

//! Files as a source: every format value by value, what is hostile in them, and what becomes of lines that are no rows.

mod append;
mod csv;
mod ndjson;
mod parquet;
mod places;
mod run;

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use lakegate::error::Result;
use lakegate::ingest::source::files::{CsvOptions, CsvTypes, FileOptions};
use lakegate::ingest::source::{self, ReadOptions, Snapshot, SourceTable};
use lakegate::lake::Lake;
use serde_json::Value;

use crate::lake::folder_lake;
use crate::sources::read::{gathered, texts};

/// A folder with files, and how they are read.
struct Drop {
    folder: tempfile::TempDir,
    lake: Lake,
    csv: CsvOptions,
    options: ReadOptions,
    rejects: Option<PathBuf>,
}

/// What came out of one table.
#[derive(Debug)]
struct Out {
    table: SourceTable,
    batches: Vec<RecordBatch>,
    rejected: u64,
}

impl Drop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let lake = folder_lake(&folder.path().join("lake"));
        let options = ReadOptions::default();
        Self { folder, lake, csv: CsvOptions::default(), options, rejects: None }
    }

    /// The same with a file for rejected lines.
    fn lenient() -> Self {
        let mut drop = Self::new();
        drop.rejects = Some(drop.folder.path().join("rejects.ndjson"));
        drop
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    fn url(&self) -> String {
        url_of(&self.folder.path().join("in"))
    }

    fn files(&self) -> FileOptions {
        FileOptions { lake: self.lake.clone(), csv: self.csv, rejects: self.rejects.clone() }
    }

    async fn snapshot(&self, pattern: &str) -> Result<Box<dyn Snapshot>> {
        let source = source::open_with_files(&self.url(), self.options, self.files()).await?;
        source.snapshot(&[pattern.to_owned()]).await
    }

    /// The one table `name`, read to its end.
    async fn table(&self, name: &str) -> Result<Out> {
        let mut snapshot = self.snapshot(name).await?;
        let table = snapshot.tables()[0].clone();
        if let Some(problem) = &table.problem {
            return Err(lakegate::error::Error::invalid_request(problem));
        }
        let batches = gathered(snapshot.as_mut(), &table).await?;
        Ok(Out { rejected: snapshot.rejected(&table), table, batches })
    }

    /// Why the table is not read.
    async fn refusal(&self, name: &str) -> String {
        self.table(name).await.unwrap_err().detail().to_owned()
    }

    fn rejects(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.rejects.as_ref().unwrap()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Out {
    fn columns(&self) -> Vec<String> {
        let fields = self.table.schema.fields().iter();
        fields.map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    }

    fn rows(&self) -> Vec<Vec<Option<String>>> {
        texts(&self.batches)
    }

    /// Rows as `a|b|NULL`.
    fn lines(&self) -> Vec<String> {
        let line = |row: Vec<Option<String>>| {
            let values = row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".to_owned()));
            values.collect::<Vec<_>>().join("|")
        };
        self.rows().into_iter().map(line).collect()
    }
}

fn url_of(path: &Path) -> String {
    url::Url::from_file_path(path).unwrap().to_string()
}

fn text_types() -> CsvOptions {
    CsvOptions { types: CsvTypes::Text, ..CsvOptions::default() }
}

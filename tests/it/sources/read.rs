//! Reading a table of a source to its end, and its values as text.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use lakegate::error::Result;
use lakegate::ingest::source::{self, ReadOptions, Selection, Snapshot, SourceTable};

/// The table that `pattern` means, and all its batches.
pub async fn rows_of(
    url: &str,
    pattern: &str,
    options: ReadOptions,
) -> Result<(SourceTable, Vec<RecordBatch>)> {
    let source = source::open(url, options).await?;
    let mut snapshot = source.snapshot(&[pattern.to_owned()]).await?;
    let table = snapshot.tables().first().unwrap().clone();
    let batches = gathered(snapshot.as_mut(), &table).await?;
    Ok((table, batches))
}

/// What all readers of `table` give, read side by side.
pub async fn gathered(snapshot: &mut dyn Snapshot, table: &SourceTable) -> Result<Vec<RecordBatch>> {
    let mut reading = Vec::new();
    for reader in snapshot.readers(table, &Selection::default()).await? {
        reading.push(tokio::spawn(async move {
            let (sender, mut batches) = tokio::sync::mpsc::channel(2);
            let read = tokio::spawn(reader.read(sender));
            let mut all = Vec::new();
            while let Some(batch) = batches.recv().await {
                all.push(batch);
            }
            (read.await.unwrap(), all)
        }));
    }
    let mut all = Vec::new();
    for reader in reading {
        let (summary, batches) = reader.await.unwrap();
        let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        assert_eq!(summary?.rows, rows as u64);
        all.extend(batches);
    }
    Ok(all)
}

/// The description of the table that `pattern` means.
pub async fn table_of(url: &str, pattern: &str) -> SourceTable {
    let source = source::open(url, ReadOptions::default()).await.unwrap();
    source.snapshot(&[pattern.to_owned()]).await.unwrap().tables().first().unwrap().clone()
}

/// Every value as text, NULL as nothing.
pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let row = |batch: &RecordBatch, at: usize| {
        let value = |column: &arrow::array::ArrayRef| {
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
            (!column.is_null(at)).then(|| formatter.value(at).to_string())
        };
        batch.columns().iter().map(value).collect()
    };
    batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>())
        .collect()
}

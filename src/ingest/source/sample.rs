//! Some rows of a table, to see what its values look like.
//!
//! A sample is bounded: so many rows, of columns that were chosen, and texts are cut short by the source where it can.

use arrow::array::RecordBatch;
use tokio::sync::mpsc::{Receiver, channel};

use super::TableReader;
use crate::error::{Error, Result};

/// How many letters of a text are enough to see what it is.
pub(super) const LETTERS: usize = 200;

/// From so many times the sample on, a table is large: then its first rows alone would tell little of the others.
pub(super) const LARGE: u64 = 10;

/// The first `rows` that `readers` give, one after the other.
pub(super) async fn first(readers: Vec<Box<dyn TableReader>>, rows: usize) -> Result<Vec<RecordBatch>> {
    let (mut taken, mut left) = (Vec::new(), rows);
    for reader in readers {
        if left == 0 {
            break;
        }
        let (sender, mut batches) = channel(1);
        let reading = tokio::spawn(reader.read(sender));
        while left > 0 {
            let Some(batch) = batches.recv().await else { break };
            let part = batch.slice(0, batch.num_rows().min(left));
            left = left.saturating_sub(part.num_rows());
            taken.push(part);
        }
        // A reader whose receiver is gone ends by itself.
        drop(batches);
        reading.await.map_err(Error::internal)??;
    }
    Ok(taken)
}

/// All that is sent.
pub(super) async fn gathered(mut batches: Receiver<RecordBatch>) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    while let Some(batch) = batches.recv().await {
        all.push(batch);
    }
    all
}

/// How many rows they have.
pub(super) fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

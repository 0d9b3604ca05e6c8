//! Sessions that join and sort more rows than fit into memory: what does not fit is sorted on disk.
//!
//! They read files of the lake on behalf of the house; no reader's statement runs in one.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::error::{Error, ErrorKind, Result};

/// Small batches, since each of about ten operators must have room for one with long texts.
const BATCH_ROWS: usize = 1024;

/// A session whose joins and sorts spill what is more than `memory` bytes.
pub(super) fn session(memory: u64) -> Result<SessionContext> {
    // With one partition the engine joins by hash whatever it is told, which holds one side in memory and spills nothing.
    let mut config = SessionConfig::new().with_target_partitions(2).with_batch_size(BATCH_ROWS);
    config.options_mut().optimizer.prefer_hash_join = false;
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    config.options_mut().execution.sort_spill_reservation_bytes = memory / 32;
    let pool = Arc::new(FairSpillPool::new(memory));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().map_err(failed)?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// A session that reads one file after the other, each in its order.
pub(super) fn in_order() -> SessionContext {
    SessionContext::new_with_config(
        SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS),
    )
}

/// How many rows there are.
pub(super) async fn count(session: &SessionContext, rows: &str) -> Result<usize> {
    session.sql(rows).await.map_err(failed)?.count().await.map_err(failed)
}

/// A failure to read or sort files of a table, told by what the operator can do about it.
pub(super) fn failed(fault: DataFusionError) -> Error {
    match fault.find_root() {
        DataFusionError::ResourcesExhausted(_) => Error::new(
            ErrorKind::LimitExceeded,
            "sorting the rows needs more memory than it may have: raise `limits.ingest_memory`",
        )
        .with_source(fault),
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
            Error::new(ErrorKind::Unavailable, "a file of the table could not be read").with_source(fault)
        }
        _ => Error::internal(fault),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::datasource::MemTable;

    use super::*;

    fn table(rows: std::ops::Range<i64>) -> Arc<MemTable> {
        let batch = |start: i64| {
            let numbers = Int64Array::from_iter_values(start..rows.end.min(start + 1000));
            RecordBatch::try_from_iter([("k", Arc::new(numbers) as ArrayRef)]).unwrap()
        };
        let batches = rows.clone().step_by(1000).map(batch).collect::<Vec<_>>();
        Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap())
    }

    /// Two million keys are 16 MB on each side.
    #[tokio::test]
    async fn more_keys_than_fit_into_memory_are_sorted_on_disk() {
        let session = session(8 << 20).unwrap();
        session.register_table("file", table(0..2_000_000)).unwrap();
        session.register_table("taken", table(1_999_990..4_000_000)).unwrap();
        let sql = "SELECT 1 FROM file f LEFT ANTI JOIN taken ON f.k = taken.k";
        assert_eq!(count(&session, sql).await.unwrap(), 1_999_990);
        let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let told = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        assert!(told.contains("SortMergeJoin"), "{told}");
    }
}

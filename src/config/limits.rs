//! `[limits]`: what one query and one process may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

const MIB: u64 = 1 << 20;

/// The limits. A request over one of them is refused with `limit_exceeded` or `timeout`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// `limits.memory`, `LAKEGATE__LIMITS__MEMORY`: what all running queries share: bytes or `512MiB`.
    #[serde(deserialize_with = "value::size")]
    pub memory: u64,
    /// `limits.query_timeout`, `LAKEGATE__LIMITS__QUERY_TIMEOUT`: how long a query may run: seconds or `5m`.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub query_timeout: Duration,
    /// `limits.max_sql_bytes`, `LAKEGATE__LIMITS__MAX_SQL_BYTES`: the longest statement that is read.
    #[serde(deserialize_with = "value::size_in_memory")]
    pub max_sql_bytes: usize,
    /// `limits.max_body_bytes`, `LAKEGATE__LIMITS__MAX_BODY_BYTES`: the largest request body that is read.
    #[serde(deserialize_with = "value::size_in_memory")]
    pub max_body_bytes: usize,
    /// `limits.max_concurrent_queries`, `LAKEGATE__LIMITS__MAX_CONCURRENT_QUERIES`: more wait their turn.
    pub max_concurrent_queries: usize,
    /// `limits.result_memory`, `LAKEGATE__LIMITS__RESULT_MEMORY`: what results that are kept may hold in memory, all
    /// together; the rest lies in the lake.
    #[serde(deserialize_with = "value::size")]
    pub result_memory: u64,
    /// `limits.result_size`, `LAKEGATE__LIMITS__RESULT_SIZE`: how large one result that is kept may be, compressed.
    #[serde(deserialize_with = "value::size")]
    pub result_size: u64,
    /// `limits.result_life`, `LAKEGATE__LIMITS__RESULT_LIFE`: how long a result is kept after its end: seconds or `1h`.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub result_life: Duration,
    /// `limits.results_per_user`, `LAKEGATE__LIMITS__RESULTS_PER_USER`: how many queries of one user are kept at once.
    pub results_per_user: usize,
    /// `limits.ingest_memory`, `LAKEGATE__LIMITS__INGEST_MEMORY`: what one ingestion may hold, and
    /// all rows that programs send and that wait to be written.
    #[serde(deserialize_with = "value::size")]
    pub ingest_memory: u64,
    /// `limits.ingest_readers`, `LAKEGATE__LIMITS__INGEST_READERS`: how many parts of one table are read side by side,
    /// each on a connection of its own, where the source allows it.
    pub ingest_readers: usize,
    /// `limits.pushdown_filters`, `LAKEGATE__LIMITS__PUSHDOWN_FILTERS`: Parquet readers evaluate filters.
    pub pushdown_filters: bool,
    /// `limits.batch_size`, `LAKEGATE__LIMITS__BATCH_SIZE`: rows that operators hand on at once.
    pub batch_size: usize,
    /// `limits.target_partitions`, `LAKEGATE__LIMITS__TARGET_PARTITIONS`: how many parts of a query run side by
    /// side; the number of cores unless set.
    pub target_partitions: usize,
}

impl LimitsConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        let positive = [
            ("memory", self.memory),
            ("query_timeout", self.query_timeout.as_secs()),
            ("max_sql_bytes", self.max_sql_bytes as u64),
            ("max_body_bytes", self.max_body_bytes as u64),
            ("max_concurrent_queries", self.max_concurrent_queries as u64),
            ("result_size", self.result_size),
            ("result_life", self.result_life.as_secs()),
            ("results_per_user", self.results_per_user as u64),
            ("ingest_memory", self.ingest_memory),
            ("ingest_readers", self.ingest_readers as u64),
            ("batch_size", self.batch_size as u64),
            ("target_partitions", self.target_partitions as u64),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("`limits.{key}`: must be more than 0")),
            None => Ok(()),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            memory: 512 * MIB,
            query_timeout: Duration::from_secs(300),
            max_sql_bytes: 1 << 20,
            max_body_bytes: 2 << 20,
            max_concurrent_queries: 64,
            result_memory: 128 * MIB,
            result_size: 10 * 1024 * MIB,
            result_life: Duration::from_secs(3600),
            results_per_user: 100,
            ingest_memory: 128 * MIB,
            ingest_readers: 2,
            pushdown_filters: false,
            batch_size: 8192,
            target_partitions: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

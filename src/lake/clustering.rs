//! How the rows of a table lie in its files: by which columns a reader of some values can leave the rest out.
//!
//! A column clusters a table when the row groups hold different ranges of it. Sorted tables have ranges that hardly
//! overlap; in tables without an order every row group holds nearly every value. Partition columns always cluster.
//! What is told is an estimate from the footers of some files: it is for advice, and decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt64Type;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::{FileFormat, Lake, TableFiles};
use crate::error::{Error, Result};

/// How many files of a table, and then how many of their row groups, are looked at; evenly chosen when there are more.
const MOST_FILES: usize = 64;
const MOST_GROUPS: usize = 1024;

/// How many footers are read at a time.
const AT_ONCE: usize = 8;

/// Above this share of row groups whose ranges overlap, the order of a table is of no help.
const UNSORTED: f64 = 0.9;

/// By which columns files and row groups can be left out.
#[derive(Debug)]
pub struct Clustering {
    partition_columns: Vec<String>,
    /// The parts that could be left out: row groups, or files where the format has no groups.
    parts: usize,
    /// Of all pairs of parts, the share whose ranges of this column overlap. Columns that no file has are absent.
    overlaps: BTreeMap<String, f64>,
    /// Whether the files say anything about their values.
    has_ranges: bool,
}

/// What a row group holds of a column.
#[derive(Debug, Clone)]
enum Range {
    Values { min: ScalarValue, max: ScalarValue },
    OnlyNulls,
    Unknown,
}

impl Clustering {
    /// Whether a condition on `column` can leave out parts of the table; also when there is but one part, or when
    /// nothing is known of the column.
    pub fn helps(&self, column: &str) -> bool {
        let is_partition = self.partition_columns.iter().any(|name| name == column);
        let is_sorted = match self.overlaps.get(column) {
            Some(share) => *share <= UNSORTED,
            None => self.has_ranges,
        };
        self.parts < 2 || is_partition || is_sorted
    }
}

impl Lake {
    /// How the rows of this table lie in its files, for each of `columns`.
    pub async fn clustering(&self, files: &TableFiles, columns: &[&str]) -> Result<Clustering> {
        let found = self.files(files).await?;
        let clustering = Clustering {
            partition_columns: files.partition_columns.clone(),
            parts: found.len(),
            overlaps: BTreeMap::new(),
            has_ranges: false,
        };
        if matches!(files.format, FileFormat::Csv | FileFormat::Ndjson) {
            return Ok(clustering);
        }
        let footers = self.footers(&files.location, evenly(found, MOST_FILES)).await?;
        let of_column = |name: &&str| {
            let ranges: Vec<Range> = footers.iter().flat_map(|footer| ranges(footer, name)).collect();
            let is_known = footers.iter().any(|footer| footer.schema().field_with_name(name).is_ok());
            is_known.then(|| ((*name).to_owned(), overlap(&evenly(ranges, MOST_GROUPS))))
        };
        let parts = footers.iter().map(|footer| footer.metadata().num_row_groups()).sum();
        let overlaps = columns.iter().filter_map(of_column).collect();
        Ok(Clustering { parts, overlaps, has_ranges: true, ..clustering })
    }

    /// The files that a query without a condition would read.
    async fn files(&self, files: &TableFiles) -> Result<Vec<ObjectMeta>> {
        let failed = |cause: DataFusionError| unreadable(&files.location, cause);
        let session = SessionContext::new_with_config(SessionConfig::new().with_collect_statistics(false));
        let plan =
            self.provider(files).await?.scan(&session.state(), None, &[], None).await.map_err(failed)?;
        let mut found = Vec::new();
        plan.apply(|node: &Arc<dyn ExecutionPlan>| {
            let source = node.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
            if let Some(scan) = source.and_then(|source| source.downcast_ref::<FileScanConfig>()) {
                let files = scan.file_groups.iter().flat_map(|group| group.files());
                found.extend(files.map(|file| file.object_meta.clone()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(failed)?;
        // A large file may be in several groups, each with a part of it.
        found.sort_by(|one, other| one.location.cmp(&other.location));
        found.dedup_by(|one, other| one.location == other.location);
        Ok(found)
    }

    async fn footers(&self, location: &str, found: Vec<ObjectMeta>) -> Result<Vec<ArrowReaderMetadata>> {
        let (store, _, _) = self.store_for(location)?;
        let read = |file: ObjectMeta| {
            let store = Arc::clone(&store);
            async move {
                let footer = DFParquetMetadata::new(store.as_ref(), &file).fetch_metadata().await?;
                Ok(ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new())?)
            }
        };
        let footers = futures::stream::iter(found).map(read).buffered(AT_ONCE);
        footers.try_collect().await.map_err(|cause: DataFusionError| unreadable(location, cause))
    }
}

fn unreadable(location: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("the files at `{location}` cannot be read: check that they are there"), cause)
}

/// Of each row group of one file.
fn ranges(footer: &ArrowReaderMetadata, column: &str) -> Vec<Range> {
    let groups = footer.metadata().row_groups();
    // A file without the column is older than it.
    if footer.schema().field_with_name(column).is_err() {
        return vec![Range::OnlyNulls; groups.len()];
    }
    let known = || -> Result<Vec<Range>, DataFusionError> {
        let converter = StatisticsConverter::try_new(column, footer.schema(), footer.parquet_schema())?;
        let (mins, maxes) = (converter.row_group_mins(groups)?, converter.row_group_maxes(groups)?);
        let nulls = converter.with_missing_null_counts_as_zero(false).row_group_null_counts(groups)?;
        let range = |(index, rows): (usize, i64)| {
            let is_null = |counts: &dyn Array| {
                let counts = counts.as_primitive::<UInt64Type>();
                counts.is_valid(index) && i64::try_from(counts.value(index)) == Ok(rows)
            };
            let min = ScalarValue::try_from_array(&mins, index)?;
            let max = ScalarValue::try_from_array(&maxes, index)?;
            Ok(match is_null(&nulls) {
                true => Range::OnlyNulls,
                false if min.is_null() || max.is_null() => Range::Unknown,
                false => Range::Values { min, max },
            })
        };
        groups.iter().map(|group| group.num_rows()).enumerate().map(range).collect()
    };
    known().unwrap_or_else(|_| vec![Range::Unknown; groups.len()])
}

/// Of all pairs, the share that overlaps.
fn overlap(ranges: &[Range]) -> f64 {
    let pairs = || {
        ranges
            .iter()
            .enumerate()
            .flat_map(|(index, one)| ranges.iter().skip(index + 1).map(move |other| (one, other)))
    };
    let (mut all, mut apart) = (0_u32, 0_u32);
    for (one, other) in pairs() {
        all += 1;
        apart += u32::from(are_apart(one, other));
    }
    if all == 0 { 0.0 } else { 1.0 - f64::from(apart) / f64::from(all) }
}

/// Two that share but one value are apart: the next rows of an order often begin where the last ones ended.
fn are_apart(one: &Range, other: &Range) -> bool {
    match (one, other) {
        (Range::OnlyNulls, _) | (_, Range::OnlyNulls) => true,
        (Range::Values { min, max }, Range::Values { min: other_min, max: other_max }) => {
            max <= other_min || other_max <= min
        }
        _ => false,
    }
}

/// At most `most` of `all`, spread over them.
fn evenly<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let step = all.len().div_ceil(most).max(1);
    all.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[(i64, i64)]) -> f64 {
        let range = |(min, max): &(i64, i64)| Range::Values { min: (*min).into(), max: (*max).into() };
        overlap(&ranges.iter().map(range).collect::<Vec<_>>())
    }

    #[test]
    fn sorted_ranges_do_not_overlap() {
        assert_eq!(of(&[(1, 5), (5, 9), (9, 9), (9, 9)]), 0.0);
        assert_eq!(of(&[(5, 9), (1, 5)]), 0.0);
        assert_eq!(of(&[]), 0.0);
        assert_eq!(of(&[(3, 4)]), 0.0);
    }

    #[test]
    fn ranges_without_an_order_do() {
        assert_eq!(of(&[(1, 98), (2, 99), (1, 99)]), 1.0);
        assert_eq!(of(&[(1, 9), (2, 8), (10, 12)]), 1.0 - 2.0 / 3.0);
    }

    #[test]
    fn what_is_not_known_may_hold_anything_and_nulls_meet_nothing() {
        let some = Range::Values { min: 1.into(), max: 2.into() };
        assert_eq!(overlap(&[some.clone(), Range::Unknown]), 1.0);
        assert_eq!(overlap(&[some, Range::OnlyNulls]), 0.0);
    }

    #[test]
    fn a_choice_is_spread_over_all() {
        assert_eq!(evenly((0..10).collect(), 4), [0, 3, 6, 9]);
        assert_eq!(evenly((0..3).collect(), 4), [0, 1, 2]);
        assert_eq!(evenly(Vec::<u8>::new(), 4), [0_u8; 0]);
    }
}

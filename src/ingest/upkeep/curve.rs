//! Places on a Z-order curve: rows that are near in several columns get places that are near.
//!
//! A value counts by its rank among values that were sampled, so that each column has its share of the curve however its
//! values are spread. The ranks' bits are interleaved, as G. M. Morton did in 1966.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, Schema};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::ingest::source::quoted;
use crate::ingest::spill::failed;

/// About how many rows are sampled.
const SAMPLED_ROWS: u64 = 32_768;

/// The bits of a rank: more would tell apart what the sample does not.
const MOST_BITS: usize = 12;

/// A curve through the values of some columns.
pub(super) struct Curve {
    axes: Vec<Axis>,
    bits: usize,
}

/// One column: the values at which its rank goes up, in order.
struct Axis {
    converter: RowConverter,
    steps: Vec<OwnedRow>,
    bits: usize,
}

impl Curve {
    /// Through the values that `columns` have in the `rows` rows of `table`.
    pub async fn sampled(
        session: &SessionContext,
        table: &str,
        columns: &[String],
        rows: u64,
    ) -> Result<Self> {
        let names = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {names} FROM {table}");
        let mut found = session.sql(&sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let mut sample = Vec::new();
        let mut seen = 0_u64;
        while let Some(batch) = found.try_next().await.map_err(failed)? {
            let chosen = (0..batch.num_rows() as u64).filter(|at| is_sampled(seen + at, rows));
            let chosen = UInt64Array::from_iter_values(chosen);
            seen += batch.num_rows() as u64;
            sample.push(arrow::compute::take_record_batch(&batch, &chosen).map_err(Error::internal)?);
        }
        let schema = sample.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let sample = arrow::compute::concat_batches(&schema, &sample).map_err(Error::internal)?;
        Self::through(sample.columns()).map_err(Error::internal)
    }

    fn through(columns: &[ArrayRef]) -> Result<Self, ArrowError> {
        let bits = (64 / columns.len().max(1)).min(MOST_BITS);
        let axes = columns.iter().map(|column| Axis::of(column, bits)).collect::<Result<_, _>>()?;
        Ok(Self { axes, bits })
    }

    /// The function `z_order` of the columns, for values of `types`.
    pub fn function(self, types: Vec<DataType>) -> ScalarUDF {
        let place = move |values: &[ColumnarValue]| {
            let columns = ColumnarValue::values_to_arrays(values)?;
            let places =
                self.places(&columns).map_err(|cause| DataFusionError::ArrowError(Box::new(cause), None))?;
            Ok(ColumnarValue::Array(Arc::new(places)))
        };
        create_udf("z_order", types, DataType::UInt64, Volatility::Immutable, Arc::new(place))
    }

    fn places(&self, columns: &[ArrayRef]) -> Result<UInt64Array, ArrowError> {
        let ranks = self.axes.iter().zip(columns).map(|(axis, column)| axis.ranks(column));
        let ranks = ranks.collect::<Result<Vec<_>, _>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        let place = |row: usize| {
            let ranks = ranks.iter().map(|ranks| ranks.get(row).copied().unwrap_or_default());
            interleaved(&ranks.collect::<Vec<_>>(), self.bits)
        };
        Ok(UInt64Array::from_iter_values((0..rows).map(place)))
    }
}

impl Axis {
    fn of(column: &ArrayRef, bits: usize) -> Result<Self, ArrowError> {
        let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
        let rows = converter.convert_columns(std::slice::from_ref(column))?;
        let mut values = rows.iter().map(|row| row.owned()).collect::<Vec<_>>();
        values.sort_unstable();
        let most = (1_usize << bits) - 1;
        let step = (values.len() / (most + 1)).max(1);
        let mut steps = values.into_iter().step_by(step).skip(1).take(most).collect::<Vec<_>>();
        steps.dedup();
        Ok(Self { converter, steps, bits })
    }

    /// The share of the steps that are at or below each value, of as many as the bits can tell.
    fn ranks(&self, column: &ArrayRef) -> Result<Vec<u64>, ArrowError> {
        let rows = self.converter.convert_columns(std::slice::from_ref(column))?;
        let (whole, steps) = (1_u64 << self.bits, self.steps.len() as u64 + 1);
        // A column of few values has its share of the curve too: its ranks are spread over the whole.
        let rank = |row| self.steps.partition_point(|step| step.row() <= row) as u64 * whole / steps;
        Ok(rows.iter().map(rank).collect())
    }
}

/// Whether the row `at` of `rows` is among those that are looked at: one that no period of the rows can fool.
fn is_sampled(at: u64, rows: u64) -> bool {
    let spread = at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (spread ^ (spread >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32;
    (u128::from(mixed) * u128::from(rows.max(1))) >> 32 < u128::from(SAMPLED_ROWS)
}

/// The bits of `ranks` in turn, the highest of each first.
fn interleaved(ranks: &[u64], bits: usize) -> u64 {
    let mut place = 0;
    for bit in (0..bits).rev() {
        for rank in ranks {
            place = (place << 1) | ((rank >> bit) & 1);
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn bits_take_turns() {
        assert_eq!(interleaved(&[0b11, 0b00], 2), 0b1010);
        assert_eq!(interleaved(&[0b00, 0b11], 2), 0b0101);
        assert_eq!(interleaved(&[0b101], 3), 0b101);
    }

    #[test]
    fn a_sample_is_about_as_large_as_it_should_be() {
        assert!((0..1000).all(|at| is_sampled(at, 1000)));
        let sampled = (0..1_000_000).filter(|at| is_sampled(*at, 1_000_000)).count();
        assert!((30_000..36_000).contains(&sampled), "{sampled}");
    }

    /// In each quarter of the curve, both columns have about half of their values.
    #[test]
    fn rows_that_are_near_on_the_curve_are_near_in_all_columns() {
        let rows = 64 * 64;
        let numbers: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 64 * 1_000_003)));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{:02}", row / 64))));
        let places =
            Curve::through(&[numbers.clone(), texts.clone()]).unwrap().places(&[numbers, texts]).unwrap();
        let mut order = (0..usize::try_from(rows).unwrap()).collect::<Vec<_>>();
        order.sort_by_key(|row| places.value(*row));
        for quarter in order.chunks(order.len() / 4) {
            let spread = |of: fn(usize) -> usize| {
                let all = quarter.iter().map(|row| of(*row));
                all.clone().max().unwrap() - all.min().unwrap()
            };
            assert!(spread(|row| row % 64) <= 40 && spread(|row| row / 64) <= 40);
        }
    }

    #[test]
    fn missing_values_and_no_numbers_have_a_place() {
        let values: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(1.0), Some(-0.0)]));
        let curve = Curve::through(std::slice::from_ref(&values)).unwrap();
        assert_eq!(curve.places(&[values]).unwrap().values().as_ref(), [3072, 0, 2048, 1024]);
        let empty: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        let curve = Curve::through(&[empty]).unwrap();
        let later: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        assert_eq!(curve.places(&[later]).unwrap().values().as_ref(), [0]);
    }
}

//! Some rows of a table, from all over it where it is large and has a key of one whole number.

use arrow::array::RecordBatch;
use tokio::sync::mpsc::channel;

use super::super::sample::{LARGE, LETTERS, count, gathered};
use super::super::split::Parts;
use super::super::{SourceTable, Unfit};
use super::types::{Mapped, Reading, quoted};
use super::{Point, column, read};
use crate::error::{Error, Result};

/// From so many places rows are taken.
const PLACES: usize = 10;

impl Point {
    /// At most `rows` of `columns`.
    pub(super) async fn sampled(
        &self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let (known, mapped, _) = self.known(table)?;
        let chosen =
            columns.iter().filter_map(|name| column(mapped, name)).map(shortened).collect::<Vec<_>>();
        let wanted = u64::try_from(rows).unwrap_or(u64::MAX).saturating_mul(LARGE);
        let places = match known.estimate.is_some_and(|estimate| estimate > wanted) {
            true => self.ranges(known, mapped, PLACES).await?,
            false => Parts::whole(),
        };
        let only = known.only(columns)?;
        let limit = rows.div_ceil(places.len().max(1));
        let mut all = Vec::new();
        while let Some(place) = places.take() {
            let condition = place.with(None);
            let wanted = read::Wanted {
                table: &only,
                columns: &chosen,
                condition: condition.as_deref(),
                limit: Some(limit.min(rows.saturating_sub(count(&all)))),
            };
            all.extend(self.rows_of(wanted).await?);
        }
        Ok(all)
    }

    async fn rows_of(&self, wanted: read::Wanted<'_>) -> Result<Vec<RecordBatch>> {
        let first =
            self.connections.first().ok_or_else(|| Error::internal("a point without a connection"))?;
        let mut connection = first.lock().await;
        let reading = self.reading.lenient();
        let mut unfit = Unfit::new(&wanted.table.name, &reading);
        let (sender, batches) = channel(1);
        let sending = async {
            let read = read::rows(&mut connection, wanted, &reading, &mut unfit, &sender).await;
            drop(sender);
            read
        };
        let (read, batches) = tokio::join!(sending, gathered(batches));
        read.map(|_| batches)
    }
}

/// The same with the first letters of a text alone, where it is sent as it is.
fn shortened(column: &Mapped) -> Mapped {
    let name = quoted(column.field.name());
    match column.reading {
        Reading::Text if column.expression == name => {
            Mapped { expression: format!("LEFT({name}, {LETTERS})"), ..column.clone() }
        }
        _ => column.clone(),
    }
}

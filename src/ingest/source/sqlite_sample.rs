//! Some rows of a table of a SQLite file, from all over it where its rows have numbers.

use arrow::array::RecordBatch;
use arrow_schema::{DataType, Field};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::mpsc::channel;

use super::sample::{LARGE, LETTERS, count, gathered};
use super::sqlite::rows;
use super::{ReadOptions, SourceTable, quoted};
use crate::error::Result;

/// From so many places rows are taken.
const PLACES: i64 = 10;

/// At most `wanted` rows of `table`, which has only the columns that are asked for.
pub(super) async fn sample(
    connection: &mut SqliteConnection,
    table: &SourceTable,
    wanted: usize,
    options: ReadOptions,
) -> Result<Vec<RecordBatch>> {
    let selected = table.schema.fields().iter().map(|field| shortened(field)).collect::<Vec<_>>().join(", ");
    let places = places(connection, table, wanted).await;
    let limit = wanted.div_ceil(places.len().max(1));
    let mut all = Vec::new();
    for place in places {
        let limit = limit.min(wanted.saturating_sub(count(&all)));
        let statement = format!("SELECT {selected} FROM {}{place} LIMIT {limit}", quoted(&table.name));
        let (sender, batches) = channel(1);
        let reading = async {
            let read = rows(connection, table, statement, options, &sender).await;
            drop(sender);
            read
        };
        let (read, batches) = tokio::join!(reading, gathered(batches));
        read?;
        all.extend(batches);
    }
    Ok(all)
}

/// Conditions that each begin somewhere else; none but the start for a view or a table whose rows have no numbers.
async fn places(connection: &mut SqliteConnection, table: &SourceTable, wanted: usize) -> Vec<String> {
    let statement = format!("SELECT min(rowid), max(rowid) FROM {}", quoted(&table.name));
    let ends = sqlx::query(AssertSqlSafe(statement)).fetch_one(connection).await.ok();
    let end = |at| ends.as_ref()?.try_get::<Option<i64>, _>(at).ok().flatten();
    let Some((least, greatest)) = end(0).zip(end(1)) else { return vec![String::new()] };
    let step = greatest.saturating_sub(least) / PLACES;
    let large = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_mul(LARGE) / PLACES.unsigned_abs();
    if step.unsigned_abs() <= large {
        return vec![String::new()];
    }
    let from = |place: i64| least.saturating_add(step.saturating_mul(place));
    let range = |place: i64| match place + 1 < PLACES {
        true => format!(" WHERE rowid >= {} AND rowid < {}", from(place), from(place + 1)),
        false => format!(" WHERE rowid >= {}", from(place)),
    };
    (0..PLACES).map(range).collect()
}

/// The column with the first letters of a text alone. Other values stay what they are.
fn shortened(field: &Field) -> String {
    let name = quoted(field.name());
    match field.data_type() {
        DataType::Utf8 => {
            format!("CASE typeof({name}) WHEN 'text' THEN substr({name}, 1, {LETTERS}) ELSE {name} END")
        }
        _ => name,
    }
}

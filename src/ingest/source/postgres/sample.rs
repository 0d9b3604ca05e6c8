//! Some rows of a table, from blocks all over it where it is large.
//!
//! A failure in the middle would end the transaction for all other tables, and a view may take long to give its first row: so each
//! sample is behind a savepoint and has little time.

use arrow::array::RecordBatch;
use sqlx::Executor;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc::channel;

use super::super::sample::{LARGE, LETTERS, count, gathered};
use super::super::{SourceTable, quoted};
use super::read::{TablePart, full_name};
use super::types::{Kind, Mapped};
use super::{Parts, Point, column, read_failed};
use crate::error::Result;

/// How many blocks the table has; views and foreign tables have none to choose from, those of partitions are not counted.
const BLOCKS: &str =
    "SELECT relpages::int8 FROM pg_class WHERE oid = $1::int8::oid AND relkind IN ('r', 'm', 'p')";

/// Rows of fewer blocks than that would be too much alike.
const FEWEST_BLOCKS: f64 = 20.0;

impl Point {
    /// At most `rows` of `columns`.
    pub(super) async fn sampled(
        &self,
        table: &SourceTable,
        columns: &[String],
        rows: usize,
    ) -> Result<Vec<RecordBatch>> {
        let (known, oid) = self.known(table)?;
        let part = TablePart {
            connections: self.connections.clone(),
            table: table.only(columns)?,
            columns: columns.iter().filter_map(|name| column(known, name)).map(shortened).collect(),
            condition: None,
            is_whole: true,
            parts: Parts::whole(),
            reading: self.reading.lenient(),
        };
        let mut connection = self.connections.first().await;
        for statement in ["SAVEPOINT sample", "SET LOCAL statement_timeout = '10s'"] {
            connection.execute(statement).await.map_err(read_failed)?;
        }
        let sample = of_part(&mut connection, &part, *oid, rows).await;
        // Also what was set for it ends here.
        let back = connection.execute("ROLLBACK TO SAVEPOINT sample").await.map_err(read_failed);
        sample.and_then(|batches| back.map(|_| batches))
    }
}

async fn of_part(
    connection: &mut PgConnection,
    part: &TablePart,
    oid: i64,
    rows: usize,
) -> Result<Vec<RecordBatch>> {
    let wanted = u64::try_from(rows).unwrap_or(u64::MAX);
    let estimate = part.table.estimate.filter(|estimate| *estimate > wanted.saturating_mul(LARGE));
    if let Some(estimate) = estimate {
        let blocks = sqlx::query_scalar::<_, i64>(BLOCKS).bind(oid).fetch_optional(&mut *connection).await;
        if let Some(blocks) = blocks.map_err(read_failed)? {
            let by_rows = wanted as f64 * 1.2 / estimate as f64;
            let by_blocks = if blocks > 0 { FEWEST_BLOCKS / blocks as f64 } else { 0.0 };
            let percent = (by_rows.max(by_blocks) * 100.0).clamp(0.000_1, 100.0);
            let spread = format!(" TABLESAMPLE SYSTEM ({percent:.6}) ORDER BY random()");
            let spread = taken(connection, part, &spread, rows).await?;
            if count(&spread) >= rows / 4 {
                return Ok(spread);
            }
        }
    }
    taken(connection, part, "", rows).await
}

async fn taken(
    connection: &mut PgConnection,
    part: &TablePart,
    from: &str,
    rows: usize,
) -> Result<Vec<RecordBatch>> {
    let selected = part.columns.iter().map(|column| column.select.as_str()).collect::<Vec<_>>().join(", ");
    let of = full_name(&part.table);
    let statement =
        format!("COPY (SELECT {selected} FROM {of}{from} LIMIT {rows}) TO STDOUT (FORMAT binary)");
    let (sender, batches) = channel(1);
    let reading = async {
        let read = part.copy_out(connection, &statement, &sender).await;
        drop(sender);
        read
    };
    let (read, batches) = tokio::join!(reading, gathered(batches));
    read.map(|_| batches)
}

/// The same with the first letters of a text alone.
fn shortened(column: &Mapped) -> Mapped {
    match column.kind {
        Kind::Text => Mapped { select: format!("left({}, {LETTERS})", text(column)), ..column.clone() },
        _ => column.clone(),
    }
}

/// `left` takes texts; a cast of `char(n)` to text drops the spaces at its end, which tell nothing.
fn text(column: &Mapped) -> String {
    format!("{}::text", quoted(column.field.name()))
}

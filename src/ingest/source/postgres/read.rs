//! Reading a table in parts, each on a connection of its own that sees the snapshot which the first one exported:
//! <https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION>.
//!
//! A table is cut by the blocks that its rows lie in (`ctid`), which the server reads as ranges. A view has no blocks, and other
//! servers and storages need not keep to them, so those are read in one go.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};
use tokio::sync::mpsc::Sender;
use tokio::sync::{Mutex, MutexGuard};

use super::super::split::{Part, Parts, cuts};
use super::super::{ReadOptions, ReadSummary, SourceTable, TableReader, quoted};
use super::copy::Decoder;
use super::types::Mapped;
use super::{BEGIN, Postgres, read_failed};
use crate::error::{Error, ErrorKind, Result};

/// Before this version a range of `ctid` is a look at every row of the table.
const RANGES_SINCE: u32 = 140_000;

/// The size of the table with its partitions and children, of the largest of them, and whether all are ordinary.
const BLOCKS: &str = "WITH RECURSIVE part (oid) AS ( \
       SELECT $1::int8::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid) \
     SELECT max(pg_relation_size(c.oid)) / current_setting('block_size')::int8, \
       current_setting('block_size')::int8, \
       bool_and(c.relkind = 'p' OR (c.relkind = 'r' AND a.amname = 'heap')) \
     FROM part JOIN pg_class c ON c.oid = part.oid LEFT JOIN pg_am a ON a.oid = c.relam";

/// The connections to one point in time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    server: Postgres,
    /// What the snapshot is called, where the server lets others have it.
    snapshot: Option<String>,
    can_split: bool,
    /// The first one: as long as its transaction is open others may join it.
    first: Mutex<PgConnection>,
    idle: Mutex<Vec<PgConnection>>,
}

/// What others call the snapshot of `connection`; none where the server does not share it.
pub(super) async fn exported(connection: &mut PgConnection) -> Result<Option<String>> {
    let exported = sqlx::query_scalar::<_, String>("SELECT pg_export_snapshot()");
    match exported.fetch_one(&mut *connection).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(cause) => {
            tracing::debug!(%cause, "the source does not share its snapshot: one connection reads");
            // What failed has ended the transaction, in which nothing was read yet.
            for statement in ["ROLLBACK", BEGIN] {
                connection.execute(statement).await.map_err(read_failed)?;
            }
            Ok(None)
        }
    }
}

impl Connections {
    /// The point in time of `first`, with the name under which others may join it.
    pub fn of(server: Postgres, first: PgConnection, snapshot: Option<String>) -> Self {
        let can_split = first.server_version_num().is_some_and(|version| version >= RANGES_SINCE);
        let first = Mutex::new(first);
        Self(Arc::new(Shared { server, snapshot, can_split, first, idle: Mutex::default() }))
    }

    /// The parts of the table `oid` for `readers`.
    pub async fn parts(&self, table: &SourceTable, oid: i64, readers: usize) -> Result<Parts> {
        if readers < 2 || !self.0.can_split || self.0.snapshot.is_none() {
            return Ok(Parts::whole());
        }
        let mut first = self.0.first.lock().await;
        let row = sqlx::query(BLOCKS).bind(oid).fetch_one(&mut *first).await.map_err(read_failed)?;
        let number = |at| row.try_get::<Option<i64>, _>(at).map_err(read_failed);
        let (blocks, block) = (number(0)?.unwrap_or_default(), number(1)?.unwrap_or_default());
        let is_ordinary = row.try_get::<Option<bool>, _>(2).map_err(read_failed)?.unwrap_or_default();
        if !is_ordinary {
            return Ok(Parts::whole());
        }
        let whole = |number: i64| u64::try_from(number).unwrap_or_default();
        let cuts = cuts(whole(blocks), whole(block), readers);
        if !cuts.is_empty() {
            // Whoever wants the table for themselves waits from now on, and not between two of ours.
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", full_name(table));
            first.execute(sqlx::AssertSqlSafe(lock)).await.map_err(read_failed)?;
        }
        Ok(by_blocks(&cuts))
    }

    /// The connection that the point in time was opened on.
    pub async fn first(&self) -> MutexGuard<'_, PgConnection> {
        self.0.first.lock().await
    }

    /// The first row that `statement` gives.
    pub async fn row(&self, statement: String) -> Result<Option<PgRow>> {
        let mut first = self.0.first.lock().await;
        let row = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_optional(&mut *first).await;
        row.map_err(read_failed)
    }

    /// A connection that nobody reads from and that may read `table` at once, if the server grants one more.
    async fn take(&self, table: &SourceTable) -> Option<PgConnection> {
        let idle = self.0.idle.lock().await.pop();
        let outcome = match idle {
            Some(idle) => Ok(idle),
            None => self.joined().await,
        };
        let locked = match outcome {
            Ok(mut connection) => {
                let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT", full_name(table));
                let lock = connection.execute(sqlx::AssertSqlSafe(lock)).await;
                lock.map(|_| connection).map_err(read_failed)
            }
            Err(error) => Err(error),
        };
        // The first connection has the lock and needs no other one.
        locked
            .inspect_err(|error| tracing::debug!(%error, "no other connection reads: the first one does"))
            .ok()
    }

    /// Another connection to the same point in time.
    async fn joined(&self) -> Result<PgConnection> {
        let snapshot =
            self.0.snapshot.as_ref().ok_or_else(|| Error::internal("there is no snapshot to join"))?;
        let mut connection = self.0.server.session().await?;
        let statement = format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', "''"));
        connection.execute(sqlx::AssertSqlSafe(statement)).await.map_err(read_failed)?;
        Ok(connection)
    }

    async fn give_back(&self, connection: PgConnection) {
        self.0.idle.lock().await.push(connection);
    }
}

/// One range of blocks after the other; the last one has no end, so that none is left out.
fn by_blocks(cuts: &[u64]) -> Parts {
    let at = |block: &u64| format!("'({block},0)'::tid");
    let starts = std::iter::once(None).chain(cuts.iter().map(Some));
    let ends = cuts.iter().map(Some).chain([None]);
    let parts = starts.zip(ends).map(|range| match range {
        (None, None) => None,
        (None, Some(end)) => Some(format!("ctid < {}", at(end))),
        (Some(start), None) => Some(format!("ctid >= {}", at(start))),
        (Some(start), Some(end)) => Some(format!("ctid >= {} AND ctid < {}", at(start), at(end))),
    });
    Parts::of(parts.map(Part))
}

/// Reads parts of one table until none is left.
#[derive(Clone)]
pub(super) struct TablePart {
    pub connections: Connections,
    pub table: SourceTable,
    pub columns: Arc<[Mapped]>,
    pub condition: Option<String>,
    /// Whether it is the only part: it is read where the point in time was opened.
    pub is_whole: bool,
    pub parts: Parts,
    pub reading: ReadOptions,
}

#[async_trait]
impl TableReader for TablePart {
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary> {
        let other = match self.is_whole {
            true => None,
            false => self.connections.take(&self.table).await,
        };
        match other {
            Some(mut connection) => {
                // One that stopped in the middle is of no use to others: it is closed.
                let read = self.read_from(&mut connection, &batches).await?;
                if !batches.is_closed() {
                    self.connections.give_back(connection).await;
                }
                Ok(read)
            }
            None => self.read_from(&mut *self.connections.0.first.lock().await, &batches).await,
        }
    }
}

impl TablePart {
    async fn read_from(
        &self,
        connection: &mut PgConnection,
        batches: &Sender<RecordBatch>,
    ) -> Result<ReadSummary> {
        let mut sum = ReadSummary::default();
        while let Some(part) = self.parts.take() {
            sum = sum.and(self.copy_out(connection, &self.statement(&part), batches).await?);
            if batches.is_closed() {
                break;
            }
        }
        Ok(sum)
    }

    /// Sends the rows that `statement` copies.
    pub async fn copy_out(
        &self,
        connection: &mut PgConnection,
        statement: &str,
        batches: &Sender<RecordBatch>,
    ) -> Result<ReadSummary> {
        let schema = Arc::clone(&self.table.schema);
        let mut decoder = Decoder::new(&self.table.name, schema, &self.columns, self.reading);
        let mut stream = connection.copy_out_raw(statement).await.map_err(read_failed)?;
        while let Some(bytes) = stream.try_next().await.map_err(read_failed)? {
            decoder.give(&bytes);
            while decoder.advance()? {
                if let Some(batch) = decoder.batch()?
                    && batches.send(batch).await.is_err()
                {
                    return Ok(decoder.summary());
                }
            }
        }
        if !decoder.ended {
            return Err(Error::new(ErrorKind::Unavailable, "the source broke off in the middle of a table"));
        }
        if let Some(batch) = decoder.batch()? {
            // Nobody who is gone needs it.
            let _ = batches.send(batch).await;
        }
        Ok(decoder.summary())
    }

    fn statement(&self, part: &Part) -> String {
        let selected =
            self.columns.iter().map(|column| column.select.as_str()).collect::<Vec<_>>().join(", ");
        let rows = part.with(self.condition.as_ref()).map(|rows| format!(" WHERE {rows}"));
        let rows = rows.unwrap_or_default();
        format!("COPY (SELECT {selected} FROM {}{rows}) TO STDOUT (FORMAT binary)", full_name(&self.table))
    }
}

/// The table with its schema.
pub(super) fn full_name(table: &SourceTable) -> String {
    let schema = table.schema_name.as_deref().unwrap_or("public");
    format!("{}.{}", quoted(schema), quoted(&table.name))
}

//! The rows of a table laid anew: table → choose → read, sort, write → publish → audit.
//!
//! Files that lie as they should stay as they are, and the names of files say which do. A version that somebody publishes on
//! the way is no loss as long as it still has the files that were read; otherwise the work is done anew on it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::prelude::SessionContext;
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

use super::arrangement::{Arrangement, Order, PROPERTY, Wanted};
use super::curve::Curve;
use super::parts::Parts;
use super::{Kept, event};
use crate::catalog::TableRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::Context;
use crate::ingest::describe;
use crate::ingest::source::quoted;
use crate::ingest::spill::{failed, in_order, session};
use crate::ingest::write::{Layout, TableWriter};
use crate::lake::{DeltaLog, Property};
use crate::policy::model::TableName;

/// When a file is full: large enough that a query opens few, small enough that it leaves many out.
const FILE_BYTES: usize = 256 * 1024 * 1024;
/// A file below this size is put together with others.
const SMALL_BYTES: i64 = 128 * 1024 * 1024;
/// The rows of a row group: what a query leaves out at once inside of a file.
const GROUP_ROWS: usize = 128 * 1024;

/// How often it is begun anew, and published anew, when others change the table meanwhile.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// The name of the files that are read, in statements.
const ROWS: &str = "rows_of_files";

/// What has become of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Optimized {
    pub table: TableName,
    /// The version published; none when all lay as it should.
    pub version: Option<i64>,
    pub arrangement: Arrangement,
    /// That were written anew.
    pub rows: u64,
    /// All files of the table before, and after.
    pub before: Size,
    pub after: Size,
    pub seconds: f64,
}

/// Of some files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    pub files: usize,
    pub bytes: u64,
}

/// Lays the rows of the table `name` as is `wanted`, and otherwise as they were laid before.
///
/// # Errors
///
/// `table_not_found`, `column_not_found` and `invalid_request` for what cannot be laid like that, `conflict` when others
/// change the table all the time.
pub async fn optimize(context: &Context, name: &TableName, wanted: &Wanted) -> Result<Optimized> {
    let started = Instant::now();
    let outcome = laid(context, name, wanted).await;
    let outcome = outcome.map(|done| Optimized { seconds: started.elapsed().as_secs_f64(), ..done });
    let told = match &outcome {
        Ok(done) => serde_json::to_value(done).map_err(Error::internal)?,
        Err(_) => Value::Null,
    };
    context.audit.record(event(context, "optimize", name, told, outcome.as_ref().err())).await;
    outcome
}

async fn laid(context: &Context, name: &TableName, wanted: &Wanted) -> Result<Optimized> {
    for _ in 0..ATTEMPTS {
        let laying = Laying::open(context, name, wanted).await?;
        let chosen = laying.choose().await?;
        let written = laying.write(&chosen).await?;
        if let Some(done) = laying.publish(&chosen, written).await? {
            return Ok(done);
        }
    }
    Err(Error::conflict(format!("`{name}` is changed all the time: run it again when it is calmer")))
}

/// A version of a table on its way to another arrangement.
struct Laying<'a> {
    context: &'a Context,
    record: TableRecord,
    log: DeltaLog,
    schema: SchemaRef,
    files: Vec<Add>,
    arrangement: Arrangement,
    /// Whether the table is to remember another arrangement than it does.
    is_new: bool,
    prefix: String,
    parts: Parts,
}

/// What was written, and how many rows it is.
struct Written {
    files: Vec<Add>,
    rows: u64,
}

impl<'a> Laying<'a> {
    async fn open(context: &'a Context, name: &TableName, wanted: &Wanted) -> Result<Self> {
        let Kept { record, log, open, .. } = Kept::find(context, name).await?;
        let schema = log.canonical(&record.schema)?;
        let property = open.property(PROPERTY)?;
        let known = match Arrangement::parse(property.as_deref()) {
            // Of what is not understood nothing is kept, when all of it is said.
            Err(_) if wanted.partition.is_some() && wanted.order.is_some() && wanted.bloom.is_some() => {
                Arrangement::default()
            }
            known => known?,
        };
        let arrangement = wanted.of(known);
        arrangement.check(&schema)?;
        Ok(Self {
            context,
            files: open.files()?,
            is_new: arrangement.written()? != property,
            prefix: arrangement.prefix()?,
            parts: Parts::new(&arrangement.partition, &schema),
            record,
            log,
            schema,
            arrangement,
        })
    }

    /// The files that are to be written anew.
    async fn choose(&self) -> Result<Vec<Add>> {
        let lies = |file: &Add| file.path.starts_with(&self.prefix);
        if self.arrangement.is_loose() {
            let has_filters = |file: &Add| self.arrangement.bloom.is_empty() || lies(file);
            let small = self.files.iter().filter(|file| file.size < SMALL_BYTES).count();
            let is_chosen = |file: &&Add| !has_filters(file) || (small > 1 && file.size < SMALL_BYTES);
            return Ok(self.files.iter().filter(is_chosen).cloned().collect());
        }
        let (there, new): (Vec<Add>, Vec<Add>) = self.files.iter().cloned().partition(lies);
        if new.is_empty() {
            return Ok(new);
        }
        let session = self.session(&new)?;
        let parts = self.parts.of_rows(&session, ROWS).await?;
        // Whatever else is of these parts has to be sorted with the new rows.
        let is_met = |file: &Add| self.part_of(file).is_none_or(|part| parts.contains(part));
        Ok(new.into_iter().chain(there.into_iter().filter(is_met)).collect())
    }

    /// What tells the part of the rows in a file that lies as it should.
    fn part_of<'b>(&self, file: &'b Add) -> Option<&'b str> {
        file.path.strip_prefix(&self.prefix)?.strip_prefix('-')?.split('-').next()
    }

    /// A session with the rows of `files`.
    fn session(&self, files: &[Add]) -> Result<SessionContext> {
        let session = match self.arrangement.is_loose() {
            true => in_order(),
            false => session(self.context.memory / 2)?,
        };
        session.register_table(ROWS, self.log.reading(&self.schema, files)?).map_err(failed)?;
        Ok(session)
    }

    /// Writes the rows of `chosen` in order.
    async fn write(&self, chosen: &[Add]) -> Result<Written> {
        if chosen.is_empty() {
            return Ok(Written { files: Vec::new(), rows: 0 });
        }
        let layout = Layout {
            group_rows: GROUP_ROWS,
            bloom: self.arrangement.bloom.clone(),
            described: self.arrangement.columns(),
        };
        let mut writer = TableWriter::new(&self.log, self.schema.clone(), self.context.memory / 2)
            .with_file_bytes(FILE_BYTES)
            .with_layout(layout);
        let outcome = async {
            self.sort(chosen, &mut writer).await?;
            let files = writer.finish().await?;
            self.refuse_loss(chosen, writer.totals().rows)?;
            Ok(Written { files, rows: writer.totals().rows })
        };
        match outcome.await {
            Ok(written) => Ok(written),
            Err(error) => {
                writer.abandon(&[]).await;
                Err(error)
            }
        }
    }

    async fn sort(&self, chosen: &[Add], writer: &mut TableWriter) -> Result<()> {
        let session = self.session(chosen)?;
        let order = self.order(&session, chosen).await?;
        let columns = std::iter::once("*".to_owned()).chain(self.parts.selected()).collect::<Vec<_>>();
        let order = self.parts.names().into_iter().chain(order).collect::<Vec<_>>();
        let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
        let sql = format!("SELECT {} FROM {ROWS}{order}", columns.join(", "));
        let mut rows = session.sql(&sql).await.map_err(failed)?.execute_stream().await.map_err(failed)?;
        let mut open = None;
        while let Some(batch) = rows.try_next().await.map_err(failed)? {
            for (part, range) in self.parts.of(&batch)? {
                if open.as_ref() != Some(&part) {
                    writer.begin(&format!("{}-{part}", self.prefix)).await?;
                    open = Some(part);
                }
                writer.write(&self.own(&batch.slice(range.start, range.len()))?).await?;
            }
        }
        Ok(())
    }

    /// The columns to sort by; along the curve, a function of them that `session` then knows.
    async fn order(&self, session: &SessionContext, chosen: &[Add]) -> Result<Vec<String>> {
        let columns = self.arrangement.order.columns();
        let names = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>();
        if !matches!(self.arrangement.order, Order::Zorder(_)) {
            return Ok(names);
        }
        let rows = chosen.iter().filter_map(describe::rows).sum();
        let curve = Curve::sampled(session, ROWS, columns, rows).await?;
        let table = session.table(ROWS).await.map_err(failed)?;
        let kind = |name: &String| Ok(table.schema().as_arrow().field_with_name(name)?.data_type().clone());
        let kinds = columns.iter().map(kind).collect::<Result<Vec<_>, arrow_schema::ArrowError>>();
        session.register_udf(curve.function(kinds.map_err(Error::internal)?));
        Ok(vec![format!("z_order({})", names.join(", "))])
    }

    /// The table's own columns of `batch`.
    fn own(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let own = batch.num_columns().saturating_sub(self.parts.len());
        batch.project(&(0..own).collect::<Vec<_>>()).map_err(Error::internal)
    }

    /// A table is not published with other rows than it had.
    fn refuse_loss(&self, chosen: &[Add], rows: u64) -> Result<()> {
        let counted = chosen.iter().map(describe::rows).sum::<Option<u64>>();
        match counted {
            Some(counted) if counted != rows => {
                let name = &self.record.name;
                Err(Error::internal(format!("`{name}` has {counted} rows and {rows} were written")))
            }
            _ => Ok(()),
        }
    }

    /// Publishes `written` in the place of `chosen`; `None` when these are no longer the table's.
    async fn publish(&self, chosen: &[Add], written: Written) -> Result<Option<Optimized>> {
        if chosen.is_empty() && !self.is_new {
            return Ok(Some(self.done(None, &self.files, 0)));
        }
        let mut is_named = false;
        for attempt in 1..=ATTEMPTS {
            let outcome = self.replace(chosen, &written, &mut is_named).await;
            let error = match outcome {
                Ok(Some((version, files))) => {
                    return Ok(Some(self.done(Some(version), &files, written.rows)));
                }
                Ok(None) => break,
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Conflict {
                // Of no other failure is it certain that the log does not name what was written.
                if error.kind() == ErrorKind::InvalidRequest && !is_named {
                    self.abandon(&written.files).await;
                }
                return Err(error);
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        if !is_named {
            self.abandon(&written.files).await;
        }
        Ok(None)
    }

    async fn abandon(&self, files: &[Add]) {
        TableWriter::new(&self.log, self.schema.clone(), 0).abandon(files).await;
    }

    async fn replace(
        &self,
        chosen: &[Add],
        written: &Written,
        is_named: &mut bool,
    ) -> Result<Option<(i64, Vec<Add>)>> {
        let catalog = &self.context.catalog;
        let place = catalog.place(&self.context.lake, &self.record.name).await?;
        let Some(now) = place.published().filter(|now| self.is_same(now)).cloned() else { return Ok(None) };
        let Some(version) = now.version else { return Ok(None) };
        let there = self.log.open(Some(version)).await?.files()?;
        let gone = chosen.iter().map(|file| file.path.as_str()).collect::<HashSet<_>>();
        let (taken, mut files): (Vec<Add>, Vec<Add>) =
            there.into_iter().partition(|file| gone.contains(file.path.as_str()));
        if taken.len() != gone.len() {
            return Ok(None);
        }
        files.extend(written.files.iter().cloned());
        let value = self.arrangement.written()?;
        let property = Property { name: PROPERTY, value: value.as_deref() };
        let newest = self.log.open(None).await?;
        let next = newest.rearrange(version, &self.schema, files.clone(), property).await?;
        *is_named = true;
        catalog.publish_version(place, next, now.schema.clone(), now.bookmark.clone()).await?;
        Ok(Some((next, files)))
    }

    fn is_same(&self, now: &TableRecord) -> bool {
        now.id == self.record.id && now.schema == self.record.schema
    }

    fn done(&self, version: Option<i64>, files: &[Add], rows: u64) -> Optimized {
        Optimized {
            table: self.record.name.clone(),
            version,
            arrangement: self.arrangement.clone(),
            rows,
            before: Size::of(&self.files),
            after: Size::of(files),
            seconds: 0.0,
        }
    }
}

impl Size {
    fn of(files: &[Add]) -> Self {
        let bytes = files.iter().filter_map(|file| u64::try_from(file.size).ok()).sum();
        Self { files: files.len(), bytes }
    }
}

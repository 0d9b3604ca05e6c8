//! One table from its source into the next version of the lake: what is to be read, what it comes to, and which files the
//! version has.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use deltalake_core::kernel::Add;

use super::describe;
use super::drift::{Drift, Evolved, OnDrift, evolve};
use super::merge::{Keys, Merge, Merged};
use super::mode::{Deletes, Mode};
use super::progress::{Progress, Silent};
use super::source::{Marked, Selection, Since, Snapshot, SourceTable};
use super::taking::Taking;
use super::transfer::{Transferred, transfer};
use super::write::{TableWriter, Totals};
use super::{Context, about};
use crate::catalog::{Bookmark, TableRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::DeltaLog;
use crate::policy::model::TableName;

/// What one table has come to.
pub(super) struct Loaded {
    pub version: i64,
    pub drift: Drift,
    /// The columns of the version before.
    pub before: Option<SchemaRef>,
    pub totals: Totals,
    pub nulled: u64,
}

/// A table on its way.
pub(super) struct Loading<'a> {
    pub context: &'a Context,
    pub table: &'a SourceTable,
    pub name: &'a TableName,
    pub mode: &'a Mode,
    pub on_drift: OnDrift,
    /// Of a table that takes files.
    pub taking: Option<&'a Taking>,
    pub progress: &'a Arc<dyn Progress>,
}

/// The files of the next version, and those of them that nothing else names.
struct Next {
    files: Vec<Add>,
    written: Vec<Add>,
    totals: Totals,
    nulled: u64,
}

impl Loading<'_> {
    /// Reads, writes and publishes it.
    pub async fn run(&self, snapshot: &mut dyn Snapshot) -> Result<Loaded> {
        if let Some(problem) = &self.table.problem {
            let kind = if self.table.is_away { ErrorKind::Unavailable } else { ErrorKind::InvalidRequest };
            return Err(Error::new(kind, problem.clone()));
        }
        let key = match self.taking {
            Some(_) => Vec::new(),
            None => self.mode.key_of(self.table)?,
        };
        let place = self.context.catalog.place(&self.context.lake, self.name).await?;
        if let Some(taking) = self.taking {
            taking.refuse_other(self.name, &place)?;
        }
        let log = self.context.lake.delta_log(place.location())?;
        let described = log.canonical(&self.table.schema).map_err(|error| about(self.name, error))?;
        let before = place.published().cloned();
        let Evolved { schema, drift, anew } = match &before {
            Some(record) => evolve(self.on_drift, self.name, &record.schema, &described)?,
            None => Evolved::first(described),
        };
        if let Some(loaded) = self.nothing_new(snapshot, before.as_ref()) {
            return Ok(loaded);
        }
        let bookmark = self.bookmark(snapshot, before.as_ref()).await?;
        let target = Target { loading: self, log: &log, schema: &schema, drift: &drift, key: &key };
        let known = before.as_ref().filter(|_| !anew);
        let new = known.map(|record| self.new_rows(record)).transpose()?.flatten();
        let is_grown = new.is_some();
        // How many of a table's rows are new in a database is not known; files were left out before they were counted.
        if let Some(rows) = self.table.estimate.filter(|_| !is_grown || self.taking.is_some()) {
            self.progress.expects(self.name, rows);
        }
        let next = match known.zip(new) {
            Some((record, new)) => target.grown(snapshot, record, new).await?,
            None => target.whole(snapshot).await?,
        };
        let version = match target.commit(&next).await {
            Ok(version) => version,
            Err(error) => {
                // Only then is it certain that the log does not name them.
                if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidRequest) {
                    target.remove(&next.written).await;
                }
                return Err(error);
            }
        };
        let catalog = &self.context.catalog;
        match self.taking {
            Some(_) => {
                let files = snapshot.files(self.table).to_vec();
                catalog.publish_files(place, version, schema, !is_grown, files).await?
            }
            None => catalog.publish_version(place, version, schema, bookmark).await?,
        };
        let before = before.map(|record| record.schema);
        Ok(Loaded { version, drift, before, totals: next.totals, nulled: next.nulled })
    }

    /// What a table that takes files has come to when there is no new one: it stays at its version.
    fn nothing_new(&self, snapshot: &dyn Snapshot, before: Option<&TableRecord>) -> Option<Loaded> {
        let before = before.filter(|record| record.bookmark.as_ref().is_some_and(Bookmark::is_of_files));
        let record = before.filter(|_| self.taking.is_some() && snapshot.files(self.table).is_empty())?;
        Some(Loaded {
            version: record.version?,
            drift: Drift::default(),
            before: Some(Arc::clone(&record.schema)),
            totals: Totals::default(),
            nulled: 0,
        })
    }

    /// How far the source goes in this snapshot; as far as before when it has no row that says.
    async fn bookmark(
        &self,
        snapshot: &mut dyn Snapshot,
        before: Option<&TableRecord>,
    ) -> Result<Option<Bookmark>> {
        let Some(growth) = self.mode.growth().filter(|_| self.taking.is_none()) else { return Ok(None) };
        let columns = growth.bookmark.clone();
        match snapshot.reached(self.table, &columns).await? {
            Some(values) => Ok(Some(Bookmark { columns, values })),
            None => Ok(before
                .and_then(|record| record.bookmark.clone())
                .or(Some(Bookmark { columns, values: Vec::new() }))),
        }
    }

    /// What is to be read of a table that is published; none when that is all of it.
    fn new_rows(&self, record: &TableRecord) -> Result<Option<Selection>> {
        let Some(growth) = self.mode.growth() else { return Ok(None) };
        // It was brought in whole, as it is now once more.
        let Some(bookmark) = &record.bookmark else { return Ok(None) };
        if bookmark.is_of_files() != self.taking.is_some() || bookmark.columns != growth.bookmark {
            let goes_on = |columns: &[String]| match columns {
                [] => "by its files".to_owned(),
                columns => format!("by the bookmark `{}`", columns.join(", ")),
            };
            return Err(Error::conflict(format!(
                "`{}` grows {} and not {}: run it once with `--mode snapshot`",
                self.name,
                goes_on(&bookmark.columns),
                goes_on(&growth.bookmark)
            ))
            .lasting());
        }
        if self.taking.is_some() {
            // Those that are there were left out when they were listed.
            return Ok(Some(Selection::default()));
        }
        if bookmark.values.is_empty() {
            // It had no rows; what is there now is all of it.
            return Ok(None);
        }
        let since = Since {
            columns: bookmark.columns.clone(),
            values: bookmark.values.clone(),
            // Rows of the same value may have become visible since; a key tells which are there already.
            inclusive: matches!(self.mode, Mode::Merge(..)) || growth.overlap.is_some(),
            overlap: growth.overlap,
        };
        Ok(Some(Selection { since: Some(since), ..Selection::default() }))
    }
}

/// The table that is written, with what was found out about it.
struct Target<'a> {
    loading: &'a Loading<'a>,
    log: &'a DeltaLog,
    schema: &'a SchemaRef,
    drift: &'a Drift,
    key: &'a [String],
}

impl Target<'_> {
    /// All of the source's rows, in the place of all that is there.
    async fn whole(&self, snapshot: &mut dyn Snapshot) -> Result<Next> {
        let selection = Selection { marked: self.alive(), ..Selection::default() };
        let read = self.read(snapshot, &selection, self.schema, self.loading.progress).await?;
        Ok(Next {
            files: read.files.clone(),
            written: read.files,
            totals: read.written,
            nulled: read.read.nulled,
        })
    }

    /// What is new since then, put to what is there.
    async fn grown(&self, snapshot: &mut dyn Snapshot, before: &TableRecord, new: Selection) -> Result<Next> {
        let there = self.log.open(before.version).await?.files()?;
        let since = new.since.clone();
        let selection = Selection { marked: self.alive(), ..new };
        let new = self.read(snapshot, &selection, self.schema, self.loading.progress).await?;
        let mut staged = new.files.clone();
        let outcome = match self.widened(there, &mut staged).await {
            Ok(there) => self.put(snapshot, &there, &new, since, &mut staged).await,
            Err(error) => Err(error),
        };
        let merged = match outcome {
            Ok(merged) => merged,
            Err(error) => {
                self.remove(&staged).await;
                return Err(error);
            }
        };
        // What was staged and is no part of the version has served.
        let is_part = |file: &Add| merged.files.iter().any(|part| part.path == file.path);
        let served = staged.iter().filter(|file| !is_part(file)).cloned().collect::<Vec<_>>();
        self.remove(&served).await;
        let written = merged.written.into_iter().chain(staged.into_iter().filter(is_part)).collect();
        let totals = merged.added.unwrap_or(new.written);
        Ok(Next { files: merged.files, written, totals, nulled: new.read.nulled })
    }

    /// The files that are there, written again when a type is wider now: other readers of Delta would not know.
    async fn widened(&self, there: Vec<Add>, staged: &mut Vec<Add>) -> Result<Vec<Add>> {
        if self.drift.widened.is_empty() {
            return Ok(there);
        }
        let there = self.merge().rewritten(&there).await?;
        staged.extend(there.iter().cloned());
        Ok(there)
    }

    fn merge(&self) -> Merge<'_> {
        Merge { log: self.log, schema: self.schema, key: self.key, memory: self.loading.context.memory }
    }

    /// The files that are there and the new ones, as the mode has them meet. `staged` gets what is written on the way.
    async fn put(
        &self,
        snapshot: &mut dyn Snapshot,
        there: &[Add],
        new: &Transferred,
        since: Option<Since>,
        staged: &mut Vec<Add>,
    ) -> Result<Merged> {
        let merge = self.merge();
        let Mode::Merge(_, deletes) = self.loading.mode else {
            let mut merged = match self.key.is_empty() {
                true => Merged { files: new.files.clone(), ..Merged::default() },
                false => merge.fresh(&new.files, there).await?,
            };
            merged.files.extend(there.iter().cloned());
            return Ok(merged);
        };
        let marked = match deletes {
            Deletes::Marked(column) => {
                let marked = Some(Marked { column: column.clone(), deleted: true });
                self.keys(snapshot, since, marked).await?
            }
            _ => Vec::new(),
        };
        staged.extend(marked.iter().cloned());
        let present = match deletes {
            Deletes::Keys => Some(self.keys(snapshot, None, None).await?),
            _ => None,
        };
        staged.extend(present.iter().flatten().cloned());
        let keys = Keys { taken: vec![&new.files, &marked], present: present.as_deref() };
        let mut merged = merge.kept(there, &keys).await?;
        merged.files.extend(new.files.iter().cloned());
        Ok(merged)
    }

    /// The keys of some rows of the source, as files.
    async fn keys(
        &self,
        snapshot: &mut dyn Snapshot,
        since: Option<Since>,
        marked: Option<Marked>,
    ) -> Result<Vec<Add>> {
        let selection = Selection { since, marked, columns: self.key.to_vec() };
        let schema = self.merge().key_schema()?;
        let quiet: Arc<dyn Progress> = Arc::new(Silent);
        Ok(self.read(snapshot, &selection, &schema, &quiet).await?.files)
    }

    async fn read(
        &self,
        snapshot: &mut dyn Snapshot,
        selection: &Selection,
        schema: &SchemaRef,
        progress: &Arc<dyn Progress>,
    ) -> Result<Transferred> {
        let readers = snapshot.readers(self.loading.table, selection).await?;
        let share = self.loading.context.memory / u64::try_from(readers.len()).unwrap_or(u64::MAX).max(1);
        let open = || TableWriter::new(self.log, schema.clone(), share);
        let read = transfer(readers, open, self.loading.name, progress).await?;
        let (rows, written) = (read.read.rows, read.written.rows);
        if rows != written {
            let name = self.loading.name;
            self.remove(&read.files).await;
            return Err(Error::internal(format!("of `{name}`, {rows} rows were read and {written} written")));
        }
        if let Some(column) =
            self.key.iter().find(|column| read.files.iter().any(|file| describe::has_null(file, column)))
        {
            self.remove(&read.files).await;
            return Err(Error::invalid_request(format!(
                "the key `{column}` of `{}` would be NULL in the lake, where it tells no rows apart",
                self.loading.name
            )));
        }
        Ok(read)
    }

    /// Rows that are not marked as deleted.
    fn alive(&self) -> Option<Marked> {
        self.loading.mode.mark().map(|column| Marked { column: column.to_owned(), deleted: false })
    }

    /// The version with these files. Another one that nobody has published may lie in between: it is as if it was not.
    async fn commit(&self, next: &Next) -> Result<i64> {
        match self.log.exists().await? {
            true => self.log.open(None).await?.replace(self.schema, next.files.clone()).await,
            false => self.log.create(&self.loading.name.table, self.schema, next.files.clone()).await,
        }
    }

    async fn remove(&self, files: &[Add]) {
        TableWriter::new(self.log, self.schema.clone(), 0).abandon(files).await;
    }
}

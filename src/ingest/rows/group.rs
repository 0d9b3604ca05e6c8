//! One commit for the rows of several requests.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;
use deltalake_core::kernel::Add;

use super::Waiting;
use crate::catalog::TableRecord;
use crate::catalog::publish::{Catalog, Place};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::write::TableWriter;
use crate::lake::{DeltaLog, Lake};

/// How often a group is put on top of a version that somebody else has published meanwhile.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Writes the rows of `group`, publishes them, and answers each of its requests.
pub(super) async fn commit(group: Vec<Waiting>, catalog: &Catalog, lake: &Lake, memory: u64) {
    let Some(name) = group.first().map(|waiting| waiting.record.name.clone()) else { return };
    let published = match catalog.find(&name).await {
        Ok(Some(found)) => Ok(found.value),
        Ok(None) => Err(changed(&name.to_string())),
        Err(error) => Err(error),
    };
    let published = match published {
        Ok(published) => published,
        Err(error) => return answer(group, Err(error)),
    };
    // Rows are for the table that they were made for, with the columns that it had then.
    let (group, others): (Vec<_>, Vec<_>) =
        group.into_iter().partition(|waiting| is_same(&waiting.record, &published));
    answer(others, Err(changed(&name.to_string())));
    let outcome = Group { catalog, lake, record: &published }.commit(&group, memory).await;
    if let Err(error) = &outcome {
        tracing::warn!(table = %name, error = error as &dyn std::error::Error, "rows were not added");
    }
    answer(group, outcome);
}

/// Rows for one table.
struct Group<'a> {
    catalog: &'a Catalog,
    lake: &'a Lake,
    record: &'a TableRecord,
}

impl Group<'_> {
    async fn commit(&self, group: &[Waiting], memory: u64) -> Result<()> {
        if group.is_empty() {
            return Ok(());
        }
        let log = self.lake.delta_log(&self.record.location)?;
        let schema = log.canonical(&self.record.schema)?;
        let files = write(&log, &schema, group, memory).await?;
        let mut is_named = false;
        let outcome = self.publish(&log, &schema, &files, &mut is_named).await;
        let is_certain =
            |error: &Error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidRequest);
        if outcome.as_ref().is_err_and(is_certain) && !is_named {
            // Only then no version of the log names them, published or not.
            TableWriter::new(&log, schema, 0).abandon(&files).await;
        }
        outcome
    }

    /// Puts `files` to those of the published version, whichever that is by then.
    async fn publish(
        &self,
        log: &DeltaLog,
        schema: &SchemaRef,
        files: &[Add],
        is_named: &mut bool,
    ) -> Result<()> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(log, schema, files, is_named).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Conflict || attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * attempt).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        log: &DeltaLog,
        schema: &SchemaRef,
        files: &[Add],
        is_named: &mut bool,
    ) -> Result<()> {
        let place = self.catalog.place(self.lake, &self.record.name).await?;
        let (version, bookmark) = self.standing(&place)?;
        let mut all = log.open(Some(version)).await?.files()?;
        all.extend(files.iter().cloned());
        let version = log.open(None).await?.replace(schema, all).await?;
        *is_named = true;
        self.catalog.publish_version(place, version, Arc::clone(&self.record.schema), bookmark).await?;
        Ok(())
    }

    /// The published version, which must still be of the same table with the same columns, and how far its source is read.
    fn standing(&self, place: &Place) -> Result<(i64, Option<crate::catalog::Bookmark>)> {
        let now = place.published().filter(|now| is_same(now, self.record));
        let version = now.and_then(|now| Some((now.version?, now.bookmark.clone())));
        // Of another kind than a conflict that goes away when it is tried again.
        version.ok_or_else(|| Error::new(ErrorKind::QueryFailed, changed_text(&self.record.name.to_string())))
    }
}

async fn write(log: &DeltaLog, schema: &SchemaRef, group: &[Waiting], memory: u64) -> Result<Vec<Add>> {
    let mut writer = TableWriter::new(log, Arc::clone(schema), memory);
    for waiting in group {
        if let Err(error) = writer.write(&waiting.batch).await {
            writer.abandon(&[]).await;
            return Err(error);
        }
    }
    match writer.finish().await {
        Ok(files) => Ok(files),
        Err(error) => {
            writer.abandon(&[]).await;
            Err(error)
        }
    }
}

fn is_same(one: &TableRecord, other: &TableRecord) -> bool {
    one.id == other.id && one.schema.fields() == other.schema.fields()
}

/// The same outcome to each of them.
fn answer(group: Vec<Waiting>, outcome: Result<()>) {
    for waiting in group {
        let own = match &outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(told(error)),
        };
        // Nobody waits any more, and that is all.
        let _ = waiting.answer.send(own);
    }
}

/// One failure told to each of several requests.
fn told(error: &Error) -> Error {
    let kind = match error.kind() {
        // The table is another one now.
        ErrorKind::QueryFailed => ErrorKind::Conflict,
        kind => kind,
    };
    Error::new(kind, error.detail())
}

fn changed(name: &str) -> Error {
    Error::conflict(changed_text(name))
}

fn changed_text(name: &str) -> String {
    format!("`{name}` has changed meanwhile: nothing was added; look at its columns and send the rows again")
}

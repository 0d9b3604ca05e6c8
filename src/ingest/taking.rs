//! Which files of a source are in the lake already, for runs that append those that are new.
//!
//! What is told of a table holds for the revision that it was read from: a table that somebody has changed since is refused, so
//! that no file is taken twice, and none is left out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::drift::OnDrift;
use super::mode::{Growth, Mode};
use super::source::Source;
use super::source::known::{Known, KnownFiles};
use super::{Context, Job};
use crate::catalog::Bookmark;
use crate::catalog::publish::{Catalog, Place};
use crate::error::{Error, Result};
use crate::policy::model::TableName;

/// What has been told of the tables of one database, and from which revision.
pub(super) struct Taking {
    catalog: Catalog,
    database: String,
    told: Mutex<HashMap<TableName, Option<i64>>>,
}

impl Taking {
    /// For a job that takes the new files of `source`; none for one that does not.
    ///
    /// # Errors
    ///
    /// `invalid_request` for what cannot be done with files.
    pub fn of(context: &Context, source: &dyn Source, job: &Job) -> Result<Option<Self>> {
        if source.has_bookmarks() {
            return Ok(None);
        }
        match &job.mode {
            Mode::Snapshot => Ok(None),
            Mode::Merge(..) => Err(Error::invalid_request(
                "rows of files cannot be merged: `--mode append` takes the files that are new, `--mode snapshot` all of them",
            )),
            Mode::Append(growth) if *growth != Growth::default() => Err(Error::invalid_request(
                "files are appended by which of them are new: leave out the bookmark, the overlap and the key",
            )),
            Mode::Append(_) if job.on_drift == OnDrift::Replace => Err(Error::invalid_request(
                "to replace the columns all files have to be read: run it once with `--mode snapshot --columns replace`",
            )),
            Mode::Append(_) => Ok(Some(Self {
                catalog: context.catalog.clone(),
                database: job.into.clone(),
                told: Mutex::default(),
            })),
        }
    }

    /// Refuses a table that is another one than when its files were told.
    pub fn refuse_other(&self, name: &TableName, place: &Place) -> Result<()> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get(name) {
            Some(revision) if *revision == place.revision() => Ok(()),
            _ => Err(Error::conflict(format!(
                "the table `{name}` was changed by somebody else meanwhile: nothing was read; run it again"
            ))),
        }
    }
}

#[async_trait]
impl Known for Taking {
    async fn of(&self, table: &str, urls: &[String]) -> Result<Option<KnownFiles>> {
        let name = TableName::new(&self.database, table);
        let found = self.catalog.find(&name).await?;
        let revision = found.as_ref().map(|found| found.revision);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name, revision);
        let Some(record) = found.map(|found| found.value) else { return Ok(None) };
        if !record.bookmark.as_ref().is_some_and(Bookmark::is_of_files) {
            return Ok(None);
        }
        let tags = self.catalog.taken_files(&record.id, urls).await?;
        Ok(Some(KnownFiles { schema: record.schema, tags }))
    }
}

//! Versions of a table that are over go, and with them the files that nothing else names.
//!
//! A version is over when the next one was published longer ago than it is to be kept. It is taken out of the catalog first,
//! unless a query has it for reading; only then do its files go, so that no version that can be asked for lacks one. What
//! ends on the way is done by the next run.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::path::Path;
use serde::Serialize;
use serde_json::Value;

use super::{Kept, event};
use crate::catalog::TableRecord;
use crate::error::{Error, Result};
use crate::ingest::Context;
use crate::lake::StoredFile;
use crate::policy::model::TableName;
use crate::store::record::PublishedVersion;

/// How long a file that no commit ever named is left to whoever may be writing it.
const UNNAMED: TimeDelta = TimeDelta::days(7);

/// For how long versions are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// How long after the next one was published.
    pub retention: Duration,
    /// What `retention` must be at least: how long a query may go on reading a version after that.
    pub least: Duration,
}

/// What has become of the versions of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    pub table: TableName,
    /// That are gone.
    pub versions: Vec<i64>,
    /// That are over and that queries read.
    pub in_use: Vec<i64>,
    /// How many files are gone.
    pub files: usize,
    /// Of those files.
    pub bytes: u64,
}

/// Removes the versions of the table `name` that are over; of a trial, only says what would go.
///
/// # Errors
///
/// `table_not_found`; `invalid_request` for a table that another system writes, and for a retention that is too short;
/// `unavailable` when files cannot be removed now: those that are left go the next time.
pub async fn vacuum(
    context: &Context,
    name: &TableName,
    keeping: Keeping,
    is_trial: bool,
) -> Result<Vacuumed> {
    let outcome = removed(context, name, keeping, is_trial).await;
    if !is_trial {
        let told = match &outcome {
            Ok(done) => serde_json::to_value(done).map_err(Error::internal)?,
            Err(_) => Value::Null,
        };
        context.audit.record(event(context, "vacuum", name, told, outcome.as_ref().err())).await;
    }
    outcome
}

async fn removed(context: &Context, name: &TableName, keeping: Keeping, is_trial: bool) -> Result<Vacuumed> {
    let limit = keeping.limit(Utc::now())?;
    let Kept { record, log, .. } = Kept::find(context, name).await?;
    let mut done =
        Vacuumed { table: name.clone(), versions: Vec::new(), in_use: Vec::new(), files: 0, bytes: 0 };
    // Read before the versions are: what is named by then is of a version, or of none any more.
    let stored = log.stored().await?;
    let mut gone = BTreeSet::new();
    for version in over(context.catalog.versions(&record).await?, limit) {
        let is_read = version.read_until >= Utc::now();
        let is_gone = match is_trial {
            true => !is_read,
            false => context.catalog.forget_version(&record, &version).await?,
        };
        if is_gone {
            done.versions.push(version.version);
            gone.insert(version.published_at);
        } else {
            done.in_use.push(version.version);
        }
    }
    let needed = needed(context, &record, &gone).await?;
    let doomed = stored.files.iter().filter(|file| {
        !needed.contains(&file.path) && (stored.named.contains(&file.path) || is_left(file, limit))
    });
    let doomed = doomed.cloned().collect::<Vec<_>>();
    done.files = doomed.len();
    done.bytes = doomed.iter().map(|file| file.bytes).sum();
    if !is_trial {
        log.remove(doomed.into_iter().map(|file| file.path).collect()).await?;
    }
    Ok(done)
}

impl Keeping {
    /// When the next version must have been published of one that is over `now`.
    fn limit(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        if self.retention < self.least {
            let least = self.least.as_secs();
            return Err(Error::invalid_request(format!(
                "versions are kept for {least} seconds at least, as long as a query may read one"
            )));
        }
        let retention = TimeDelta::from_std(self.retention).ok();
        let limit = retention.and_then(|retention| now.checked_sub_signed(retention));
        limit.ok_or_else(|| Error::invalid_request("versions cannot be kept for as long as that"))
    }
}

/// The versions of which the next one was published before `limit`.
fn over(versions: Vec<PublishedVersion>, limit: DateTime<Utc>) -> Vec<PublishedVersion> {
    let next = versions.iter().skip(1).map(|version| version.published_at).collect::<Vec<_>>();
    // The last one has no next.
    let pairs = versions.into_iter().zip(next);
    pairs.filter(|(_, next)| *next < limit).map(|(version, _)| version).collect()
}

/// Where all files lie that are still needed: those of the versions that can be asked for, by whatever name the folder has in
/// the catalog, and those that the log has behind the published one, which somebody may be about to publish.
async fn needed(
    context: &Context,
    record: &TableRecord,
    gone: &BTreeSet<DateTime<Utc>>,
) -> Result<HashSet<Path>> {
    let Kept { record: now, version: published, log, .. } = Kept::find(context, &record.name).await?;
    if now.id != record.id {
        return Err(Error::conflict(format!("`{}` was made anew meanwhile: run it again", record.name)));
    }
    let newest = log.open(None).await?.version()?;
    let mut all = (published..=newest).collect::<BTreeSet<_>>();
    let folder = |table: &TableRecord| table.location.trim_end_matches('/').to_owned();
    for table in context.catalog.tables().await?.iter().filter(|table| folder(table) == folder(&now)) {
        // Of a trial, those that would be gone are still there. A number may have been published twice.
        let is_kept =
            |version: &PublishedVersion| table.id != now.id || !gone.contains(&version.published_at);
        let versions = context.catalog.versions(table).await?.into_iter().filter(is_kept);
        all.extend(versions.map(|version| version.version));
    }
    log.paths_of(&all).await
}

/// Whether nobody can be about to name a file that no commit has named.
fn is_left(file: &StoredFile, limit: DateTime<Utc>) -> bool {
    file.written_at < limit.min(Utc::now() - UNNAMED)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;

    use super::*;

    fn version(version: i64, second: i64) -> PublishedVersion {
        PublishedVersion {
            version,
            published_at: DateTime::from_timestamp(second, 0).unwrap(),
            read_until: DateTime::UNIX_EPOCH,
            schema: Arc::new(Schema::empty()),
            partition_columns: Vec::new(),
        }
    }

    #[test]
    fn a_version_is_over_when_the_next_one_is_old() {
        let versions = || vec![version(0, 10), version(1, 20), version(3, 30)];
        let over = |second| {
            let over = over(versions(), DateTime::from_timestamp(second, 0).unwrap());
            over.into_iter().map(|version| version.version).collect::<Vec<_>>()
        };
        assert_eq!(over(20), [0_i64; 0]);
        assert_eq!(over(21), [0]);
        assert_eq!(over(1000), [0, 1], "the published one stays");
    }

    #[test]
    fn a_retention_must_outlast_a_query() {
        let keeping = |retention| Keeping { retention, least: Duration::from_secs(420) };
        let error = keeping(Duration::from_secs(419)).limit(Utc::now()).unwrap_err();
        assert!(error.detail().contains("420 seconds at least"), "{error}");
        assert!(keeping(Duration::from_secs(420)).limit(Utc::now()).is_ok());
        assert!(keeping(Duration::MAX).limit(Utc::now()).is_err());
    }
}

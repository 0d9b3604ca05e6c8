//! The policy store: what lakegate itself remembers, in SQLite or PostgreSQL.
//!
//! One implementation over `sqlx::Any` serves both: the SQL keeps to what both speak, and the few differences (how a
//! transaction begins, how the version row is locked) are here and in `version.rs`. The only folder that speaks SQL
//! to our own database; it does not know who may change what, or what a change means for a query.
//!
//! Every write goes through [`Store::commit`]. Writers are serialized by the version row: SQLite takes its write
//! lock when the transaction begins, PostgreSQL locks the row. So a writer never sees half of another's change, and
//! the server and a command line beside it may use one store.

mod after;
mod audit;
mod changes;
mod connect;
mod databases;
mod failure;
mod grants;
mod objects;
pub mod record;
mod roles;
pub mod runs;
mod secrets;
mod tables;
mod taken;
mod version;
mod versions;
mod watch;

use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use serde_json::{Value, json};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};
use uuid::Uuid;

pub use audit::{AuditFilter, AuditPage};
pub use watch::Watch;

use crate::audit::event::AuditEvent;
use crate::error::{Error, Result};
use connect::Dialect;
use failure::store_failed;
use record::{Change, Description, IngestJob, SourceRecord, State, Tagging, TakenFiles, Unreleased, View};

use crate::policy::model::Filter;
use crate::policy::proposal::Proposal;
use crate::policy::restriction::Restriction;
use crate::policy::tag::Tag;

/// A handle to the policy store. Cheap to clone; all clones share one pool of connections.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    url: Arc<str>,
}

/// What one change did, for its audit record.
struct Applied {
    action: &'static str,
    /// The table concerned, as `database.table`.
    table: Option<String>,
    before: Value,
    after: Value,
}

impl Store {
    /// Applies `changes` in one transaction, all or none, and gives the new policy version.
    ///
    /// Each change writes one audit record in the same transaction: there is no change without its record. Without
    /// changes nothing is written and the version stays.
    pub async fn commit(&self, actor: &str, changes: Vec<Change>) -> Result<i64> {
        self.commit_if(actor, None, changes).await
    }

    /// As [`Store::commit`], but refused as a conflict when the policy is not at `expected_version` any more: for a
    /// writer whose changes rest on all of the policy, as `policy apply` does.
    pub async fn commit_if(
        &self,
        actor: &str,
        expected_version: Option<i64>,
        changes: Vec<Change>,
    ) -> Result<i64> {
        self.commit_all(actor, expected_version, changes, None).await
    }

    /// As [`Store::commit`], and the files that the published version has taken are noted in the same transaction; refused as
    /// a conflict when one of them was taken meanwhile.
    pub async fn commit_taking(
        &self,
        actor: &str,
        changes: Vec<Change>,
        taken: Option<&TakenFiles>,
    ) -> Result<i64> {
        self.commit_all(actor, None, changes, taken).await
    }

    async fn commit_all(
        &self,
        actor: &str,
        expected_version: Option<i64>,
        changes: Vec<Change>,
        taken: Option<&TakenFiles>,
    ) -> Result<i64> {
        let mut transaction = self.begin_write().await?;
        let version = version::lock(&mut transaction, self.dialect).await?;
        if expected_version.is_some_and(|expected| expected != version) {
            return Err(Error::conflict(
                "the policy was changed by somebody else since it was read: read it again",
            ));
        }
        if changes.is_empty() {
            return Ok(version);
        }
        for change in &changes {
            let applied = apply(&mut transaction, change).await?;
            audit::insert(&mut transaction, &applied.event(actor)).await?;
        }
        if let Some(taken) = taken {
            taken::take(&mut transaction, taken).await?;
        }
        changes::keep(&mut transaction, version + 1, &changes).await?;
        version::set(&mut transaction, version + 1).await?;
        if self.dialect == Dialect::Postgres {
            version::tell(&mut transaction).await?;
        }
        transaction.commit().await.map_err(store_failed)?;
        Ok(version + 1)
    }

    /// Everything that is governed, as of one moment.
    pub async fn load(&self) -> Result<State> {
        let mut transaction = self.begin_read().await?;
        let version = version::read(&mut transaction).await?;
        let databases = databases::list(&mut transaction).await?;
        let tables = tables::list(&mut transaction).await?;
        let tables = tables.into_iter().map(|(name, table)| (name, table.shared())).collect();
        let roles = roles::list(&mut transaction).await?;
        let grants = grants::list(&mut transaction).await?;
        let grants = grants.into_iter().map(|(id, grant)| (id, grant.shared())).collect();
        let filters = objects::list(&mut transaction).await?;
        let restrictions = objects::list(&mut transaction).await?;
        let tags = objects::list(&mut transaction).await?;
        let taggings = objects::list(&mut transaction).await?;
        let descriptions = objects::list::<Description>(&mut transaction).await?.into_values();
        let descriptions = descriptions.map(|one| (one.value.table.clone(), one.shared())).collect();
        let proposals = objects::list(&mut transaction).await?;
        let views = objects::list::<View>(&mut transaction).await?.into_values();
        let views = views.map(|view| (view.value.name.clone(), view)).collect();
        let unreleased = objects::list::<Unreleased>(&mut transaction).await?.into_values();
        let unreleased = unreleased.map(|kept| (kept.value.table.clone(), kept)).collect();
        let sources = objects::list(&mut transaction).await?;
        let ingest_jobs = objects::list(&mut transaction).await?;
        transaction.commit().await.map_err(store_failed)?;
        Ok(State {
            version,
            databases,
            tables,
            roles,
            grants,
            filters,
            restrictions,
            tags,
            taggings,
            descriptions,
            proposals,
            views,
            unreleased,
            sources,
            ingest_jobs,
        })
    }

    /// What was changed since version `after`, in order, and the version that this leads to; nothing when that is too
    /// long ago to be known, and everything must be read.
    pub async fn changes_since(&self, after: i64) -> Result<Option<(i64, Vec<Change>)>> {
        let mut transaction = self.begin_read().await?;
        let now = version::read(&mut transaction).await?;
        let changes = changes::between(&mut transaction, after, now).await?;
        transaction.commit().await.map_err(store_failed)?;
        Ok(changes.map(|changes| (now, changes)))
    }

    /// The policy version now. Cheap: made to be polled, to see whether to [`Store::load`] again.
    pub async fn policy_version(&self) -> Result<i64> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        version::read(&mut connection).await
    }

    /// Keeps audit records, all or none. A record whose id is kept already is left as it is, so that a writer that
    /// does not know whether it succeeded can try again.
    pub async fn record(&self, events: &[AuditEvent]) -> Result<()> {
        let mut transaction = self.begin_write().await?;
        for event in events {
            audit::insert(&mut transaction, event).await?;
        }
        transaction.commit().await.map_err(store_failed)
    }

    /// The audit records that `filter` selects, newest first, a page at a time.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditPage> {
        let mut transaction = self.begin_read().await?;
        let page = audit::page(&mut transaction, filter).await?;
        transaction.commit().await.map_err(store_failed)?;
        Ok(page)
    }

    /// The secret called `name`: made by `make` the first time, the same ever after, for every node of this store.
    pub async fn secret(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>> {
        let mut connection = self.pool.acquire().await.map_err(store_failed)?;
        if let Some(secret) = secrets::get(&mut connection, name).await? {
            return Ok(secret);
        }
        secrets::create(&mut connection, name, make()).await
    }

    async fn begin_write(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.dialect {
            // Takes the write lock at once: a transaction that reads first and writes later could not wait for it.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        self.pool.begin_with(begin).await.map_err(store_failed)
    }

    async fn begin_read(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.pool.begin_with(begin).await.map_err(store_failed)
    }
}

async fn apply(connection: &mut AnyConnection, change: &Change) -> Result<Applied> {
    match change {
        Change::CreateDatabase(value) => databases::create(connection, value).await,
        Change::UpdateDatabase { value, expected } => databases::update(connection, value, *expected).await,
        Change::DropDatabase { name, expected } => databases::drop(connection, name, *expected).await,
        Change::CreateTable(value) => tables::create(connection, value).await,
        Change::UpdateTable { value, expected } => tables::update(connection, value, *expected).await,
        Change::DropTable { name, expected } => {
            objects::forget::<Description>(connection, &name.to_string()).await?;
            objects::forget_within::<Proposal>(connection, &format!("{name}.")).await?;
            tables::drop(connection, name, *expected).await
        }
        Change::CreateRole(value) => roles::create(connection, value).await,
        Change::UpdateRole { value, expected } => roles::update(connection, value, *expected).await,
        Change::DropRole { name, expected } => roles::drop(connection, name, *expected).await,
        Change::CreateGrant(value) => grants::create(connection, value).await,
        Change::UpdateGrant { value, expected } => grants::update(connection, value, *expected).await,
        Change::DropGrant { id, expected } => grants::drop(connection, id, *expected).await,
        Change::CreateFilter(value) => objects::create(connection, value).await,
        Change::UpdateFilter { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropFilter { name, expected } => objects::drop::<Filter>(connection, name, *expected).await,
        Change::CreateRestriction(value) => objects::create(connection, value).await,
        Change::UpdateRestriction { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropRestriction { name, expected } => {
            objects::drop::<Restriction>(connection, name, *expected).await
        }
        Change::CreateTag(value) => objects::create(connection, value).await,
        Change::UpdateTag { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropTag { key, expected } => objects::drop::<Tag>(connection, key, *expected).await,
        Change::CreateTagging(value) => objects::create(connection, value).await,
        Change::UpdateTagging { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropTagging { object, expected } => {
            objects::drop::<Tagging>(connection, &object.to_string(), *expected).await
        }
        Change::Describe(value) => objects::put(connection, value).await,
        Change::CreateProposal(value) => objects::create(connection, value).await,
        Change::UpdateProposal { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropProposal { object, expected } => {
            objects::drop::<Proposal>(connection, &object.to_string(), *expected).await
        }
        Change::CreateView(value) => objects::create(connection, value).await,
        Change::UpdateView { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropView { name, expected } => {
            objects::drop::<View>(connection, &name.to_string(), *expected).await
        }
        Change::CreateUnreleased(value) => objects::create(connection, value).await,
        Change::UpdateUnreleased { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropUnreleased { table, expected } => {
            objects::drop::<Unreleased>(connection, &table.to_string(), *expected).await
        }
        Change::CreateSource(value) => objects::create(connection, value).await,
        Change::UpdateSource { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropSource { name, expected } => {
            objects::drop::<SourceRecord>(connection, name, *expected).await
        }
        Change::CreateIngestJob(value) => objects::create(connection, value).await,
        Change::UpdateIngestJob { value, expected } => objects::update(connection, value, *expected).await,
        Change::DropIngestJob { name, expected } => {
            objects::drop::<IngestJob>(connection, name, *expected).await
        }
    }
}

impl Applied {
    fn new(action: &'static str, before: Value, after: Value) -> Self {
        Self { action, table: None, before, after }
    }

    fn on_table(self, table: impl fmt::Display) -> Self {
        Self { table: Some(table.to_string()), ..self }
    }

    fn event(self, actor: &str) -> AuditEvent {
        let mut event = AuditEvent::new(Uuid::now_v7(), actor, self.action);
        event.at = Utc::now();
        event.tables = self.table.into_iter().collect();
        event.policy = json!({ "before": self.before, "after": self.after });
        event
    }
}

/// Refuses a change by somebody who read another revision than the one that is there now.
fn check_revision(name: &str, current: i64, expected: Option<i64>) -> Result<()> {
    match expected {
        Some(expected) if expected != current => Err(Error::conflict(format!(
            "`{name}` was changed by somebody else since it was read: read it again"
        ))),
        _ => Ok(()),
    }
}

fn exists_already(what: &str, name: &str) -> Error {
    Error::conflict(format!("{what} exists already: `{name}`"))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool knows the URL, and the URL may hold a password.
        f.debug_struct("Store").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

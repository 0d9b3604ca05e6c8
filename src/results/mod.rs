//! Queries that nobody waits for: each runs on its own, and its result is kept until its owner has read it or its time is
//! over.
//!
//! A result belongs to whoever asked, and only for as long as the policy lets them see the same of its tables: that is
//! asked anew for each look at it. Everything here is of one node, and gone when it ends; the files of results that did
//! not fit into memory lie in the lake, where what a dead node has left is removed by age.
//!
//! It knows no protocol, and decides nothing: a query runs the way of every query.

mod pages;
mod spool;
mod submitted;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::pages::Page;
use self::spool::Budget;
use self::submitted::Shared;
pub use self::submitted::{Outcome, Status, Submitted};
use crate::app::App;
use crate::config::LimitsConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Area;
use crate::policy::principal::Identity;
use crate::query::Request;

/// How often is looked for results whose time is over.
const SWEEP: Duration = Duration::from_secs(10);

/// Every so many times also for files that nobody knows any more.
const LEFTOVERS: u64 = 360;

/// Files that no node can still know are older than this and the life of a result.
const MARGIN: Duration = Duration::from_secs(24 * 3600);

/// The queries of this node that nobody waits for.
#[derive(Debug)]
pub struct Results {
    kept: Mutex<BTreeMap<Uuid, Arc<Submitted>>>,
    shared: Shared,
    limits: LimitsConfig,
}

impl Results {
    /// None yet; what does not fit into memory goes to `area`.
    pub fn new(limits: &LimitsConfig, area: Area) -> Self {
        let shared = Shared {
            area,
            budget: Arc::new(Budget::new(limits.result_memory)),
            turns: Arc::new(Semaphore::new(limits.max_concurrent_queries.div_ceil(2))),
            size: limits.result_size,
            life: limits.result_life,
        };
        Self { kept: Mutex::default(), shared, limits: limits.clone() }
    }

    /// Starts `request` for `identity` and does not wait for it.
    ///
    /// # Errors
    ///
    /// `limit_exceeded` when too many queries of this user are kept.
    pub fn submit(
        &self,
        app: &Arc<App>,
        identity: Arc<Identity>,
        request: Request,
    ) -> Result<Arc<Submitted>> {
        let mut kept = self.lock();
        self.refuse_too_many(&identity.user, &kept)?;
        let submitted = Submitted::start(app, identity, request, &self.shared);
        kept.insert(submitted.id(), Arc::clone(&submitted));
        Ok(submitted)
    }

    /// The query `id` of `identity`. That of another does not exist for them.
    ///
    /// # Errors
    ///
    /// `not_found` when there is none.
    pub fn find(&self, identity: &Identity, id: Uuid) -> Result<Arc<Submitted>> {
        let is_there = |submitted: &&Arc<Submitted>| submitted.is_of(identity) && !submitted.is_over();
        let found = self.lock().get(&id).filter(is_there).cloned();
        found.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "query not found: `{id}`; results are kept for a while on the node that took the query"
                ),
            )
        })
    }

    /// The query `id` of `identity` and how it is, when the policy still lets them see the same of what it read.
    ///
    /// # Errors
    ///
    /// `not_found` when there is none, or when the policy no longer does.
    pub fn look(&self, app: &App, identity: &Arc<Identity>, id: Uuid) -> Result<(Arc<Submitted>, Status)> {
        let submitted = self.find(identity, id)?;
        // Before the look at the policy: what is known only after it must not be told on its word.
        let status = submitted.status();
        submitted.refuse_changed(app, identity)?;
        Ok((submitted, status))
    }

    /// The queries of `identity`, the newest first.
    pub fn of(&self, identity: &Identity) -> Vec<Arc<Submitted>> {
        let kept = self.lock();
        let newest_first = kept.values().rev();
        newest_first.filter(|submitted| submitted.is_of(identity) && !submitted.is_over()).cloned().collect()
    }

    /// Ends the query `id` of `identity` when it runs, and forgets it and its result when it does not.
    ///
    /// # Errors
    ///
    /// `not_found` when there is none.
    pub async fn cancel(&self, identity: &Identity, id: Uuid) -> Result<()> {
        let submitted = self.find(identity, id)?;
        if !submitted.cancel() {
            self.lock().remove(&id);
        }
        submitted.forget_rows().await
    }

    /// Ends all queries and removes their results.
    pub async fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        self.end(all.into_values().collect()).await;
    }

    /// One look for results whose time is over.
    async fn sweep(&self) {
        let over: Vec<_> = self.lock().extract_if(.., |_, submitted| submitted.is_over()).collect();
        self.end(over.into_iter().map(|(_, submitted)| submitted).collect()).await;
    }

    async fn remove_leftovers(&self) {
        let age = self.limits.result_life + self.limits.query_timeout + MARGIN;
        match self.shared.area.remove_older_than(age).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "files of results that nobody knows any more were removed"),
            Err(error) => tracing::warn!(%error, "old results could not be looked for"),
        }
    }

    async fn end(&self, ended: Vec<Arc<Submitted>>) {
        for submitted in ended {
            submitted.cancel();
            if let Err(error) = submitted.forget_rows().await {
                tracing::warn!(%error, "a result that is over could not be removed");
            }
        }
    }

    /// Refuses one more of `user` when too many are kept: nobody's result goes before its time.
    fn refuse_too_many(&self, user: &str, kept: &BTreeMap<Uuid, Arc<Submitted>>) -> Result<()> {
        let is_theirs = |submitted: &&Arc<Submitted>| submitted.owner() == user && !submitted.is_over();
        let of_user = kept.values().filter(is_theirs).count();
        if of_user < self.limits.results_per_user {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("{of_user} of your queries are kept here; delete one that you no longer need"),
        ))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Arc<Submitted>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what is over for as long as the app lives, and now and then what nodes that are no more have left.
pub async fn sweep(app: Weak<App>) {
    let mut round = 0_u64;
    loop {
        let Some(results) = app.upgrade().map(|app| Arc::clone(&app.results)) else { return };
        results.sweep().await;
        if round.is_multiple_of(LEFTOVERS) {
            results.remove_leftovers().await;
        }
        round = round.wrapping_add(1);
        drop(results);
        tokio::time::sleep(SWEEP).await;
    }
}

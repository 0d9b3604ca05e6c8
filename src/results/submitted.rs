//! One query that nobody waits for: who asked, how far it is, how it ended, and its rows.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant as Deadline;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::spool::{Budget, Chunk, Files, Spool};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::Area;
use crate::policy::principal::Identity;
use crate::query::standing::refuse_changed;
use crate::query::watch::{Stage, Watch};
use crate::query::{self, Answer, PolicyNotice, Request};

/// Rows that have come are kept, and can be read, after this time at the latest.
const GATHERING: Duration = Duration::from_millis(500);

/// A query and its result.
#[derive(Debug)]
pub struct Submitted {
    request: Request,
    owner: String,
    created_at: DateTime<Utc>,
    watch: Arc<Watch>,
    life: Duration,
    state: Sender<State>,
    chunks: RwLock<Vec<Arc<Chunk>>>,
    files: Arc<Files>,
    cancelled: CancellationToken,
}

/// What all queries that are submitted share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub area: Area,
    pub budget: Arc<Budget>,
    /// How many may run at once, so that those whom somebody waits for have turns left.
    pub turns: Arc<Semaphore>,
    /// How large one result may be.
    pub size: u64,
    /// How long a result is kept.
    pub life: Duration,
}

/// How a query ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All rows are there; some were left out because of `max_rows` when it is `truncated`.
    Finished {
        truncated: bool,
    },
    Failed(Arc<Error>),
    Cancelled,
}

/// What changes while a query runs.
#[derive(Debug, Default)]
pub(super) struct State {
    pub head: Option<(SchemaRef, PolicyNotice)>,
    pub rows: u64,
    pub bytes: u64,
    pub ended: Option<Ended>,
}

#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub outcome: Outcome,
    at: DateTime<Utc>,
    since: Instant,
}

/// A look at a query.
#[derive(Debug, Clone)]
pub struct Status {
    pub query_id: Uuid,
    pub sql: String,
    pub stage: Stage,
    /// None while it runs.
    pub outcome: Option<Outcome>,
    /// Known once it runs.
    pub head: Option<(SchemaRef, PolicyNotice)>,
    /// How many rows there are until now.
    pub rows: u64,
    /// What they take where they are kept; not told where policy withholds something, since it follows from hidden rows
    /// which rows share a batch.
    pub bytes: Option<u64>,
    pub percent: Option<f64>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// When the result goes.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Submitted {
    /// Starts `request`.
    pub(super) fn start(
        app: &Arc<App>,
        identity: Arc<Identity>,
        request: Request,
        shared: &Shared,
    ) -> Arc<Self> {
        let watch = Arc::new(Watch::default());
        let submitted = Arc::new(Self {
            owner: identity.user.clone(),
            created_at: Utc::now(),
            life: shared.life,
            state: Sender::new(State::default()),
            chunks: RwLock::default(),
            files: Arc::new(Files::new(request.query_id, shared.area.clone())),
            cancelled: CancellationToken::new(),
            request: Request { watch: Some(Arc::clone(&watch)), ..request },
            watch,
        });
        let running = Ending(Arc::clone(&submitted));
        tokio::spawn(running.run(Arc::clone(app), identity, shared.clone()));
        submitted
    }

    /// Its id, which the audit record has too.
    pub fn id(&self) -> Uuid {
        self.request.query_id
    }

    /// What was asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Refuses when the policy lets `identity` see something else of what the query read than it did then.
    ///
    /// # Errors
    ///
    /// `not_found` when it does, and whatever the statement itself would be refused with now.
    pub fn refuse_changed(&self, app: &App, identity: &Arc<Identity>) -> Result<()> {
        match self.watch.standing() {
            // Nothing is decided yet, and so nothing is known.
            None => Ok(()),
            Some(standing) => refuse_changed(app, identity, &self.request, standing),
        }
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        let state = self.state.borrow();
        let ended = state.ended.clone();
        let ended_at = ended.as_ref().map(|ended| ended.at);
        let life = chrono::Duration::from_std(self.life).unwrap_or(chrono::Duration::MAX);
        let is_finished =
            ended.as_ref().is_some_and(|ended| matches!(ended.outcome, Outcome::Finished { .. }));
        Status {
            query_id: self.id(),
            sql: self.request.sql.clone(),
            stage: self.watch.stage(),
            head: state.head.clone(),
            rows: state.rows,
            bytes: self.watch.is_open().then_some(state.bytes),
            percent: if is_finished { Some(100.0) } else { self.watch.percent() },
            created_at: self.created_at,
            ended_at,
            expires_at: ended_at.and_then(|at| at.checked_add_signed(life)),
            outcome: ended.map(|ended| ended.outcome),
        }
    }

    /// Waits until the query has ended.
    pub async fn ended(&self) {
        // The sender lives as long as this does.
        let _ = self.state.subscribe().wait_for(|state| state.ended.is_some()).await;
    }

    /// Waits until the columns of the result are known.
    ///
    /// # Errors
    ///
    /// Whatever the query failed with, if it has.
    pub async fn head(&self) -> Result<(SchemaRef, PolicyNotice)> {
        let mut states = self.state.subscribe();
        let is_known = |state: &State| state.head.is_some() || state.ended.is_some();
        let state = states.wait_for(is_known).await.map_err(Error::internal)?;
        match (&state.head, &state.ended) {
            (Some(head), None | Some(Ended { outcome: Outcome::Finished { .. }, .. })) => Ok(head.clone()),
            (_, Some(ended)) => Err(ended.outcome.as_error()),
            (None, None) => Err(Error::internal("a wait that ended too early")),
        }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.owner == identity.user
    }

    /// Whether the time of the result is over.
    pub(super) fn is_over(&self) -> bool {
        self.state.borrow().ended.as_ref().is_some_and(|ended| ended.since.elapsed() >= self.life)
    }

    /// Ends the query, if it runs. Its work removes what it has kept.
    pub(super) fn cancel(&self) -> bool {
        self.cancelled.cancel();
        self.end(Outcome::Cancelled)
    }

    /// Lets go of the rows. What is being read of them breaks.
    pub(super) async fn forget_rows(&self) -> Result<()> {
        self.chunks.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.files.remove().await
    }

    pub(super) fn states(&self) -> Receiver<State> {
        self.state.subscribe()
    }

    /// The chunk that has `row`.
    pub(super) fn chunk_at(&self, row: u64) -> Option<Arc<Chunk>> {
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let after = chunks.partition_point(|chunk| chunk.first_row <= row);
        let chunk = chunks.get(after.checked_sub(1)?)?;
        (row < chunk.first_row + chunk.rows).then(|| Arc::clone(chunk))
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Runs the query and keeps its rows; says whether some were left out.
    async fn fill(&self, app: &Arc<App>, identity: Arc<Identity>, shared: &Shared) -> Result<bool> {
        let _turn = self.unless_cancelled(shared.turns.acquire()).await?.map_err(Error::internal)?;
        let running = query::run(app, identity, self.request.clone());
        let Answer { schema, notice, mut rows, .. } = self.unless_cancelled(running).await??;
        let mut spool = Spool::new(Arc::clone(&schema), &self.files, &shared.budget, shared.size);
        self.state.send_modify(|state| state.head = Some((schema, notice)));
        let mut gathered_until = None;
        loop {
            let next = match gathered_until {
                None => self.unless_cancelled(rows.next()).await?,
                Some(until) => {
                    match self.unless_cancelled(tokio::time::timeout_at(until, rows.next())).await? {
                        Ok(next) => next,
                        Err(_) => {
                            self.keep(spool.close().await?);
                            gathered_until = None;
                            continue;
                        }
                    }
                }
            };
            let Some(batch) = next.transpose()? else { break };
            for part in spool.parts(&batch) {
                self.keep(spool.add(part).await?);
            }
            gathered_until = match spool.has_gathered() {
                true => gathered_until.or_else(|| Some(Deadline::now() + GATHERING)),
                false => None,
            };
        }
        self.keep(spool.close().await?);
        Ok(rows.truncated())
    }

    /// `work`, unless the query is cancelled before that is done. What is kept on the way is not left half-way.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Outcome::Cancelled.as_error()),
            done = work => Ok(done),
        }
    }

    fn keep(&self, chunk: Option<Chunk>) {
        let Some(chunk) = chunk else { return };
        let (rows, bytes) = (chunk.rows, chunk.bytes);
        self.state.send_if_modified(|state| {
            if state.ended.is_some() {
                return false;
            }
            self.chunks.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(chunk));
            state.rows += rows;
            state.bytes += bytes;
            true
        });
    }

    /// Says how the query ended, unless that was said before.
    fn end(&self, outcome: Outcome) -> bool {
        self.state.send_if_modified(|state| {
            let runs = state.ended.is_none();
            if runs {
                state.ended = Some(Ended { outcome, at: Utc::now(), since: Instant::now() });
            }
            runs
        })
    }
}

/// A query that has an end, whatever happens to its work.
struct Ending(Arc<Submitted>);

impl Ending {
    async fn run(self, app: Arc<App>, identity: Arc<Identity>, shared: Shared) {
        let submitted = &self.0;
        let outcome = match submitted.fill(&app, identity, &shared).await {
            Ok(truncated) => Outcome::Finished { truncated },
            Err(error) if error.kind() == ErrorKind::Cancelled => Outcome::Cancelled,
            Err(error) => {
                error.log(submitted.id());
                Outcome::Failed(Arc::new(error))
            }
        };
        let is_whole = matches!(outcome, Outcome::Finished { .. });
        let was_running = submitted.end(outcome);
        // A part of a result is nobody's to read.
        if !(is_whole && was_running)
            && let Err(error) = submitted.forget_rows().await
        {
            error.log(submitted.id());
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end(Outcome::Failed(Arc::new(Error::internal("the query's work ended without a word"))));
        self.0.watch.end();
    }
}

impl Outcome {
    /// What whoever reads the rows is told in their place.
    pub(super) fn as_error(&self) -> Error {
        match self {
            Self::Failed(error) => Error::new(error.kind(), error.detail()),
            Self::Cancelled => Error::new(ErrorKind::Cancelled, "the query was cancelled"),
            Self::Finished { .. } => Error::internal("a query that finished has no columns"),
        }
    }
}

//! Everything that requests share, and the only place that wires concrete types.

pub mod grants;
pub mod policy;
pub mod proposals;
pub mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use self::rules::Names;
use crate::audit::sink::AuditSink;
use crate::catalog::publish::Catalog;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Authenticator;
use crate::ingest::rows::Inserts;
use crate::lake::Lake;
use crate::policy::compile::Index;
use crate::policy::principal::{Identity, Principal};
use crate::query::engine::Engine;
use crate::query::mask::MaskKey;
use crate::results::Results;
use crate::store::Store;
use crate::store::record::{Change, State};

/// Whom the store names for versions that hold rows of several users; each of them has a record of their own.
const GATEWAY: &str = "gateway";

/// How often a node looks whether somebody else has changed the policy.
const FOLLOW: Duration = Duration::from_millis(250);

/// The handles of a running gateway.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub store: Store,
    pub lake: Lake,
    pub audit: AuditSink,
    pub authenticator: Authenticator,
    pub engine: Arc<Engine>,
    /// Of queries that nobody waits for.
    pub results: Arc<Results>,
    /// Rows that programs send, on their way into tables.
    pub inserts: Arc<Inserts>,
    /// What the mask `hash` is keyed with.
    pub mask_key: MaskKey,
    governance: ArcSwap<Governance>,
    /// When the store last answered.
    reached: ArcSwap<Instant>,
}

/// The catalog and the policy of one policy version: immutable, and swapped as a whole.
#[derive(Debug)]
pub struct Governance {
    pub state: State,
    pub index: Index,
}

impl Governance {
    fn of(state: State) -> Self {
        Self { index: state.index(), state }
    }

    /// What is in force after `changes`, which lead to `version`. It shares what they leave alone, so it costs what
    /// they change.
    pub fn after(&self, version: i64, changes: &[Change]) -> Self {
        let state = State { version, ..self.state.after(changes) };
        Self { index: state.index_after(&self.state, &self.index, changes), state }
    }
}

impl App {
    /// Connects to everything that `config` names, brings the store up to date, and starts to follow it.
    pub async fn build(config: Config) -> Result<Arc<Self>> {
        let store = Store::connect(&config.store.url).await?;
        store.migrate().await?;
        let audit = audit_into(&store);
        let lake = Lake::new(&config.lake)?;
        let engine = Arc::new(Engine::new(&config.limits, Some(lake.registry()))?);
        let app = Arc::new(Self {
            authenticator: Authenticator::new(&config.auth).await?,
            governance: ArcSwap::from_pointee(Governance::of(store.load().await?)),
            reached: ArcSwap::from_pointee(Instant::now()),
            mask_key: store.secret("mask", random_key).await?.into(),
            results: Arc::new(Results::new(&config.limits, lake.results()?)),
            inserts: Arc::new(Inserts::new(
                Catalog::new(store.clone(), GATEWAY),
                lake.clone(),
                config.limits.ingest_memory,
            )),
            config,
            store,
            lake,
            audit,
            engine,
        });
        tokio::spawn(follow(Arc::downgrade(&app)));
        Ok(app)
    }

    /// The same gateway as it would be with `state` in force, for trying a policy out. It does not follow the store,
    /// and shares everything else but where it is audited.
    fn trial(&self, state: State, audit: AuditSink) -> Arc<Self> {
        Arc::new(Self {
            config: self.config.clone(),
            store: self.store.clone(),
            lake: self.lake.clone(),
            audit,
            authenticator: self.authenticator.clone(),
            engine: Arc::clone(&self.engine),
            results: Arc::clone(&self.results),
            inserts: Arc::clone(&self.inserts),
            mask_key: Arc::clone(&self.mask_key),
            governance: ArcSwap::from_pointee(Governance::of(state)),
            reached: ArcSwap::from_pointee(Instant::now()),
        })
    }

    /// The catalog and the policy now in force on this node.
    pub fn state(&self) -> Arc<Governance> {
        self.governance.load_full()
    }

    /// Refuses when the store has not answered for so long that what is in force here may be out of date.
    pub fn refuse_stale(&self) -> Result<()> {
        let silent = self.reached.load().elapsed();
        if silent <= self.config.store.grace {
            return Ok(());
        }
        let text = format!("the policy store has not answered for {} seconds", silent.as_secs());
        Err(Error::new(ErrorKind::Unavailable, text))
    }

    /// Takes up what the store now holds.
    pub async fn refresh(&self) -> Result<()> {
        let before = self.state();
        let newer = match self.store.changes_since(before.state.version).await? {
            Some((version, _)) if version == before.state.version => None,
            Some((version, changes)) => Some(before.after(version, &changes)),
            None => Some(Governance::of(self.store.load().await?)),
        };
        self.reached.store(Arc::new(Instant::now()));
        if let Some(newer) = newer {
            self.take_up(Arc::new(newer));
        }
        Ok(())
    }

    /// Two refreshes may overlap: the newer state stays, whichever was read first.
    fn take_up(&self, newer: Arc<Governance>) {
        self.governance.rcu(|current| {
            if current.state.version >= newer.state.version {
                Arc::clone(current)
            } else {
                Arc::clone(&newer)
            }
        });
    }

    /// Makes `changes` in the store, all or none; they are in force on this node when this returns.
    pub async fn commit(&self, actor: &str, changes: Vec<Change>) -> Result<i64> {
        let version = self.store.commit(actor, changes).await?;
        self.refresh().await?;
        Ok(version)
    }

    /// Judges `changes` and makes them, all or none. Should somebody else change the policy meanwhile, they are judged
    /// again: what is refused is refused for what holds now.
    pub async fn change(&self, actor: &str, changes: Vec<Change>) -> Result<i64> {
        loop {
            let governance = self.state();
            rules::check(self, &governance, &changes, Names::MustExist).map_err(|refused| refused.error)?;
            let outcome = self.commit_if(actor, governance.state.version, changes.clone()).await;
            match outcome {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.refresh().await?;
                    if self.state().state.version == governance.state.version {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// As [`App::commit`], but only while the policy version is still `expected`.
    pub async fn commit_if(&self, actor: &str, expected: i64, changes: Vec<Change>) -> Result<i64> {
        let version = self.store.commit_if(actor, Some(expected), changes).await?;
        self.refresh().await?;
        Ok(version)
    }

    /// Whether `identity` manages catalog and policy. An administrator has no data access without a grant.
    pub fn is_administrator(&self, identity: &Identity) -> bool {
        self.config.auth.administrators.iter().any(|principal| match principal {
            Principal::User(name) => *name == identity.user,
            Principal::Group(name) => identity.groups.contains(name),
            Principal::Role(name) => self.state().index.roles_of(identity).contains(name),
            Principal::Public => true,
        })
    }
}

fn random_key() -> Vec<u8> {
    rand::random::<[u8; 32]>().to_vec()
}

/// A sink whose events are kept in `store`.
pub fn audit_into(store: &Store) -> AuditSink {
    let store = store.clone();
    AuditSink::new(move |events| {
        let store = store.clone();
        Box::pin(async move { store.record(&events).await })
    })
}

/// Follows changes that the command line or another node makes, for as long as the app lives.
async fn follow(app: std::sync::Weak<App>) {
    let Some(mut watch) = app.upgrade().map(|app| app.store.watch()) else { return };
    loop {
        watch.wait(FOLLOW).await;
        let Some(app) = app.upgrade() else { return };
        if let Err(error) = app.refresh().await {
            tracing::error!(%error, "the policy store could not be read; the last known policy stays in force for a while");
        }
    }
}

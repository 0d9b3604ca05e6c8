//! The engine as this gateway uses it: one set of functions, one memory limit, one barrier, no catalog of its own.
//!
//! A session is made for each query and holds the guarded tables of that query and nothing else, so no name in a
//! query, wherever it hides, can reach an unguarded table. Queries run on their own threads: a heavy one does not
//! keep the edge from answering.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, Session, TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::barrier::logical::PushDownFilterToBarrier;
use super::barrier::physical::BarrierPlanner;
use super::functions;
use super::functions::bounded::{Bounds, bounded, is_growing};
use super::functions::planner::planners;
use super::grouping_sets::ForgetfulGroupingSets;
use super::pace::YieldingJoins;
use crate::catalog::version::{At, TableAt};
use crate::config::LimitsConfig;
use crate::error::{Error, ErrorKind, Result};

/// The name of the one catalog, so that `lakegate.database.table` is a table's longest name.
pub const CATALOG: &str = "lakegate";

/// How long a query may wait for its turn before it is refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the files of a registered folder are remembered.
const LISTING_LIFE: Duration = Duration::from_secs(2);

/// Everything that queries share.
#[derive(Debug)]
pub struct Engine {
    base: SessionState,
    /// The functions that each query has under bounds of its own.
    growing: Vec<Arc<ScalarUDF>>,
    memory: u64,
    threads: Threads,
    turns: Arc<Semaphore>,
    timeout: Duration,
}

impl Engine {
    /// An engine with the memory, threads and turns of `limits`, which reads files through `stores`.
    pub fn new(limits: &LimitsConfig, stores: Option<Arc<dyn ObjectStoreRegistry>>) -> Result<Self> {
        let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
        let consumers = std::num::NonZeroUsize::MIN.saturating_add(4);
        let env = match stores {
            Some(stores) => RuntimeEnvBuilder::new().with_object_store_registry(stores),
            None => RuntimeEnvBuilder::new(),
        };
        // Files that other systems add to a registered folder are seen soon.
        let caches = CacheManagerConfig::default().with_list_files_cache_ttl(Some(LISTING_LIFE));
        let env = env
            .with_cache_manager(caches)
            .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(memory), consumers)))
            .build_arc()
            .map_err(Error::internal)?;
        Ok(Self {
            base: base_state(limits, env),
            growing: functions::allowed().scalar.into_iter().filter(is_growing).collect(),
            memory: limits.memory,
            threads: Threads::start()?,
            turns: Arc::new(Semaphore::new(limits.max_concurrent_queries)),
            timeout: limits.query_timeout,
        })
    }

    /// How long one query may take, from its start to its last row.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A session without any table, for expressions.
    pub fn bare(&self) -> &SessionState {
        &self.base
    }

    /// A session that holds `tables` and no others, each at a version under a catalog of that version's name. An unqualified name is looked up in `database`.
    pub fn session(
        &self,
        tables: BTreeMap<impl Into<TableAt>, Arc<dyn TableProvider>>,
        database: Option<&str>,
    ) -> Result<SessionState> {
        let tables = tables.into_iter().map(|(table, provider)| (table.into(), provider));
        let catalogs = catalogs(tables)?;
        let config =
            self.base.config().clone().with_default_catalog_and_schema(CATALOG, database.unwrap_or(""));
        let bounds = Bounds::of_query(self.memory);
        let mut session = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(config)
            .with_expr_planners(planners(&bounds))
            .with_catalog_list(Arc::new(catalogs))
            .build();
        for function in &self.growing {
            session.register_udf(bounded(Arc::clone(function), &bounds)).map_err(Error::internal)?;
        }
        // Gives the query its own time, and its own numbers for the names that the planner makes up: those of one
        // count for all queries would tell how much others ask.
        session.mark_start_execution();
        Ok(session)
    }

    /// Waits for this query's turn; held until its last row.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => {
                Err(Error::new(ErrorKind::LimitExceeded, "too many queries are running; try again later"))
            }
        }
    }

    /// Runs `work` on the engine's threads. Dropping the returned future stops the work.
    pub async fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        self.threads.spawn(work).await
    }

    /// Starts `work` on the engine's threads; it goes on until the returned handle is dropped.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> Work {
        self.threads.start_work(work)
    }
}

/// The catalog of tables as they are now, and one for each version that is asked for.
fn catalogs(
    tables: impl Iterator<Item = (TableAt, Arc<dyn TableProvider>)>,
) -> Result<MemoryCatalogProviderList> {
    let catalogs = MemoryCatalogProviderList::new();
    let added = |name: &str| {
        let catalog: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        catalogs.register_catalog(name.to_owned(), Arc::clone(&catalog));
        catalog
    };
    added(CATALOG);
    for (TableAt { name, at }, provider) in tables {
        let of = if at == At::Now { CATALOG.to_owned() } else { at.to_string() };
        let catalog = catalogs.catalog(&of).unwrap_or_else(|| added(&of));
        let schema = match catalog.schema(&name.database) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&name.database, Arc::clone(&schema)).map_err(Error::internal)?;
                schema
            }
        };
        schema.register_table(name.table, provider).map_err(Error::internal)?;
    }
    Ok(catalogs)
}

fn base_state(limits: &LimitsConfig, env: Arc<RuntimeEnv>) -> SessionState {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_batch_size(limits.batch_size)
        .with_target_partitions(limits.target_partitions);
    let options = config.options_mut();
    options.execution.parquet.pushdown_filters = limits.pushdown_filters;
    options.execution.time_zone = Some("+00:00".to_owned());
    // The engine fails queries of its own when it judges in two places whether a column may be NULL.
    options.execution.skip_physical_aggregate_schema_check = true;
    // It panics when one of the groups is NaN, which no group equals.
    options.optimizer.enable_topk_aggregation = false;
    let allowed = functions::allowed();
    let bounds = Bounds::of_policy(limits.memory);
    SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(env)
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(physical_rules())
        .with_query_planner(Arc::new(Planner))
        .with_expr_planners(planners(&bounds))
        .with_scalar_functions(under(&allowed.scalar, &bounds))
        .with_higher_order_functions(allowed.higher_order)
        .with_aggregate_functions(allowed.aggregate)
        .with_window_functions(allowed.window)
        .with_table_function_list(allowed.table)
        .build()
}

fn under(functions: &[Arc<ScalarUDF>], bounds: &Arc<Bounds>) -> Vec<Arc<ScalarUDF>> {
    functions.iter().map(|function| bounded(Arc::clone(function), bounds)).collect()
}

/// The engine's own rules in their order, with ours in the place of the one that pushes filters.
///
/// Left out are those that make columns of a struct's fields: they lose the table's alias on the way, so that a join on
/// a function of a field does not find its column.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    Optimizer::new()
        .rules
        .into_iter()
        .filter(|rule| !["extract_leaf_expressions", "push_down_leaf_projections"].contains(&rule.name()))
        .map(|rule| match rule.name() {
            "push_down_filter" => Arc::new(PushDownFilterToBarrier::default()) as _,
            _ => rule,
        })
        .collect()
}

/// The engine's own rules for finished plans, between ours.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let first: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(ForgetfulGroupingSets);
    std::iter::once(first)
        .chain(PhysicalOptimizer::new().rules)
        .chain([Arc::new(YieldingJoins) as _])
        .collect()
}

/// A rule of the engine that only saves work, and in some joins finds that it has taken a column for another.
const MOVES_PROJECTIONS: &str = "ProjectionPushdown";

/// `plan` as it is run. Where the rule that moves projections fails, without it; and where the engine contradicts itself over
/// what is known of files (a number that is cast to a text has bounds in another order), without knowing it.
pub(super) async fn physical_plan(
    plan: &LogicalPlan,
    session: &SessionState,
) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let planned = session.query_planner().create_physical_plan(plan, session).await;
    let again = match &planned {
        Err(DataFusionError::Context(rule, _)) if rule == MOVES_PROJECTIONS => {
            let rules = session.physical_optimizers().iter();
            let rules = rules.filter(|rule| rule.name() != MOVES_PROJECTIONS).cloned();
            SessionStateBuilder::new_from_existing(session.clone())
                .with_physical_optimizer_rules(rules.collect())
        }
        Err(fault) if matches!(fault.find_root(), DataFusionError::Internal(_)) => {
            let config = session.config().clone().with_collect_statistics(false);
            SessionStateBuilder::new_from_existing(session.clone()).with_config(config)
        }
        _ => return planned,
    };
    let session = again.build();
    session.query_planner().create_physical_plan(plan, &session).await
}

/// The engine's planner, which also knows the barrier.
#[derive(Debug)]
struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(BarrierPlanner)])
            .create_physical_plan(plan, session)
            .await
    }
}

/// The engine's own threads. Plans recurse, so their stacks are large.
#[derive(Debug)]
struct Threads(Option<Runtime>);

/// Work that runs until this is dropped.
#[derive(Debug)]
pub struct Work(tokio::task::AbortHandle);

impl Threads {
    fn start() -> Result<Self> {
        tokio::runtime::Builder::new_multi_thread()
            .thread_name("engine")
            .thread_stack_size(16 * 1024 * 1024)
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(Error::internal)
    }

    fn start_work(&self, work: impl Future<Output = ()> + Send + 'static) -> Work {
        match &self.0 {
            Some(runtime) => Work(runtime.spawn(work).abort_handle()),
            // Only while the engine is being dropped, when there is nobody left to start work.
            None => Work(tokio::spawn(async {}).abort_handle()),
        }
    }

    async fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let (answer, waiting) = tokio::sync::oneshot::channel();
        let _running = self.start_work(async move {
            let _ = answer.send(work.await);
        });
        waiting.await.map_err(|_| Error::internal("the query's task ended without an answer"))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Threads {
    /// A runtime must not be dropped where it would block, which is where the last request may drop this.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

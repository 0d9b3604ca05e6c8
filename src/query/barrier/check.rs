//! The last look at a finished plan: every scan of a guarded table sits under its own barrier, with its filter.
//!
//! The optimizers are the engine's, and they change with every release. This invariant does not depend on how they
//! work: a plan that breaks it is not run, in release builds too.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;

use super::physical::BarrierExec;

/// A table of the query, at one version, as the check knows it.
#[derive(Debug, Clone)]
pub enum Ground {
    /// The object store's URL, the folder's path in it, and whether it is read under a barrier.
    Files { store: String, folder: String, needs_barrier: bool },
    /// A view: it reads other tables, each with a ground of its own.
    View,
}

impl Ground {
    /// Whether it is read under a barrier.
    pub fn needs_barrier(&self) -> bool {
        matches!(self, Self::Files { needs_barrier: true, .. })
    }
}

/// What the rules of a table and the reading of it are made of. Whatever else stands below a barrier, such as a sort,
/// is a part of the reader's query that got there.
const OF_POLICY: [&str; 11] = [
    "FilterExec",
    "ProjectionExec",
    "DeltaScanExec",
    "DeltaScanMetaExec",
    "UnionExec",
    "RepartitionExec",
    "CoalescePartitionsExec",
    "CoalesceBatchesExec",
    "CooperativeExec",
    "GlobalLimitExec",
    "LocalLimitExec",
];

/// Goes through `plan` and says what is wrong with it, if anything is.
pub fn check(plan: &Arc<dyn ExecutionPlan>, tables: &BTreeMap<String, Ground>) -> Result<(), String> {
    walk(plan, None, false, tables)
}

fn walk(
    node: &Arc<dyn ExecutionPlan>,
    barrier: Option<&BarrierExec>,
    filtered: bool,
    tables: &BTreeMap<String, Ground>,
) -> Result<(), String> {
    if let Some(inner) = node.downcast_ref::<BarrierExec>() {
        if let Some(outer) = barrier
            && !is_view(outer, tables)
        {
            return Err(format!("the barrier of {} stands below that of {}", inner.table(), outer.table()));
        }
        return node.children().into_iter().try_for_each(|child| walk(child, Some(inner), false, tables));
    }
    if let Some(barrier) = barrier.filter(|barrier| !is_view(barrier, tables))
        && !OF_POLICY.contains(&node.name())
        && !node.children().is_empty()
    {
        return Err(format!("a `{}` stands below the barrier of {}", node.name(), barrier.table()));
    }
    let filtered = filtered || node.downcast_ref::<FilterExec>().is_some();
    if node.children().is_empty() {
        return leaf(node, barrier, filtered, tables);
    }
    node.children().into_iter().try_for_each(|child| walk(child, barrier, filtered, tables))
}

fn leaf(
    node: &Arc<dyn ExecutionPlan>,
    barrier: Option<&BarrierExec>,
    filtered: bool,
    tables: &BTreeMap<String, Ground>,
) -> Result<(), String> {
    let Some(scan) = node
        .downcast_ref::<DataSourceExec>()
        .and_then(|source| source.data_source().downcast_ref::<FileScanConfig>())
    else {
        return unknown_leaf(node, barrier.filter(|barrier| !is_view(barrier, tables)));
    };
    let filtered = filtered || scan.file_source.filter().is_some();
    for file in scan.file_groups.iter().flat_map(|group| group.iter()) {
        let path = file.object_meta.location.as_ref();
        let owners = owners(tables, scan.object_store_url.as_str(), path);
        let Some((name, _)) = owners.first() else {
            return Err(format!("a scan reads `{path}`, which is of no table of the query"));
        };
        match barrier.filter(|barrier| !is_view(barrier, tables)) {
            None => {
                if let Some((name, _)) = owners.iter().find(|(_, ground)| ground.needs_barrier()) {
                    return Err(format!("a scan of {name} has no barrier"));
                }
            }
            Some(barrier) if owners.iter().all(|(name, _)| barrier.table() != *name) => {
                return Err(format!("a scan of {name} stands below the barrier of {}", barrier.table()));
            }
            Some(_) => {}
        }
    }
    match barrier {
        Some(barrier) if barrier.filters_rows() && !filtered => {
            Err(format!("the scan of {} lost its row filter", barrier.table()))
        }
        _ => Ok(()),
    }
}

/// A leaf that reads no files of ours: made by the query itself, such as `VALUES`. Below a barrier only an empty one
/// is known to be right.
fn unknown_leaf(node: &Arc<dyn ExecutionPlan>, barrier: Option<&BarrierExec>) -> Result<(), String> {
    const MADE_BY_QUERY: [&str; 7] = [
        "EmptyExec",
        "PlaceholderRowExec",
        "DataSourceExec",
        "WorkTableExec",
        "LazyMemoryExec",
        "DescribeExec",
        "GenerateSeriesExec",
    ];
    match barrier {
        Some(_) if node.downcast_ref::<EmptyExec>().is_some() => Ok(()),
        None if MADE_BY_QUERY.contains(&node.name()) => Ok(()),
        Some(barrier) => {
            Err(format!("an unknown `{}` stands below the barrier of {}", node.name(), barrier.table()))
        }
        None => Err(format!("an unknown `{}` reads something", node.name())),
    }
}

/// A view's barrier guards the view; the tables below it have barriers of their own.
fn is_view(barrier: &BarrierExec, tables: &BTreeMap<String, Ground>) -> bool {
    matches!(tables.get(barrier.table()), Some(Ground::View))
}

/// The tables that a file may be of: several, where versions of one table are read, which share its folder. Then either
/// none of them needs a barrier or all have one.
fn owners<'a>(
    tables: &'a BTreeMap<String, Ground>,
    store: &str,
    path: &str,
) -> Vec<(&'a String, &'a Ground)> {
    let is_of = |ground: &Ground| match ground {
        Ground::View => false,
        Ground::Files { store: of, folder, .. } => of == store && is_inside(path, folder),
    };
    tables.iter().filter(|(_, ground)| is_of(ground)).collect()
}

/// Whether `path` is `folder` or something in it.
pub fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.is_empty())
}

//! What may be told of a query while it runs, to whoever started it and did not wait for it.
//!
//! How far a query is follows from how much it has read, and how much there is to read follows from hidden rows too. So
//! a query that reads anything of which policy withholds something tells its stage and its own rows, and no share.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use super::standing::Standing;

/// Where a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its turn.
    Queued,
    Planning,
    Running,
}

/// One query that is watched.
#[derive(Debug, Default)]
pub struct Watch {
    stage: AtomicU8,
    /// What runs, and how much it has to read. The plan has the inputs of its joins in it, so it is let go at the end.
    plan: Mutex<Option<(Arc<dyn ExecutionPlan>, u64)>>,
    withholds: OnceLock<bool>,
    standing: OnceLock<Standing>,
}

impl Watch {
    /// Where the query is now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Queued,
            1 => Stage::Planning,
            _ => Stage::Running,
        }
    }

    /// The share of its input that the query has read, from 0 to 100, where it is known and may be.
    pub fn percent(&self) -> Option<f64> {
        let running = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let (plan, all) = running.as_ref()?;
        let read = leaves(plan).iter().map(rows_of).sum::<u64>();
        #[allow(clippy::cast_precision_loss, reason = "a share needs no more digits")]
        let share = 100.0 * read as f64 / *all as f64;
        Some(share.min(100.0))
    }

    /// What of the policy the result rests on, once that is decided.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.get()
    }

    /// Whether policy withholds nothing of what is read, so that also sizes may be told.
    pub fn is_open(&self) -> bool {
        self.withholds.get() == Some(&false)
    }

    /// The query has ended.
    pub fn end(&self) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// A query is decided on once: what comes later is not heard.
    pub(super) fn rests_on(&self, standing: Standing) {
        let _ = self.standing.set(standing);
    }

    /// Notes what runs; nothing where something is withheld of what it reads.
    pub(super) fn runs(&self, open_plan: Option<&Arc<dyn ExecutionPlan>>) {
        let _ = self.withholds.set(open_plan.is_none());
        let Some(plan) = open_plan else { return };
        let sizes = leaves(plan).into_iter().map(|leaf| size_of(&leaf)).collect::<Option<Vec<_>>>();
        let all = sizes.map_or(0, |sizes| sizes.iter().sum());
        if all > 0 {
            *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(plan), all));
        }
    }
}

/// The parts of the plan that read.
fn leaves(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    match plan.children().as_slice() {
        [] => vec![Arc::clone(plan)],
        children => children.iter().flat_map(|child| leaves(child)).collect(),
    }
}

fn rows_of(leaf: &Arc<dyn ExecutionPlan>) -> u64 {
    leaf.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or_default() as u64
}

/// How many rows it will read, if that is known beforehand.
fn size_of(leaf: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let statistics = StatisticsContext::new().compute(leaf.as_ref(), &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().map(|rows| *rows as u64)
}

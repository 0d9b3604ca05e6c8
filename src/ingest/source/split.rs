//! The parts of a table that are read side by side.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// A part is worth a statement of its own from about this many bytes on.
const LEAST_BYTES: u64 = 32 * 1024 * 1024;

/// Parts for each reader: one that is done early takes of what is left.
const PARTS_A_READER: u64 = 4;

/// Some rows of a table: those for which the condition holds, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part(pub Option<String>);

impl Part {
    /// The condition of its rows among those of `condition`; none when both are all rows.
    pub fn with(&self, condition: Option<&String>) -> Option<String> {
        let conditions = self.0.iter().chain(condition).map(String::as_str).collect::<Vec<_>>();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }
}

/// Parts that together hold each row once. Readers take one after the other, in order.
#[derive(Debug, Clone)]
pub(super) struct Parts(Arc<Mutex<VecDeque<Part>>>);

impl Parts {
    /// All rows at once.
    pub fn whole() -> Self {
        Self::of([Part(None)])
    }

    /// These parts, in their order.
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        Self(Arc::new(Mutex::new(parts.into_iter().collect())))
    }

    /// The next part that nobody has taken.
    pub fn take(&self) -> Option<Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Where to cut `units` of `unit_bytes` each for `readers`, so that no part is small: the first unit of each part but the
/// first one.
pub(super) fn cuts(units: u64, unit_bytes: u64, readers: usize) -> Vec<u64> {
    let parts = u64::try_from(readers).unwrap_or(u64::MAX).saturating_mul(PARTS_A_READER);
    let least = LEAST_BYTES.div_ceil(unit_bytes.max(1)).max(1);
    let size = units.div_ceil(parts.max(1)).max(least);
    match readers {
        0 | 1 => Vec::new(),
        _ => (1..).map(|part| size.saturating_mul(part)).take_while(|cut| *cut < units).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_is_cut_evenly_and_a_small_one_not_at_all() {
        let block = 8192;
        assert_eq!(cuts(80_000, block, 2), [10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000]);
        assert_eq!(cuts(10_000, block, 2), [4096, 8192]);
        for (blocks, readers) in [(4096, 2), (0, 2), (80_000, 1), (80_000, 0)] {
            assert!(cuts(blocks, block, readers).is_empty(), "{blocks} {readers}");
        }
        assert_eq!(cuts(u64::MAX, 1, 1 << 20).len(), (1 << 22) - 1);
    }

    #[test]
    fn a_part_of_some_rows_is_of_both_conditions() {
        let (ours, theirs) = ("a".to_owned(), "b".to_owned());
        assert_eq!(Part(Some(ours.clone())).with(Some(&theirs)).as_deref(), Some("a AND b"));
        assert_eq!(Part(None).with(Some(&theirs)), Some(theirs));
        assert_eq!((Part(Some(ours.clone())).with(None), Part(None).with(None)), (Some(ours), None));
    }

    #[test]
    fn each_part_is_taken_once() {
        let [a, b] = ["a", "b"].map(|condition| Part(Some(condition.to_owned())));
        let parts = Parts::of([a.clone(), b.clone()]);
        let other = parts.clone();
        assert_eq!((parts.len(), parts.take(), other.take(), parts.take()), (2, Some(a), Some(b), None));
        assert_eq!(Parts::whole().take(), Some(Part(None)));
    }
}

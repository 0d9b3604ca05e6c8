//! What every result says of the policy: which rules apply to the tables used, never what they removed.

use serde::{Deserialize, Serialize};

use super::authorize::Authorized;
use crate::error::{Error, ErrorKind, Result};

/// The policy notice of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicyNotice {
    /// A row rule applies, whether or not it hid a row.
    pub rows_filtered: bool,
    /// A cell rule applies: some values may be NULL for this reader.
    pub cells_nulled: bool,
    /// Columns whose values are replaced, as `database.table.column`.
    pub masked: Vec<String>,
    /// A table used has columns that this reader does not see.
    pub columns_hidden: bool,
}

impl PolicyNotice {
    /// The notice for a statement.
    pub fn of(authorized: &Authorized) -> Self {
        let mut notice = Self::default();
        for (name, decision) in authorized.decisions() {
            let flags = decision.notice_flags();
            notice.rows_filtered |= flags.rows_filtered;
            notice.cells_nulled |= flags.cells_nulled;
            notice.columns_hidden |= flags.columns_hidden;
            for column in flags.masked.iter().map(|path| format!("{name}.{path}")) {
                // Two versions of one table may have it.
                if !notice.masked.contains(&column) {
                    notice.masked.push(column);
                }
            }
        }
        notice
    }

    /// For `strict`: fails when policy would make the result narrower. Hidden columns do so only behind a `*`, since
    /// a query that names its columns either has them all or fails.
    pub fn refuse_narrowing(&self, has_wildcard: bool) -> Result<()> {
        let narrowed = self.rows_filtered
            || self.cells_nulled
            || !self.masked.is_empty()
            || (self.columns_hidden && has_wildcard);
        if narrowed {
            return Err(Error::new(
                ErrorKind::PolicyWithheld,
                "policy would withhold a part of this result, and `strict` asks for all or nothing",
            ));
        }
        Ok(())
    }
}

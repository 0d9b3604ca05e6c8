//! What policy did to a result, as the gateway tells it.

use serde::{Deserialize, Serialize};

/// Which rules applied to the tables of a query. It says that rules apply, never what they removed, and names
/// nothing that is hidden.
///
/// ```
/// use lakegate_client::PolicyNotice;
///
/// assert!(PolicyNotice::default().is_empty());
/// assert!(!PolicyNotice { rows_filtered: true, ..PolicyNotice::default() }.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyNotice {
    /// A row rule applies: some rows may be missing.
    pub rows_filtered: bool,
    /// A cell rule applies: some values may be NULL that are not NULL in the table.
    pub cells_nulled: bool,
    /// Columns whose values are replaced.
    #[serde(default)]
    pub masked: Vec<String>,
    /// The tables have columns that are not shown.
    pub columns_hidden: bool,
}

impl PolicyNotice {
    /// No rule narrowed the result.
    ///
    /// ```
    /// assert!(lakegate_client::PolicyNotice::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

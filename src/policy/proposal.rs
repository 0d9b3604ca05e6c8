//! Tags that somebody or something proposes, for a steward to accept or to reject. A proposal gives and takes nothing.

use serde::{Deserialize, Serialize};

use super::tag::TaggedObject;

/// A tag for a column, with the reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The column. It has one proposal at most.
    pub object: TaggedObject,
    pub key: String,
    pub value: String,
    /// What the column looks like, as one word.
    pub kind: String,
    /// Why, for a person: counts and names, never a value of the column.
    pub evidence: String,
    /// Kept, so that it is not proposed again.
    #[serde(default)]
    pub is_rejected: bool,
}

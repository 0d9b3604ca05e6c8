//! How far a query is.

use serde::Deserialize;

/// What a query is doing.
///
/// ```
/// use lakegate_client::QueryState;
///
/// assert!(QueryState::Failed.has_ended());
/// assert!(!QueryState::Queued.has_ended());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueryState {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It has ended well; its rows can be read.
    Finished,
    /// It has ended badly.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// A state that this version of the client does not know.
    #[serde(other)]
    Other,
}

/// How far a query is.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let query = connection.query("SELECT * FROM events").on_progress(|progress| match progress.percent {
///     Some(percent) => println!("{percent:.0} %"),
///     None => println!("{} rows", progress.rows),
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub state: QueryState,
    /// What of it is being done, in the gateway's words.
    pub stage: Option<String>,
    /// How many rows there are so far.
    pub rows: u64,
    /// How many bytes they are.
    pub bytes: u64,
    /// How much is done, from 0 to 100, where that is known.
    pub percent: Option<f64>,
}

impl QueryState {
    /// Whether it will not change any more.
    ///
    /// ```
    /// assert!(lakegate_client::QueryState::Finished.has_ended());
    /// ```
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled)
    }
}

impl Progress {
    /// Of a result that is read as it comes.
    pub(crate) fn arriving(rows: u64, bytes: u64, state: QueryState) -> Self {
        Self { state, stage: None, rows, bytes, percent: None }
    }
}

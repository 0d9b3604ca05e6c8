//! What lies in the folder of a Delta table, whichever version names it, and how it is removed.
//!
//! A listing says what there is, and the commits of the log say what was ever named. Which versions are still needed is
//! for others to know: nothing here decides that a file may go.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::delta::DeltaLog;
use super::layout::{is_data, is_log};
use super::stores::{failed, remove};
use crate::error::Result;

/// How many commits of a log are read at a time.
const AT_ONCE: usize = 8;

/// What lies in a table's folder.
#[derive(Debug, Default)]
pub struct Stored {
    /// The data files, whoever wrote them.
    pub files: Vec<StoredFile>,
    /// Where those lie that a commit of the log names, whether they are there or not.
    pub named: HashSet<Path>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub path: Path,
    pub bytes: u64,
    pub written_at: DateTime<Utc>,
}

impl DeltaLog {
    /// What lies in the table's folder.
    pub async fn stored(&self) -> Result<Stored> {
        let (store, folder) = self.folder();
        let told = |cause| failed(self.location(), cause);
        let mut stored = Stored::default();
        let mut commits = Vec::new();
        let mut listed = store.list(Some(folder));
        while let Some(file) = listed.try_next().await.map_err(told)? {
            let path = file.location;
            if is_log(folder, &path) {
                // Checkpoints say nothing that the commits before them do not.
                commits.extend(path.as_ref().ends_with(".json").then_some(path));
            } else if is_data(folder, &path) {
                stored.files.push(StoredFile { path, bytes: file.size, written_at: file.last_modified });
            }
        }
        let read = |path| async move { store.get(&path).await?.bytes().await };
        let mut texts = futures::stream::iter(commits).map(read).buffer_unordered(AT_ONCE);
        while let Some(text) = texts.try_next().await.map_err(told)? {
            stored.named.extend(text.split(|byte| *byte == b'\n').filter_map(|line| self.added(line)));
        }
        Ok(stored)
    }

    /// Removes data files. One that is gone already is no failure.
    pub async fn remove(&self, paths: Vec<Path>) -> Result<()> {
        let (store, _) = self.folder();
        remove(store.as_ref(), self.location(), paths).await
    }

    /// Where the file lies that a line of a commit adds. The log has its path as a URL has it.
    fn added(&self, line: &[u8]) -> Option<Path> {
        let action: Value = serde_json::from_slice(line).ok()?;
        let path = percent_decode_str(action.get("add")?.get("path")?.as_str()?).decode_utf8().ok()?;
        self.path_of(&path).ok()
    }
}

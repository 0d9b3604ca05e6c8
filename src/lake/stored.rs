//! What lies in the folder of a Delta table, whichever version names it, and how it is removed.
//!
//! A listing says what there is, and the commits of the log say what was ever named. Which versions are still needed is
//! for others to know: nothing here decides that a file may go.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
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
    /// The names that a commit of the log has, of files that are there or not.
    pub named: HashSet<String>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// As the log has it: the path inside the table's folder.
    pub name: String,
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
                let name = path.prefix_match(folder).into_iter().flatten();
                let name = name.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
                stored.files.push(StoredFile { name, bytes: file.size, written_at: file.last_modified });
            }
        }
        let read = |path| async move { store.get(&path).await?.bytes().await };
        let mut texts = futures::stream::iter(commits).map(read).buffer_unordered(AT_ONCE);
        while let Some(text) = texts.try_next().await.map_err(told)? {
            stored.named.extend(text.split(|byte| *byte == b'\n').filter_map(added));
        }
        Ok(stored)
    }

    /// Removes data files. One that is gone already is no failure.
    pub async fn remove(&self, names: &[String]) -> Result<()> {
        let (store, folder) = self.folder();
        let path = |name: &String| folder.parts().chain(Path::from(name.as_str()).parts()).collect();
        remove(store.as_ref(), self.location(), names.iter().map(path).collect()).await
    }
}

/// The file that a line of a commit adds.
fn added(line: &[u8]) -> Option<String> {
    let action: Value = serde_json::from_slice(line).ok()?;
    Some(action.get("add")?.get("path")?.as_str()?.to_owned())
}

//! A part of the lake's root where the gateway keeps files of its own: no table lies there, and no database can have the
//! folder's name, as names have no dot.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::stores::{failed, remove};
use crate::error::Result;

/// A folder below the lake's root.
#[derive(Clone)]
pub struct Area {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    /// For telling what failed.
    location: String,
}

impl Area {
    pub(super) fn new(store: Arc<dyn ObjectStore>, folder: Path, location: String) -> Self {
        Self { store, folder, location }
    }

    /// Writes the file `name`, whole or not at all.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let written = self.store.put(&self.path(name), bytes.into()).await;
        written.map(|_| ()).map_err(|cause| failed(&self.location, cause))
    }

    /// Reads the file `name`.
    pub async fn get(&self, name: &str) -> Result<Bytes> {
        let read = async { self.store.get(&self.path(name)).await?.bytes().await };
        read.await.map_err(|cause| failed(&self.location, cause))
    }

    /// Removes the files `names`. What is not there is no failure.
    pub async fn remove(&self, names: Vec<String>) -> Result<()> {
        remove(self.store.as_ref(), &self.location, names.iter().map(|name| self.path(name)).collect()).await
    }

    /// Removes every file that was written longer than `age` ago, and says how many there were.
    pub async fn remove_older_than(&self, age: Duration) -> Result<usize> {
        let Ok(age) = chrono::Duration::from_std(age) else { return Ok(0) };
        let limit = Utc::now() - age;
        let listed = self.store.list(Some(&self.folder));
        let old: Vec<Path> = listed
            .try_filter_map(|file| async move { Ok((file.last_modified < limit).then_some(file.location)) })
            .try_collect()
            .await
            .map_err(|cause| failed(&self.location, cause))?;
        let count = old.len();
        remove(self.store.as_ref(), &self.location, old).await?;
        Ok(count)
    }

    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Area").field("location", &self.location).finish_non_exhaustive()
    }
}

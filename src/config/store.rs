//! `[store]`: where policy, catalog and audit are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// The policy store.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `store.url`, `LAKEGATE__STORE__URL`: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    pub url: String,
    /// `store.grace`, `LAKEGATE__STORE__GRACE`: how long a node that cannot reach the store serves with the policy it
    /// has, before it refuses: seconds or `5m`.
    #[serde(deserialize_with = "value::duration", serialize_with = "value::seconds")]
    pub grace: Duration,
    /// `store.key_file`, `LAKEGATE__STORE__KEY_FILE`: a file with 32 bytes as base64, which passwords of sources are encrypted
    /// with; none unless set. Every node needs the same.
    pub key_file: Option<PathBuf>,
}

impl StoreConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        match self.url.split_once("://") {
            Some(("sqlite", path)) if path.split('?').next().is_some_and(|path| !path.is_empty()) => Ok(()),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(()),
            // Only the scheme is told: the rest may hold a password.
            Some((scheme, _)) => Err(format!(
                "`store.url`: an address that starts with `{scheme}://` cannot be used: write `sqlite://PATH` or \
                 `postgres://USER@HOST/DATABASE`"
            )),
            None => {
                Err("`store.url`: has no scheme: write `sqlite://PATH` or `postgres://USER@HOST/DATABASE`"
                    .into())
            }
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(path) = self.url.strip_prefix("sqlite://")
            && !path.starts_with(":memory:")
        {
            self.url = format!("sqlite://{}", folder.join(path).display());
        }
        if let Some(path) = &mut self.key_file {
            *path = folder.join(&path);
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite://lakegate.db".to_owned(), grace: Duration::from_secs(60), key_file: None }
    }
}

/// The URL of a server may hold a password, so only its scheme is shown.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
        f.debug_struct("StoreConfig")
            .field("url", &format_args!("{scheme}://…"))
            .field("grace", &self.grace)
            .field("key_file", &self.key_file)
            .finish()
    }
}

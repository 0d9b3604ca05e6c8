//! `[lake]`: where tables are kept. Credentials of an object store are no part of it: they come from `AWS_*`.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The lake's root and how to reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LakeConfig {
    /// `lake.root`, `LAKEGATE__LAKE__ROOT`: `file://PATH` or `s3://BUCKET/PREFIX`; new tables go under it.
    pub root: String,
    /// `lake.endpoint`, `LAKEGATE__LAKE__ENDPOINT`: the URL of an S3-compatible server; none is AWS.
    pub endpoint: Option<String>,
    /// `lake.region`, `LAKEGATE__LAKE__REGION`: the bucket's region.
    pub region: Option<String>,
    /// `lake.path_style`, `LAKEGATE__LAKE__PATH_STYLE`: the bucket is part of the path, not of the host name.
    pub path_style: bool,
    /// `lake.allow_http`, `LAKEGATE__LAKE__ALLOW_HTTP`: an endpoint without TLS is accepted.
    pub allow_http: bool,
}

impl LakeConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        let plain = match self.root.split_once("://") {
            Some(("file", path)) => !path.is_empty(),
            Some(("s3", rest)) => !rest.is_empty() && !rest.starts_with('/') && !rest.contains('@'),
            _ => false,
        };
        if !plain {
            return Err(
                "`lake.root`: is not a place for tables: write `file://PATH` or `s3://BUCKET/PREFIX`".into(),
            );
        }
        match self.endpoint.as_deref() {
            None => Ok(()),
            Some(url) if url.starts_with("https://") => Ok(()),
            Some(url) if url.starts_with("http://") && self.allow_http => Ok(()),
            Some(url) if url.starts_with("http://") => {
                Err("`lake.endpoint`: has no TLS: write `https://…`, or set `lake.allow_http = true`".into())
            }
            Some(_) => Err("`lake.endpoint`: is not a URL: write `https://HOST`".into()),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(path) = self.root.strip_prefix("file://") {
            self.root = format!("file://{}", folder.join(path).display());
        }
    }
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self {
            root: "file://lake".to_owned(),
            endpoint: None,
            region: None,
            path_style: false,
            allow_http: false,
        }
    }
}

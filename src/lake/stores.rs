//! Object stores by location: the local file system and S3, one store for each bucket, made on first use.
//!
//! The only place that knows how a bucket is reached. Credentials are never part of a URL or of an error.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::StreamExt;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::config::LakeConfig;
use crate::error::{Error, ErrorKind, Result};

/// An object store that is known under a URL such as `file:///` or `s3://bucket`.
pub type Opened = (Arc<dyn ObjectStore>, ObjectStoreUrl, Path);

/// The stores opened so far, and how to open another.
pub struct Stores {
    config: LakeConfig,
    s3: AmazonS3Builder,
    opened: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl Stores {
    /// No store yet; the ones to come are opened as `config` says, with credentials from `s3`.
    pub fn new(config: &LakeConfig, s3: AmazonS3Builder) -> Self {
        Self { config: config.clone(), s3, opened: RwLock::default() }
    }

    /// The store of `location`, the URL that names the store, and the path inside it.
    pub fn open(&self, location: &str) -> Result<Opened> {
        let url = parse(location)?;
        let store = self.store(&url)?;
        let path = Path::from_url_path(url.path()).map_err(|cause| {
            Error::invalid_request(format!("`{location}` is not a location: its path cannot be used"))
                .with_source(cause)
        })?;
        Ok((store, store_url(&url)?, path))
    }

    /// Everything opened so far.
    pub fn opened(&self) -> Vec<(Url, Arc<dyn ObjectStore>)> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.iter().filter_map(|(key, store)| Some((Url::parse(key).ok()?, store.clone()))).collect()
    }

    fn store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let key = key(url);
        if let Some(store) = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(store.clone());
        }
        let store = self.make(url)?;
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        Ok(opened.entry(key).or_insert(store).clone())
    }

    fn make(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "file" {
            return Ok(Arc::new(LocalFileSystem::new()));
        }
        let bucket = url.host_str().unwrap_or_default();
        let options = ClientOptions::new()
            .with_allow_http(self.config.allow_http)
            .with_connect_timeout(Duration::from_secs(5))
            .with_timeout(Duration::from_secs(120));
        let retry =
            RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() };
        let mut builder = self
            .s3
            .clone()
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(!self.config.path_style)
            .with_client_options(options)
            .with_retry(retry)
            // A version of the Delta log is written by whoever creates its file first.
            .with_conditional_put(S3ConditionalPut::ETagMatch);
        if let Some(endpoint) = &self.config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &self.config.region {
            builder = builder.with_region(region);
        }
        let store = builder.build().map_err(|cause| {
            Error::unavailable(
                format!(
                    "the bucket `{bucket}` cannot be used: check the lake's endpoint, region and credentials"
                ),
                cause,
            )
        })?;
        Ok(Arc::new(store))
    }
}

/// A failure of the object store, told by what the operator can do about it.
pub(crate) fn failed(location: &str, cause: object_store::Error) -> Error {
    let detail = match &cause {
        object_store::Error::NotFound { source, .. } if !source.to_string().contains("NoSuchBucket") => {
            return missing(location).with_source(cause);
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            format!(
                "access to `{location}` is refused: check the credentials and permissions of this process"
            )
        }
        _ => reason(&cause, location),
    };
    Error::unavailable(detail, cause)
}

/// Removes `paths`, which are of `location`. What is not there is no failure: another node may be faster.
pub(super) async fn remove(store: &dyn ObjectStore, location: &str, paths: Vec<Path>) -> Result<()> {
    let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
    let mut removed = store.delete_stream(paths);
    while let Some(outcome) = removed.next().await {
        match outcome {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(cause) => return Err(failed(location, cause)),
        }
    }
    Ok(())
}

/// Nothing lies at `location`.
pub(crate) fn missing(location: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("nothing found at `{location}`: check the location"))
}

/// Looks for the reasons that an operator can act on anywhere in the chain of causes of `error`.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static), location: &str) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
            if full.contains(&io.kind()) || io.kind() == std::io::ErrorKind::FileTooLarge {
                return format!("no space is left for `{location}`: free some and run it again");
            }
            if io.kind() == std::io::ErrorKind::PermissionDenied {
                return format!("access to `{location}` is refused: check the permissions of this process");
            }
        }
        if error.to_string().contains("NoSuchBucket") {
            return format!("the bucket of `{location}` does not exist: create it first");
        }
        cause = error.source();
    }
    format!("`{location}` cannot be read or written now; the log has the cause")
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.opened.write().unwrap_or_else(PoisonError::into_inner).insert(key(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        let known = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&key(url)).cloned();
        match known {
            Some(store) => Ok(store),
            None => self.store(url).map_err(|error| DataFusionError::External(Box::new(error))),
        }
    }
}

/// The location as a URL of a scheme that we can open.
fn parse(location: &str) -> Result<Url> {
    let wrong = || {
        Error::invalid_request(format!(
            "`{}` is not a location: write `file:///folder` or `s3://bucket/folder`",
            without_password(location)
        ))
    };
    let url = Url::parse(location).map_err(|_| wrong())?;
    let known = match url.scheme() {
        "file" => url.host_str().is_none_or(str::is_empty) && url.path().len() > 1,
        "s3" => url.host_str().is_some_and(|bucket| !bucket.is_empty()),
        _ => false,
    };
    let plain = url.password().is_none() && url.username().is_empty() && url.query().is_none();
    if known && plain { Ok(url) } else { Err(wrong()) }
}

/// What may be shown of a location that could hold a password by mistake.
fn without_password(location: &str) -> String {
    match Url::parse(location) {
        Ok(mut url) if url.password().is_some() || !url.username().is_empty() || url.query().is_some() => {
            let hidden = url.set_password(None).and_then(|()| url.set_username(""));
            url.set_query(None);
            if hidden.is_ok() { url.to_string() } else { url.scheme().to_owned() }
        }
        _ => location.to_owned(),
    }
}

fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

fn store_url(url: &Url) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(key(url)).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> Stores {
        let config = LakeConfig {
            root: "file:///tmp/lake".into(),
            endpoint: None,
            region: Some("us-east-1".into()),
            path_style: false,
            allow_http: false,
        };
        Stores::new(&config, AmazonS3Builder::new().with_access_key_id("a").with_secret_access_key("b"))
    }

    #[test]
    fn a_bucket_is_opened_once() {
        let stores = stores();
        let (first, url, path) = stores.open("s3://data/some/folder").unwrap();
        let (second, ..) = stores.open("s3://data/other").unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((url.as_str(), path.as_ref()), ("s3://data/", "some/folder"));
        let (_, url, path) = stores.open("file:///srv/lake").unwrap();
        assert_eq!((url.as_str(), path.as_ref()), ("file:///", "srv/lake"));
        assert_eq!(stores.opened().len(), 2);
    }

    #[test]
    fn a_wrong_location_is_told_without_its_password() {
        for wrong in ["lake", "ftp://h/x", "s3:///x", "file://host/x", "file:///"] {
            assert!(stores().open(wrong).unwrap_err().detail().contains("is not a location"), "{wrong}");
        }
        let error = stores().open("s3://ana:hunter2@bucket/x").unwrap_err();
        assert!(!error.detail().contains("hunter2"), "{error}");
    }
}

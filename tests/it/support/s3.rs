//! A real S3 endpoint inside the test process: signed requests, buckets as folders, a free port.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use lakegate::config::LakeConfig;
use lakegate::lake::Lake;
use object_store::aws::AmazonS3Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const ACCESS_KEY: &str = "AKIALAKEGATETEST";
pub const SECRET_KEY: &str = "a-secret-that-signs-every-request";

/// The endpoint; it stops with the value.
pub struct S3 {
    pub endpoint: String,
    /// How many more requests that write are let through.
    writes_left: Arc<AtomicI64>,
    /// How many requests after those are refused.
    refusals_left: Arc<AtomicI64>,
    refuses_reads: Arc<AtomicBool>,
    folder: TempDir,
    server: JoinHandle<()>,
}

impl S3 {
    /// An endpoint with one empty bucket.
    pub async fn start(bucket: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(bucket)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let refuses_reads = Arc::new(AtomicBool::new(false));
        let (writes_left, refusals_left) = (Arc::new(AtomicI64::new(i64::MAX)), Arc::new(AtomicI64::new(0)));
        service.set_access(Access {
            folder: folder.path().to_owned(),
            writes_left: Arc::clone(&writes_left),
            refusals_left: Arc::clone(&refusals_left),
            refuses_reads: Arc::clone(&refuses_reads),
        });
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let connection = Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { endpoint, writes_left, refusals_left, refuses_reads, folder, server }
    }

    /// Lets `writes` more requests that write through and refuses the next `refusals`, as a store does whose rights or space
    /// end. Gives how many of those before were never refused.
    pub fn refuse_after(&self, writes: i64, refusals: i64) -> i64 {
        self.writes_left.store(writes, Ordering::SeqCst);
        self.refusals_left.swap(refusals, Ordering::SeqCst)
    }

    /// Whether objects can be listed and not read.
    pub fn refuse_reads(&self, refuses: bool) {
        self.refuses_reads.store(refuses, Ordering::SeqCst);
    }

    /// Where the buckets lie as folders.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How a lake in `root` reaches this endpoint.
    pub fn config(&self, root: &str) -> LakeConfig {
        LakeConfig {
            root: root.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            path_style: true,
            allow_http: true,
        }
    }

    /// A lake in `root` with the right credentials.
    pub fn lake(&self, root: &str) -> Lake {
        self.lake_as(root, SECRET_KEY)
    }

    /// A lake in `root` with any secret.
    pub fn lake_as(&self, root: &str, secret: &str) -> Lake {
        let s3 = AmazonS3Builder::new().with_access_key_id(ACCESS_KEY).with_secret_access_key(secret);
        Lake::with_s3(&self.config(root), s3).unwrap()
    }
}

/// Signed requests to buckets that exist: the file system behind would make a missing one on the way.
struct Access {
    folder: PathBuf,
    writes_left: Arc<AtomicI64>,
    refusals_left: Arc<AtomicI64>,
    refuses_reads: Arc<AtomicBool>,
}

impl Access {
    fn refuses(&self, operation: &str) -> bool {
        if operation == "GetObject" && self.refuses_reads.load(Ordering::SeqCst) {
            return true;
        }
        let writes = ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
        writes.contains(&operation)
            && self.writes_left.fetch_sub(1, Ordering::SeqCst) <= 0
            && self.refusals_left.fetch_sub(1, Ordering::SeqCst) > 0
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "the request is not signed"));
        }
        if self.refuses(context.s3_op().name()) {
            return Err(s3_error!(AccessDenied, "no more may be read or written"));
        }
        match context.s3_path().get_bucket_name() {
            Some(bucket) if !self.folder.join(bucket).is_dir() => Err(s3_error!(NoSuchBucket)),
            _ => Ok(()),
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

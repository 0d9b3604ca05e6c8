//! One object of an object store, read as it was when it was listed or not at all.
//!
//! Each request names the version that was listed, by the store's tag and by what comes back, and the object is looked
//! at once more behind its last byte. So a file that is written to meanwhile stops its table and is never half old.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};
use crate::lake;

/// How much is asked for in one request.
const REQUEST_BYTES: u64 = 4 * 1024 * 1024;

/// How many answers may wait to be read.
const WAITING_ANSWERS: usize = 2;

/// An object as it was listed.
#[derive(Clone)]
pub(super) struct Object {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    url: String,
    compression: FileCompressionType,
}

impl Object {
    pub fn new(store: Arc<dyn ObjectStore>, meta: ObjectMeta, url: String) -> Self {
        Self { store, meta, url, compression: FileCompressionType::UNCOMPRESSED }
    }

    /// The same, whose bytes are compressed.
    pub fn compressed(self, compression: FileCompressionType) -> Self {
        Self { compression, ..self }
    }

    /// Where it lies, for people.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What tells its content from another one that lies there later: its size, and the store's tag. Of a folder it is the
    /// time of its last change, since the tag of a file there changes when it is copied back.
    pub fn tag(&self) -> String {
        let is_local = self.url.starts_with("file:");
        let tag =
            self.meta.e_tag.as_deref().filter(|_| !is_local).map(|tag| tag.trim_matches('"').to_owned());
        let tag = tag.unwrap_or_else(|| self.meta.last_modified.to_rfc3339());
        format!("{} {tag}", self.meta.size)
    }

    /// In bytes, as it lies there.
    pub fn size(&self) -> u64 {
        self.meta.size
    }

    /// The bytes of `range`.
    pub async fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(&self.meta.location, options).await {
            Ok(found) => found,
            Err(cause) => return Err(self.failed(cause)),
        };
        self.refuse_other(&found.meta)?;
        let bytes = found.bytes().await.map_err(|cause| self.failed(cause))?;
        if bytes.len() as u64 == range.end.saturating_sub(range.start) {
            Ok(bytes)
        } else {
            Err(self.changed())
        }
    }

    /// An error unless it is what was listed, still.
    pub async fn unchanged(&self) -> Result<()> {
        let now = self.store.head(&self.meta.location).await.map_err(|cause| self.failed(cause))?;
        self.refuse_other(&now)
    }

    /// All its bytes, decompressed, for a thread that may wait. The last read says whether it has changed meanwhile.
    pub fn bytes(&self) -> Result<Box<dyn Read + Send>> {
        let (sender, answers) = mpsc::channel(WAITING_ANSWERS);
        let object = self.clone();
        tokio::spawn(async move {
            if let Err(error) = object.send_all(&sender).await {
                let _ = sender.send(Err(error)).await;
            }
        });
        let answers = Answers { answers, current: Bytes::new() };
        self.compression.convert_read(answers).map_err(Error::internal)
    }

    async fn send_all(&self, sender: &mpsc::Sender<Result<Bytes>>) -> Result<()> {
        let mut start = 0;
        while start < self.meta.size {
            let end = start.saturating_add(REQUEST_BYTES).min(self.meta.size);
            if sender.send(Ok(self.range(start..end).await?)).await.is_err() {
                return Ok(());
            }
            start = end;
        }
        self.unchanged().await
    }

    /// What a failure to read its bytes is: one of the store's, or damaged compression.
    pub fn read_failed(&self, cause: io::Error) -> Error {
        match cause.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => Error::new(error.kind(), error.detail()).with_source(cause),
            None => Error::invalid_request(format!("`{}` cannot be decompressed: {cause}", self.url))
                .with_source(cause),
        }
    }

    fn refuse_other(&self, now: &ObjectMeta) -> Result<()> {
        let listed = &self.meta;
        let is_same = match (&listed.e_tag, &now.e_tag) {
            (Some(then), Some(now)) => then.trim_matches('"') == now.trim_matches('"'),
            // Headers tell no more than the second.
            _ => listed.last_modified.timestamp() == now.last_modified.timestamp(),
        };
        if is_same && listed.size == now.size { Ok(()) } else { Err(self.changed()) }
    }

    fn failed(&self, cause: object_store::Error) -> Error {
        match cause {
            object_store::Error::Precondition { .. } => self.changed().with_source(cause),
            object_store::Error::NotFound { .. } => self.changed().with_source(cause),
            _ => lake::store_failed(&self.url, cause),
        }
    }

    fn changed(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "`{}` has changed or is gone since it was listed: run it again when nobody writes it",
                self.url
            ),
        )
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The answers of the store one after the other, as bytes.
struct Answers {
    answers: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
}

impl Read for Answers {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.answers.blocking_recv() {
                Some(Ok(bytes)) => self.current = bytes,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(into.len());
        if let Some(part) = into.get_mut(..length) {
            self.current.copy_to_slice(part);
        }
        Ok(length)
    }
}

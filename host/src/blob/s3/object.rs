//! A complete file in the bucket, read by ranges.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore as _};
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::media::{Absent, KeptBytes, MediaStream, ReadError, Version};

use super::failure::failure;
use crate::blob::place::S3Address;

/// A file that was stored once and never changes.
pub(super) struct Object {
    pub(super) client: AmazonS3,
    pub(super) address: S3Address,
    pub(super) path: Path,
    /// Its upload's.
    pub(super) id: String,
    pub(super) size: u64,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} in {})", self.id, self.address)
    }
}

impl Object {
    async fn get(&self, offset: u64, end: u64) -> object_store::Result<object_store::GetResult> {
        let range = GetRange::Bounded(offset..end);
        self.client.get_opts(&self.path, GetOptions { range: Some(range), ..GetOptions::default() }).await
    }

    fn error(&self, error: object_store::Error) -> Error {
        // Of a file that is missing S3 says no more than of a bucket that is; the latter has a code of its own.
        match failure(&self.address, error) {
            error if error.kind == ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("the file of the upload {} is not in {}", self.id, self.address),
            )
            .with_field("media")
            .with_remedy("let all processes have the same `blob`; or upload the file again"),
            error => error,
        }
    }
}

impl Object {
    /// Only the log says why: a provider is told no more than that it may come again.
    fn unread(&self, error: object_store::Error) -> ReadError {
        let error = self.error(error);
        tracing::warn!(%error, upload = self.id, "media in the bucket cannot be read");
        ReadError::Unavailable
    }
}

#[async_trait]
impl KeptBytes for Object {
    fn size(&self) -> u64 {
        self.size
    }

    fn version(&self) -> Version {
        // The name is given once, so it stands for the bytes wherever they lie.
        Version::Validators { etag: Some(format!("\"{}\"", self.id)), last_modified: None }
    }

    fn read(self: Arc<Self>, offset: u64, end: u64) -> MediaStream {
        let opened = async move {
            let found = self.get(offset, end).await.map_err(|error| self.unread(error))?;
            if found.meta.size != self.size {
                return Err(ReadError::Changed);
            }
            Ok(found.into_stream().map_err(move |error| self.unread(error)))
        };
        Box::pin(futures::stream::once(opened).try_flatten())
    }

    async fn look(&self) -> Result<(), Absent> {
        match self.get(0, 1).await {
            Ok(found) if found.meta.size == self.size => Ok(()),
            Ok(_) => Err(Absent::Changed(Error::new(
                ErrorKind::InvalidRequest,
                format!("the file of the upload {} is not the one that was stored", self.id),
            ))),
            Err(error) => {
                let error = self.error(error);
                // What an operator can mend, a job waits for.
                Err(match error.kind {
                    ErrorKind::NotFound => Absent::Refused(error),
                    _ => Absent::ForNow(error),
                })
            }
        }
    }
}

//! The bucket itself: names in it, whose it is, and what a running upload needs also after its caller is gone.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};

use super::failure::failure;
use crate::blob::files::folder_of;
use crate::blob::place::S3Address;
use crate::id;
use crate::store::Store;
use crate::tenant_id::TenantId;

/// The object that names the database.
const OWNER: &str = "social-channel.owner";
/// The same in the database.
const OWNER_KEY: &str = "blob_owner";
/// Between a file's name and its tail's.
pub(super) const TAIL: &str = ".tail-";
/// The store of what is known of a file that is not complete moves the end of its upload this much later at most.
pub(super) const LATE: Duration = Duration::from_secs(900);

/// What a running upload needs also after its caller is gone.
pub(super) struct Shared {
    pub(super) client: AmazonS3,
    pub(super) address: S3Address,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Shared {
    pub(super) fn path(&self, name: &str) -> Path {
        let prefix = &self.address.prefix;
        Path::from(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") })
    }

    pub(super) fn file(&self, tenant: &TenantId, id: &str) -> Path {
        self.path(&format!("{}/{id}", folder_of(tenant)))
    }

    pub(super) fn failure(&self, error: object_store::Error) -> Error {
        failure(&self.address, error)
    }

    /// Reads whose the files are, and writes it where nobody has.
    pub(super) async fn take_possession(&self) -> Result<()> {
        let own = self.store.meta_or_insert(OWNER_KEY, id::new("db")?.as_bytes()).await?;
        let path = self.path(OWNER);
        for is_last in [false, true] {
            match self.client.get(&path).await {
                Ok(found) => {
                    let found = found.bytes().await.map_err(|error| self.failure(error))?;
                    return if found == own { Ok(()) } else { Err(self.of_another()) };
                }
                Err(object_store::Error::NotFound { .. }) if !is_last => {
                    let text = PutPayload::from(own.clone());
                    self.client.put(&path, text).await.map_err(|error| self.failure(error))?;
                    // Read again: another database may have written at the same moment.
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
        Err(Error::internal("the owner of the bucket cannot be read"))
    }

    fn of_another(&self) -> Error {
        Error::new(
            ErrorKind::Misconfigured,
            format!("the files in {} belong to another database, which would lose them", self.address),
        )
        .with_field("blob")
        .with_remedy(format!(
            "give each database a prefix of its own, s3://BUCKET/PREFIX; if that database is gone for good, delete `{OWNER}` there"
        ))
    }

    /// The size of a complete file.
    pub(super) async fn size(&self, path: &Path) -> Result<Option<u64>> {
        match self.client.head(path).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(error)),
        }
    }

    pub(super) async fn delete(&self, path: &Path) {
        match self.client.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                let error = self.failure(error);
                tracing::warn!(%error, "a file cannot be removed from the bucket; it is swept later");
            }
        }
    }
}

impl Shared {
    /// A file's id and its name below the prefix; None for what is not one of ours.
    pub(super) fn within(&self, location: &Path) -> Option<(String, String)> {
        let name = location.as_ref().strip_prefix(&self.address.prefix)?.trim_start_matches('/');
        let (folder, id) = name.split_once('/')?;
        let is_ours =
            folder.len() == 32 && folder.bytes().all(|byte| byte.is_ascii_hexdigit()) && !id.contains('/');
        is_ours.then(|| (id.to_owned(), name.to_owned()))
    }
}

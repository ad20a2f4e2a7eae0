//! What a place of files does. Whichever it is, an upload is whole or not there, and what is reported as received has been
//! stored for good.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::fair::Bounds;
use social_channel_runtime::media::At;

use crate::id;
use crate::tenant_id::TenantId;

/// A partial file that has not grown for this long was left behind by a process that died.
pub(super) const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// A complete file gets its row within moments; a file without a row after this time never gets one.
pub(super) const SETTLED: Duration = Duration::from_secs(3600);

/// The code of a part that does not begin where the upload ends.
const OFFSET: &str = "upload_offset";
/// The code of a part that comes while another arrives.
const BUSY: &str = "upload_busy";

/// The bytes of an upload, as they come.
pub(super) type Bytes<'a> = Pin<Box<dyn Stream<Item = io::Result<bytes::Bytes>> + Send + 'a>>;

/// A file that was written long ago.
#[derive(Clone, Debug)]
pub(super) struct LeftBehind {
    /// The id of its upload.
    pub(super) id: String,
    /// Within the place.
    pub(super) path: String,
}

/// A place of files, named by tenant and id, so that an id alone never leads to another tenant's file.
#[async_trait]
pub(super) trait Files: Send + Sync {
    /// How many uploads may come in at once.
    fn receiving(&self) -> Bounds;

    /// Writes a complete file or nothing; it is stored for good when this returns. `take` is called with the size before the
    /// file grows to it. Returns the number of bytes. If the future is dropped, no file remains.
    async fn write(
        &self,
        tenant: &TenantId,
        id: &str,
        bytes: Bytes<'_>,
        limit: u64,
        take: &(dyn Fn(u64) -> Result<()> + Send + Sync),
        announced: Option<u64>,
    ) -> Result<u64>;

    /// Removes a complete file. What cannot be removed is logged, and swept later.
    async fn remove(&self, tenant: &TenantId, id: &str);

    /// Begins a file of `size` bytes that comes in parts.
    async fn begin_partial(&self, tenant: &TenantId, id: &str, size: u64) -> Result<()>;

    /// How many bytes of it are stored for good; all of them if it is complete, and None if it does not exist.
    async fn received(&self, tenant: &TenantId, id: &str, size: u64) -> Result<Option<u64>>;

    /// Adds a part at `offset`, which must be where the file ends, up to `size`. What was stored before the part broke off
    /// or the future was dropped stays.
    async fn append(
        &self,
        tenant: &TenantId,
        id: &str,
        offset: u64,
        size: u64,
        bytes: Bytes<'_>,
    ) -> Result<()>;

    /// The file of all parts becomes complete. Does nothing if it is already.
    async fn finish_partial(&self, tenant: &TenantId, id: &str) -> Result<()>;

    /// Removes a file that is not complete.
    async fn remove_partial(&self, tenant: &TenantId, id: &str);

    /// Where the bytes of a complete file are read.
    fn at(&self, tenant: &TenantId, id: &str, size: u64) -> At;

    /// All tenants' complete files that were written long ago. Removes abandoned partial files.
    async fn settled(&self) -> Result<Vec<LeftBehind>>;

    /// Removes such files.
    async fn remove_left_behind(&self, files: &[LeftBehind]);

    /// Whether the place can be used.
    async fn check(&self) -> Result<()>;
}

/// The error of a second writer of one file.
pub(super) fn another_part() -> Error {
    invalid("another part of this upload is arriving", "wait for its end, then send the next").with_code(BUSY)
}

/// The error of a part that does not begin where the file ends.
pub(super) fn not_there(end: u64, offset: u64) -> Error {
    invalid(
        &format!("the upload has {end} bytes, so its next part begins there and not at {offset}"),
        "ask where it ends, and send what follows",
    )
    .with_code(OFFSET)
}

/// The error of more bytes than the limit.
pub(super) fn too_many(limit: u64) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("the upload has more than {limit} bytes"))
        .with_field("media")
        .with_remedy("send a smaller file, or ask the operator to raise the limit")
}

/// Refuses an empty file, and one of another size than its sender said.
pub(super) fn check_size(size: u64, announced: Option<u64>) -> Result<()> {
    if size == 0 {
        return Err(invalid("the upload is empty", "send the file as the body"));
    }
    if announced.is_some_and(|announced| announced != size) {
        return Err(invalid(
            "the size of the upload differs from the announced size",
            "send the whole file again",
        ));
    }
    Ok(())
}

pub(super) fn invalid(message: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
}

/// The folder of a tenant, named after it.
pub(super) fn folder_of(tenant: &TenantId) -> String {
    id::hash(tenant.as_str()).chars().take(32).collect()
}

/// The error for an unknown id.
pub(crate) fn gone(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no upload {id}"))
        .with_field("media")
        .with_remedy("upload the file again; uploads are removed after some days")
}

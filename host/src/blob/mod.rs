//! Files that the host stores: a folder with one subfolder per tenant, named after the tenant, so that an id alone
//! never leads to another tenant's file. Bytes are streamed to disk, so memory use is constant.

mod part;
mod upload;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use tokio::io::AsyncWriteExt as _;

/// What uploads leave of the disk by default: the database's log grows to some megabytes, and a service beside it has
/// logs of its own.
pub(crate) const DISK_RESERVE: u64 = 256 << 20;

pub use part::PartialUpload;
pub use upload::{NewUpload, Upload};
pub(crate) use upload::{Uploads, gone};

use crate::id;
use crate::room::free_space;
use crate::tenant_id::TenantId;

/// Bytes buffered before they are written, because each write is a switch to another thread.
const BUFFER: usize = 256 << 10;
/// The extension of a file that is still being received.
const PARTIAL: &str = "part";
/// A partial file that has not grown for this long was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// A complete file gets its row within moments; a file without a row after this time never gets one.
const SETTLED: Duration = Duration::from_secs(3600);

/// The code of a part that does not begin where the upload ends.
const OFFSET: &str = "upload_offset";
/// The code of a part that comes while another arrives.
const BUSY: &str = "upload_busy";
/// Bytes written between two looks at the disk's free space.
const LOOK_AT_DISK: u64 = 16 << 20;

/// One folder of files.
struct Folder {
    path: PathBuf,
    /// Bytes of its disk that are left free.
    reserve: u64,
}

impl Folder {
    fn new(path: PathBuf, reserve: u64) -> Self {
        Folder { path, reserve }
    }

    /// Refuses so many bytes more where they would take what is left free.
    fn check_room(&self, size: u64) -> Result<()> {
        match free_space(&self.path) {
            Some(free) if free < self.reserve.saturating_add(size) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the disk of the uploads has {} MiB left, too few for this one", free >> 20),
            )
            .with_field("media")
            .with_remedy("make room on that disk, or delete uploads, and send the file again")),
            _ => Ok(()),
        }
    }

    fn of(&self, tenant: &TenantId) -> PathBuf {
        let name: String = id::hash(tenant.as_str()).chars().take(32).collect();
        self.path.join(name)
    }

    fn path(&self, tenant: &TenantId, id: &str) -> PathBuf {
        self.of(tenant).join(id)
    }

    /// Writes a complete file or nothing; it is on disk when this returns. `take` is called before the file grows.
    /// Returns the number of bytes. If the future is dropped, no file remains.
    async fn write(
        &self,
        tenant: &TenantId,
        id: &str,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
        limit: u64,
        take: impl Fn(u64) -> Result<()> + Send + Sync,
        announced: Option<u64>,
    ) -> Result<u64> {
        let folder = self.of(tenant);
        make_private(&folder).await?;
        self.check_room(announced.unwrap_or_default())?;
        let looked = AtomicU64::new(0);
        let take = |size| {
            if size >= looked.load(Ordering::Relaxed).saturating_add(LOOK_AT_DISK) {
                looked.store(size, Ordering::Relaxed);
                self.check_room(0)?;
            }
            take(size)
        };
        let (file, partial) = create(Partial(folder.join(format!("{id}.{PARTIAL}")))).await?;
        let size = write_all(file, bytes, limit, take).await?;
        if size == 0 {
            return Err(invalid("the upload is empty", "send the file as the body"));
        }
        if announced.is_some_and(|announced| announced != size) {
            return Err(invalid(
                "the size of the upload differs from the announced size",
                "send the whole file again",
            ));
        }
        tokio::fs::rename(&partial.0, folder.join(id)).await.map_err(disk)?;
        Ok(size)
    }

    async fn remove(&self, tenant: &TenantId, id: &str) {
        remove(&self.path(tenant, id)).await;
    }

    /// The file of an upload that comes in parts.
    fn partial(&self, tenant: &TenantId, id: &str) -> PathBuf {
        self.of(tenant).join(format!("{id}.{PARTIAL}"))
    }

    /// Makes an empty one.
    async fn begin_partial(&self, tenant: &TenantId, id: &str, size: u64) -> Result<()> {
        make_private(&self.of(tenant)).await?;
        self.check_room(size)?;
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        options.open(self.partial(tenant, id)).await.map(drop).map_err(disk)
    }

    /// Adds a part at `offset`, which must be where the file ends, up to `size`. What arrived before the part broke off
    /// or the future was dropped stays.
    async fn append(
        &self,
        tenant: &TenantId,
        id: &str,
        offset: u64,
        size: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<()> {
        let file = open_at(self.partial(tenant, id), offset).await?;
        let looked = AtomicU64::new(0);
        let take = |more| {
            if more >= looked.load(Ordering::Relaxed) {
                looked.store(more + LOOK_AT_DISK, Ordering::Relaxed);
                self.check_room(0)?;
            }
            Ok(())
        };
        write_all(file, bytes, size.saturating_sub(offset), take).await.map(drop)
    }

    /// The file of all parts becomes the upload's.
    async fn finish_partial(&self, tenant: &TenantId, id: &str) -> Result<()> {
        tokio::fs::rename(self.partial(tenant, id), self.path(tenant, id)).await.map_err(disk)
    }

    /// The ids of all tenants' complete files that were written long ago. Removes abandoned partial files.
    async fn settled(&self) -> Vec<String> {
        let folder = self.path.clone();
        // Reading folders blocks.
        let found = tokio::task::spawn_blocking(move || look_through(&folder)).await;
        match found {
            Ok(Ok(ids)) => ids,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the uploads' folder cannot be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Removes files of any tenant by id.
    async fn remove_left_behind(&self, ids: &[&String]) {
        let Ok(mut tenants) = tokio::fs::read_dir(&self.path).await else { return };
        while let Ok(Some(tenant)) = tenants.next_entry().await {
            for id in ids {
                remove(&tenant.path().join(id)).await;
            }
        }
    }
}

/// A file that is removed on drop unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // On success it was already renamed.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The file is created on another thread, which continues if the caller is dropped. The guard is therefore moved
/// along, and removes the file.
async fn create(partial: Partial) -> Result<(std::fs::File, Partial)> {
    let made = tokio::task::spawn_blocking(move || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&partial.0).map(|file| (file, partial))
    });
    made.await.map_err(|error| Error::internal("an upload broke off").with_source(error))?.map_err(disk)
}

async fn write_all(
    file: std::fs::File,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    limit: u64,
    take: impl Fn(u64) -> Result<()> + Send,
) -> Result<u64> {
    let file = tokio::fs::File::from_std(file);
    let mut file = tokio::io::BufWriter::with_capacity(BUFFER, file);
    let mut bytes = std::pin::pin!(bytes);
    let mut size = 0u64;
    let mut broke_off = None;
    while let Some(chunk) = bytes.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                broke_off = Some(invalid("the upload broke off", "send it again").with_source(error));
                break;
            }
        };
        size = size.saturating_add(chunk.len() as u64);
        if size > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the upload has more than {limit} bytes"),
            )
            .with_field("media")
            .with_remedy("send a smaller file, or ask the operator to raise the limit"));
        }
        take(size)?;
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    // A job that refers to the file may be stored right after this.
    file.get_ref().sync_data().await.map_err(disk)?;
    broke_off.map_or(Ok(size), Err)
}

/// Opens a file that grows, alone, where it ends.
async fn open_at(path: PathBuf, offset: u64) -> Result<std::fs::File> {
    let opened = tokio::task::spawn_blocking(move || {
        let file = std::fs::OpenOptions::new().append(true).open(path).map_err(disk)?;
        // The lock ends with the file, so also with the process.
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(invalid(
                    "another part of this upload is arriving",
                    "wait for its end, then send the next",
                )
                .with_code(BUSY));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(disk(error)),
        }
        let end = file.metadata().map_err(disk)?.len();
        if end != offset {
            return Err(invalid(
                &format!("the upload has {end} bytes, so its next part begins there and not at {offset}"),
                "ask where it ends, and send what follows",
            )
            .with_code(OFFSET));
        }
        Ok(file)
    });
    opened.await.map_err(|error| Error::internal("an upload broke off").with_source(error))?
}

async fn make_private(folder: &Path) -> Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).await.map_err(disk)
}

async fn remove(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an upload's file cannot be removed");
    }
}

fn look_through(uploads: &Path) -> io::Result<Vec<String>> {
    let mut settled = Vec::new();
    if !uploads.exists() {
        return Ok(settled);
    }
    for tenant in std::fs::read_dir(uploads)? {
        for file in std::fs::read_dir(tenant?.path())? {
            let file = file?;
            let age =
                file.metadata().and_then(|facts| facts.modified()).ok().and_then(|at| at.elapsed().ok());
            let Some(age) = age else { continue };
            if file.path().extension().is_some_and(|end| end == PARTIAL) {
                if age > ABANDONED {
                    std::fs::remove_file(file.path())?;
                }
            } else if age > SETTLED
                && let Some(id) = file.file_name().to_str()
            {
                settled.push(id.to_owned());
            }
        }
    }
    Ok(settled)
}

fn invalid(message: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
}

fn disk(error: io::Error) -> Error {
    let (message, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("the disk is full".to_owned(), "free disk space, then send the file again")
        }
        _ => (
            format!("the upload cannot be written: {error}"),
            "check the uploads' folder and its permissions",
        ),
    };
    Error::new(ErrorKind::Unavailable, message).with_remedy(remedy).with_source(error)
}

//! Files in a folder with one subfolder per tenant. Bytes are streamed to disk, so memory use is constant.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::fair::Bounds;
use social_channel_runtime::media::At;
use tokio::io::AsyncWriteExt as _;

use super::files::{
    ABANDONED, Bytes, Files, LeftBehind, SETTLED, another_part, check_size, folder_of, invalid, not_there,
    too_many,
};
use crate::room::free_space;
use crate::tenant_id::TenantId;

/// Bytes buffered before they are written, because each write is a switch to another thread.
const BUFFER: usize = 256 << 10;
/// The extension of a file that is still being received.
const PARTIAL: &str = "part";
/// Bytes written between two looks at the disk's free space.
const LOOK_AT_DISK: u64 = 16 << 20;
/// Uploads that are received at once, for all tenants: each keeps a file open, and its writes wait for the disk.
const RECEIVING: Bounds =
    Bounds { what: "uploads", places: 256, waiting: 1_024, patience: Duration::from_secs(30) };

/// One folder of files.
pub(super) struct Folder {
    path: PathBuf,
    /// Bytes of its disk that are left free.
    reserve: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, reserve: u64) -> Self {
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
        self.path.join(folder_of(tenant))
    }

    fn path(&self, tenant: &TenantId, id: &str) -> PathBuf {
        self.of(tenant).join(id)
    }

    /// The file of an upload that comes in parts.
    fn partial(&self, tenant: &TenantId, id: &str) -> PathBuf {
        self.of(tenant).join(format!("{id}.{PARTIAL}"))
    }
}

#[async_trait]
impl Files for Folder {
    fn receiving(&self) -> Bounds {
        RECEIVING
    }

    async fn write(
        &self,
        tenant: &TenantId,
        id: &str,
        bytes: Bytes<'_>,
        limit: u64,
        take: &(dyn Fn(u64) -> Result<()> + Send + Sync),
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
        check_size(size, announced)?;
        tokio::fs::rename(&partial.0, folder.join(id)).await.map_err(disk)?;
        Ok(size)
    }

    async fn remove(&self, tenant: &TenantId, id: &str) {
        remove(&self.path(tenant, id)).await;
    }

    async fn begin_partial(&self, tenant: &TenantId, id: &str, size: u64) -> Result<()> {
        make_private(&self.of(tenant)).await?;
        self.check_room(size)?;
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        options.open(self.partial(tenant, id)).await.map(drop).map_err(disk)
    }

    async fn received(&self, tenant: &TenantId, id: &str, size: u64) -> Result<Option<u64>> {
        let length = |facts: std::fs::Metadata| facts.len();
        match tokio::fs::metadata(self.partial(tenant, id)).await.map(length) {
            Ok(received) => Ok(Some(received)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
            Err(_) => {
                let whole = tokio::fs::metadata(self.path(tenant, id)).await.map(length);
                Ok(whole.ok().filter(|whole| *whole == size))
            }
        }
    }

    async fn append(
        &self,
        tenant: &TenantId,
        id: &str,
        offset: u64,
        size: u64,
        bytes: Bytes<'_>,
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

    async fn finish_partial(&self, tenant: &TenantId, id: &str) -> Result<()> {
        if !tokio::fs::try_exists(self.partial(tenant, id)).await.map_err(disk)? {
            return Ok(());
        }
        tokio::fs::rename(self.partial(tenant, id), self.path(tenant, id)).await.map_err(disk)
    }

    async fn remove_partial(&self, tenant: &TenantId, id: &str) {
        remove(&self.partial(tenant, id)).await;
    }

    fn at(&self, tenant: &TenantId, id: &str, _size: u64) -> At {
        At::Path(self.path(tenant, id))
    }

    async fn settled(&self) -> Result<Vec<LeftBehind>> {
        let folder = self.path.clone();
        // Reading folders blocks.
        let found = tokio::task::spawn_blocking(move || look_through(&folder)).await;
        found.map_err(|error| Error::internal("a look at the uploads broke off").with_source(error))?.map_err(
            |error| {
                Error::new(ErrorKind::Unavailable, "the uploads' folder cannot be read").with_source(error)
            },
        )
    }

    async fn remove_left_behind(&self, files: &[LeftBehind]) {
        for file in files {
            remove(&self.path.join(&file.path)).await;
        }
    }

    async fn check(&self) -> Result<()> {
        Ok(())
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
    mut bytes: Bytes<'_>,
    limit: u64,
    take: impl Fn(u64) -> Result<()> + Send,
) -> Result<u64> {
    let file = tokio::fs::File::from_std(file);
    let mut file = tokio::io::BufWriter::with_capacity(BUFFER, file);
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
            return Err(too_many(limit));
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
            Err(std::fs::TryLockError::WouldBlock) => return Err(another_part()),
            Err(std::fs::TryLockError::Error(error)) => return Err(disk(error)),
        }
        let end = file.metadata().map_err(disk)?.len();
        if end == offset { Ok(file) } else { Err(not_there(end, offset)) }
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

fn look_through(uploads: &Path) -> io::Result<Vec<LeftBehind>> {
    let mut settled = Vec::new();
    if !uploads.exists() {
        return Ok(settled);
    }
    for tenant in std::fs::read_dir(uploads)? {
        let tenant = tenant?;
        for file in std::fs::read_dir(tenant.path())? {
            let file = file?;
            let age =
                file.metadata().and_then(|facts| facts.modified()).ok().and_then(|at| at.elapsed().ok());
            let Some(age) = age else { continue };
            if file.path().extension().is_some_and(|end| end == PARTIAL) {
                if age > ABANDONED {
                    std::fs::remove_file(file.path())?;
                }
            } else if age > SETTLED
                && let (Some(folder), Some(id)) = (tenant.file_name().to_str(), file.file_name().to_str())
            {
                settled.push(LeftBehind { id: id.to_owned(), path: format!("{folder}/{id}") });
            }
        }
    }
    Ok(settled)
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

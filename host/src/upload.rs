//! Uploads: media that callers bring, kept in files until their jobs have ended.
//!
//! Bytes go straight to disk, so memory stays flat however large a file is. A tenant's files lie in a folder
//! of their own whose name is made of the tenant's, so an id alone never leads to another tenant's file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use crate::clock::millis;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Inner, Tenant};
use crate::id;
use crate::store::UploadRow;
use crate::tenant::TenantId;

/// Bytes gathered before they are written: each write is a trip to another thread.
const BUFFER: usize = 256 << 10;
/// The longest name kept of a file; file systems hold no longer ones.
const NAME_LENGTH: usize = 255;
/// A file that is still being brought ends so.
const PARTIAL: &str = "part";
/// A partial file that has not grown for so long was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Media that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// What a media item names in `upload`.
    pub id: String,
    /// What the caller called it.
    pub file_name: Option<String>,
    /// What the caller said it is.
    pub content_type: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub created_at: i64,
    /// When it is removed unless an open job needs it; seconds since 1970.
    pub expires_at: i64,
}

/// What is known of media before its bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    /// What the caller calls it.
    pub file_name: Option<String>,
    /// What the caller says it is.
    pub content_type: Option<String>,
    /// Bytes, where announced. Fewer or more are then an error.
    pub size: Option<u64>,
    /// The most bytes taken.
    pub limit: u64,
    /// The most bytes that the tenant's uploads may take together; none: no such bound.
    pub tenant_limit: Option<u64>,
}

impl Tenant {
    /// Keeps what `bytes` brings. If the future is dropped, nothing is kept.
    ///
    /// # Errors
    /// `LimitExceeded` for more bytes than the limit, `QuotaExceeded` where the tenant's uploads would take more
    /// than theirs, `InvalidRequest` for none and for a stream that broke off, `Unavailable` where the disk is
    /// full.
    pub async fn keep_upload(
        &self,
        new: NewUpload,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<Upload> {
        self.inner.keep_upload(&self.id, new, bytes).await
    }

    /// What is kept, newest first.
    pub async fn uploads(&self) -> Result<Vec<Upload>> {
        let rows = self.inner.store.uploads(&self.id).await?;
        Ok(rows.into_iter().map(|row| self.inner.show_upload(row)).collect())
    }

    /// One upload.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn upload(&self, id: &str) -> Result<Upload> {
        Ok(self.inner.show_upload(self.inner.upload_row(&self.id, id).await?))
    }

    /// Removes an upload.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidRequest` while an open job needs it.
    pub async fn delete_upload(&self, id: &str) -> Result<()> {
        self.inner.delete_upload(&self.id, id).await
    }
}

impl Inner {
    /// Where an upload's bytes lie.
    pub(crate) fn upload_path(&self, tenant: &TenantId, id: &str) -> PathBuf {
        self.upload_folder(tenant).join(id)
    }

    fn upload_folder(&self, tenant: &TenantId) -> PathBuf {
        let name: String = id::hash(tenant.as_str()).chars().take(32).collect();
        self.uploads.join(name)
    }

    pub(crate) async fn upload_row(&self, tenant: &TenantId, id: &str) -> Result<UploadRow> {
        self.store.upload(tenant, id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no upload {id}"))
                .with_field("media")
                .with_remedy("bring the file again; uploads are removed after some days")
        })
    }

    fn show_upload(&self, row: UploadRow) -> Upload {
        Upload {
            id: row.id,
            file_name: row.file_name,
            content_type: row.content_type,
            size: row.size.cast_unsigned(),
            created_at: row.created_at / 1000,
            expires_at: row.created_at.saturating_add(millis(self.keep_uploads)) / 1000,
        }
    }

    async fn keep_upload(
        &self,
        tenant: &TenantId,
        new: NewUpload,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<Upload> {
        let coming = self.begin_upload(tenant, &new).await?;
        let folder = self.upload_folder(tenant);
        make_private(&folder).await?;
        let id = id::new("up")?;
        let partial = Partial(folder.join(format!("{id}.{PARTIAL}")));
        let size = write_all(&partial.0, bytes, new.limit, &coming).await?;
        if size == 0 {
            return Err(invalid("the upload is empty", "send the file as the body"));
        }
        if new.size.is_some_and(|announced| announced != size) {
            return Err(invalid("the upload has another size than announced", "send the whole file again"));
        }
        tokio::fs::rename(&partial.0, folder.join(&id)).await.map_err(disk)?;
        let row = UploadRow {
            id: id.clone(),
            tenant: tenant.as_str().to_owned(),
            file_name: new.file_name.as_deref().and_then(plain_name),
            content_type: new.content_type.filter(|it| it.len() <= 100 && it.contains('/')),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            created_at: self.clock.now_ms(),
        };
        // The last word on the tenant's bound: others may have been kept meanwhile, also by other processes.
        let stored = self.store.insert_upload(&row, new.tenant_limit).await;
        let failed = match stored {
            Ok(true) => None,
            Ok(false) => Some(no_room(new.tenant_limit.unwrap_or_default())),
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            // Without its row nobody can name it.
            remove(&folder.join(&id)).await;
            return Err(error);
        }
        tracing::info!(%tenant, upload = id, size, "upload kept");
        Ok(self.show_upload(row))
    }

    /// Room for an upload. What is announced is taken at once, so that several at the same time do not each find
    /// room for themselves alone; what is not announced is taken as it arrives.
    async fn begin_upload(&self, tenant: &TenantId, new: &NewUpload) -> Result<Coming> {
        let Some(limit) = new.tenant_limit else { return Ok(Coming::default()) };
        let under_way = match self.coming_uploads.lock() {
            Ok(mut all) => {
                all.retain(|_, bytes| Arc::strong_count(bytes) > 1);
                all.entry(tenant.clone()).or_default().clone()
            }
            Err(_) => return Err(Error::internal("the uploads under way are not known any more")),
        };
        let kept = self.store.uploads(tenant).await?.iter().map(|row| row.size.cast_unsigned()).sum();
        let coming = Coming { bound: Some(Bound { limit, kept, under_way }), taken: AtomicU64::new(0) };
        coming.take(new.size.unwrap_or_default())?;
        Ok(coming)
    }

    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<()> {
        self.upload_row(tenant, id).await?;
        if !self.store.delete_upload(tenant, id).await? {
            return Err(invalid("an open job needs this upload", "wait for the job, or cancel it"));
        }
        remove(&self.upload_path(tenant, id)).await;
        Ok(())
    }

    /// Removes uploads that nobody needs any more, and what dead processes left.
    pub(crate) async fn sweep_uploads(&self) -> Result<usize> {
        let before = self.clock.now_ms().saturating_sub(millis(self.keep_uploads));
        let gone = self.store.take_finished_uploads(before).await?;
        for (tenant, id) in &gone {
            remove(&self.upload_path(tenant, id)).await;
        }
        let uploads = self.uploads.clone();
        // Looking through folders blocks.
        let swept = tokio::task::spawn_blocking(move || remove_abandoned(&uploads)).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "the uploads' folder cannot be looked through");
        }
        Ok(gone.len())
    }
}

/// The bytes of an upload under way, counted against its tenant's bound until it is kept or given up.
#[derive(Default)]
struct Coming {
    bound: Option<Bound>,
    taken: AtomicU64,
}

struct Bound {
    limit: u64,
    /// What the tenant had when it began.
    kept: u64,
    /// Of all the tenant's uploads in this process.
    under_way: Arc<AtomicU64>,
}

/// Bytes of uploads under way in this process, by tenant.
pub(crate) type ComingUploads = Mutex<HashMap<TenantId, Arc<AtomicU64>>>;

impl Coming {
    /// Makes room up to `size` bytes of this upload.
    fn take(&self, size: u64) -> Result<()> {
        let Some(Bound { limit, kept, under_way }) = &self.bound else { return Ok(()) };
        let more = size.saturating_sub(self.taken.load(Ordering::Relaxed));
        if more == 0 {
            return Ok(());
        }
        let room = limit.saturating_sub(*kept);
        let fits = |taken: u64| taken.checked_add(more).filter(|taken| *taken <= room);
        if under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return Err(no_room(*limit));
        }
        self.taken.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

fn no_room(limit: u64) -> Error {
    Error::new(
        ErrorKind::QuotaExceeded,
        format!("the uploads of this tenant may take {limit} bytes together, and there is no room for this one"),
    )
    .with_field("media")
    .with_code("upload_room")
    .with_remedy("delete uploads that are not needed any more, wait for the jobs that publish some, or have the operator raise the limit")
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(bound) = &self.bound {
            bound.under_way.fetch_sub(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// A file that goes away unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Renamed already is the good case.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn write_all(
    path: &Path,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    limit: u64,
    coming: &Coming,
) -> Result<u64> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let file = options.open(path).await.map_err(disk)?;
    let mut file = tokio::io::BufWriter::with_capacity(BUFFER, file);
    let mut bytes = std::pin::pin!(bytes);
    let mut size = 0u64;
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|error| {
            invalid("the upload broke off", "send the whole file again").with_source(error)
        })?;
        size = size.saturating_add(chunk.len() as u64);
        if size > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the upload has more than {limit} bytes"),
            )
            .with_field("media")
            .with_remedy("send a smaller file, or have the operator raise the limit"));
        }
        coming.take(size)?;
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    // A job that names it may be stored right after.
    file.get_ref().sync_data().await.map_err(disk)?;
    Ok(size)
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

fn remove_abandoned(uploads: &Path) -> io::Result<()> {
    if !uploads.exists() {
        return Ok(());
    }
    for tenant in std::fs::read_dir(uploads)? {
        for file in std::fs::read_dir(tenant?.path())? {
            let file = file?;
            let partial = file.path().extension().is_some_and(|end| end == PARTIAL);
            let age =
                file.metadata().and_then(|facts| facts.modified()).ok().and_then(|at| at.elapsed().ok());
            if partial && age.is_some_and(|age| age > ABANDONED) {
                std::fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

/// The last part of a name, as browsers and programs give it; nothing is ever opened by it.
fn plain_name(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    (!name.is_empty() && name.len() <= NAME_LENGTH).then_some(name)
}

fn invalid(message: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
}

fn disk(error: io::Error) -> Error {
    let (message, remedy) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("the disk is full".to_owned(), "make room, then send the file again")
        }
        _ => (format!("the upload cannot be written: {error}"), "check the uploads' folder and its rights"),
    };
    Error::new(ErrorKind::Unavailable, message).with_remedy(remedy).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_without_its_folders() {
        assert_eq!(plain_name("C:\\clips\\one.mp4").as_deref(), Some("one.mp4"));
        assert_eq!(plain_name("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(plain_name("a\r\nb.mp4").as_deref(), Some("ab.mp4"));
        assert_eq!(plain_name("folder/"), None);
    }
}

//! Uploads: media that callers upload, kept until their jobs have ended.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::fair::{Fair, Place};
use social_channel_runtime::media::At;

use super::files::{Files, LeftBehind, gone, invalid};
use super::open::OpenBlob;
use crate::id;
use crate::room::Room;
use crate::store::{Kept, Store, UploadRow};
use crate::tenant_id::TenantId;

/// The longest stored file name; file systems do not allow longer names.
const NAME_LENGTH: usize = 255;
/// Ids looked up in one query.
const LOOKED_UP: usize = 500;

/// An uploaded media file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// The id that a media item refers to in `upload`.
    pub id: String,
    /// The file name that the caller gave.
    pub file_name: Option<String>,
    /// The content type that the caller gave.
    pub content_type: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub created_at: i64,
    /// When it is removed unless an open job needs it; seconds since 1970.
    pub expires_at: i64,
    /// Whether it stays until then also when its jobs have published, because more of them come.
    #[serde(default)]
    pub held: bool,
}

/// What is known about an upload before its bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct NewUpload {
    /// The file name that the caller gives.
    pub file_name: Option<String>,
    /// The content type that the caller gives.
    pub content_type: Option<String>,
    /// The announced size in bytes, if any. Another size is then an error.
    pub size: Option<u64>,
    /// The maximum size in bytes.
    pub limit: u64,
    /// The maximum total size of the tenant's uploads in bytes; None: unlimited.
    pub tenant_limit: Option<u64>,
}

/// The uploads of one database.
pub(crate) struct Uploads {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) files: Box<dyn Files>,
    /// How long an upload without an open job is kept.
    keep: Duration,
    receiving: Fair,
    pub(super) room: Arc<Room>,
    /// Bytes of running uploads in this process, by tenant.
    coming: Mutex<HashMap<TenantId, Arc<AtomicU64>>>,
}

impl Uploads {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        OpenBlob(files): OpenBlob,
        keep: Duration,
        room: Arc<Room>,
    ) -> Self {
        let receiving = Fair::new(files.receiving());
        Uploads { store, clock, files, keep, receiving, room, coming: Mutex::default() }
    }

    /// Where an upload's bytes are read.
    pub(crate) fn at(&self, tenant: &TenantId, id: &str, size: u64) -> At {
        self.files.at(tenant, id, size)
    }

    /// Whether files can be stored where they are to be.
    ///
    /// # Errors
    /// What keeps them from it.
    pub(crate) async fn check(&self) -> Result<()> {
        self.files.check().await
    }

    pub(crate) async fn row(&self, tenant: &TenantId, id: &str) -> Result<UploadRow> {
        self.store.upload(tenant, id).await?.ok_or_else(|| gone(id))
    }

    pub(crate) async fn list(&self, tenant: &TenantId) -> Result<Vec<Upload>> {
        self.page(tenant, u32::MAX, None).await
    }

    pub(crate) async fn page(
        &self,
        tenant: &TenantId,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Vec<Upload>> {
        let rows = self.store.uploads(tenant, limit, after).await?;
        Ok(rows.into_iter().map(|row| self.show(row)).collect())
    }

    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Upload> {
        Ok(self.show(self.row(tenant, id).await?))
    }

    /// Holds an upload beyond the end of its jobs, or lets go of it.
    pub(crate) async fn hold(&self, tenant: &TenantId, id: &str, held: bool) -> Result<Upload> {
        if !self.store.hold_upload(tenant, id, held).await? {
            return Err(gone(id));
        }
        self.get(tenant, id).await
    }

    pub(super) fn show(&self, row: UploadRow) -> Upload {
        Upload {
            id: row.id,
            file_name: row.file_name,
            content_type: row.content_type,
            size: row.size.cast_unsigned(),
            created_at: row.created_at / 1000,
            expires_at: row.created_at.saturating_add(millis(self.keep)) / 1000,
            held: row.held,
        }
    }

    /// Stores the bytes of the stream `bytes`. If the future is dropped, nothing is stored.
    pub(crate) async fn keep(
        &self,
        tenant: &TenantId,
        new: NewUpload,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<Upload> {
        let _place = self.place(tenant).await?;
        self.room.check_number(tenant, Kept::Uploads).await?;
        let coming = self.begin(tenant, &new).await?;
        let id = id::new("up")?;
        let take = |size| coming.take(size);
        let size = self.files.write(tenant, &id, Box::pin(bytes), new.limit, &take, new.size).await?;
        let row = UploadRow {
            id: id.clone(),
            tenant: tenant.as_str().to_owned(),
            file_name: new.file_name.as_deref().and_then(plain_name),
            content_type: new.content_type.filter(|it| plain_type(it)),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            held: false,
            created_at: self.clock.now_ms(),
        };
        // The final check of the tenant's limit, because other uploads may have been stored meanwhile, also by
        // other processes.
        let stored = self.store.insert_upload(&row, new.tenant_limit, None).await;
        let failed = match stored {
            Ok(true) => None,
            Ok(false) => Some(no_room(new.tenant_limit.unwrap_or_default())),
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            // Without its row it cannot be used.
            self.files.remove(tenant, &id).await;
            return Err(error);
        }
        tracing::info!(%tenant, upload = id, size, "upload kept");
        Ok(self.show(row))
    }

    /// Waits for a place among the uploads that are received.
    pub(super) async fn place(&self, tenant: &TenantId) -> Result<Place> {
        self.receiving.enter(tenant.as_str()).await.map_err(|error| error.with_field("media"))
    }

    /// Reserves space for an upload. An announced size is reserved at once, so that several concurrent uploads
    /// cannot exceed the limit together; otherwise space is reserved as bytes arrive.
    async fn begin(&self, tenant: &TenantId, new: &NewUpload) -> Result<Coming> {
        let Some(limit) = new.tenant_limit else { return Ok(Coming::default()) };
        let under_way = match self.coming.lock() {
            Ok(mut all) => {
                all.retain(|_, bytes| Arc::strong_count(bytes) > 1);
                all.entry(tenant.clone()).or_default().clone()
            }
            Err(_) => return Err(Error::internal("the uploads under way are not known any more")),
        };
        let kept = self.store.uploaded(tenant).await?;
        let coming = Coming { bound: Some(Bound { limit, kept, under_way }), taken: AtomicU64::new(0) };
        coming.take(new.size.unwrap_or_default())?;
        Ok(coming)
    }

    /// Also one that has begun and is not whole.
    pub(crate) async fn delete(&self, tenant: &TenantId, id: &str) -> Result<()> {
        if self.store.upload(tenant, id).await?.is_none() {
            return if self.delete_parts(tenant, id).await? { Ok(()) } else { Err(gone(id)) };
        }
        if !self.store.delete_upload(tenant, id).await? {
            return Err(invalid("an open job needs this upload", "wait for the job, or cancel it"));
        }
        self.files.remove(tenant, id).await;
        Ok(())
    }

    /// Removes uploads that are no longer needed, and files left behind by dead processes.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        let before = self.clock.now_ms().saturating_sub(millis(self.keep));
        let gone = self.store.take_finished_uploads(before).await?;
        for (tenant, id) in &gone {
            self.files.remove(tenant, id).await;
        }
        // A process that died between writing a file and its row, or between deleting a row and its file, left a
        // file without a row.
        // Where it cannot be looked at now, the next round does.
        let settled = self.files.settled().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what dead processes left of uploads cannot be swept");
            Vec::new()
        });
        for files in settled.chunks(LOOKED_UP) {
            let ids: Vec<String> = files.iter().map(|file| file.id.clone()).collect();
            let known = self.store.known_uploads(&ids).await?;
            let left: Vec<LeftBehind> =
                files.iter().filter(|file| !known.contains(&file.id)).cloned().collect();
            self.files.remove_left_behind(&left).await;
        }
        Ok(gone.len())
    }
}

/// The bytes of a running upload, counted against its tenant's limit until it is stored or dropped.
#[derive(Default)]
struct Coming {
    bound: Option<Bound>,
    taken: AtomicU64,
}

struct Bound {
    limit: u64,
    /// The tenant's stored bytes when the upload began.
    kept: u64,
    /// The bytes of all running uploads of the tenant in this process.
    under_way: Arc<AtomicU64>,
}

impl Coming {
    /// Reserves space for up to `size` bytes of this upload.
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

pub(super) fn no_room(limit: u64) -> Error {
    Error::new(
        ErrorKind::QuotaExceeded,
        format!("the uploads of this tenant are limited to {limit} bytes in total, and there is no room for this one"),
    )
    .with_field("media")
    .with_code("upload_room")
    .with_remedy("delete uploads that are no longer needed, wait for the jobs that publish some, or ask the operator to raise the limit")
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(bound) = &self.bound {
            bound.under_way.fetch_sub(self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// The last component of a file name given by a browser or program; it is never used to open a file.
pub(super) fn plain_name(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    (!name.is_empty() && name.len() <= NAME_LENGTH).then_some(name)
}

/// Whether it looks like a content type at all.
pub(super) fn plain_type(content_type: &str) -> bool {
    content_type.len() <= 100 && content_type.contains('/')
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

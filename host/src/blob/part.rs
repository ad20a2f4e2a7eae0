//! Uploads in parts: a part may break off, and the next begins where the file ends, also after a restart or from another
//! browser tab. What was begun is a document of the store; how much has arrived is what its place says.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, ErrorKind, Result};

use super::files::{ABANDONED, invalid, too_many};
use super::upload::{Uploads, no_room, plain_name, plain_type};
use super::{NewUpload, gone};
use crate::document::{self, Document, DocumentChanges};
use crate::id;
use crate::store::{Kept, UploadRow};
use crate::tenant_id::TenantId;

/// Uploads of one tenant that have begun: more than a form with photos needs, and each is a file.
const BEGUN: usize = 100;
/// A part that arrives moves the end of an upload; this often at most, because each time is a write.
const KEPT_ON: Duration = Duration::from_secs(600);

/// An upload that comes in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartialUpload {
    /// The id that a media item refers to in `upload`, once all bytes are there.
    pub id: String,
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Bytes that have arrived.
    pub received: u64,
    /// When it is removed unless another part arrives; seconds since 1970.
    pub expires_at: i64,
}

/// What is stored of it.
#[derive(Serialize, Deserialize)]
struct Begun {
    size: u64,
    file_name: Option<String>,
    content_type: Option<String>,
    tenant_limit: Option<u64>,
}

impl Uploads {
    pub(crate) async fn begin_parts(&self, tenant: &TenantId, new: NewUpload) -> Result<PartialUpload> {
        let Some(size) = new.size.filter(|size| *size > 0) else {
            return Err(invalid(
                "the size of the upload is missing",
                "send the size of the file; it is not empty",
            ));
        };
        if size > new.limit {
            return Err(too_many(new.limit));
        }
        let begun = self.all_begun(tenant).await?;
        self.room.check_number(tenant, Kept::Uploads).await?;
        if begun.len() >= BEGUN {
            return Err(Error::new(
                ErrorKind::QuotaExceeded,
                format!("{BEGUN} uploads of this tenant have begun and are not whole"),
            )
            .with_field("media")
            .with_remedy("finish or delete some of them; they are removed a day after their last part"));
        }
        if let Some(limit) = new.tenant_limit {
            let kept = self.store.uploaded(tenant).await?;
            let coming: u64 = begun.iter().map(|begun| begun.facts.size).sum();
            if kept.saturating_add(coming).saturating_add(size) > limit {
                return Err(no_room(limit));
            }
        }
        let id = id::new("up")?;
        self.files.begin_partial(tenant, &id, size).await?;
        let facts = Begun {
            size,
            file_name: new.file_name.as_deref().and_then(plain_name),
            content_type: new.content_type.filter(|it| plain_type(it)),
            tenant_limit: new.tenant_limit,
        };
        let expires_at = self.note(tenant, &id, facts).await?;
        Ok(PartialUpload { id, size, received: 0, expires_at })
    }

    pub(crate) async fn parts(&self, tenant: &TenantId, id: &str) -> Result<PartialUpload> {
        if let Some(whole) = self.whole(tenant, id).await? {
            return Ok(whole);
        }
        let begun = self.begun(tenant, id).await?;
        let received = self.received(tenant, id, &begun.facts).await?;
        let expires_at = begun.expires_at.unwrap_or(i64::MAX) / 1000;
        if received == begun.facts.size {
            // A process ended between the last byte and the row.
            return self.finish(tenant, id, begun.facts).await;
        }
        Ok(PartialUpload { id: id.to_owned(), size: begun.facts.size, received, expires_at })
    }

    pub(crate) async fn append(
        &self,
        tenant: &TenantId,
        id: &str,
        offset: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<PartialUpload> {
        let _place = self.place(tenant).await?;
        let begun = self.begun(tenant, id).await?;
        let size = begun.facts.size;
        // What arrives again after its end is told where the upload ends.
        let part = self.files.append(tenant, id, offset, size, Box::pin(bytes)).await;
        part.map_err(|error| match error.kind {
            ErrorKind::LimitExceeded => invalid(
                "the part goes beyond the size that was announced",
                "begin the upload again with the size of the file",
            ),
            _ => error,
        })?;
        let received = self.received(tenant, id, &begun.facts).await?;
        if received == size {
            return self.finish(tenant, id, begun.facts).await;
        }
        let mut expires_at = begun.expires_at.unwrap_or(i64::MAX) / 1000;
        let moved = self.clock.now_ms().saturating_add(millis(ABANDONED)) / 1000;
        if moved.saturating_sub(expires_at).unsigned_abs() >= KEPT_ON.as_secs() {
            expires_at = self.note(tenant, id, begun.facts).await?;
        }
        Ok(PartialUpload { id: id.to_owned(), size, received, expires_at })
    }

    /// Removes what has arrived of an upload; false: there is none that has begun.
    pub(super) async fn delete_parts(&self, tenant: &TenantId, id: &str) -> Result<bool> {
        let removed =
            self.store.change_documents(&DocumentChanges::new().remove(&kind(tenant), id).0).await?;
        if removed > 0 {
            self.files.remove_partial(tenant, id).await;
        }
        Ok(removed > 0)
    }

    async fn all_begun(&self, tenant: &TenantId) -> Result<Vec<Document<Begun>>> {
        self.store.documents(&kind(tenant)).await?.into_iter().map(document::read).collect()
    }

    async fn begun(&self, tenant: &TenantId, id: &str) -> Result<Document<Begun>> {
        let row = self.store.document(&kind(tenant), id).await?.ok_or_else(|| gone(id))?;
        document::read(row)
    }

    /// Stores what is known of it; returns when it ends.
    async fn note(&self, tenant: &TenantId, id: &str, facts: Begun) -> Result<i64> {
        let now = self.clock.now_ms();
        let expires_at = now.saturating_add(millis(ABANDONED));
        let document =
            Document { id: id.to_owned(), facts, body: None, created_at: now, expires_at: Some(expires_at) };
        self.store.change_documents(&DocumentChanges::new().put(&kind(tenant), document)?.0).await?;
        Ok(expires_at / 1000)
    }

    async fn received(&self, tenant: &TenantId, id: &str, begun: &Begun) -> Result<u64> {
        self.files.received(tenant, id, begun.size).await?.ok_or_else(|| gone(id))
    }

    async fn whole(&self, tenant: &TenantId, id: &str) -> Result<Option<PartialUpload>> {
        let whole = self.store.upload(tenant, id).await?.map(|row| self.show(row));
        Ok(whole.map(|it| PartialUpload {
            id: it.id,
            size: it.size,
            received: it.size,
            expires_at: it.expires_at,
        }))
    }

    /// All bytes are there: it becomes an upload like any other. May be called again after it was cut off anywhere, and
    /// by two at once.
    async fn finish(&self, tenant: &TenantId, id: &str, begun: Begun) -> Result<PartialUpload> {
        let failed = self.make_whole(tenant, id, begun).await.err();
        match (self.whole(tenant, id).await?, failed) {
            (Some(whole), _) => Ok(whole),
            (None, Some(error)) => Err(error),
            (None, None) => Err(gone(id)),
        }
    }

    async fn make_whole(&self, tenant: &TenantId, id: &str, begun: Begun) -> Result<()> {
        self.files.finish_partial(tenant, id).await?;
        let row = UploadRow {
            id: id.to_owned(),
            tenant: tenant.as_str().to_owned(),
            file_name: begun.file_name,
            content_type: begun.content_type,
            size: i64::try_from(begun.size).unwrap_or(i64::MAX),
            held: false,
            created_at: self.clock.now_ms(),
        };
        if !self.store.insert_upload(&row, begun.tenant_limit, Some(&kind(tenant))).await? {
            self.delete_parts(tenant, id).await?;
            self.files.remove(tenant, id).await;
            return Err(no_room(begun.tenant_limit.unwrap_or_default()));
        }
        tracing::info!(%tenant, upload = id, size = begun.size, "upload kept");
        Ok(())
    }
}

fn kind(tenant: &TenantId) -> String {
    format!("upload/{tenant}")
}

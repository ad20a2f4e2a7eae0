//! Files that are not complete: S3's uploads in parts ("multipart").
//!
//! What is known of one is a document of the store without an end of its own, because S3 keeps the parts, and their price,
//! until somebody aborts the upload. Whoever appends writes its own mark into the document first, and every later write
//! compares with what it wrote last: an older writer whose connection is dead, or whose machine was stopped, cannot write any
//! more. S3 compares the parts once more when a file is completed, so a part that was overwritten is an error, never
//! another file.

use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, Result};

use super::failure::code_of;
use super::shared::{LATE, Shared, TAIL};
use crate::blob::files::{ABANDONED, another_part, folder_of, invalid, too_many};
use crate::id;
use crate::store::{Document, DocumentChange};
use crate::tenant_id::TenantId;

/// The smallest part that S3 takes, unless it is the last.
const SMALLEST: u64 = 5 << 20;
/// The largest one here, because it is held in memory. Files above 625 GiB would need larger ones.
const LARGEST: u64 = 64 << 20;
/// Parts that S3 allows.
const PARTS: u64 = 10_000;
/// The kind of the documents.
const KIND: &str = "blob-parts";

/// The size of the parts of a file of up to `size` bytes. All parts but the last have it: some S3 ask for that.
pub(super) fn part_size(size: u64) -> usize {
    usize::try_from(size.div_ceil(PARTS).clamp(SMALLEST, LARGEST)).unwrap_or(usize::MAX)
}

/// What is known of a file that is not complete.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sending {
    owner: String,
    /// Size of the parts.
    pub(super) part_size: usize,
    /// S3's name of the upload, once it was begun there.
    multipart: Option<String>,
    /// S3's names of the parts.
    parts: Vec<String>,
    /// The bytes after the parts.
    pub(super) tail: Option<Tail>,
    /// Who may write.
    pub(super) writer: String,
    /// When it was written; milliseconds since 1970.
    at: i64,
}

/// Fewer bytes than a part may have, in an object of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tail {
    writer: String,
    size: u64,
}

impl Sending {
    pub(super) fn new(tenant: &TenantId, size: u64, now: i64) -> Result<Self> {
        Ok(Sending {
            owner: tenant.to_string(),
            part_size: part_size(size),
            multipart: None,
            parts: Vec::new(),
            tail: None,
            writer: id::new("w")?,
            at: now,
        })
    }

    /// The bytes that are stored for good.
    pub(super) fn received(&self) -> u64 {
        let tail = self.tail.as_ref().map_or(0, |tail| tail.size);
        (self.parts.len() as u64).saturating_mul(self.part_size as u64).saturating_add(tail)
    }
}

/// A file that is written: what is known of it now, and what the store has.
pub(super) struct Writing {
    id: String,
    pub(super) now: Sending,
    stored: String,
}

fn json(sending: &Sending) -> Result<String> {
    serde_json::to_string(sending)
        .map_err(|error| Error::internal("an upload cannot be noted").with_source(error))
}

impl Shared {
    /// Notes a file that begins.
    pub(super) async fn insert(&self, id: &str, sending: &Sending) -> Result<()> {
        let document = Document {
            kind: KIND.to_owned(),
            id: id.to_owned(),
            facts: json(sending)?,
            body: None,
            created_at: sending.at,
            expires_at: None,
        };
        self.store.change_documents(&[DocumentChange::Put(document)]).await.map(drop)
    }

    /// A file that is not complete.
    pub(super) async fn sending(&self, id: &str) -> Result<Option<Writing>> {
        self.store.document(KIND, id).await?.map(Writing::of).transpose()
    }

    async fn forget(&self, id: &str) -> Result<()> {
        let gone = DocumentChange::Remove { kind: KIND.to_owned(), id: id.to_owned() };
        self.store.change_documents(&[gone]).await.map(drop)
    }

    pub(super) fn tail_path(&self, tenant: &TenantId, id: &str, tail: &Tail) -> Path {
        self.path(&format!("{}/{id}{TAIL}{}", folder_of(tenant), tail.writer))
    }

    /// The bytes of a tail.
    pub(super) async fn tail(&self, tenant: &TenantId, id: &str, tail: &Tail) -> Result<Bytes> {
        let path = self.tail_path(tenant, id, tail);
        let found = self.client.get(&path).await.map_err(|error| self.failure(error))?;
        let bytes = found.bytes().await.map_err(|error| self.failure(error))?;
        if bytes.len() as u64 == tail.size { Ok(bytes) } else { Err(begin_again()) }
    }

    /// Aborts S3's upload. One that is not there any more is none.
    async fn abort(&self, path: &Path, multipart: &str) -> Result<()> {
        match self.client.abort_multipart(path, &multipart.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Gives up what nobody has written to for so long that its upload has ended.
    pub(super) async fn give_up_abandoned(&self) -> Result<()> {
        let before = self.clock.now_ms().saturating_sub(millis(ABANDONED + LATE));
        for document in self.store.documents(KIND).await? {
            let id = document.id.clone();
            let read = Writing::of(document);
            let Ok(writing) = read.inspect_err(|error| tracing::error!(id, %error, "parts cannot be swept"))
            else {
                continue;
            };
            if writing.now.at < before {
                // A damaged one does not end the sweep of the others.
                match writing.now.owner.parse::<TenantId>() {
                    Ok(tenant) => writing.give_up(self, &tenant, &id).await,
                    Err(error) => tracing::error!(id, %error, "parts cannot be swept"),
                }
            }
        }
        Ok(())
    }
}

impl Writing {
    fn of(document: Document) -> Result<Self> {
        let now = serde_json::from_str(&document.facts).map_err(|error| {
            Error::internal("what is stored of an upload cannot be read").with_source(error)
        })?;
        Ok(Writing { id: document.id, now, stored: document.facts })
    }

    /// Stores what is known now, unless somebody else writes.
    pub(super) async fn store(&mut self, shared: &Shared) -> Result<()> {
        self.now.at = shared.clock.now_ms();
        let facts = json(&self.now)?;
        let swap = DocumentChange::SwapFacts {
            kind: KIND.to_owned(),
            id: self.id.clone(),
            was: self.stored.clone(),
            facts: facts.clone(),
        };
        if facts != self.stored && shared.store.change_documents(&[swap]).await? == 0 {
            return Err(another_part());
        }
        self.stored = facts;
        Ok(())
    }

    /// S3's name of the upload, which is begun if it was not.
    async fn multipart(&mut self, shared: &Shared, path: &Path) -> Result<String> {
        if let Some(known) = &self.now.multipart {
            return Ok(known.clone());
        }
        let begun = shared.client.create_multipart(path).await.map_err(|error| shared.failure(error))?;
        self.now.multipart = Some(begun.clone());
        // Before any part: what the store does not know, nobody aborts. An upload without parts costs nothing.
        if let Err(error) = self.store(shared).await {
            // Best effort, for the same reason.
            let _ = shared.abort(path, &begun).await;
            return Err(error);
        }
        Ok(begun)
    }

    /// Stores a whole part, in which the tail has become part of it.
    pub(super) async fn put(
        &mut self,
        shared: &Shared,
        tenant: &TenantId,
        id: &str,
        bytes: Bytes,
    ) -> Result<()> {
        let path = shared.file(tenant, id);
        let multipart = self.multipart(shared, &path).await?;
        let number = self.now.parts.len();
        let part = shared.client.put_part(&path, &multipart, number, PutPayload::from(bytes)).await;
        let part = part.map_err(|error| lost(shared, error))?;
        self.now.parts.push(part.content_id);
        self.now.tail = None;
        self.store(shared).await
    }

    /// Stores what is too small for a part.
    pub(super) async fn put_tail(
        &mut self,
        shared: &Shared,
        tenant: &TenantId,
        id: &str,
        bytes: Bytes,
    ) -> Result<()> {
        let tail = Tail { writer: self.now.writer.clone(), size: bytes.len() as u64 };
        let old = self.now.tail.as_ref();
        if bytes.is_empty() || old.is_some_and(|old| old.size == tail.size) {
            return Ok(());
        }
        let path = shared.tail_path(tenant, id, &tail);
        shared.client.put(&path, PutPayload::from(bytes)).await.map_err(|error| shared.failure(error))?;
        self.now.tail = Some(tail);
        let stored = self.store(shared).await;
        if stored.is_err() {
            shared.delete(&path).await;
        }
        stored
    }

    /// All bytes are there: the file becomes complete. May be called again after it was cut off anywhere, and by two at
    /// once.
    pub(super) async fn finish(self, shared: &Shared, tenant: &TenantId, id: &str) -> Result<()> {
        let (path, size) = (shared.file(tenant, id), self.now.received());
        let completed = self.complete(shared, tenant, id, &path).await;
        // Another one may have done it, or an answer may be lost.
        if let Err(error) = completed
            && shared.size(&path).await? != Some(size)
        {
            return Err(error);
        }
        shared.forget(id).await?;
        if let Some(tail) = &self.now.tail {
            shared.delete(&shared.tail_path(tenant, id, tail)).await;
        }
        Ok(())
    }

    async fn complete(&self, shared: &Shared, tenant: &TenantId, id: &str, path: &Path) -> Result<()> {
        let tail = match &self.now.tail {
            Some(tail) => Some(PutPayload::from(shared.tail(tenant, id, tail).await?)),
            None => None,
        };
        let Some(multipart) = &self.now.multipart else {
            // Smaller than a part.
            let whole = tail.unwrap_or_default();
            return shared.client.put(path, whole).await.map(drop).map_err(|error| shared.failure(error));
        };
        let mut parts: Vec<PartId> =
            self.now.parts.iter().cloned().map(|content_id| PartId { content_id }).collect();
        if let Some(tail) = tail {
            let part = shared.client.put_part(path, multipart, parts.len(), tail).await;
            parts.push(part.map_err(|error| lost(shared, error))?);
        }
        let done = shared.client.complete_multipart(path, multipart, parts).await;
        done.map(drop).map_err(|error| lost(shared, error))
    }

    /// Removes everything of it.
    pub(super) async fn give_up(mut self, shared: &Shared, tenant: &TenantId, id: &str) {
        let given_up = async {
            // Whoever writes still stores nothing more from here on.
            self.now.writer = id::new("w")?;
            self.store(shared).await?;
            if let Some(multipart) = &self.now.multipart {
                shared.abort(&shared.file(tenant, id), multipart).await?;
            }
            if let Some(tail) = &self.now.tail {
                shared.delete(&shared.tail_path(tenant, id, tail)).await;
            }
            shared.forget(id).await
        };
        if let Err(error) = given_up.await {
            tracing::warn!(%error, id, "the parts of an upload stay in the bucket; they are swept later");
        }
    }
}

/// The error of an upload whose parts S3 does not have as they were.
fn lost(shared: &Shared, error: object_store::Error) -> Error {
    match code_of(&error).as_deref() {
        Some("NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall") => begin_again(),
        _ if matches!(error, object_store::Error::NotFound { .. }) && code_of(&error).is_none() => {
            begin_again()
        }
        _ => shared.failure(error),
    }
}

fn begin_again() -> Error {
    invalid("parts of this upload are gone from the bucket", "begin the upload again")
}

/// An upload in parts that comes in one request: complete, or aborted when this is dropped.
pub(super) struct Abort {
    shared: Arc<Shared>,
    tenant: TenantId,
    id: String,
    path: Path,
    multipart: String,
    parts: Vec<PartId>,
    is_done: bool,
}

impl Abort {
    pub(super) async fn begin(shared: &Arc<Shared>, tenant: &TenantId, id: &str) -> Result<Self> {
        let path = shared.file(tenant, id);
        let multipart = shared.client.create_multipart(&path).await.map_err(|error| shared.failure(error))?;
        let begun = Abort {
            shared: shared.clone(),
            tenant: tenant.clone(),
            id: id.to_owned(),
            path,
            multipart: multipart.clone(),
            parts: Vec::new(),
            is_done: false,
        };
        // Before any part, so that it is swept should this process die.
        let note = Sending { multipart: Some(multipart), ..Sending::new(tenant, 0, shared.clock.now_ms())? };
        shared.insert(id, &note).await?;
        Ok(begun)
    }

    pub(super) async fn put(&mut self, bytes: Bytes) -> Result<()> {
        if self.parts.len() as u64 >= PARTS {
            return Err(too_many(PARTS * LARGEST));
        }
        let number = self.parts.len();
        let part =
            self.shared.client.put_part(&self.path, &self.multipart, number, PutPayload::from(bytes)).await;
        self.parts.push(part.map_err(|error| lost(&self.shared, error))?);
        Ok(())
    }

    pub(super) async fn complete(mut self, path: &Path, size: u64) -> Result<()> {
        let parts = std::mem::take(&mut self.parts);
        let done = self.shared.client.complete_multipart(path, &self.multipart, parts).await;
        if let Err(error) = done
            && self.shared.size(path).await? != Some(size)
        {
            return Err(lost(&self.shared, error));
        }
        self.is_done = true;
        // The note is swept if it stays.
        if let Err(error) = self.shared.forget(&self.id).await {
            tracing::warn!(%error, id = self.id, "a note of an upload that is complete stays for a day");
        }
        Ok(())
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        // Without a runtime the next sweep does it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, tenant, id) = (self.shared.clone(), self.tenant.clone(), self.id.clone());
        let (path, multipart) = (self.path.clone(), self.multipart.clone());
        runtime.spawn(async move {
            match shared.sending(&id).await {
                Ok(Some(writing)) => writing.give_up(&shared, &tenant, &id).await,
                // The note was not written yet.
                Ok(None) => {
                    let _ = shared.abort(&path, &multipart).await;
                }
                Err(error) => tracing::warn!(%error, id, "an upload that broke off is swept later"),
            }
            // Complete after all, if only the answer was lost: nobody has its name.
            shared.delete(&path).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_small_as_s3_allows_and_few_enough() {
        assert_eq!(part_size(0), 5 << 20);
        assert_eq!(part_size(4 << 30), 5 << 20);
        let large: u64 = 100 << 30;
        assert!(large.div_ceil(part_size(large) as u64) <= PARTS);
        assert_eq!(part_size(u64::MAX), 64 << 20);
    }
}

//! Files in a bucket of any S3.
//!
//! | object, below the prefix | what |
//! | --- | --- |
//! | `TENANT/ID` | a complete file; the same names as in a folder, so that one can be copied to the other |
//! | `TENANT/ID.tail-WRITER` | the end of a file that comes in parts, while it is smaller than S3 allows a part to be |
//! | `social-channel.owner` | the name of the database that files belong to: another one must not sweep them |
//!
//! S3 takes parts of at least five MiB, one upload holds no more than one of them in memory, and a part is stored for good
//! when S3 has taken it. What is known of a file that is not complete is a document of the store, written by one writer at
//! a time ([`sending`]).

mod connect;
mod failure;
mod object;
mod sending;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload};
use social_channel_runtime::SecretText;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::Result;
use social_channel_runtime::fair::Bounds;
use social_channel_runtime::media::At;
use tokio::sync::OnceCell;

use self::object::Object;
use self::sending::{Abort, Sending, part_size};
use self::shared::{LATE, Shared, TAIL};
use super::files::{
    ABANDONED, Bytes, Files, LeftBehind, SETTLED, check_size, gone, invalid, not_there, too_many,
};
use super::place::S3Address;
use crate::id;
use crate::store::Store;
use crate::tenant_id::TenantId;

/// Uploads that come in at once, for all tenants. Each holds a part of five MiB in memory, so they are fewer than those that
/// a folder takes: 320 MiB if all of them come at once.
const RECEIVING: Bounds =
    Bounds { what: "uploads", places: 64, waiting: 1_024, patience: Duration::from_secs(30) };

/// A bucket.
pub(super) struct S3 {
    shared: Arc<Shared>,
    /// Set once the bucket was seen to belong to this database.
    ready: OnceCell<()>,
    /// The age after which a file without a row never gets one.
    settled_after: Duration,
}

impl S3 {
    /// Asks nothing of the bucket.
    pub(super) fn open(url: &SecretText, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self> {
        let address = S3Address::of(url)?;
        let client = connect::client(&address)?;
        let shared = Arc::new(Shared { client, address, store, clock });
        Ok(S3 { shared, ready: OnceCell::new(), settled_after: SETTLED })
    }

    /// The bucket, once it is known to belong to this database.
    async fn ready(&self) -> Result<&Arc<Shared>> {
        self.ready.get_or_try_init(|| self.shared.take_possession()).await?;
        Ok(&self.shared)
    }
}

#[async_trait]
impl Files for S3 {
    fn receiving(&self) -> Bounds {
        RECEIVING
    }

    async fn write(
        &self,
        tenant: &TenantId,
        id: &str,
        mut bytes: Bytes<'_>,
        limit: u64,
        take: &(dyn Fn(u64) -> Result<()> + Send + Sync),
        announced: Option<u64>,
    ) -> Result<u64> {
        let shared = self.ready().await?;
        let path = shared.file(tenant, id);
        let part = part_size(announced.unwrap_or(limit).min(limit));
        let mut buffer = BytesMut::new();
        let mut size = 0u64;
        let mut begun: Option<Abort> = None;
        while let Some(chunk) = bytes.next().await {
            let chunk =
                chunk.map_err(|error| invalid("the upload broke off", "send it again").with_source(error))?;
            size = size.saturating_add(chunk.len() as u64);
            if size > limit {
                return Err(too_many(limit));
            }
            take(size)?;
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                // The last part may have any size but none, so a full one waits for what follows.
                if buffer.len() == part {
                    let sending = match &mut begun {
                        Some(sending) => sending,
                        None => begun.insert(Abort::begin(shared, tenant, id).await?),
                    };
                    sending.put(buffer.split().freeze()).await?;
                }
                rest = fill(&mut buffer, part, rest);
            }
        }
        check_size(size, announced)?;
        match begun {
            Some(mut sending) => {
                if !buffer.is_empty() {
                    sending.put(buffer.freeze()).await?;
                }
                sending.complete(&path, size).await?;
            }
            None => {
                let payload = PutPayload::from(buffer.freeze());
                shared.client.put(&path, payload).await.map_err(|error| shared.failure(error))?;
            }
        }
        Ok(size)
    }

    async fn remove(&self, tenant: &TenantId, id: &str) {
        self.shared.delete(&self.shared.file(tenant, id)).await;
    }

    async fn begin_partial(&self, tenant: &TenantId, id: &str, size: u64) -> Result<()> {
        let shared = self.ready().await?;
        shared.insert(id, &Sending::new(tenant, size, shared.clock.now_ms())?).await
    }

    async fn received(&self, tenant: &TenantId, id: &str, size: u64) -> Result<Option<u64>> {
        if let Some(found) = self.shared.sending(id).await? {
            return Ok(Some(found.now.received()));
        }
        let whole = self.shared.size(&self.shared.file(tenant, id)).await?;
        Ok(whole.filter(|whole| *whole == size))
    }

    async fn append(
        &self,
        tenant: &TenantId,
        id: &str,
        offset: u64,
        size: u64,
        mut bytes: Bytes<'_>,
    ) -> Result<()> {
        let shared = self.ready().await?;
        let mut writing = shared.sending(id).await?.ok_or_else(|| gone(id))?;
        let end = writing.now.received();
        if end != offset {
            return Err(not_there(end, offset));
        }
        // From here on an older writer, whose connection may be dead, stores nothing more.
        writing.now.writer = id::new("w")?;
        writing.store(shared).await?;
        let part = writing.now.part_size;
        let old_tail = writing.now.tail.clone();
        let mut buffer = BytesMut::new();
        if let Some(tail) = &old_tail {
            buffer.extend_from_slice(&shared.tail(tenant, id, tail).await?);
        }
        let (mut end, mut broke_off) = (offset, None);
        while let Some(chunk) = bytes.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    broke_off = Some(invalid("the upload broke off", "send it again").with_source(error));
                    break;
                }
            };
            end = end.saturating_add(chunk.len() as u64);
            if end > size {
                broke_off = Some(too_many(size));
                break;
            }
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                rest = fill(&mut buffer, part, rest);
                if buffer.len() == part {
                    writing.put(shared, tenant, id, buffer.split().freeze()).await?;
                }
            }
        }
        writing.put_tail(shared, tenant, id, buffer.freeze()).await?;
        if let Some(old) = old_tail.filter(|old| writing.now.tail.as_ref() != Some(old)) {
            shared.delete(&shared.tail_path(tenant, id, &old)).await;
        }
        broke_off.map_or(Ok(()), Err)
    }

    async fn finish_partial(&self, tenant: &TenantId, id: &str) -> Result<()> {
        let shared = self.ready().await?;
        match shared.sending(id).await? {
            Some(writing) => writing.finish(shared, tenant, id).await,
            None => Ok(()),
        }
    }

    async fn remove_partial(&self, tenant: &TenantId, id: &str) {
        match self.shared.sending(id).await {
            Ok(Some(writing)) => writing.give_up(&self.shared, tenant, id).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an upload's parts are not known; they are swept later"),
        }
    }

    fn at(&self, tenant: &TenantId, id: &str, size: u64) -> At {
        At::Kept(Arc::new(Object {
            client: self.shared.client.clone(),
            address: self.shared.address.clone(),
            path: self.shared.file(tenant, id),
            id: id.to_owned(),
            size,
        }))
    }

    async fn settled(&self) -> Result<Vec<LeftBehind>> {
        let shared = self.ready().await?;
        shared.give_up_abandoned().await?;
        let prefix = (!shared.address.prefix.is_empty()).then(|| Path::from(shared.address.prefix.as_str()));
        let mut objects = shared.client.list(prefix.as_ref());
        let mut settled = Vec::new();
        while let Some(object) = objects.try_next().await.map_err(|error| shared.failure(error))? {
            // Both times are those of the bucket's server, as far as its clock and ours agree: S3 answers nobody whose clock
            // is wrong by more than a quarter of an hour.
            let age = std::time::SystemTime::now().duration_since(object.last_modified.into());
            let age = age.unwrap_or_default();
            let Some((id, path)) = shared.within(&object.location) else { continue };
            match id.split_once(TAIL) {
                Some(_) if age > ABANDONED + LATE => shared.delete(&object.location).await,
                None if age >= self.settled_after => settled.push(LeftBehind { id, path }),
                _ => {}
            }
        }
        Ok(settled)
    }

    async fn remove_left_behind(&self, files: &[LeftBehind]) {
        for file in files {
            self.shared.delete(&self.shared.path(&file.path)).await;
        }
    }

    async fn check(&self) -> Result<()> {
        // Asked anew: rights may have been taken away since.
        self.shared.take_possession().await
    }
}

/// Adds bytes up to the size of a part. Returns those that are left.
fn fill<'a>(buffer: &mut BytesMut, part: usize, bytes: &'a [u8]) -> &'a [u8] {
    // All of it at once, or the buffer would grow by doubling, beyond the part.
    buffer.reserve(part.saturating_sub(buffer.len()));
    let (now, later) = bytes.split_at(bytes.len().min(part.saturating_sub(buffer.len())));
    buffer.extend_from_slice(now);
    later
}

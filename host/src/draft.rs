//! Drafts: what a front door has of a post that is not published yet, so that it survives the browser, a sign-in and a
//! restart. Encrypted like the jobs that come of them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};

use crate::room::Room;
use crate::store::{DraftRow, Kept, Store};
use crate::tenant_id::TenantId;
use crate::vault::{Place, Vault, open_json, row_key, seal_json};

/// Much more than texts and choices for a hundred channels.
const CONTENT: usize = 1 << 20;
const ID_LENGTH: usize = 100;

/// A draft; its content is the front door's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<T> {
    /// Chosen by the front door.
    pub id: String,
    /// What there is of the post.
    pub content: T,
    /// Seconds since 1970.
    pub created_at: i64,
    /// After this time it no longer exists; seconds since 1970.
    pub expires_at: i64,
}

/// The drafts of all tenants.
pub(crate) struct Drafts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) room: Arc<Room>,
}

fn place(key: &str) -> Place<'_> {
    Place { table: "drafts", row: key, column: "content" }
}

impl Drafts {
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<Draft<T>>> {
        let row = self.store.draft(tenant, id).await?;
        row.map(|row| self.read(tenant, row)).transpose()
    }

    /// One that cannot be read is logged and left out.
    pub(crate) async fn list<T: DeserializeOwned>(&self, tenant: &TenantId) -> Result<Vec<Draft<T>>> {
        let readable = |row: DraftRow| {
            let id = row.id.clone();
            let read = self.read(tenant, row);
            read.inspect_err(|error| tracing::error!(id, %error, "a draft is left out of a list")).ok()
        };
        Ok(self.store.drafts(tenant).await?.into_iter().filter_map(readable).collect())
    }

    fn read<T: DeserializeOwned>(&self, tenant: &TenantId, row: DraftRow) -> Result<Draft<T>> {
        Ok(Draft {
            content: open_json(&self.vault, place(&row_key(tenant, &row.id)), &row.content)?,
            id: row.id,
            created_at: row.created_at / 1000,
            expires_at: row.expires_at / 1000,
        })
    }

    pub(crate) async fn put<T: Serialize>(
        &self,
        tenant: &TenantId,
        id: &str,
        content: &T,
        expires_at: i64,
    ) -> Result<()> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if id.is_empty() || id.len() > ID_LENGTH || !id.bytes().all(plain) {
            let message = format!("a draft's id has 1 to {ID_LENGTH} letters, digits, - and _");
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_field("id"));
        }
        let content = seal_json(&self.vault, place(&row_key(tenant, id)), content)?;
        if content.0.len() > CONTENT {
            let message = format!("a draft has at most {} MiB", CONTENT >> 20);
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_remedy("shorten its texts"));
        }
        let (id, created_at) = (id.to_owned(), self.clock.now_ms());
        let row = DraftRow { id, content, created_at, expires_at: expires_at.saturating_mul(1000) };
        if self.store.draft(tenant, &row.id).await?.is_none() {
            self.room.check(tenant, Kept::Drafts).await?;
        }
        self.store.put_draft(tenant, &row).await
    }

    pub(crate) async fn delete(&self, tenant: &TenantId, id: &str) -> Result<()> {
        self.store.delete_draft(tenant, id).await.map(drop)
    }
}

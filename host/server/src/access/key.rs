//! API keys, for programs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel::{Document, DocumentChanges, Error, ErrorKind, Result, SecretText, TenantId};

use super::{Access, hash, millis, random};

/// The kind of these documents.
const API_KEY: &str = "api-key";
/// The prefix of every key, so that scanners for leaked secrets recognise it.
const KEY_PREFIX: &str = "sck_";
/// Keys of one tenant, far more than it has programs. The operator's own keys are not counted.
const KEYS: usize = 200;
/// How often a key's last use is stored at most, because a write for every request would cost too much.
const NOTE_USE: Duration = Duration::from_secs(600);

/// An API key, as it is shown: never its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The only tenant it may act for; absent: the operator's own, for all.
    pub tenant: Option<String>,
    /// Its last characters, to distinguish keys.
    pub hint: String,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970, at most some minutes late; absent: never used.
    pub used_at: Option<i64>,
}

/// A new key. Its text cannot be retrieved again.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// The key as it is listed.
    pub key: ApiKey,
    /// The text that its bearer sends.
    pub text: SecretText,
}

/// The stored data of a key, under the hash of its text. `used_at`: milliseconds since 1970.
#[derive(Clone, Serialize, Deserialize)]
struct KeyFacts {
    id: String,
    name: String,
    tenant: Option<String>,
    hint: String,
    used_at: Option<i64>,
}

impl ApiKey {
    fn new(document: Document<KeyFacts>) -> Self {
        let facts = document.facts;
        ApiKey {
            id: facts.id,
            name: facts.name,
            tenant: facts.tenant,
            hint: facts.hint,
            created_at: document.created_at / 1000,
            used_at: facts.used_at.map(|at| at / 1000),
        }
    }
}

impl Access<'_> {
    /// Creates a key for one tenant, or for the operator. If the future is dropped, the key may exist, although nobody
    /// has its text: it is listed, and can be revoked.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that is empty or longer than 100 characters, `QuotaExceeded` if the tenant has 200.
    pub async fn create_api_key(self, name: &str, tenant: Option<&TenantId>) -> Result<CreatedApiKey> {
        self.create_api_key_as(new_key_id()?, name, tenant).await
    }

    /// The same under an id of [`new_key_id`]: a form that is sent twice makes one key.
    pub(crate) async fn create_api_key_as(
        self,
        id: String,
        name: &str,
        tenant: Option<&TenantId>,
    ) -> Result<CreatedApiKey> {
        let name = name.trim();
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the key's name is not 1 to 100 characters")
                .with_field("name")
                .with_remedy("name it after the program that will use it"));
        }
        if let Some(tenant) = tenant
            && self.key_documents(Some(tenant)).await?.len() >= KEYS
        {
            let message = format!("this tenant has {KEYS} API keys, and may not have more");
            return Err(Error::new(ErrorKind::QuotaExceeded, message)
                .with_remedy("revoke those that are not used any more"));
        }
        let text = format!("{KEY_PREFIX}{}", random::<32>()?);
        let hint: String = text.chars().skip(text.chars().count().saturating_sub(4)).collect();
        let document = Document {
            id: hash(&text),
            facts: KeyFacts {
                id,
                name: name.to_owned(),
                tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
                hint,
                used_at: None,
            },
            body: None,
            created_at: self.0.clock().now_ms(),
            expires_at: None,
        };
        self.0.change_documents(DocumentChanges::new().put(API_KEY, document.clone())?).await?;
        tracing::info!(key = document.facts.id, tenant = document.facts.tenant, "API key made");
        Ok(CreatedApiKey { key: ApiKey::new(document), text: SecretText::new(text) })
    }

    /// All keys, or those of one tenant, newest first. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn api_keys(self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>> {
        let mut keys = self.key_documents(tenant).await?;
        keys.sort_by(|a, b| (b.created_at, &a.facts.id).cmp(&(a.created_at, &b.facts.id)));
        Ok(keys.into_iter().map(ApiKey::new).collect())
    }

    async fn key_documents(self, tenant: Option<&TenantId>) -> Result<Vec<Document<KeyFacts>>> {
        match tenant {
            Some(tenant) => self.0.documents_of(API_KEY, tenant).await,
            None => self.0.documents(API_KEY).await,
        }
    }

    /// Whether any key exists. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_api_keys(self) -> Result<bool> {
        self.0.has_documents(API_KEY).await
    }

    /// Revokes a key, which is invalid from now on. With a tenant, only that tenant's keys can be revoked. If the
    /// future is dropped, it is revoked or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_api_key(self, tenant: Option<&TenantId>, id: &str) -> Result<()> {
        let keys = self.key_documents(tenant).await?;
        if let Some(key) = keys.iter().find(|key| key.facts.id == id)
            && self.0.change_documents(DocumentChanges::new().remove(API_KEY, &key.id)).await? > 0
        {
            tracing::info!(key = id, "API key revoked");
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("there is no API key {id}"))
            .with_remedy("see the list of keys; it may have been revoked already"))
    }

    /// The key with this text. If the future is dropped, its use is noted or not.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn check_api_key(self, text: &SecretText) -> Result<Option<ApiKey>> {
        if !text.expose().starts_with(KEY_PREFIX) {
            return Ok(None);
        }
        let found = self.0.document::<KeyFacts>(API_KEY, &hash(text.expose())).await?;
        let Some(key) = found else { return Ok(None) };
        let now = self.0.clock().now_ms();
        if key.facts.used_at.is_none_or(|used| now.saturating_sub(used) > millis(NOTE_USE)) {
            let facts = KeyFacts { used_at: Some(now), ..key.facts.clone() };
            let noted = self.0.change_documents(DocumentChanges::new().set_facts(API_KEY, &key.id, &facts)?);
            // The key is valid nevertheless: a read-only database must not lock out readers.
            if let Err(error) = noted.await {
                tracing::warn!(key = key.facts.id, %error, "the use of an API key could not be noted");
            }
        }
        Ok(Some(ApiKey::new(key)))
    }
}

/// An id for a key that is not made yet.
pub(crate) fn new_key_id() -> Result<String> {
    Ok(format!("key_{}", random::<10>()?))
}

/// Whether [`new_key_id`] makes such.
pub(crate) fn is_key_id(text: &str) -> bool {
    text.strip_prefix("key_").is_some_and(|id| id.len() == 20 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

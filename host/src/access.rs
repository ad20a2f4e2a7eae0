//! Who may use a service in front of this library: the operator's password, browsers that signed in with it,
//! and API keys. Embedding programs need none of it.
//!
//! Of a password Argon2id keeps a slow hash; keys and cookies are 256 random bits, so a plain hash of them is
//! enough. What a caller may do with either is the service's to decide.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::millis;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Inner};
use crate::id;
use crate::secret::SecretText;
use crate::store::ApiKeyRow;
use crate::tenant::TenantId;

/// Where the password's hash stands among the facts of the database.
const PASSWORD: &str = "operator-password";
/// Shorter ones are guessed, whatever the hash.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 10..=1024;
/// Begins every key, so that scanners for leaked secrets know it.
const KEY_PREFIX: &str = "sck_";
/// A key's last use is noted at most this often: a write for every request would be dear.
const NOTE_USE: std::time::Duration = std::time::Duration::from_secs(600);
/// How long a browser stays signed in.
const SIGNED_IN: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// An API key, as it is shown: never its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// Its name for programs.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The only tenant it may act for; absent: the operator's own, for all.
    pub tenant: Option<String>,
    /// Its last characters, to tell keys apart.
    pub hint: String,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970, at most some minutes late; absent: never used.
    pub used_at: Option<i64>,
}

/// A key just made. Its text cannot be asked for again.
#[derive(Debug)]
pub struct CreatedApiKey {
    /// What stays of it.
    pub key: ApiKey,
    /// What its bearer sends.
    pub text: SecretText,
}

impl ApiKey {
    fn new(row: ApiKeyRow) -> Self {
        ApiKey {
            id: row.id,
            name: row.name,
            tenant: row.tenant,
            hint: row.hint,
            created_at: row.created_at / 1000,
            used_at: row.used_at.map(|at| at / 1000),
        }
    }
}

impl Host {
    /// Makes a key for one tenant, or for the operator.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that is empty or longer than 100 characters.
    pub async fn create_api_key(&self, name: &str, tenant: Option<&TenantId>) -> Result<CreatedApiKey> {
        self.inner.create_api_key(name, tenant).await
    }

    /// All keys, or those of one tenant, newest first.
    pub async fn api_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>> {
        let rows = self.inner.store.api_keys(tenant).await?;
        Ok(rows.into_iter().map(ApiKey::new).collect())
    }

    /// Whether any key was made.
    pub async fn has_api_keys(&self) -> Result<bool> {
        self.inner.store.has_api_keys().await
    }

    /// Revokes a key: from now on it opens nothing. With a tenant, only that tenant's keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn revoke_api_key(&self, tenant: Option<&TenantId>, id: &str) -> Result<()> {
        if self.inner.store.delete_api_key(tenant, id).await? {
            tracing::info!(key = id, "API key revoked");
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("there is no API key {id}"))
            .with_remedy("see the list of keys; it may have been revoked already"))
    }

    /// The key that this text belongs to.
    pub async fn check_api_key(&self, text: &SecretText) -> Result<Option<ApiKey>> {
        self.inner.check_api_key(text).await
    }

    /// Sets the operator's password, or removes it. Browsers that are signed in no longer are.
    ///
    /// # Errors
    /// `InvalidRequest` for one that is too short or too long.
    pub async fn set_password(&self, password: Option<SecretText>) -> Result<()> {
        self.inner.set_password(password).await
    }

    /// Whether the operator has a password.
    pub async fn has_password(&self) -> Result<bool> {
        Ok(self.inner.password_hash().await?.is_some())
    }

    /// Whether this is the operator's password. Takes some hundredths of a second, on purpose.
    pub async fn check_password(&self, password: SecretText) -> Result<bool> {
        self.inner.check_password(password).await
    }

    /// Remembers that a browser with this cookie has signed in.
    pub async fn sign_in(&self, cookie: &SecretText) -> Result<()> {
        let now = self.inner.clock.now_ms();
        self.inner.store.delete_expired_browsers(now).await?;
        let end = now.saturating_add(millis(SIGNED_IN));
        self.inner.store.insert_browser(&id::hash(cookie.expose()), now, end).await
    }

    /// Whether a browser with this cookie has signed in.
    pub async fn is_signed_in(&self, cookie: &SecretText) -> Result<bool> {
        let now = self.inner.clock.now_ms();
        self.inner.store.browser_is_signed_in(&id::hash(cookie.expose()), now).await
    }

    /// Forgets that a browser has signed in.
    pub async fn sign_out(&self, cookie: &SecretText) -> Result<()> {
        self.inner.store.delete_browsers(Some(&id::hash(cookie.expose()))).await
    }

    /// Bytes for the service's own needs that only this database's master key leads to.
    pub fn derive_key(&self, label: &str) -> crate::secret::SecretBytes {
        crate::secret::SecretBytes::new(self.inner.vault.derive(&format!("service: {label}")).to_vec())
    }
}

impl Inner {
    async fn create_api_key(&self, name: &str, tenant: Option<&TenantId>) -> Result<CreatedApiKey> {
        let name = name.trim();
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the key's name is not 1 to 100 characters")
                .with_field("name")
                .with_remedy("name it after the program that will use it"));
        }
        let text = format!("{KEY_PREFIX}{}", id::secret()?);
        let hint: String = text.chars().skip(text.chars().count().saturating_sub(4)).collect();
        let row = ApiKeyRow {
            id: id::new("key")?,
            hash: id::hash(&text),
            name: name.to_owned(),
            tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
            hint,
            created_at: self.clock.now_ms(),
            used_at: None,
        };
        self.store.insert_api_key(&row).await?;
        tracing::info!(key = row.id, tenant = row.tenant, "API key made");
        Ok(CreatedApiKey { key: ApiKey::new(row), text: SecretText::new(text) })
    }

    async fn check_api_key(&self, text: &SecretText) -> Result<Option<ApiKey>> {
        if !text.expose().starts_with(KEY_PREFIX) {
            return Ok(None);
        }
        let Some(row) = self.store.api_key_by_hash(&id::hash(text.expose())).await? else { return Ok(None) };
        let now = self.clock.now_ms();
        if row.used_at.is_none_or(|used| now.saturating_sub(used) > millis(NOTE_USE)) {
            self.store.note_api_key_use(&row.id, now).await?;
        }
        Ok(Some(ApiKey::new(row)))
    }

    async fn set_password(&self, password: Option<SecretText>) -> Result<()> {
        let hash = match password {
            None => Vec::new(),
            Some(password) => {
                if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
                    return Err(Error::new(
                        ErrorKind::InvalidRequest,
                        format!("a password has at least {} characters", PASSWORD_LENGTH.start()),
                    )
                    .with_field("password")
                    .with_remedy("take a longer one, for example from a password manager"));
                }
                slowly(move || {
                    let salt = SaltString::generate(&mut OsRng);
                    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
                    hash.map(|hash| hash.to_string().into_bytes())
                })
                .await?
            }
        };
        self.store.set_meta(PASSWORD, &hash).await?;
        self.store.delete_browsers(None).await?;
        tracing::info!(set = !hash.is_empty(), "the operator's password was changed");
        Ok(())
    }

    /// None: there is no password.
    async fn password_hash(&self) -> Result<Option<String>> {
        let stored = self.store.meta(PASSWORD).await?.unwrap_or_default();
        let text =
            String::from_utf8(stored).map_err(|_| Error::internal("the password's hash is damaged"))?;
        Ok((!text.is_empty()).then_some(text))
    }

    async fn check_password(&self, password: SecretText) -> Result<bool> {
        let Some(hash) = self.password_hash().await? else { return Ok(false) };
        if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
            return Ok(false);
        }
        slowly(move || {
            let parsed = PasswordHash::new(&hash)?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok())
        })
        .await
    }
}

/// Hashing is made to be slow, so it runs where nothing else waits.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("hashing a password was cut off").with_source(error))?
        .map_err(|error| Error::internal(format!("a password cannot be hashed: {error}")))
}

//! Who may use the service: the operator's password, browsers that signed in with it, and API keys. They are stored as
//! documents of the service in the host's database.
//!
//! Passwords are stored as slow Argon2id hashes; keys and cookies are 256 random bits, so a plain hash is
//! enough. `auth` decides what a caller may do.

use std::ops::RangeInclusive;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use social_channel::{Document, DocumentChanges, Error, ErrorKind, Host, Result, SecretText, TenantId};

/// Kinds of documents.
const API_KEY: &str = "api-key";
const BROWSER: &str = "browser";
const PASSWORD: &str = "password";
/// The id of the operator's password.
const OPERATOR: &str = "operator";

/// Shorter passwords can be guessed, whatever the hash.
const PASSWORD_LENGTH: RangeInclusive<usize> = 10..=1024;
/// The prefix of every key, so that scanners for leaked secrets recognise it.
const KEY_PREFIX: &str = "sck_";
/// How often a key's last use is stored at most, because a write for every request would cost too much.
const NOTE_USE: Duration = Duration::from_secs(600);
/// How long a browser stays signed in.
const SIGNED_IN: Duration = Duration::from_secs(30 * 24 * 3600);

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

/// The stored data of a browser session; its existence means that the browser signed in.
#[derive(Serialize, Deserialize)]
struct BrowserFacts {}

#[derive(Serialize, Deserialize)]
struct PasswordFacts {
    hash: String,
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

/// Who may use the service in front of a host.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a>(&'a Host);

impl<'a> Access<'a> {
    /// The access data of the service in front of this host.
    pub fn of(host: &'a Host) -> Self {
        Access(host)
    }

    /// Creates a key for one tenant, or for the operator.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that is empty or longer than 100 characters.
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

    /// All keys, or those of one tenant, newest first.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn api_keys(self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>> {
        let mut keys = self.key_documents(tenant).await?;
        keys.sort_by(|a, b| (b.created_at, &a.facts.id).cmp(&(a.created_at, &b.facts.id)));
        Ok(keys.into_iter().map(ApiKey::new).collect())
    }

    async fn key_documents(self, tenant: Option<&TenantId>) -> Result<Vec<Document<KeyFacts>>> {
        let mut keys = self.0.documents::<KeyFacts>(API_KEY).await?;
        keys.retain(|key| tenant.is_none_or(|tenant| key.facts.tenant.as_deref() == Some(tenant.as_str())));
        Ok(keys)
    }

    /// Whether any key exists.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_api_keys(self) -> Result<bool> {
        Ok(!self.key_documents(None).await?.is_empty())
    }

    /// Revokes a key, which is invalid from now on. With a tenant, only that tenant's keys can be revoked.
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

    /// The key with this text.
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

    /// Sets the operator's password, or removes it. Signed-in browsers are signed out.
    ///
    /// # Errors
    /// `InvalidRequest` for one that is too short or too long.
    pub async fn set_password(self, password: Option<SecretText>) -> Result<()> {
        let changes = DocumentChanges::new().remove_all(BROWSER);
        let changes = match password {
            None => changes.remove(PASSWORD, OPERATOR),
            Some(password) => {
                if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
                    return Err(Error::new(
                        ErrorKind::InvalidRequest,
                        format!("a password has at least {} characters", PASSWORD_LENGTH.start()),
                    )
                    .with_field("password")
                    .with_remedy("choose a longer one, for example from a password manager"));
                }
                let hash = slowly(move || {
                    let salt = SaltString::generate(&mut OsRng);
                    let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt);
                    hash.map(|hash| hash.to_string())
                })
                .await?;
                changes.put(
                    PASSWORD,
                    Document {
                        id: OPERATOR.to_owned(),
                        facts: PasswordFacts { hash },
                        body: None,
                        created_at: self.0.clock().now_ms(),
                        expires_at: None,
                    },
                )?
            }
        };
        self.0.change_documents(changes).await?;
        tracing::info!("the operator's password was changed");
        Ok(())
    }

    async fn password(self) -> Result<Option<Document<PasswordFacts>>> {
        self.0.document(PASSWORD, OPERATOR).await
    }

    /// Whether the operator has a password.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_password(self) -> Result<bool> {
        Ok(self.password().await?.is_some())
    }

    /// Whether this is the operator's password. Deliberately takes some hundredths of a second.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn check_password(self, password: SecretText) -> Result<bool> {
        let Some(known) = self.password().await? else { return Ok(false) };
        if !PASSWORD_LENGTH.contains(&password.expose().chars().count()) {
            return Ok(false);
        }
        slowly(move || {
            let parsed = PasswordHash::new(&known.facts.hash)?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok())
        })
        .await
    }

    /// Stores that a browser with this cookie has signed in.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn sign_in(self, cookie: &SecretText) -> Result<()> {
        let now = self.0.clock().now_ms();
        let document = Document {
            id: hash(cookie.expose()),
            facts: BrowserFacts {},
            body: None,
            created_at: now,
            expires_at: Some(now.saturating_add(millis(SIGNED_IN))),
        };
        self.0.change_documents(DocumentChanges::new().put(BROWSER, document)?).await.map(drop)
    }

    /// Whether a browser with this cookie has signed in.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn is_signed_in(self, cookie: &SecretText) -> Result<bool> {
        Ok(self.0.document::<BrowserFacts>(BROWSER, &hash(cookie.expose())).await?.is_some())
    }

    /// Deletes the session of a browser.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn sign_out(self, cookie: &SecretText) -> Result<()> {
        let changes = DocumentChanges::new().remove(BROWSER, &hash(cookie.expose()));
        self.0.change_documents(changes).await.map(drop)
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

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// The hash that is stored instead of a secret value.
fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn random<const LENGTH: usize>() -> Result<String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("the system gives no random numbers").with_source(error))?;
    Ok(hex::encode(bytes))
}

/// Hashing is deliberately slow, so it runs on the blocking pool.
async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> argon2::password_hash::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("hashing a password was interrupted").with_source(error))?
        .map_err(|error| Error::internal(format!("a password cannot be hashed: {error}")))
}

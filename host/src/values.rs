//! An embedding program's own place for what providers remember (the contract's `storage`).
//!
//! Nothing else can lie there. Accounts, jobs and their leases are in the host's database: publishing at most once
//! rests on transactions over several of its rows, which compare-and-set of one value cannot give.

use std::sync::Arc;

use async_trait::async_trait;

use crate::call::StorageError;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::store::{SetValue, ValueRow, ValueStore};
use crate::vault::{Place, Sealed, Vault};

/// Keys asked for at once; the contract's own number for a provider.
const PAGE: u32 = 100;

/// Where an embedding program keeps what providers remember, by app and key:
/// [`HostBuilder::storage`](crate::HostBuilder::storage).
///
/// Values are encrypted under the host's master key and bound to app and key before they come here, and at most
/// [`STORED_VALUE`] bytes long; keys are at most 512 bytes. All processes on one database share one storage.
/// A value past its `expires_at` is as one that does not exist, for every function.
#[async_trait]
pub trait ValueStorage: Send + Sync {
    /// The value of a key. None: there is none.
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError>;

    /// Stores a value and returns its new version, which is never 0 and greater than every earlier one of this key,
    /// deleted ones too. With `if_version` only if the key has this version now (0: only if it does not exist),
    /// in one step that nothing can come between; otherwise [`StorageError::Conflict`].
    ///
    /// `expires_at`: milliseconds since 1970; None: the value stays.
    async fn set(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<u64, StorageError>;

    /// Forgets a key; one that does not exist too.
    async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError>;

    /// The keys that start with `prefix` and come after `after`, in the order of their bytes, at most `limit`.
    async fn list_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StorageError>;
}

/// Bytes of the longest value, as it comes to a [`ValueStorage`]: the contract's 64 KiB and what encryption adds.
pub const STORED_VALUE: usize = limits::STORAGE_VALUE + 256;

/// A value as a [`ValueStorage`] keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// As it was given.
    pub value: Vec<u8>,
    /// What the write of it returned.
    pub version: u64,
    /// As it was given.
    pub expires_at: Option<i64>,
}

impl std::fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredValue").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The place of a provider's value, which its seal is bound to.
pub(crate) fn row(app: &str, key: &str) -> String {
    format!("{app}/{key}")
}

/// See [`row`].
pub(crate) fn place(row: &str) -> Place<'_> {
    Place { table: "provider_values", row, column: "value" }
}

/// A program's storage, as the host uses it.
pub(crate) struct ProgramValues(pub(crate) Arc<dyn ValueStorage>);

impl ProgramValues {
    /// Forgets all of an app's values.
    pub(crate) async fn forget(&self, app: &str) -> Result<()> {
        loop {
            let keys = self.keys(app, "", None, PAGE).await?;
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.0.delete(app, &key).await.map_err(failure)?;
            }
        }
    }

    /// Encrypts an app's values anew under the first key. Returns how many were changed.
    pub(crate) async fn reseal(&self, app: &str, vault: &Vault) -> Result<usize> {
        let mut changed = 0;
        let mut after = None;
        loop {
            let keys = self.keys(app, "", after.as_deref(), PAGE).await?;
            for key in &keys {
                let Some(stored) = self.0.get(app, key).await.map_err(failure)? else { continue };
                let old = Sealed(stored.value);
                if !vault.is_outdated(&old) {
                    continue;
                }
                let row = row(app, key);
                let plain = vault.open_sealed(place(&row), &old)?;
                let new = vault.seal(place(&row), plain.expose())?;
                match self.0.set(app, key, &new.0, Some(stored.version), stored.expires_at).await {
                    Ok(_) => changed += 1,
                    // Somebody who wrote meanwhile wrote under the newest key.
                    Err(StorageError::Conflict) => {}
                    Err(error) => return Err(failure(error)),
                }
            }
            match keys.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return Ok(changed),
            }
        }
    }

    /// The program's code is trusted, but a slip in it must not make a loop without end here.
    async fn keys(&self, app: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let mut keys = self.0.list_keys(app, prefix, after, limit).await.map_err(failure)?;
        keys.retain(|key| {
            key.len() <= limits::STORAGE_KEY
                && key.starts_with(prefix)
                && after.is_none_or(|after| key.as_str() > after)
        });
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(limit as usize);
        Ok(keys)
    }
}

/// A provider may well go on without what it remembers: then only the log says that something is wrong.
fn failure(error: StorageError) -> Error {
    tracing::warn!(?error, "the program's own storage failed");
    let why = match error {
        StorageError::Unavailable(why) => why,
        StorageError::LimitExceeded => "it is full".to_owned(),
        StorageError::Conflict => "it reports a conflict where nothing was compared".to_owned(),
    };
    Error::new(ErrorKind::Unavailable, format!("the program's own storage failed: {why}"))
        .with_remedy("Look at the storage that the embedding program brings, then try again.")
}

#[async_trait]
impl ValueStore for ProgramValues {
    async fn value(&self, app: &str, key: &str, now: i64) -> Result<Option<ValueRow>> {
        let stored = self.0.get(app, key).await.map_err(failure)?;
        Ok(stored
            .filter(|stored| stored.expires_at.is_none_or(|end| end > now))
            .map(|stored| ValueRow { value: Sealed(stored.value), version: stored.version }))
    }

    async fn set_value(
        &self,
        app: &str,
        key: &str,
        value: &Sealed,
        if_version: Option<u64>,
        expires_at: Option<i64>,
        _now: i64,
    ) -> Result<SetValue> {
        match self.0.set(app, key, &value.0, if_version, expires_at).await {
            // A provider would take it for "does not exist".
            Ok(0) => Err(failure(StorageError::Unavailable("it gave a value the version 0".to_owned()))),
            Ok(version) => Ok(SetValue::Written(version)),
            Err(StorageError::Conflict) if if_version.is_some() => Ok(SetValue::Conflict),
            Err(StorageError::LimitExceeded) => Ok(SetValue::Full),
            Err(error) => Err(failure(error)),
        }
    }

    async fn delete_value(&self, app: &str, key: &str) -> Result<()> {
        self.0.delete(app, key).await.map_err(failure)
    }

    async fn value_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        _now: i64,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.keys(app, prefix, after, limit).await
    }
}

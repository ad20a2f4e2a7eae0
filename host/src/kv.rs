//! Key-value storage for providers (the contract's `storage`): the host's database, or a store of the embedding
//! program.
//!
//! An embedding program's store holds nothing else. Accounts, jobs and their leases are in the host's database:
//! publishing at most once needs transactions over several rows, which compare-and-set of one value cannot provide.

use async_trait::async_trait;
use social_channel_runtime::StorageError;
use social_channel_runtime::limits::STORAGE_VALUE;

use crate::vault::Place;

/// Stores the values of providers by app and key: [`HostBuilder::storage`](crate::HostBuilder::storage).
///
/// Values arrive encrypted with the host's master key and bound to app and key. They are at most
/// [`STORED_VALUE`] bytes long; keys are at most 512 bytes. All processes on one database must share one store.
/// Every function must treat a value past its `expires_at` as missing. A future that is dropped has had its whole effect
/// or none.
#[async_trait]
pub trait KeyValueStore: Send + Sync {
    /// The value of a key, or None.
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError>;

    /// Stores a value and returns its new version, which is never 0 and greater than every earlier version of this
    /// key, also of deleted values. With `if_version`, it stores the value only if the key has this version now (0:
    /// only if it does not exist), atomically; otherwise it returns [`StorageError::Conflict`].
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

    /// Deletes a key; succeeds if it does not exist.
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

/// The longest value in bytes that a [`KeyValueStore`] receives: the contract's 64 KiB and the overhead of
/// encryption.
pub const STORED_VALUE: usize = STORAGE_VALUE + 256;

/// A value as a [`KeyValueStore`] stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// As it was given.
    pub value: Vec<u8>,
    /// The version that its write returned.
    pub version: u64,
    /// As it was given.
    pub expires_at: Option<i64>,
}

impl std::fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredValue").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The row name of a provider's value, to which its encryption is bound.
pub(crate) fn row(app: &str, key: &str) -> String {
    format!("{app}/{key}")
}

/// See [`row`].
pub(crate) fn place(row: &str) -> Place<'_> {
    Place { table: "provider_values", row, column: "value" }
}

//! Helpers for the host's storage: values that several processes change concurrently.

pub use crate::bindings::social::channel::storage::{Entry, SetOptions, StorageError};

use crate::environment::Environment;

/// How often [`update`] retries on concurrent writes. Each failed attempt means that another writer
/// succeeded, so sixteen means sixteen writers within a few milliseconds.
const MAX_TRIES: usize = 16;

/// How [`update`] changes a value.
pub enum Change<T> {
    /// Write this value, with an optional lifetime in milliseconds.
    Write(Vec<u8>, Option<u64>, T),
    /// Leave it unchanged.
    Keep(T),
}

/// Reads a key, calls `change`, and writes only if there was no other write in between; otherwise it retries
/// with the new value.
///
/// # Errors
/// Those of storage; `conflict` if every attempt conflicted with another write.
pub async fn update<E: Environment, T>(
    environment: &E,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Change<T>,
) -> Result<T, StorageError> {
    for _ in 0..MAX_TRIES {
        let entry = environment.storage_get(key).await?;
        let version = entry.as_ref().map_or(0, |entry| entry.version);
        let (value, ttl, result) = match change(entry.as_ref().map(|entry| entry.value.as_slice())) {
            Change::Keep(result) => return Ok(result),
            Change::Write(value, ttl, result) => (value, ttl, result),
        };
        let options = SetOptions { if_version: Some(version), ttl };
        match environment.storage_set(key, value, options).await {
            Ok(_) => return Ok(result),
            Err(StorageError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StorageError::Conflict)
}

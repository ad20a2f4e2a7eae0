//! Helpers over the host's storage: values that several processes change together.

pub use crate::bindings::social::channel::storage::{Entry, SetOptions, StorageError};

use crate::environment::Environment;

/// How often [`update`] starts over when others write at the same time. Each try loses to a writer
/// that won, so sixteen means sixteen writers within a few milliseconds.
const MAX_TRIES: usize = 16;

/// What [`update`] makes of a value.
pub enum Change<T> {
    /// Write this value, to be forgotten after so many milliseconds if given.
    Write(Vec<u8>, Option<u64>, T),
    /// Leave it.
    Keep(T),
}

/// Reads a key, lets `change` decide, and writes only if nobody else wrote in between; else it starts
/// over with the new value.
///
/// # Errors
/// As storage; `conflict` if others were quicker every time.
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

//! `storage`: checks the lengths of keys and values and passes them to the app's storage.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Accessor, HasSelf};

use super::State;
use crate::abi::v0_1::imports::storage::{self as wit, Host, HostWithStore};
use crate::call::{Call, Entry, ProviderStorage, SetOptions, StorageError};
use crate::limits;

impl Host for State {}

type Parts = (Arc<dyn ProviderStorage>, Arc<Call>);

fn parts(accessor: &Accessor<State>) -> Parts {
    accessor.with(|mut access| {
        let state = access.get();
        (Arc::clone(&state.storage), Arc::clone(&state.call))
    })
}

/// The key comes from the guest, so its length is checked first.
fn measured(key: &str) -> Result<(), wit::StorageError> {
    if key.len() > limits::STORAGE_KEY { Err(wit::StorageError::LimitExceeded) } else { Ok(()) }
}

fn done<T>(call: &Call, result: Result<T, StorageError>) -> Result<T, wit::StorageError> {
    call.progressed();
    result.map_err(|error| match error {
        StorageError::Conflict => wit::StorageError::Conflict,
        StorageError::LimitExceeded => wit::StorageError::LimitExceeded,
        StorageError::Unavailable(why) => wit::StorageError::Unavailable(why),
    })
}

impl HostWithStore<State> for HasSelf<State> {
    async fn get(
        accessor: &Accessor<State, Self>,
        key: String,
    ) -> Result<Option<wit::Entry>, wit::StorageError> {
        measured(&key)?;
        let (storage, call) = parts(accessor);
        let entry = done(&call, storage.get(&key).await)?;
        Ok(entry.map(|Entry { value, version }| wit::Entry { value, version }))
    }

    async fn set(
        accessor: &Accessor<State, Self>,
        key: String,
        value: Vec<u8>,
        options: wit::SetOptions,
    ) -> Result<u64, wit::StorageError> {
        measured(&key)?;
        if value.len() > limits::STORAGE_VALUE {
            return Err(wit::StorageError::LimitExceeded);
        }
        let (storage, call) = parts(accessor);
        let options =
            SetOptions { if_version: options.if_version, ttl: options.ttl.map(Duration::from_millis) };
        done(&call, storage.set(&key, &value, options).await)
    }

    async fn delete(accessor: &Accessor<State, Self>, key: String) -> Result<(), wit::StorageError> {
        measured(&key)?;
        let (storage, call) = parts(accessor);
        done(&call, storage.delete(&key).await)
    }

    async fn list_keys(
        accessor: &Accessor<State, Self>,
        prefix: String,
        after: Option<String>,
    ) -> Result<Vec<String>, wit::StorageError> {
        measured(&prefix)?;
        measured(after.as_deref().unwrap_or_default())?;
        let (storage, call) = parts(accessor);
        done(&call, storage.list_keys(&prefix, after.as_deref()).await)
    }
}

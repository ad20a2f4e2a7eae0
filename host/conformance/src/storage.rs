//! A provider's storage, in memory, with points to die at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use social_channel_runtime::{Entry, ProviderStorage, SetOptions, StorageError};

use crate::fault::{Kind, Points, Strike};

/// Keys of one answer (contract).
const KEYS: usize = 100;

/// What is stored. Times to live are not kept: nothing here lasts that long.
#[derive(Default)]
pub(crate) struct Storage {
    points: Arc<Points>,
    inner: Mutex<(u64, BTreeMap<String, Entry>)>,
}

impl Storage {
    pub(crate) fn new(points: Arc<Points>) -> Self {
        Storage { points, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, (u64, BTreeMap<String, Entry>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn at<T>(&self, what: &str, act: impl FnOnce(&Self) -> T + Send) -> T {
        // The host's own storage answers or the host is dead.
        let strike = self.points.reach(Kind::Storage, what);
        if strike == Some(Strike::KillBefore) {
            self.points.die().await;
        }
        let answer = act(self);
        if strike == Some(Strike::KillAfter) {
            self.points.die().await;
        }
        answer
    }
}

#[async_trait]
impl ProviderStorage for Storage {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        self.at("storage.get", |it| Ok(it.inner().1.get(key).cloned())).await
    }

    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError> {
        self.at("storage.set", |it| {
            let mut inner = it.inner();
            let now = inner.1.get(key).map_or(0, |entry| entry.version);
            if options.if_version.is_some_and(|wanted| wanted != now) {
                return Err(StorageError::Conflict);
            }
            inner.0 = inner.0.saturating_add(1);
            let version = inner.0;
            inner.1.insert(key.to_owned(), Entry { value: value.to_vec(), version });
            Ok(version)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.at("storage.delete", |it| {
            it.inner().1.remove(key);
            Ok(())
        })
        .await
    }

    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        self.at("storage.list-keys", |it| {
            let inner = it.inner();
            let keys = inner.1.keys().filter(|key| key.starts_with(prefix) && Some(key.as_str()) > after);
            Ok(keys.take(KEYS).cloned().collect())
        })
        .await
    }
}

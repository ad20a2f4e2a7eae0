//! Key-value storage of one app's provider: values are sealed here and stored by the database or by the embedding
//! program.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::limits::STORAGE_KEY;
use social_channel_runtime::{Entry, ProviderStorage, SetOptions, StorageError};

use crate::kv::{self, KeyValueStore, StoredValue};
use crate::vault::{Sealed, Vault};

/// Keys requested at once; the same number as in the contract for providers.
const PAGE: u32 = 100;

/// An app's part of a store.
pub(super) struct AppStorage {
    pub(super) store: Arc<dyn KeyValueStore>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) app: String,
}

/// A provider may continue without its storage, so the failure is also logged.
fn noted(error: StorageError) -> StorageError {
    if let StorageError::Unavailable(why) = &error {
        tracing::warn!(%why, "the storage for providers cannot be reached");
    }
    error
}

fn sealing(error: Error) -> StorageError {
    noted(StorageError::Unavailable(error.message))
}

#[async_trait]
impl ProviderStorage for AppStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        let found = self.store.get(&self.app, key).await.map_err(noted)?;
        let now = self.clock.now_ms();
        let Some(StoredValue { value, version, .. }) =
            found.filter(|stored| stored.expires_at.is_none_or(|end| end > now))
        else {
            return Ok(None);
        };
        let row = kv::row(&self.app, key);
        let value = self.vault.open_sealed(kv::place(&row), &Sealed(value)).map_err(sealing)?;
        Ok(Some(Entry { value: value.expose().to_vec(), version }))
    }

    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError> {
        let row = kv::row(&self.app, key);
        let sealed = self.vault.seal(kv::place(&row), value).map_err(sealing)?;
        let now = self.clock.now_ms();
        let expires_at = options.ttl.map(|ttl: Duration| now.saturating_add(millis(ttl)));
        match self.store.set(&self.app, key, &sealed.0, options.if_version, expires_at).await {
            // A provider would interpret this as "does not exist".
            Ok(0) => Err(noted(StorageError::Unavailable("it gave a value the version 0".to_owned()))),
            Err(StorageError::Conflict) if options.if_version.is_none() => Err(noted(
                StorageError::Unavailable("it reports a conflict where nothing was compared".to_owned()),
            )),
            other => other.map_err(noted),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.store.delete(&self.app, key).await.map_err(noted)
    }

    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        keys(&*self.store, &self.app, prefix, after).await.map_err(noted)
    }
}

/// The embedding program's code is trusted, but a bug in it must not cause an endless loop here.
async fn keys(
    store: &dyn KeyValueStore,
    app: &str,
    prefix: &str,
    after: Option<&str>,
) -> Result<Vec<String>, StorageError> {
    let mut keys = store.list_keys(app, prefix, after, PAGE).await?;
    keys.retain(|key| {
        key.len() <= STORAGE_KEY && key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)
    });
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(PAGE as usize);
    Ok(keys)
}

fn failure(error: StorageError) -> Error {
    let why = match noted(error) {
        StorageError::Unavailable(why) => why,
        StorageError::LimitExceeded => "it is full".to_owned(),
        StorageError::Conflict => "it reports a conflict where nothing was compared".to_owned(),
    };
    Error::new(ErrorKind::Unavailable, format!("the program's own storage failed: {why}"))
        .with_remedy("Check the embedding program's storage, then try again.")
}

/// Deletes all values of an app in an embedding program's own store. False: there were none.
pub(super) async fn forget(store: &dyn KeyValueStore, app: &str) -> Result<bool> {
    let mut forgotten = false;
    loop {
        let keys = keys(store, app, "", None).await.map_err(failure)?;
        if keys.is_empty() {
            return Ok(forgotten);
        }
        forgotten = true;
        for key in keys {
            store.delete(app, &key).await.map_err(failure)?;
        }
    }
}

/// Encrypts an app's values in an embedding program's own store again, with the first key. Returns how many were
/// changed.
pub(super) async fn reseal(store: &dyn KeyValueStore, app: &str, vault: &Vault) -> Result<usize> {
    let mut changed = 0;
    let mut after = None;
    loop {
        let keys = keys(store, app, "", after.as_deref()).await.map_err(failure)?;
        for key in &keys {
            let Some(stored) = store.get(app, key).await.map_err(failure)? else { continue };
            let old = Sealed(stored.value);
            if !vault.is_outdated(&old) {
                continue;
            }
            let row = kv::row(app, key);
            let plain = vault.open_sealed(kv::place(&row), &old)?;
            let new = vault.seal(kv::place(&row), plain.expose())?;
            match store.set(app, key, &new.0, Some(stored.version), stored.expires_at).await {
                Ok(_) => changed += 1,
                // A concurrent write already used the newest key.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use social_channel_runtime::SecretText;
    use social_channel_runtime::clock::MovedClock;

    use super::*;
    use crate::vault::KeySource;

    type Values = BTreeMap<(String, String), StoredValue>;

    /// Values in memory; a test reads them.
    #[derive(Default)]
    struct Shelf {
        values: Mutex<(u64, Values)>,
        fallen: AtomicBool,
    }

    impl Shelf {
        fn upright(&self) -> Result<(), StorageError> {
            match self.fallen.load(Ordering::SeqCst) {
                true => Err(StorageError::Unavailable("the shelf fell over".to_owned())),
                false => Ok(()),
            }
        }

        fn keys(&self) -> Vec<(String, String)> {
            self.values.lock().unwrap().1.keys().cloned().collect()
        }
    }

    #[async_trait]
    impl KeyValueStore for Shelf {
        async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError> {
            self.upright()?;
            Ok(self.values.lock().unwrap().1.get(&(app.to_owned(), key.to_owned())).cloned())
        }

        async fn set(
            &self,
            app: &str,
            key: &str,
            value: &[u8],
            if_version: Option<u64>,
            expires_at: Option<i64>,
        ) -> Result<u64, StorageError> {
            self.upright()?;
            let mut values = self.values.lock().unwrap();
            let place = (app.to_owned(), key.to_owned());
            let now = values.1.get(&place).map_or(0, |stored| stored.version);
            if if_version.is_some_and(|wanted| wanted != now) {
                return Err(StorageError::Conflict);
            }
            values.0 += 1;
            let version = values.0;
            values.1.insert(place, StoredValue { value: value.to_vec(), version, expires_at });
            Ok(version)
        }

        async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError> {
            self.upright()?;
            self.values.lock().unwrap().1.remove(&(app.to_owned(), key.to_owned()));
            Ok(())
        }

        async fn list_keys(
            &self,
            app: &str,
            _: &str,
            _: Option<&str>,
            _: u32,
        ) -> Result<Vec<String>, StorageError> {
            self.upright()?;
            // A buggy store: it ignores the prefix, the position and the limit.
            Ok(self.keys().into_iter().filter(|(of, _)| of == app).map(|(_, key)| key).rev().collect())
        }
    }

    fn vault(digits: &str) -> Arc<Vault> {
        let keys: Vec<String> = digits.chars().map(|digit| digit.to_string().repeat(64)).collect();
        Arc::new(
            Vault::open(&KeySource::Text(SecretText::new(keys.join(","))), crate::vault::Beside::Memory)
                .unwrap(),
        )
    }

    fn storage(shelf: &Arc<Shelf>, clock: &Arc<MovedClock>) -> AppStorage {
        AppStorage { store: shelf.clone(), vault: vault("1"), clock: clock.clone(), app: "app".to_owned() }
    }

    const NEW: SetOptions = SetOptions { if_version: Some(0), ttl: None };

    #[tokio::test]
    async fn keys_of_a_program_s_store_come_in_order_and_only_those_asked_for() {
        let shelf = Arc::new(Shelf::default());
        let storage = storage(&shelf, &Arc::default());
        for key in ["b/2", "a", "b/1", "b/3"] {
            assert!(storage.set(key, b"x", NEW).await.unwrap() > 0);
            assert_eq!(storage.set(key, b"x", NEW).await.unwrap_err(), StorageError::Conflict);
        }
        assert_eq!(storage.list_keys("b/", None).await.unwrap(), ["b/1", "b/2", "b/3"]);
        assert_eq!(storage.list_keys("b/", Some("b/2")).await.unwrap(), ["b/3"]);
        assert_eq!(storage.list_keys("b/", Some("b/3")).await.unwrap(), [""; 0]);
        assert!(forget(&*shelf, "app").await.unwrap() && !forget(&*shelf, "app").await.unwrap());
        assert_eq!(storage.list_keys("", None).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_value_past_its_time_does_not_exist_even_if_the_program_kept_it() {
        let (shelf, clock) = (Arc::new(Shelf::default()), Arc::new(MovedClock::default()));
        let storage = storage(&shelf, &clock);
        let options = SetOptions { if_version: None, ttl: Some(Duration::from_secs(100)) };
        storage.set("a", b"x", options).await.unwrap();
        assert!(storage.get("a").await.unwrap().is_some());
        clock.advance(Duration::from_secs(101));
        assert!(storage.get("a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_change_of_keys_reaches_a_program_s_values_and_keeps_their_time() {
        let (shelf, clock) = (Arc::new(Shelf::default()), Arc::new(MovedClock::default()));
        let old = storage(&shelf, &clock);
        for key in ["a", "b"] {
            let options = SetOptions { if_version: None, ttl: Some(Duration::from_secs(100)) };
            old.set(key, key.as_bytes(), options).await.unwrap();
        }
        let times = || shelf.values.lock().unwrap().1.values().map(|it| it.expires_at).collect::<Vec<_>>();
        let before = times();
        assert_eq!(reseal(&*shelf, "app", &vault("21")).await.unwrap(), 2);
        assert_eq!(reseal(&*shelf, "app", &vault("21")).await.unwrap(), 0);
        assert_eq!(times(), before);
        // The old key can now be removed.
        let new = AppStorage { vault: vault("2"), ..storage(&shelf, &clock) };
        for key in ["a", "b"] {
            assert_eq!(new.get(key).await.unwrap().unwrap().value, key.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_program_s_store_holds_values_encrypted_and_says_when_it_fails() {
        let shelf = Arc::new(Shelf::default());
        let storage = storage(&shelf, &Arc::default());
        let version = storage.set("kept", b"a secret", SetOptions::default()).await.unwrap();
        let entry = storage.get("kept").await.unwrap().unwrap();
        assert!(entry.value == b"a secret" && entry.version == version);
        assert_eq!(shelf.keys(), [("app".to_owned(), "kept".to_owned())]);
        let stored = shelf.values.lock().unwrap().1.values().next().cloned().unwrap();
        assert!(!stored.value.windows(6).any(|window| window == b"secret"));
        shelf.fallen.store(true, Ordering::SeqCst);
        let Err(StorageError::Unavailable(why)) = storage.get("kept").await else { panic!("it fell over") };
        assert!(why.contains("the shelf fell over"), "{why}");
    }
}

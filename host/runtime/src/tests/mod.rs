//! Tests of the runtime with misbehaving providers, small local servers, and changing files.
//!
//! The providers are `tests/guests`, built by `cargo xtask guests`. Servers listen on 127.0.0.1 at a port
//! chosen by the system, and act as `https://api.example.com` through `connect-to`.

mod calls;
mod limits;
mod loading;
mod media;
mod network;
mod picture;
mod program_http;
mod proxy;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::net::{Clients, Egress};

use crate::net::Policy;
use crate::{
    Account, CallContext, Engine, EngineOptions, Entry, Limits, Provider, ProviderStorage, SecretBytes,
    SecretText, SetOptions, StorageError,
};

/// The bytes of a guest.
fn guest(name: &str) -> Vec<u8> {
    // This test runs as TARGET/debug/deps/NAME.
    let exe = std::env::current_exe().unwrap();
    let target: PathBuf = exe.ancestors().nth(3).unwrap().to_owned();
    let path = target.join("wasm32-wasip2/guest").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|_| panic!("no {}: run `cargo xtask guests` first", path.display()))
}

/// The limits of [`patient`], except those that a test must be able to reach.
fn short_limits() -> Limits {
    Limits {
        idle: Duration::from_millis(1_500),
        total: Duration::from_secs(6),
        memory: 8 << 20,
        response_body: 50_000,
        ..Limits::default()
    }
}

/// The test provider under ordinary limits.
async fn patient() -> Provider {
    static PROVIDER: OnceCell<Provider> = OnceCell::const_new();
    PROVIDER
        .get_or_init(|| async {
            let engine = Engine::new(EngineOptions::default()).unwrap();
            Provider::load(&engine, &guest("test_provider")).await.unwrap()
        })
        .await
        .clone()
}

/// The test provider under short limits.
async fn hasty() -> Provider {
    static PROVIDER: OnceCell<Provider> = OnceCell::const_new();
    PROVIDER
        .get_or_init(|| async {
            let options = EngineOptions { limits: short_limits(), ..EngineOptions::default() };
            Provider::load(&Engine::new(options).unwrap(), &guest("test_provider")).await.unwrap()
        })
        .await
        .clone()
}

fn account() -> Account {
    Account {
        id: "42".to_owned(),
        credentials: SecretBytes::new(b"token".to_vec()),
        scopes: vec!["scope".to_owned()],
    }
}

/// A call with these settings, granted `https://api.example.com`.
fn context(settings: &[(&str, &str)]) -> CallContext {
    CallContext {
        settings: Arc::new(
            settings.iter().map(|(name, value)| ((*name).to_owned(), SecretText::new(*value))).collect(),
        ),
        egress: egress(Policy::granting(["https://api.example.com"]).unwrap()),
        storage: Arc::new(MemoryStorage::default()),
        account_id: Some("42".to_owned()),
        ..CallContext::pure()
    }
}

fn egress(policy: Policy) -> Arc<Egress> {
    Arc::new(Egress::new(policy, &Clients::default()).unwrap())
}

/// `https://api.example.com` is the server at this port.
fn mapped(port: u16) -> Policy {
    Policy {
        connect_to: vec![format!("https://api.example.com = http://127.0.0.1:{port}").parse().unwrap()],
        ..Policy::granting(["https://api.example.com"]).unwrap()
    }
}

/// The result of `get-profile` with a behaviour.
async fn bio(provider: &Provider, cx: CallContext) -> Result<String, crate::Error> {
    let profile = provider.get_profile(cx, &account()).await.map_err(crate::abi::CallError::into_error)?;
    Ok(profile.bio.unwrap())
}

#[derive(Default)]
struct MemoryStorage(Mutex<(u64, BTreeMap<String, Entry>)>);

#[async_trait]
impl ProviderStorage for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        Ok(self.0.lock().unwrap().1.get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError> {
        let mut inner = self.0.lock().unwrap();
        let now = inner.1.get(key).map_or(0, |entry| entry.version);
        if options.if_version.is_some_and(|wanted| wanted != now) {
            return Err(StorageError::Conflict);
        }
        inner.0 += 1;
        let version = inner.0;
        inner.1.insert(key.to_owned(), Entry { value: value.to_vec(), version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.0.lock().unwrap().1.remove(key);
        Ok(())
    }

    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        let inner = self.0.lock().unwrap();
        let keys = inner.1.keys().filter(|key| key.starts_with(prefix) && Some(key.as_str()) > after);
        Ok(keys.take(100).cloned().collect())
    }
}

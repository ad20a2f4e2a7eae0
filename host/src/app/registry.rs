//! Components are stored in the database by digest, so every process sees a replacement at its next call, and any
//! process can still run an older job. This module keeps the components that this process has loaded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::{Digest, Engine, Provider};
use tokio::sync::OnceCell;

use crate::store::Store;

/// Loaded components, by digest.
pub(super) struct Registry {
    store: Arc<dyn Store>,
    pub(super) engine: Engine,
    /// One cell per component, so that each is loaded once and loading one does not wait for another.
    loaded: Mutex<HashMap<Digest, Arc<OnceCell<Provider>>>>,
}

impl Registry {
    pub(super) fn new(store: Arc<dyn Store>, engine: Engine) -> Self {
        Registry { store, engine, loaded: Mutex::default() }
    }

    pub(super) fn cell(&self, digest: &Digest) -> Arc<OnceCell<Provider>> {
        match self.loaded.lock() {
            Ok(mut loaded) => loaded.entry(digest.clone()).or_default().clone(),
            // Then it is loaded for this call only.
            Err(_) => Arc::default(),
        }
    }

    /// Loads a stored component. If the future is dropped, the next caller loads it.
    pub(super) async fn provider(&self, digest: &Digest) -> Result<Provider> {
        let cell = self.cell(digest);
        let load = async {
            let bytes = self.store.component_bytes(digest).await?.ok_or_else(|| {
                Error::new(
                    ErrorKind::LoadFailed,
                    format!("the component {} is no longer stored", digest.short()),
                )
                .with_remedy("load that provider again")
            })?;
            Provider::load(&self.engine, &bytes).await
        };
        let provider = cell.get_or_try_init(|| load).await.cloned();
        if provider.is_err()
            && let Ok(mut loaded) = self.loaded.lock()
        {
            // A component that cannot be loaded is not kept in memory.
            loaded.retain(|known, cell| known != digest || cell.initialized());
        }
        provider
    }

    pub(super) async fn installed(&self, id: &str) -> Result<Digest> {
        self.store.installed_component(id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no provider {id} is installed"))
                .with_field("provider")
                .with_remedy("install its component first")
        })
    }

    /// Unloads components that the database no longer stores. Running calls and apps keep theirs until they end.
    pub(super) async fn let_go(&self) -> Result<()> {
        let kept: HashSet<Digest> =
            self.store.components().await?.into_iter().map(|component| component.digest).collect();
        if let Ok(mut loaded) = self.loaded.lock() {
            loaded.retain(|digest, _| kept.contains(digest));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.loaded.lock().map(|loaded| loaded.len()).unwrap_or_default()
    }
}

//! Components are stored in the database by digest, so every process sees a replacement at its next call, and any
//! process can still run an older job. This module keeps the components that this process has loaded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::{Digest, Engine, Provider};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::origin;
use super::source::{Sources, failed, named_key};
use crate::store::Store;

/// The code of the error of what is still being loaded.
pub(super) const LOADING: &str = "loading";
/// How long lists wait for a component since it began to be loaded: from the cache that takes milliseconds, on a busy
/// machine a second, and a person waits no longer than this.
const SOON: Duration = Duration::from_secs(5);
/// How long lists repeat why a component could not be loaded, before they try again: trying may take minutes.
const REPEATED: Duration = Duration::from_secs(60);

/// Loaded components, by digest.
pub(super) struct Registry {
    inner: Arc<Inner>,
    /// What is loaded for lists that did not wait for it.
    loading: Mutex<HashMap<Digest, Loading>>,
}

struct Inner {
    store: Arc<dyn Store>,
    engine: Engine,
    sources: Arc<Sources>,
    /// One cell per component, so that each is loaded once and loading one does not wait for another.
    loaded: Mutex<HashMap<Digest, Arc<OnceCell<Provider>>>>,
}

/// When loading ended without a component, and why.
type Failed = Arc<OnceLock<(Instant, Error)>>;

/// A component that is loaded in the background.
struct Loading {
    begun: Instant,
    failed: Failed,
    /// Ends with the registry.
    task: AbortOnDropHandle<()>,
}

impl Loading {
    fn is_of_use(&self) -> bool {
        !self.task.is_finished() || self.failed.get().is_some_and(|(at, _)| at.elapsed() < REPEATED)
    }
}

impl Registry {
    pub(super) fn new(store: Arc<dyn Store>, engine: Engine, sources: Arc<Sources>) -> Self {
        let inner = Arc::new(Inner { store, engine, sources, loaded: Mutex::default() });
        Registry { inner, loading: Mutex::default() }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn cell(&self, digest: &Digest) -> Arc<OnceCell<Provider>> {
        self.inner.cell(digest)
    }

    /// Loads a stored component. If the future is dropped, the next caller loads it.
    pub(super) async fn provider(&self, digest: &Digest) -> Result<Provider> {
        self.inner.provider(digest).await
    }

    /// The same for a list, which does not wait for long: what is not loaded by then is loaded on, and named so.
    pub(super) async fn provider_soon(&self, digest: &Digest) -> Result<Provider> {
        if let Some(provider) = self.cell(digest).get() {
            return Ok(provider.clone());
        }
        let (begun, failed) = self.load_on(digest)?;
        if let Some((_, error)) = failed.get() {
            return Err(error.clone());
        }
        let wanted = tokio::time::timeout_at(begun + SOON, self.provider(digest));
        wanted.await.unwrap_or_else(|_| Err(still_loading()))
    }

    /// Begins to load a component in the background, unless that has begun: since when, and why it failed.
    fn load_on(&self, digest: &Digest) -> Result<(Instant, Failed)> {
        let mut loading = self.loading.lock().map_err(|_| still_loading())?;
        loading.retain(|_, it| it.is_of_use());
        let it = loading.entry(digest.clone()).or_insert_with(|| {
            let (inner, digest, failed) = (self.inner.clone(), digest.clone(), Failed::default());
            let told = failed.clone();
            let task = tokio::spawn(async move {
                if let Err(error) = inner.provider(&digest).await {
                    // Set once, by this task alone.
                    let _ = told.set((Instant::now(), error));
                }
            });
            Loading { begun: Instant::now(), failed, task: AbortOnDropHandle::new(task) }
        });
        Ok((it.begun, it.failed.clone()))
    }

    pub(super) async fn installed(&self, id: &str) -> Result<Digest> {
        self.inner.store.installed_component(id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no provider {id} is installed"))
                .with_field("provider")
                .with_remedy("install its component first")
        })
    }

    /// Unloads components that the database no longer stores. Running calls and apps keep theirs until they end.
    pub(super) async fn let_go(&self) -> Result<()> {
        let store = &*self.inner.store;
        let mut kept: HashSet<Digest> = HashSet::new();
        // What is only kept for the way back needs no memory; a job that still needs it loads it.
        let back: HashSet<Digest> =
            origin::kept(store).await?.into_iter().map(|(digest, _)| digest).collect();
        let apps: HashSet<Digest> = store.apps().await?.into_iter().map(|app| app.digest).collect();
        for component in store.components().await? {
            if component.installed || apps.contains(&component.digest) || !back.contains(&component.digest) {
                kept.insert(component.digest);
            }
        }
        if let Ok(mut loaded) = self.inner.loaded.lock() {
            loaded.retain(|digest, _| kept.contains(digest));
        }
        Ok(())
    }

    /// As after a start: everything is stored, and nothing is loaded.
    #[cfg(test)]
    pub(super) fn let_go_of_all(&self) {
        self.inner.loaded.lock().unwrap().clear();
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.inner.loaded.lock().map(|loaded| loaded.len()).unwrap_or_default()
    }
}

impl Inner {
    fn cell(&self, digest: &Digest) -> Arc<OnceCell<Provider>> {
        match self.loaded.lock() {
            Ok(mut loaded) => loaded.entry(digest.clone()).or_default().clone(),
            // Then it is loaded for this call only.
            Err(_) => Arc::default(),
        }
    }

    async fn provider(&self, digest: &Digest) -> Result<Provider> {
        let cell = self.cell(digest);
        let load = async {
            let bytes = self.store.component_bytes(digest).await?.ok_or_else(|| {
                Error::new(
                    ErrorKind::LoadFailed,
                    format!("the component {} is no longer stored", digest.short()),
                )
                .with_remedy("load that provider again")
            })?;
            if Digest::of(&bytes) != *digest {
                return Err(Error::new(
                    ErrorKind::LoadFailed,
                    format!("the stored component {} is not what its digest says", digest.short()),
                )
                .with_remedy("load that provider again, and look who can write to the database"));
            }
            // Whoever can write to the database cannot sign, and the policy may have changed.
            let stored = origin::read(&*self.store, digest).await?;
            let own = stored.as_ref().and_then(|stored| stored.key.as_deref()).map(named_key).transpose()?;
            let own: Vec<_> = own.into_iter().collect();
            let (source, evidence) = match &stored {
                Some(stored) => (stored.origin.reference.as_deref(), stored.evidence.as_ref()),
                None => (None, None),
            };
            self.sources.trust.judge(source, evidence, &bytes, &own).map_err(failed)?;
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
}

fn still_loading() -> Error {
    Error::new(ErrorKind::Unavailable, "the provider is still being loaded")
        .with_code(LOADING)
        .with_remedy("look again in a moment; a new component is compiled first, which can take some minutes")
        .with_retry_after(SOON)
}

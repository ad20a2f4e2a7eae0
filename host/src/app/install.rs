//! Providers: installed, replaced, listed and removed while the host runs.

use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Descriptor;
use social_channel_runtime::net::{OriginPattern, Policy};
use social_channel_runtime::{Digest, Provider};

use super::apps::{Apps, Wait, granted};
use super::registry::LOADING;
use crate::store::ComponentRow;

/// A component, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProviderInfo {
    /// How the provider describes itself.
    pub descriptor: Descriptor,
    /// Its name.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Interfaces it implements, with the version of the contract it was built for.
    pub interfaces: Vec<String>,
    /// Interfaces it needs.
    pub imports: Vec<String>,
    /// New apps of this provider run it.
    pub installed: bool,
    /// Apps that run it.
    pub apps: Vec<String>,
    /// Why it cannot be used now; its descriptor then has only name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

impl ProviderInfo {
    /// Refuses what is still being loaded, for a caller that needs its descriptor.
    ///
    /// # Errors
    /// `Unavailable`, to be repeated.
    pub fn loaded(self) -> Result<Self> {
        match self.error {
            Some(error) if error.code.as_deref() == Some(LOADING) => Err(error),
            error => Ok(ProviderInfo { error, ..self }),
        }
    }
}

/// The result of loading a component.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Loaded {
    /// The component.
    pub provider: ProviderInfo,
    /// Apps that keep their older component, and the origins they would have to grant.
    pub waiting: Vec<WaitingApp>,
}

/// An app whose grants do not cover a new component.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitingApp {
    /// Its name.
    pub app: String,
    /// The origins it would have to grant.
    pub missing_origins: Vec<String>,
}

impl Apps {
    /// Installs a component; see [`Host::load_provider`](crate::Host::load_provider).
    pub(crate) async fn load_provider(&self, bytes: &[u8]) -> Result<Loaded> {
        let provider = Provider::load(self.registry.engine(), bytes).await?;
        let descriptor = provider.descriptor();
        let wanted = Policy::granting(&descriptor.origins)?.origins;
        let mut moved = Vec::new();
        let mut waiting = Vec::new();
        for app in self.store.apps().await?.into_iter().filter(|app| app.provider == descriptor.id) {
            let missing = Policy::granting(granted(&app))?.missing(&wanted);
            if missing.is_empty() {
                moved.push(app.id);
            } else {
                let missing_origins = missing.iter().map(OriginPattern::to_string).collect();
                waiting.push(WaitingApp { app: app.id, missing_origins });
            }
        }
        let row = ComponentRow {
            digest: provider.digest().clone(),
            provider: descriptor.id.clone(),
            version: descriptor.version.clone(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            added_at: self.clock.now_ms(),
            installed: true,
        };
        self.store.install_component(&row, bytes, &moved).await?;
        // If it is already loaded, the loaded one is used.
        let _ = self.registry.cell(provider.digest()).set(provider.clone());
        self.maintain().await?;
        tracing::info!(
            provider = descriptor.id,
            version = descriptor.version,
            digest = provider.digest().short(),
            "provider loaded"
        );
        Ok(Loaded { provider: info(&provider, bytes.len() as u64, true, moved), waiting })
    }

    /// Inspects a component without installing it.
    pub(crate) async fn inspect_provider(&self, bytes: &[u8]) -> Result<ProviderInfo> {
        let provider = Provider::load(self.registry.engine(), bytes).await?;
        Ok(info(&provider, bytes.len() as u64, false, Vec::new()))
    }

    /// Every stored component. A component that cannot be loaded has an `error`.
    pub(crate) async fn list_providers(&self, wait: Wait) -> Result<Vec<ProviderInfo>> {
        let apps = self.store.apps().await?;
        let shown = async |row: ComponentRow| {
            let runs = apps.iter().filter(|app| app.digest == row.digest).map(|app| app.id.clone()).collect();
            match self.listed(&row.digest, wait).await {
                Ok(provider) => info(&provider, row.size.cast_unsigned(), row.installed, runs),
                Err(error) => unloadable(row, runs, error),
            }
        };
        // Concurrently, because each component may have to be loaded first.
        Ok(join_all(self.store.components().await?.into_iter().map(shown)).await)
    }

    /// Deletes a provider that no app or job needs.
    pub(crate) async fn unload_provider(&self, id: &str) -> Result<()> {
        self.registry.installed(id).await?;
        let users = self.store.uninstall_provider(id).await?;
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the provider {id} is still needed by {}", users.join(", ")),
            )
            .with_remedy("delete these apps, and wait for these jobs or cancel them"));
        }
        self.registry.let_go().await
    }

    #[cfg(test)]
    pub(crate) fn let_go_of_all(&self) {
        self.registry.let_go_of_all();
    }

    /// While its value is being computed, the component is being loaded.
    #[cfg(test)]
    pub(crate) fn cell(&self, digest: &Digest) -> std::sync::Arc<tokio::sync::OnceCell<Provider>> {
        self.registry.cell(digest)
    }

    #[cfg(test)]
    pub(crate) fn loaded_components(&self) -> usize {
        self.registry.count()
    }
}

fn info(provider: &Provider, size: u64, installed: bool, apps: Vec<String>) -> ProviderInfo {
    ProviderInfo {
        descriptor: provider.descriptor().clone(),
        digest: provider.digest().clone(),
        size,
        interfaces: provider.exports().to_vec(),
        imports: provider.imports().to_vec(),
        installed,
        apps,
        error: None,
    }
}

fn unloadable(row: ComponentRow, apps: Vec<String>, error: Error) -> ProviderInfo {
    ProviderInfo {
        descriptor: Descriptor {
            id: row.provider.clone(),
            name: row.provider,
            version: row.version,
            abilities: Vec::new(),
            settings: Vec::new(),
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
            details: Default::default(),
        },
        digest: row.digest,
        size: row.size.cast_unsigned(),
        interfaces: Vec::new(),
        imports: Vec::new(),
        installed: row.installed,
        apps,
        error: Some(error),
    }
}

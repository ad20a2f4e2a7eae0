//! Providers: loaded, replaced and listed while the host runs. Components are kept in the database by digest,
//! so every process sees a swap at its next call, and any process can still drive an older job.

use schemars::JsonSchema;
use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::model::Descriptor;
use crate::policy::{OriginPattern, Policy};
use crate::provider::Provider;
use crate::store::ComponentRow;

/// A component, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProviderInfo {
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// Its name.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// Interfaces it implements, with the version of the contract it was built for.
    pub interfaces: Vec<String>,
    /// Interfaces it needs.
    pub imports: Vec<String>,
    /// New apps of this provider run it.
    pub installed: bool,
    /// Apps that run it.
    pub apps: Vec<String>,
}

/// What came of loading a component.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Loaded {
    /// The component.
    pub provider: ProviderInfo,
    /// Apps that stay with their older component, and the origins they would have to grant.
    pub waiting: Vec<WaitingApp>,
}

/// An app whose grants a new component goes beyond.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WaitingApp {
    /// Its name.
    pub app: String,
    /// What it would have to grant.
    pub missing_origins: Vec<String>,
}

impl Inner {
    /// A kept component, loaded.
    pub(crate) async fn provider(&self, digest: &Digest) -> Result<Provider> {
        let mut providers = self.providers.lock().await;
        if let Some(provider) = providers.get(digest) {
            return Ok(provider.clone());
        }
        let bytes = self.store.component_bytes(digest).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::LoadFailed,
                format!("the component {} is not kept any more", digest.short()),
            )
            .with_remedy("load that provider again")
        })?;
        let provider = self.engine.load(&bytes).await?;
        providers.insert(digest.clone(), provider.clone());
        Ok(provider)
    }

    pub(crate) async fn installed(&self, id: &str) -> Result<Digest> {
        self.store.installed_component(id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no provider {id} is installed"))
                .with_field("provider")
                .with_remedy("load its component first (`social-channel providers add FILE`)")
        })
    }

    pub(crate) async fn load_provider(&self, bytes: &[u8]) -> Result<Loaded> {
        let provider = self.engine.load(bytes).await?;
        let descriptor = provider.descriptor();
        let now = self.clock.now_ms();
        let wanted = Policy::granting(&descriptor.origins)?.origins;
        let mut moved = Vec::new();
        let mut waiting = Vec::new();
        for app in self.store.apps().await?.into_iter().filter(|app| app.provider == descriptor.id) {
            let granted: Vec<String> = serde_json::from_str(&app.grants).unwrap_or_default();
            let missing = Policy::granting(&granted)?.missing(&wanted);
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
            size: 0,
            added_at: now,
            installed: true,
        };
        self.store.put_component(&row, bytes).await?;
        self.store.install_component(&descriptor.id, provider.digest(), &moved, now).await?;
        self.providers.lock().await.insert(provider.digest().clone(), provider.clone());
        tracing::info!(
            provider = descriptor.id,
            version = descriptor.version,
            digest = provider.digest().short(),
            "provider loaded"
        );
        Ok(Loaded { provider: info(&provider, bytes.len() as u64, true, moved), waiting })
    }

    pub(crate) async fn inspect_provider(&self, bytes: &[u8]) -> Result<ProviderInfo> {
        let provider = self.engine.load(bytes).await?;
        Ok(info(&provider, bytes.len() as u64, false, Vec::new()))
    }

    pub(crate) async fn list_providers(&self) -> Result<Vec<ProviderInfo>> {
        let apps = self.store.apps().await?;
        let mut infos = Vec::new();
        for row in self.store.components().await? {
            let provider = self.provider(&row.digest).await?;
            let runs = apps.iter().filter(|app| app.digest == row.digest).map(|app| app.id.clone()).collect();
            infos.push(info(&provider, row.size.cast_unsigned(), row.installed, runs));
        }
        Ok(infos)
    }

    pub(crate) async fn unload_provider(&self, id: &str) -> Result<()> {
        self.installed(id).await?;
        let users = self.store.uninstall_provider(id).await?;
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the provider {id} is still needed by {}", users.join(", ")),
            )
            .with_remedy("delete these apps, and wait for these jobs or cancel them"));
        }
        self.providers.lock().await.retain(|_, provider| provider.descriptor().id != id);
        Ok(())
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
    }
}

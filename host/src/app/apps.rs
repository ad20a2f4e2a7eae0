//! An app's row becomes a [`LiveApp`] that can be called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::form;
use social_channel_runtime::net::{Clients, Egress, OriginPattern, Policy};
use social_channel_runtime::{CallContext, Digest, Engine, Gate, Provider, ProviderStorage, SecretText};
use url::Url;

use super::registry::Registry;
use super::settings::{self, App, AppConfig, Settings, check_redirect_uri, check_setting};
use super::source::Sources;
use super::storage::{self, AppStorage};
use crate::address::PublicAddress;
use crate::kv::KeyValueStore;
use crate::store::{AccountRow, AppRow, Store};
use crate::tenant_id::{TenantId, check_name};
use crate::vault::{Place, Sealed, Vault};

/// An app, ready to be called: one revision of its row.
pub(crate) struct LiveApp {
    pub(crate) id: String,
    pub(crate) revision: i64,
    tenant: Option<String>,
    pub(crate) provider: Provider,
    pub(crate) redirect_uri: Option<String>,
    /// None without a public address.
    pub(crate) webhook_url: Option<String>,
    settings: Arc<Vec<(String, SecretText)>>,
    pub(crate) egress: Arc<Egress>,
    storage: Arc<dyn ProviderStorage>,
    clock: Arc<dyn Clock>,
}

/// How long a list waits for components that have to be loaded first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    UntilLoaded,
    /// Those that take longer are named so.
    AMoment,
}

/// The line of the operator's own calls; no tenant has this name.
pub(crate) const OPERATOR: &str = "";

/// The setting in which every network that fetches media only from verified addresses lists them; the contract names it.
const VERIFIED_URLS: &str = "verified-urls";

/// Whether an address lies in a domain (`media.example.com`, with all below it) or under a prefix
/// (`https://example.com/media/`).
fn lies_in(address: &str, verified: &str) -> bool {
    if verified.starts_with("https://") {
        return verified.ends_with('/') && address.starts_with(verified);
    }
    let Ok(url) = Url::parse(address) else { return false };
    let domain = verified.trim_end_matches('/').to_ascii_lowercase();
    let host = url.host_str().unwrap_or_default();
    let below = host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    url.scheme() == "https" && !domain.is_empty() && below
}

impl LiveApp {
    fn serves(&self, tenant: &TenantId) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant.as_str())
    }

    /// Whether the platform fetches from this address, as the setting [`VERIFIED_URLS`] says.
    pub(crate) fn may_be_fetched_from(&self, address: &str) -> bool {
        let listed = self.settings.iter().find(|(name, _)| name == VERIFIED_URLS);
        listed.is_some_and(|(_, list)| list.expose().lines().any(|one| lies_in(address, one.trim())))
    }

    /// The context of a call without media. `line`: for whom it is (see [`CallContext::line`]).
    pub(crate) fn context(
        &self,
        line: &str,
        account_id: Option<&str>,
        gate: Option<Arc<dyn Gate>>,
    ) -> CallContext {
        CallContext {
            settings: self.settings.clone(),
            egress: self.egress.clone(),
            storage: self.storage.clone(),
            clock: self.clock.clone(),
            random: None,
            media: Vec::new(),
            gate,
            progress: None,
            output: None,
            instructions: None,
            account_id: account_id.map(str::to_owned),
            line: line.into(),
        }
    }
}

fn place(id: &str) -> Place<'_> {
    Place { table: "apps", row: id, column: "settings" }
}

/// The apps of one database, and the components that they run.
pub(crate) struct Apps {
    pub(super) store: Arc<dyn Store>,
    vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    /// What the operator allows all apps.
    policy: Policy,
    clients: Clients,
    /// Provider storage outside the database.
    own_kv: Option<Arc<dyn KeyValueStore>>,
    address: Arc<PublicAddress>,
    pub(super) registry: Registry,
    pub(super) sources: Arc<Sources>,
    /// The newest revision that was called, by app name.
    live: Mutex<HashMap<String, Arc<LiveApp>>>,
}

/// The dependencies of [`Apps`].
pub(crate) struct AppParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) policy: Policy,
    pub(crate) clients: Clients,
    pub(crate) own_kv: Option<Arc<dyn KeyValueStore>>,
    pub(crate) address: Arc<PublicAddress>,
    pub(crate) sources: Sources,
}

impl Apps {
    pub(crate) fn engine(&self) -> Engine {
        self.registry.engine().clone()
    }

    pub(crate) fn new(parts: AppParts) -> Self {
        let AppParts { store, vault, clock, engine, policy, clients, own_kv, address, sources } = parts;
        let sources = Arc::new(sources);
        let registry = Registry::new(store.clone(), engine, sources.clone());
        Apps {
            store,
            vault,
            clock,
            policy,
            clients,
            own_kv,
            address,
            registry,
            sources,
            live: Mutex::default(),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The requests that the host sends for a tenant, without an app: to public addresses, unless the operator allows more.
    pub(crate) fn own_egress(&self) -> Result<Egress> {
        Egress::new(self.policy.clone(), &self.clients)
    }

    /// Loads a stored component.
    pub(crate) async fn provider(&self, digest: &Digest) -> Result<Provider> {
        self.registry.provider(digest).await
    }

    /// Makes or changes an app.
    pub(crate) async fn put(&self, id: &str, config: AppConfig) -> Result<App> {
        check_name("app", id)?;
        if let Some(tenant) = &config.tenant {
            tenant.parse::<TenantId>()?;
        }
        let now = self.clock.now_ms();
        let (mut row, mut settings) = match self.store.app(id).await? {
            Some(row) => {
                if config.provider.as_ref().is_some_and(|provider| *provider != row.provider) {
                    return Err(Error::new(
                        ErrorKind::InvalidRequest,
                        format!("the app {id} belongs to the provider {}", row.provider),
                    )
                    .with_field("provider")
                    .with_remedy("choose another name for the new app"));
                }
                let settings = self.open_settings(&row)?;
                (row, settings)
            }
            None => (self.new_row(id, config.provider.as_deref(), now).await?, Settings::new()),
        };
        if let Some(origins) = &config.origins {
            row.grants = grants_json(&Policy::granting(origins)?);
            if let Some(agreed) = self.agreed_component(&row).await? {
                row.digest = agreed;
            }
        }
        let provider = self.provider(&row.digest).await?;
        let descriptor = provider.descriptor();
        for (name, value) in &config.settings {
            let text = value.expose().trim();
            check_setting(descriptor, name, text)?;
            if text.is_empty() {
                settings.remove(name);
            } else {
                settings.insert(name.clone(), text.to_owned());
            }
        }
        if config.origins.is_none() && row.revision == 0 {
            row.grants = grants_json(&Policy::granting(&descriptor.origins)?);
        }
        if let Some(tenant) = config.tenant {
            row.tenant = Some(tenant);
        }
        if let Some(uri) = config.redirect_uri {
            check_redirect_uri(&uri)?;
            row.redirect_uri = Some(uri);
        }
        if let Some(listing) = config.listing {
            row.listing = serde_json::to_string(&listing.checked()?).ok();
        }
        row.settings = self.seal_settings(id, &settings)?;
        row.updated_at = now;
        if !self.store.put_app(&row).await? {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the app {id} was changed by another call at the same time"),
            )
            .with_remedy("load the app again and repeat the change"));
        }
        Ok(self.shown(&row, Ok((&provider, &settings))))
    }

    async fn new_row(&self, id: &str, provider: Option<&str>, now: i64) -> Result<AppRow> {
        let provider = provider.ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "a new app needs its provider")
                .with_field("provider")
                .with_remedy("name an installed provider, for example `tiktok`")
        })?;
        Ok(AppRow {
            id: id.to_owned(),
            tenant: None,
            provider: provider.to_owned(),
            digest: self.registry.installed(provider).await?,
            settings: Sealed(Vec::new()),
            grants: String::new(),
            redirect_uri: None,
            listing: None,
            created_at: now,
            updated_at: now,
            revision: 0,
        })
    }

    /// The installed component, if the app still runs an older one and its grants now cover everything that
    /// the installed one requires. Open jobs finish with the component that started them.
    async fn agreed_component(&self, row: &AppRow) -> Result<Option<Digest>> {
        let Some(installed) = self.store.installed_component(&row.provider).await? else { return Ok(None) };
        if installed == row.digest {
            return Ok(None);
        }
        let wanted = Policy::granting(&self.provider(&installed).await?.descriptor().origins)?.origins;
        Ok(Policy::granting(granted(row))?.missing(&wanted).is_empty().then_some(installed))
    }

    /// All apps. An app that cannot be used has an `error`.
    pub(crate) async fn list(&self, wait: Wait) -> Result<Vec<App>> {
        let rows = self.store.apps().await?;
        // Concurrently, because each component may have to be loaded first.
        Ok(join_all(rows.iter().map(|row| self.show(row, wait))).await)
    }

    /// One app.
    pub(crate) async fn get(&self, id: &str) -> Result<App> {
        Ok(self.show(&self.store.app(id).await?.ok_or_else(|| no_app(id))?, Wait::UntilLoaded).await)
    }

    /// The component of something in a list.
    pub(crate) async fn listed(&self, digest: &Digest, wait: Wait) -> Result<Provider> {
        match wait {
            Wait::UntilLoaded => self.registry.provider(digest).await,
            Wait::AMoment => self.registry.provider_soon(digest).await,
        }
    }

    async fn show(&self, row: &AppRow, wait: Wait) -> App {
        let known = match self.listed(&row.digest, wait).await {
            Ok(provider) => self.open_settings(row).map(|settings| (provider, settings)),
            Err(error) => Err(error),
        };
        match known {
            Ok((provider, settings)) => self.shown(row, Ok((&provider, &settings))),
            Err(error) => self.shown(row, Err(error)),
        }
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<()> {
        let exists = self.exists(id).await?;
        if exists {
            let accounts = self.store.delete_app(id).await?;
            if accounts > 0 {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("the app {id} still has {accounts} connected channels"),
                )
                .with_remedy("disconnect them first"));
            }
            if let Ok(mut live) = self.live.lock() {
                live.remove(id);
            }
        }
        // Also what a deletion left behind that was cut off here.
        let forgotten = match &self.own_kv {
            Some(kv) => storage::forget(&**kv, id).await?,
            None => false,
        };
        if exists || forgotten { Ok(()) } else { Err(no_app(id)) }
    }

    /// The app for calls of `tenant`, with the component that its row currently names.
    pub(crate) async fn live(&self, tenant: &TenantId, id: &str) -> Result<Arc<LiveApp>> {
        let app = self.live_unscoped(id).await?;
        if app.serves(tenant) { Ok(app) } else { Err(no_app(id)) }
    }

    /// The app of a connected account. Does not read the database again while the app's row is unchanged.
    pub(crate) async fn of_account(&self, tenant: &TenantId, account: &AccountRow) -> Result<Arc<LiveApp>> {
        match self.cached(&account.app, account.app_revision) {
            Some(app) if app.serves(tenant) => Ok(app),
            _ => self.live(tenant, &account.app).await,
        }
    }

    /// The app for a call without a tenant: from the platform or the operator.
    pub(crate) async fn live_unscoped(&self, id: &str) -> Result<Arc<LiveApp>> {
        let row = self.store.app(id).await?.ok_or_else(|| no_app(id))?;
        if let Some(app) = self.cached(&row.id, row.revision) {
            return Ok(app);
        }
        let app = Arc::new(self.made_live(row).await?);
        if let Ok(mut live) = self.live.lock() {
            live.insert(app.id.clone(), app.clone());
        }
        Ok(app)
    }

    /// Whether there is one; without a look into it.
    pub(crate) async fn exists(&self, id: &str) -> Result<bool> {
        // Anybody may ask. What cannot be a name is not looked for.
        Ok(check_name("the app", id).is_ok() && self.store.app(id).await?.is_some())
    }

    fn cached(&self, id: &str, revision: i64) -> Option<Arc<LiveApp>> {
        let cached = self.live.lock().ok()?.get(id).cloned();
        cached.filter(|app| app.revision == revision)
    }

    async fn made_live(&self, row: AppRow) -> Result<LiveApp> {
        let provider = self.provider(&row.digest).await?;
        let mut settings = self.open_settings(&row)?;
        for setting in &provider.descriptor().settings {
            if let Some(value) = &setting.default_value {
                settings.entry(setting.name.clone()).or_insert_with(|| form::text(value));
            }
        }
        let policy = Policy { origins: Policy::granting(granted(&row))?.origins, ..self.policy.clone() };
        Ok(LiveApp {
            revision: row.revision,
            tenant: row.tenant,
            provider,
            webhook_url: self.address.webhook_url(&row.id),
            redirect_uri: row.redirect_uri.or_else(|| self.address.callback_url(&row.id)),
            settings: Arc::new(
                settings.into_iter().map(|(name, value)| (name, SecretText::new(value))).collect(),
            ),
            egress: Arc::new(Egress::new(policy, &self.clients)?),
            storage: Arc::new(AppStorage {
                store: self.own_kv.clone().unwrap_or_else(|| self.store.clone()),
                vault: self.vault.clone(),
                clock: self.clock.clone(),
                app: row.id.clone(),
            }),
            clock: self.clock.clone(),
            id: row.id,
        })
    }

    fn shown(&self, row: &AppRow, known: Result<(&Provider, &Settings)>) -> App {
        let (settings, error) = match known {
            Ok((provider, settings)) => (settings::shown(provider.descriptor(), settings), None),
            Err(error) => (Vec::new(), Some(error)),
        };
        App {
            id: row.id.clone(),
            provider: row.provider.clone(),
            digest: row.digest.clone(),
            tenant: row.tenant.clone(),
            origins: granted(row),
            redirect_uri: row.redirect_uri.clone().or_else(|| self.address.callback_url(&row.id)),
            webhook_url: self.address.webhook_url(&row.id),
            missing_settings: settings
                .iter()
                .filter(|shown| shown.setting.required && shown.value.is_none())
                .map(|shown| shown.setting.name.clone())
                .collect(),
            listing: row
                .listing
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            settings,
            error,
            created_at: row.created_at / 1000,
            updated_at: row.updated_at / 1000,
        }
    }

    fn open_settings(&self, row: &AppRow) -> Result<Settings> {
        let plain = self.vault.open_sealed(place(&row.id), &row.settings)?;
        serde_json::from_slice(plain.expose())
            .map_err(|_| Error::internal(format!("the settings of the app {} cannot be read", row.id)))
    }

    fn seal_settings(&self, id: &str, settings: &Settings) -> Result<Sealed> {
        let plain = serde_json::to_vec(settings)
            .map_err(|error| Error::internal("settings cannot be written").with_source(error))?;
        self.vault.seal(place(id), &plain)
    }

    /// Encrypts provider values in an embedding program's own store again, with the first key.
    pub(crate) async fn reseal_own_kv(&self) -> Result<usize> {
        let Some(kv) = &self.own_kv else { return Ok(0) };
        let mut changed = 0;
        for app in self.store.apps().await? {
            changed += storage::reseal(&**kv, &app.id, &self.vault).await?;
        }
        Ok(changed)
    }

    /// Unloads components and apps that the database no longer names.
    pub(crate) async fn maintain(&self) -> Result<()> {
        self.registry.let_go().await?;
        let rows: HashMap<String, i64> =
            self.store.apps().await?.into_iter().map(|row| (row.id, row.revision)).collect();
        if let Ok(mut live) = self.live.lock() {
            live.retain(|id, app| rows.get(id) == Some(&app.revision));
        }
        Ok(())
    }
}

fn no_app(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no app {id}"))
        .with_remedy("add it first, or look at the list of apps")
}

/// Origins that the operator granted.
pub(super) fn granted(row: &AppRow) -> Vec<String> {
    serde_json::from_str(&row.grants).unwrap_or_default()
}

fn grants_json(policy: &Policy) -> String {
    let origins: Vec<String> = policy.origins.iter().map(OriginPattern::to_string).collect();
    serde_json::to_string(&origins).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::lies_in;

    #[test]
    fn an_address_lies_in_a_domain_or_under_a_prefix() {
        for (address, verified, expected) in [
            ("https://media.example.com/a.jpg?b", "media.example.com", true),
            ("https://eu.media.example.com/a.jpg", "Media.Example.com/", true),
            ("https://example.com/a.jpg", "media.example.com", false),
            ("https://notmedia.example.com/a.jpg", "media.example.com", false),
            ("https://media.example.com@evil.test/a.jpg", "media.example.com", false),
            ("http://media.example.com/a.jpg", "media.example.com", false),
            ("https://example.com/media/a.jpg", "https://example.com/media/", true),
            ("https://example.com/mediator/a.jpg", "https://example.com/media/", false),
            ("https://example.com/media/a.jpg", "https://example.com/media", false),
            ("https://example.com/a.jpg", "", false),
        ] {
            assert_eq!(lies_in(address, verified), expected, "{address} {verified}");
        }
    }
}

//! Apps: a provider with one set of settings, that is one registration at the network, and its grants.
//! Sandbox and live are two registrations, so two apps. Storage, callback and webhooks belong to an app.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, millis};
use crate::diagnosis::Listing;
use crate::digest::Digest;
use crate::egress::Egress;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::model::{Descriptor, Setting};
use crate::policy::{OriginPattern, Policy};
use crate::provider::{CallContext, Entry, Gate, Provider, ProviderStorage, SetOptions, StorageError};
use crate::secret::SecretText;
use crate::store::{AccountRow, AppRow, SetValue, ValueRow, ValueStore};
use crate::tenant::{TenantId, check_name};
use crate::values;
use crate::vault::{Place, Sealed, Vault};

/// How an app is to be. Of an existing app only what is given changes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppConfig {
    /// The provider's id, for example `tiktok`. Needed for a new app.
    pub provider: Option<String>,
    /// Serves this tenant only. A new app without it serves all.
    pub tenant: Option<String>,
    /// Setting names and values. An empty value forgets the setting.
    pub settings: BTreeMap<String, SettingValue>,
    /// Origins granted to the provider. A new app without it grants what the provider asks for. An app that
    /// stays with an older component for want of a grant moves to the installed one once it is granted.
    pub origins: Option<Vec<String>>,
    /// Where the platform sends the browser back to. A port of `*` stands for any loopback port.
    pub redirect_uri: Option<String>,
    /// What the platform's portal says about the app, to be checked. Replaces what was given before.
    pub listing: Option<Listing>,
}

/// A setting's value: it may be a secret, so it is never printed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SettingValue(#[schemars(with = "String")] SecretFromText);

#[derive(Clone, Debug, Default)]
struct SecretFromText(SecretText);

impl<'a> Deserialize<'a> for SecretFromText {
    fn deserialize<D: serde::Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        Ok(SecretFromText(SecretText::new(String::deserialize(from)?)))
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        SettingValue(SecretFromText(SecretText::new(text)))
    }
}

impl From<String> for SettingValue {
    fn from(text: String) -> Self {
        SettingValue(SecretFromText(SecretText::new(text)))
    }
}

/// An app, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct App {
    /// Its name.
    pub id: String,
    /// The provider's id.
    pub provider: String,
    /// The component it runs.
    pub digest: Digest,
    /// The tenant it serves; absent: all.
    pub tenant: Option<String>,
    /// Origins granted to the provider.
    pub origins: Vec<String>,
    /// Where the platform sends the browser back to; without one of its own, below the host's public address.
    pub redirect_uri: Option<String>,
    /// Where the platform sends webhooks; absent without a public address.
    pub webhook_url: Option<String>,
    /// All settings the provider knows. Values of secrets are masked.
    pub settings: Vec<ShownSetting>,
    /// Required settings that have no value: nothing works before they are set.
    pub missing_settings: Vec<String>,
    /// What the platform's portal says about the app.
    pub listing: Listing,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub updated_at: i64,
}

/// A setting, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShownSetting {
    /// What it is.
    #[serde(flatten)]
    pub setting: Setting,
    /// Its value; of a secret `****` and its last four characters.
    pub value: Option<String>,
    /// The value is the provider's default.
    pub is_default: bool,
}

/// An app, ready to be called: one revision of its row.
pub(crate) struct LiveApp {
    pub(crate) id: String,
    pub(crate) revision: i64,
    tenant: Option<String>,
    pub(crate) provider: Provider,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) settings: Arc<Vec<(String, SecretText)>>,
    pub(crate) egress: Arc<Egress>,
    pub(crate) storage: Arc<dyn ProviderStorage>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl LiveApp {
    fn serves(&self, tenant: &TenantId) -> bool {
        self.tenant.as_deref().is_none_or(|own| own == tenant.as_str())
    }

    /// What a call gets, without media.
    pub(crate) fn context(&self, account_id: Option<&str>, gate: Option<Arc<dyn Gate>>) -> CallContext {
        CallContext {
            settings: self.settings.clone(),
            egress: self.egress.clone(),
            storage: self.storage.clone(),
            clock: self.clock.clone(),
            media: Vec::new(),
            gate,
            progress: None,
            account_id: account_id.map(str::to_owned),
        }
    }
}

fn place(id: &str) -> Place<'_> {
    Place { table: "apps", row: id, column: "settings" }
}

type Settings = BTreeMap<String, String>;

impl Inner {
    /// Makes or changes an app.
    pub(crate) async fn put_app(&self, id: &str, config: AppConfig) -> Result<App> {
        check_name("app", id)?;
        if let Some(tenant) = &config.tenant {
            tenant.parse::<TenantId>()?;
        }
        let now = self.clock.now_ms();
        let before = self.store.app(id).await?;
        let (mut row, mut settings) = match before {
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
            None => {
                let provider = config.provider.clone().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidRequest, "a new app needs its provider")
                        .with_field("provider")
                        .with_remedy("name an installed provider, for example `tiktok`")
                })?;
                let digest = self.installed(&provider).await?;
                let row = AppRow {
                    id: id.to_owned(),
                    tenant: None,
                    provider,
                    digest,
                    settings: Sealed(Vec::new()),
                    grants: String::new(),
                    redirect_uri: None,
                    listing: None,
                    created_at: now,
                    updated_at: now,
                    revision: 0,
                };
                (row, Settings::new())
            }
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
            let text = value.0.0.expose().trim();
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
                format!("somebody else changed the app {id} just now"),
            )
            .with_remedy("look at it again and repeat the change"));
        }
        self.show_app(&row, descriptor, &settings)
    }

    /// The installed component, where the app still runs an older one and its grants now reach as far as the
    /// installed one asks: that is what the older one waited for. Open jobs end with what they began with.
    async fn agreed_component(&self, row: &AppRow) -> Result<Option<Digest>> {
        let Some(installed) = self.store.installed_component(&row.provider).await? else { return Ok(None) };
        if installed == row.digest {
            return Ok(None);
        }
        let wanted = Policy::granting(&self.provider(&installed).await?.descriptor().origins)?.origins;
        let granted: Vec<String> = serde_json::from_str(&row.grants).unwrap_or_default();
        Ok(Policy::granting(&granted)?.missing(&wanted).is_empty().then_some(installed))
    }

    pub(crate) async fn show_apps(&self) -> Result<Vec<App>> {
        let mut shown = Vec::new();
        for row in self.store.apps().await? {
            let provider = self.provider(&row.digest).await?;
            let settings = self.open_settings(&row)?;
            shown.push(self.show_app(&row, provider.descriptor(), &settings)?);
        }
        Ok(shown)
    }

    pub(crate) async fn delete_app(&self, id: &str) -> Result<()> {
        self.store.app(id).await?.ok_or_else(|| no_app(id))?;
        match self.store.delete_app(id).await? {
            0 => match &self.program_values {
                Some(values) => values.forget(id).await,
                None => Ok(()),
            },
            accounts => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the app {id} still has {accounts} connected channels"),
            )
            .with_remedy("disconnect them first")),
        }
    }

    /// The app as `tenant` may use it, running the component its row names now.
    pub(crate) async fn live_app(&self, tenant: &TenantId, id: &str) -> Result<Arc<LiveApp>> {
        let app = self.live(self.store.app(id).await?.ok_or_else(|| no_app(id))?).await?;
        if app.serves(tenant) { Ok(app) } else { Err(no_app(id)) }
    }

    /// The app of a connected account, without another look at the database while its row is unchanged.
    pub(crate) async fn app_of(&self, tenant: &TenantId, account: &AccountRow) -> Result<Arc<LiveApp>> {
        match self.cached(&account.app, account.app_revision) {
            Some(app) if app.serves(tenant) => Ok(app),
            _ => self.live_app(tenant, &account.app).await,
        }
    }

    /// The app for a call that belongs to no tenant: the platform's own.
    pub(crate) async fn app_for_webhooks(&self, id: &str) -> Result<Arc<LiveApp>> {
        self.live(self.store.app(id).await?.ok_or_else(|| no_app(id))?).await
    }

    fn cached(&self, id: &str, revision: i64) -> Option<Arc<LiveApp>> {
        let cached = self.apps.lock().ok()?.get(id).cloned();
        cached.filter(|app| app.revision == revision)
    }

    async fn live(&self, row: AppRow) -> Result<Arc<LiveApp>> {
        if let Some(app) = self.cached(&row.id, row.revision) {
            return Ok(app);
        }
        let provider = self.provider(&row.digest).await?;
        let mut settings = self.open_settings(&row)?;
        for setting in &provider.descriptor().settings {
            if let Some(value) = &setting.default_value {
                settings.entry(setting.name.clone()).or_insert_with(|| value.clone());
            }
        }
        let origins: Vec<String> = serde_json::from_str(&row.grants).unwrap_or_default();
        let policy = Policy { origins: Policy::granting(&origins)?.origins, ..self.policy.clone() };
        let app = Arc::new(LiveApp {
            id: row.id.clone(),
            revision: row.revision,
            tenant: row.tenant,
            provider,
            redirect_uri: row.redirect_uri.clone().or_else(|| self.callback_url(&row.id)),
            settings: Arc::new(
                settings.into_iter().map(|(name, value)| (name, SecretText::new(value))).collect(),
            ),
            egress: Arc::new(Egress::new(policy, &self.clients)?),
            storage: Arc::new(AppStorage {
                values: self.values(),
                vault: self.vault.clone(),
                clock: self.clock.clone(),
                app: row.id.clone(),
            }),
            clock: self.clock.clone(),
        });
        if let Ok(mut apps) = self.apps.lock() {
            apps.insert(row.id, app.clone());
        }
        Ok(app)
    }

    fn show_app(&self, row: &AppRow, descriptor: &Descriptor, settings: &Settings) -> Result<App> {
        let shown: Vec<ShownSetting> = descriptor
            .settings
            .iter()
            .map(|setting| {
                let own = settings.get(&setting.name);
                let value = own.or(setting.default_value.as_ref()).map(|value| match setting.kind.as_str() {
                    "secret" => masked(value),
                    _ => value.clone(),
                });
                ShownSetting { setting: setting.clone(), is_default: own.is_none() && value.is_some(), value }
            })
            .collect();
        Ok(App {
            id: row.id.clone(),
            provider: row.provider.clone(),
            digest: row.digest.clone(),
            tenant: row.tenant.clone(),
            origins: serde_json::from_str(&row.grants).unwrap_or_default(),
            redirect_uri: row.redirect_uri.clone().or_else(|| self.callback_url(&row.id)),
            webhook_url: self.webhook_url(&row.id),
            missing_settings: shown
                .iter()
                .filter(|shown| shown.setting.required && shown.value.is_none())
                .map(|shown| shown.setting.name.clone())
                .collect(),
            listing: row
                .listing
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            settings: shown,
            created_at: row.created_at / 1000,
            updated_at: row.updated_at / 1000,
        })
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
}

fn no_app(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no app {id}"))
        .with_remedy("make it first (`social-channel apps add`), or see `social-channel apps list`")
}

fn grants_json(policy: &Policy) -> String {
    let origins: Vec<String> = policy.origins.iter().map(OriginPattern::to_string).collect();
    serde_json::to_string(&origins).unwrap_or_else(|_| "[]".to_owned())
}

/// Enough to tell two secrets apart, too little to use one.
fn masked(value: &str) -> String {
    let tail: Vec<char> = value.chars().rev().take(4).collect();
    if value.chars().count() >= 16 {
        format!("****{}", tail.iter().rev().collect::<String>())
    } else {
        "****".to_owned()
    }
}

/// A value longer than this is no key and no list of scopes.
const SETTING_LENGTH: usize = 16 << 10;

fn check_setting(descriptor: &Descriptor, name: &str, value: &str) -> Result<()> {
    let Some(setting) = descriptor.settings.iter().find(|setting| setting.name == name) else {
        let known: Vec<&str> = descriptor.settings.iter().map(|setting| setting.name.as_str()).collect();
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the provider {} has no setting {name}", descriptor.id),
        )
        .with_field(name)
        .with_remedy(format!("its settings are {}", known.join(", "))));
    };
    let wrong = |message: String, remedy: String| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_field(name).with_remedy(remedy))
    };
    if value.is_empty() {
        return Ok(());
    }
    if value.len() > SETTING_LENGTH {
        return wrong(format!("{name} is longer than {SETTING_LENGTH} bytes"), "shorten it".to_owned());
    }
    match setting.kind.as_str() {
        "choice" if !setting.choices.iter().any(|choice| choice == value) => wrong(
            format!("{name} cannot be {value}"),
            format!("choose one of {}", setting.choices.join(", ")),
        ),
        "flag" if !matches!(value, "true" | "false") => {
            wrong(format!("{name} is neither true nor false"), "write `true` or `false`".to_owned())
        }
        "url" if url::Url::parse(value).is_err() => {
            wrong(format!("{name} is not a URL"), "write it with its scheme: https://…".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_redirect_uri(uri: &str) -> Result<()> {
    let wrong = |message: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, message).with_field("redirect-uri").with_remedy(
            "write the address as it is registered at the platform, for example https://app.example.com/callback/",
        ))
    };
    let Ok(url) = url::Url::parse(&uri.replacen(":*", ":1", 1)) else {
        return wrong("the callback URL is not a URL");
    };
    if url.fragment().is_some() || url.query().is_some() {
        return wrong("the callback URL must have neither `?` nor `#`");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return wrong("the callback URL must begin with https:// (or http:// on loopback)");
    }
    Ok(())
}

/// What an app's provider remembers.
struct AppStorage {
    values: Arc<dyn ValueStore>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    app: String,
}

fn unavailable(error: Error) -> StorageError {
    StorageError::Unavailable(error.message)
}

#[async_trait]
impl ProviderStorage for AppStorage {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        let now = self.clock.now_ms();
        let found = self.values.value(&self.app, key, now).await.map_err(unavailable)?;
        let Some(ValueRow { value, version }) = found else { return Ok(None) };
        let row = values::row(&self.app, key);
        let value = self.vault.open_sealed(values::place(&row), &value).map_err(unavailable)?;
        Ok(Some(Entry { value: value.expose().to_vec(), version }))
    }

    async fn set(&self, key: &str, value: &[u8], options: SetOptions) -> Result<u64, StorageError> {
        let row = values::row(&self.app, key);
        let sealed = self.vault.seal(values::place(&row), value).map_err(unavailable)?;
        let now = self.clock.now_ms();
        let expires_at = options.ttl.map(|ttl: Duration| now.saturating_add(millis(ttl)));
        let set = self.values.set_value(&self.app, key, &sealed, options.if_version, expires_at, now);
        match set.await.map_err(unavailable)? {
            SetValue::Written(version) => Ok(version),
            SetValue::Conflict => Err(StorageError::Conflict),
            SetValue::Full => Err(StorageError::LimitExceeded),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.values.delete_value(&self.app, key).await.map_err(unavailable)
    }

    async fn list_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        let now = self.clock.now_ms();
        // The contract's own number.
        self.values.value_keys(&self.app, prefix, after, now, 100).await.map_err(unavailable)
    }
}

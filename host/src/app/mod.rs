//! Apps: a provider with one set of settings (one registration at the network) and its grants. Sandbox and
//! live are two registrations, therefore two apps. Storage, callback and webhooks belong to an app.
//!
//! `apps` creates and calls them, `registry` keeps loaded components, `install` adds and removes components, `origin` is where
//! they came from, `source` where they may come from, `upgrade` what a replacement changes, `settings` is what operators enter and see, `listing` is the portal's data, `storage` is the provider's key-value storage.

mod apps;
mod install;
mod listing;
mod origin;
mod registry;
mod settings;
mod source;
mod storage;
mod upgrade;

pub(crate) use apps::{AppParts, Apps, LiveApp, OPERATOR, Wait};
pub use install::{InstallOptions, Loaded, LockedProvider, ProviderInfo, ProviderSource};
pub use listing::{DomainRecord, Listing};
pub use origin::{ProviderOrigin, ProviderSigner};
pub(crate) use settings::check_value;
pub use settings::{App, AppConfig, SettingValue, ShownSetting};
pub use source::{ProviderIdentity, ProviderKey, ProviderPolicy, PushedProvider, RequiredSignature};
pub use upgrade::{UpgradeChange, UpgradeReport, UpgradeSide, WaitingApp};

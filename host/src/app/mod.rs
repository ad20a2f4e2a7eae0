//! Apps: a provider with one set of settings (one registration at the network) and its grants. Sandbox and
//! live are two registrations, therefore two apps. Storage, callback and webhooks belong to an app.
//!
//! `apps` creates and calls them, `registry` keeps loaded components, `install` adds and removes components, `settings`
//! is what operators enter and see, `listing` is the portal's data, `storage` is the provider's key-value storage.

mod apps;
mod install;
mod listing;
mod registry;
mod settings;
mod storage;

pub(crate) use apps::{AppParts, Apps, LiveApp, OPERATOR, Wait};
pub use install::{Loaded, ProviderInfo, WaitingApp};
pub use listing::{DomainRecord, Listing};
pub use settings::{App, AppConfig, SettingValue, ShownSetting};

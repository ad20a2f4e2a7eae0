//! Social Channel: social networks as WebAssembly providers.
//!
//! A [`Host`] loads providers, stores apps, accounts and publish jobs, and gives providers the access that the
//! operator grants. A [`Tenant`] is one customer's view of it. All lasting data is in one database, which any
//! number of processes may share.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use social_channel::{AppConfig, Connect, ConnectOptions, Connected, Host, TenantId, callback_query};
//!
//! let host = Host::builder().database("social-channel.sqlite").cache("cache").open().await?;
//! // The provider is a file: `cargo xtask install` of the repository puts it into `share/social-channel/providers`.
//! host.load_provider(&std::fs::read("plugin_tiktok.wasm")?).await?;
//! host.put_app("tiktok-live", AppConfig {
//!     provider: Some("tiktok".to_owned()),
//!     redirect_uri: Some("https://app.example.com/callback/".to_owned()),
//!     settings: [("client-key".to_owned(), "...".into()), ("client-secret".to_owned(), "...".into())].into(),
//!     ..AppConfig::default()
//! }).await?;
//!
//! let tenant = host.tenant(TenantId::default());
//! // `owner` identifies who began: a hash of the browser's session, for example. Only the same owner can complete it.
//! let options = ConnectOptions { owner: "session-hash".to_owned(), ..ConnectOptions::default() };
//! let Connect::Redirect { url, .. } = tenant.begin_connect("tiktok-live", options).await? else { return Ok(()) };
//! println!("send the browser to {url}");
//! # let address_the_browser_came_back_to = String::new();
//! let query = callback_query(&address_the_browser_came_back_to);
//! let Connected::Channel(channel) = tenant.complete_connect("session-hash", query).await? else { return Ok(()) };
//! println!("{:?}", tenant.stats(&channel.id).await?.followers);
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | load, replace and list providers, make apps | [`Host`] |
//! | connect, read, publish, follow jobs | [`Tenant`] |
//! | learn what happened, without asking for each job | [`Tenant::events`] |
//! | find out what to do after a failure | [`ErrorKind`] |
//! | configure what providers may reach | [`Policy`] |
//! | supply your own storage or HTTP client | [`KeyValueStore`], [`HttpClient`] |
//! | read the JSON documents | [`model`] |

mod account;
mod address;
mod app;
mod blob;
mod builder;
mod config;
mod database;
mod diagnosis;
mod document;
mod draft;
mod event;
mod host;
mod id;
mod kv;
mod lease;
mod lifetime;
mod maintenance;
mod media;
mod publish;
mod room;
mod store;
mod tenant;
mod tenant_id;
mod transfer;
mod vault;
mod wake;

pub use social_channel_runtime::clock::{Clock, MovedClock, SystemClock};
pub use social_channel_runtime::media::Picture;
pub use social_channel_runtime::net::{
    ConnectTo, Fetched, HttpBody, HttpClient, HttpFailure, OriginPattern, Policy, Proxy,
};
pub use social_channel_runtime::{
    Compile, Digest, EngineOptions, Error, ErrorKind, LOG_LIMITS, Limits, Outcome, Result, SecretBytes,
    SecretText, StorageError, compile_for_parent, component_name, error, fair, form, model,
};

pub use account::{
    Candidate, Channel, Connect, ConnectOptions, Connected, Disconnected, IMPORT_ROWS, Import, ImportReport,
    ImportRow, ImportStatus, ImportedRow, PostSample, Question, StatsSample, TableFormat, callback_query,
};
pub use address::Routes;
pub use app::{
    App, AppConfig, DomainRecord, InstallOptions, Listing, Loaded, LockedProvider, ProviderIdentity,
    ProviderInfo, ProviderKey, ProviderOrigin, ProviderPolicy, ProviderSigner, ProviderSource,
    PushedProvider, RequiredSignature, SettingValue, ShownSetting, UpgradeChange, UpgradeReport, UpgradeSide,
    WaitingApp,
};
pub use blob::{Blob, NewUpload, PartialUpload, Upload};
pub use builder::HostBuilder;
pub use config::{HostConfig, LimitsConfig};
pub use database::Database;
pub use diagnosis::DOMAIN_RECORD;
pub use document::{Document, DocumentChanges};
pub use draft::Draft;
pub use event::{
    Delivery, DeliveryAttempt, DeliveryStatus, EVENT_TYPES, Endpoint, EndpointChanges, EndpointWithSecret,
    Event, EventData, EventPage, NewEndpoint, WEBHOOK_BODY, Webhook, WebhookAnswer,
};
pub use host::{Host, Worked};
pub use kv::{KeyValueStore, STORED_VALUE, StoredValue};
pub use media::ServedMedia;
pub use publish::{Job, JobChange, JobWatch, JobsWatch, PRIORITIES, PublishRequest, Resolution};
pub use store::{Health, HistoryRow, JobGroup, JobStatus};
pub use tenant::Tenant;
pub use tenant_id::TenantId;
pub use transfer::{CopiedTable, copy_database};
pub use vault::{KEY_VARIABLE, KeySource, default_key_file, new_key};

#[cfg(test)]
mod tests;

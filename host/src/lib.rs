//! Social Channel: social networks as WebAssembly providers.
//!
//! A [`Host`] loads providers, keeps apps, accounts and publish jobs, and gives providers what the operator
//! grants. A [`Tenant`] is one customer's view of it. Everything that lasts is in one database; any number of
//! processes may share it.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use social_channel::{AppConfig, Connect, ConnectOptions, Connected, Host, TenantId, callback_query};
//!
//! let host = Host::builder().database("social-channel.sqlite").cache("cache").open().await?;
//! host.load_provider(&std::fs::read("plugin_tiktok.wasm")?).await?;
//! host.put_app("tiktok-live", AppConfig {
//!     provider: Some("tiktok".to_owned()),
//!     redirect_uri: Some("https://app.example.com/callback/".to_owned()),
//!     settings: [("client-key".to_owned(), "...".into()), ("client-secret".to_owned(), "...".into())].into(),
//!     ..AppConfig::default()
//! }).await?;
//!
//! let tenant = host.tenant(TenantId::default());
//! // `owner` is whoever began: a hash of the browser's session, for example. Nobody else can complete it.
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
//! | know what a failure asks of you | [`ErrorKind`] |
//! | say what providers may reach | [`Policy`] |
//! | bring a storage or an HTTP of one's own | [`ValueStorage`], [`HttpSender`] |
//! | know the JSON | [`model`] |

mod abi;
mod access;
mod accounts;
mod address;
mod app;
mod cache;
mod call;
mod capability;
mod clock;
mod component;
mod config;
mod diagnosis;
mod digest;
mod egress;
mod engine;
pub mod error;
mod exchange;
mod host;
mod id;
mod lease;
mod limits;
mod media;
pub mod model;
mod policy;
mod process;
mod provider;
mod publisher;
mod registry;
pub mod rule;
mod sample;
mod secret;
mod site;
mod store;
mod tenant;
mod upload;
mod values;
mod vault;
mod webhook;

pub use access::{ApiKey, CreatedApiKey};
pub use accounts::{Candidate, Channel, Connect, ConnectOptions, Connected, Disconnected, callback_query};
pub use app::{App, AppConfig, SettingValue, ShownSetting};
pub use call::StorageError;
pub use clock::{Clock, MovedClock, SystemClock};
pub use config::{HostConfig, LimitsConfig};
pub use diagnosis::{DOMAIN_RECORD, DomainRecord, Listing};
pub use digest::Digest;
pub use engine::EngineOptions;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use exchange::{HttpBody, HttpFailure, HttpSender};
pub use host::{Host, HostBuilder, Tenant};
pub use limits::Limits;
pub use media::ServedMedia;
pub use policy::{ConnectTo, OriginPattern, Policy};
pub use publisher::{Job, JobChange, JobWatch, PRIORITIES, PublishRequest, Resolution, Worked};
pub use registry::{Loaded, ProviderInfo, WaitingApp};
pub use sample::StatsSample;
pub use secret::{LOG_LIMITS, SecretBytes, SecretText};
pub use site::{MEDIA_PATH, SITE_FILE, SiteFile};
pub use store::{Health, HistoryRow, JobStatus};
pub use tenant::TenantId;
pub use upload::{NewUpload, Upload};
pub use values::{STORED_VALUE, StoredValue, ValueStorage};
pub use vault::{KEY_VARIABLE, KeySource, default_key_file, new_key};
pub use webhook::{WEBHOOK_BODY, Webhook, WebhookAnswer};

#[cfg(test)]
mod tests;

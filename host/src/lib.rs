//! Social Channel: social networks as WebAssembly providers.

mod abi;
mod accounts;
mod address;
mod app;
mod cache;
mod call;
mod capability;
mod clock;
mod component;
mod digest;
mod egress;
mod engine;
pub mod error;
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
mod secret;
mod store;
mod tenant;
mod vault;
mod webhook;

pub use accounts::{Candidate, Channel, Connect, ConnectOptions, Connected, Disconnected};
pub use app::{App, AppConfig, SettingValue, ShownSetting};
pub use clock::{Clock, MovedClock, SystemClock};
pub use digest::Digest;
pub use engine::EngineOptions;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use host::{Host, HostBuilder, Tenant};
pub use limits::Limits;
pub use policy::{ConnectTo, OriginPattern, Policy};
pub use publisher::{Job, JobChange, PRIORITIES, PublishRequest, Resolution, Worked};
pub use registry::{Loaded, ProviderInfo, WaitingApp};
pub use secret::{SecretBytes, SecretText};
pub use store::{Health, HistoryRow, JobStatus};
pub use tenant::TenantId;
pub use vault::{KEY_VARIABLE, KeySource, default_key_file, new_key};
pub use webhook::{WEBHOOK_BODY, Webhook, WebhookAnswer};

#[cfg(test)]
mod tests;

//! Social Channel: social networks as WebAssembly providers.

pub mod error;
pub mod model;
mod secret;

pub use error::{Error, ErrorKind, Outcome, Result};
pub use secret::{SecretBytes, SecretText};
mod abi;
mod address;
mod cache;
mod call;
mod capability;
mod component;
mod digest;
mod egress;
mod engine;
mod limits;
mod media;
mod policy;
mod provider;
mod store;
mod tenant;
mod vault;

pub use digest::Digest;
pub use engine::{Engine, EngineOptions};
pub use limits::Limits;
pub use policy::{ConnectTo, OriginPattern, Policy};
pub use provider::Provider;
pub use store::{Health, HistoryRow, JobStatus};
pub use tenant::TenantId;
pub use vault::{KEY_VARIABLE, KeySource, default_key_file, new_key};

#[cfg(test)]
mod tests;

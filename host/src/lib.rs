//! Social Channel: social networks as WebAssembly providers.

pub mod error;
pub mod model;
mod secret;

pub use error::{Error, ErrorKind, Outcome, Result};
pub use secret::{SecretBytes, SecretText};
mod digest;
mod store;
mod tenant;
mod vault;

pub use digest::Digest;
pub use store::{Health, HistoryRow, JobStatus};
pub use tenant::TenantId;
pub use vault::{KEY_VARIABLE, KeySource, default_key_file, new_key};

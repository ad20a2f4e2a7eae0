//! Runs one provider of the *social channel*: a WebAssembly component that connects accounts of one network, reads
//! them and publishes to them.
//!
//! This crate compiles a component, calls it within limits, and gives it what its caller grants: an app's settings,
//! the network, storage, media. It has no database, accounts or jobs; `social-channel` is the host that adds these.
//! It is enough for a program that only calls a provider, such as a test, a fuzzer or a tool.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use social_channel_runtime::{CallContext, Engine, EngineOptions, Provider};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let provider = Provider::load(&engine, &std::fs::read("plugin_tiktok.wasm")?).await?;
//! println!("{} {}", provider.descriptor().name, provider.descriptor().version);
//! # Ok(())
//! # }
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | load a component and call it | [`Engine`], [`Provider`] |
//! | configure what a call may use | [`CallContext`], [`Limits`] |
//! | configure which requests are allowed | [`net`] |
//! | open media by ranges | [`media`] |
//! | draw a publish form and check a post | [`form`] |
//! | read the JSON types and errors | [`model`], [`error`] |

mod abi;
mod cache;
mod call;
mod capability;
pub mod clock;
mod compile;
mod component;
mod configuration;
mod contract;
mod descriptor;
mod digest;
mod engine;
pub mod error;
pub mod fair;
mod fault;
mod fork;
pub mod form;
pub mod limits;
pub mod media;
pub mod model;
pub mod net;
mod provider;
mod secret;
mod structure;

pub use abi::{
    Account, Addresses, CallError, ConnectRequest, ConnectStep, Connection, Delivery, Effect, Event,
    NextStep, Prompt, PublishStep, Receipt, Resume, WebhookRequest, WebhookResponse,
};
pub use call::{CallContext, Entry, Gate, Listener, ProviderStorage, SetOptions, StorageError};
pub use compile::{Compile, compile_for_parent};
pub use component::component_name;
pub use contract::CONTRACT;
pub use digest::Digest;
pub use engine::{Engine, EngineOptions};
pub use error::{Error, ErrorKind, Outcome, Result};
pub use limits::Limits;
pub use provider::Provider;
pub use secret::{LOG_LIMITS, SecretBytes, SecretText};

#[cfg(test)]
mod tests;

//! The toolkit for writing Social Channel providers in Rust.
//!
//! A provider is a `cdylib` built for `wasm32-wasip2`. It implements
//! [`channel::Guest`] for a unit struct and calls [`export_channel!`]; optional
//! abilities are exported one by one with [`export_webhooks!`] and
//! [`export_diagnostics!`]:
//!
//! ```ignore
//! use social_channel_provider::{channel, export_channel};
//!
//! struct Hello;
//! impl channel::Guest for Hello { /* … */ }
//!
//! export_channel!(Hello);
//! ```
//!
//! Write logic against the trait [`Environment`], which provides everything from the host (HTTP, storage,
//! settings, clock, random bytes, media). In the component it is
//! [`HostEnvironment`]; in native tests it is [`testing::FakeEnvironment`]. The types of the
//! contract are the same in both.
//!
//! This crate is independent of any social network and has no state.
#![allow(clippy::result_large_err, reason = "the error record is the contract's, and errors are rare")]

// The generated code uses this crate's full path, so that the export macros work in other crates.
extern crate self as social_channel_provider;

pub mod bindings;
mod environment;
mod error;
pub mod form;
mod host;
pub mod http;
pub mod json;
pub mod storage;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use bindings::exports::social::channel::channel;
pub use bindings::social::channel::types;
pub use bindings::social::channel::types::{Account, Error, ErrorKind, Finding, Severity};
pub use environment::{Environment, Media, MediaInfo};
pub use host::HostEnvironment;

pub use bindings::diagnostics::exports::social::channel::diagnostics;
pub use bindings::webhooks::exports::social::channel::webhooks;

pub use bindings::diagnostics::export_diagnostics;
pub use bindings::export_channel;
pub use bindings::webhooks::export_webhooks;

#[doc(hidden)]
pub use wit_bindgen;

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
//! [`display_name!`] writes the provider's name into the component file, so that a host can offer the component by this
//! name before it runs any of it.
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
mod record;
pub mod storage;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use bindings::exports::social::channel::channel;
pub use bindings::social::channel::types;
pub use bindings::social::channel::types::{
    Account, Choice, Error, ErrorKind, Field, Finding, Property, Severity, TextLimit, Value,
};
pub use environment::{Environment, Media, MediaInfo};
pub use host::HostEnvironment;

pub use bindings::diagnostics::exports::social::channel::diagnostics;
pub use bindings::webhooks::exports::social::channel::webhooks;

pub use bindings::diagnostics::export_diagnostics;
pub use bindings::export_channel;
pub use bindings::webhooks::export_webhooks;

/// Writes the provider's name, as in its description, into the component file as the custom section
/// `social-channel:name`. Optional: without it a host offers the component by the name of its file.
#[macro_export]
macro_rules! display_name {
    ($name:literal) => {
        #[allow(unsafe_code, reason = "a section is placed, and no memory is touched")]
        const _: () = {
            const NAME: &[u8] = str::as_bytes($name);
            #[used]
            #[unsafe(link_section = "social-channel:name")]
            static SECTION: [u8; NAME.len()] = match NAME.first_chunk() {
                Some(name) => *name,
                None => [0; NAME.len()],
            };
        };
    };
}

#[doc(hidden)]
pub use wit_bindgen;

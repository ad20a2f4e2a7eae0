//! C ABI of Social Channel: `libsocialchannel` and `include/social_channel.h`, which is the manual.
//!
//! Every function here only translates: pointers to values, JSON to the library's types, and results back. Four
//! files implement the rules of the boundary for all others: `border` (panics and errors), `argument`
//! (pointers), `handle` (handles and `fork`), `text` (returned text).
//!
//! `unsafe` is confined to this crate; each block says why it is sound. Everything that can be checked is
//! checked. The rest (that a non-NULL pointer points to what the header says) is the caller's responsibility,
//! and is documented in the header.
#![expect(unsafe_code, reason = "the border to C: pointers are checked in `argument` and written in `text`")]
// The header documents the caller's obligations for every function.
#![allow(clippy::missing_safety_doc, reason = "the header is the manual, and says it for every function")]

mod argument;
mod border;
mod document;
mod handle;
mod interrupt;

// In the order of the header.
mod version;

mod status;

mod error;

mod text;

mod log;

mod storage;

mod http;

mod callback;

mod host;

mod provider;

mod app;

mod connect;

mod account;

mod publish;

mod job;

mod event;

mod webhook;

pub use account::*;
pub use app::*;
pub use callback::socialchannel_explain;
pub use connect::*;
pub use document::{EventQuery, JobQuery, Worked, schemas};
pub use error::*;
pub use event::*;
pub use handle::{socialchannel_error, socialchannel_exchange, socialchannel_host};
pub use host::*;
pub use http::{
    socialchannel_exchange_read, socialchannel_exchange_respond, socialchannel_exchange_write,
    socialchannel_header, socialchannel_http, socialchannel_http_request, socialchannel_http_result,
};
pub use job::*;
pub use log::*;
pub use provider::*;
pub use publish::*;
pub use status::*;
pub use storage::{socialchannel_storage, socialchannel_storage_result, socialchannel_storage_value};
pub use text::*;
pub use version::*;
pub use webhook::*;

//! C ABI of Social Channel: `libsocialchannel` and `include/social_channel.h`, which is the manual.
//!
//! Every function here translates and decides nothing: pointers to values, JSON to the library's types, results
//! back. Four files hold the rules of the border, so that the others need not repeat them: `border` (panics and
//! errors), `argument` (pointers), `handle` (what a handle is, and `fork`), `text` (what is handed out).
//!
//! `unsafe` is confined to this crate; each block says why it holds. What can be known is checked. What cannot
//! (that a pointer which is not NULL points to what the header says) is the caller's promise, and is written
//! there.
#![expect(unsafe_code, reason = "the border to C: pointers are checked in `argument` and written in `text`")]
// The header says for every function what the caller must keep.
#![allow(clippy::missing_safety_doc, reason = "the header is the manual, and says it for every function")]

mod argument;
mod border;
mod document;
mod handle;

// In the order in which the header tells its story.
mod version;

mod status;

mod error;

mod text;

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

mod webhook;

pub use account::*;
pub use app::*;
pub use callback::socialchannel_explain;
pub use connect::*;
pub use document::{JobQuery, schemas};
pub use error::*;
pub use handle::{socialchannel_error, socialchannel_exchange, socialchannel_host};
pub use host::*;
pub use http::{
    socialchannel_exchange_read, socialchannel_exchange_respond, socialchannel_exchange_write,
    socialchannel_header, socialchannel_http, socialchannel_http_request, socialchannel_http_result,
};
pub use job::*;
pub use provider::*;
pub use publish::*;
pub use status::*;
pub use storage::{socialchannel_storage, socialchannel_storage_result, socialchannel_storage_value};
pub use text::*;
pub use version::*;
pub use webhook::*;

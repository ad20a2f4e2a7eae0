//! Targets for untrusted input to the host itself, one function for each kind. The host does not parse what platforms
//! answer; the provider has targets of its own for that (`plugin-tiktok/src/fuzz.rs`). `tests/` runs them on the
//! stored inputs and mutations of these; `libfuzzer.rs` hands them to libFuzzer.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: a panic is the report"
)]

mod callback;
mod configuration;
mod document;
mod media;
mod server;

use std::sync::LazyLock;

use tokio::runtime::Runtime;

pub use callback::callback_address;
pub use configuration::configuration;
pub use document::{SECRET, document};
pub use media::media;
pub use server::media_answer;

/// One for all inputs.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

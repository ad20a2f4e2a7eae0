//! Tests the simulator over HTTP: as a correct client, and as each kind of incorrect one. Every refusal is
//! checked together with its rule, so that a test cannot pass because of another refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests report by panicking"
)]

mod control;
mod display;
mod drafts;
mod faults;
mod oauth;
mod over_time;
mod posting;
mod program;
#[cfg(feature = "proxy")]
mod proxy;
mod support;
mod switches;
mod traps;
mod upload;

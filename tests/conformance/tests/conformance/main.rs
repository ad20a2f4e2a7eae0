//! The rules of the contract, on right and on deliberately wrong providers.
//!
//! One program, because linking the engine takes longer than most of these tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod recording;
mod right_providers;
mod shared;
mod wrong_providers;

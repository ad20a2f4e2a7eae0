//! The command line, as real processes.
//!
//! One program, because linking the engine takes longer than most of these tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod compiling;
mod conformance;
mod encrypted;
mod events;
mod failover;
mod failures;
mod import;
mod machines;
mod publishing;
mod registry;
mod remote;
mod service;
mod story;
mod swap;

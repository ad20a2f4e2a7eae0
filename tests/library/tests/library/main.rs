//! The library, end to end: a real component, the simulator, real processes.
//!
//! One program, because linking the engine takes longer than most of these tests. What needs a process for itself lies beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod apps;
mod asked;
mod bluesky;
mod bucket;
mod chunks;
mod codes;
mod cost;
mod crash;
mod documentation;
mod dropping;
mod faults;
mod gate;
mod growth;
mod import;
mod instructions;
mod kept_data;
mod media;
mod moves;
mod publishing;
mod refresh;
mod story;
mod traps;
mod what_changes_meanwhile;

//! Every block of code in every page of this repository: `tests/blocks.rs` runs them, or names the suite that does.
//! Those in Rust are compiled here, each as a function of its own (`build.rs`).

mod block;

pub use block::{Block, blocks, pages, root};

#[allow(dead_code, unused, unreachable_pub, clippy::all, clippy::pedantic, reason = "written as a manual is")]
mod compiled {
    include!(concat!(env!("OUT_DIR"), "/snippets.rs"));
}

/// Page and line of every block in Rust that this crate compiles.
pub const COMPILED: &[(&str, usize)] = compiled::COMPILED;

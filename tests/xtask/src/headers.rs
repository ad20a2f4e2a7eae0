//! What is made from the code of the C library: its header, its JSON Schemas, and the Python classes made from
//! these. The making is part of a test, which compares them in every other run.

use std::process::Command;

use anyhow::Result;

use crate::run;

/// Writes them anew.
pub(crate) fn run() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run::run(
        Command::new(cargo)
            .args(["test", "--quiet", "--package", "social-channel-c", "--test", "generated"])
            .env("SOCIAL_CHANNEL_REGENERATE", "1"),
    )?;
    run::run(Command::new("python3").arg("bindings/python/generate.py"))
}

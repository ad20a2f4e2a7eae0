//! Files generated from the code of the C library: its header, its JSON Schemas, and the Python classes
//! generated from these. A test generates them, and compares them in ordinary runs.

use std::process::Command;

use anyhow::Result;

use crate::run;

/// Regenerates them.
pub(crate) fn run() -> Result<()> {
    run::run(
        Command::new(run::cargo_program())
            // Without `--package`, which would select other features and build the engine once more.
            .args(["test", "--quiet", "--test", "generated"])
            .env("SOCIAL_CHANNEL_REGENERATE", "1"),
    )?;
    run::run(Command::new("python3").arg("bindings/python/generate.py"))
}

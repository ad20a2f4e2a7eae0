//! Builds every component of the workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run;

const TARGET: &str = "wasm32-wasip2";
/// `plugin-tiktok` is the product; the others are for tests and authors of providers.
const PACKAGES: [&str; 6] = [
    "plugin-tiktok",
    "minimal-provider",
    "test-provider",
    "wrong-provider",
    "provider-minimal",
    "provider-bluesky",
];

pub(crate) fn build() -> Result<()> {
    run::title("components");
    add_target()?;
    let mut arguments = vec!["build", "--target", TARGET, "--profile", "guest"];
    for package in PACKAGES {
        arguments.extend(["--package", package]);
    }
    run::cargo(arguments)
}

/// The path of a component after [`build`].
pub(crate) fn component(name: &str) -> PathBuf {
    run::target().join(TARGET).join("guest").join(format!("{name}.wasm"))
}

fn add_target() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let found = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("rustc cannot be run: install Rust by rustup")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
    if found.status.success() && folder.is_dir() {
        return Ok(());
    }
    run::run(Command::new("rustup").args(["target", "add", TARGET]))
        .with_context(|| format!("the target {TARGET} is missing and could not be added by rustup"))
}

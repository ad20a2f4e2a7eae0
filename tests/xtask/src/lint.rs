//! Checks without running tests.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::steps::Step;
use crate::{package, run, sbom, steps};

/// The fast ones first.
const STEPS: [Step; 7] = [
    ("format", format),
    ("packages", package::check),
    ("deny", deny),
    ("sbom", sbom::check),
    ("clippy", clippy),
    ("documentation", documentation),
    ("oldest-rust", oldest_rust),
];

pub(crate) fn run(only: &[String]) -> Result<()> {
    steps::run(&[], &steps::chosen("step", &STEPS, only)?)
}

/// Consistent formatting, so that diffs show only real changes.
fn format() -> Result<()> {
    run::cargo(["fmt", "--all", "--check"])
}

/// Dependencies: licences, duplicate versions, sources other than crates.io.
fn deny() -> Result<()> {
    run::script("tests/xtask/cargo-deny.sh")
}

/// Lints of the workspace; a warning is a failure here.
fn clippy() -> Result<()> {
    run::cargo(["clippy", "--all-targets", "--", "--deny", "warnings"])
}

/// The documentation for docs.rs has no broken links. All crates are built at once, because with single packages
/// features of dependencies would differ, and all would be checked again.
fn documentation() -> Result<()> {
    let mut command = Command::new(run::cargo_program());
    // Programs are excluded, because one has the same name as the library.
    command.args(["doc", "--quiet", "--no-deps", "--lib"]).env("RUSTDOCFLAGS", "--deny warnings");
    run::run(&mut command)
}

/// The code builds with the `rust-version` in `Cargo.toml`.
fn oldest_rust() -> Result<()> {
    let promised = package::value(&package::manifest(".")?, "rust-version")?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let found = Command::new(rustc).arg("--version").output().context("rustc cannot be run")?;
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    if is_version(&found, &promised) {
        eprintln!("Rust {promised} is promised, and this is it: clippy has seen everything with it");
        return Ok(());
    }
    eprintln!("Rust {promised} is promised, this is {}", found.trim());
    // Does nothing if it is installed.
    run::run(Command::new("rustup").args(["toolchain", "install", "--profile", "minimal", &promised]))
        .with_context(|| format!("Rust {promised} is not installed, and rustup could not bring it"))?;
    // In a separate folder, otherwise every change of toolchain would rebuild everything.
    let target = run::target().join("oldest-rust");
    let check = ["run", &promised, "cargo", "check", "--quiet", "--all-targets", "--target-dir"];
    run::run(Command::new("rustup").args(check).arg(target))
}

/// Whether `rustc 1.95.0 (…)` is the version `1.95`.
fn is_version(found: &str, promised: &str) -> bool {
    let number = found.split(' ').nth(1).unwrap_or_default();
    number.strip_prefix(promised).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_by_its_parts() {
        assert!(is_version("rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95"));
        assert!(is_version("rustc 1.95.1 (59807616e 2026-04-14)", "1.95.1"));
        assert!(!is_version("rustc 1.950.0 (59807616e 2026-04-14)", "1.95"));
        assert!(!is_version("rustc 1.96.0 (59807616e 2026-04-14)", "1.95"));
        assert!(!is_version("", "1.95"));
    }
}

//! `bench`: what is measured, in release builds.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{guests, run};

/// Release builds, because nothing else says anything about speed; `--debug` only tries the program itself.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.first().map(String::as_str) {
        Some("store") => return store(arguments.get(1)),
        Some("peers") => return peers(),
        _ => {}
    }
    guests::build()?;
    if arguments.iter().any(|word| word == "jobs") {
        crate::install_databases()?;
    }
    let debug = arguments.first().is_some_and(|first| first == "--debug");
    let build = if debug { &["run"][..] } else { &["run", "--release"] };
    let rest = arguments.iter().skip(usize::from(debug)).map(String::as_str);
    run::cargo(build.iter().copied().chain(["--bin", "bench", "--"]).chain(rest))
}

/// The store is no public part of the library, so this is a test that only runs when it is asked for.
fn store(jobs: Option<&String>) -> Result<()> {
    crate::install_databases()?;
    let mut command = Command::new(run::cargo_program());
    command.args([
        "test",
        "--release",
        "--lib",
        "--",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
        "store::measure",
    ]);
    if let Some(jobs) = jobs {
        command.env("STORED_JOBS", jobs);
    }
    run::run(&mut command)
}

/// Beside what people would take instead. Its crates are no part of the workspace, because they bring another wasmtime.
fn peers() -> Result<()> {
    guests::build()?;
    for (program, needs) in [("php", "php-cli with curl and FFI"), ("node", "nodejs 20 or newer")] {
        let found = Command::new(program).arg("--version").output();
        found.with_context(|| format!("{program} is missing: install {needs}"))?;
    }
    run::run(Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]))?;
    // What the bench runs, and PHP loads.
    let bins = ["bench", "tiktok-simulator", "social-channel"].map(|bin| ["--bin", bin]);
    run::cargo(["build", "--release", "--lib"].into_iter().chain(bins.into_iter().flatten()))?;
    let folder = run::root().join("tests/bench/peers");
    let target = run::target().join("peers");
    let build = |manifest: &str| {
        let mut command = Command::new(run::cargo_program());
        // Extism asks for a newer Rust than it needs.
        command.args(["build", "--release", "--locked", "--ignore-rust-version", "--manifest-path"]);
        command.arg(folder.join(manifest)).arg("--target-dir").arg(&target);
        command
    };
    run::run(build("guest/Cargo.toml").args(["--target", "wasm32-unknown-unknown"]))?;
    run::run(&mut build("Cargo.toml"))?;
    let mut command = Command::new(target.join("release/bench-peers"));
    command.arg(run::target().join("release"));
    command.arg(target.join("wasm32-unknown-unknown/release/peer_guest.wasm"));
    run::run(command.arg(&folder).arg(target.join("peers.json")))
}

//! Every suite, in order of how informative a failure is.

use std::process::Command;

use anyhow::Result;

use crate::steps::Step;
use crate::{examples, guests, run, rust, steps};

const SUITES: [Step; 14] = [
    ("rust", rust::test),
    ("store", store),
    ("registry", registry),
    ("fuzz", || run::script("tests/fuzz/run.sh")),
    ("attack", || run::run(&mut Command::new(run::program("attack")))),
    ("examples", examples::rust),
    ("c", || run::script("tests/c/run.sh")),
    ("python", || binding("bindings/python/run-tests.sh")),
    ("php", || binding("bindings/php/run-tests.sh")),
    ("webhooks", || run::script("tests/webhooks/run.sh")),
    ("install", || run::script("tests/install/run.sh")),
    ("pages", || run::script("tests/browser/run.sh")),
    ("api", || run::script("tests/server/schemathesis.sh")),
    ("clients", clients),
];

pub(crate) fn run(only: &[String]) -> Result<()> {
    let mut chosen = steps::chosen("suite", &SUITES, only)?;
    if only.is_empty() {
        // All of both is in `rust`.
        chosen.retain(|(name, _)| !matches!(*name, "store" | "registry"));
    }
    steps::run(&[("build", build)], &chosen)
}

/// Builds what the suites of other languages need.
fn build() -> Result<()> {
    guests::build()?;
    run::cargo(["build"])
}

/// A binding, which is also tried with each database server.
fn binding(script: &str) -> Result<()> {
    crate::install_databases()?;
    run::script(script)
}

/// What every store must do, on each database; and a chaos with one that is killed. Also a part of `rust`.
fn store() -> Result<()> {
    crate::install_databases()?;
    run::cargo(["test", "--lib", "--", "store::"])?;
    run::cargo(["test", "--test", "short"])
}

/// Providers from a real OCI registry. Also a part of `rust`.
fn registry() -> Result<()> {
    run::script(crate::REGISTRY)?;
    run::cargo(["test", "--test", "registry", "--", "--nocapture"])
}

/// Unmodified third-party TikTok clients, with the simulator.
fn clients() -> Result<()> {
    run::run(Command::new("python3").arg("tests/tiktok-simulator/clients/run.py"))
}

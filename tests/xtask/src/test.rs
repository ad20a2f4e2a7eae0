//! Every suite, in order of how informative a failure is.

use std::fs::File;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::Step;
use crate::{examples, guests, run, rust, steps};

const SUITES: [Step; 15] = [
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
    ("conformance", conformance),
];

pub(crate) fn run(only: &[String]) -> Result<()> {
    if only.is_empty() {
        return side_by_side();
    }
    steps::run(&[("build", build)], &steps::chosen("suite", &SUITES, only)?)
}

/// All suites: `rust`, which is as long as all others, and those beside it, because each waits most of its time.
fn side_by_side() -> Result<()> {
    // Installs everything that `rust` needs, or two of them would ask the system's installer at the same moment.
    steps::run(&[("install", rust::install), ("build", build)], &[])?;
    // All of these is in `rust`.
    let others =
        SUITES.iter().map(|(name, _)| *name).filter(|name| !["rust", "store", "registry"].contains(name));
    let path = run::target().join("other-suites.log");
    let log = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!(
        "the other suites run beside `rust`; what they say comes after it, and stands in {}",
        path.display()
    );
    // Not the running file, which the build may have replaced.
    let mut beside = Command::new(run::program("xtask"))
        .arg("test")
        .args(others)
        .current_dir(run::root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("the other suites cannot be started")?;
    let rust = steps::run(&[], &steps::chosen("suite", &SUITES, &["rust".to_owned()])?);
    let others = beside.wait()?;
    std::io::copy(&mut File::open(&path)?, &mut std::io::stderr())?;
    match (rust, others.success()) {
        (Ok(()), true) => Ok(()),
        (Ok(()), false) => bail!("a suite failed: see its lines above"),
        (Err(error), true) => Err(error),
        (Err(error), false) => bail!("{error:#}, and a suite beside it: see its lines above"),
    }
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

/// Providers in other languages and new ones, built by their own tools and judged by the command line; `run.sh` without names
/// takes all of them. The rules themselves, and the providers in Rust, are judged in `rust`.
fn conformance() -> Result<()> {
    let mut command = Command::new(run::root().join("tests/conformance/run.sh"));
    run::run(command.args(["bluesky-python", "new-rust"]))
}

/// Unmodified third-party TikTok clients, with the simulator.
fn clients() -> Result<()> {
    run::run(Command::new("python3").arg("tests/tiktok-simulator/clients/run.py"))
}

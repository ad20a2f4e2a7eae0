//! Every suite, in order of how informative a failure is.

use std::fs::File;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::Step;
use crate::{examples, guests, run, rust, steps};

const SUITES: [Step; 16] = [
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
    ("bluesky", bluesky),
    ("conformance", conformance),
];

/// Lines of a suite that failed, which are said again at the end: some show only the end of a long output.
const LAST_LINES: usize = 100;

/// Not among all suites: installing the servers of another network takes minutes of a machine that has none to spare. What
/// they judge has tests without them in `rust`, with a server in memory.
const BY_NAME: &str = "bluesky";

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
    let others = SUITES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !["rust", "store", "registry", BY_NAME].contains(name));
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
    let said = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
    eprint!("{said}");
    for (suite, lines) in failures(&said) {
        eprintln!("\n== the last lines of {suite}, which failed\n{}", last(lines, LAST_LINES));
    }
    match (rust, others.success()) {
        (Ok(()), true) => Ok(()),
        (Ok(()), false) => bail!("a suite failed: see its lines above"),
        (Err(error), true) => Err(error),
        (Err(error), false) => bail!("{error:#}, and a suite beside it: see its lines above"),
    }
}

/// The suites that failed, and what each has said, from the output of [`steps::run`].
fn failures(said: &str) -> Vec<(&'static str, &str)> {
    let failure = |name| {
        let begun = said.split_once(&format!("\n== {name}\n"))?.1;
        let end = begun.find(&format!("\nerror: {name}: "))?;
        Some((name, begun.get(..end)?))
    };
    SUITES.iter().filter_map(|(name, _)| failure(*name)).collect()
}

fn last(lines: &str, most: usize) -> String {
    let lines: Vec<&str> = lines.lines().collect();
    lines.get(lines.len().saturating_sub(most)..).unwrap_or_default().join("\n")
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
    run::cargo(["test", "--test", "registry", "--", "--nocapture"])?;
    run::cargo(["test", "--test", "cli", "registry", "--", "--nocapture"])
}

/// A second network: its own servers, a provider for them, its sign-in page in a browser, and providers that are swapped while
/// posts of both networks are under way.
fn bluesky() -> Result<()> {
    run::script(crate::BLUESKY)?;
    run::cargo(["test", "--test", "library", "--test", "cli", "--", "--include-ignored", "bluesky", "swap"])?;
    run::run(Command::new(run::root().join("tests/browser/run.sh")).arg("bluesky"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_found_in_the_output() {
        let said = "\n== fuzz\nwell\n== fuzz: 2.0 s\n\n== attack\n1\n2\n3\n== attack: 3 s\nerror: attack: exit status: 1\n";
        assert_eq!(failures(said), [("attack", "1\n2\n3\n== attack: 3 s")]);
        assert_eq!(last("1\n2\n3", 2), "2\n3");
        assert_eq!(last("1", 2), "1");
    }
}

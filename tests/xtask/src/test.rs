//! Every suite, in the order in which a failure says most.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{examples, guests, run};

/// A suite, and how it is run.
type Suite = (&'static str, fn() -> Result<()>);

const SUITES: [Suite; 9] = [
    ("rust", rust),
    ("examples", examples::rust),
    ("c", || run::script("tests/c/run.sh")),
    ("python", || run::script("bindings/python/run-tests.sh")),
    ("php", || run::script("bindings/php/run-tests.sh")),
    ("install", || run::script("tests/install/run.sh")),
    ("pages", || run::script("tests/browser/run.sh")),
    ("api", || run::script("tests/server/schemathesis.sh")),
    ("clients", clients),
];

pub(crate) fn run(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| SUITES.iter().all(|(suite, _)| suite != name)) {
        let known: Vec<&str> = SUITES.iter().map(|(suite, _)| *suite).collect();
        bail!("there is no suite {unknown}; there are {}", known.join(", "));
    }
    guests::build()?;
    // What the suites of other languages drive.
    run::cargo(["build"])?;
    for (name, suite) in SUITES {
        if only.is_empty() || only.iter().any(|only| only == name) {
            run::title(name);
            suite()?;
        }
    }
    Ok(())
}

fn rust() -> Result<()> {
    run::cargo(["test"])
}

/// TikTok clients of others, unmodified, against the simulator.
fn clients() -> Result<()> {
    run::run(Command::new("python3").arg("tests/tiktok-simulator/clients/run.py"))
}

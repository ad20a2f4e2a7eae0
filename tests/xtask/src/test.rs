//! Every suite, in the order in which a failure says most.

use anyhow::{Result, bail};

use crate::{examples, guests, run};

/// A suite, and how it is run.
type Suite = (&'static str, fn() -> Result<()>);

const SUITES: [Suite; 2] = [("rust", rust), ("examples", examples::rust)];

pub(crate) fn run(only: &[String]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| SUITES.iter().all(|(suite, _)| suite != name)) {
        let known: Vec<&str> = SUITES.iter().map(|(suite, _)| *suite).collect();
        bail!("there is no suite {unknown}; there are {}", known.join(", "));
    }
    guests::build()?;
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

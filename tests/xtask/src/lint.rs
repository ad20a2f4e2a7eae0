//! What can be judged without running anything.

use anyhow::Result;

use crate::run;

/// Components that are built for wasm only; of the others clippy and tests read the native half.
pub(crate) const GUESTS_ONLY: [&str; 2] = ["minimal-provider", "test-provider"];

/// `cargo COMMAND` over everything that is built natively.
pub(crate) fn workspace<'a>(command: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![command, "--workspace"];
    for package in GUESTS_ONLY {
        arguments.extend(["--exclude", package]);
    }
    arguments.extend(rest);
    arguments
}

pub(crate) fn run() -> Result<()> {
    run::title("format");
    run::cargo(["fmt", "--all", "--check"])?;
    run::title("lints");
    run::cargo(workspace("clippy", &["--all-targets", "--", "--deny", "warnings"]))
}

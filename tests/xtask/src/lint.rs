//! What can be judged without running anything.

use anyhow::Result;

use crate::run;

pub(crate) fn run() -> Result<()> {
    run::title("format");
    run::cargo(["fmt", "--all", "--check"])?;
    run::title("lints");
    run::cargo(["clippy", "--all-targets", "--", "--deny", "warnings"])
}

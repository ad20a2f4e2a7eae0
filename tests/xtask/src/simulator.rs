//! The simulator, as a separate program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::run;

/// A running simulator; it ends when this value is dropped.
pub(crate) struct Simulator {
    process: Child,
    /// Its origin.
    pub(crate) origin: String,
}

impl Simulator {
    /// Starts it on a free port, with an account that consents automatically.
    pub(crate) fn start() -> Result<Self> {
        let program = run::program("tiktok-simulator");
        let mut process = Command::new(&program)
            .args(["--port", "0", "--auto-consent", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let mut origin = String::new();
        let out = process.stdout.take().context("the simulator has no output")?;
        BufReader::new(out).read_line(&mut origin)?;
        Ok(Simulator { process, origin: origin.trim().to_owned() })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

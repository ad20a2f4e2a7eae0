//! `completions`: a completion script for a shell.

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::global::Global;

/// Flags of `completions`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The shell
    shell: Shell,
}

/// `command` is the definition of the whole command line, which this module cannot access.
pub(crate) fn run(global: &Global, flags: Flags, mut command: Command) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, "social-channel", &mut script);
    global.output().raw(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

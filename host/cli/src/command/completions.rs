//! `completions`: a script that teaches a shell our commands.

use anyhow::Result;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::{Cli, Global};

/// Flags of `completions`.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(global: &Global, flags: Flags) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "social-channel", &mut script);
    global.output().raw(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

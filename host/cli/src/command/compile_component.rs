//! `compile-component`: the child process that compiles for another process of this program, or for a program that embeds the
//! library. It is no command for people, and stays out of the help.

use clap::Args;
use social_channel::compile_for_parent;

/// Arguments of `compile-component`, which the library gives and reads.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    arguments: Vec<String>,
}

/// Everything else is told on standard output, as the library wants it.
pub(crate) fn run(flags: &Flags) -> u8 {
    u8::from(!compile_for_parent(&flags.arguments))
}

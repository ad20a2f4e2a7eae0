//! One module for each command. Each translates flags into calls of the library and answers into text.

pub(crate) mod apps;
pub(crate) mod channels;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod doctor;
pub(crate) mod form;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod stats;
pub(crate) mod work;

use anyhow::Result;

use crate::args::{Cli, Command};

/// Runs a command. Returns the exit code.
pub(crate) async fn run(cli: Cli) -> Result<u8> {
    let global = &cli.global;
    match cli.command {
        Command::Providers(command) => providers::run(global, command).await,
        Command::Apps(command) => apps::run(global, command).await,
        Command::Settings(command) => settings::run(global, command).await,
        Command::Connect(flags) => connect::run(global, flags).await,
        Command::Channels(flags) => channels::run(global, flags).await,
        Command::Profile(flags) => profile::run(global, flags).await,
        Command::Stats(flags) => stats::run(global, flags).await,
        Command::List(flags) => list::run(global, flags).await,
        Command::Form(flags) => form::run(global, flags).await,
        Command::Publish(flags) => publish::run(global, *flags).await,
        Command::Jobs(command) => jobs::run(global, command).await,
        Command::Disconnect(flags) => disconnect::run(global, flags).await,
        Command::Work(flags) => work::run(global, flags).await,
        Command::Doctor(flags) => doctor::run(global, flags).await,
        Command::Serve(flags) => serve::run(global, *flags).await,
        Command::Keys(command) => keys::run(global, command).await,
        Command::Completions(flags) => completions::run(global, flags),
    }
}

//! What may be typed: global flags and the list of commands. Each command's own flags stand in its module.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use social_channel::TenantId;

use crate::command::{
    apps, channels, completions, connect, disconnect, doctor, form, jobs, keys, list, profile, providers,
    publish, serve, settings, stats, work,
};
use crate::output::{Format, Output};
use crate::variable;

/// Social networks as WebAssembly providers: connect, profile, stats, list, publish.
#[derive(Debug, Parser)]
#[command(name = "social-channel", version, after_long_help = variable::help(), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder of database, master key and caches; without it, where this system keeps such data
    #[arg(long, global = true, env = variable::DATA, value_name = "DIR", hide_env = true)]
    pub(crate) data: Option<PathBuf>,
    /// Whose channels and jobs
    #[arg(long, global = true, env = variable::TENANT, value_name = "NAME", default_value = "default", hide_env = true, hide_default_value = true)]
    pub(crate) tenant: TenantId,
    /// The form of answers
    #[arg(long, global = true, env = variable::FORMAT, value_enum, default_value_t, hide_env = true)]
    pub(crate) format: Format,
    /// The operator's policy: TOML or JSON with `connect_to`, `allow_private_networks`
    #[arg(long, global = true, env = variable::POLICY, value_name = "FILE", hide_env = true)]
    pub(crate) policy: Option<PathBuf>,
    /// File that holds the master key; without it `master.key` in the data folder, made if missing
    #[arg(long, global = true, env = variable::KEY_FILE, value_name = "FILE", hide_env = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Start PROVIDER-simulator and use it instead of the platform; without --data in a throw-away folder
    #[arg(long, global = true, value_name = "PROVIDER", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the flag may stand without its value")]
    pub(crate) simulator: Option<Option<String>>,
    /// No words beside answers and failures
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Log to standard error; twice, thrice: more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    pub(crate) fn output(&self) -> Output {
        Output { format: self.format, quiet: self.quiet }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Components that know a platform: list, inspect, add, remove
    #[command(subcommand)]
    Providers(providers::Command),
    /// Registrations at a platform: list, show, add, change, remove
    #[command(subcommand)]
    Apps(apps::Command),
    /// Settings of an app: show, set, unset
    #[command(subcommand)]
    Settings(settings::Command),
    /// Connect an account in the browser
    Connect(connect::Flags),
    /// Connected accounts
    Channels(channels::Flags),
    /// Who the account is
    Profile(profile::Flags),
    /// The account's numbers
    Stats(stats::Flags),
    /// The account's posts, newest first
    List(list::Flags),
    /// What the account may post now: fields, choices, allowances
    Form(form::Flags),
    /// Publish a file or an address, and follow it to its end
    Publish(Box<publish::Flags>),
    /// Publish jobs: list, show, wait, cancel, resume, retry, resolve, change
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Cancel the channel's jobs, tell the platform, and forget the account
    Disconnect(disconnect::Flags),
    /// Drive publish jobs and keep connections alive
    Work(work::Flags),
    /// Check this installation and its apps, and show the way through the platform's portal
    Doctor(doctor::Flags),
    /// Run the service: HTTP API and pages
    Serve(Box<serve::Flags>),
    /// Keys and passwords: of the service's API, of its pages, and the master key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Completions for a shell
    Completions(completions::Flags),
}

impl Command {
    /// Whether it runs until it is stopped, so that a log is its voice.
    pub(crate) fn stays(&self) -> bool {
        match self {
            Command::Serve(_) => true,
            Command::Work(flags) => !flags.once,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn flags_fit_together() {
        Cli::command().debug_assert();
        // A flag of a command that takes a global flag's name would only fail when it is read.
        for words in [
            "apps add a --provider p --for-tenant t --grant https://x.example --set a=b",
            "apps change a --callback http://127.0.0.1:*/callback",
            "settings set a name --from-env X",
            "connect a --print-url --timeout 5",
            "list c --limit 5 --pages 2",
            "publish c x.mp4 --text hello --option a=true --priority -5 --publish-at +2h",
            "jobs list --status paused --channel c",
            "jobs resolve j --not-posted",
            "jobs change j --visibility V",
            "serve --listen 127.0.0.1:0 --no-workers",
            "doctor a --guide",
            "--simulator serve",
            "--simulator=x work --once",
            "keys create n --operator",
            "completions bash",
        ] {
            let words = std::iter::once("social-channel").chain(words.split(' '));
            Cli::try_parse_from(words).unwrap();
        }
    }
}

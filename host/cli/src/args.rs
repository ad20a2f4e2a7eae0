//! The command line arguments: the only module that knows every command. Only `main` uses it.

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::command::{
    apps, channels, compile_component, completions, connect, database, disconnect, doctor, endpoints, events,
    form, jobs, keys, list, profile, providers, publish, serve, settings, stats, work,
};
use crate::global::Global;
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

impl Cli {
    /// Runs a command. Returns the exit code.
    pub(crate) async fn run(self) -> Result<u8> {
        let global = &self.global;
        match self.command {
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
            Command::Events(flags) => events::run(global, flags).await,
            Command::Endpoints(command) => endpoints::run(global, command).await,
            Command::Disconnect(flags) => disconnect::run(global, flags).await,
            Command::Work(flags) => work::run(global, flags).await,
            Command::Doctor(flags) => doctor::run(global, flags).await,
            Command::Serve(flags) => serve::run(global, *flags).await,
            Command::Database(command) => database::run(global, command).await,
            Command::Keys(command) => keys::run(global, command).await,
            Command::Completions(flags) => completions::run(global, flags, Cli::command()),
            Command::CompileComponent(flags) => Ok(compile_component::run(&flags)),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Components for platforms: list, inspect, add, remove
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
    /// Connected accounts: list, show, import
    Channels(channels::Flags),
    /// The account's profile
    Profile(profile::Flags),
    /// The account's statistics
    Stats(stats::Flags),
    /// The account's posts, newest first
    List(list::Flags),
    /// What the account may post now: fields, choices, allowances
    Form(form::Flags),
    /// Publish files or URLs, and follow the job to its end
    Publish(Box<publish::Flags>),
    /// Publish jobs: list, show, wait, cancel, resume, retry, resolve, change
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// What happened to jobs and channels, oldest first
    Events(events::Flags),
    /// Addresses that are told of events (webhooks): list, add, change, rotate, log, resend
    #[command(subcommand)]
    Endpoints(endpoints::Command),
    /// Cancel the channel's jobs, tell the platform, and delete the access; jobs and numbers are kept for a reconnect
    Disconnect(disconnect::Flags),
    /// Run publish jobs and keep connections alive
    Work(work::Flags),
    /// Check this installation and its apps, and guide through the platform's portal
    Doctor(doctor::Flags),
    /// Run the service: HTTP API and pages
    Serve(Box<serve::Flags>),
    /// The database: check it, move everything to another one
    #[command(subcommand)]
    Database(database::Command),
    /// Keys and passwords: of the service's API, of its pages, and the master key
    #[command(subcommand)]
    Keys(keys::Command),
    /// Completions for a shell
    Completions(completions::Flags),
    /// Compile a component for another process of this program
    #[command(hide = true)]
    CompileComponent(compile_component::Flags),
}

impl Command {
    /// Whether it runs until it is stopped, so that its output is a log.
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

    #[test]
    fn flags_fit_together() {
        Cli::command().debug_assert();
        // A command's flag with the name of a global flag would only fail at run time.
        for words in [
            "apps add a --provider p --for-tenant t --grant https://x.example --set a=b",
            "apps change a --callback http://127.0.0.1:*/callback",
            "settings set a name --from-env X",
            "connect a --print-url --timeout 5 --input refresh-token --input server=x",
            "channels import - --app a --dry-run --file-format jsonl",
            "list c --limit 5 --pages 2",
            "publish c x.mp4 --text hello --option a=true --priority -5 --publish-at +2h",
            "jobs list --status paused --channel c",
            "jobs resolve j --not-posted",
            "jobs change j --visibility V",
            "events --after 7 --limit 5 --follow",
            "endpoints add https://x.example --type job.failed --type job.link",
            "endpoints change e --all-types --enable",
            "serve --listen 127.0.0.1:0 --no-workers",
            "disconnect c --yes",
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

    fn visit(command: &clap::Command, seen: &mut Vec<String>) {
        seen.extend(command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)));
        command.get_subcommands().for_each(|command| visit(command, seen));
    }

    #[test]
    fn every_variable_stands_in_the_table() {
        let mut seen = Vec::new();
        visit(&Cli::command(), &mut seen);
        assert!(seen.len() >= 8, "{seen:?}");
        for name in seen {
            assert!(name.starts_with("SOCIAL_CHANNEL_"), "{name}");
            assert!(
                variable::TABLE.iter().any(|(known, _)| *known == name),
                "{name} is missing in the table"
            );
        }
    }
}

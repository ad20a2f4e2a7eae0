//! Flags of every command. Each command's own flags are in its module.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use social_channel::{Blob, Database, Error, Proxy, TenantId};

use crate::output::{Format, Output};
use crate::variable;

/// Flags of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder of database, master key and caches; default: this system's data folder
    #[arg(long, global = true, env = variable::DATA, value_name = "DIR", hide_env = true)]
    pub(crate) data: Option<PathBuf>,
    /// Database: a path, or postgres:// or mysql://USER:PASSWORD@HOST/DATABASE for several machines; default: in the data folder
    #[arg(long, global = true, env = variable::DATABASE, value_name = "DATABASE", hide_env = true, hide_env_values = true)]
    pub(crate) database: Option<Database>,
    /// Where uploads are stored: a folder, or s3://BUCKET/PREFIX; default: beside the database
    #[arg(long, global = true, env = variable::BLOB, value_name = "PLACE", hide_env = true, hide_env_values = true)]
    pub(crate) blob: Option<Blob>,
    /// The tenant whose channels and jobs to use
    #[arg(long, global = true, env = variable::TENANT, value_name = "NAME", default_value = "default", hide_env = true, hide_default_value = true)]
    pub(crate) tenant: TenantId,
    /// The output format
    #[arg(long, global = true, env = variable::FORMAT, value_enum, default_value_t, hide_env = true)]
    pub(crate) format: Format,
    /// The operator's policy: TOML or JSON with `connect_to`, `allow_private_networks`
    #[arg(long, global = true, env = variable::POLICY, value_name = "FILE", hide_env = true)]
    pub(crate) policy: Option<PathBuf>,
    /// Who may sign providers and how registries are reached: TOML or JSON with `keys`, `signed`, `credentials`, `authorities`
    #[arg(long, global = true, env = variable::PROVIDERS, value_name = "FILE", hide_env = true)]
    pub(crate) providers: Option<PathBuf>,
    /// HTTP proxy for all requests that leave this machine; HTTPS_PROXY is not used
    #[arg(long, global = true, env = variable::PROXY, value_name = "URL", hide_env = true, hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// File with the master key; default: `master.key` in the data folder, made with the database
    #[arg(long, global = true, env = variable::KEY_FILE, value_name = "FILE", hide_env = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Start PROVIDER-simulator and use it instead of the platform; without --data in a temporary folder
    #[arg(long, global = true, value_name = "PROVIDER", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the flag may be used without a value")]
    pub(crate) simulator: Option<Option<String>>,
    /// Print only results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Log to standard error; repeat for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Global {
    /// Not read by clap, whose message would repeat the password.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Error> {
        self.proxy.as_deref().map(str::parse).transpose()
    }

    pub(crate) fn output(&self) -> Output {
        Output { format: self.format, quiet: self.quiet }
    }
}

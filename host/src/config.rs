//! A host described by one document. Programs in other languages open a host with it.
//!
//! It has the same options and defaults as [`HostBuilder`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::builder::HostBuilder;
use crate::vault::KeySource;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::net::{Policy, Proxy};
use social_channel_runtime::{Compile, Limits, SecretText};

/// The database in [`HostConfig::data`].
const DATABASE: &str = "social-channel.sqlite";
/// The folder for compiled code in [`HostConfig::data`].
const CACHE: &str = "cache";

/// The configuration of a host. The empty document opens a host that stores everything in memory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// The folder for all lasting data: `social-channel.sqlite`, the key file `master.key` and `cache/`. Created
    /// if missing, readable by its owner only. Without it (and without `database`), all data is lost when the
    /// process ends.
    pub data: Option<PathBuf>,
    /// The SQLite file, if it is not in `data`.
    pub database: Option<PathBuf>,
    /// The folder for compiled components, if it is not in `data`.
    pub cache: Option<PathBuf>,
    /// The master key: 64 hexadecimal digits; several keys are separated by commas, and the first one
    /// encrypts. Without it and without `key_file`: the variable `SOCIAL_CHANNEL_MASTER_KEY`, otherwise the
    /// file `master.key` beside the database, created with a new database.
    #[schemars(with = "Option<String>")]
    #[serde(deserialize_with = "secret")]
    pub key: Option<SecretText>,
    /// A file that holds the master key; it must exist.
    pub key_file: Option<PathBuf>,
    /// What the operator allows all apps: private networks, mapped origins. Origins are granted by app.
    pub policy: Policy,
    /// The HTTP proxy through which all requests go, as `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`, except
    /// requests to mapped origins. The proxy resolves the names, so only it can refuse private addresses behind them. The
    /// variable `HTTPS_PROXY` is never used.
    #[schemars(with = "Option<String>")]
    pub proxy: Option<Proxy>,
    /// Whether publish jobs run in the background as soon as they are stored; true by default. Where
    /// processes may be killed at any time (PHP under FPM), set it to false and run a worker.
    pub background: Option<bool>,
    /// The public address of the service in front of this host: scheme, host and port. The URLs of media that
    /// a platform fetches itself begin with it.
    pub public_address: Option<String>,
    /// A folder from which callers may use files by name.
    pub media_folder: Option<PathBuf>,
    /// The name server for checks of domains, as `ADDRESS:PORT`; by default the system's.
    #[schemars(with = "Option<String>")]
    pub dns_server: Option<SocketAddr>,
    /// Where components are compiled: `in_process` (the default); the absolute path of a `social-channel` of the same
    /// version, for a child process with limits of memory and time; or `cached`, if all were added by
    /// `social-channel providers add` with the same `data`.
    #[schemars(with = "Option<String>")]
    pub compile: Compile,
    /// What one call may use.
    pub limits: LimitsConfig,
}

/// The members of [`Limits`] that programs commonly change. An absent member has its default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of memory of one call; 64 MiB by default.
    pub memory: Option<usize>,
    /// The longest time without progress; a minute by default.
    pub idle_ms: Option<u64>,
    /// The longest total time; 15 minutes by default.
    pub total_ms: Option<u64>,
    /// The number of concurrent calls; further calls wait. 1,024 by default. One tenant runs three quarters of them at most.
    pub calls: Option<usize>,
    /// Bytes of memory for compiling one component in a child process; 1 GiB by default.
    pub compile_memory: Option<u64>,
    /// The longest time for compiling one component in a child process; 5 minutes by default.
    pub compile_ms: Option<u64>,
}

fn secret<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Option<SecretText>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretText::new))
}

impl HostConfig {
    /// The builder that this document describes. Creates the data folder if it is missing.
    ///
    /// # Errors
    /// `InvalidRequest` if the document contradicts itself, `Misconfigured` if the folder cannot be created.
    pub fn builder(self) -> Result<HostBuilder> {
        let mut builder =
            HostBuilder::default().policy(self.policy).compile(self.compile).limits(self.limits.limits()?);
        if let Some(data) = &self.data {
            make_folder(data)?;
        }
        let inside = |name: &str| self.data.as_ref().map(|data| data.join(name));
        if let Some(database) = self.database.or_else(|| inside(DATABASE)) {
            builder = builder.database(database);
        }
        if let Some(cache) = self.cache.or_else(|| inside(CACHE)) {
            builder = builder.cache(cache);
        }
        if let Some(address) = self.public_address {
            builder = builder.public_address(address);
        }
        if let Some(server) = self.dns_server {
            builder = builder.dns_server(server);
        }
        if let Some(folder) = self.media_folder {
            builder = builder.media_folder(folder);
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(proxy);
        }
        builder = match (self.key, self.key_file) {
            (Some(_), Some(_)) => {
                return Err(Error::new(ErrorKind::InvalidRequest, "the master key is given twice")
                    .with_field("key")
                    .with_remedy("give either `key` or `key_file`"));
            }
            (Some(key), None) => builder.key(KeySource::Text(key)),
            (None, Some(file)) => builder.key(KeySource::File(file)),
            (None, None) => builder,
        };
        Ok(match self.background {
            Some(background) => builder.background(background),
            None => builder,
        })
    }
}

impl LimitsConfig {
    fn limits(&self) -> Result<Limits> {
        let mut limits = Limits::default();
        let given = [
            ("limits.memory", self.memory.map(|it| it == 0)),
            ("limits.idle_ms", self.idle_ms.map(|it| it == 0)),
            ("limits.total_ms", self.total_ms.map(|it| it == 0)),
            ("limits.calls", self.calls.map(|it| it == 0)),
            ("limits.compile_memory", self.compile_memory.map(|it| it == 0)),
            ("limits.compile_ms", self.compile_ms.map(|it| it == 0)),
        ];
        if let Some((name, _)) = given.into_iter().find(|(_, is_zero)| *is_zero == Some(true)) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("{name} is 0: nothing could run"))
                .with_field(name)
                .with_remedy("leave it out for the default"));
        }
        limits.memory = self.memory.unwrap_or(limits.memory);
        limits.idle = self.idle_ms.map_or(limits.idle, Duration::from_millis);
        limits.total = self.total_ms.map_or(limits.total, Duration::from_millis);
        limits.calls = self.calls.unwrap_or(limits.calls);
        limits.compile_memory = self.compile_memory.unwrap_or(limits.compile_memory);
        limits.compile_time = self.compile_ms.map_or(limits.compile_time, Duration::from_millis);
        Ok(limits)
    }
}

fn make_folder(folder: &std::path::Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, format!("the data folder {} cannot be made", folder.display()))
            .with_field("data")
            .with_remedy("name a folder that this program may write to")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_folder_holds_everything_that_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new/data");
        let config: HostConfig = serde_json::from_value(serde_json::json!({ "data": data })).unwrap();
        config.builder().unwrap().open().await.unwrap();
        assert!(data.join("social-channel.sqlite").is_file());
        assert!(data.join("master.key").is_file());
    }

    #[test]
    fn contradictions_and_unknown_members_are_refused() {
        let config: HostConfig = serde_json::from_str(r#"{"key": "00", "key_file": "/x"}"#).unwrap();
        assert!(!format!("{config:?}").contains("\"00\""), "a key is never printed");
        assert_eq!(config.builder().unwrap_err().kind, ErrorKind::InvalidRequest);
        let config: HostConfig = serde_json::from_str(r#"{"limits": {"calls": 0}}"#).unwrap();
        assert_eq!(config.builder().unwrap_err().field.as_deref(), Some("limits.calls"));
        serde_json::from_str::<HostConfig>(r#"{"databse": "x"}"#).unwrap_err();
        let error =
            serde_json::from_str::<HostConfig>(r#"{"proxy": "socks5://me:hidden@proxy"}"#).unwrap_err();
        assert!(
            error.to_string().contains("http://HOST:PORT") && !error.to_string().contains("hidden"),
            "{error}"
        );
    }
}

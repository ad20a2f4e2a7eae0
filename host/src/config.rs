//! A host described by one document. Programs in other languages open a host with it.
//!
//! It has the same options and defaults as [`HostBuilder`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::app::ProviderPolicy;
use crate::blob::Blob;
use crate::builder::{HostBuilder, no_empty_path};
use crate::database::Database;
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
    /// The database, if it is not in `data`: the path of a SQLite file; or `postgres://USER:PASSWORD@HOST/DATABASE`, or
    /// `mysql://` and the same for MySQL and MariaDB, which several machines can share. With a database server `data` is
    /// for uploads and caches, and the master key must be given.
    pub database: Option<Database>,
    /// Where uploads are stored: the path of a folder, or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` for a bucket of any
    /// S3, with keys from the variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, from a file (`&credentials=PATH`) or
    /// from the machine's role. By default `uploads` in `data`. With PostgreSQL all machines need the same place.
    pub blob: Option<Blob>,
    /// The folder for compiled components, if it is not in `data`.
    pub cache: Option<PathBuf>,
    /// The master key: 64 hexadecimal digits; several keys are separated by commas, and the first one
    /// encrypts. Without it and without `key_file`: the variable `SOCIAL_CHANNEL_MASTER_KEY`, otherwise the
    /// file `master.key` beside the SQLite file, created with a new database.
    #[schemars(with = "Option<String>")]
    #[serde(deserialize_with = "secret")]
    pub key: Option<SecretText>,
    /// A file that holds the master key; it must exist.
    pub key_file: Option<PathBuf>,
    /// What the operator allows all apps: private networks, mapped origins. Origins are granted by app.
    pub policy: Policy,
    /// Who may sign providers, and how registries are reached.
    pub providers: ProviderPolicy,
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
    /// Days that jobs are kept after their end; 400 by default. A job's idempotency key is forgotten with the job. All
    /// processes on one database, and the service, must have the same.
    pub job_days: Option<u32>,
    /// Days that the attempts of jobs are kept; 90 by default.
    pub history_days: Option<u32>,
    /// Open jobs that a tenant may have; 100,000 by default. Another one is refused with `quota_exceeded`.
    pub max_open_jobs: Option<u32>,
    /// Jobs of a tenant that are kept, ended ones included; 1,000,000 by default. Of a tenant with more, a worker removes
    /// the oldest that have ended.
    pub max_kept_jobs: Option<u32>,
    /// What one call may use.
    pub limits: LimitsConfig,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

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
        // Before anything is made: a folder without a name is the one in which the program runs.
        no_empty_path([
            ("data", self.data.as_deref()),
            ("database", self.database.as_ref().and_then(Database::path)),
            ("blob", self.blob.as_ref().and_then(Blob::path)),
            ("cache", self.cache.as_deref()),
            ("key_file", self.key_file.as_deref()),
            ("media_folder", self.media_folder.as_deref()),
        ])?;
        let mut builder = self.kept(HostBuilder::default())?.limits(self.limits.limits()?);
        builder = builder.policy(self.policy).providers(self.providers).compile(self.compile);
        if let Some(data) = &self.data {
            make_folder(data)?;
            builder = builder.data(data);
        }
        if let Some(blob) = self.blob {
            builder = builder.blob(blob);
        }
        let inside = |name: &str| self.data.as_ref().map(|data| data.join(name));
        if let Some(database) = self.database.or_else(|| inside(DATABASE).map(Database::Sqlite)) {
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

    /// What is kept, and for how long.
    fn kept(&self, mut builder: HostBuilder) -> Result<HostBuilder> {
        no_zero([
            ("job_days", self.job_days.map(u64::from)),
            ("history_days", self.history_days.map(u64::from)),
            ("max_open_jobs", self.max_open_jobs.map(u64::from)),
            ("max_kept_jobs", self.max_kept_jobs.map(u64::from)),
        ])?;
        if let Some(days) = self.job_days {
            builder = builder.keep_jobs(DAY * days);
        }
        if let Some(days) = self.history_days {
            builder = builder.history(DAY * days);
        }
        if let Some(most) = self.max_open_jobs {
            builder = builder.open_jobs(most);
        }
        if let Some(most) = self.max_kept_jobs {
            builder = builder.kept_jobs(most);
        }
        Ok(builder)
    }
}

/// Refuses a limit of zero, with which nothing could run.
fn no_zero(limits: impl IntoIterator<Item = (&'static str, Option<u64>)>) -> Result<()> {
    let Some((name, _)) = limits.into_iter().find(|(_, limit)| *limit == Some(0)) else { return Ok(()) };
    Err(Error::new(ErrorKind::InvalidRequest, format!("{name} is 0: nothing could run"))
        .with_field(name)
        .with_remedy("leave it out for the default"))
}

impl LimitsConfig {
    fn limits(&self) -> Result<Limits> {
        let mut limits = Limits::default();
        no_zero([
            ("limits.memory", self.memory.map(|it| it as u64)),
            ("limits.idle_ms", self.idle_ms),
            ("limits.total_ms", self.total_ms),
            ("limits.calls", self.calls.map(|it| it as u64)),
            ("limits.compile_memory", self.compile_memory),
            ("limits.compile_ms", self.compile_ms),
        ])?;
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

    #[tokio::test]
    async fn an_empty_path_is_refused_by_its_name_and_nothing_is_made() {
        for name in ["data", "database", "blob", "cache", "key_file", "media_folder"] {
            let config: HostConfig = serde_json::from_value(serde_json::json!({ name: "" })).unwrap();
            let error = config.builder().unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(name)));
            assert!(error.remedy.unwrap().contains(name));
        }
        let plain = HostBuilder::default;
        for (builder, name) in [
            (plain().database(""), "database"),
            (plain().cache(""), "cache"),
            (plain().key(KeySource::File(PathBuf::new())), "key_file"),
            (plain().media_folder(""), "media_folder"),
            (plain().upload_folder(""), "upload_folder"),
            (plain().blob(""), "blob"),
        ] {
            let error = builder.open().await.unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(name)));
        }
        assert!(!std::path::Path::new("social-channel.sqlite").exists());
    }

    #[test]
    fn what_is_kept_is_as_the_document_says_and_never_nothing() {
        let config: HostConfig = serde_json::from_str(
            r#"{"job_days": 2, "history_days": 3, "max_open_jobs": 4, "max_kept_jobs": 5}"#,
        )
        .unwrap();
        let said = format!("{:?}", config.builder().unwrap());
        for one in ["keep_jobs: 172800s", "history: 259200s", "open_jobs: 4", "kept_jobs: 5"] {
            assert!(said.contains(one), "{said}");
        }
        for name in ["job_days", "history_days", "max_open_jobs", "max_kept_jobs"] {
            let config: HostConfig = serde_json::from_value(serde_json::json!({ name: 0 })).unwrap();
            let error = config.builder().unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(name)));
        }
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

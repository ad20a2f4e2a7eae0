//! The operator's configuration. `reference.toml` beside this file documents every key; a test parses it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use social_channel::{Blob, Error, ErrorKind, HostBuilder, Limits, ProviderPolicy, Proxy, Result, TenantId};

/// The configuration of the service. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// The public address of the service: scheme, host and port.
    pub public_address: Option<String>,
    /// The address at which platforms fetch media, if it is not the public address.
    pub media_address: Option<String>,
    /// Run publish jobs in this process.
    pub workers: bool,
    /// The tenant that the pages show until a browser chooses another.
    pub tenant: String,
    /// A file with the operator's password.
    #[serde(deserialize_with = "path")]
    pub password_file: Option<PathBuf>,
    /// The folder with components that Settings → Providers offers to install.
    #[serde(deserialize_with = "path")]
    pub component_folder: Option<PathBuf>,
    /// The folder from which jobs may use files by name.
    #[serde(deserialize_with = "path")]
    pub media_folder: Option<PathBuf>,
    /// Where uploads are stored: a folder, or `s3://BUCKET/PREFIX`; by default beside the database.
    pub blob: Option<Blob>,
    /// The folder where uploads are stored; as `blob`, for folders only.
    #[serde(deserialize_with = "path")]
    pub upload_folder: Option<PathBuf>,
    /// Largest upload, in bytes.
    pub max_upload: u64,
    /// The maximum total size of one tenant's uploads, in bytes; None: limited by the disk only.
    pub max_tenant_uploads: Option<u64>,
    /// Days after which an upload without an open job is removed.
    pub upload_days: u32,
    /// Bytes of the disk that uploads leave free.
    pub disk_reserve: u64,
    /// Days that jobs are kept after their end; their idempotency keys are forgotten with them.
    pub job_days: u32,
    /// Open jobs that a tenant may have.
    pub max_open_jobs: u32,
    /// Jobs of a tenant that are kept, ended ones included.
    pub max_kept_jobs: u32,
    /// Largest JSON body, in bytes.
    pub max_body: usize,
    /// Seconds that a stop waits for running requests and calls.
    pub stop_seconds: u64,
    /// Wrong passwords that one address may try in a minute; more are tried one a second.
    pub sign_in_attempts: u32,
    /// Proxies whose word on a request's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Connections at once.
    pub max_connections: u32,
    /// Seconds that a connection may stand still.
    pub idle_seconds: u64,
    /// Webhooks per app and minute.
    pub webhook_rate: u32,
    /// Hours between two samples of a channel's statistics.
    pub stats_hours: u32,
    /// Bytes of memory for compiling one provider.
    pub compile_memory: u64,
    /// Seconds that compiling one provider may take.
    pub compile_seconds: u64,
    /// The name server for checks of domains; by default the system's.
    pub dns_server: Option<SocketAddr>,
    /// The HTTP proxy through which all requests go.
    pub proxy: Option<Proxy>,
    /// Who may sign providers, and how registries are reached.
    pub providers: Option<ProviderPolicy>,
    /// Show metrics to every caller of `/metrics`, not only to the operator.
    pub public_metrics: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080)))],
            public_address: None,
            media_address: None,
            workers: true,
            tenant: TenantId::default().to_string(),
            password_file: None,
            component_folder: None,
            media_folder: None,
            blob: None,
            upload_folder: None,
            // The largest video that a known platform accepts.
            max_upload: 4 << 30,
            max_tenant_uploads: None,
            upload_days: 7,
            // For the database, whose log grows to some megabytes, and for logs.
            disk_reserve: 256 << 20,
            // People look back a year.
            job_days: 400,
            max_open_jobs: 100_000,
            max_kept_jobs: 1_000_000,
            max_body: 1 << 20,
            stop_seconds: 30,
            sign_in_attempts: 5,
            trusted_proxies: Vec::new(),
            // A few thousand event streams; each connection takes some ten kilobytes.
            max_connections: 4096,
            // Longer than the minute for which proxies keep theirs: who closes first must not be us.
            idle_seconds: 75,
            webhook_rate: 600,
            stats_hours: 6,
            compile_memory: Limits::default().compile_memory,
            compile_seconds: Limits::default().compile_time.as_secs(),
            dns_server: None,
            proxy: None,
            providers: None,
            public_metrics: false,
        }
    }
}

/// An address to listen at: `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/social-channel.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port. Port 0: any free one.
    Tcp(SocketAddr),
    /// A socket in the file system, for this user only.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Listen::Unix(PathBuf::from(path)));
        }
        let spelled = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        spelled.as_deref().unwrap_or(text).parse().map(Listen::Tcp).map_err(|_| {
            Error::new(ErrorKind::Misconfigured, format!("{text} is not an address to listen on"))
                .with_field("listen")
                .with_remedy("write 127.0.0.1:8080, [::1]:8080 or unix:/path/of/the.sock")
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "http://{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'a> Deserialize<'a> for Listen {
    fn deserialize<D: serde::Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message))
    }
}

/// An address or a network: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Network).map_err(|_| {
            Error::new(ErrorKind::Misconfigured, format!("{text} is no address and no network"))
                .with_field("trusted_proxies")
                .with_remedy("write 127.0.0.1, or a network such as 10.0.0.0/8")
        })
    }
}

impl<'a> Deserialize<'a> for Network {
    fn deserialize<D: serde::Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message))
    }
}

/// A path. An empty one would mean the folder in which the service happens to run.
fn path<'a, D: serde::Deserializer<'a>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let path = Option::<PathBuf>::deserialize(from)?;
    if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(serde::de::Error::custom(
            "the path is empty: write an absolute one, or leave the key out",
        ));
    }
    Ok(path)
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// `Misconfigured`, naming file, line and key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("the configuration {} cannot be read: {error}", path.display()),
            )
            .with_remedy("check the path and the permissions of the file")
            .with_source(error)
        })?;
        Self::parse(&text).map_err(|error| Error {
            message: format!("the configuration {}: {}", path.display(), error.message),
            ..error
        })
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// `Misconfigured`, naming line and key.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, error.to_string().trim_end().to_owned())
                .with_remedy("compare it with the reference, which lists every key")
        })
    }

    /// Applies the configuration to a host.
    pub(crate) fn apply(&self, builder: HostBuilder, address: Option<String>) -> HostBuilder {
        // The worker of the service runs every job, so none is followed besides.
        let mut builder = builder.background(false);
        if let Some(address) = address {
            builder = builder.public_address(address);
        }
        if let Some(address) = &self.media_address {
            builder = builder.media_address(address);
        }
        if let Some(folder) = &self.media_folder {
            builder = builder.media_folder(folder);
        }
        if let Some(blob) = &self.blob {
            builder = builder.blob(blob.clone());
        }
        if let Some(folder) = &self.upload_folder {
            builder = builder.upload_folder(folder);
        }
        if let Some(server) = self.dns_server {
            builder = builder.dns_server(server);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if let Some(providers) = &self.providers {
            builder = builder.providers(providers.clone());
        }
        let mut limits = Limits::default();
        limits.compile_memory = self.compile_memory;
        limits.compile_time = Duration::from_secs(self.compile_seconds);
        builder
            .limits(limits)
            .keep_uploads(Duration::from_secs(u64::from(self.upload_days) * 24 * 3600))
            .disk_reserve(self.disk_reserve)
            .open_jobs(self.max_open_jobs)
            .kept_jobs(self.max_kept_jobs)
            .keep_jobs(Duration::from_secs(u64::from(self.job_days) * 24 * 3600))
            .sample_every(Duration::from_secs(u64::from(self.stats_hours) * 3600))
    }

    /// Whether the configuration says that the service is reachable from outside.
    pub(crate) fn is_public(&self) -> bool {
        let host = self.public_address.as_deref().and_then(|address| url::Url::parse(address).ok());
        match host.as_ref().and_then(url::Url::host) {
            None => self.public_address.is_some(),
            Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => !address.is_loopback(),
            Some(url::Host::Ipv6(address)) => !address.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("reference.toml");

    #[test]
    fn the_reference_holds_every_key_with_a_value_that_is_not_the_default() {
        let read = Config::parse(REFERENCE).unwrap();
        let default = Config::default();
        // Every field by name: a new one does not compile until it is added here, and then to the reference.
        macro_rules! differs {
            ($($field:ident),*) => {{
                let Config { $($field: _),* } = &read;
                $(
                    assert_ne!(read.$field, default.$field, concat!(stringify!($field), " is the default"));
                    assert!(
                        REFERENCE.lines().any(|line| line.starts_with(concat!(stringify!($field), " = "))),
                        concat!(stringify!($field), " is missing")
                    );
                )*
            }};
        }
        differs!(
            listen,
            public_address,
            media_address,
            workers,
            tenant,
            password_file,
            component_folder,
            media_folder,
            blob,
            upload_folder,
            max_upload,
            max_tenant_uploads,
            upload_days,
            disk_reserve,
            job_days,
            max_open_jobs,
            max_kept_jobs,
            max_body,
            stop_seconds,
            sign_in_attempts,
            trusted_proxies,
            max_connections,
            idle_seconds,
            webhook_rate,
            stats_hours,
            compile_memory,
            compile_seconds,
            dns_server,
            proxy,
            providers,
            public_metrics
        );
    }

    #[test]
    fn the_examples_configuration_is_one() {
        let example = Config::parse(include_str!("../../../examples/service/config.toml")).unwrap();
        assert!(example.is_public());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = Config::parse("wrokers = true").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.message.contains("wrokers"), "{error}");
    }

    #[test]
    fn an_empty_path_is_an_error_that_names_its_key() {
        for key in ["password_file", "component_folder", "media_folder", "upload_folder"] {
            let error = Config::parse(&format!("workers = true\n{key} = \"\"")).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Misconfigured);
            assert!(error.message.contains(key) && error.message.contains("leave the key out"), "{error}");
            Config::parse(&format!("{key} = \"/srv/it\"")).unwrap();
        }
    }

    #[test]
    fn addresses_to_listen_at_are_read() {
        for good in ["127.0.0.1:80", "[::1]:0", "localhost:8080", "unix:/run/x.sock"] {
            good.parse::<Listen>().unwrap();
        }
        for bad in ["", "8080", "example.com:80", "unix:", "http://127.0.0.1:80"] {
            assert_eq!(bad.parse::<Listen>().unwrap_err().kind, ErrorKind::Misconfigured, "{bad}");
        }
    }
}

//! How a host is built: its options, and the assembly of its parts in order of dependency.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::clock::{Clock, SystemClock};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Finding;
use social_channel_runtime::net::{Clients, HttpClient, Policy, Proxy};
use social_channel_runtime::{Compile, Engine, EngineOptions, Limits, SecretBytes};

use crate::account::{AccountParts, Accounts};
use crate::address::{PublicAddress, Routes};
use crate::app::{AppParts, Apps, ProviderPolicy};
use crate::blob::{Blob, DISK_RESERVE, OpenBlob, Uploads, doubt_beside_remote};
use crate::database::Database;
use crate::diagnosis::Diagnosis;
use crate::draft::Drafts;
use crate::event::{Deliverer, Endpoints, Outbox, Webhooks};
use crate::host::{Host, Parts};
use crate::id;
use crate::kv::KeyValueStore;
use crate::lifetime::Lifetime;
use crate::maintenance::Maintenance;
use crate::media::{MediaLibrary, MediaParts};
use crate::publish::{PublishOptions, PublishParts, Publisher};
use crate::room::Room;
use crate::store::{MOVED, Sqlite, Store, UNDER_WAY, doubt, moved, not_whole};
use crate::vault::{
    Beside, HASH_KEY, KEY_CHECK, KEY_CHECK_VALUE, KeySource, Sealed, Vault, served, wrong_key,
};
use crate::wake::Wake;

/// The folder of uploads in a folder of data.
const UPLOADS: &str = "uploads";
/// A week, so that a failed publish can be retried.
const KEEP_UPLOADS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Four points a day are enough for a chart; more would only use up the platform's rate limit.
const SAMPLE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// The configuration of a host.
pub struct HostBuilder {
    database: Option<Database>,
    key: KeySource,
    policy: Policy,
    providers: ProviderPolicy,
    cache: Option<PathBuf>,
    compile: Compile,
    limits: Limits,
    clock: Arc<dyn Clock>,
    kv: Option<Arc<dyn KeyValueStore>>,
    http: Option<Arc<dyn HttpClient>>,
    proxy: Option<Proxy>,
    background: bool,
    public_address: Option<String>,
    media_address: Option<String>,
    routes: Routes,
    media_folder: Option<PathBuf>,
    data: Option<PathBuf>,
    blob: Option<Blob>,
    upload_folder: Option<PathBuf>,
    keep_uploads: Duration,
    sample_every: Duration,
    takeover: Duration,
    history: Duration,
    keep_jobs: Duration,
    open_jobs: u32,
    kept_jobs: u32,
    disk_reserve: u64,
    dns_server: Option<SocketAddr>,
    jobs_at_once: usize,
}

/// Uploads share the bandwidth, so more would only make each slower.
const JOBS_AT_ONCE: usize = 16;
/// Long enough for a slow disk and a busy machine. The lease of a process that is known to be dead is taken over at
/// once.
const TAKEOVER: Duration = Duration::from_secs(30);
/// Questions about a post are asked within weeks.
const HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);
/// People look back a year; and a request that is repeated after so long is a new one.
const KEEP_JOBS: Duration = Duration::from_secs(400 * 24 * 3600);
/// Ten scheduled posts on each of ten thousand channels.
const OPEN_JOBS: u32 = 100_000;
/// A thousand posts a day for as long as jobs are kept, and more: about two gigabytes.
const KEPT_JOBS: u32 = 1_000_000;

impl Default for HostBuilder {
    fn default() -> Self {
        HostBuilder {
            database: None,
            key: KeySource::Default,
            policy: Policy::default(),
            providers: ProviderPolicy::default(),
            cache: None,
            compile: Compile::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            kv: None,
            http: None,
            proxy: None,
            background: true,
            public_address: None,
            media_address: None,
            routes: Routes::default(),
            media_folder: None,
            data: None,
            blob: None,
            upload_folder: None,
            keep_uploads: KEEP_UPLOADS,
            sample_every: SAMPLE_EVERY,
            takeover: TAKEOVER,
            history: HISTORY,
            keep_jobs: KEEP_JOBS,
            open_jobs: OPEN_JOBS,
            kept_jobs: KEPT_JOBS,
            disk_reserve: DISK_RESERVE,
            dns_server: None,
            jobs_at_once: JOBS_AT_ONCE,
        }
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder")
            .field("database", &self.database)
            .field("policy", &self.policy)
            .field("background", &self.background)
            .field("history", &self.history)
            .field("keep_jobs", &self.keep_jobs)
            .field("open_jobs", &self.open_jobs)
            .field("kept_jobs", &self.kept_jobs)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Starts the configuration of a host.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }
}

impl HostBuilder {
    /// The database: the path of a SQLite file; or `postgres://USER:PASSWORD@HOST/DATABASE`, or `mysql://` and the same for
    /// MySQL and MariaDB, which several machines can share. Without it, all data is lost when the process ends.
    #[must_use]
    pub fn database(mut self, database: impl Into<Database>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Where the master key comes from.
    #[must_use]
    pub fn key(mut self, key: KeySource) -> Self {
        self.key = key;
        self
    }

    /// What the operator allows all apps: private networks, mapped origins. Origins are granted by app.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Who may sign providers, and how registries are reached. The default takes signed and unsigned ones from every public
    /// registry, and says which.
    #[must_use]
    pub fn providers(mut self, policy: ProviderPolicy) -> Self {
        self.providers = policy;
        self
    }

    /// A folder for compiled components. Without it they are compiled at every start.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Where components are compiled; by default in this process.
    #[must_use]
    pub fn compile(mut self, compile: Compile) -> Self {
        self.compile = compile;
        self
    }

    /// Limits of every call, and of compiling.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A different clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The program's own storage for providers, instead of the database. All other data stays in the database.
    #[must_use]
    pub fn storage(mut self, store: Arc<dyn KeyValueStore>) -> Self {
        self.kv = Some(store);
        self
    }

    /// The program's own HTTP client, instead of the library's. The policy still decides which requests may be
    /// sent.
    #[must_use]
    pub fn http(mut self, sender: Arc<dyn HttpClient>) -> Self {
        self.http = Some(sender);
        self
    }

    /// The HTTP proxy through which all requests go, except those to mapped origins. Grants are still judged by name, but the
    /// proxy resolves the names, so only the proxy can refuse private addresses behind them. The variable `HTTPS_PROXY`
    /// is never used.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Whether publish jobs run in the background as soon as they are stored. Where processes may be killed
    /// at any time (PHP under FPM), set it to false and run a worker ([`Host::work`]).
    #[must_use]
    pub fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// The public address of the service in front of this host: scheme, host and port. The URLs of callbacks,
    /// webhooks and media begin with it.
    #[must_use]
    pub fn public_address(mut self, address: impl Into<String>) -> Self {
        self.public_address = Some(address.into());
        self
    }

    /// The address at which platforms fetch media of open jobs, if it is not the public address: scheme, host and port of
    /// another name of the same service, such as a domain of its own for media.
    #[must_use]
    pub fn media_address(mut self, address: impl Into<String>) -> Self {
        self.media_address = Some(address.into());
        self
    }

    /// The paths that the service in front of this host serves, if they differ from those of `social-channel serve`.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = routes;
        self
    }

    /// A folder from which callers may use files by name ([`social_channel_runtime::model::MediaSource::Name`]).
    #[must_use]
    pub fn media_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.media_folder = Some(folder.into());
        self
    }

    /// Where uploads are stored: a folder, or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME` in a program with the feature
    /// `s3`. The default is `uploads` beside the SQLite file, or a temporary folder for a database in memory. Beside a
    /// database server it is `uploads` in the folder of [`HostBuilder::data`]; all processes need the same place.
    #[must_use]
    pub fn blob(mut self, place: impl Into<Blob>) -> Self {
        self.blob = Some(place.into());
        self
    }

    /// The folder of this host's data, for what has no place of its own: beside a database server, uploads.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// The folder where uploads are stored: as [`HostBuilder::blob`], for folders only.
    #[must_use]
    pub fn upload_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.upload_folder = Some(folder.into());
        self
    }

    /// How long an upload without an open job is kept.
    #[must_use]
    pub fn keep_uploads(mut self, time: Duration) -> Self {
        self.keep_uploads = time;
        self
    }

    /// The time between two samples of a channel's statistics.
    #[must_use]
    pub fn sample_every(mut self, time: Duration) -> Self {
        self.sample_every = time;
        self
    }

    /// How long a worker may be silent before another takes over its job; 30 seconds by default, and at least
    /// one. It must be the same for all processes on one database. The jobs of a worker on this machine that
    /// has died are taken over at once.
    #[must_use]
    pub fn takeover(mut self, after: Duration) -> Self {
        self.takeover = after.max(Duration::from_secs(1));
        self
    }

    /// How long the attempts of jobs are kept; 90 days by default.
    #[must_use]
    pub fn history(mut self, keep: Duration) -> Self {
        self.history = keep;
        self
    }

    /// How long jobs are kept after their end; 400 days by default. A job's idempotency key is removed with the job.
    #[must_use]
    pub fn keep_jobs(mut self, keep: Duration) -> Self {
        self.keep_jobs = keep;
        self
    }

    /// How many open jobs a tenant may have; 100,000 by default. Another one is refused with `QuotaExceeded`.
    #[must_use]
    pub fn open_jobs(mut self, most: u32) -> Self {
        self.open_jobs = most;
        self
    }

    /// How many jobs of a tenant are kept, ended ones included; 1,000,000 by default. Of a tenant with more, a worker
    /// removes the oldest that have ended, with their idempotency keys.
    #[must_use]
    pub fn kept_jobs(mut self, most: u32) -> Self {
        self.kept_jobs = most;
        self
    }

    /// Bytes of the disk that uploads leave free; 256 MiB by default. The database needs space to write, and often lies
    /// on the same disk: new posts, drafts and consents leave free an eighth of it, for the jobs under way.
    #[must_use]
    pub fn disk_reserve(mut self, bytes: u64) -> Self {
        self.disk_reserve = bytes;
        self
    }

    /// The name server for checks of domains; by default the system's.
    #[must_use]
    pub fn dns_server(mut self, server: SocketAddr) -> Self {
        self.dns_server = Some(server);
        self
    }

    /// How many jobs [`Host::work`] runs at once, each for a different channel; 16 by default, and at least one. Tenants
    /// share them: one alone runs three quarters of them, so that another one's job begins at once.
    #[must_use]
    pub fn jobs_at_once(mut self, jobs: usize) -> Self {
        self.jobs_at_once = jobs.max(1);
        self
    }

    /// The path of the database, if it is a file.
    pub(crate) fn database_path(&self) -> Option<&Path> {
        self.database.as_ref().and_then(Database::path)
    }

    fn check_paths(&self) -> Result<()> {
        no_empty_path([
            ("database", self.database.as_ref().and_then(Database::path)),
            ("cache", self.cache.as_deref()),
            ("key_file", self.key.file()),
            ("media_folder", self.media_folder.as_deref()),
            ("upload_folder", self.upload_folder.as_deref()),
            ("blob", self.blob.as_ref().and_then(Blob::path)),
            ("data", self.data.as_deref()),
        ])
    }

    /// Opens the host. If the future is dropped, nothing is opened; a key file or database that was already created
    /// remains.
    ///
    /// # Errors
    /// `InvalidRequest` for a path that is empty, `Misconfigured` for a wrong or unreadable master key and for a database
    /// that must not be used, `Unavailable` for one that cannot be.
    pub async fn open(self) -> Result<Host> {
        self.policy.check()?;
        self.check_paths()?;
        let sources = self.providers.sources(&self.policy, self.proxy.as_ref())?;
        let clients = match (self.http, &self.proxy) {
            (Some(_), Some(_)) => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    "a proxy is set, and the program sends the requests itself",
                )
                .with_field("proxy")
                .with_remedy("leave the proxy out, and use it in the program's own HTTP functions"));
            }
            (Some(program), None) => Clients::of_program(program),
            (None, Some(proxy)) => Clients::through(proxy.clone()),
            (None, None) => Clients::default(),
        };
        let (public, media) = (self.public_address.as_deref(), self.media_address.as_deref());
        let address = Arc::new(PublicAddress::new(public, media, self.routes)?);
        let path = self.database.as_ref().and_then(Database::path);
        let beside = match (&self.database, path) {
            (None, _) => Beside::Memory,
            (Some(_), Some(path)) => Beside::File(path),
            (Some(_), None) => Beside::Remote,
        };
        let blob = match (self.blob, self.upload_folder, &beside, self.data) {
            (Some(_), Some(_), ..) => return Err(two_places()),
            (Some(blob), None, ..) => blob,
            (None, Some(folder), ..) => Blob::Folder(folder),
            (None, None, Beside::File(database), _) => Blob::Folder(database.with_file_name(UPLOADS)),
            (None, None, Beside::Memory, _) => {
                Blob::Folder(std::env::temp_dir().join(id::new("social-channel-uploads")?))
            }
            (None, None, Beside::Remote, Some(data)) => Blob::Folder(data.join(UPLOADS)),
            (None, None, Beside::Remote, None) => return Err(no_place()),
        };
        let doubt = matches!(beside, Beside::Remote).then(|| doubt_beside_remote(&blob)).flatten();
        let wake = Wake::default();
        let vault = Arc::new(Vault::open(&self.key, beside)?);
        let Opened { store, clock, mut doubts } =
            open_store(self.database.as_ref(), self.clock, &wake).await?;
        let usable = async {
            refuse_moved(&*store).await?;
            check_key(&*store, &vault).await?;
            hash_key(&*store, &vault).await
        };
        let hash_key = match usable.await {
            Ok(hash_key) => hash_key,
            Err(error) => {
                // Or it would count as used for a moment.
                store.close().await;
                return Err(error);
            }
        };
        let folder = path.and_then(Path::parent).map(Path::to_owned);
        doubts.extend(self.key.file().or(path).and_then(served));
        doubts.extend(doubt);
        let blob = OpenBlob::open(blob, self.disk_reserve, &store, &clock)?;
        for doubt in &doubts {
            tracing::warn!("{}", doubt.message);
        }
        for mapping in &self.policy.connect_to {
            // A mapping sends real tokens to another address, so it is always logged.
            tracing::warn!(from = %mapping.from, to = %mapping.to, "an origin is mapped");
        }
        let engine = Engine::new(EngineOptions {
            cache_dir: self.cache,
            cache_key: Some(vault.derive("compiled-code cache")),
            limits: self.limits,
            compile: self.compile,
            ..EngineOptions::default()
        })?;
        let lifetime = Lifetime::default();
        let room = Arc::new(Room::new(store.clone(), folder, self.disk_reserve));
        let apps = Arc::new(Apps::new(AppParts {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            engine,
            policy: self.policy,
            clients,
            own_kv: self.kv,
            address: address.clone(),
            sources,
        }));
        let accounts = Arc::new(Accounts::new(AccountParts {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            apps: apps.clone(),
            address: address.clone(),
            lifetime: lifetime.clone(),
            wake: wake.clone(),
            sample_every: self.sample_every,
            room: room.clone(),
            hash_key: hash_key.clone(),
        }));
        let uploads =
            Arc::new(Uploads::new(store.clone(), clock.clone(), blob, self.keep_uploads, room.clone()));
        let media = Arc::new(MediaLibrary::new(MediaParts {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            apps: apps.clone(),
            address: address.clone(),
            uploads: uploads.clone(),
            folder: self.media_folder,
        }));
        let publisher = Arc::new(Publisher::new(PublishParts {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            apps: apps.clone(),
            accounts: accounts.clone(),
            media: media.clone(),
            room: room.clone(),
            lifetime: lifetime.clone(),
            wake: wake.clone(),
            hash_key,
            options: PublishOptions {
                takeover: self.takeover,
                history: self.history,
                keep_jobs: self.keep_jobs,
                open_jobs: self.open_jobs,
                kept_jobs: self.kept_jobs,
                at_once: self.jobs_at_once,
                background: self.background,
            },
        }));
        let webhooks = Webhooks {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            apps: apps.clone(),
            wake: wake.clone(),
        };
        let outbox = Arc::new(Outbox {
            store: store.clone(),
            clock: clock.clone(),
            lifetime: lifetime.clone(),
            wake: wake.clone(),
        });
        let endpoints = Endpoints {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            egress: apps.own_egress()?,
            wake: wake.clone(),
        };
        let deliverer = Deliverer {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            egress: apps.own_egress()?,
            lifetime: lifetime.clone(),
            wake: wake.clone(),
        };
        let diagnosis = Diagnosis {
            apps: apps.clone(),
            address: address.clone(),
            clock: clock.clone(),
            dns_server: self.dns_server,
            proxy: self.proxy,
            doubts,
        };
        let drafts = Drafts { store: store.clone(), vault: vault.clone(), clock: clock.clone(), room };
        let maintenance = Maintenance {
            apps: apps.clone(),
            accounts: accounts.clone(),
            uploads: uploads.clone(),
            media: media.clone(),
            publisher: publisher.clone(),
            outbox: outbox.clone(),
            lifetime: lifetime.clone(),
        };
        Ok(Host::new(Parts {
            store,
            vault,
            clock,
            address,
            lifetime,
            wake,
            apps,
            accounts,
            uploads,
            drafts,
            media,
            publisher,
            webhooks,
            outbox,
            endpoints,
            deliverer,
            diagnosis,
            maintenance,
        }))
    }
}

/// An open store.
struct Opened {
    store: Arc<dyn Store>,
    /// The one that all processes on this database share.
    clock: Arc<dyn Clock>,
    doubts: Vec<Finding>,
}

async fn open_store(database: Option<&Database>, clock: Arc<dyn Clock>, wake: &Wake) -> Result<Opened> {
    Ok(match database {
        None => {
            Opened { store: Arc::new(Sqlite::in_memory(clock.clone()).await?), clock, doubts: Vec::new() }
        }
        Some(Database::Sqlite(path)) => Opened {
            store: Arc::new(Sqlite::open(path, clock.clone()).await?),
            clock,
            doubts: doubt(path).into_iter().collect(),
        },
        #[cfg(feature = "postgres")]
        Some(Database::Postgres(url)) => {
            let store = crate::store::Postgres::open(url, clock, wake.clone()).await?;
            Opened { clock: store.clock(), doubts: store.doubts().await?, store: Arc::new(store) }
        }
        #[cfg(not(feature = "postgres"))]
        Some(Database::Postgres(_)) => {
            let _ = wake;
            return Err(other_database("this program was built without PostgreSQL"));
        }
        #[cfg(feature = "mysql")]
        Some(Database::Mysql(url)) => {
            let store = crate::store::Mysql::open(url, clock).await?;
            Opened { clock: store.clock(), doubts: store.doubts().await?, store: Arc::new(store) }
        }
        #[cfg(not(feature = "mysql"))]
        Some(Database::Mysql(_)) => {
            return Err(other_database("this program was built without MySQL"));
        }
        Some(Database::Other(_)) => {
            return Err(other_database("the database is of a kind that is not known"));
        }
    })
}

/// Of two databases with the same jobs only one may be used.
async fn refuse_moved(store: &dyn Store) -> Result<()> {
    if store.meta(UNDER_WAY).await?.is_some() {
        return Err(not_whole());
    }
    match store.meta(MOVED).await? {
        Some(elsewhere) => Err(moved(&elsewhere)),
        None => Ok(()),
    }
}

fn other_database(why: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, why).with_field("database").with_remedy(
        "give the path of a SQLite file, or postgres:// or mysql://USER:PASSWORD@HOST/DATABASE to a program with the feature `postgres` or `mysql`",
    )
}

/// Uploads in a folder of the system's choice would be gone with it, or be on one machine only.
fn no_place() -> Error {
    Error::new(ErrorKind::InvalidRequest, "beside a database server there is no place for uploads by itself")
        .with_field("blob")
        .with_remedy(
            "set `blob` to a bucket, s3://BUCKET/PREFIX, or to a folder; all processes need the same one",
        )
}

fn two_places() -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        "the place of the uploads is given twice, as `blob` and as `upload_folder`",
    )
    .with_field("blob")
    .with_remedy("give one of them")
}

/// Refuses an empty path: it means the folder in which the program happens to run.
pub(crate) fn no_empty_path<'a>(
    paths: impl IntoIterator<Item = (&'static str, Option<&'a Path>)>,
) -> Result<()> {
    let empty = |path: Option<&Path>| path.is_some_and(|path| path.as_os_str().is_empty());
    let Some((name, _)) = paths.into_iter().find(|(_, path)| empty(*path)) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::InvalidRequest,
        format!("`{name}` is empty: it would mean the folder in which the program happens to run"),
    )
    .with_field(name)
    .with_remedy(format!("give an absolute path, or leave `{name}` out")))
}

/// The database's key for hashes of requests. Unlike a key that is derived from the master key, it stays when that is
/// replaced, so that a request is recognized for as long as its job is kept.
async fn hash_key(store: &dyn Store, vault: &Vault) -> Result<SecretBytes> {
    let stored = store.meta_or_insert(HASH_KEY.row, &vault.new_hash_key()?.0).await?;
    vault.open_sealed(HASH_KEY, &Sealed(stored))
}

/// A wrong key must be detected before anything is encrypted with it.
async fn check_key(store: &dyn Store, vault: &Vault) -> Result<()> {
    let fresh = vault.seal(KEY_CHECK, KEY_CHECK_VALUE)?;
    let stored = store.meta_or_insert(KEY_CHECK.row, &fresh.0).await?;
    let opened = vault.open_sealed(KEY_CHECK, &Sealed(stored))?;
    if opened.expose() == KEY_CHECK_VALUE { Ok(()) } else { Err(wrong_key()) }
}

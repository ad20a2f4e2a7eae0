//! [`Host`]: what a program opens, and the calls users make.
//!
//! Front doors translate these calls and decide nothing. What is shared behind them is [`Inner`].

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::accounts::{Channel, Connect, ConnectOptions, Connected, Disconnected};
use crate::app::{App, AppConfig, LiveApp};
use crate::clock::{Clock, SystemClock};
use crate::digest::Digest;
use crate::egress::Clients;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::HttpSender;
use crate::lease::LeaseClock;
use crate::limits::Limits;
use crate::model::{Finding, ListQuery, Media, Post, PostPage, PostSummary, Profile, PublishForm, Stats};
use crate::policy::Policy;
use crate::provider::Provider;
use crate::publisher::{DrivenJobs, Job, JobChange, PublishRequest, Resolution, WatchedJobs, Worked};
use crate::registry::{Loaded, ProviderInfo};
use crate::site::check_public_address;
use crate::store::{HistoryRow, JobStatus, Sqlite, Store, ValueStore};
use crate::tenant::TenantId;
use crate::upload::ComingUploads;
use crate::values::{ProgramValues, ValueStorage};
use crate::vault::{KeySource, Place, Vault, wrong_key};
use crate::webhook::{Webhook, WebhookAnswer};

/// A week: time to try a failed publish again.
const KEEP_UPLOADS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Four points a day draw a chart; more would only cost the platform's allowance.
const SAMPLE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How a host is to be.
pub struct HostBuilder {
    database: Option<PathBuf>,
    key: KeySource,
    policy: Policy,
    cache: Option<PathBuf>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    storage: Option<Arc<dyn ValueStorage>>,
    http: Option<Arc<dyn HttpSender>>,
    background: bool,
    public_address: Option<String>,
    media_folder: Option<PathBuf>,
    upload_folder: Option<PathBuf>,
    keep_uploads: Duration,
    sample_every: Duration,
    takeover: Duration,
    history: Duration,
    dns_server: Option<SocketAddr>,
    jobs_at_once: usize,
}

/// Uploads share the line, so more would only make each slower.
const JOBS_AT_ONCE: usize = 16;
/// Long enough for a slow disk and a busy machine; a process that is known to be dead is not waited for.
const TAKEOVER: Duration = Duration::from_secs(30);
/// Questions about a post come within weeks.
const HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);

impl Default for HostBuilder {
    fn default() -> Self {
        HostBuilder {
            database: None,
            key: KeySource::Default,
            policy: Policy::default(),
            cache: None,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            storage: None,
            http: None,
            background: true,
            public_address: None,
            media_folder: None,
            upload_folder: None,
            keep_uploads: KEEP_UPLOADS,
            sample_every: SAMPLE_EVERY,
            takeover: TAKEOVER,
            history: HISTORY,
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
            .finish_non_exhaustive()
    }
}

impl HostBuilder {
    /// The SQLite file. Without it everything ends with the process.
    #[must_use]
    pub fn database(mut self, path: impl Into<PathBuf>) -> Self {
        self.database = Some(path.into());
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

    /// A folder for compiled components. Without it they are compiled at every start.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Limits of every call.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The program's own place for what providers remember, instead of the database. Everything else stays there.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn ValueStorage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// The program's own HTTP, instead of the library's clients. What may leave is still the policy's to say.
    #[must_use]
    pub fn http(mut self, sender: Arc<dyn HttpSender>) -> Self {
        self.http = Some(sender);
        self
    }

    /// Whether publish jobs are driven in the background as soon as they are stored. Where processes are
    /// killed at will (PHP under FPM), say no and run a worker ([`Host::work`]).
    #[must_use]
    pub fn background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// Where the world reaches the service in front of this host: scheme, host and port. Callbacks, webhooks
    /// and media get their addresses from it.
    #[must_use]
    pub fn public_address(mut self, address: impl Into<String>) -> Self {
        self.public_address = Some(address.into());
        self
    }

    /// A folder of which callers may name files ([`crate::model::MediaSource::Name`]).
    #[must_use]
    pub fn media_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.media_folder = Some(folder.into());
        self
    }

    /// Where uploads are kept. Without it `uploads` beside the database, and for a database in memory a
    /// folder of the system's for temporary files.
    #[must_use]
    pub fn upload_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.upload_folder = Some(folder.into());
        self
    }

    /// How long an upload is kept that no open job needs.
    #[must_use]
    pub fn keep_uploads(mut self, time: Duration) -> Self {
        self.keep_uploads = time;
        self
    }

    /// The time between two samples of a channel's numbers.
    #[must_use]
    pub fn sample_every(mut self, time: Duration) -> Self {
        self.sample_every = time;
        self
    }

    /// How long a worker may be silent before another takes its job over; 30 seconds by default, and at least
    /// one. The same for all processes on one database. A worker of this machine that has died is not waited
    /// for.
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

    /// The name server that checks of domains ask; without it the system's.
    #[must_use]
    pub fn dns_server(mut self, server: SocketAddr) -> Self {
        self.dns_server = Some(server);
        self
    }

    /// How many jobs [`Host::work`] drives at once, each of another channel; 16 by default, and at least one.
    #[must_use]
    pub fn jobs_at_once(mut self, jobs: usize) -> Self {
        self.jobs_at_once = jobs.max(1);
        self
    }

    /// Opens the host.
    ///
    /// # Errors
    /// `Misconfigured` for a wrong or unreadable master key and for a database that must not be used,
    /// `Unavailable` for one that cannot be.
    pub async fn open(self) -> Result<Host> {
        self.policy.check()?;
        let public_address = self.public_address.as_deref().map(check_public_address).transpose()?;
        let vault = Vault::open(&self.key, self.database.as_deref())?;
        let store: Arc<dyn Store> = match &self.database {
            Some(path) => Arc::new(Sqlite::open(path).await?),
            None => Arc::new(Sqlite::in_memory().await?),
        };
        check_key(&*store, &vault).await?;
        let uploads = match (self.upload_folder, &self.database) {
            (Some(folder), _) => folder,
            (None, Some(database)) => database.with_file_name("uploads"),
            (None, None) => std::env::temp_dir().join(crate::id::new("social-channel-uploads")?),
        };
        let leases = LeaseClock::open(&*store).await?;
        for mapping in &self.policy.connect_to {
            // It sends real tokens elsewhere: never silently.
            tracing::warn!(from = %mapping.from, to = %mapping.to, "an origin is mapped");
        }
        let engine = Engine::new(EngineOptions {
            cache_dir: self.cache,
            cache_key: Some(vault.derive("compiled-code cache")),
            limits: self.limits,
        })?;
        Ok(Host {
            inner: Arc::new(Inner {
                store,
                vault: Arc::new(vault),
                clock: self.clock,
                leases,
                takeover: self.takeover,
                history: self.history,
                jobs_at_once: self.jobs_at_once,
                engine,
                policy: self.policy,
                clients: self.http.map_or_else(Clients::default, Clients::of_program),
                program_values: self.storage.map(|storage| Arc::new(ProgramValues(storage))),
                background: self.background,
                public_address,
                media_folder: self.media_folder,
                uploads,
                keep_uploads: self.keep_uploads,
                sample_every: self.sample_every,
                dns_server: self.dns_server,
                providers: AsyncMutex::default(),
                apps: Mutex::default(),
                refreshing: Mutex::default(),
                driven_jobs: Mutex::default(),
                followed_jobs: Mutex::default(),
                job_changed: Notify::new(),
                watched_jobs: WatchedJobs::default(),
                coming_uploads: ComingUploads::default(),
                work_added: Notify::new(),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            }),
        })
    }
}

/// A wrong key must be found out before anything is written under it.
async fn check_key(store: &dyn Store, vault: &Vault) -> Result<()> {
    const CHECK: &[u8] = b"social-channel";
    let place = Place { table: "meta", row: "key-check", column: "value" };
    let fresh = vault.seal(place, CHECK)?;
    let stored = store.meta_or_insert("key-check", &fresh.0).await?;
    let opened = vault.open_sealed(place, &crate::vault::Sealed(stored))?;
    if opened.expose() == CHECK { Ok(()) } else { Err(wrong_key()) }
}

/// Social Channel, opened. Cheap to clone; usable from many tasks.
///
/// Dropping it leaves jobs as they are stored; [`Host::shutdown`] lays them down properly.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

/// What everything behind [`Host`] shares.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leases: LeaseClock,
    pub(crate) takeover: Duration,
    pub(crate) history: Duration,
    pub(crate) jobs_at_once: usize,
    pub(crate) engine: Engine,
    pub(crate) policy: Policy,
    pub(crate) clients: Clients,
    /// Instead of the database's values of providers.
    pub(crate) program_values: Option<Arc<ProgramValues>>,
    pub(crate) background: bool,
    pub(crate) public_address: Option<Url>,
    pub(crate) media_folder: Option<PathBuf>,
    pub(crate) uploads: PathBuf,
    pub(crate) keep_uploads: Duration,
    pub(crate) sample_every: Duration,
    pub(crate) dns_server: Option<SocketAddr>,
    /// Loaded components. The lock is held while one is compiled, so that it is compiled once.
    pub(crate) providers: AsyncMutex<HashMap<Digest, Provider>>,
    pub(crate) apps: Mutex<HashMap<String, Arc<LiveApp>>>,
    refreshing: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
    pub(crate) driven_jobs: DrivenJobs,
    pub(crate) followed_jobs: Mutex<HashSet<String>>,
    pub(crate) job_changed: Notify,
    pub(crate) watched_jobs: WatchedJobs,
    pub(crate) coming_uploads: ComingUploads,
    pub(crate) work_added: Notify,
    /// What must end before the process does.
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

impl Inner {
    /// Refreshes of one account queue here before they ask the store.
    pub(crate) fn refresh_turn(&self, channel: &str) -> Arc<AsyncMutex<()>> {
        match self.refreshing.lock() {
            Ok(mut turns) => {
                // Nobody waits for a turn that only this map holds.
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
                turns.entry(channel.to_owned()).or_default().clone()
            }
            Err(_) => Arc::default(),
        }
    }

    /// Where values of providers lie.
    pub(crate) fn values(&self) -> Arc<dyn ValueStore> {
        match &self.program_values {
            Some(values) => values.clone(),
            None => self.store.clone(),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// What workers do besides jobs, now and then, without keeping these waiting. A worker that only looks in
    /// leaves it to one that stays.
    pub(crate) fn keep_house_beside(self: &Arc<Self>, longest: Option<Duration>) {
        const STAYS: Duration = Duration::from_secs(10);
        if longest.is_some_and(|longest| longest < STAYS) {
            return;
        }
        let (inner, host) = (self.clone(), Host { inner: self.clone() });
        self.tasks.spawn(async move {
            tokio::select! {
                () = host.keep_house() => {}
                () = inner.stopping() => {}
            }
        });
    }

    pub(crate) fn wake_workers(&self) {
        self.work_added.notify_waiters();
    }
}

impl Host {
    /// Begins to say how a host is to be.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Lays jobs down: calls that may be repeated are dropped, others are waited for, at most `longest`.
    pub async fn shutdown(&self, longest: Duration) {
        self.inner.stop.cancel();
        self.inner.work_added.notify_waiters();
        self.inner.tasks.close();
        if tokio::time::timeout(longest, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                "calls were still under way when the time was up; their jobs will find out what came of them"
            );
        }
    }

    // ---- providers ----------------------------------------------------------------------------------

    /// Installs a component: new apps of its provider run it, and existing apps too, unless it asks for
    /// origins they were not granted. Calls in flight and open jobs stay with what they began with. On
    /// failure everything stays as it was.
    ///
    /// # Errors
    /// `LoadFailed` for what is no provider, `Incompatible` for one of another version of the contract.
    pub async fn load_provider(&self, component: &[u8]) -> Result<Loaded> {
        self.inner.load_provider(component).await
    }

    /// Looks at a component without installing it.
    ///
    /// # Errors
    /// As [`Host::load_provider`].
    pub async fn inspect_provider(&self, component: &[u8]) -> Result<ProviderInfo> {
        self.inner.inspect_provider(component).await
    }

    /// The installed providers, and components that open jobs still need.
    pub async fn providers(&self) -> Result<Vec<ProviderInfo>> {
        self.inner.list_providers().await
    }

    /// Forgets a provider.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidRequest` naming the apps and open jobs that still need it.
    pub async fn unload_provider(&self, id: &str) -> Result<()> {
        self.inner.unload_provider(id).await
    }

    // ---- apps ---------------------------------------------------------------------------------------

    /// Makes an app, or changes what `config` names.
    pub async fn put_app(&self, id: &str, config: AppConfig) -> Result<App> {
        self.inner.put_app(id, config).await
    }

    /// All apps; secrets are masked.
    pub async fn apps(&self) -> Result<Vec<App>> {
        self.inner.show_apps().await
    }

    /// One app; secrets are masked.
    pub async fn app(&self, id: &str) -> Result<App> {
        let found = self.inner.show_apps().await?.into_iter().find(|app| app.id == id);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no app {id}")))
    }

    /// Forgets an app that has no channels.
    pub async fn delete_app(&self, id: &str) -> Result<()> {
        self.inner.delete_app(id).await
    }

    // ---- work ---------------------------------------------------------------------------------------

    /// Drives all tenants' due jobs and refreshes idle accounts: for `longest`, or until
    /// [`Host::shutdown`]. `Some(Duration::ZERO)` does what is due now and returns when that is laid down.
    pub async fn work(&self, longest: Option<Duration>) -> Result<Worked> {
        self.inner.work(longest).await
    }

    /// Takes samples of numbers that are due, and removes uploads and addresses that nobody needs any more.
    /// Workers that stay do so every hour; failures are noted and tried again then.
    pub async fn keep_house(&self) {
        if let Err(error) = self.sample_stats().await {
            tracing::warn!(%error, "no samples of numbers were taken");
        }
        if let Err(error) = self.inner.sweep_uploads().await {
            tracing::warn!(%error, "old uploads were not removed");
        }
        if let Err(error) = self.inner.sweep_media_links().await {
            tracing::warn!(%error, "old addresses of media were not removed");
        }
    }

    /// Encrypts everything anew under the first key. Returns how many values were changed.
    pub async fn rotate_keys(&self) -> Result<usize> {
        self.inner.rotate_keys().await
    }

    /// Takes a platform's call to an app's webhook address. When this returns, what it said is stored.
    ///
    /// # Errors
    /// `Forbidden` for what the platform did not send, `Unsupported` where the provider takes no webhooks;
    /// `Unavailable` and the like are ours: answer 503, so that it comes again.
    pub async fn receive_webhook(&self, app: &str, webhook: Webhook) -> Result<WebhookAnswer> {
        self.inner.receive_webhook(app, webhook).await
    }

    /// What the operator allowed.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// A tenant's view: nothing of another tenant can be reached through it.
    pub fn tenant(&self, id: TenantId) -> Tenant {
        Tenant { inner: self.inner.clone(), id }
    }
}

impl Inner {
    async fn rotate_keys(&self) -> Result<usize> {
        let mut changed = 0;
        for value in self.store.sealed_values().await? {
            if !self.vault.is_outdated(&value.sealed) {
                continue;
            }
            let place = Place { table: value.table, row: &value.row, column: value.column };
            let plain = self.vault.open_sealed(place, &value.sealed)?;
            let sealed = self.vault.seal(place, plain.expose())?;
            // Somebody who wrote meanwhile wrote under the newest key.
            changed += usize::from(self.store.reseal(&value, &sealed).await?);
        }
        if let Some(values) = &self.program_values {
            for app in self.store.apps().await? {
                changed += values.reseal(&app.id, &self.vault).await?;
            }
        }
        let place = Place { table: "meta", row: "key-check", column: "value" };
        self.store.set_meta("key-check", &self.vault.seal(place, b"social-channel")?.0).await?;
        Ok(changed)
    }
}

/// The calls of one tenant.
#[derive(Clone)]
pub struct Tenant {
    pub(crate) inner: Arc<Inner>,
    pub(crate) id: TenantId,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Tenant {
    // ---- connect ------------------------------------------------------------------------------------

    /// Begins a consent: returns where to send the person's browser.
    pub async fn begin_connect(&self, app: &str, options: ConnectOptions) -> Result<Connect> {
        self.inner.begin_connect(&self.id, app, options).await
    }

    /// Completes a consent with the query of the callback, each parameter decoded once. `owner` as it was
    /// given to [`Tenant::begin_connect`].
    pub async fn complete_connect(&self, owner: &str, callback: Vec<(String, String)>) -> Result<Connected> {
        self.inner.complete_connect(&self.id, owner, callback).await
    }

    /// Picks one of several accounts that a consent brought.
    pub async fn choose_account(&self, owner: &str, choice: &str, account_id: &str) -> Result<Channel> {
        self.inner.choose_account(&self.id, owner, choice, account_id).await
    }

    /// All channels.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        self.inner.channels(&self.id).await
    }

    /// One channel.
    pub async fn channel(&self, channel: &str) -> Result<Channel> {
        self.inner.channel(&self.id, channel).await
    }

    /// Cancels the channel's jobs, tells the platform, and forgets it.
    pub async fn disconnect(&self, channel: &str) -> Result<Disconnected> {
        self.inner.disconnect(&self.id, channel).await
    }

    // ---- read ---------------------------------------------------------------------------------------

    /// Who the account is.
    pub async fn profile(&self, channel: &str) -> Result<Profile> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            Box::pin(async move { provider.get_profile(context, &account).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    /// The account's numbers, asked for and not kept.
    pub(crate) async fn ask_stats(&self, channel: &str) -> Result<Stats> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            Box::pin(async move { provider.get_stats(context, &account).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    /// One page of the account's posts, newest first.
    pub async fn list_posts(&self, channel: &str, query: &ListQuery) -> Result<PostPage> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            let query = query.clone();
            Box::pin(async move { provider.list_posts(context, &account, &query).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    /// Posts by id, with fresh numbers and covers. Ids that are gone, private or someone else's are left out.
    pub async fn get_posts(&self, channel: &str, ids: &[String]) -> Result<Vec<PostSummary>> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            let ids = ids.to_vec();
            Box::pin(async move { provider.get_posts(context, &account, &ids).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    // ---- publish ------------------------------------------------------------------------------------

    /// What the account may post now. Ask anew for every form shown.
    pub async fn publish_form(&self, channel: &str) -> Result<PublishForm> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            Box::pin(async move { provider.get_publish_form(context, &account).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    /// Everything that can be known without posting. Only findings of severity `error` stop a post.
    pub async fn check_post(&self, channel: &str, post: &Post, media: &[Media]) -> Result<Vec<Finding>> {
        let account = self.inner.account_row(&self.id, channel).await?;
        let app = self.inner.app_of(&self.id, &account).await?;
        let mut items = Vec::new();
        for one in media {
            let item = self.inner.open_media(&self.id, one, &app).await?;
            items.push(Arc::new(self.inner.would_link(item)));
        }
        let call = |provider: Provider,
                    mut context: crate::provider::CallContext,
                    account|
         -> futures::future::BoxFuture<'static, _> {
            context.media.clone_from(&items);
            let post = post.clone();
            Box::pin(async move { provider.check_post(context, &account, &post).await })
        };
        self.inner.call_account(&self.id, channel, &call).await
    }

    /// Stores a publish job. It is on disk when this returns; in a host with background work it begins at
    /// once.
    pub async fn publish(&self, channel: &str, request: PublishRequest) -> Result<Job> {
        self.inner.publish(&self.id, channel, request).await
    }

    /// Jobs, newest first.
    pub async fn jobs(
        &self,
        channel: Option<&str>,
        status: Option<JobStatus>,
        limit: u32,
    ) -> Result<Vec<Job>> {
        self.inner.jobs(&self.id, channel, status, limit, None).await
    }

    /// Jobs, newest first, that come after `before` (a job's id) in that list: its next page. After an unknown
    /// job comes nothing.
    pub async fn jobs_before(
        &self,
        channel: Option<&str>,
        status: Option<JobStatus>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Job>> {
        self.inner.jobs(&self.id, channel, status, limit, before).await
    }

    /// One job; where this process drives it, with its live figures.
    pub async fn job(&self, id: &str) -> Result<Job> {
        self.inner.job(&self.id, id).await
    }

    /// Every attempt of a job.
    pub async fn job_history(&self, id: &str) -> Result<Vec<HistoryRow>> {
        self.inner.job_history(&self.id, id).await
    }

    /// Waits until the job ends, pauses, or the time is up; returns how it then stands.
    pub async fn wait_for_job(&self, id: &str, longest: Duration) -> Result<Job> {
        self.inner.wait_for_job(&self.id, id, longest).await
    }

    /// Asks to cancel a job. What was sent already may still be posted; the job's end says. One that has ended stays
    /// as it is.
    pub async fn cancel_job(&self, id: &str) -> Result<Job> {
        self.inner.cancel_job(&self.id, id).await
    }

    /// Goes on with a job now: after a crash, a pause, or a change that a person made.
    ///
    /// # Errors
    /// `InvalidRequest` where it has ended.
    pub async fn resume_job(&self, id: &str) -> Result<Job> {
        self.inner.resume_job(&self.id, id).await
    }

    /// Goes on now with the component that the job's app runs, after a repair of the one that the job began
    /// with. If it cannot read what the other has done (`unsupported`), the job goes back by itself.
    ///
    /// # Errors
    /// `InvalidRequest` where the job has ended, or already has that component.
    pub async fn move_job(&self, id: &str) -> Result<Job> {
        self.inner.move_job(&self.id, id).await
    }

    /// Changes a job of which nothing can have been posted yet (another time, a visibility that is still
    /// offered, words the person agreed to anew), and goes on with it.
    ///
    /// # Errors
    /// `InvalidRequest` once it has ended or a request that may make the post was begun.
    pub async fn change_job(&self, id: &str, change: JobChange) -> Result<Job> {
        self.inner.change_job(&self.id, id, change).await
    }

    /// Says what a person found after a job ended `unknown`. Posted: the job is `published`. Not posted: it is
    /// `failed`, and may be tried again.
    ///
    /// # Errors
    /// `InvalidRequest` where the job is not `unknown`.
    pub async fn resolve_job(&self, id: &str, found: Resolution) -> Result<Job> {
        self.inner.resolve_job(&self.id, id, found).await
    }

    /// A new job for what an ended one did not publish. After `unknown`, `looked` says that the person has
    /// looked and found nothing; better say it with [`Tenant::resolve_job`].
    pub async fn retry_job(&self, id: &str, looked: bool) -> Result<Job> {
        self.inner.retry_job(&self.id, id, looked).await
    }
}

//! Shared code of the library's test suites: a simulator, a host, and the person's browser.
//!
//! The component under test is byte for byte the one in production; only the host's policy sends its
//! requests to the simulator.

pub mod database;
mod dns;
pub mod failing;
pub mod hostile;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use social_channel::model::{Media, OptionValue, Post};
use social_channel::{
    AppConfig, Channel, Clock as _, Connect, ConnectOptions, Connected, Host, HostBuilder, Job, JobStatus,
    KeySource, MovedClock, Policy, PublishRequest, Tenant, TenantId, Webhook, default_key_file,
};
use tiktok_simulator::{Simulator, World};

pub use dns::NameServer;

/// The owner of consents in these tests.
pub const OWNER: &str = "browser-1";
/// The app in these tests.
pub const APP: &str = "tiktok-demo";
/// Its secret.
pub const SECRET: &str = "simsecret-desktop-0001";
/// Its callback; nothing listens there, the test browser reads the URL of the redirect.
pub const CALLBACK: &str = "http://127.0.0.1:9123/callback";
/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A component that `cargo xtask guests` built.
///
/// # Errors
/// When it was not built.
pub fn component(name: &str) -> Result<Vec<u8>> {
    let target = std::env::current_exe()?
        .ancestors()
        .find(|folder| folder.join("wasm32-wasip2").is_dir())
        .map(Path::to_owned)
        .ok_or_else(|| anyhow!("no component was built: run `cargo xtask guests` first"))?;
    let path = target.join("wasm32-wasip2/guest").join(format!("{name}.wasm"));
    std::fs::read(&path)
        .with_context(|| format!("{} is missing: run `cargo xtask guests` first", path.display()))
}

/// The demo world of the simulator, with automatic consent.
pub fn world() -> World {
    let mut world = World::demo();
    world.switches.auto_consent.enabled = true;
    // The provider must never request it, because it does not create drafts.
    world.switches.refuse_video_upload = true;
    world
}

/// Waits for a condition.
///
/// # Panics
/// When it does not.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs due jobs, and moves both clocks to the time that the job waits for, until it ends or pauses.
///
/// # Errors
/// When it does neither.
pub async fn to_the_end(
    simulator: &Simulator,
    clock: &MovedClock,
    host: &Host,
    tenant: &Tenant,
    job: &str,
) -> Result<Job> {
    for _ in 0..200 {
        host.work(Some(Duration::ZERO)).await?;
        let job = tenant.job(job).await?;
        if job.status != JobStatus::Active {
            return Ok(job);
        }
        let wait = job.next_attempt_at.map_or(1, |at| (at - clock.now_ms() / 1000).max(0) + 1);
        let wait = Duration::from_secs(wait.unsigned_abs());
        simulator.clock().advance(wait);
        clock.advance(wait);
    }
    bail!("the job does not end: {:?}", tenant.job(job).await?)
}

/// Waits until all armed faults have been used.
///
/// # Panics
/// When it does not.
pub async fn struck(simulator: &Simulator) {
    until("the fault", async || simulator.faults().armed().is_empty().then_some(())).await;
}

/// A policy that maps TikTok to the simulator at `origin`.
///
/// # Errors
/// When `origin` is not an origin.
pub fn policy(origin: &str) -> Result<Policy> {
    Ok(serde_json::from_value(serde_json::json!({
        "connect_to": [
            {"from": "https://open.tiktokapis.com", "to": origin},
            {"from": "https://*.tiktokapis.com", "to": origin},
            {"from": "https://www.tiktok.com", "to": origin},
            {"from": "https://*.tiktokcdn.com", "to": origin},
        ]
    }))?)
}

/// A simulator and a host, in a temporary folder.
pub struct Stage {
    /// The simulated TikTok.
    pub simulator: Simulator,
    /// The host.
    pub host: Host,
    /// Its only tenant.
    pub tenant: Tenant,
    /// Database, keys and media.
    pub folder: tempfile::TempDir,
}

impl Stage {
    /// With the demo world.
    ///
    /// # Errors
    /// When anything of it cannot be started.
    pub async fn new() -> Result<Self> {
        Self::in_world(world(), |builder| builder).await
    }

    /// With a given world and host configuration.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub async fn in_world(world: World, differ: impl FnOnce(HostBuilder) -> HostBuilder) -> Result<Self> {
        Self::in_world_and_folder(world, |builder, _| Ok(differ(builder))).await
    }

    /// The same for a configuration that needs the folder.
    ///
    /// # Errors
    /// As [`Stage::new`], and what `differ` returns.
    pub async fn in_world_and_folder(
        world: World,
        differ: impl FnOnce(HostBuilder, &Path) -> Result<HostBuilder>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let simulator = Simulator::start(world).await?;
        let host = differ(builder(folder.path(), &simulator.origin())?, folder.path())?.open().await?;
        host.load_provider(&component("plugin_tiktok")?).await?;
        host.put_app(APP, app_config()).await?;
        let tenant = host.tenant(TenantId::default());
        Ok(Stage { simulator, host, tenant, folder })
    }

    /// A stage for counting: the platform is done at once, jobs are run by `work` only, by a clock that the test moves,
    /// and no lease is extended while it counts.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub async fn for_counting() -> Result<(Self, Arc<MovedClock>)> {
        let mut world = world();
        world.switches.hash_uploads = false;
        world.switches.processing_ms = 0;
        let clock = Arc::new(MovedClock::default());
        let ours = clock.clone();
        let stage = Self::in_world(world, |builder| {
            builder.clock(ours).background(false).takeover(Duration::from_secs(3_600))
        })
        .await?;
        Ok((stage, clock))
    }

    /// Connects the account that consents automatically.
    ///
    /// # Errors
    /// When that fails.
    pub async fn connect(&self) -> Result<Channel> {
        connect(&self.tenant, None).await
    }

    /// Opens a second host on the same database.
    ///
    /// # Errors
    /// When that fails.
    pub async fn second_host(&self) -> Result<Host> {
        Ok(builder(self.folder.path(), &self.simulator.origin())?.open().await?)
    }

    /// A video of this size.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn video(&self, size: u64) -> Result<Media> {
        video(self.folder.path(), size)
    }

    /// Publishes privately and waits for the end.
    ///
    /// # Errors
    /// When that fails.
    pub async fn publish(&self, channel: &str, media: Media) -> Result<Job> {
        let job = self.tenant.publish(channel, request("A test", media)).await?;
        self.wait(&job.id).await
    }

    /// Waits until a job has ended or paused.
    ///
    /// # Errors
    /// When it does neither.
    pub async fn wait(&self, job: &str) -> Result<Job> {
        let job = self.tenant.wait_for_job(job, PATIENCE).await?;
        if job.status == JobStatus::Active {
            bail!("the job does not end: {job:?}");
        }
        Ok(job)
    }

    /// See [`to_the_end`].
    ///
    /// # Errors
    /// When the job does not end.
    pub async fn to_the_end(&self, clock: &MovedClock, job: &str) -> Result<Job> {
        to_the_end(&self.simulator, clock, &self.host, &self.tenant, job).await
    }

    /// Moves the simulator's clock and the host's.
    pub fn advance(&self, clock: &MovedClock, by: Duration) {
        self.simulator.clock().advance(by);
        clock.advance(by);
    }

    /// How many requests the simulator has seen at `path`.
    pub fn requests(&self, path: &str) -> usize {
        self.simulator.log().iter().filter(|exchange| exchange.path.starts_with(path)).count()
    }
}

/// A host in `folder`, which uses the simulator at `origin`.
///
/// # Errors
/// When `origin` is not an origin.
pub fn builder(folder: &Path, origin: &str) -> Result<HostBuilder> {
    let database = folder.join("social-channel.sqlite");
    if !database.exists() {
        write_key(&default_key_file(&database))?;
    }
    let policy = match std::fs::read(folder.join(POLICY)) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(_) => policy(origin)?,
    };
    Ok(Host::builder().database(database).key(KeySource::Default).cache(cache_folder()?).policy(policy))
}

/// The file in a host's folder with another policy than the simulator's, for all processes of the folder.
pub const POLICY: &str = "policy.json";

/// The same key for all tests: compiled code is only taken from a cache that was written with the own key.
fn write_key(path: &Path) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file {
        Ok(mut file) => Ok(file.write_all("5c".repeat(32).as_bytes())?),
        // A test has its own.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Shared by all tests, because compiling a component is slow in a debug build.
fn cache_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().find(|folder| folder.join("wasm32-wasip2").is_dir());
    Ok(target.map_or_else(std::env::temp_dir, Path::to_owned).join("compiled-components"))
}

/// The demo's desktop app.
pub fn app_config() -> AppConfig {
    AppConfig {
        provider: Some("tiktok".to_owned()),
        redirect_uri: Some("http://127.0.0.1:*/callback".to_owned()),
        settings: [("client-key", "simkey-desktop"), ("client-secret", SECRET), ("kind", "desktop")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        ..AppConfig::default()
    }
}

/// Begins a consent, lets the browser go through it, and completes it.
///
/// # Errors
/// When any of that fails.
pub async fn connect(tenant: &Tenant, reconnect: Option<String>) -> Result<Channel> {
    let callback = consent(tenant, reconnect).await?;
    match tenant.complete_connect(OWNER, callback).await? {
        Connected::Channel(channel) => Ok(channel),
        other => bail!("one account was expected, not {other:?}"),
    }
}

/// Begins a consent and lets the browser go through it, up to the callback.
///
/// # Errors
/// When any of that fails.
pub async fn consent(tenant: &Tenant, reconnect: Option<String>) -> Result<Vec<(String, String)>> {
    let options = ConnectOptions {
        owner: OWNER.to_owned(),
        redirect_uri: Some(CALLBACK.to_owned()),
        choose_account: reconnect.is_some(),
        reconnect,
        ..ConnectOptions::default()
    };
    let Connect::Redirect { url, .. } = tenant.begin_connect(APP, options).await? else {
        bail!("a browser was expected");
    };
    browse(&url).await
}

/// The person's browser: follows the page to the callback URL and returns its query.
///
/// # Errors
/// When the page does not lead there.
pub async fn browse(url: &str) -> Result<Vec<(String, String)>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let browser =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let mut url = url::Url::parse(url)?;
    for _ in 0..5 {
        if url.as_str().starts_with(CALLBACK) {
            return Ok(url.query_pairs().into_owned().collect());
        }
        let answer = browser.get(url.clone()).send().await?;
        let Some(location) = answer.headers().get("location") else {
            bail!("the page does not go on: {} {}", answer.status(), answer.text().await?);
        };
        url = url.join(location.to_str()?)?;
    }
    bail!("too many redirects")
}

/// A post for everybody, as the demo's public account may make it.
pub fn request(text: &str, media: Media) -> PublishRequest {
    PublishRequest::new(post(text), vec![media])
}

/// See [`request`].
pub fn post(text: &str) -> Post {
    Post {
        kind: "video".to_owned(),
        title: None,
        text: Some(text.to_owned()),
        visibility: Some("PUBLIC_TO_EVERYONE".to_owned()),
        options: std::iter::empty::<(String, OptionValue)>().collect(),
        ..Post::default()
    }
}

/// A webhook of the demo's desktop app, signed at `now` (seconds since 1970) as the platform signs.
///
/// # Panics
/// Never: the key may have any length.
pub fn signed_webhook(now: i64, body: String) -> Webhook {
    use hmac::{Hmac, Mac as _};
    #[expect(clippy::expect_used, reason = "a key may have any length")]
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = format!("t={now},s={}", hex::encode(mac.finalize().into_bytes()));
    Webhook {
        method: "POST".to_owned(),
        query: Vec::new(),
        raw_query: None,
        headers: vec![("tiktok-signature".to_owned(), signature)],
        body: body.into_bytes(),
    }
}

/// The platform's event that a person removed the app, at `at` (seconds since 1970).
pub fn removal(open_id: &str, at: i64) -> String {
    let removed = serde_json::json!({
        "client_key": "simkey-desktop",
        "event": "authorization.removed",
        "create_time": at,
        "user_openid": open_id,
        "content": "{\"reason\": 1}",
    });
    removed.to_string()
}

/// The bytes of a video of exactly `size`, whole by its index.
///
/// # Errors
/// When no video fits into so few.
pub fn video_bytes(size: usize) -> Result<Vec<u8>> {
    let mut bytes = sample_video::head()?;
    if size <= bytes.len() {
        bail!("{size} bytes hold no video");
    }
    bytes.resize(size, 0);
    Ok(bytes)
}

/// A video of exactly `size` bytes, whole by its index. Sparse: it takes no room on disk.
///
/// # Errors
/// When it cannot be written.
pub fn video(folder: &Path, size: u64) -> Result<Media> {
    let path = folder.join(format!("video-{size}.mp4"));
    sample_video::write_sparse(&path, size)?;
    Ok(Media { content_type: Some("video/mp4".to_owned()), ..Media::file(path) })
}

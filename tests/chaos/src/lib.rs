//! Published once, whatever happens.
//!
//! Several worker processes share one database. They are killed, stopped for longer than a lease lasts, and
//! started again; the platform loses requests and answers; the clock jumps; the provider is replaced; people
//! cancel and reconnect. At the end the simulator's records, not the host's, show whether
//!
//! - no post was made twice,
//! - no accepted job was lost, and every job ended as the platform says,
//! - no refresh token was used twice, except if the response to its last use was lost, or the process that
//!   waited for it was killed before it had stored it (each second use is matched with its reason),
//! - no request exceeded a limit.
//!
//! The clock is moved for hosts and platform together, while no request is running; a host with a wrong clock
//! counts allowances wrongly, which the platform's refusals correct.

mod clock;
mod held;
mod judge;
mod random;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use library_tests::{APP, app_config, builder, component, connect, video, world};
use social_channel::model::{Media, OptionValue};
use social_channel::{
    Clock as _, ErrorKind, Health, Host, Job, JobStatus, PublishRequest, Resolution, Tenant, TenantId,
    Webhook,
};
use tiktok_simulator::{Account, Action, Fault, Simulator, World};

use clock::FileClock;
pub use judge::Verdict;
use judge::{KilledRefresh, Log, judge};
pub use library_tests::database::Kind;
use library_tests::database::{self, Database};
use random::Random;
use workers::Workers;

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The same seed gives the same plan, but the interleaving of processes differs.
    pub seed: u64,
    /// Posts.
    pub publishes: usize,
    /// Processes.
    pub workers: usize,
    /// Accounts.
    pub accounts: usize,
    /// The database that they share.
    pub database: Kind,
    /// The program that is started with `worker`.
    pub program: PathBuf,
    /// The maximum duration; longer means that something hangs.
    pub longest: Duration,
}

/// Shorter than the default, so that a stopped worker is overtaken within the test.
const TAKEOVER: Duration = Duration::from_secs(3);
/// Jobs that are open at the same time.
const OPEN: usize = 48;
/// One disturbance per this number of requests.
const REQUESTS: usize = 3;
const SMALL: u64 = 4_096;
const MIDDLE: u64 = 5_000_000;
/// Two chunks.
const LARGE: u64 = 70_000_000;
const WEBHOOKS: &str = "https://app.example.com";
const MEDIA: &str = "https://media.example.com";

/// The work of one process, until it is killed.
///
/// # Errors
/// When the host cannot be opened, or its work ends.
pub async fn worker(folder: &Path, origin: &str) -> Result<()> {
    // The database may just be away, and whoever supervises workers starts them again.
    let begun = Instant::now();
    let host = loop {
        match host(folder, origin).await {
            Ok(host) => break host,
            Err(error) if begun.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    std::fs::write(workers::ready(folder, std::process::id()), "")?;
    host.work(None).await?;
    Ok(())
}

async fn host(folder: &Path, origin: &str) -> Result<Host> {
    let builder = builder(folder, origin)?
        .clock(Arc::new(FileClock::in_folder(folder)))
        .background(false)
        .takeover(TAKEOVER);
    Ok(database::choose(builder, folder).open().await?)
}

/// A job that was accepted.
#[derive(Debug)]
struct Accepted {
    caption: String,
    key: String,
    request: PublishRequest,
    channel: String,
}

struct Run {
    plan: Plan,
    random: Random,
    simulator: Simulator,
    /// Written once, because a changed file would count as another one.
    media: BTreeMap<u64, Media>,
    /// Database, keys and media.
    folder: tempfile::TempDir,
    clock: FileClock,
    database: Database,
    host: Host,
    tenant: Tenant,
    /// Channels and their accounts.
    channels: Vec<(String, String)>,
    accepted: BTreeMap<String, Accepted>,
    ended: BTreeMap<String, Job>,
    workers: Workers,
    /// Processes that were killed while they refreshed an account.
    killed: Vec<KilledRefresh>,
    log: Log,
    /// When the clock was moved, or the platform last received a request.
    moved: Instant,
    /// Requests since the last disturbance.
    undisturbed: usize,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    faults: usize,
    jumps: usize,
    swaps: usize,
    cancels: usize,
    reconnects: usize,
    resolved: usize,
    database_kills: usize,
    cuts: usize,
}

/// Runs the plan, and checks the result.
///
/// # Errors
/// When the setup fails, or a job does not end.
pub async fn run(plan: Plan) -> Result<Verdict> {
    let mut run = Run::set(plan).await?;
    let begun = Instant::now();
    while run.ended.len() < run.plan.publishes {
        if begun.elapsed() > run.plan.longest {
            let open: Vec<_> = run.accepted.keys().filter(|id| !run.ended.contains_key(*id)).collect();
            let mut shown = Vec::new();
            for id in open.iter().take(3) {
                shown.push(format!(
                    "{:?} {:?}",
                    run.tenant.job(id).await?,
                    run.tenant.job_history(id).await?
                ));
            }
            bail!("{} jobs do not end: {shown:#?}", open.len());
        }
        run.publish().await?;
        // By the number of requests, not by time, so that a slow machine is disturbed as often as a fast one.
        let seen = run.log.harvest(&run.simulator);
        if seen > 0 {
            run.moved = Instant::now();
        }
        run.undisturbed += seen;
        while run.undisturbed >= REQUESTS {
            run.undisturbed -= REQUESTS;
            run.disturb().await?;
        }
        run.attend().await?;
        run.workers.look_after()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    run.finish().await
}

impl Run {
    async fn set(plan: Plan) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let clock = FileClock::in_folder(folder.path());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let here = format!("http://{}", listener.local_addr()?);
        let simulator = Simulator::start(scene(&plan, &here)).await?;
        let database = Database::start(plan.database, folder.path())?;
        let host = host(folder.path(), &simulator.origin()).await?;
        host.load_provider(&component("plugin_tiktok")?).await?;
        let mut config = app_config();
        config.settings.insert("verified-urls".to_owned(), "media.example.com".into());
        host.put_app(APP, config).await?;
        tokio::spawn(serve(listener, host.clone()));
        let tenant = host.tenant(TenantId::default());
        let mut channels = Vec::new();
        for account in 0..plan.accounts {
            let name = account_name(account);
            simulator.edit(|world| world.switches.auto_consent.account = Some(name.clone()));
            channels.push((connect(&tenant, None).await?.id, name));
        }
        let mut media = BTreeMap::new();
        for size in [SMALL, MIDDLE, LARGE] {
            media.insert(size, video(folder.path(), size)?);
        }
        let workers = Workers::start(&plan.program, folder.path(), &simulator.origin(), plan.workers)?;
        Ok(Run {
            random: Random(plan.seed),
            plan,
            simulator,
            media,
            folder,
            clock,
            database,
            host,
            tenant,
            channels,
            accepted: BTreeMap::new(),
            ended: BTreeMap::new(),
            workers,
            killed: Vec::new(),
            log: Log::default(),
            moved: Instant::now(),
            undisturbed: 0,
            counts: Counts::default(),
        })
    }

    /// Keeps some jobs open.
    async fn publish(&mut self) -> Result<()> {
        while self.accepted.len() < self.plan.publishes && self.accepted.len() - self.ended.len() < OPEN {
            let number = self.accepted.len();
            let Some((channel, name)) = self.random.pick(&self.channels).cloned() else {
                bail!("no channels")
            };
            if self.tenant.channel(&channel).await?.health == Health::NeedsReconnect {
                self.reconnect(name).await;
                return Ok(());
            }
            let size = match self.random.below(20) {
                0 => LARGE,
                1..5 => MIDDLE,
                _ => SMALL,
            };
            let media = self.media.get(&size).cloned().context("no such video")?;
            let caption = format!("chaos {number}");
            let key = format!("key-{number}");
            let mut post = library_tests::post(&caption);
            let media = if self.random.one_in(6) {
                post.options.insert("transfer".to_owned(), OptionValue::Text("pull".to_owned()));
                let public_url = Some(format!("{MEDIA}/video.mp4"));
                Media { public_url, ..self.media.get(&SMALL).cloned().context("no such video")? }
            } else {
                media
            };
            let now = self.clock.now_ms() / 1000;
            let request = PublishRequest {
                idempotency_key: Some(key.clone()),
                priority: i32::try_from(self.random.below(5))? - 2,
                publish_at: self.random.one_in(5).then_some(now + 20),
                ..PublishRequest::new(post, vec![media])
            };
            let job = match self.tenant.publish(&channel, request.clone()).await {
                // A worker was refused since the check.
                Err(error) if error.kind == ErrorKind::Unauthorized => {
                    self.reconnect(name).await;
                    return Ok(());
                }
                answer => answer.context("a publish was refused")?,
            };
            if self.accepted.contains_key(&job.id) {
                bail!("two publishes became one job {}", job.id);
            }
            self.accepted.insert(job.id, Accepted { caption, key, request, channel });
        }
        Ok(())
    }

    async fn disturb(&mut self) -> Result<()> {
        if self.random.one_in(3) {
            self.arm();
        }
        if self.random.one_in(16) {
            let index = self.random.below(self.workers.count());
            if self.workers.is_ready(index) {
                self.freeze(index).await?;
                self.workers.kill(index)?;
            }
        }
        if self.random.one_in(100) {
            let index = self.random.below(self.workers.count());
            self.workers.stop(index, TAKEOVER + Duration::from_secs(2))?;
        }
        // Drawn for every database, so that the rest of the plan is the same.
        let (kill, cut) = (self.random.one_in(60), self.random.one_in(40));
        if kill && self.database.kill()? {
            self.counts.database_kills += 1;
        }
        if cut && self.database.cut()? {
            self.counts.cuts += 1;
        }
        if self.random.one_in(150) {
            self.counts.swaps += 1;
            let component = swapped(&component("plugin_tiktok")?, self.counts.swaps);
            self.host.load_provider(&component).await?;
        }
        if self.random.one_in(60) {
            let open: Vec<&String> = self.open();
            if let Some(id) = self.random_open(&open) {
                self.counts.cancels += 1;
                self.tenant.cancel_job(&id).await?;
            }
        }
        if self.random.one_in(40) {
            let open: Vec<&String> = self.open();
            if let Some(id) = self.random_open(&open)
                && let Some(accepted) = self.accepted.get(&id)
            {
                let again = self.tenant.publish(&accepted.channel, accepted.request.clone()).await?;
                if again.id != id {
                    bail!("the key {} made a second job", accepted.key);
                }
            }
        }
        Ok(())
    }

    fn open(&self) -> Vec<&String> {
        self.accepted.keys().filter(|id| !self.ended.contains_key(*id)).collect()
    }

    fn random_open(&self, open: &[&String]) -> Option<String> {
        // Not from the seeded generator, because the set of open jobs is not part of the plan.
        let index = usize::try_from(self.clock.now_ms()).unwrap_or_default() % open.len().max(1);
        open.get(index).map(|id| (*id).clone())
    }

    /// Arms a fault: one request or response will be lost or corrupted.
    fn arm(&mut self) {
        let actions = [
            Action::Reset,
            Action::Reset,
            Action::CutBody { keep: 10 },
            Action::Status { status: 500, code: None, retry_after: None },
            Action::Status { status: 503, code: None, retry_after: Some(2) },
            Action::Html { status: 502 },
            Action::Delay { ms: 700 },
        ];
        let paths = [
            "/v2/post/publish/video/init/",
            "/v2/post/publish/video/init/",
            "/v2/post/publish/status/fetch/",
            "/v2/post/publish/creator_info/query/",
            "/v2/oauth/token/",
            "/upload*",
            "/upload*",
            "/upload*",
        ];
        let (Some(action), Some(path)) = (self.random.pick(&actions), self.random.pick(&paths)) else {
            return;
        };
        let mut fault = Fault::new(action.clone()).path(path);
        // A few per kind of request, so that rare requests do not hold all armed faults.
        let armed = self.simulator.faults().armed();
        if armed.iter().filter(|armed| armed.matches.path == fault.matches.path).count() >= 3 {
            return;
        }
        if self.random.one_in(2) {
            fault = fault.after();
        }
        self.counts.faults += 1;
        self.simulator.faults().add(fault);
    }

    /// Checks the open jobs, acts as a person would, and moves the clock when all jobs wait.
    async fn attend(&mut self) -> Result<()> {
        let open: Vec<String> = self.open().into_iter().cloned().collect();
        let now = self.clock.now_ms() / 1000;
        let (mut busy, mut next) = (0, i64::MAX);
        for id in open {
            let job = self.tenant.job(&id).await?;
            if job.has_ended() {
                self.ended.insert(id, job);
                continue;
            }
            if job.status == JobStatus::Paused {
                self.help(&job).await?;
            }
            match job.next_attempt_at {
                Some(at) if at > now + 2 => next = next.min(at),
                _ => busy += 1,
            }
        }
        let patience = if busy == 0 { Duration::from_millis(300) } else { Duration::from_secs(6) };
        if self.moved.elapsed() > patience && next != i64::MAX && self.workers.are_ready() {
            self.jump(u64::try_from(next - now).unwrap_or_default() + 1).await?;
        }
        Ok(())
    }

    /// What a person does about a paused job.
    async fn help(&mut self, job: &Job) -> Result<()> {
        let kind = job.error.as_ref().map(|error| error.kind);
        if kind != Some(ErrorKind::Unauthorized) {
            bail!("nobody knows what this job waits for: {job:?}");
        }
        let Some((_, name)) = self.channels.iter().find(|(id, _)| *id == job.channel).cloned() else {
            bail!("the channel of {} is gone", job.id);
        };
        self.reconnect(name).await;
        Ok(())
    }

    async fn reconnect(&mut self, name: String) {
        self.counts.reconnects += 1;
        self.simulator.edit(|world| world.switches.auto_consent.account = Some(name));
        // Faults may affect this too; then the person tries again.
        let _ = connect(&self.tenant, None).await;
    }

    async fn jump(&mut self, seconds: u64) -> Result<()> {
        // Sometimes so far that tokens and upload URLs have expired.
        let seconds = if self.random.one_in(2) { seconds.max(7_300) } else { seconds };
        for index in 0..self.workers.count() {
            self.freeze(index).await?;
        }
        self.workers.kill_all()?;
        // Requests in flight arrive with the old time.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.simulator.clock().advance(Duration::from_secs(seconds));
        self.clock.advance(Duration::from_secs(seconds))?;
        self.workers.start_all()?;
        self.moved = Instant::now();
        self.counts.jumps += 1;
        Ok(())
    }

    /// Stops a worker that is about to be killed, and notes which accounts it was refreshing.
    async fn freeze(&mut self, index: usize) -> Result<()> {
        let process = self.workers.freeze(index)?;
        let held = held::refreshed_by(&self.database, self.folder.path(), process).await?;
        let at_ms = self.simulator.clock().now_ms();
        for (channel, account) in &self.channels {
            if held.contains(channel) {
                self.killed.push(KilledRefresh { account: account.clone(), at_ms });
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Verdict> {
        self.simulator.faults().clear();
        // Lets the platform finish its processing.
        self.jump(600).await?;
        self.simulator.world();
        // Results that arrived after a job's end (late evidence) count too.
        for (id, job) in &mut self.ended {
            *job = self.tenant.job(id).await?;
        }
        self.log.harvest(&self.simulator);
        let mut verdict = judge(&self.simulator, &self.log, &self.ended, &self.killed, |id| {
            self.accepted.get(id).map(|accepted| accepted.caption.clone()).unwrap_or_default()
        });
        // A person checks and resolves every unknown job.
        let world = self.simulator.world();
        for (id, job) in self.ended.iter().filter(|(_, job)| job.status == JobStatus::Unknown) {
            let caption = self.accepted.get(id).map(|accepted| accepted.caption.as_str()).unwrap_or_default();
            let posted = judge::posts(&world, caption) > 0;
            let resolved =
                self.tenant.resolve_job(id, Resolution { posted, ..Resolution::default() }).await?;
            let want = if posted { JobStatus::Published } else { JobStatus::Failed };
            if resolved.status != want {
                verdict.faults.push(format!("{} was resolved to {:?}", job.id, resolved.status));
            }
            self.counts.resolved += 1;
        }
        verdict.course = format!(
            "{} kills, {} stops, {:?}, seed {}",
            self.workers.kills, self.workers.stops, self.counts, self.plan.seed
        );
        Ok(verdict)
    }
}

fn account_name(number: usize) -> String {
    format!("chaos.{number}")
}

fn scene(plan: &Plan, here: &str) -> World {
    let mut world = world();
    world.seed = plan.seed;
    world.switches.hash_uploads = false;
    world.switches.processing_ms = 800;
    world.switches.webhook_duplicates = 1;
    world.switches.webhook_reorder = true;
    for number in 0..plan.accounts {
        world.accounts.push(Account {
            username: account_name(number),
            display_name: format!("Chaos {number}"),
            // Twice the ledger's limit, because an init whose response is lost is repeated and counts again.
            daily_post_cap: 30,
            ..Account::default()
        });
    }
    for app in &mut world.apps {
        app.webhook_url = Some(format!("{WEBHOOKS}/webhooks"));
    }
    world.connect_to.insert(WEBHOOKS.to_owned(), here.to_owned());
    world.connect_to.insert(MEDIA.to_owned(), here.to_owned());
    world
}

/// Where the platform delivers webhooks and fetches media.
async fn serve(listener: tokio::net::TcpListener, host: Host) -> Result<()> {
    let webhooks = move |headers: HeaderMap, body: Bytes| async move {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let webhook = Webhook {
            method: "POST".to_owned(),
            query: Vec::new(),
            raw_query: None,
            headers,
            body: body.to_vec(),
        };
        match host.receive_webhook(APP, webhook).await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    let bytes = library_tests::video_bytes(4_096)?;
    let media = move || async move { ([("content-type", "video/mp4")], bytes) };
    let routes = axum::Router::new().route("/webhooks", post(webhooks)).route("/video.mp4", get(media));
    Ok(axum::serve(listener, routes).await?)
}

/// The same provider with another digest: it has an additional, unused custom section at the end.
fn swapped(component: &[u8], number: usize) -> Vec<u8> {
    let name = format!("chaos{number:06}");
    let mut bytes = component.to_vec();
    let length = u8::try_from(name.len()).unwrap_or_default();
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    bytes
}

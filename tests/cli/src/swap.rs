//! Providers that are swapped while posts of two networks are under way: TikTok's by a new version, then by one that
//! fails, then back. TikTok is the simulator; Bluesky is its own server.
//!
//! Every step is the command line, and one worker runs through all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use bluesky_server::{Account, Server};
use serde_json::{Value, json};

use crate::{PATIENCE, Ran, Stage, component, finish, interrupt};

/// TikTok lets an account begin six posts a minute, so a few of them post side by side.
const ACCOUNTS: [&str; 3] = ["demo.kitchen", "swap.baker", "swap.gardener"];

/// What came of it.
#[derive(Debug)]
pub struct Swapped {
    /// The texts of the posts at TikTok, each as often as it is there.
    pub tiktok: Vec<String>,
    /// The same at Bluesky.
    pub bluesky: Vec<String>,
    /// The texts of the posts that were asked for.
    pub asked: Vec<String>,
    /// How often the event log tells each kind.
    pub events: BTreeMap<String, usize>,
}

impl Swapped {
    /// Checks that every post is out once, and that the log tells all of it.
    ///
    /// # Errors
    /// What is missing, or there twice.
    pub fn check(&self) -> Result<()> {
        let mut posted: Vec<&String> = self.tiktok.iter().chain(&self.bluesky).collect();
        let mut asked: Vec<&String> = self.asked.iter().collect();
        posted.sort();
        asked.sort();
        ensure!(posted == asked, "{posted:?} is out, and {asked:?} was asked for");
        let told = |kind: &str| self.events.get(kind).copied().unwrap_or_default();
        ensure!(told("job.published") == asked.len(), "{:?}", self.events);
        ensure!(told("provider.replaced") == 3, "{:?}", self.events);
        ensure!(told("job.failed") + told("job.unknown") + told("job.paused") == 0, "{:?}", self.events);
        Ok(())
    }
}

struct Scene<'a> {
    stage: Stage,
    server: Server,
    account: Account,
    /// Channels of TikTok, and then the one of Bluesky.
    channels: Vec<String>,
    asked: Vec<String>,
    jobs: Vec<String>,
    say: &'a mut (dyn FnMut(&str) + Send),
}

/// Runs it. `say` gets what happens, a line each.
///
/// # Errors
/// When a command fails, or nothing goes on for two minutes.
pub async fn run(say: &mut (dyn FnMut(&str) + Send)) -> Result<Swapped> {
    let mut scene = Scene::prepare(say).await?;
    let worker = scene.stage.command(["work"]).spawn()?;
    let new = scene.version("new.wasm", |bytes| {
        bytes.extend(*b"\0\x04\x03new");
        Ok(())
    })?;
    let failing = scene.version("failing.wasm", |bytes| {
        *bytes = library_tests::failing::trapping(bytes, "#begin-publish")?;
        Ok(())
    })?;

    scene.ask("with the first version").await?;
    scene.replace("a new version of TikTok's provider", &new).await?;
    scene.ask("with the new version").await?;
    scene.replace("a version that fails", &failing).await?;
    let begun = scene.jobs.len();
    scene.ask("with the version that fails").await?;
    let failed = scene.jobs.iter().skip(begun).take(ACCOUNTS.len()).cloned().collect::<Vec<_>>();
    for job in &failed {
        scene.until(job, |job| !job["error"].is_null()).await?;
    }
    scene.tell("each post that met it waits: nothing of it was sent");
    let back = scene.stage.say("providers rollback tiktok").await?.done();
    scene.tell(&format!("rolled back: {}", first_line(&back)));
    scene.ask("after it").await?;
    for job in scene.jobs.clone() {
        scene.until(&job, |job| job["status"] == "published").await?;
    }
    interrupt(&worker).await?;
    finish(worker).await?.done();
    scene.outcome().await
}

impl<'a> Scene<'a> {
    async fn prepare(say: &'a mut (dyn FnMut(&str) + Send)) -> Result<Self> {
        let server = tokio::task::spawn_blocking(Server::start).await??;
        say(&format!("Bluesky's own server: {}", server.pds));
        let stage = Stage::empty().await?;
        stage.simulator.edit(|world| {
            // Long enough that a post is under way when the provider is replaced.
            world.switches.processing_ms = 2_000;
            let more = ACCOUNTS.iter().filter(|name| world.accounts.iter().all(|it| it.username != **name));
            let more: Vec<_> = more
                .map(|name| tiktok_simulator::Account { username: (*name).to_owned(), ..Default::default() })
                .collect();
            world.accounts.extend(more);
        });
        say(&format!("a TikTok of our own: {}", stage.simulator.origin()));
        let mut policy: Value = serde_json::from_slice(&std::fs::read(stage.path("policy.json"))?)?;
        // Bluesky's server is on this machine.
        policy["allow_private_networks"] = json!(true);
        std::fs::write(stage.path("policy.json"), policy.to_string())?;
        stage.video(400_000)?;
        stage.add_app().await?;
        let (name, server, account) = tokio::task::spawn_blocking(move || {
            let name = format!("cook{}", std::process::id());
            let account = server.account(&name);
            (name, server, account)
        })
        .await?;
        let account = account.with_context(|| format!("the account {name}"))?;
        let bluesky = component("provider_bluesky")?;
        stage.run(["providers", "add", &bluesky.display().to_string()]).await?.done();
        let (pds, plc) = (server.pds.clone(), server.plc.clone());
        let add = "apps add bluesky --provider bluesky --callback http://127.0.0.1:*/callback";
        stage
            .say(&format!("{add} --grant {pds} --grant {plc} --set service={pds} --set directory={plc}"))
            .await?
            .done();
        let mut channels = Vec::new();
        for name in ACCOUNTS {
            stage.simulator.edit(|world| world.switches.auto_consent.account = Some(name.to_owned()));
            channels.push(id(&stage.connect(&[]).await?.done())?);
        }
        let connect =
            format!("connect bluesky --input handle={} --input app-password --format json", account.handle);
        let password = format!("{}\n", account.app_password);
        channels.push(id(&stage.type_in(&connect, &password).await?.done())?);
        say("connected: three accounts of TikTok, one of Bluesky");
        Ok(Scene { stage, server, account, channels, asked: Vec::new(), jobs: Vec::new(), say })
    }

    fn tell(&mut self, line: &str) {
        (self.say)(line);
    }

    /// Stores posts of every account, which the worker takes at once.
    async fn ask(&mut self, when: &str) -> Result<()> {
        for (place, channel) in self.channels.clone().iter().enumerate() {
            let text = format!("soup {place} {when}");
            let mut words = vec!["publish", channel];
            if place < ACCOUNTS.len() {
                words.extend(["clip.mp4", "--visibility", "SELF_ONLY"]);
            }
            words.extend(["--text", &text, "--no-wait", "--format", "json"]);
            let job = self.stage.run(words).await?.done();
            self.jobs.push(id(&job)?);
            self.asked.push(text);
        }
        self.tell(&format!("asked for {} posts {when}", self.channels.len()));
        Ok(())
    }

    /// TikTok's provider with other bytes.
    fn version(&self, name: &str, change: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<PathBuf> {
        let mut bytes = std::fs::read(component("plugin_tiktok")?)?;
        change(&mut bytes)?;
        let path = self.stage.path(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    async fn replace(&mut self, what: &str, with: &Path) -> Result<()> {
        let added = self.stage.run(["providers", "add", &with.display().to_string()]).await?.done();
        self.tell(&format!(
            "installed {what}, while {} posts are under way: {}",
            self.open().await?,
            first_line(&added)
        ));
        Ok(())
    }

    async fn open(&self) -> Result<usize> {
        let mut open = 0;
        for job in &self.jobs {
            open += usize::from(self.job(job).await?["status"] == "active");
        }
        Ok(open)
    }

    async fn job(&self, job: &str) -> Result<Value> {
        Ok(self.stage.say(&format!("jobs show {job} --format json")).await?.done().json())
    }

    async fn until(&self, job: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let now = self.job(job).await?;
            if holds(&now) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= end {
                bail!("a job does not go on: {now:#}");
            }
        }
    }

    async fn outcome(self) -> Result<Swapped> {
        let Scene { stage, server, account, asked, say, .. } = self;
        let tiktok: Vec<String> = {
            let world = stage.simulator.world();
            world.published().iter().map(|post| post.caption.clone()).collect()
        };
        let records = tokio::task::spawn_blocking(move || server.records(&account.did)).await??;
        let text = |record: &Value| record["value"]["text"].as_str().map(str::to_owned);
        let bluesky: Vec<String> = records.iter().filter_map(text).collect();
        let page = stage.say("events --limit 200 --format json").await?.done().json();
        let mut events = BTreeMap::new();
        for event in page["events"].as_array().into_iter().flatten() {
            *events.entry(event["type"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let distinct: BTreeSet<&String> = tiktok.iter().chain(&bluesky).collect();
        say(&format!(
            "out: {} posts at TikTok and {} at Bluesky, {} different ones of {} that were asked for",
            tiktok.len(),
            bluesky.len(),
            distinct.len(),
            asked.len()
        ));
        for (kind, number) in &events {
            say(&format!("   {number:4} {kind}"));
        }
        Ok(Swapped { tiktok, bluesky, asked, events })
    }
}

/// The id in the answer of a command.
fn id(ran: &Ran) -> Result<String> {
    ran.json()["id"].as_str().map(str::to_owned).context("an id is missing")
}

fn first_line(ran: &Ran) -> &str {
    ran.stdout.lines().next().unwrap_or_default()
}

//! What posts for tomorrow cost a service today, over HTTP: storing one more, reading one, a list, an idle process with
//! workers; and what one job costs when all are due at once. The service is a process of its own.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use library_tests::{PATIENCE, Stage, builder, video_bytes};
use reqwest::Method;
use serde_json::{Value, json};
use social_channel::{Clock as _, MovedClock};
use social_channel_server::{Access, Config, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::scheduled::processor;
use crate::{connect_all, fast_world_of, median};

/// So many more are stored, read and published for a figure.
const SAMPLE: usize = 100;
/// Enough that no job of the sample waits for the provider's limit of six inits per minute and account.
const ACCOUNTS: usize = 50;
/// Requests at once while the others are stored.
const HANDS: usize = 8;
const IDLE: Duration = Duration::from_secs(10);
const DAY: u64 = 86_400;

/// A table with a line for each count; the defaults take the better part of an hour in a debug build.
pub(crate) async fn measure(counts: &[String]) -> Result<()> {
    let counts: Vec<usize> = match counts {
        [] => vec![5_000, 50_000],
        counts => counts.iter().map(|count| count.parse()).collect::<Result<_, _>>().context("a count")?,
    };
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("Over HTTP, {build} build; medians of {SAMPLE}.\n");
    println!(
        "| scheduled posts | store one more | read one | list | idle processor | memory | one job, all due |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for count in counts {
        println!("{}", one(count).await?);
    }
    Ok(())
}

async fn one(count: usize) -> Result<String> {
    let stage = Stage::in_world(fast_world_of(ACCOUNTS), |builder| builder.background(false)).await?;
    let channels = connect_all(&stage, ACCOUNTS).await?;
    let key = Access::of(&stage.host).create_api_key("bench", None).await?.text.expose().to_owned();
    let mut service = Service::start(&stage, "serve", key).await?;
    let upload = service.upload().await?;
    let post = |number: usize| {
        let channel = channels.get(number % ACCOUNTS).map_or("", String::as_str);
        service.schedule(channel, &upload, number)
    };
    // The others before the sample.
    let filled: Vec<String> = futures::stream::iter(0..count.saturating_sub(SAMPLE))
        .map(post)
        .buffer_unordered(HANDS)
        .try_collect()
        .await?;
    let (mut storing, mut reading, mut listing) = (Vec::new(), Vec::new(), Vec::new());
    for number in filled.len()..filled.len() + SAMPLE {
        let begun = Instant::now();
        let job = post(number).await?;
        storing.push(begun.elapsed());
        let begun = Instant::now();
        service.call(Method::GET, &format!("jobs/{job}"), Value::Null).await?;
        reading.push(begun.elapsed());
        let begun = Instant::now();
        service.call(Method::GET, "jobs", Value::Null).await?;
        listing.push(begun.elapsed());
    }
    let before = processor(service.pid)?;
    tokio::time::sleep(IDLE).await;
    let idle = processor(service.pid)?.saturating_sub(before);
    let memory = service.memory()?;
    stage.simulator.clock().advance(Duration::from_secs(DAY));
    let begun = Instant::now();
    service.advance(DAY).await?;
    while stage.simulator.world().published().len() < SAMPLE {
        if begun.elapsed() > PATIENCE {
            bail!("the jobs are due, and {} are published", stage.simulator.world().published().len());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let each = begun.elapsed() / u32::try_from(SAMPLE)?;
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Ok(format!(
        "| {count} | {} | {} | {} | {:.1} % | {} MiB | {} |",
        ms(median(storing)),
        ms(median(reading)),
        ms(median(listing)),
        100.0 * idle.as_secs_f64() / IDLE.as_secs_f64(),
        memory >> 10,
        ms(each),
    ))
}

/// The measured process, which ends with this.
pub(crate) struct Service {
    pub(crate) at: String,
    key: String,
    client: reqwest::Client,
    pid: u32,
    input: ChildStdin,
    _child: Child,
}

impl Service {
    /// `what`: the child's work, which is this service or another server.
    pub(crate) async fn start(stage: &Stage, what: &str, key: String) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("child")
            .arg(stage.folder.path())
            .arg(stage.simulator.origin())
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("it has no output")?).lines();
        let at = tokio::time::timeout(PATIENCE, lines.next_line()).await??.context("it does not listen")?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Service {
            at,
            key,
            client: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?,
            pid: child.id().context("it has ended")?,
            input: child.stdin.take().context("it has no input")?,
            _child: child,
        })
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let request =
            self.client.request(method, format!("{}/api/v1/{path}", self.at)).bearer_auth(&self.key);
        let request = match body {
            Value::Null => request,
            body => request.header("content-type", "application/json").body(body.to_string()),
        };
        Self::answer(request).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{status}: {body}");
        }
        Ok(serde_json::from_str(&body)?)
    }

    /// The media of all posts.
    async fn upload(&self) -> Result<String> {
        let request = self.client.post(format!("{}/api/v1/uploads", self.at)).bearer_auth(&self.key);
        let upload = Self::answer(request.body(video_bytes(4_096)?)).await?;
        let id = id_of(&upload)?;
        self.call(Method::PATCH, &format!("uploads/{id}"), json!({"held": true})).await?;
        Ok(id)
    }

    async fn schedule(&self, channel: &str, upload: &str, number: usize) -> Result<String> {
        let tomorrow = MovedClock::default().now_ms() / 1_000 + i64::try_from(DAY)? - 400;
        let body = json!({
            "post": {"kind": "video", "text": format!("post {number}"), "visibility": "PUBLIC_TO_EVERYONE"},
            "media": [{"upload": upload}],
            "publish_at": tomorrow,
        });
        id_of(&self.call(Method::POST, &format!("channels/{channel}/jobs"), body).await?)
    }

    /// Moves its clock.
    async fn advance(&mut self, seconds: u64) -> Result<()> {
        self.input.write_all(format!("{seconds}\n").as_bytes()).await?;
        Ok(())
    }

    /// Resident KiB.
    fn memory(&self) -> Result<u64> {
        crate::resident(self.pid, "VmRSS:")
    }
}

fn id_of(answer: &Value) -> Result<String> {
    let id = answer.get("id").and_then(Value::as_str);
    Ok(id.with_context(|| format!("no id: {answer}"))?.to_owned())
}

/// The service itself: prints its address, moves its clock by the seconds of each line, and ends with its input.
pub(crate) async fn serve(folder: &std::path::Path, origin: &str) -> Result<()> {
    let config = Config { listen: vec!["127.0.0.1:0".parse()?], stop_seconds: 1, ..Config::default() };
    let server = Server::bind(config).await?;
    let clock = Arc::new(MovedClock::default());
    let host = server.prepare(builder(folder, origin)?.clock(clock.clone()))?.open().await?;
    println!("{}", server.address().context("the service has no address")?);
    let ended = async {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            clock.advance(Duration::from_secs(line.parse().unwrap_or_default()));
        }
    };
    Ok(server.run(host, ended).await?)
}

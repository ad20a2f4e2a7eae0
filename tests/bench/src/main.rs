//! `cargo xtask bench`: the cost of the component, compared with native code in the same run.
//!
//! The platform is the simulator in this process; the measured code runs in child processes (memory, start) or
//! in this process (latency, throughput), alternating between the host and plain reqwest with the same
//! requests.

mod call;
mod jobs;
mod native;
mod peer;
mod requests;
mod scheduled;
mod service;
mod table;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use library_tests::database::choose;
use library_tests::{Stage, builder, component, connect, request, video, world};
use serde_json::json;
use social_channel::{JobStatus, TenantId};
use tiktok_simulator::{Account, Action, Fault, World};

use crate::table::{Figure, Table};

const GIB: u64 = 1 << 30;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        return child(arguments.get(1..).unwrap_or_default()).await;
    }
    if let [first, folder, origin] = arguments.as_slice()
        && first == "connect"
    {
        return peer::connect(std::path::Path::new(folder), origin).await;
    }
    let only = arguments.first().map(String::as_str);
    // Only when it is named: it takes long.
    if only == Some("service") {
        return service::measure(arguments.get(1..).unwrap_or_default()).await;
    }
    if only == Some("call") {
        return call::measure(arguments.get(1..).unwrap_or_default()).await;
    }
    // With a table of its own, and each row takes half a minute.
    if only == Some("jobs") {
        return jobs::measure(arguments.get(1..).unwrap_or_default()).await;
    }
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut table = Table::begin();
    if wanted("profile") {
        profile(&mut table).await?;
    }
    if wanted("upload") {
        upload(&mut table).await?;
    }
    if wanted("memory") {
        memory(&mut table).await?;
    }
    if wanted("start") {
        start(&mut table).await?;
    }
    if wanted("concurrent") {
        concurrent(&mut table).await?;
    }
    if wanted("requests") {
        requests::measure(&mut table).await?;
    }
    if wanted("scheduled") {
        scheduled::measure(&mut table).await?;
    }
    // Beside the program, which is in the target folder.
    table.write(&std::env::current_exe()?.with_file_name("bench.json"))
}

/// No limits and no waiting, because the platform is not measured.
fn fast_world() -> World {
    let mut world = world();
    world.switches.rate_limit_divisor = 0;
    world.switches.hash_uploads = false;
    world.switches.processing_ms = 0;
    world.switches.processing_polls = 0;
    world
}

/// The same with additional accounts.
fn fast_world_of(accounts: usize) -> World {
    let mut world = fast_world();
    world
        .accounts
        .extend((0..accounts).map(|number| Account { username: name(number), ..Account::default() }));
    world
}

fn name(account: usize) -> String {
    format!("bench.{account}")
}

/// Connects the accounts of [`fast_world_of`]; returns their channels.
async fn connect_all(stage: &Stage, accounts: usize) -> Result<Vec<String>> {
    let mut channels = Vec::new();
    for account in 0..accounts {
        stage.simulator.edit(|world| world.switches.auto_consent.account = Some(name(account)));
        channels.push(connect(&stage.tenant, None).await?.id);
    }
    Ok(channels)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn profile(table: &mut Table) -> Result<()> {
    // Enough accounts that the provider's limit of 600 a minute and account refuses nothing.
    const ACCOUNTS: usize = 8;
    const ROUNDS: usize = 1_000;
    let stage = Stage::in_world(fast_world_of(ACCOUNTS), |builder| builder).await?;
    let channels = connect_all(&stage, ACCOUNTS).await?;
    let native = native::Client::new(&stage.simulator.origin())?;
    let token = native.token(&stage).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (round, channel) in channels.iter().cycle().take(ROUNDS + 100).enumerate() {
        let begun = Instant::now();
        stage.tenant.profile(channel).await?;
        let host = begun.elapsed();
        let begun = Instant::now();
        native.profile(&token).await?;
        let alone = begun.elapsed();
        // The first hundred warm connections and caches.
        if round >= 100 {
            ours.push(host);
            theirs.push(alone);
        }
    }
    let (ours, theirs) = (Figure::micros(&ours), Figure::micros(&theirs));
    let added = ours.median - theirs.median;
    let goal = format!("<= 100 µs added; added {added:.0} µs");
    table.row("one `profile` call", &ours, Some(&theirs), &goal, added <= 100.0);
    Ok(())
}

async fn upload(table: &mut Table) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let stage = Stage::in_world(fast_world(), |builder| builder).await?;
    let channel = stage.connect().await?.id;
    let native = native::Client::new(&stage.simulator.origin())?;
    let token = native.token(&stage).await?;
    let media = stage.video(GIB)?;
    for _ in 0..5 {
        let before = stage.simulator.log().len();
        let job = stage.publish(&channel, media.clone()).await?;
        if job.status != JobStatus::Published {
            bail!("the upload failed: {job:?}");
        }
        // From the first byte to the last response, without waiting for the final status.
        ours.push(native::upload_time(&stage, before)?);
        let before = stage.simulator.log().len();
        native.upload(&token, &stage.folder.path().join(format!("video-{GIB}.mp4")), GIB).await?;
        theirs.push(native::upload_time(&stage, before)?);
    }
    let rate = |times: &[Duration]| Figure::rate(times, GIB as f64 / 1e6, "MB/s");
    let (ours, theirs) = (rate(&ours), rate(&theirs));
    let ratio = ours.median / theirs.median;
    let goal = format!(">= 0.95; is {ratio:.2}");
    table.row("upload of 1 GiB, each chunk's step stored", &ours, Some(&theirs), &goal, ratio >= 0.95);
    Ok(())
}

async fn memory(table: &mut Table) -> Result<()> {
    let stage = Stage::in_world(fast_world(), |builder| builder).await?;
    let channel = stage.connect().await?.id;
    let mut peaks = Vec::new();
    for size in [GIB, 4_000_000_000] {
        let facts = run_child(&stage, &["publish", &channel, &size.to_string()])?;
        peaks.push((facts.idle, facts.peak));
    }
    let above: Vec<u64> = peaks.iter().map(|(idle, peak)| peak.saturating_sub(*idle) / 1024).collect();
    let told = format!("{} / {} MiB", above.first().unwrap_or(&0), above.get(1).unwrap_or(&0));
    table.row(
        "peak memory above idle, upload of 1 GiB / 4 GB",
        &Figure::told(told, json!({"mebibytes": above})),
        None,
        "<= 64 MiB, flat",
        above.iter().all(|mib| *mib <= 64),
    );
    Ok(())
}

async fn start(table: &mut Table) -> Result<()> {
    let stage = Stage::in_world(fast_world(), |builder| builder).await?;
    let channel = stage.connect().await?.id;
    run_child(&stage, &["profile", &channel])?;
    let mut times = Vec::new();
    for _ in 0..11 {
        times.push(run_child(&stage, &["profile", &channel])?.first_answer);
    }
    let time = Figure::of(times.iter().map(|time| time.as_secs_f64() * 1e3).collect(), "ms");
    table.row("process start to first answer, code cache warm", &time, None, "<= 50 ms", time.median <= 50.0);
    Ok(())
}

async fn concurrent(table: &mut Table) -> Result<()> {
    const CALLS: usize = 1_000;
    // Enough accounts that no call waits for the provider's limit of 600 per minute and account.
    const ACCOUNTS: usize = 40;
    const TURNS: usize = 5;
    let stage = Stage::in_world(fast_world_of(ACCOUNTS), |builder| builder).await?;
    let channels = connect_all(&stage, ACCOUNTS).await?.join(",");
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 50 }).path("/v2/user/info/").times(0));
    let token = native::Client::new(&stage.simulator.origin())?.token(&stage).await?;
    let (mut ours, mut theirs, mut each) = (Vec::new(), Vec::new(), 0);
    // In turns, and both as processes of their own.
    for _ in 0..TURNS {
        let facts = run_child(&stage, &["concurrent", &channels, &CALLS.to_string(), "1"])?;
        each = each.max(facts.peak.saturating_sub(facts.idle) / CALLS as u64);
        ours.push(facts.round);
        theirs.push(run_child(&stage, &["concurrent-native", &token, &CALLS.to_string()])?.round);
    }
    let rate = |times: &[Duration]| Figure::rate(times, CALLS as f64, "calls/s");
    let (ours, theirs) = (rate(&ours), rate(&theirs));
    let ratio = ours.median / theirs.median;
    let goal = format!(">= 0.8 and <= 256 KiB a call; is {ratio:.2} and {each} KiB");
    table.row(
        "1,000 calls at once, server takes 50 ms",
        &ours,
        Some(&theirs),
        &goal,
        ratio >= 0.8 && each <= 256,
    );
    Ok(())
}

/// The measurements of a child process.
#[derive(Debug, Default)]
struct Facts {
    /// Resident KiB, open and idle.
    idle: u64,
    /// Highest resident KiB.
    peak: u64,
    /// From the start of the process to its first response.
    first_answer: Duration,
    /// One round of concurrent calls, median.
    round: Duration,
}

fn run_child(stage: &Stage, what: &[&str]) -> Result<Facts> {
    let begun = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    let output = Command::new(std::env::current_exe()?)
        .arg("child")
        .arg(stage.folder.path())
        .arg(stage.simulator.origin())
        .args(what)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the child process failed: {}", output.status);
    }
    let mut facts = Facts::default();
    for line in String::from_utf8(output.stdout)?.lines() {
        let (name, value) = line.split_once(' ').context("a child's line has a name and a value")?;
        let value: u128 = value.parse()?;
        match name {
            "idle" => facts.idle = u64::try_from(value)?,
            "peak" => facts.peak = u64::try_from(value)?,
            "answered" => {
                facts.first_answer = Duration::from_nanos(u64::try_from(value.saturating_sub(begun))?)
            }
            "round" => facts.round = Duration::from_nanos(u64::try_from(value)?),
            other => bail!("a child says {other}"),
        }
    }
    Ok(facts)
}

/// The measured process.
async fn child(arguments: &[String]) -> Result<()> {
    let argument = |index: usize| arguments.get(index).map(String::as_str).context("an argument is missing");
    let folder = std::path::Path::new(argument(0)?);
    if argument(2)? == "serve" {
        return service::serve(folder, argument(1)?).await;
    }
    if argument(2)? == "serve-bare" {
        return requests::serve_bare().await;
    }
    if argument(2)? == "concurrent-native" {
        return concurrent_native(argument(1)?, argument(3)?, argument(4)?.parse()?).await;
    }
    let host = choose(builder(folder, argument(1)?)?, folder).open().await?;
    let tenant = host.tenant(TenantId::default());
    if argument(2)? == "work" {
        // Until it is killed.
        host.work(None).await?;
        return Ok(());
    }
    let channel = argument(3)?;
    match argument(2)? {
        "peer" => peer::run(&tenant, channel, argument(4)?, argument(5)?).await?,
        "profile" => {
            tenant.profile(channel).await?;
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
            println!("answered {now}");
        }
        "publish" => {
            tenant.profile(channel).await?;
            println!("idle {}", resident(std::process::id(), "VmRSS:")?);
            let media = video(folder, argument(4)?.parse()?)?;
            let job = tenant.publish(channel, request("A test", media)).await?;
            let job = tenant.wait_for_job(&job.id, Duration::from_secs(600)).await?;
            if job.status != JobStatus::Published {
                bail!("the upload failed: {job:?}");
            }
            println!("peak {}", resident(std::process::id(), "VmHWM:")?);
        }
        "concurrent" => {
            let (calls, rounds): (usize, usize) = (argument(4)?.parse()?, argument(5)?.parse()?);
            let channels: Vec<&str> = channel.split(',').collect();
            tenant.profile(channels.first().context("no channel")?).await?;
            println!("idle {}", resident(std::process::id(), "VmRSS:")?);
            let mut times = Vec::new();
            for _ in 0..rounds {
                let begun = Instant::now();
                let mut all = tokio::task::JoinSet::new();
                for channel in channels.iter().cycle().take(calls) {
                    let (tenant, channel) = (tenant.clone(), (*channel).to_owned());
                    all.spawn(async move { tenant.profile(&channel).await });
                }
                while let Some(call) = all.join_next().await {
                    call??;
                }
                times.push(begun.elapsed());
            }
            println!("round {}", median(times).as_nanos());
            println!("peak {}", resident(std::process::id(), "VmHWM:")?);
        }
        other => bail!("unknown: {other}"),
    }
    // Keeps the component loaded until here.
    debug_assert!(component("plugin_tiktok").is_ok());
    Ok(())
}

/// One round of calls at once, after one that warms up.
async fn concurrent_native(origin: &str, token: &str, calls: usize) -> Result<()> {
    let native = native::Client::new(origin)?;
    native.profile(token).await?;
    let begun = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..calls {
        let (native, token) = (native.clone(), token.to_owned());
        all.spawn(async move { native.profile(&token).await });
    }
    while let Some(call) = all.join_next().await {
        call??;
    }
    println!("round {}", begun.elapsed().as_nanos());
    Ok(())
}

/// A line of a process's status, in KiB.
fn resident(process: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

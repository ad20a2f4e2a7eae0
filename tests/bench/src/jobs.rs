//! How many jobs a second one to six worker processes run, on each database, and where the time goes. A job is an upload of
//! one chunk of 4 KiB to a platform that completes at once, so that only the cost of the job remains.
//!
//! `jobs [DATABASE...] [--workers N] [--statements] [--socket]`; the last reaches PostgreSQL by its socket, as on one machine.
//! Workers begin with all jobs due. A provider asks for the state of a post five seconds after its
//! upload; a worker runs other jobs meanwhile, and the time after the last upload counts.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use library_tests::database::{self, Database, Kind};
use library_tests::{Stage, request};
use social_channel::JobStatus;

use crate::{connect_all, fast_world_of};

/// Enough accounts that no job waits for the provider's limit of six inits per minute and account.
const ACCOUNTS: usize = 300;
const EACH: usize = 6;
/// Jobs stored at once, as by a busy service.
const WRITERS: usize = 16;

pub(crate) async fn measure(arguments: &[String]) -> Result<()> {
    let mut databases = Vec::new();
    let mut counts = vec![1, 2, 4, 6];
    // Which statements PostgreSQL spends its time on.
    let (mut statements, mut socket) = (false, false);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--workers" => counts = vec![words.next().context("how many workers?")?.parse()?],
            "--statements" => statements = true,
            "--socket" => socket = true,
            name => databases.push(name.to_owned()),
        }
    }
    println!(
        "\n| database | workers | jobs/s | stored/s | a job: workers' CPU | platform's CPU | database and kernel | idle | transactions |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let all = ["sqlite", "postgres", "mariadb"].map(str::to_owned);
    for name in if databases.is_empty() { &all[..] } else { &databases } {
        for workers in &counts {
            run(name, *workers, statements, socket).await?;
        }
    }
    Ok(())
}

async fn run(name: &str, count: usize, statements: bool, socket: bool) -> Result<()> {
    let mut server = None;
    let stage = Stage::in_world_and_folder(fast_world_of(ACCOUNTS), |builder, folder| {
        let settings: &[&str] = if statements {
            &["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=all"]
        } else {
            &[]
        };
        let started = server.insert(Database::start_with(name.parse::<Kind>()?, folder, settings)?);
        if socket {
            started.by_socket(folder)?;
        }
        Ok(database::choose(builder.background(false), folder))
    })
    .await?;
    let media = stage.video(4_096)?;
    let channels = connect_all(&stage, ACCOUNTS).await?;
    let begun = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (tenant, media) = (stage.tenant.clone(), media.clone());
        let channels: Vec<String> = channels.iter().skip(writer).step_by(WRITERS).cloned().collect();
        writers.spawn(async move {
            let mut jobs = Vec::new();
            for number in 0..EACH {
                for channel in &channels {
                    let request = request(&format!("{channel} {number}"), media.clone());
                    jobs.push(tenant.publish(channel, request).await?.id);
                }
            }
            anyhow::Ok(jobs)
        });
    }
    let mut jobs = Vec::new();
    while let Some(stored) = writers.join_next().await {
        jobs.extend(stored??);
    }
    let stored = begun.elapsed();
    if let (true, Some(Database::Postgres(server))) = (statements, &server) {
        server.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")?;
        server.run("SELECT pg_stat_statements_reset()")?;
    }
    let (begun, before) = (Instant::now(), Ticks::now(None)?);
    let workers = Workers::start(&stage, count)?;
    for id in &jobs {
        let job = loop {
            let job = stage.tenant.wait_for_job(id, Duration::from_secs(300)).await?;
            if job.status != JobStatus::Active {
                break job;
            }
        };
        if job.status != JobStatus::Published {
            bail!("a job failed: {job:?}");
        }
    }
    let (time, after) = (begun.elapsed(), Ticks::now(Some(&workers))?);
    let mut steps = 0;
    for id in jobs.iter().step_by(50) {
        steps += stage.tenant.job_history(id).await?.len();
    }
    drop(workers);
    if let (true, Some(Database::Postgres(server))) = (statements, &server) {
        let calls = server.run("SELECT sum(calls) FROM pg_stat_statements WHERE toplevel")?;
        // With the few that look whether a job has ended.
        println!("{:.1} round trips a job", calls.trim().parse::<f64>()? / jobs.len() as f64);
        println!("{}", server.run(
            "SELECT round(total_exec_time::numeric) || ' ms, ' || calls || ' calls, ' || rows || ' rows: ' ||
             regexp_replace(left(query, 150), '\\s+', ' ', 'g') FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 30",
        )?);
    }
    let each = |ticks: u64| format!("{:.1} ms", ticks as f64 * 10.0 / jobs.len() as f64);
    let (ours, platform) = (after.workers, after.own - before.own);
    let busy = after.busy - before.busy;
    println!(
        "| {name} | {count} | {:.1} | {:.0} | {} | {} | {} | {:.0} % | {:.1} |",
        jobs.len() as f64 / time.as_secs_f64(),
        jobs.len() as f64 / stored.as_secs_f64(),
        each(ours),
        each(platform),
        each(busy.saturating_sub(ours + platform)),
        100.0 * (after.idle - before.idle) as f64 / (busy + after.idle - before.idle) as f64,
        steps as f64 / jobs.len().div_ceil(50) as f64,
    );
    Ok(())
}

/// Processor time, in hundredths of a second.
struct Ticks {
    /// Of the whole machine.
    busy: u64,
    idle: u64,
    /// Of this process, in which the platform is simulated.
    own: u64,
    workers: u64,
}

impl Ticks {
    fn now(workers: Option<&Workers>) -> Result<Self> {
        let all = std::fs::read_to_string("/proc/stat")?;
        let all = all.lines().next().context("no processors")?.split_whitespace().skip(1);
        let all: Vec<u64> = all.map(str::parse).collect::<Result<_, _>>()?;
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        let idle = at(3) + at(4);
        let mut used = 0;
        for worker in workers.iter().flat_map(|workers| &workers.0) {
            used += of_process(worker.id())?;
        }
        Ok(Ticks {
            busy: all.iter().take(8).sum::<u64>() - idle,
            idle,
            own: of_process(std::process::id())?,
            workers: used,
        })
    }
}

fn of_process(id: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))?;
    // After the name, which may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("no name")?;
    let times = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(times.sum::<Result<u64, _>>()?)
}

struct Workers(Vec<Child>);

impl Workers {
    fn start(stage: &Stage, count: usize) -> Result<Self> {
        let mut workers = Workers(Vec::new());
        for _ in 0..count {
            let child = Command::new(std::env::current_exe()?)
                .arg("child")
                .arg(stage.folder.path())
                .arg(stage.simulator.origin())
                .arg("work")
                .stdin(Stdio::null())
                .spawn()?;
            workers.0.push(child);
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

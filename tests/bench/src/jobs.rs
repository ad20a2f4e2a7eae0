//! Measures how many jobs per second one SQLite file and six workers can run. Uploads of one chunk of 4 KiB and
//! a platform that completes at once, so that only the cost of the job remains.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use library_tests::{Stage, request};
use social_channel::JobStatus;

use crate::{connect_all, fast_world_of, row};

const WORKERS: usize = 6;
/// Enough accounts that no job waits for the provider's limit of six inits per minute and account.
const ACCOUNTS: usize = 50;
const EACH: usize = 6;

pub(crate) async fn measure() -> Result<()> {
    let stage = Stage::in_world(fast_world_of(ACCOUNTS), |builder| builder.background(false)).await?;
    let media = stage.video(4_096)?;
    let mut jobs = Vec::new();
    let mut stored = Duration::ZERO;
    for channel in connect_all(&stage, ACCOUNTS).await? {
        for number in 0..EACH {
            let begun = Instant::now();
            let request = request(&format!("{channel} {number}"), media.clone());
            jobs.push(stage.tenant.publish(&channel, request).await?.id);
            stored += begun.elapsed();
        }
    }
    let begun = Instant::now();
    let workers = Workers::start(&stage)?;
    let mut steps = 0;
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
        steps += stage.tenant.job_history(id).await?.len();
    }
    let time = begun.elapsed();
    drop(workers);
    let rate = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
    row(
        "publish jobs of one chunk, one file, six workers",
        &format!("{:.1}/s; storing alone {:.0}/s", rate(jobs.len(), time), rate(jobs.len(), stored)),
        "-",
        &format!("noted; {:.1} steps a job, each one transaction", steps as f64 / jobs.len() as f64),
        true,
    );
    Ok(())
}

struct Workers(Vec<Child>);

impl Workers {
    fn start(stage: &Stage) -> Result<Self> {
        let mut workers = Workers(Vec::new());
        for _ in 0..WORKERS {
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

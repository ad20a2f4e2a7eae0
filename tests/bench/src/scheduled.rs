//! What posts for tomorrow cost today: storing one more, reading one, a list, an idle process; and what one job costs when
//! all are due at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use library_tests::{Stage, request};
use serde_json::json;
use social_channel::model::Media;
use social_channel::{Clock as _, MovedClock, PublishRequest};

use crate::table::{Figure, Table};
use crate::{connect_all, fast_world_of, median};

/// So many more are stored, read and published for a figure.
const SAMPLE: usize = 100;
/// Enough that no job of the sample waits for the provider's limit of six inits per minute and account.
const ACCOUNTS: usize = 50;
const FEW: usize = 500;
const IDLE: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// Posts for tomorrow, stored in one host.
struct Scheduled {
    clock: Arc<MovedClock>,
    stage: Stage,
    channels: Vec<String>,
    media: Media,
    stored: usize,
}

impl Scheduled {
    async fn new() -> Result<Self> {
        let clock = Arc::new(MovedClock::default());
        let ours = clock.clone();
        let stage =
            Stage::in_world(fast_world_of(ACCOUNTS), |builder| builder.clock(ours).background(false)).await?;
        let channels = connect_all(&stage, ACCOUNTS).await?;
        let media = stage.video(4_096)?;
        Ok(Scheduled { clock, stage, channels, media, stored: 0 })
    }

    /// Stores one more; returns its id.
    async fn store(&mut self) -> Result<String> {
        let channel = self.channels.get(self.stored % ACCOUNTS).context("no account")?;
        let tomorrow = self.clock.now_ms() / 1_000 + 86_000;
        let post = PublishRequest {
            publish_at: Some(tomorrow),
            ..request(&format!("post {}", self.stored), self.media.clone())
        };
        self.stored += 1;
        Ok(self.stage.tenant.publish(channel, post).await?.id)
    }

    /// All are due: the time from one that is published to the next.
    async fn each_when_due(self) -> Result<Duration> {
        self.stage.advance(&self.clock, DAY);
        let host = self.stage.host.clone();
        let begun = Instant::now();
        let working = tokio::spawn(async move { host.work(None).await });
        while self.stage.simulator.world().published().len() < SAMPLE {
            if working.is_finished() {
                bail!("the worker ended: {:?}", working.await?.err());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let each = begun.elapsed() / u32::try_from(SAMPLE)?;
        working.abort();
        Ok(each)
    }
}

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let mut few = Scheduled::new().await?;
    while few.stored < FEW {
        few.store().await?;
    }
    let few = few.each_when_due().await?;
    let mut scheduled = Scheduled::new().await?;
    for count in [FEW, 5_000, 50_000] {
        let mut posting = Vec::new();
        let mut last = None;
        while scheduled.stored < count {
            let begun = Instant::now();
            last = Some(scheduled.store().await?);
            posting.push(begun.elapsed());
        }
        let last = last.context("nothing was stored")?;
        let posting = median(posting.split_off(posting.len().saturating_sub(SAMPLE)));
        let (mut reading, mut listing) = (Vec::new(), Vec::new());
        for _ in 0..SAMPLE {
            let begun = Instant::now();
            scheduled.stage.tenant.job(&last).await?;
            reading.push(begun.elapsed());
            let begun = Instant::now();
            scheduled.stage.tenant.jobs(None, None, 50).await?;
            listing.push(begun.elapsed());
        }
        let idle = {
            let host = scheduled.stage.host.clone();
            let working = tokio::spawn(async move { host.work(None).await });
            let before = processor(std::process::id())?;
            tokio::time::sleep(IDLE).await;
            let used = processor(std::process::id())?.saturating_sub(before);
            working.abort();
            let _aborted = working.await;
            100.0 * used.as_secs_f64() / IDLE.as_secs_f64()
        };
        let times = [posting, median(reading), median(listing)];
        let told = times.map(ms).join(", ");
        table.row(
            &format!("{count} scheduled posts: one more, read one, list"),
            &Figure::told(told, json!({"seconds": times.map(|time| time.as_secs_f64()), "idle": idle})),
            None,
            &format!("the same at each count; a process with workers uses {idle:.1} % while idle"),
            idle < 5.0,
        );
    }
    let many = scheduled.each_when_due().await?;
    let times = [few, many];
    table.row(
        &format!("{FEW} and 50000 due at once: one job"),
        &Figure::told(times.map(ms).join(", "), json!({"seconds": times.map(|time| time.as_secs_f64())})),
        None,
        "the same at each count",
        many.as_secs_f64() < 1.5 * few.as_secs_f64(),
    );
    Ok(())
}

/// How much processor time a process has used.
pub(crate) fn processor(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in hundredths of a second; the first two end with the parenthesis.
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

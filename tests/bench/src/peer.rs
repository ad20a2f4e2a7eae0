//! Social Channel as a peer of `peers`: the same work as the others, said as they say it, in one line of JSON.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use library_tests::{APP, app_config, builder, component, request};
use serde_json::json;
use social_channel::model::Media;
use social_channel::{JobStatus, Tenant, TenantId};

use crate::resident;

/// Calls under way at the same moment, as of every peer.
const AT_ONCE: usize = 64;

/// Makes a data folder with one account of the platform at `origin`, and prints its channel.
pub(crate) async fn connect(folder: &Path, origin: &str) -> Result<()> {
    let host = builder(folder, origin)?.open().await?;
    host.load_provider(&component("plugin_tiktok")?).await?;
    host.put_app(APP, app_config()).await?;
    println!("{}", library_tests::connect(&host.tenant(TenantId::default()), None).await?.id);
    Ok(())
}

/// `profile N`, `at-once N` or `upload FILE`.
pub(crate) async fn run(tenant: &Tenant, channel: &str, work: &str, value: &str) -> Result<()> {
    tenant.profile(channel).await?;
    let idle = resident(std::process::id(), "VmRSS:")?;
    let begun = Instant::now();
    match work {
        "profile" => {
            let count: usize = value.parse()?;
            let mut times = Vec::new();
            for _ in 0..count {
                let begun = Instant::now();
                tenant.profile(channel).await?;
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            // The first tenth warms up.
            println!("{}", json!({"micros": times.split_off(count / 10)}));
            return Ok(());
        }
        "at-once" => {
            futures::stream::iter(0..value.parse::<usize>()?)
                .map(|_| tenant.profile(channel))
                .buffer_unordered(AT_ONCE)
                .try_collect::<Vec<_>>()
                .await?;
        }
        "upload" => {
            let job = tenant.publish(channel, request("a peer", Media::file(value))).await?;
            let size = std::fs::metadata(value)?.len();
            loop {
                let job = tenant.job(&job.id).await?;
                match job.status {
                    JobStatus::Active if job.bytes_sent < size => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    JobStatus::Active | JobStatus::Published => break,
                    _ => bail!("the upload failed: {job:?}"),
                }
            }
        }
        other => bail!("{other} is no work"),
    }
    let peak = resident(std::process::id(), "VmHWM:")?.saturating_sub(idle);
    println!("{}", json!({"seconds": begun.elapsed().as_secs_f64(), "peak_kib": peak}));
    Ok(())
}

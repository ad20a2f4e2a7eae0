//! A separate process on a test's database, which tests may kill:
//! `library-process FOLDER ORIGIN work | publish CHANNEL SIZE | profile CHANNEL TIMES`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use library_tests::{builder, request, video};
use social_channel::TenantId;

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::var_os("SOCIAL_CHANNEL_LOG").is_some() {
        let wanted = std::env::var("SOCIAL_CHANNEL_LOG").unwrap_or_default();
        let limits = social_channel::LOG_LIMITS;
        let filter = tracing_subscriber::EnvFilter::new(format!("{wanted},{limits}"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or_else(|| anyhow!("missing: {what}"));
    let folder = PathBuf::from(next("folder")?);
    let origin = next("origin")?;
    let host = builder(&folder, &origin)?.open().await?;
    let tenant = host.tenant(TenantId::default());
    match next("what to do")?.as_str() {
        "work" => {
            println!("working");
            host.work(None).await?;
        }
        "publish" => {
            let channel = next("channel")?;
            let size = next("size")?.parse()?;
            let job = tenant.publish(&channel, request("A test", video(&folder, size)?)).await?;
            println!("{}", job.id);
            tenant.wait_for_job(&job.id, library_tests::PATIENCE).await?;
        }
        "profile" => {
            let channel = next("channel")?;
            let times: usize = next("times")?.parse()?;
            let mut calls = Vec::new();
            for _ in 0..times {
                let (tenant, channel) = (tenant.clone(), channel.clone());
                calls.push(tokio::spawn(async move { tenant.profile(&channel).await }));
            }
            for call in calls {
                call.await?.context("a profile call failed")?;
            }
        }
        other => bail!("unknown: {other}"),
    }
    Ok(())
}

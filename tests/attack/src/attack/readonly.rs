//! The data folder becomes read-only while the service runs, and writable again later.
//!
//! By a mount that only the service sees. A file that is open for writing stays so; a write that fails makes the service
//! open the database again, and then it finds what an operator's mistake leaves: a folder that it may only read.

use anyhow::{Result, bail};
use reqwest::StatusCode;
use rustix::process::Resource;
use serde_json::Value;

use super::{Scene, writing};

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let victim = &scene.victim;
    let upload = writing::stored(scene).await?;
    let data = victim.data().display().to_string();
    victim.mount(&["--bind", &data, &data])?;
    victim.mount(&["-o", "remount,bind,ro", &data])?;
    victim.limit(Resource::Fsize, Some(1))?;
    writing::ready(scene, StatusCode::SERVICE_UNAVAILABLE).await?;
    let _failed = writing::make_key(scene).await?;
    victim.limit(Resource::Fsize, None)?;
    for _ in 0..5 {
        told(&writing::make_key(scene).await?, "writable")?;
        told(&writing::publish(scene, &upload, "while-read-only").await?, "writable")?;
        told(&writing::upload(scene).await?, "permissions")?;
    }
    let said = writing::ready(scene, StatusCode::SERVICE_UNAVAILABLE).await?;
    if !said.contains("the database accepts no writes") {
        bail!("/readyz of a read-only database: {said}");
    }
    writing::reads(scene).await?;
    scene.neighbour.works_on(20).await?;
    victim.mount(&["-o", "remount,bind,rw", &data])?;
    writing::goes_on(scene, &upload, "while-read-only").await?;
    if writing::upload(scene).await?.status != StatusCode::CREATED {
        bail!("an upload when it can be written again");
    }
    scene.neighbour.works_on(10).await
}

/// 503, when to come again, and what is to be done.
fn told(answer: &crate::victim::Answer, word: &str) -> Result<()> {
    let json = answer.json();
    let remedy = json.get("remedy").and_then(Value::as_str).unwrap_or_default();
    let is_told = answer.status == StatusCode::SERVICE_UNAVAILABLE && remedy.contains(word);
    if !is_told || answer.retry_after.is_none() {
        bail!("a write to a read-only folder: {} {}", answer.status, answer.body);
    }
    Ok(())
}

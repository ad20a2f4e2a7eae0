//! A disk that takes nothing more, in the middle of work, and takes writes again later.
//!
//! By the limit on the size of a file, which needs no right: every write beyond it fails, in the database as in uploads.

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use rustix::process::Resource;
use serde_json::{Value, json};

use super::{Scene, eventually};

/// The first page of nothing.
const FULL: Option<u64> = Some(1);
const SIZE: usize = 100_000;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let (victim, alice) = (&scene.victim, &scene.template.alice);
    let before = upload(scene).await?;
    if before.0 != StatusCode::CREATED {
        bail!("an upload while there is room: {} {}", before.0, before.1);
    }
    victim.limit(Resource::Fsize, FULL)?;
    // Several times: each failed write would spoil one connection to the database.
    for round in 0..20 {
        let made = make_key(scene, round).await?;
        let (brought, body) = upload(scene).await?;
        let posted = publish(scene, &before.1, "while-full").await?;
        for (what, status) in [("a key", made), ("an upload", brought), ("a post", posted.0)] {
            if !status.is_server_error() && status != StatusCode::PAYLOAD_TOO_LARGE {
                bail!("{what} on a full disk: {status} {body}");
            }
        }
    }
    eventually("/readyz says so", async || {
        let answer = victim.answer(victim.request(Method::GET, "/readyz")).await?;
        Ok((answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(()))
    })
    .await?;
    let live = victim.answer(victim.request(Method::GET, "/healthz")).await?;
    let jobs = victim.call(&alice.key, Method::GET, "/api/v1/jobs", Value::Null).await?;
    if !live.status.is_success() || !jobs.status.is_success() {
        bail!("reading on a full disk: {} {}", live.status, jobs.status);
    }
    damaged(scene).await?;
    // The very next write, and no restart.
    let made = make_key(scene, 100).await?;
    if !made.is_success() {
        bail!("a key when there is room again: {made}");
    }
    eventually("/readyz says so", async || {
        let answer = victim.answer(victim.request(Method::GET, "/readyz")).await?;
        Ok(answer.status.is_success().then_some(()))
    })
    .await?;
    let (status, job) = publish(scene, &before.1, "while-full").await?;
    if !status.is_success() {
        bail!("a post when there is room again: {status} {job}");
    }
    let job = job.get("id").and_then(Value::as_str).context("the job has no id")?.to_owned();
    let ended = eventually("the job ends", async || {
        let job =
            victim.call(&alice.key, Method::GET, &format!("/api/v1/jobs/{job}"), Value::Null).await?.json();
        Ok((job.get("status").is_some_and(|it| it != "active")).then_some(job))
    })
    .await?;
    if ended.get("status").is_none_or(|it| it != "published") {
        bail!("the job ended otherwise: {ended}");
    }
    let posts = scene.template.simulator.world().published().len();
    if posts != 1 {
        bail!("{posts} posts instead of one");
    }
    Ok(())
}

/// Pages of the database turn into rubbish, and are mended by the person who looks after the machine. Nothing is written meanwhile,
/// and then there is room again.
async fn damaged(scene: &Scene<'_>) -> Result<()> {
    let (victim, alice) = (&scene.victim, &scene.template.alice);
    let reads =
        ["/api/v1/jobs", "/api/v1/channels", "/api/v1/uploads", "/api/v1/apps", "/api/v1/providers", "/"];
    for name in ["social-channel.sqlite", "social-channel.sqlite-wal"] {
        let file = victim.data().join(name);
        let whole = std::fs::read(&file)?;
        // The first page says what the file is; rubbish there is another fault.
        let mut rubbish = whole.clone();
        rubbish.iter_mut().skip(4_096).for_each(|byte| *byte = 0xA5);
        std::fs::write(&file, &rubbish)?;
        for path in reads {
            let answer = victim.call(&scene.template.operator, Method::GET, path, Value::Null).await?;
            let told = answer.json().get("kind").is_some();
            if !answer.status.is_success() && !told && path != "/" {
                bail!("{path} of a damaged {name}: {} {}", answer.status, answer.body);
            }
        }
        std::fs::write(&file, &whole)?;
    }
    victim.limit(Resource::Fsize, None)?;
    for path in reads {
        let answer = victim.call(&alice.key, Method::GET, path, Value::Null).await?;
        if answer.status.is_server_error() {
            bail!("{path} after the database was mended: {} {}", answer.status, answer.body);
        }
    }
    Ok(())
}

async fn make_key(scene: &Scene<'_>, number: usize) -> Result<StatusCode> {
    let body = json!({"name": format!("key {number}")});
    Ok(scene.victim.call(&scene.template.operator, Method::POST, "/api/v1/keys", body).await?.status)
}

/// Status, and id or body.
async fn upload(scene: &Scene<'_>) -> Result<(StatusCode, String)> {
    let request = scene
        .victim
        .request(Method::POST, "/api/v1/uploads?file_name=one.mp4")
        .bearer_auth(&scene.template.alice.key)
        .body(library_tests::video_bytes(SIZE)?);
    let answer = scene.victim.answer(request).await?;
    let id = answer.json().get("id").and_then(Value::as_str).map(str::to_owned);
    Ok((answer.status, id.unwrap_or(answer.body)))
}

async fn publish(scene: &Scene<'_>, upload: &str, key: &str) -> Result<(StatusCode, Value)> {
    let alice = &scene.template.alice;
    let body = json!({
        "post": {"kind": "video", "text": "after the flood", "visibility": "PUBLIC_TO_EVERYONE"},
        "media": [{"upload": upload}],
    });
    let request = scene
        .victim
        .request(Method::POST, &format!("/api/v1/channels/{}/jobs", alice.channel))
        .bearer_auth(&alice.key)
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(body.to_string());
    let answer = scene.victim.answer(request).await?;
    Ok((answer.status, answer.json()))
}

//! What somebody tries who wants to write, and whether the service says that it takes writes: for the scenes in which it
//! cannot.

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Scene, eventually};
use crate::victim::Answer;

const SIZE: usize = 100_000;

/// Stores a file, while that can be done.
pub(super) async fn stored(scene: &Scene<'_>) -> Result<String> {
    let answer = upload(scene).await?;
    if answer.status != StatusCode::CREATED {
        bail!("an upload while there is room: {} {}", answer.status, answer.body);
    }
    Ok(answer.json().get("id").and_then(Value::as_str).context("the upload has no id")?.to_owned())
}

pub(super) async fn upload(scene: &Scene<'_>) -> Result<Answer> {
    let request = scene
        .victim
        .request(Method::POST, "/api/v1/uploads?file_name=one.mp4")
        .bearer_auth(&scene.template.alice.key)
        .body(library_tests::video_bytes(SIZE)?);
    scene.victim.answer(request).await
}

pub(super) async fn make_key(scene: &Scene<'_>) -> Result<Answer> {
    scene.victim.call(&scene.template.operator, Method::POST, "/api/v1/keys", json!({"name": "new"})).await
}

pub(super) async fn publish(scene: &Scene<'_>, upload: &str, key: &str) -> Result<Answer> {
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
    scene.victim.answer(request).await
}

/// Waits until `/readyz` answers so; returns its words.
pub(super) async fn ready(scene: &Scene<'_>, status: StatusCode) -> Result<String> {
    eventually("/readyz says so", async || {
        let answer = scene.victim.answer(scene.victim.request(Method::GET, "/readyz")).await?;
        Ok((answer.status == status).then_some(answer.body))
    })
    .await
}

/// What only reads is answered all the same.
pub(super) async fn reads(scene: &Scene<'_>) -> Result<()> {
    let alice = &scene.template.alice;
    for path in ["/healthz", "/api/v1/jobs", "/api/v1/channels", "/api/v1/uploads"] {
        let answer = scene.victim.call(&alice.key, Method::GET, path, Value::Null).await?;
        if !answer.status.is_success() {
            bail!("{path} while nothing can be written: {} {}", answer.status, answer.body);
        }
    }
    Ok(())
}

/// Writes succeed again with the very next one and without a restart, and the post of that time is made once.
pub(super) async fn goes_on(scene: &Scene<'_>, upload: &str, key: &str) -> Result<()> {
    let before = scene.template.simulator.world().published().len();
    let made = make_key(scene).await?;
    if !made.status.is_success() {
        bail!("a key when it can be written again: {} {}", made.status, made.body);
    }
    ready(scene, StatusCode::OK).await?;
    let stored = publish(scene, upload, key).await?;
    if !stored.status.is_success() {
        bail!("a post when it can be written again: {} {}", stored.status, stored.body);
    }
    let job = stored.json().get("id").and_then(Value::as_str).context("the job has no id")?.to_owned();
    let path = format!("/api/v1/jobs/{job}");
    let ended = eventually("the job ends", async || {
        let job = scene.victim.call(&scene.template.alice.key, Method::GET, &path, Value::Null).await?.json();
        Ok((job.get("status").is_some_and(|it| it != "active")).then_some(job))
    })
    .await?;
    if ended.get("status").is_none_or(|it| it != "published") {
        bail!("the job ended otherwise: {ended}");
    }
    let posts = scene.template.simulator.world().published().len() - before;
    if posts != 1 {
        bail!("{posts} posts instead of one");
    }
    Ok(())
}

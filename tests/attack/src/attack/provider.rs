//! A provider whose author means harm: it computes without end, eats memory and storage, and says too much.

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Scene;
use crate::stage::HOSTILE_APP;

/// What it does, by its setting `behaviour`, while calls that loop use the processor until their limit.
const BEHAVIOURS: [&str; 11] = [
    "memory",
    "trap",
    "overflow-the-stack",
    "crossing",
    "long-text",
    "long-error",
    "no-utf-8",
    "stderr",
    "handles",
    "streams",
    "hoard",
];
const AT_ONCE: usize = 6;
/// What its storage may take of the disk: the allowance of one app, and what SQLite needs beside it.
const DISK: u64 = 160 << 20;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let disk = scene.victim.disk()?;
    behave(scene, "loop").await?;
    let (looping, install, rest) =
        tokio::join!(called(scene, "loop"), install_one_that_loops(scene), async {
            // They have begun, and keep the setting that they began with.
            scene.neighbour.works_on(10).await?;
            for behaviour in BEHAVIOURS {
                behave(scene, behaviour).await?;
                called(scene, behaviour).await?;
            }
            anyhow::Ok(())
        });
    rest?;
    looping?;
    install?;
    let took = scene.victim.disk()?.saturating_sub(disk);
    if took > DISK {
        bail!("the provider filled {} MiB of the disk", took >> 20);
    }
    behave(scene, "").await?;
    let (status, body) = profile(scene).await?;
    if !status.is_success() {
        bail!("well again, it is answered with {status} {body}");
    }
    scene.neighbour.works_on(10).await
}

/// A few calls at once, each of which must get an answer that says what was wrong.
async fn called(scene: &Scene<'_>, behaviour: &str) -> Result<()> {
    let calls = (0..AT_ONCE).map(|_| profile(scene));
    for (status, body) in try_join_all(calls).await.with_context(|| behaviour.to_owned())? {
        let says_why = body.get("kind").and_then(Value::as_str).is_some();
        if !(status.is_success() || says_why) {
            bail!("{behaviour}: {status} {body}");
        }
    }
    Ok(())
}

pub(super) async fn behave(scene: &Scene<'_>, behaviour: &str) -> Result<()> {
    let settings = json!({"provider": "test-provider", "settings": {"behaviour": behaviour}});
    let path = format!("/api/v1/apps/{HOSTILE_APP}");
    let answer = scene.victim.call(&scene.template.operator, Method::PUT, &path, settings).await?;
    if !answer.status.is_success() {
        bail!("the app cannot be set: {} {}", answer.status, answer.body);
    }
    Ok(())
}

async fn profile(scene: &Scene<'_>) -> Result<(StatusCode, Value)> {
    let mallory = &scene.template.mallory;
    let path = format!("/api/v1/channels/{}/profile", mallory.channel);
    let answer = scene.victim.call(&mallory.key, Method::GET, &path, Value::Null).await?;
    Ok((answer.status, answer.json()))
}

/// A component that does not even say what it is, installed while all others are called.
async fn install_one_that_loops(scene: &Scene<'_>) -> Result<()> {
    let mut component = library_tests::component("test_provider")?;
    let mark = b"DESCRIBE=calm";
    let at = component.windows(mark.len()).position(|it| it == mark).context("the component has no mark")?;
    for (place, byte) in component.iter_mut().skip(at).zip(b"DESCRIBE=loop") {
        *place = *byte;
    }
    let request = scene
        .victim
        .request(Method::POST, "/api/v1/providers")
        .bearer_auth(&scene.template.operator)
        .body(component);
    let answer = scene.victim.answer(request).await?;
    if answer.status.is_success() || answer.json().get("kind").is_none() {
        bail!("a component that describes itself without end: {} {}", answer.status, answer.body);
    }
    Ok(())
}

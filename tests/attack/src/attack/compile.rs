//! An operator uploads components that strangers made to be expensive for anyone who compiles them, several at once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use library_tests::{component, hostile};
use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;

use super::{Scene, eventually};
use crate::victim::{Answer, COMPILE_MEMORY, Victim};

/// At once; each is stopped by its limit.
const SLOW: usize = 3;

pub(super) async fn attack(scene: &Scene<'_>) -> Result<()> {
    let (victim, key) = (&scene.victim, scene.template.operator.clone());
    let provider = component("minimal_provider")?;
    for hostile in [hostile::many_functions(&provider), hostile::nested_loops(&provider)] {
        limited(&install(victim, &key, hostile).await?)?;
        if !victim.children()?.is_empty() {
            bail!("it was compiled before its structure was judged");
        }
    }
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let (victim, key, hostile) = (victim.clone(), key.clone(), slow_component(&provider));
        slow.spawn(async move { install(&victim, &key, hostile).await });
    }
    // Another caller, who goes away.
    let gone = tokio::spawn({
        let (victim, key, hostile) = (victim.clone(), key.clone(), slow_component(&provider));
        async move { install(&victim, &key, hostile).await.map(drop) }
    });
    let compilers = eventually("all are being compiled", async || {
        Ok(Some(victim.children()?).filter(|children| children.len() > SLOW))
    })
    .await?;
    gone.abort();
    eventually("the compiler of the caller who went away ends", async || {
        Ok((victim.children()?.len() < compilers.len()).then_some(()))
    })
    .await?;
    // Meanwhile an ordinary one is installed.
    let installed = install(victim, &key, provider).await?;
    if !installed.status.is_success() || slow.is_empty() {
        bail!("an ordinary component meanwhile: {} {}", installed.status, installed.body);
    }
    let mut most = 0;
    while !slow.is_empty() {
        for child in victim.children()? {
            most = most.max(Victim::memory_of(child).unwrap_or_default());
        }
        if let Ok(Some(ended)) = tokio::time::timeout(Duration::from_millis(20), slow.join_next()).await {
            limited(&ended??)?;
        }
    }
    if most > COMPILE_MEMORY {
        bail!("a compiler had {} MiB", most >> 20);
    }
    eventually("every compiler has ended", async || Ok(victim.children()?.is_empty().then_some(()))).await
}

/// Within every limit of structure, and minutes for a compiler.
fn slow_component(provider: &[u8]) -> Vec<u8> {
    hostile::tangled(provider, 1_500, 200, 1_000)
}

async fn install(victim: &Arc<Victim>, key: &str, component: Vec<u8>) -> Result<Answer> {
    let request = victim.request(Method::POST, "/api/v1/providers").bearer_auth(key);
    victim.answer(request.header("content-type", "application/wasm").body(component)).await
}

fn limited(answer: &Answer) -> Result<()> {
    if answer.status == StatusCode::INTERNAL_SERVER_ERROR || answer.json()["kind"] != "limit_exceeded" {
        bail!("a hostile component: {} {}", answer.status, answer.body);
    }
    Ok(())
}

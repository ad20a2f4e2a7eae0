//! The attacks, and what all have in common: memory and the other tenant's answers before, during and after.

mod compile;
mod disk;
mod flood;
mod provider;
mod readonly;
mod slow;
mod stranger;
mod writing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;

use crate::neighbour::{Neighbour, Work};
use crate::stage::Template;
use crate::victim::Victim;

/// It makes a mount.
pub(crate) const NEEDS_MOUNTS: &str = "read-only";
/// Their names.
pub(crate) const ALL: [&str; 7] = ["stranger", "slow", "provider", "compile", "flood", "disk", NEEDS_MOUNTS];

/// More than the allocator keeps, and less than anything that is kept for each request, name or tenant.
const KEPT: u64 = 64 << 20;
/// What the pool of instances keeps for the next call, for each place that was used: 256 KiB of memory and 64 of stack.
const KEPT_A_CALL: u64 = 320 << 10;
/// More than all calls together may have at once.
const MOST: u64 = 1 << 30;
/// Answers that the other tenant has at least, whatever happens: each attack waits for some, and more come meanwhile.
const ANSWERS: usize = 30;

/// What an attack is given.
pub(crate) struct Scene<'a> {
    victim: Arc<Victim>,
    template: &'a Template,
    neighbour: Neighbour,
}

/// Waits until `look` finds something.
async fn eventually<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let end = tokio::time::Instant::now() + library_tests::PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if tokio::time::Instant::now() > end {
            bail!("this does not come about: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is printed of one attack.
pub(crate) struct Figures {
    before: u64,
    most: u64,
    after: u64,
    calls: Vec<Duration>,
}

pub(crate) async fn run(name: &str, template: &Template) -> Result<Figures> {
    let media = flood::Dripping::start().await?;
    // What a process gets that nobody configured; and enough for the flood to reach the places for calls.
    let files = if name == "flood" { 8_192 } else { 1_024 };
    let contained = name == NEEDS_MOUNTS;
    // Enough for an ordinary component while others compute; where it is the limit that is tried, it comes soon.
    let compile_seconds = if name == "compile" { 30 } else { 300 };
    let victim = Arc::new(Victim::start(template, &media.origin(), files, contained, compile_seconds).await?);
    // What a service has that has worked for a while.
    for _ in 0..20 {
        let profile = format!("/api/v1/channels/{}/profile", template.alice.channel);
        let answer = victim.call(&template.alice.key, Method::GET, &profile, Value::Null).await?;
        if !answer.status.is_success() {
            bail!("before the attack: {} {}", answer.status, answer.body);
        }
    }
    let before = victim.memory()?;
    let most = Arc::new(AtomicU64::new(before));
    let watch = {
        let (most, victim) = (most.clone(), victim.clone());
        tokio::spawn(async move {
            while let Ok(now) = victim.memory() {
                most.fetch_max(now, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    // A disk that takes no write is nobody's fault: what calls a platform may fail there, and what only reads may not.
    let work = if matches!(name, "disk" | "read-only") { Work::Reading } else { Work::All };
    let neighbour = Neighbour::start(&victim, &template.alice, work);
    let scene = Scene { victim: victim.clone(), template, neighbour };
    let attacked = match name {
        "stranger" => stranger::attack(&scene).await,
        "slow" => slow::attack(&scene).await,
        "provider" => provider::attack(&scene).await,
        "compile" => compile::attack(&scene).await,
        "flood" => flood::attack(&scene).await,
        "read-only" => readonly::attack(&scene).await,
        _ => disk::attack(&scene).await,
    };
    // If the other tenant's calls failed, that is why the attack found nobody at work.
    let calls = scene.neighbour.stop().await?;
    attacked?;
    if calls.len() < ANSWERS {
        bail!("the other tenant had {} answers only", calls.len());
    }
    drop(scene.victim);
    watch.abort();
    let _aborted = watch.await;
    let calls_at_once = if name == "flood" { flood::CALLS as u64 } else { 0 };
    // Everything ends that was begun, and then the memory is looked at once more.
    let after = eventually("the memory comes back", async || {
        let now = victim.memory()?;
        Ok((now <= before + KEPT + calls_at_once * KEPT_A_CALL).then_some(now))
    })
    .await
    .with_context(|| format!("{} MiB, {} before", victim.memory().unwrap_or_default() >> 20, before >> 20))?;
    let most = most.load(Ordering::Relaxed);
    if most > before + MOST {
        bail!("{} MiB at most, {} before", most >> 20, before >> 20);
    }
    Arc::into_inner(victim).context("somebody still uses the service")?.stop().await?;
    Ok(Figures { before, most, after, calls })
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut calls = self.calls.clone();
        calls.sort_unstable();
        let at = |part: usize| calls.get((calls.len() * part / 100).min(calls.len().saturating_sub(1)));
        let ms =
            |time: Option<&Duration>| time.map_or("-".to_owned(), |time| format!("{} ms", time.as_millis()));
        write!(
            f,
            "| {} MiB | {} MiB | {} MiB | {} | {} | {} | {}",
            self.before >> 20,
            self.most >> 20,
            self.after >> 20,
            calls.len(),
            ms(at(50)),
            ms(at(99)),
            ms(calls.last())
        )
    }
}

//! The other tenant, who goes on with its work during an attack: one call after another, each on a new connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use library_tests::PATIENCE;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::stage::Account;
use crate::victim::Victim;

/// Between two calls: a program that works, and no second flood.
const PACE: Duration = Duration::from_millis(20);
/// Below the provider's limit of 600 profiles a minute and account.
const PROFILES: Duration = Duration::from_millis(150);

/// See the module documentation.
pub(crate) struct Neighbour {
    stop: Arc<Notify>,
    done: watch::Receiver<usize>,
    task: JoinHandle<Result<Vec<Duration>>>,
}

impl Neighbour {
    pub(crate) fn start(victim: &Arc<Victim>, account: &Account) -> Self {
        let stop = Arc::new(Notify::new());
        let (counted, done) = watch::channel(0);
        let (victim, account, stopped) = (victim.clone(), account.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut took = Vec::new();
            let mut stopped = std::pin::pin!(stopped.notified());
            let mut last_profile: Option<Instant> = None;
            let profile = format!("/api/v1/channels/{}/profile", account.channel);
            loop {
                // A call through the platform, and between two of them calls that only read.
                let path = match last_profile {
                    Some(last) if last.elapsed() < PROFILES => "/api/v1/jobs",
                    _ => {
                        last_profile = Some(Instant::now());
                        profile.as_str()
                    }
                };
                let begun = Instant::now();
                let answer = victim
                    .call(&account.key, Method::GET, path, Value::Null)
                    .await
                    .with_context(|| format!("the other tenant's call {} got no answer", took.len() + 1))?;
                if !answer.status.is_success() {
                    bail!("the other tenant's GET {path}: {} {}", answer.status, answer.body);
                }
                took.push(begun.elapsed());
                counted.send_replace(took.len());
                tokio::select! {
                    () = &mut stopped => return Ok(took),
                    () = tokio::time::sleep(PACE) => {}
                }
            }
        });
        Neighbour { stop, done, task }
    }

    /// Waits for so many further answers.
    pub(crate) async fn works_on(&self, calls: usize) -> Result<()> {
        let mut done = self.done.clone();
        let enough = *done.borrow() + calls;
        let waited = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done >= enough)).await;
        waited.context("the other tenant waits")?.context("the other tenant's work has ended")?;
        Ok(())
    }

    /// How long each call took; an error if one of them failed.
    pub(crate) async fn stop(self) -> Result<Vec<Duration>> {
        self.stop.notify_one();
        self.task.await?
    }
}

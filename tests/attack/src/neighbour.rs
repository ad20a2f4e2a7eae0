//! The other tenant, who goes on with its work during an attack: one call after another, each on a new connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use library_tests::PATIENCE;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, Notify, watch};
use tokio::task::JoinHandle;

use crate::stage::Account;
use crate::victim::Victim;

/// Between two calls: a program that works, and no second flood.
const PACE: Duration = Duration::from_millis(20);
/// Below the provider's limit of 600 profiles a minute and account.
const PROFILES: Duration = Duration::from_millis(150);

/// What the other tenant does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    All,
    /// Only what no write and no platform is needed for.
    Reading,
}

/// See the module documentation.
pub(crate) struct Neighbour {
    stop: Arc<Notify>,
    turn: Arc<Mutex<()>>,
    done: watch::Receiver<usize>,
    task: JoinHandle<Result<Vec<Duration>>>,
}

impl Neighbour {
    pub(crate) fn start(victim: &Arc<Victim>, account: &Account, work: Work) -> Self {
        let stop = Arc::new(Notify::new());
        let turn = Arc::new(Mutex::new(()));
        let (counted, done) = watch::channel(0);
        let (victim, account, stopped, turns) = (victim.clone(), account.clone(), stop.clone(), turn.clone());
        let task = tokio::spawn(async move {
            let mut took = Vec::new();
            let mut stopped = std::pin::pin!(stopped.notified());
            let mut last_profile: Option<Instant> = None;
            let profile = format!("/api/v1/channels/{}/profile", account.channel);
            let mut reads = ["/api/v1/jobs", "/api/v1/channels", "/api/v1/uploads"].into_iter().cycle();
            loop {
                let turn = turns.lock().await;
                // A call through the platform, and between two of them calls that only read.
                let path = match last_profile {
                    _ if work == Work::Reading => reads.next().unwrap_or_default(),
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
                drop(turn);
                tokio::select! {
                    () = &mut stopped => return Ok(took),
                    () = tokio::time::sleep(PACE) => {}
                }
            }
        });
        Neighbour { stop, turn, done, task }
    }

    /// Nothing is asked for until the guard is dropped.
    pub(crate) async fn pause(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
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

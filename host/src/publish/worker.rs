//! Finds due jobs and runs them: in the background of a program, or as a worker.
//!
//! The background runs the jobs that this process stored or changed; a worker runs all jobs. A job that waits for its
//! time costs nothing until then: its time is kept in memory, and one periodic query finds changes of all followed jobs
//! by other processes.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::clock::millis;
use social_channel_runtime::error::{Error, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::background::ASKED;
use super::job_run::Outcome;
use super::publisher::Publisher;
use super::runs::Runs;
use crate::store::{AskForJob, JobRow, JobStatus, Lease};
use crate::tenant_id::TenantId;

/// How often a worker polls, because other processes add jobs without notification.
const LOOK: Duration = Duration::from_millis(500);

/// [`LOOK`], a quarter more or less: workers of many machines do not ask one database at the same moments.
fn next_look() -> Duration {
    let mut random = [0; 1];
    // Without random numbers all wait equally long.
    let _ = getrandom::fill(&mut random);
    LOOK.mul_f64(0.75 + f64::from(random.first().copied().unwrap_or(128)) / 512.0)
}

/// How often the background checks for changes of its followed jobs by other processes.
const OTHERS: Duration = Duration::from_secs(3);
/// Webhook events that are kept of an app: ten thousand posts a day, for as long as their ids must be known.
const EVENTS: i64 = 200_000;
/// The minimum time between two polls, because each poll reads all followed jobs.
const CALM: Duration = Duration::from_millis(100);

/// How long it holds that the tenants beside those that have their share have nothing due. The end of each run of a tenant
/// that fills a worker would look for others again.
const NOTHING_BESIDE: Duration = Duration::from_millis(50);

/// A job whose run has begun.
struct Taken {
    tenant: TenantId,
    job: String,
    run: JoinHandle<String>,
}

impl Publisher {
    /// Runs a job in the background of this process, if background work is enabled.
    pub(super) fn follow(self: &Arc<Self>, tenant: &TenantId, id: &str) {
        if !self.options.background {
            return;
        }
        self.background.insert(tenant, id);
        if self.background.begins() {
            let publisher = self.clone();
            self.lifetime.spawn(async move { publisher.drive_followed().await });
        }
        self.wake.all();
    }

    /// The background task of this process.
    async fn drive_followed(self: Arc<Self>) {
        let mut runs = Runs::new(self.options.at_once);
        let mut looked = Instant::now();
        let mut woken = true;
        while !self.lifetime.is_stopping() {
            // Created before the read, so that no wake-up is missed.
            let next_wake = self.wake.woken();
            if looked.elapsed() >= OTHERS || woken && looked.elapsed() >= CALM {
                self.look_at_followed().await;
                looked = Instant::now();
            }
            let mut due = self.background.due(self.clock.now_ms());
            while runs.has_room() {
                let served = runs.served();
                let open = due.iter().filter(|(tenant, _)| !served.contains(tenant));
                let open: Vec<String> = open.map(|(_, id)| id.clone()).collect();
                if open.is_empty() {
                    break;
                }
                match self.take(self.clock.now_ms(), Some(open), Vec::new()).await {
                    Ok(Some(taken)) => {
                        due.retain(|(_, id)| *id != taken.job);
                        runs.push(taken.tenant, taken.run);
                    }
                    Ok(None) => {
                        // Held by another worker, no longer due, or ended.
                        if looked.elapsed() >= CALM {
                            self.look_at_followed().await;
                            looked = Instant::now();
                        }
                        break;
                    }
                    Err(error) => {
                        tracing::error!(%error, "due jobs could not be looked for; trying again");
                        break;
                    }
                }
            }
            woken = false;
            tokio::select! {
                Some(ended) = runs.next(), if !runs.is_empty() => {
                    if let Some(id) = ended {
                        self.look_at(std::slice::from_ref(&id)).await;
                    }
                }
                () = next_wake => woken = true,
                // In short intervals, because the clock may be set.
                () = tokio::time::sleep(next_look()) => {}
                () = self.lifetime.stopping() => {}
            }
        }
        while runs.next().await.is_some() {}
    }

    async fn look_at_followed(&self) {
        for ids in self.background.ids().chunks(ASKED) {
            self.look_at(ids).await;
        }
    }

    async fn look_at(&self, ids: &[String]) {
        match self.store.job_times(ids).await {
            Ok(found) => self.background.note(ids, found),
            Err(error) => tracing::error!(%error, "followed jobs could not be looked at; trying again"),
        }
    }

    /// Runs one job as far as possible without waiting. If the future is dropped, no new run starts; a running one
    /// continues.
    pub(super) async fn drive_until_idle(self: &Arc<Self>, tenant: &TenantId, id: &str) {
        while !self.lifetime.is_stopping() {
            let woken = self.wake.woken();
            let mut taken = false;
            match self.take(self.clock.now_ms(), Some(vec![id.to_owned()]), Vec::new()).await {
                Ok(Some(begun)) => {
                    taken = true;
                    // The task logs its own failures.
                    let _ = begun.run.await;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(job = id, %error, "a job could not be worked on; trying again"),
            }
            let Ok(row) = self.row(tenant, id).await else { return };
            let Some(wake_at) = row.wake_at.filter(|_| row.status == JobStatus::Active) else { return };
            if wake_at.saturating_sub(self.clock.now_ms()) > millis(LOOK) {
                return;
            }
            if !taken {
                // It is due, but another worker holds it or another job of its channel. That worker wakes this one
                // when it ends its run.
                tokio::select! {
                    () = tokio::time::sleep(next_look()) => {}
                    () = woken => {}
                    () = self.lifetime.stopping() => {}
                }
            }
        }
    }

    /// Acquires a job that was due at `due`, and begins its run. In a task of its own: a lease that is acquired for a
    /// caller that is dropped meanwhile would be nobody's, and hold up the job and its channel until it ends.
    async fn take(
        self: &Arc<Self>,
        due: i64,
        only: Option<Vec<String>>,
        without: Vec<TenantId>,
    ) -> Result<Option<Taken>> {
        let publisher = self.clone();
        let task = self.lifetime.spawn(async move {
            let length = publisher.options.takeover;
            let ask = AskForJob { now: due, length, only: only.as_deref(), without: &without };
            let acquired = publisher.store.acquire_job(&ask).await?;
            Ok(acquired.map(|(tenant, row, lease)| Taken {
                tenant: tenant.clone(),
                job: row.id.clone(),
                run: publisher.run_alone(tenant, row, lease),
            }))
        });
        task.await.map_err(|error| Error::internal("looking for a due job broke off").with_source(error))?
    }

    /// One run of a job in its own task, which continues if the caller is dropped. Returns the job's
    /// id.
    fn run_alone(self: &Arc<Self>, tenant: TenantId, row: JobRow, lease: Lease) -> JoinHandle<String> {
        let publisher = self.clone();
        self.lifetime.spawn(async move {
            let id = row.id.clone();
            match publisher.run(tenant, row, lease).await {
                Ok(Outcome::Parked) => {}
                Ok(Outcome::Yielded) => tracing::debug!(job = id, "left to another worker"),
                Err(error) => {
                    tracing::error!(job = id, %error, "a job could not be worked on");
                    // It must not keep its channel's other jobs from their turn.
                    let until = publisher.clock.now_ms().saturating_add(millis(publisher.options.takeover));
                    if let Err(error) = publisher.store.put_off_job(&id, &lease, until).await {
                        tracing::error!(job = id, %error, "a job could not be given back; its lease ends by itself");
                    }
                }
            }
            id
        })
    }

    /// Removes old attempts from the history, and jobs that ended long ago.
    pub(crate) async fn maintain(&self) -> Result<()> {
        let before = |keep| self.clock.now_ms().saturating_sub(millis(keep));
        while self.store.prune_history(before(self.options.history)).await? {
            tokio::task::yield_now().await;
        }
        let most = i64::from(self.options.kept_jobs);
        while self.store.prune_jobs(before(self.options.keep_jobs), most).await? {
            tokio::task::yield_now().await;
        }
        while self.store.prune_events(self.clock.now_ms(), EVENTS).await? {
            tokio::task::yield_now().await;
        }
        self.store.mend_queues().await
    }

    /// Runs all due jobs and those that become due within `longest`; None: until the host is shut down. Returns the
    /// number of runs. If the future is dropped, no new run starts; running ones continue.
    pub(crate) async fn work(self: &Arc<Self>, longest: Option<Duration>) -> Result<usize> {
        let end = longest.map(|longest| Instant::now() + longest);
        // With a duration of zero, all jobs due at the start are run, however long that takes.
        let due_only = longest.filter(Duration::is_zero).map(|_| self.clock.now_ms());
        let mut begun = 0;
        let mut runs = Runs::new(self.options.at_once);
        // The tenants beside which nothing was due, and until when that holds.
        let mut nothing_beside: Option<(Vec<TenantId>, Instant)> = None;
        loop {
            let woken = self.wake.woken();
            let time_is_up = end.is_some_and(|end| Instant::now() >= end);
            let mut found = false;
            let mut look = next_look();
            while !self.lifetime.is_stopping() && runs.has_room() && (!time_is_up || due_only.is_some()) {
                let due = due_only.unwrap_or_else(|| self.clock.now_ms());
                let served = runs.served();
                if let Some((tenants, until)) = &nothing_beside
                    && Instant::now() < *until
                    && tenants.iter().all(|tenant| served.contains(tenant))
                {
                    look = look.min(until.saturating_duration_since(Instant::now()));
                    break;
                }
                let taken = match self.take(due, None, served.clone()).await {
                    Ok(taken) => taken,
                    // A long-running worker retries while the database is locked; a single round returns the error.
                    Err(error) if longest.is_none() => {
                        tracing::error!(%error, "due jobs could not be looked for; trying again");
                        None
                    }
                    Err(error) => return Err(error),
                };
                let Some(taken) = taken else {
                    nothing_beside = (!served.is_empty()).then(|| (served, Instant::now() + NOTHING_BESIDE));
                    break;
                };
                found = true;
                begun += 1;
                runs.push(taken.tenant, taken.run);
            }
            if runs.is_empty() && (self.lifetime.is_stopping() || time_is_up) && !found {
                return Ok(begun);
            }
            tokio::select! {
                Some(_) = runs.next(), if !runs.is_empty() => {}
                () = woken, if !self.lifetime.is_stopping() => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }
}

//! Finds due jobs and drives them: in the background of a program, or as a worker.

use std::sync::Arc;
use std::time::Duration;

use super::drive::Laid;
use super::*;
use crate::process;
use crate::store::{AskForJob, Lease};

/// Other processes add jobs without telling: how often a worker looks.
const LOOK: Duration = Duration::from_millis(500);
/// How often idle accounts are looked at. Their terms are weeks.
const SWEEP: Duration = Duration::from_secs(3600);

/// What a round of work came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Worked {
    /// Times a job was taken up.
    pub jobs: usize,
    /// Idle accounts that were refreshed.
    pub accounts: usize,
}

impl Inner {
    /// Drives one job until it ends, waits for a person, or the process ends.
    pub(super) fn drive_in_background(self: &Arc<Self>, tenant: &TenantId, id: &str) {
        if !self.background {
            return;
        }
        let (inner, tenant, id) = (self.clone(), tenant.clone(), id.to_owned());
        if let Ok(mut followed) = self.followed_jobs.lock()
            && !followed.insert(id.clone())
        {
            self.work_added.notify_waiters();
            return;
        }
        self.tasks.spawn(async move {
            inner.follow(&tenant, &id, false).await;
            if let Ok(mut followed) = inner.followed_jobs.lock() {
                followed.remove(&id);
            }
        });
    }

    /// Drives one job as far as it goes without waiting.
    pub(crate) async fn drive_until_idle(self: &Arc<Self>, tenant: &TenantId, id: &str) {
        self.follow(tenant, id, true).await;
    }

    async fn follow(self: &Arc<Self>, tenant: &TenantId, id: &str, until_idle: bool) {
        while !self.is_stopping() {
            let taken = self.take_up(Some((tenant, id))).await;
            if let Err(error) = &taken {
                tracing::error!(job = id, %error, "a job could not be worked on; trying again");
            }
            let Ok(row) = self.job_row(tenant, id).await else { return };
            // A published job's id is looked for by workers, and a paused one waits for a person.
            let Some(wake_at) = row.wake_at.filter(|_| row.status == JobStatus::Active) else { return };
            let left = wake_at.saturating_sub(self.clock.now_ms());
            let wait = u64::try_from(left).map_or(Duration::ZERO, Duration::from_millis);
            if until_idle && wait > LOOK {
                return;
            }
            // Due, and somebody else holds it or another job of its channel: they tell when they lay it down.
            let shortest = if taken.is_ok_and(|taken| taken) { Duration::from_millis(20) } else { LOOK };
            let wait = if wait.is_zero() { shortest } else { wait };
            tokio::select! {
                // In slices, because clocks are set and other processes wake jobs.
                () = tokio::time::sleep(wait.min(LOOK)) => {}
                () = self.work_added.notified() => {}
                () = self.stopping() => {}
            }
        }
    }

    /// Takes up one due job, if there is one.
    async fn take_up(self: &Arc<Self>, only: Option<(&TenantId, &str)>) -> Result<bool> {
        let Some((tenant, row, lease)) = self.lease(self.clock.now_ms(), only).await? else {
            return Ok(false);
        };
        let id = row.id.clone();
        if self.drive(tenant, row, lease).await? == Laid::Away {
            tracing::debug!(job = id, "laid down for somebody else");
        }
        Ok(true)
    }

    /// A job that was due at `due`.
    async fn lease(
        &self,
        due: i64,
        only: Option<(&TenantId, &str)>,
    ) -> Result<Option<(TenantId, JobRow, Lease)>> {
        let lease_now = self.leases.now_ms();
        let ask = AskForJob {
            owner: process::owner(),
            now: due,
            lease_now,
            lease_until: lease_now.saturating_add(millis(self.takeover)),
            only,
            dead: &process::is_dead,
        };
        self.store.lease_job(&ask).await
    }

    /// Attempts that nobody will ask about any more.
    async fn forget(&self) -> Result<()> {
        let before = self.clock.now_ms().saturating_sub(millis(self.history));
        while self.store.prune_history(before).await? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Drives all due jobs and those that fall due within `longest`; None: until the host is shut down.
    pub(crate) async fn work(self: &Arc<Self>, longest: Option<Duration>) -> Result<Worked> {
        let end = longest.map(|longest| tokio::time::Instant::now() + longest);
        // Without time, what is due when it begins is done, however long that takes.
        let due_only = longest.filter(Duration::is_zero).map(|_| self.clock.now_ms());
        let mut worked = Worked::default();
        let mut running = tokio::task::JoinSet::new();
        let mut swept: Option<tokio::time::Instant> = None;
        loop {
            if swept.is_none_or(|at| at.elapsed() > SWEEP) {
                match self.refresh_idle_accounts().await {
                    Ok(refreshed) => worked.accounts += refreshed,
                    Err(error) => tracing::error!(%error, "idle accounts could not be looked at"),
                }
                self.keep_house_beside(longest);
                if let Err(error) = self.forget().await {
                    tracing::error!(%error, "old attempts could not be forgotten");
                }
                swept = Some(tokio::time::Instant::now());
            }
            let time_is_up = end.is_some_and(|end| tokio::time::Instant::now() >= end);
            let mut taken = false;
            while !self.is_stopping()
                && running.len() < self.jobs_at_once
                && (!time_is_up || due_only.is_some())
            {
                let due = due_only.unwrap_or_else(|| self.clock.now_ms());
                let leased = match self.lease(due, None).await {
                    Ok(leased) => leased,
                    // A worker outlives a database that is locked for a while; a single round says so.
                    Err(error) if longest.is_none() => {
                        tracing::error!(%error, "due jobs could not be looked for; trying again");
                        None
                    }
                    Err(error) => return Err(error),
                };
                let Some((tenant, row, lease)) = leased else { break };
                taken = true;
                worked.jobs += 1;
                let inner = self.clone();
                running.spawn(async move {
                    let id = row.id.clone();
                    if let Err(error) = inner.drive(tenant, row, lease).await {
                        tracing::error!(job = id, %error, "a job could not be worked on");
                    }
                });
            }
            if running.is_empty() && (self.is_stopping() || time_is_up) && !taken {
                return Ok(worked);
            }
            tokio::select! {
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = self.work_added.notified(), if !self.is_stopping() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

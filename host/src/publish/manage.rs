//! Operations on a stored job: cancel, resume, change, move, resolve, wait.

use std::sync::Arc;
use std::time::Duration;

use social_channel_runtime::error::{Error, ErrorKind, Result};

use super::bounds::{check_change, check_resolution, last_until, publish_at, times};
use super::job::{Job, JobChange, Resolution};
use super::publisher::Publisher;
use super::request::{StoredRequest, addresses, place, to_json};
use crate::store::{ChangedJob, JobStatus, ResolvedJob};
use crate::tenant_id::TenantId;
use crate::vault::{open_json, row_key, seal_json};

impl Publisher {
    /// Cancels all jobs of a channel, and waits until each has ended or cannot continue now.
    pub(crate) async fn end_all_of(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        channel: &str,
    ) -> Result<()> {
        for job in self.store.open_jobs(tenant, channel).await? {
            self.cancel(tenant, by, &job).await?;
            self.drive_until_idle(tenant, &job).await;
        }
        Ok(())
    }

    pub(crate) async fn cancel(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
    ) -> Result<Job> {
        self.row(tenant, id).await?;
        // Followed before the write, so that the job is followed even if the caller is dropped in between.
        self.follow(tenant, id);
        if self.store.request_cancel(tenant, id, by, self.clock.now_ms()).await? {
            self.note(id);
            if let Some(running) = self.running(id) {
                running.cancel.notify_one();
            }
            self.wake.all();
        }
        self.get(tenant, id).await
    }

    /// Continues a job now: after a crash, a pause, or a change that a person made. A scheduled one is scheduled no more.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
    ) -> Result<Job> {
        let row = self.row(tenant, id).await?;
        if row.status.has_ended() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("this job is {}: it cannot be resumed", row.status.name()),
            )
            .with_remedy("to publish it again, retry it: that makes a new job"));
        }
        self.follow(tenant, id);
        if row.status == JobStatus::Paused || row.wake_at.is_some_and(|at| at > self.clock.now_ms()) {
            self.store.wake_job(tenant, id, by, self.clock.now_ms()).await?;
            self.note(id);
        }
        self.wake.all();
        self.get(tenant, id).await
    }

    /// Records what a person found after `unknown`: the job becomes `published`, or `failed` and may be retried.
    pub(crate) async fn resolve(
        &self,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
        found: Resolution,
    ) -> Result<Job> {
        let row = self.row(tenant, id).await?;
        check_resolution(&found)?;
        let resolution = to_json(&found)?;
        if row.status != JobStatus::Unknown {
            if row.resolution.as_ref() == Some(&resolution) {
                return self.get(tenant, id).await;
            }
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("this job is {}: its outcome is known", row.status.name()),
            )
            .with_remedy("only a job that ended `unknown` can be resolved"));
        }
        if !found.posted && (found.post_id.is_some() || found.url.is_some()) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "a post that does not exist has no id and no page",
            )
            .with_field("posted")
            .with_remedy("say that it was posted, or leave id and page out"));
        }
        if found.url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the post's page is not an https address")
                .with_field("url")
                .with_remedy("copy the whole address of the post from the browser"));
        }
        let error = if found.posted {
            None
        } else {
            let error = Error::new(ErrorKind::OutcomeUnknown, "a person checked, and it was not posted")
                .with_remedy("try it again as a new job (retry)");
            Some(to_json(&error)?)
        };
        let resolved = ResolvedJob {
            status: if found.posted { JobStatus::Published } else { JobStatus::Failed },
            post_id: found.post_id,
            url: found.url,
            error,
            resolution,
            by: by.map(str::to_owned),
        };
        if self.store.resolve_job(tenant, id, &resolved, self.clock.now_ms()).await? {
            tracing::info!(%tenant, job = id, posted = found.posted, "a person resolved a job");
            self.note(id);
            self.wake.told();
        }
        self.get(tenant, id).await
    }

    /// Changes a job of which nothing can have been posted yet, and continues it.
    pub(crate) async fn change(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
        change: JobChange,
    ) -> Result<Job> {
        let row = self.row(tenant, id).await?;
        check_change(&change)?;
        let now = self.clock.now_ms();
        let at = publish_at(change.publish_at, now)?;
        let (begin, mut deadline_at) = times(at.or(row.publish_at), change.deadline_at, now)?;
        if change.deadline_at.is_none() && change.publish_at.is_none() {
            deadline_at = row.deadline_at;
        }
        let key = row_key(tenant, id);
        let old: StoredRequest = open_json(&self.vault, place(&key, "request"), &row.request)?;
        if change.publish_at.is_some() {
            let media = old.media.iter();
            last_until(media.flat_map(|one| addresses(&one.source, one.public_url.as_ref())), begin, now)?;
        }
        let request = match change.post {
            None => None,
            Some(post) => {
                let account = self.accounts.row(tenant, &row.channel).await?;
                let app = self.apps.of_account(tenant, &account).await?;
                self.must_fit(tenant, &account, &app, &post).await?;
                let new = StoredRequest { post, media: old.media };
                Some(seal_json(&self.vault, place(&key, "request"), &new)?)
            }
        };
        let consent = match &change.consent {
            Some(consent) => Some(to_json(consent)?),
            None => None,
        };
        let changed = ChangedJob {
            request,
            consent,
            priority: change.priority,
            publish_at: at,
            deadline_at: Some(deadline_at),
            wake_at: begin,
            by: by.map(str::to_owned),
        };
        self.follow(tenant, id);
        if !self.store.change_job(tenant, id, &changed, now).await? {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "this job has ended, or is already being posted: it cannot be changed any more",
            )
            .with_remedy("cancel it, or wait for its end; then publish again"));
        }
        self.note(id);
        self.wake.all();
        self.get(tenant, id).await
    }

    /// Continues an open job with the component that its app currently runs, for example a repaired one.
    pub(crate) async fn move_to_present(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
    ) -> Result<Job> {
        let row = self.row(tenant, id).await?;
        let app = self.apps.live(tenant, &row.app).await?;
        let to = app.provider.digest();
        self.follow(tenant, id);
        if self.store.move_job(tenant, id, to, by, self.clock.now_ms()).await? {
            tracing::info!(%tenant, job = id, from = %row.digest, %to, "a job was moved to another component");
            self.wake.all();
            return self.get(tenant, id).await;
        }
        let row = self.row(tenant, id).await?;
        if row.status.has_ended() {
            return Err(Error::new(ErrorKind::InvalidRequest, "this job has ended and cannot be moved")
                .with_remedy("publish it again as a new job"));
        }
        Err(Error::new(ErrorKind::InvalidRequest, "this job already has the component that its app runs")
            .with_remedy(
                "load the repaired component first, then move the job; to continue with the same component, resume it",
            ))
    }

    /// Waits until the job ends, pauses, or the time is up; returns the job.
    pub(crate) async fn wait(&self, tenant: &TenantId, id: &str, longest: Duration) -> Result<Job> {
        // Another process may run it, so the store is polled as well.
        const LOOK: Duration = Duration::from_millis(200);
        let end = tokio::time::Instant::now() + longest;
        let mut told = self.changed.subscribe();
        loop {
            let job = self.get(tenant, id).await?;
            if job.status != JobStatus::Active || tokio::time::Instant::now() >= end {
                return Ok(job);
            }
            let look = end.min(tokio::time::Instant::now() + LOOK);
            tokio::select! {
                () = tokio::time::sleep_until(look) => {}
                _ = told.changed() => {}
            }
        }
    }
}

//! Publish jobs: stored before anything happens, driven step by step, found again after any crash.
//!
//! `decide` is the table of what follows from an answer, `drive` makes the calls of one job under its lease,
//! `ask` looks first whether they may be made, `step` stores what came of them, `work` looks for due jobs, `watch` tells who follows one.
//! Here are the calls of users; `job` has their words.

mod ask;
mod decide;
mod drive;
mod job;
#[cfg(test)]
mod model;
mod step;
mod watch;
mod work;

pub use job::{Job, JobChange, PRIORITIES, PublishRequest, Resolution};
pub use watch::JobWatch;
pub(crate) use watch::WatchedJobs;
pub use work::Worked;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::accounts::{open_json, seal_json};
use crate::clock::millis;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::id;
use crate::media::{MediaItem, MediaReference};
use crate::model::Post;
use crate::store::{ChangedJob, Health, HistoryRow, JobFilter, JobRow, JobStatus, ResolvedJob};
use crate::tenant::TenantId;
use crate::vault::Place;

/// A job that has not ended by then is given up. Two days hold a whole day's allowance, used up at noon.
const DEADLINE: Duration = Duration::from_secs(48 * 3600);
/// Keys longer than this are no keys.
const KEY_LENGTH: usize = 255;

/// What a job keeps, sealed.
#[derive(Serialize, Deserialize)]
struct StoredRequest {
    post: Post,
    media: Vec<MediaReference>,
}

fn place<'a>(row: &'a str, column: &'a str) -> Place<'a> {
    Place { table: "jobs", row, column }
}

fn row_key(tenant: &TenantId, id: &str) -> String {
    format!("{tenant}/{id}")
}

/// A job that this process works on.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    /// Of the media, as they move; the row knows only whole steps.
    bytes_sent: AtomicU64,
    /// Somebody in this process asked to cancel it.
    cancel: Notify,
}

/// The jobs that this process works on, by id.
pub(crate) type DrivenJobs = Mutex<HashMap<String, Arc<Driven>>>;

impl Inner {
    pub(crate) async fn publish(
        self: &Arc<Self>,
        tenant: &TenantId,
        channel: &str,
        request: PublishRequest,
    ) -> Result<Job> {
        check_request(&request)?;
        let body = to_json(&(
            channel,
            &request.post,
            &request.media,
            (request.publish_at, request.deadline_at, request.priority),
        ))?;
        let request_hash = hex::encode(Sha256::digest(body.as_bytes()));
        // What was accepted once is answered again, whatever became of the account and the media since.
        if let Some(key) = &request.idempotency_key
            && let Some(first) = self.store.job_of_key(tenant, key).await?
        {
            let first = same_request(first, &request_hash)?;
            if !first.status.has_ended() {
                self.drive_in_background(tenant, &first.id);
            }
            return self.show_job(tenant, first);
        }
        let account = self.account_row(tenant, channel).await?;
        let app = self.live_app(tenant, &account.app).await?;
        if account.health == Health::NeedsReconnect {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("{} must be connected again before it can publish", account.display_name),
            )
            .with_remedy("connect the account again, then publish"));
        }
        let mut media = Vec::new();
        for one in &request.media {
            media.push(self.open_media(tenant, one, &app).await?.reference().clone());
        }
        let links = self.link_media(tenant, &app.id, &mut media).await?;
        let kept = media.clone();
        let total = media.iter().map(|media| media.size).sum::<u64>();
        let consent = match &request.consent {
            Some(consent) => Some(to_json(consent)?),
            None => None,
        };
        let now = self.clock.now_ms();
        let row = NewJob {
            app: &account.app,
            channel,
            digest: app.provider.digest(),
            request: StoredRequest { post: request.post, media },
            request_hash,
            idempotency_key: request.idempotency_key,
            retry_of: None,
            consent,
            total,
            priority: request.priority,
            publish_at: request.publish_at,
            times: times(request.publish_at, request.deadline_at, now)?,
        };
        let job = self.insert_job(tenant, row).await?;
        self.bind_media(tenant, &kept, &links, &job.id).await?;
        Ok(job)
    }

    /// A new job for what an ended one did not publish. After `unknown`, `looked` says that the person has
    /// looked and found nothing.
    pub(crate) async fn retry_job(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: &str,
        looked: bool,
    ) -> Result<Job> {
        let row = self.job_row(tenant, id).await?;
        match row.status {
            JobStatus::Failed | JobStatus::Cancelled => {}
            JobStatus::Unknown if looked => {}
            JobStatus::Unknown => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    "whether this job has posted is not known",
                )
                .with_remedy(
                    "look at the account's posts; if it is not there, retry and say that you have looked",
                ));
            }
            JobStatus::Published => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    "this job has published; nothing is to be repeated",
                ));
            }
            JobStatus::Active | JobStatus::Paused => {
                return Err(Error::new(ErrorKind::InvalidRequest, "this job has not ended")
                    .with_remedy("resume it, or cancel it first"));
            }
        }
        let account = self.account_row(tenant, &row.channel).await?;
        let app = self.live_app(tenant, &account.app).await?;
        let key = row_key(tenant, id);
        let mut request: StoredRequest = open_json(&self.vault, place(&key, "request"), &row.request)?;
        let links = self.link_media(tenant, &app.id, &mut request.media).await?;
        let kept = request.media.clone();
        let total = request.media.iter().map(|media| media.size).sum::<u64>();
        let new = NewJob {
            app: &account.app,
            channel: &row.channel,
            digest: app.provider.digest(),
            request,
            request_hash: row.request_hash.clone(),
            idempotency_key: None,
            retry_of: Some(id.to_owned()),
            consent: row.consent.clone(),
            total,
            priority: row.priority,
            publish_at: None,
            times: times(None, None, self.clock.now_ms())?,
        };
        let job = self.insert_job(tenant, new).await?;
        self.bind_media(tenant, &kept, &links, &job.id).await?;
        Ok(job)
    }

    async fn insert_job(self: &Arc<Self>, tenant: &TenantId, new: NewJob<'_>) -> Result<Job> {
        let id = id::new("job")?;
        let key = row_key(tenant, &id);
        let now = self.clock.now_ms();
        let (begin, deadline_at) = new.times;
        let row = JobRow {
            request: seal_json(&self.vault, place(&key, "request"), &new.request)?,
            id,
            app: new.app.to_owned(),
            channel: new.channel.to_owned(),
            digest: new.digest.clone(),
            moved_from: None,
            request_hash: new.request_hash,
            idempotency_key: new.idempotency_key,
            retry_of: new.retry_of,
            consent: new.consent,
            priority: new.priority,
            publish_at: new.publish_at.map(|at| at.saturating_mul(1000)),
            state: None,
            once: false,
            interrupted: false,
            once_begun: false,
            sent_at: None,
            status: JobStatus::Active,
            phase: "waiting".to_owned(),
            bytes_sent: 0,
            bytes_total: i64::try_from(new.total).unwrap_or(i64::MAX),
            wake_at: Some(begin),
            attempts: 0,
            deadline_at,
            cancel_requested: false,
            post_id: None,
            url: None,
            error: None,
            references: Vec::new(),
            quotas: None,
            asked_at: None,
            forced: false,
            resolution: None,
            created_at: now,
            updated_at: now,
            ended_at: None,
        };
        let row = match self.store.insert_job(tenant, &row).await? {
            None => row,
            // Somebody sent the same at the same moment.
            Some(first) => same_request(first, &row.request_hash)?,
        };
        tracing::info!(%tenant, job = row.id, channel = row.channel, "publish stored");
        if !row.status.has_ended() {
            self.drive_in_background(tenant, &row.id);
        }
        self.show_job(tenant, row)
    }

    fn show_job(&self, tenant: &TenantId, row: JobRow) -> Result<Job> {
        let key = row_key(tenant, &row.id);
        let request = open_json(&self.vault, place(&key, "request"), &row.request)?;
        Ok(Job::new(row, request))
    }

    pub(crate) async fn job(&self, tenant: &TenantId, id: &str) -> Result<Job> {
        let mut job = self.show_job(tenant, self.job_row(tenant, id).await?)?;
        if !job.has_ended()
            && let Some(driven) = self.driven(id)
        {
            job.bytes_sent =
                job.bytes_sent.max(driven.bytes_sent.load(Ordering::Relaxed)).min(job.bytes_total);
        }
        Ok(job)
    }

    fn driven(&self, id: &str) -> Option<Arc<Driven>> {
        self.driven_jobs.lock().ok().and_then(|jobs| jobs.get(id).cloned())
    }

    async fn job_row(&self, tenant: &TenantId, id: &str) -> Result<JobRow> {
        self.store.job(tenant, id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no job {id}"))
                .with_remedy("see the list of jobs")
        })
    }

    pub(crate) async fn jobs(
        &self,
        tenant: &TenantId,
        channel: Option<&str>,
        status: Option<JobStatus>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Job>> {
        let before = before.map(str::to_owned);
        let filter = JobFilter { channel: channel.map(str::to_owned), status, limit, before };
        self.store.jobs(tenant, &filter).await?.into_iter().map(|row| self.show_job(tenant, row)).collect()
    }

    pub(crate) async fn job_history(&self, tenant: &TenantId, id: &str) -> Result<Vec<HistoryRow>> {
        self.job_row(tenant, id).await?;
        self.store.job_history(tenant, id).await
    }

    pub(crate) async fn cancel_job(self: &Arc<Self>, tenant: &TenantId, id: &str) -> Result<Job> {
        self.job_row(tenant, id).await?;
        if self.store.request_cancel(tenant, id, self.clock.now_ms()).await? {
            self.note_job(id);
            if let Some(driven) = self.driven(id) {
                driven.cancel.notify_one();
            }
            self.drive_in_background(tenant, id);
        }
        self.job(tenant, id).await
    }

    /// Goes on with a job now: after a crash, a pause, or a change that a person made.
    pub(crate) async fn resume_job(self: &Arc<Self>, tenant: &TenantId, id: &str) -> Result<Job> {
        let row = self.job_row(tenant, id).await?;
        if row.status.has_ended() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("this job is {}: there is nothing to go on with", row.status.name()),
            )
            .with_remedy("to try again what was not published, retry it: that makes a new job"));
        }
        if row.status == JobStatus::Paused || row.wake_at.is_some_and(|at| at > self.clock.now_ms()) {
            self.store.wake_job(tenant, id, self.clock.now_ms()).await?;
            self.note_job(id);
        }
        self.drive_in_background(tenant, id);
        self.job(tenant, id).await
    }

    /// Notes what a person found after `unknown`: the job is `published`, or `failed` and may be tried again.
    pub(crate) async fn resolve_job(&self, tenant: &TenantId, id: &str, found: Resolution) -> Result<Job> {
        let row = self.job_row(tenant, id).await?;
        let resolution = to_json(&found)?;
        if row.status != JobStatus::Unknown {
            if row.resolution.as_ref() == Some(&resolution) {
                return self.job(tenant, id).await;
            }
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("this job is {}: there is nothing to be found out", row.status.name()),
            )
            .with_remedy("only a job that ended `unknown` asks what you found"));
        }
        if !found.posted && (found.post_id.is_some() || found.url.is_some()) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "a post that is not there has no id and no page",
            )
            .with_field("posted")
            .with_remedy("say that it was posted, or leave id and page out"));
        }
        if found.url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the post's page is no https address")
                .with_field("url")
                .with_remedy("copy the whole address of the post from the browser"));
        }
        let error = if found.posted {
            None
        } else {
            let error = Error::new(ErrorKind::OutcomeUnknown, "somebody looked, and it was not posted")
                .with_remedy("try it again as a new job (retry)");
            Some(to_json(&error)?)
        };
        let resolved = ResolvedJob {
            status: if found.posted { JobStatus::Published } else { JobStatus::Failed },
            post_id: found.post_id,
            url: found.url,
            error,
            resolution,
        };
        if self.store.resolve_job(tenant, id, &resolved, self.clock.now_ms()).await? {
            tracing::info!(%tenant, job = id, posted = found.posted, "a person said what became of a job");
            self.note_job(id);
        }
        self.job(tenant, id).await
    }

    /// Changes a job of which nothing can have been posted yet, and goes on with it.
    pub(crate) async fn change_job(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: &str,
        change: JobChange,
    ) -> Result<Job> {
        let row = self.job_row(tenant, id).await?;
        check_priority(change.priority.unwrap_or_default())?;
        let now = self.clock.now_ms();
        let publish_at = change.publish_at.or(row.publish_at.map(|at| at / 1000));
        let (begin, mut deadline_at) = times(publish_at, change.deadline_at, now)?;
        if change.deadline_at.is_none() && change.publish_at.is_none() {
            deadline_at = row.deadline_at;
        }
        let key = row_key(tenant, id);
        let request = match change.post {
            None => None,
            Some(post) => {
                let old: StoredRequest = open_json(&self.vault, place(&key, "request"), &row.request)?;
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
            publish_at: change.publish_at.map(|at| at.saturating_mul(1000)),
            deadline_at: Some(deadline_at),
            wake_at: begin,
        };
        if !self.store.change_job(tenant, id, &changed, now).await? {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "this job has ended, or is already being posted: it cannot be changed any more",
            )
            .with_remedy("cancel it, or wait for its end; then publish anew"));
        }
        self.note_job(id);
        self.wake_workers();
        self.drive_in_background(tenant, id);
        self.job(tenant, id).await
    }

    /// Goes on with an open job with the component that its app runs now, after a repair.
    pub(crate) async fn move_job(self: &Arc<Self>, tenant: &TenantId, id: &str) -> Result<Job> {
        let row = self.job_row(tenant, id).await?;
        let app = self.live_app(tenant, &row.app).await?;
        let to = app.provider.digest();
        if self.store.move_job(tenant, id, to, self.clock.now_ms()).await? {
            tracing::info!(%tenant, job = id, from = %row.digest, %to, "a job was moved to another component");
            self.wake_workers();
            self.drive_in_background(tenant, id);
            return self.job(tenant, id).await;
        }
        let row = self.job_row(tenant, id).await?;
        if row.status.has_ended() {
            return Err(Error::new(ErrorKind::InvalidRequest, "this job has ended: nobody works on it")
                .with_remedy("publish anew"));
        }
        Err(Error::new(ErrorKind::InvalidRequest, "this job already has the component that its app runs")
            .with_remedy(
                "load the repaired component first, then move the job; to go on as it is, resume it",
            ))
    }

    /// Waits until the job ends, pauses, or the time is up; returns how it then stands.
    pub(crate) async fn wait_for_job(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: &str,
        longest: Duration,
    ) -> Result<Job> {
        // Another process may drive it: the store is asked as well.
        const LOOK: Duration = Duration::from_millis(200);
        let end = tokio::time::Instant::now() + longest;
        loop {
            let job = self.job(tenant, id).await?;
            if job.status != JobStatus::Active || tokio::time::Instant::now() >= end {
                return Ok(job);
            }
            let look = end.min(tokio::time::Instant::now() + LOOK);
            tokio::select! {
                () = tokio::time::sleep_until(look) => {}
                () = self.job_changed.notified() => {}
            }
        }
    }
}

struct NewJob<'a> {
    app: &'a str,
    channel: &'a str,
    digest: &'a Digest,
    request: StoredRequest,
    request_hash: String,
    idempotency_key: Option<String>,
    retry_of: Option<String>,
    consent: Option<String>,
    total: u64,
    priority: i32,
    /// Seconds since 1970.
    publish_at: Option<i64>,
    /// When it may begin, and when it is given up; milliseconds.
    times: (i64, i64),
}

/// The job that has the idempotency key already, if it publishes the same.
fn same_request(first: JobRow, request_hash: &str) -> Result<JobRow> {
    if first.request_hash == request_hash {
        return Ok(first);
    }
    Err(Error::new(
        ErrorKind::InvalidRequest,
        format!("the idempotency key already belongs to {}, which publishes something else", first.id),
    )
    .with_field("idempotency_key")
    .with_remedy("use a new key for a new post, or send exactly the first request again"))
}

fn check_request(request: &PublishRequest) -> Result<()> {
    if request.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_LENGTH) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("an idempotency key has 1 to {KEY_LENGTH} bytes"),
        )
        .with_field("idempotency_key"));
    }
    check_priority(request.priority)
}

fn check_priority(priority: i32) -> Result<()> {
    if PRIORITIES.contains(&priority) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidRequest, format!("{priority} is no priority"))
        .with_field("priority")
        .with_remedy("choose a number from -100 to 100; 0 is usual, more goes first"))
}

/// When a job may begin, and when it is given up, in milliseconds. Given in seconds.
fn times(publish_at: Option<i64>, deadline_at: Option<i64>, now: i64) -> Result<(i64, i64)> {
    let begin = publish_at.map_or(now, |at| at.saturating_mul(1000)).max(now);
    let Some(deadline) = deadline_at.map(|at| at.saturating_mul(1000)) else {
        return Ok((begin, begin.saturating_add(millis(DEADLINE))));
    };
    if deadline <= begin {
        return Err(Error::new(ErrorKind::InvalidRequest, "the job would be given up before it may begin")
            .with_field("deadline_at")
            .with_remedy("name a deadline that is later than now and than `publish_at`"));
    }
    Ok((begin, deadline))
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value cannot be written as JSON").with_source(error))
}

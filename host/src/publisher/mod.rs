//! Publish jobs: stored before anything happens, driven step by step, found again after any crash.
//!
//! `decide` is the table of what follows from an answer, `drive` makes the calls of one job under its lease,
//! `work` looks for due jobs. Here is what callers see.

mod decide;
mod drive;
mod work;

pub use work::Worked;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::accounts::seal_json;
use crate::clock::millis;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::id;
use crate::media::{MediaItem, MediaReference};
use crate::model::{Media, Post};
use crate::store::{Health, HistoryRow, JobFilter, JobRow, JobStatus};
use crate::tenant::TenantId;
use crate::vault::Place;

/// A job that has not ended by then is given up. Two days hold a whole day's allowance, used up at noon.
const DEADLINE: Duration = Duration::from_secs(48 * 3600);
/// Keys longer than this are no keys.
const KEY_LENGTH: usize = 255;

/// What to publish, and how.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The post.
    pub post: Post,
    /// Its media.
    #[serde(default)]
    pub media: Vec<Media>,
    /// The same key and request again: the same job. Unique in the tenant.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Not before this instant; seconds since 1970.
    #[serde(default)]
    pub publish_at: Option<i64>,
    /// Who agreed, when, and to which words, if the platform wants that known.
    #[serde(default)]
    pub consent: Option<BTreeMap<String, String>>,
}

/// A publish job, as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// The channel it publishes on.
    pub channel: String,
    /// The app that channel was connected with.
    pub app: String,
    /// The component that drives it.
    pub digest: Digest,
    /// Where it stands.
    pub status: JobStatus,
    /// `waiting`, `checking`, `uploading`, `processing`, or the platform's own word.
    pub phase: String,
    /// Of the media.
    pub bytes_sent: u64,
    /// Of the media.
    pub bytes_total: u64,
    /// The platform's id of the post, once it tells.
    pub post_id: Option<String>,
    /// The post's page.
    pub url: Option<String>,
    /// Why it waits, or how it ended.
    pub error: Option<Error>,
    /// When it goes on by itself; seconds since 1970.
    pub next_attempt_at: Option<i64>,
    /// Failed attempts of the present step.
    pub attempts: u32,
    /// Somebody asked to cancel it.
    pub cancel_requested: bool,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The job that this one repeats.
    pub retry_of: Option<String>,
    /// The platform's ids of this publish.
    pub references: Vec<String>,
    /// Given up after this instant; seconds since 1970.
    pub deadline_at: i64,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub updated_at: i64,
    /// Seconds since 1970.
    pub ended_at: Option<i64>,
}

impl Job {
    fn new(row: JobRow) -> Self {
        Job {
            id: row.id,
            channel: row.channel,
            app: row.app,
            digest: row.digest,
            status: row.status,
            phase: row.phase,
            bytes_sent: row.bytes_sent.cast_unsigned(),
            bytes_total: row.bytes_total.cast_unsigned(),
            post_id: row.post_id,
            url: row.url,
            error: row.error.and_then(|error| serde_json::from_str(&error).ok()),
            next_attempt_at: row.wake_at.map(|at| at / 1000),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            cancel_requested: row.cancel_requested,
            idempotency_key: row.idempotency_key,
            retry_of: row.retry_of,
            references: row.references,
            deadline_at: row.deadline_at / 1000,
            created_at: row.created_at / 1000,
            updated_at: row.updated_at / 1000,
            ended_at: row.ended_at.map(|at| at / 1000),
        }
    }

    /// See [`JobStatus::has_ended`].
    pub fn has_ended(&self) -> bool {
        self.status.has_ended()
    }
}

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
        let account = self.account_row(tenant, channel).await?;
        let app = self.live_app(tenant, &account.app).await?;
        if account.health == Health::NeedsReconnect {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("{} must be connected again before it can publish", account.display_name),
            )
            .with_remedy("connect the account again, then publish"));
        }
        if request.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_LENGTH) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("an idempotency key has 1 to {KEY_LENGTH} bytes"),
            )
            .with_field("idempotency_key"));
        }
        let mut media = Vec::new();
        for one in &request.media {
            media.push(MediaItem::open(one, &app.egress).await?.reference().clone());
        }
        let total = media.iter().map(|media| media.size).sum::<u64>();
        let consent = match &request.consent {
            Some(consent) => Some(to_json(consent)?),
            None => None,
        };
        let body = to_json(&(channel, &request.post, &request.media, request.publish_at))?;
        let now = self.clock.now_ms();
        let begin = request.publish_at.map_or(now, |at| at.saturating_mul(1000)).max(now);
        let row = NewJob {
            app: &account.app,
            channel,
            digest: app.provider.digest(),
            request: StoredRequest { post: request.post, media },
            request_hash: hex::encode(Sha256::digest(body.as_bytes())),
            idempotency_key: request.idempotency_key,
            retry_of: None,
            consent,
            total,
            begin,
        };
        self.insert_job(tenant, row).await
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
        let request: StoredRequest =
            crate::accounts::open_json(&self.vault, place(&key, "request"), &row.request)?;
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
            begin: self.clock.now_ms(),
        };
        self.insert_job(tenant, new).await
    }

    async fn insert_job(self: &Arc<Self>, tenant: &TenantId, new: NewJob<'_>) -> Result<Job> {
        let id = id::new("job")?;
        let key = row_key(tenant, &id);
        let now = self.clock.now_ms();
        let row = JobRow {
            request: seal_json(&self.vault, place(&key, "request"), &new.request)?,
            id,
            app: new.app.to_owned(),
            channel: new.channel.to_owned(),
            digest: new.digest.clone(),
            request_hash: new.request_hash,
            idempotency_key: new.idempotency_key,
            retry_of: new.retry_of,
            consent: new.consent,
            state: None,
            once: false,
            interrupted: false,
            once_begun: false,
            status: JobStatus::Active,
            phase: "waiting".to_owned(),
            bytes_sent: 0,
            bytes_total: i64::try_from(new.total).unwrap_or(i64::MAX),
            wake_at: Some(new.begin),
            attempts: 0,
            deadline_at: new.begin.saturating_add(millis(DEADLINE)),
            cancel_requested: false,
            post_id: None,
            url: None,
            error: None,
            references: Vec::new(),
            created_at: now,
            updated_at: now,
            ended_at: None,
        };
        let row = match self.store.insert_job(tenant, &row).await? {
            None => row,
            Some(first) if first.request_hash == row.request_hash => first,
            Some(first) => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!(
                        "the idempotency key already belongs to {}, which publishes something else",
                        first.id
                    ),
                )
                .with_field("idempotency_key")
                .with_remedy("use a new key for a new post, or send exactly the first request again"));
            }
        };
        tracing::info!(%tenant, job = row.id, channel = row.channel, "publish stored");
        if !row.status.has_ended() {
            self.drive_in_background(tenant, &row.id);
        }
        Ok(Job::new(row))
    }

    pub(crate) async fn job(&self, tenant: &TenantId, id: &str) -> Result<Job> {
        let mut job = Job::new(self.job_row(tenant, id).await?);
        if !job.has_ended() {
            if let Some(driven) = self.driven(id) {
                job.bytes_sent =
                    job.bytes_sent.max(driven.bytes_sent.load(Ordering::Relaxed)).min(job.bytes_total);
            }
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
    ) -> Result<Vec<Job>> {
        let filter = JobFilter { channel: channel.map(str::to_owned), status, limit };
        Ok(self.store.jobs(tenant, &filter).await?.into_iter().map(Job::new).collect())
    }

    pub(crate) async fn job_history(&self, tenant: &TenantId, id: &str) -> Result<Vec<HistoryRow>> {
        self.job_row(tenant, id).await?;
        self.store.job_history(tenant, id).await
    }

    pub(crate) async fn cancel_job(self: &Arc<Self>, tenant: &TenantId, id: &str) -> Result<Job> {
        self.job_row(tenant, id).await?;
        if self.store.request_cancel(tenant, id, self.clock.now_ms()).await? {
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
        if row.status == JobStatus::Paused || row.wake_at.is_some_and(|at| at > self.clock.now_ms()) {
            self.store.wake_job(tenant, id, self.clock.now_ms()).await?;
        }
        if !row.status.has_ended() {
            self.drive_in_background(tenant, id);
        }
        self.job(tenant, id).await
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
    begin: i64,
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value cannot be written as JSON").with_source(error))
}

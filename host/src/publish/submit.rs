//! Storing a publish: once it is on disk, it runs to its end, whatever happens to the caller.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use social_channel_runtime::Digest;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Post;

use super::bounds::{check_request, last_until, publish_at, times};
use super::job::{Job, PublishRequest};
use super::publisher::Publisher;
use super::request::{StoredRequest, addresses, place, to_json};
use crate::blob::gone;
use crate::id;
use crate::room::full;
use crate::store::{AccountRow, Health, InsertedJob, JobMedia, JobRow, JobStatus};
use crate::tenant_id::TenantId;
use crate::vault::{keyed_hash, open_json, row_key, seal_json};

impl Publisher {
    /// Stores a publish. If the future is dropped, it is stored or not: repeat the same request with the same
    /// idempotency key to find out.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        channel: &str,
        request: PublishRequest,
    ) -> Result<Job> {
        check_request(&request)?;
        let hash = |post: &Post| {
            let times = (request.publish_at, request.deadline_at, request.priority);
            let body = to_json(&(channel, post, &request.media, times))?;
            Ok::<_, Error>(self.keyed(&hex::encode(Sha256::digest(body.as_bytes()))))
        };
        let request_hash = hash(&request.post)?;
        // A request that was accepted returns its job again, even if the account or the media no longer exists.
        if let Some(key) = &request.idempotency_key
            && let Some(first) = self.store.job_of_key(tenant, key).await?
        {
            let first = match request.post.kind.as_str() {
                // Versions before the contract was frozen stored it as `photos`.
                "images" if first.request_hash != request_hash => {
                    let former = Post { kind: "photos".to_owned(), ..request.post.clone() };
                    self.same_request(first, &hash(&former)?)?
                }
                _ => self.same_request(first, &request_hash)?,
            };
            if !first.status.has_ended() {
                self.follow(tenant, &first.id);
            }
            return self.show(tenant, first);
        }
        self.room.check_disk()?;
        let account = self.accounts.row(tenant, channel).await?;
        let app = self.apps.of_account(tenant, &account).await?;
        needs_no_reconnect(&account)?;
        let now = self.clock.now_ms();
        let at = publish_at(request.publish_at, now)?;
        let times = times(at, request.deadline_at, now)?;
        let addresses = request.media.iter().flat_map(|one| addresses(&one.source, one.public_url.as_ref()));
        last_until(addresses, times.0, now)?;
        let mut media = Vec::new();
        for item in self.media.open_all(tenant, &request.media, &app).await? {
            if let Some(error) = item.fault() {
                return Err(error);
            }
            media.push(item.reference().clone());
        }
        let quotas = self.must_fit(tenant, &account, &app, &request.post).await?;
        let bound = self.media.link(tenant, &app, &mut media)?;
        let consent = match &request.consent {
            Some(consent) => Some(to_json(consent)?),
            None => None,
        };
        let new = NewJob {
            app: app.id.clone(),
            channel: channel.to_owned(),
            digest: app.provider.digest().clone(),
            request: StoredRequest { post: request.post, media },
            request_hash,
            idempotency_key: request.idempotency_key,
            retry_of: None,
            submitted_by: by.map(str::to_owned),
            consent,
            priority: request.priority,
            publish_at: at,
            times,
            quotas,
        };
        self.insert(tenant, new, bound).await
    }

    /// The hash of a request as it is stored: keyed, because the request itself is encrypted, and a plain hash would
    /// prove a guess.
    fn keyed(&self, hash: &str) -> String {
        hex::encode(keyed_hash(self.hash_key.expose(), hash.as_bytes()).as_slice())
    }

    /// The job that already has the idempotency key, if it publishes the same.
    fn same_request(&self, first: JobRow, request_hash: &str) -> Result<JobRow> {
        // Earlier versions stored the plain hash.
        if first.request_hash == request_hash || self.keyed(&first.request_hash) == request_hash {
            return Ok(first);
        }
        Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the idempotency key already belongs to {}, which publishes a different post", first.id),
        )
        .with_field("idempotency_key")
        .with_remedy("use a new key for a new post, or repeat exactly the first request"))
    }

    /// A new job for what an ended one did not publish. After `unknown`, `looked` says that the person has
    /// looked and found nothing. Asked for again, by a second press or a lost answer, it is the same job, as long as
    /// that has not ended without a post.
    pub(crate) async fn retry(
        self: &Arc<Self>,
        tenant: &TenantId,
        by: Option<&str>,
        id: &str,
        looked: bool,
    ) -> Result<Job> {
        let row = self.row(tenant, id).await?;
        may_retry(row.status, looked)?;
        // One that was accepted is found also when the account, the form or the media is not what it was.
        if let Some(made) = self.store.other_attempt(tenant, id).await? {
            if !made.status.has_ended() {
                self.follow(tenant, &made.id);
            }
            return self.show(tenant, made);
        }
        self.room.check_disk()?;
        let account = self.accounts.row(tenant, &row.channel).await?;
        let app = self.apps.of_account(tenant, &account).await?;
        let key = row_key(tenant, id);
        let mut request: StoredRequest = open_json(&self.vault, place(&key, "request"), &row.request)?;
        let quotas = self.must_fit(tenant, &account, &app, &request.post).await?;
        let bound = self.media.link(tenant, &app, &mut request.media)?;
        let new = NewJob {
            app: app.id.clone(),
            channel: row.channel,
            digest: app.provider.digest().clone(),
            request,
            request_hash: row.request_hash,
            idempotency_key: None,
            retry_of: Some(id.to_owned()),
            submitted_by: by.map(str::to_owned),
            consent: row.consent,
            priority: row.priority,
            publish_at: None,
            times: times(None, None, self.clock.now_ms())?,
            quotas,
        };
        self.insert(tenant, new, bound).await
    }

    /// Its own task, so that a stored job also runs if the caller is dropped in between.
    async fn insert(self: &Arc<Self>, tenant: &TenantId, new: NewJob, media: JobMedia) -> Result<Job> {
        let row = self.new_row(tenant, new)?;
        let (publisher, tenant) = (self.clone(), tenant.clone());
        let most = i64::from(self.options.open_jobs);
        let task = self.lifetime.spawn(async move {
            let row = match publisher.store.insert_job(&tenant, &row, &media, most).await? {
                InsertedJob::Stored => row,
                // Somebody sent the same at the same moment, or tried the same again before.
                InsertedJob::Repeated(first) => publisher.same_request(*first, &row.request_hash)?,
                InsertedJob::UploadGone(upload) => return Err(gone(&upload)),
                InsertedJob::Full => {
                    let remedy = "wait until some have published, cancel some, or raise the limit of open jobs";
                    return Err(full(&format!("{most} open jobs"), remedy));
                }
            };
            tracing::info!(%tenant, job = row.id, channel = row.channel, by = row.submitted_by, "publish stored");
            if !row.status.has_ended() {
                publisher.follow(&tenant, &row.id);
                publisher.wake.all();
            }
            publisher.show(&tenant, row)
        });
        task.await.map_err(|error| Error::internal("storing a publish broke off").with_source(error))?
    }

    fn new_row(&self, tenant: &TenantId, new: NewJob) -> Result<JobRow> {
        let id = id::new("job")?;
        let key = row_key(tenant, &id);
        let now = self.clock.now_ms();
        let (begin, deadline_at) = new.times;
        let total = new.request.media.iter().map(|media| media.size).sum::<u64>();
        Ok(JobRow {
            request: seal_json(&self.vault, place(&key, "request"), &new.request)?,
            id,
            app: new.app,
            channel: new.channel,
            digest: new.digest,
            moved_from: None,
            request_hash: new.request_hash,
            idempotency_key: new.idempotency_key,
            retry_of: new.retry_of,
            submitted_by: new.submitted_by,
            consent: new.consent,
            priority: new.priority,
            publish_at: new.publish_at,
            state: None,
            non_idempotent: false,
            interrupted: false,
            non_idempotent_begun: false,
            sent_at: None,
            status: JobStatus::Active,
            phase: "waiting".to_owned(),
            bytes_sent: 0,
            bytes_total: i64::try_from(total).unwrap_or(i64::MAX),
            wake_at: Some(begin),
            attempts: 0,
            deadline_at,
            cancel_requested: false,
            post_id: None,
            url: None,
            error: None,
            references: Vec::new(),
            // The same instant as `created_at`: the form was asked for this job, before it was stored.
            asked_at: new.quotas.is_some().then_some(now),
            quotas: new.quotas,
            forced: false,
            resolution: None,
            created_at: now,
            updated_at: now,
            ended_at: None,
        })
    }
}

struct NewJob {
    app: String,
    channel: String,
    digest: Digest,
    request: StoredRequest,
    request_hash: String,
    idempotency_key: Option<String>,
    retry_of: Option<String>,
    submitted_by: Option<String>,
    consent: Option<String>,
    priority: i32,
    /// Milliseconds.
    publish_at: Option<i64>,
    /// When it may start, and its deadline; milliseconds.
    times: (i64, i64),
    /// The account's allowances as the form told them, as JSON. None: there was no form.
    quotas: Option<String>,
}

fn needs_no_reconnect(account: &AccountRow) -> Result<()> {
    if account.health != Health::NeedsReconnect {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unauthorized,
        format!("{} must be connected again before it can publish", account.display_name),
    )
    .with_remedy("connect the account again, then publish"))
}

fn may_retry(status: JobStatus, looked: bool) -> Result<()> {
    let no = |message: &str| Error::new(ErrorKind::InvalidRequest, message);
    match status {
        JobStatus::Failed | JobStatus::Cancelled => Ok(()),
        JobStatus::Unknown if looked => Ok(()),
        JobStatus::Unknown => Err(no("it is not known whether this job has posted").with_remedy(
            "look at the account's posts; if it is not there, retry and confirm that you have looked",
        )),
        JobStatus::Published => Err(no("this job has published; there is nothing to retry")),
        JobStatus::Active | JobStatus::Paused => {
            Err(no("this job has not ended").with_remedy("resume it, or cancel it first"))
        }
    }
}

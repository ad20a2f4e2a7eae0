//! [`Publisher`]: the shared state of publish jobs, and reading jobs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use social_channel_runtime::SecretBytes;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use tokio::sync::{Notify, watch};

use super::background::Background;
use super::forms::Forms;
use super::job::Job;
use super::request::{StoredStep, place};
use crate::account::Accounts;
use crate::app::Apps;
use crate::lifetime::Lifetime;
use crate::media::MediaLibrary;
use crate::room::Room;
use crate::store::{HistoryRow, JobFilter, JobGroup, JobRow, JobStatus, Store};
use crate::tenant_id::TenantId;
use crate::vault::{Vault, open_json, row_key};
use crate::wake::Wake;

/// The watchers of writes, by the job's id. Jobs without watchers have no entry.
pub(super) type WatchedJobs = Mutex<HashMap<String, watch::Sender<()>>>;

/// A job that this process works on.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The live number of media bytes; the row has only complete steps.
    pub(super) bytes_sent: AtomicU64,
    /// A cancellation was requested in this process.
    pub(super) cancel: Notify,
}

/// The publish jobs of one database.
pub(crate) struct Publisher {
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) apps: Arc<Apps>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) media: Arc<MediaLibrary>,
    pub(super) room: Arc<Room>,
    pub(super) lifetime: Lifetime,
    pub(super) wake: Wake,
    /// Of [`keyed_hash`](crate::vault::keyed_hash).
    pub(super) hash_key: SecretBytes,
    pub(super) options: PublishOptions,
    /// The jobs that this process works on, by id.
    pub(super) running: Mutex<HashMap<String, Arc<Running>>>,
    pub(super) background: Background,
    /// Told of every write to a job in this process.
    pub(super) changed: watch::Sender<()>,
    pub(super) watched: WatchedJobs,
    pub(super) forms: Forms,
}

/// How jobs are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishOptions {
    /// How long a worker may be silent before another takes over its job.
    pub(crate) takeover: Duration,
    /// How long the attempts of jobs are kept.
    pub(crate) history: Duration,
    /// How long jobs are kept after their end.
    pub(crate) keep_jobs: Duration,
    /// Open jobs that a tenant may have.
    pub(crate) open_jobs: u32,
    /// Jobs of a tenant, ended ones included, of which the oldest are forgotten.
    pub(crate) kept_jobs: u32,
    /// Jobs run at once, each for a different channel.
    pub(crate) at_once: usize,
    /// Run jobs as soon as they are stored.
    pub(crate) background: bool,
}

/// The dependencies of [`Publisher`].
pub(crate) struct PublishParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) media: Arc<MediaLibrary>,
    pub(crate) room: Arc<Room>,
    pub(crate) lifetime: Lifetime,
    pub(crate) wake: Wake,
    pub(crate) hash_key: SecretBytes,
    pub(crate) options: PublishOptions,
}

impl Publisher {
    pub(crate) fn new(parts: PublishParts) -> Self {
        let PublishParts {
            store,
            vault,
            clock,
            apps,
            accounts,
            media,
            room,
            lifetime,
            wake,
            hash_key,
            options,
        } = parts;
        Publisher {
            store,
            vault,
            clock,
            apps,
            accounts,
            media,
            room,
            lifetime,
            wake,
            hash_key,
            options,
            running: Mutex::default(),
            background: Background::default(),
            changed: watch::Sender::new(()),
            watched: WatchedJobs::default(),
            forms: Forms::default(),
        }
    }

    pub(super) fn show(&self, tenant: &TenantId, row: JobRow) -> Result<Job> {
        let key = row_key(tenant, &row.id);
        let request = open_json(&self.vault, place(&key, "request"), &row.request)?;
        // A step that cannot be read takes nothing from the rest.
        let step = row.state.as_ref().and_then(|sealed| {
            StoredStep::read(self.vault.open_sealed(place(&key, "state"), sealed).ok()?).ok()
        });
        Ok(Job::new(row, request, step.map(|step| step.said.publication).unwrap_or_default()))
    }

    /// One job, with live progress if this process runs it.
    pub(crate) async fn get(&self, tenant: &TenantId, id: &str) -> Result<Job> {
        let mut job = self.show(tenant, self.row(tenant, id).await?)?;
        if !job.has_ended()
            && let Some(running) = self.running(id)
        {
            job.bytes_sent =
                job.bytes_sent.max(running.bytes_sent.load(Ordering::Relaxed)).min(job.bytes_total);
        }
        Ok(job)
    }

    /// The job of an idempotency key.
    pub(crate) async fn get_by_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<Job>> {
        match self.store.job_of_key(tenant, idempotency_key).await? {
            Some(row) => self.get(tenant, &row.id).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn running(&self, id: &str) -> Option<Arc<Running>> {
        self.running.lock().ok().and_then(|jobs| jobs.get(id).cloned())
    }

    pub(super) async fn row(&self, tenant: &TenantId, id: &str) -> Result<JobRow> {
        self.store.job(tenant, id).await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no job {id}"))
                .with_remedy("see the list of jobs")
        })
    }

    pub(crate) async fn list(
        &self,
        tenant: &TenantId,
        channel: Option<&str>,
        status: Option<JobStatus>,
        group: Option<JobGroup>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Job>> {
        let before = before.map(str::to_owned);
        let mut filter = JobFilter { channel: channel.map(str::to_owned), status, group, limit, before };
        let mut jobs = Vec::new();
        loop {
            let rows = self.store.jobs(tenant, &filter).await?;
            let is_last = rows.len() < filter.limit as usize;
            for row in rows {
                filter.before = Some(row.id.clone());
                // One that cannot be decrypted hides no other.
                match self.show(tenant, row) {
                    Ok(job) => jobs.push(job),
                    Err(error) => tracing::error!(job = filter.before, %error, "a job is left out of a list"),
                }
            }
            filter.limit = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
            if is_last || filter.limit == 0 {
                return Ok(jobs);
            }
        }
    }

    pub(crate) async fn history(
        &self,
        tenant: &TenantId,
        id: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<HistoryRow>> {
        self.row(tenant, id).await?;
        self.store.job_history(tenant, id, skip, limit).await
    }
}

//! The database: all lasting data, and the transactions that ensure at-most-once.
//!
//! [`Store`] has operations (connect an account, store a step), not SQL: each operation is one function and one
//! transaction, durable when the call returns. Another database is another folder beside `sqlite`, tested by the same
//! suite (`conformance`). The store has no keys: secrets arrive [`Sealed`](crate::vault::Sealed). Every function that
//! accesses a tenant's rows requires the [`TenantId`].
//!
//! A dropped call has either had its complete effect or none. A damaged row is an error that names table and row;
//! lists leave it out and log it.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod clock;
mod columns;
#[cfg(test)]
pub(crate) mod conformance;
mod copy;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod lock;
#[cfg(test)]
mod measure;
#[cfg(feature = "mysql")]
mod mysql;
mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod remote;
mod row;
mod schema;
mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use social_channel_runtime::Digest;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::{Finding, Severity};

pub(crate) use copy::{MOVED, Side, UNDER_WAY, copy, moved, not_whole};
#[cfg(feature = "mysql")]
pub(crate) use mysql::{Mysql, MysqlSide};
pub(crate) use outbox::*;
#[cfg(feature = "postgres")]
pub(crate) use postgres::{Postgres, PostgresSide};
pub(crate) use record::*;
pub use record::{Health, HistoryRow, JobGroup, JobStatus};
pub(crate) use sqlite::{Sqlite, SqliteSide, doubt, is_shared, process};

use crate::kv::KeyValueStore;
use crate::tenant_id::TenantId;
use crate::vault::Sealed;

/// Why what is stored may not be safe, and what to do about it.
fn doubtful(message: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        subject: "database".to_owned(),
        message: message.into(),
        remedy: Some(remedy.to_owned()),
        code: None,
        details: Default::default(),
    }
}

/// The error for a channel that cannot change its app, because what it has sent is known to the old one only.
pub(crate) fn channel_busy(jobs: i64) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{jobs} of the channel's posts are under way with its app"))
        .with_code("channel_busy")
        .with_remedy("wait until they have ended, or cancel them; scheduled posts need not end")
}

/// The error for an account that has a channel of its own in the new app.
pub(crate) fn account_taken(channel: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the account is connected to that app already, as {channel}"),
    )
    .with_code("account_taken")
    .with_remedy("disconnect that channel first, or use it")
}

/// The error for a channel that is not there.
pub(crate) fn no_channel(channel: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no channel {channel}"))
        .with_remedy("see the list of channels; a disconnected one must be connected again")
}

/// What is as it should be.
fn good(message: String) -> Finding {
    Finding {
        severity: Severity::Ok,
        subject: "database".to_owned(),
        message,
        remedy: None,
        code: None,
        details: Default::default(),
    }
}

/// One database.
pub(crate) trait Store:
    MetaStore
    + AppStore
    + AccountStore
    + JobStore
    + EventStore
    + KeyValueStore
    + DocumentStore
    + DraftStore
    + MediaStore
    + SampleStore
    + OutboxStore
    + EndpointStore
{
}

impl<T> Store for T where
    T: MetaStore
        + AppStore
        + AccountStore
        + JobStore
        + EventStore
        + KeyValueStore
        + DocumentStore
        + DraftStore
        + MediaStore
        + SampleStore
        + OutboxStore
        + EndpointStore
        + OutboxStore
        + EndpointStore
{
}

/// The database itself, and its keys.
#[async_trait]
pub(crate) trait MetaStore: Send + Sync {
    /// The value under `key`; writes `value` first if there is none.
    async fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>>;
    async fn set_meta(&self, key: &str, value: &[u8]) -> Result<()>;
    /// The value under `key`.
    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// What a look at the database itself finds: its versions, its settings, its damage. May take as long as reading all of it.
    async fn examine(&self) -> Result<Vec<Finding>>;
    /// Sealed values with their places, for key rotation: a page of them, the first or the one after a cursor.
    async fn sealed_values(&self, after: Option<&SealedCursor>) -> Result<SealedPage>;
    /// Replaces one sealed value if it is unchanged since it was read.
    async fn reseal(&self, value: &SealedValue, with: &Sealed) -> Result<bool>;
    /// How many of these a tenant has.
    async fn kept(&self, tenant: &TenantId, what: Kept) -> Result<u64>;
    /// Tenants that have channels, jobs or uploads, by name.
    async fn tenants(&self) -> Result<Vec<TenantId>>;
    /// Closes every connection, and thus every file and lock. Later calls fail.
    async fn close(&self);
}

/// Components by digest, apps, and their consents.
#[async_trait]
pub(crate) trait AppStore: Send + Sync {
    /// Stores a component, makes it the one that new apps of its provider run, and moves `apps` to it.
    async fn install_component(&self, component: &ComponentRow, bytes: &[u8], apps: &[String]) -> Result<()>;
    async fn component_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;
    /// Installed components, and components that apps and open jobs still need.
    async fn components(&self) -> Result<Vec<ComponentRow>>;
    async fn installed_component(&self, provider: &str) -> Result<Option<Digest>>;
    /// How many open jobs run a component.
    async fn open_jobs_with(&self, digest: &Digest) -> Result<u64>;
    /// Deletes a provider, unless apps or open jobs still need it. Returns those apps and jobs.
    async fn uninstall_provider(&self, provider: &str) -> Result<Vec<String>>;

    async fn apps(&self) -> Result<Vec<AppRow>>;
    async fn app(&self, id: &str) -> Result<Option<AppRow>>;
    /// Inserts (`revision` 0) or replaces the row that still has `revision`. False: it was changed meanwhile.
    async fn put_app(&self, app: &AppRow) -> Result<bool>;
    /// Returns how many accounts still belong to it, and then does nothing. What is known of disconnected ones goes too.
    async fn delete_app(&self, id: &str) -> Result<u64>;

    /// Stores a new consent, and deletes those that expired before `ended_before`.
    async fn insert_session(&self, session: &SessionRow, ended_before: i64) -> Result<()>;
    /// Consumes a consent; the result says if it was already consumed. `owner` as in the row.
    async fn consume_session(&self, tenant: &TenantId, id: &str, owner: &str) -> Result<ConsumedSession>;
}

/// Connected accounts.
#[async_trait]
pub(crate) trait AccountStore: Send + Sync {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>>;
    /// By their channels' ids, up to `limit`; the ones after a channel, if given.
    async fn accounts_after(
        &self,
        tenant: &TenantId,
        app: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Vec<AccountRow>>;
    /// Idle accounts of all tenants that are due for a refresh.
    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>>;
    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>>;
    /// Accounts with the same grant, in all tenants of the app: they end together with this one.
    async fn accounts_of_grant(
        &self,
        app: &str,
        grant: Option<&str>,
        account: &str,
    ) -> Result<Vec<(TenantId, String)>>;
    /// Connects an account: inserts it as `account.channel`, or replaces everything but the channel's id where the
    /// tenant's app has it already, or had it before it was disconnected; and makes the channel's paused jobs due again. `seal` seals the credentials for
    /// the channel that they will belong to. Returns that channel.
    ///
    /// With [`NewAccount::takes_over`] it becomes that channel's account: its jobs that have not begun belong to the new app and
    /// are due when they are to be published. `InvalidRequest` for a channel with jobs under way ([`channel_busy`]), and
    /// if the account has another channel in the new app ([`account_taken`]).
    async fn connect_account(&self, tenant: &TenantId, account: &NewAccount, seal: &Seal) -> Result<String>;
    /// Stores refreshed credentials, if `lease` still holds the account, and frees it. Name and picture stay: a provider
    /// may only know those of the day of the consent.
    async fn store_credentials(
        &self,
        tenant: &TenantId,
        channel: &str,
        account: &NewAccount,
        credentials: &Sealed,
        lease: &Lease,
    ) -> Result<bool>;
    /// Stores the account's health, unless its credentials changed since `credentials_revision`.
    async fn set_account_health(
        &self,
        tenant: &TenantId,
        channel: &str,
        health: Health,
        detail: Option<&str>,
        credentials_revision: i64,
        now: i64,
    ) -> Result<bool>;
    /// Over all tenants: those that need no person first, and whose name and picture were read before an instant.
    async fn accounts_to_look_at(&self, before: i64) -> Result<Vec<(TenantId, String)>>;
    /// Notes how the account is called and what it looks like now. A username that is not told stays as it was.
    async fn set_account_profile(
        &self,
        tenant: &TenantId,
        channel: &str,
        display_name: &str,
        username: Option<&str>,
        avatar_url: Option<&str>,
        now: i64,
    ) -> Result<()>;
    /// Forgets credentials and permissions. The channel's id stays known for the account, so that its jobs and numbers
    /// are there again once it is connected again.
    async fn delete_account(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()>;
    /// Acquires the account's lease for one refresh, for `length` from now on. None: another caller holds it.
    async fn acquire_account(
        &self,
        tenant: &TenantId,
        channel: &str,
        length: Duration,
    ) -> Result<Option<Lease>>;
    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()>;
}

/// Publish jobs.
#[async_trait]
pub(crate) trait JobStore: Send + Sync {
    /// Inserts the job and ties its media to it, unless its idempotency key is taken: then the job that has it. Nor does
    /// it insert another attempt at a post of which one may still come to something, or has: then that one; nor a job
    /// of a tenant that has `most_open` open ones.
    async fn insert_job(
        &self,
        tenant: &TenantId,
        job: &JobRow,
        media: &JobMedia,
        most_open: i64,
    ) -> Result<InsertedJob>;
    async fn job(&self, tenant: &TenantId, id: &str) -> Result<Option<JobRow>>;
    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>>;
    /// The attempt that `insert_job` would return instead of storing another one at the post of `job`.
    async fn other_attempt(&self, tenant: &TenantId, job: &str) -> Result<Option<JobRow>>;
    /// As many as `filter.limit`, unless there are no more.
    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>>;
    /// The status and due times of these jobs; missing jobs are left out.
    async fn job_times(&self, ids: &[String]) -> Result<Vec<(String, JobStatus, Option<i64>)>>;
    /// Acquires the next due job for `ask.length`, among jobs that are not held and whose channel has no other held
    /// job. Tenants take turns, and the channels of each; a job's priority counts among those of its tenant. A damaged job is
    /// put off for that time.
    async fn acquire_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>>;
    /// Extends the lease to `length` from now on, and returns pending signals. None: the lease is lost.
    async fn extend_job(&self, id: &str, lease: &Lease, length: Duration) -> Result<Option<JobSignals>>;
    /// Stores the result of a call if `lease` still holds the job. None: it does not, and nothing was written.
    async fn store_step(
        &self,
        id: &str,
        lease: &Lease,
        update: &JobUpdate,
        now: i64,
    ) -> Result<Option<JobSignals>>;
    /// Gives a job back that cannot be worked on now, so that until then it is in nobody's way.
    async fn put_off_job(&self, id: &str, lease: &Lease, until: i64) -> Result<()>;
    /// Requests a cancellation. False: the job has ended. Here and below `by` is who wants it, for the history.
    async fn request_cancel(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool>;
    /// Makes a paused or waiting job due now. False: it has ended.
    async fn wake_job(&self, tenant: &TenantId, id: &str, by: Option<&str>, now: i64) -> Result<bool>;
    /// Stores what a person found. False: the job is not `unknown`.
    async fn resolve_job(
        &self,
        tenant: &TenantId,
        id: &str,
        resolved: &ResolvedJob,
        now: i64,
    ) -> Result<bool>;
    /// Changes a job. False: it has ended, or it may have been posted.
    async fn change_job(&self, tenant: &TenantId, id: &str, change: &ChangedJob, now: i64) -> Result<bool>;
    /// Assigns an open job to another component, which continues it when it is due. False: it has ended, or already
    /// has that component.
    async fn move_job(
        &self,
        tenant: &TenantId,
        id: &str,
        to: &Digest,
        by: Option<&str>,
        now: i64,
    ) -> Result<bool>;
    /// Oldest first, up to `limit`, without the first `skip`.
    async fn job_history(
        &self,
        tenant: &TenantId,
        id: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<HistoryRow>>;
    /// Deletes attempts from before an instant, a bounded number per call. False: none are left.
    async fn prune_history(&self, before: i64) -> Result<bool>;
    /// Forgets jobs that ended before an instant, with their attempts and references, a bounded number at once. False:
    /// none are left. Of a tenant that has more than `most` jobs, the oldest that have ended are forgotten earlier.
    async fn prune_jobs(&self, before: i64, most: i64) -> Result<bool>;
    /// The jobs of a channel that have not ended.
    async fn open_jobs(&self, tenant: &TenantId, channel: &str) -> Result<Vec<String>>;
    /// Jobs that have begun and not ended and run a component, the newest first.
    async fn begun_jobs_with(&self, digest: &Digest, limit: u32) -> Result<Vec<(TenantId, JobRow)>>;
    /// Mends what the store derives from jobs, should it be damaged.
    async fn mend_queues(&self) -> Result<()>;
}

/// Webhook events.
#[async_trait]
pub(crate) trait EventStore: Send + Sync {
    /// Stores an event, matches it with a job and wakes that job. False: its id is already known.
    async fn insert_event(&self, event: &EventRow) -> Result<bool>;
    /// Deletes unmatched events and ids that are old, and of an app with more than `most` events the oldest that no job
    /// waits for; a bounded number at once. False: none are left.
    async fn prune_events(&self, now: i64, most: i64) -> Result<bool>;
    /// Stores the event that a platform ended the account's connections (of all tenants, begun up to `at`), and
    /// ends them. Returns whether the event's id is new, and how many connections ended.
    async fn end_connections(&self, event: &EventRow, at: i64, detail: &str) -> Result<(bool, u64)>;
    /// The oldest event of a job that no call has received. If a lost response contained the job's reference,
    /// this includes an event that no other job can match.
    async fn waiting_event(&self, job: &str) -> Result<Option<WaitingEvent>>;
}

/// Documents of a front door, such as API keys, by kind and id. Their content belongs to the front door.
#[async_trait]
pub(crate) trait DocumentStore: Send + Sync {
    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>>;
    /// Without their bodies, in the order of their ids.
    async fn documents(&self, kind: &str) -> Result<Vec<Document>>;
    /// Those whose facts name this tenant in `tenant`.
    async fn documents_of(&self, kind: &str, tenant: &TenantId) -> Result<Vec<Document>>;
    /// Whether there are any, also unreadable ones.
    async fn has_documents(&self, kind: &str) -> Result<bool>;
    /// Makes all of these changes or none. Returns how many documents were written or removed.
    async fn change_documents(&self, changes: &[DocumentChange]) -> Result<u64>;
}

/// What a front door has of posts that are not published yet.
#[async_trait]
pub(crate) trait DraftStore: Send + Sync {
    /// None also if its time is over.
    async fn draft(&self, tenant: &TenantId, id: &str) -> Result<Option<DraftRow>>;
    /// Newest first.
    async fn drafts(&self, tenant: &TenantId) -> Result<Vec<DraftRow>>;
    /// Inserts a draft, or replaces its content and its end. Drafts whose time is over are deleted.
    async fn put_draft(&self, tenant: &TenantId, draft: &DraftRow) -> Result<()>;
    /// False: there is none.
    async fn delete_draft(&self, tenant: &TenantId, id: &str) -> Result<bool>;
}

/// Media that the host stores or serves.
#[async_trait]
pub(crate) trait MediaStore: Send + Sync {
    /// Stores an upload, and removes the document with its id of the kind `begun`, if it came in parts. False: the
    /// tenant's uploads would exceed `limit` bytes in total, and nothing was written.
    async fn insert_upload(
        &self,
        upload: &UploadRow,
        limit: Option<u64>,
        begun: Option<&str>,
    ) -> Result<bool>;
    async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Option<UploadRow>>;
    /// Newest first, up to `limit`; the ones after an upload, if given.
    async fn uploads(&self, tenant: &TenantId, limit: u32, after: Option<&str>) -> Result<Vec<UploadRow>>;
    /// The total size of a tenant's uploads in bytes.
    async fn uploaded(&self, tenant: &TenantId) -> Result<u64>;
    /// Those of these upload ids that exist.
    async fn known_uploads(&self, ids: &[String]) -> Result<Vec<String>>;
    /// Deletes an upload. False: it does not exist, or an open job still needs it.
    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool>;
    /// Holds an upload beyond the end of its jobs, or lets go of it. False: it does not exist.
    async fn hold_upload(&self, tenant: &TenantId, id: &str, held: bool) -> Result<bool>;
    /// Deletes uploads whose jobs have all published or been cancelled and that are not held, and those without an open
    /// job that are older than `before`. Returns them, so that their files can be deleted.
    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>>;

    /// A media link, if its job has not ended.
    async fn media_link(&self, id: &str) -> Result<Option<MediaLinkRow>>;
    /// Deletes media links of ended jobs, and those without a job that are older than `before`.
    async fn delete_finished_media_links(&self, before: i64) -> Result<()>;
}

/// Statistics over time.
#[async_trait]
pub(crate) trait SampleStore: Send + Sync {
    /// Channels of all tenants without a sample since `since`, except those that must be reconnected.
    async fn channels_to_sample(&self, since: i64) -> Result<Vec<(TenantId, String)>>;
    async fn newest_sample(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>>;
    async fn insert_sample(&self, tenant: &TenantId, channel: &str, at: i64, stats: &str) -> Result<()>;
    /// Oldest first.
    async fn samples(&self, tenant: &TenantId, channel: &str, since: i64) -> Result<Vec<(i64, String)>>;
    /// Those of posts too.
    async fn delete_samples(&self, before: i64) -> Result<()>;

    /// Channels of all tenants whose posts were not asked for since `since`, except those that must be reconnected.
    async fn channels_to_sample_posts(&self, since: i64) -> Result<Vec<(TenantId, String)>>;
    /// When a channel's posts were last asked for; None: there is no such channel.
    async fn posts_sampled_at(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>>;
    /// Notes that a channel's posts are asked for now. False: somebody did after `since`.
    async fn begin_post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        since: i64,
        now: i64,
    ) -> Result<bool>;
    /// Stores the numbers of posts at an instant. Of equal ones in a row only the first and the last are kept.
    async fn insert_post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        at: i64,
        posts: &[(String, String)],
    ) -> Result<()>;
    /// Oldest first.
    async fn post_samples(
        &self,
        tenant: &TenantId,
        channel: &str,
        post: &str,
        since: i64,
    ) -> Result<Vec<(i64, String)>>;
}

//! The database: what must last, and the transactions that at-most-once rests on.
//!
//! [`Store`] speaks of accounts, jobs and leases, never of SQL, so another database is another file beside
//! `sqlite`. It knows no keys: secrets arrive [`Sealed`](crate::vault::Sealed). Every function that touches a
//! tenant's rows demands the [`TenantId`].

mod record;
mod sqlite;

use async_trait::async_trait;

pub(crate) use record::*;
pub use record::{Health, HistoryRow, JobStatus};
pub(crate) use sqlite::Sqlite;

use crate::digest::Digest;
use crate::error::Result;
use crate::tenant::TenantId;
use crate::vault::Sealed;

/// One database. Every write is one small transaction, durable when the call returns ([`ValueStore`] asks less).
pub(crate) trait Store:
    MetaStore
    + AppStore
    + AccountStore
    + JobStore
    + EventStore
    + ValueStore
    + AccessStore
    + MediaStore
    + SampleStore
{
}

impl<T> Store for T where
    T: MetaStore
        + AppStore
        + AccountStore
        + JobStore
        + EventStore
        + ValueStore
        + AccessStore
        + MediaStore
        + SampleStore
{
}

/// Tells whether the owner of a lease is certainly dead, so that nobody has to wait for its lease to end.
pub(crate) type IsDead = dyn for<'a> Fn(&'a str) -> bool + Send + Sync;

/// Facts about the database itself, and its keys.
#[async_trait]
pub(crate) trait MetaStore: Send + Sync {
    /// The value under `key`; writes `value` first if there is none.
    async fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>>;
    async fn set_meta(&self, key: &str, value: &[u8]) -> Result<()>;
    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Every sealed value with its place, for a change of keys.
    async fn sealed_values(&self) -> Result<Vec<SealedValue>>;
    /// Replaces one sealed value if it still is what was read.
    async fn reseal(&self, value: &SealedValue, with: &Sealed) -> Result<bool>;
}

/// Components by digest, apps, and the consents they began.
#[async_trait]
pub(crate) trait AppStore: Send + Sync {
    async fn put_component(&self, component: &ComponentRow, bytes: &[u8]) -> Result<()>;
    async fn component_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;
    async fn components(&self) -> Result<Vec<ComponentRow>>;
    /// Makes this the component that new apps of its provider run, and moves `apps` to it, at once.
    async fn install_component(
        &self,
        provider: &str,
        digest: &Digest,
        apps: &[String],
        now: i64,
    ) -> Result<()>;
    async fn installed_component(&self, provider: &str) -> Result<Option<Digest>>;
    /// Forgets a provider. Returns the apps and open jobs that still need it, and then does nothing.
    async fn uninstall_provider(&self, provider: &str) -> Result<Vec<String>>;

    async fn apps(&self) -> Result<Vec<AppRow>>;
    async fn app(&self, id: &str) -> Result<Option<AppRow>>;
    /// Inserts (`revision` 0) or replaces the row that still has `revision`. False: somebody else wrote.
    async fn put_app(&self, app: &AppRow) -> Result<bool>;
    /// Returns how many accounts still belong to it, and then does nothing.
    async fn delete_app(&self, id: &str) -> Result<u64>;

    async fn insert_session(&self, session: &SessionRow) -> Result<()>;
    /// Spends it: whoever asks next gets nothing. `owner` as in the row.
    async fn take_session(&self, tenant: &TenantId, id: &str, owner: &str) -> Result<TakeSession>;
    async fn delete_expired_sessions(&self, now: i64) -> Result<()>;
}

/// Connected accounts.
#[async_trait]
pub(crate) trait AccountStore: Send + Sync {
    async fn accounts(&self, tenant: &TenantId) -> Result<Vec<AccountRow>>;
    /// Over all tenants, for the sweep that refreshes idle accounts.
    async fn accounts_to_refresh(&self, before: i64) -> Result<Vec<(TenantId, String)>>;
    async fn account(&self, tenant: &TenantId, channel: &str) -> Result<Option<AccountRow>>;
    async fn account_by_id(&self, tenant: &TenantId, app: &str, account: &str) -> Result<Option<AccountRow>>;
    /// In all tenants of the app: the accounts that end together with this one.
    async fn accounts_of_grant(
        &self,
        app: &str,
        grant: Option<&str>,
        account: &str,
    ) -> Result<Vec<(TenantId, String)>>;
    /// Inserts, or replaces everything but the channel's id and its first connection.
    async fn put_account(&self, tenant: &TenantId, account: &AccountRow) -> Result<()>;
    /// Stores refreshed credentials, if `lease` still holds the account, and frees it.
    async fn store_credentials(&self, tenant: &TenantId, account: &AccountRow, lease: &Lease)
    -> Result<bool>;
    async fn set_account_health(
        &self,
        tenant: &TenantId,
        channel: &str,
        health: Health,
        detail: Option<&str>,
        credentials_revision: i64,
        now: i64,
    ) -> Result<bool>;
    async fn delete_account(&self, tenant: &TenantId, channel: &str) -> Result<()>;
    /// Takes the account for one refresh. None: somebody else holds it until the instant returned.
    async fn lease_account(
        &self,
        tenant: &TenantId,
        channel: &str,
        owner: &str,
        until: i64,
        now: i64,
        dead: &IsDead,
    ) -> Result<Option<Lease>>;
    async fn release_account(&self, tenant: &TenantId, channel: &str, lease: &Lease) -> Result<()>;
}

/// Publish jobs.
#[async_trait]
pub(crate) trait JobStore: Send + Sync {
    /// Inserts the job, unless its idempotency key is taken: then the job that has it.
    async fn insert_job(&self, tenant: &TenantId, job: &JobRow) -> Result<Option<JobRow>>;
    async fn job(&self, tenant: &TenantId, id: &str) -> Result<Option<JobRow>>;
    async fn job_of_key(&self, tenant: &TenantId, idempotency_key: &str) -> Result<Option<JobRow>>;
    async fn jobs(&self, tenant: &TenantId, filter: &JobFilter) -> Result<Vec<JobRow>>;
    /// The next due job, leased, of those that nobody holds and whose channel has no other held job.
    async fn lease_job(&self, ask: &AskForJob<'_>) -> Result<Option<(TenantId, JobRow, Lease)>>;
    /// Prolongs the lease; also says whether somebody asked to cancel. None: the lease is gone.
    async fn extend_job_lease(&self, id: &str, lease: &Lease, until: i64) -> Result<Option<JobSignals>>;
    /// Stores what a call came to, if `lease` still holds the job. None: it does not, nothing was written.
    async fn store_step(
        &self,
        id: &str,
        lease: &Lease,
        update: &JobUpdate,
        now: i64,
    ) -> Result<Option<JobSignals>>;
    /// Asks to cancel. False: it has ended.
    async fn request_cancel(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool>;
    /// Makes a paused or waiting job due now. False: it has ended.
    async fn wake_job(&self, tenant: &TenantId, id: &str, now: i64) -> Result<bool>;
    /// Makes the channel's paused jobs due again.
    async fn wake_paused_jobs(&self, tenant: &TenantId, channel: &str, now: i64) -> Result<()>;
    /// Stores what a person found. False: the job is not `unknown`.
    async fn resolve_job(
        &self,
        tenant: &TenantId,
        id: &str,
        resolved: &ResolvedJob,
        now: i64,
    ) -> Result<bool>;
    /// Changes a job. False: it has ended, or something of it may have been posted.
    async fn change_job(&self, tenant: &TenantId, id: &str, change: &ChangedJob, now: i64) -> Result<bool>;
    /// Gives an open job to another component, which goes on now. False: it has ended, or has that component.
    async fn move_job(&self, tenant: &TenantId, id: &str, to: &Digest, now: i64) -> Result<bool>;
    async fn job_history(&self, tenant: &TenantId, id: &str) -> Result<Vec<HistoryRow>>;
    /// Forgets attempts from before an instant, a bounded number at once. False: none are left.
    async fn prune_history(&self, before: i64) -> Result<bool>;
}

/// What webhooks said.
#[async_trait]
pub(crate) trait EventStore: Send + Sync {
    /// Stores an event, matches it with a job and wakes that. False: its id is known already.
    async fn insert_event(&self, event: &EventRow) -> Result<bool>;
    /// The oldest event of a job that no call has taken. Of a job whose lost answer held the reference also one
    /// that nobody else can have meant.
    async fn waiting_event(&self, job: &str) -> Result<Option<WaitingEvent>>;
    /// Marks the account's channels of all tenants that were connected before `at`. Returns how many.
    async fn remove_account(&self, app: &str, account: &str, at: i64, detail: &str, now: i64) -> Result<u64>;
}

/// What providers remember, by app. All processes see a write when the call returns, and it outlives them; a power
/// cut may take back the last moments.
#[async_trait]
pub(crate) trait ValueStore: Send + Sync {
    async fn value(&self, app: &str, key: &str, now: i64) -> Result<Option<ValueRow>>;
    /// Writes if `if_version` matches. The value's seal does not depend on its version.
    async fn set_value(
        &self,
        app: &str,
        key: &str,
        value: &Sealed,
        if_version: Option<u64>,
        expires_at: Option<i64>,
        now: i64,
    ) -> Result<SetValue>;
    async fn delete_value(&self, app: &str, key: &str) -> Result<()>;
    async fn value_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        now: i64,
        limit: u32,
    ) -> Result<Vec<String>>;
}

/// Who may use a service in front of this library.
#[async_trait]
pub(crate) trait AccessStore: Send + Sync {
    async fn insert_api_key(&self, key: &ApiKeyRow) -> Result<()>;
    /// The operator's own and all tenants', or one tenant's; newest first.
    async fn api_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKeyRow>>;
    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKeyRow>>;
    async fn note_api_key_use(&self, id: &str, now: i64) -> Result<()>;
    /// False: there was none.
    async fn delete_api_key(&self, tenant: Option<&TenantId>, id: &str) -> Result<bool>;
    async fn has_api_keys(&self) -> Result<bool>;

    async fn insert_browser(&self, id: &str, now: i64, expires_at: i64) -> Result<()>;
    async fn browser_is_signed_in(&self, id: &str, now: i64) -> Result<bool>;
    /// None: all of them.
    async fn delete_browsers(&self, id: Option<&str>) -> Result<()>;
    async fn delete_expired_browsers(&self, now: i64) -> Result<()>;
}

/// Media that the host keeps or hands out, and files of the site.
#[async_trait]
pub(crate) trait MediaStore: Send + Sync {
    /// False: with it the tenant's uploads would take more than `limit` bytes together; nothing was written.
    async fn insert_upload(&self, upload: &UploadRow, limit: Option<u64>) -> Result<bool>;
    async fn upload(&self, tenant: &TenantId, id: &str) -> Result<Option<UploadRow>>;
    async fn uploads(&self, tenant: &TenantId) -> Result<Vec<UploadRow>>;
    /// False: there was none, or an open job still needs it.
    async fn delete_upload(&self, tenant: &TenantId, id: &str) -> Result<bool>;
    async fn bind_uploads(&self, tenant: &TenantId, uploads: &[String], job: &str) -> Result<()>;
    /// Forgets uploads whose jobs have all published or been cancelled, and those without an open job that
    /// are older than `before`. Returns them, so that their files can go.
    async fn take_finished_uploads(&self, before: i64) -> Result<Vec<(TenantId, String)>>;

    async fn insert_media_link(&self, link: &MediaLinkRow) -> Result<()>;
    async fn bind_media_links(&self, links: &[String], job: &str) -> Result<()>;
    /// While its job has not ended.
    async fn media_link(&self, id: &str) -> Result<Option<MediaLinkRow>>;
    /// Those of ended jobs, and those without a job that are older than `before`.
    async fn delete_finished_media_links(&self, before: i64) -> Result<()>;

    async fn put_site_file(&self, file: &SiteFileRow) -> Result<()>;
    async fn site_file(&self, path: &str) -> Result<Option<SiteFileRow>>;
    /// Without their bytes.
    async fn site_files(&self) -> Result<Vec<SiteFileRow>>;
    async fn delete_site_file(&self, path: &str) -> Result<bool>;
}

/// Numbers over time.
#[async_trait]
pub(crate) trait SampleStore: Send + Sync {
    /// Channels of all tenants without a sample since `since`, that need no person first.
    async fn channels_to_sample(&self, since: i64) -> Result<Vec<(TenantId, String)>>;
    async fn newest_sample(&self, tenant: &TenantId, channel: &str) -> Result<Option<i64>>;
    async fn insert_sample(&self, tenant: &TenantId, channel: &str, at: i64, stats: &str) -> Result<()>;
    /// Oldest first.
    async fn samples(&self, tenant: &TenantId, channel: &str, since: i64) -> Result<Vec<(i64, String)>>;
    async fn delete_samples(&self, before: i64) -> Result<()>;
}

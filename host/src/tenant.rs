//! [`Tenant`]: the calls of one customer of the platform.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use social_channel_runtime::Provider;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::limits::LINE;
use social_channel_runtime::media::Picture;
use social_channel_runtime::model::{
    Finding, ListQuery, Media, Post, PostPage, PostSummary, Profile, PublishForm, Stats,
};

use crate::account::{
    Channel, Connect, ConnectOptions, Connected, Disconnected, Import, ImportReport, ImportedRow, PostSample,
    StatsSample,
};
use crate::app::SettingValue;
use crate::blob::{NewUpload, PartialUpload, Upload};
use crate::draft::Draft;
use crate::event::{
    Delivery, DeliveryAttempt, Endpoint, EndpointChanges, EndpointWithSecret, EventPage, NewEndpoint,
};
use crate::host::{Host, Parts};
use crate::media::ServedMedia;
use crate::publish::{Job, JobChange, JobWatch, JobsWatch, PublishRequest, Resolution};
use crate::store::{HistoryRow, JobGroup, JobStatus};
use crate::tenant_id::TenantId;

/// The calls of one tenant.
#[derive(Clone)]
pub struct Tenant {
    pub(crate) parts: Arc<Parts>,
    pub(crate) id: TenantId,
    /// Who makes the calls.
    by: Option<Arc<str>>,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Host {
    /// The view of one tenant: it gives no access to other tenants.
    pub fn tenant(&self, id: TenantId) -> Tenant {
        Tenant { parts: self.parts.clone(), id, by: None }
    }
}

impl Tenant {
    /// The same calls, made by a person or program of this name: channels, jobs and the history of jobs say so. What a person agreed
    /// to ([`PublishRequest::consent`]) has a `by` of its own.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that is empty, longer than 1,024 bytes, or has control characters.
    pub fn made_by(mut self, who: &str) -> Result<Self> {
        // Shown in one line, wherever jobs are.
        if who.trim().is_empty() || who.len() > LINE || who.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "the name of who calls is not one line of text",
            )
            .with_field("by")
            .with_remedy("give a name of 1 to 1,024 bytes, or none"));
        }
        self.by = Some(who.into());
        Ok(self)
    }

    /// Whose calls these are.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    // ---- connect ------------------------------------------------------------------------------------

    /// Begins a consent: returns where to send the person's browser. If the future is dropped, an unused consent may
    /// remain; it expires. An account that needs no browser is connected nevertheless, because what was given may be used up.
    pub async fn begin_connect(&self, app: &str, options: ConnectOptions) -> Result<Connect> {
        self.parts.accounts.begin_connect(&self.id, self.by(), app, options).await
    }

    /// Completes a consent with the query of the callback, each parameter decoded once. `owner` is the value given to
    /// [`Tenant::begin_connect`]. If the future is dropped, the consent is completed nevertheless.
    pub async fn complete_connect(&self, owner: &str, callback: Vec<(String, String)>) -> Result<Connected> {
        self.parts.accounts.complete_connect(&self.id, self.by(), owner, callback).await
    }

    /// Connects one of several accounts that a consent returned. If the future is dropped, the account is connected
    /// nevertheless.
    pub async fn choose_account(&self, owner: &str, choice: &str, account_id: &str) -> Result<Channel> {
        self.parts.accounts.choose_account(&self.id, self.by(), owner, choice, account_id).await
    }

    /// Connects accounts of which the caller holds what replaces a browser: refresh tokens, passwords of apps. `told` gets
    /// each row when it is done. Rows are used once: those that were imported are left alone when the same rows are given
    /// again, as after a kill. A row whose answer was lost is tried once more. If the future is dropped, the rows under way
    /// are done nevertheless, and no others.
    ///
    /// A dry run knows the form of the rows, those that come twice, and accounts that are connected already. Only the
    /// platform knows whether it takes a token.
    ///
    /// # Errors
    /// `NotFound` for the app; `InvalidRequest` for no rows or more than [`IMPORT_ROWS`](crate::IMPORT_ROWS). What is wrong with a row is in
    /// the report.
    pub async fn import_channels(
        &self,
        app: &str,
        import: Import,
        told: &(dyn Fn(&ImportedRow) + Send + Sync),
    ) -> Result<ImportReport> {
        self.parts.accounts.import(&self.id, self.by(), app, import, told).await
    }

    /// All channels. Dropping the future changes nothing.
    pub async fn channels(&self) -> Result<Vec<Channel>> {
        self.parts.accounts.channels(&self.id).await
    }

    /// Channels by their ids, up to `limit`, of one app or of all; the ones after a channel, if given. Dropping the future
    /// changes nothing.
    pub async fn channels_after(
        &self,
        app: Option<&str>,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Vec<Channel>> {
        self.parts.accounts.channels_after(&self.id, app, limit, after).await
    }

    /// One channel. Dropping the future changes nothing.
    pub async fn channel(&self, channel: &str) -> Result<Channel> {
        self.parts.accounts.channel(&self.id, channel).await
    }

    /// Cancels the channel's jobs, tells the platform, and forgets the credentials. Jobs, consents and numbers stay, and
    /// are the channel's again once the same account is connected to the same app again. If the future is dropped, the jobs may be cancelled and
    /// the channel stay; telling and forgetting happen together or not at all.
    pub async fn disconnect(&self, channel: &str) -> Result<Disconnected> {
        self.parts.publisher.end_all_of(&self.id, self.by(), channel).await?;
        self.parts.accounts.disconnect(&self.id, channel).await
    }

    // ---- read ---------------------------------------------------------------------------------------

    /// Who the account is. Its name and picture are also kept for [`Tenant::channel`]. Dropping the future changes
    /// nothing, here and in the calls below that read: the request is broken off, and a refresh that it began goes on.
    pub async fn profile(&self, channel: &str) -> Result<Profile> {
        self.parts.accounts.profile(&self.id, channel).await
    }

    /// One page of the account's posts, newest first. The numbers of the first page are also stored for
    /// [`Tenant::post_stats_history`]. If the future is dropped, they are stored or not.
    pub async fn list_posts(&self, channel: &str, query: &ListQuery) -> Result<PostPage> {
        self.parts.accounts.list_posts(&self.id, channel, query).await
    }

    /// Posts by id, with current statistics and covers. Posts that are deleted, private or of another account are left
    /// out. Dropping the future changes nothing.
    pub async fn get_posts(&self, channel: &str, ids: &[String]) -> Result<Vec<PostSummary>> {
        let call = |provider: Provider, context, account| -> futures::future::BoxFuture<'static, _> {
            let ids = ids.to_vec();
            Box::pin(async move { provider.get_posts(context, &account, &ids).await })
        };
        self.parts.accounts.call(&self.id, channel, &call).await
    }

    /// The account's statistics, which are also stored for [`Tenant::stats_history`]. If the future is dropped, they
    /// are stored or not.
    pub async fn stats(&self, channel: &str) -> Result<Stats> {
        self.parts.accounts.stats(&self.id, channel).await
    }

    /// The channel's statistics over time, oldest first; `since` in seconds since 1970. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stats_history(&self, channel: &str, since: Option<i64>) -> Result<Vec<StatsSample>> {
        self.parts.accounts.stats_history(&self.id, channel, since).await
    }

    /// A post's statistics over time, oldest first, by the platform's id ([`Job::post_id`]); `since` in seconds since
    /// 1970. Workers read those of a channel's twenty newest posts as often as the channel's own, and they are kept as
    /// long. Of equal ones in a row the first and the last are kept. Empty for other posts. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// `NotFound` for the channel.
    pub async fn post_stats_history(
        &self,
        channel: &str,
        post: &str,
        since: Option<i64>,
    ) -> Result<Vec<PostSample>> {
        self.parts.accounts.post_stats_history(&self.id, channel, post, since).await
    }

    /// A picture of an account or a post, by the address that the app's provider gave: a JPEG, PNG, WebP or GIF file of
    /// at most 5 MiB, fetched as the provider itself may fetch, and kept in memory for an hour. Pages show this instead
    /// of sending their visitors' browsers to the address. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound` for the app, or if no picture is there; `DeniedByPolicy` for an origin that the app was not granted.
    pub async fn picture(&self, app: &str, address: &str) -> Result<Picture> {
        self.parts.media.picture(&self.id, app, address).await
    }

    /// A picture at an address that a person typed for a post: as [`Tenant::picture`], under the rules for media, which
    /// need no grant, and not kept. Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`Tenant::picture`].
    pub async fn typed_picture(&self, app: &str, address: &str) -> Result<Picture> {
        self.parts.media.typed_picture(&self.id, app, address).await
    }

    // ---- media --------------------------------------------------------------------------------------

    /// Stores the bytes of the stream `bytes`. If the future is dropped, nothing is stored.
    ///
    /// # Errors
    /// `LimitExceeded` for more bytes than the limit, `QuotaExceeded` if the tenant's uploads would exceed their
    /// limit, `InvalidRequest` for an empty or interrupted stream, `Unavailable` if the disk is
    /// full.
    pub async fn keep_upload(
        &self,
        new: NewUpload,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<Upload> {
        self.parts.uploads.keep(&self.id, new, bytes).await
    }

    /// Begins an upload that comes in parts; `new.size` is required. If the future is dropped, it has begun or not.
    ///
    /// # Errors
    /// As [`Tenant::keep_upload`]; `QuotaExceeded` also while too many have begun and are not whole.
    pub async fn begin_upload(&self, new: NewUpload) -> Result<PartialUpload> {
        self.parts.uploads.begin_parts(&self.id, new).await
    }

    /// Adds a part to an upload; `offset` is the number of bytes that have arrived. With the last byte it becomes an
    /// upload like any other, with the same id. If the part breaks off or the future is dropped, what was written stays:
    /// ask where the upload ends, and send what follows.
    ///
    /// # Errors
    /// `NotFound`; `InvalidRequest` with the code `upload_offset` if the upload ends elsewhere, `upload_busy` while
    /// another part arrives, and for bytes beyond its size; `Unavailable` if the disk is full.
    pub async fn append_upload(
        &self,
        id: &str,
        offset: u64,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<PartialUpload> {
        self.parts.uploads.append(&self.id, id, offset, bytes).await
    }

    /// How much of an upload has arrived. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn partial_upload(&self, id: &str) -> Result<PartialUpload> {
        self.parts.uploads.parts(&self.id, id).await
    }

    /// All uploads, newest first. Dropping the future changes nothing.
    pub async fn uploads(&self) -> Result<Vec<Upload>> {
        self.parts.uploads.list(&self.id).await
    }

    /// Uploads, newest first, up to `limit`; the ones after an upload, if given. Dropping the future changes nothing.
    pub async fn uploads_after(&self, limit: u32, after: Option<&str>) -> Result<Vec<Upload>> {
        self.parts.uploads.page(&self.id, limit, after).await
    }

    /// One upload. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn upload(&self, id: &str) -> Result<Upload> {
        self.parts.uploads.get(&self.id, id).await
    }

    /// Removes an upload, or what has arrived of one. If the future is dropped, the upload is removed or not; a file that remains is removed
    /// later.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidRequest` while an open job needs it.
    pub async fn delete_upload(&self, id: &str) -> Result<()> {
        self.parts.uploads.delete(&self.id, id).await
    }

    /// Holds an upload until its time is over, also when its jobs have published, because more of them come; or lets go
    /// of it. If the future is dropped, it is held or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn hold_upload(&self, id: &str, held: bool) -> Result<Upload> {
        self.parts.uploads.hold(&self.id, id, held).await
    }

    /// The bytes of an upload, as a job of this app would find them: for a preview. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound` for the app or the upload.
    pub async fn upload_content(&self, app: &str, id: &str) -> Result<ServedMedia> {
        self.parts.media.upload_content(&self.id, app, id).await
    }

    // ---- drafts -------------------------------------------------------------------------------------

    /// A draft that [`Tenant::put_draft`] stored. None if it does not exist or has expired. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// Failures of the database, and `Internal` if its content cannot be read as `T`.
    pub async fn draft<T: DeserializeOwned>(&self, id: &str) -> Result<Option<Draft<T>>> {
        self.parts.drafts.get(&self.id, id).await
    }

    /// All drafts, newest first. Those that cannot be read as `T` are logged and left out. Dropping the future changes
    /// nothing.
    pub async fn drafts<T: DeserializeOwned>(&self) -> Result<Vec<Draft<T>>> {
        self.parts.drafts.list(&self.id).await
    }

    /// Stores what a front door has of a post that is not published yet, encrypted, or replaces it; until `expires_at`,
    /// seconds since 1970. If the future is dropped, it is stored or not.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid id, and for more than 1 MiB.
    pub async fn put_draft<T: Serialize + Sync>(&self, id: &str, content: &T, expires_at: i64) -> Result<()> {
        self.parts.drafts.put(&self.id, id, content, expires_at).await
    }

    /// Removes a draft; it does not matter if there is none. If the future is dropped, it is removed or not.
    pub async fn delete_draft(&self, id: &str) -> Result<()> {
        self.parts.drafts.delete(&self.id, id).await
    }

    // ---- publish ------------------------------------------------------------------------------------

    /// What the account may post now. Call this again for every form that is shown. Dropping the future changes
    /// nothing.
    pub async fn publish_form(&self, channel: &str) -> Result<PublishForm> {
        self.parts.publisher.form(&self.id, channel).await
    }

    /// The form as it was asked for last, however old, to name what a post says; the platform is asked only where none is
    /// remembered. Dropping the future changes nothing.
    pub async fn last_publish_form(&self, channel: &str) -> Result<PublishForm> {
        self.parts.publisher.last_form(&self.id, channel).await
    }

    /// Checks a post as far as possible without posting it: by the account's form, as [`Tenant::publish`] does, by its
    /// media, and by the provider. Only findings of severity `error` prevent a post. Dropping the future changes nothing.
    pub async fn check_post(&self, channel: &str, post: &Post, media: &[Media]) -> Result<Vec<Finding>> {
        self.parts.publisher.check(&self.id, channel, post, media).await
    }

    /// The same of a whole request: also whether its times are to come, and whether signed addresses of media last until
    /// then. Dropping the future changes nothing.
    pub async fn check_publish(&self, channel: &str, request: &PublishRequest) -> Result<Vec<Finding>> {
        self.parts.publisher.check_request(&self.id, channel, request).await
    }

    /// Stores a publish job. It is on disk when this returns; in a host with background work it begins at
    /// once. A post that the account's form does not take is refused; where the form cannot be had, the job asks for it
    /// again before anything is sent. If the future is dropped, the job is stored or it is not: the same request with the same idempotency key finds
    /// out.
    pub async fn publish(&self, channel: &str, request: PublishRequest) -> Result<Job> {
        self.parts.publisher.publish(&self.id, self.by(), channel, request).await
    }

    /// The job of a [`PublishRequest::idempotency_key`]. None: no publish with it was stored. Dropping the future changes
    /// nothing.
    pub async fn job_of_key(&self, idempotency_key: &str) -> Result<Option<Job>> {
        self.parts.publisher.get_by_key(&self.id, idempotency_key).await
    }

    /// Jobs, newest first. Dropping the future changes nothing.
    pub async fn jobs(
        &self,
        channel: Option<&str>,
        status: Option<JobStatus>,
        limit: u32,
    ) -> Result<Vec<Job>> {
        self.parts.publisher.list(&self.id, channel, status, None, limit, None).await
    }

    /// The next page of the list of jobs: those after the job with the id `before`. Empty if that job does not exist.
    /// Dropping the future changes nothing.
    pub async fn jobs_before(
        &self,
        channel: Option<&str>,
        status: Option<JobStatus>,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Job>> {
        self.parts.publisher.list(&self.id, channel, status, None, limit, before).await
    }

    /// Jobs of one group, newest first, and scheduled ones by their time; `before` as in [`Tenant::jobs_before`].
    /// Dropping the future changes nothing.
    pub async fn jobs_in(
        &self,
        channel: Option<&str>,
        group: JobGroup,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<Job>> {
        self.parts.publisher.list(&self.id, channel, None, Some(group), limit, before).await
    }

    /// A watch that reports whenever any job may have changed, also one of another tenant: what changed is then listed
    /// again.
    pub fn watch_jobs(&self) -> JobsWatch {
        self.parts.publisher.watch_all()
    }

    /// One job, with live progress if this process runs it. Dropping the future changes nothing.
    pub async fn job(&self, id: &str) -> Result<Job> {
        self.parts.publisher.get(&self.id, id).await
    }

    /// Every attempt of a job. Dropping the future changes nothing.
    pub async fn job_history(&self, id: &str) -> Result<Vec<HistoryRow>> {
        self.job_history_after(id, 0, u32::MAX).await
    }

    /// Attempts of a job, oldest first, up to `limit`, without the first `skip`. Dropping the future changes nothing.
    pub async fn job_history_after(&self, id: &str, skip: u32, limit: u32) -> Result<Vec<HistoryRow>> {
        self.parts.publisher.history(&self.id, id, skip, limit).await
    }

    /// Waits until the job ends, pauses, or the time is up; returns the job. Dropping the future only ends the waiting.
    pub async fn wait_for_job(&self, id: &str, longest: Duration) -> Result<Job> {
        self.parts.publisher.wait(&self.id, id, longest).await
    }

    /// Requests the cancellation of a job. What was already sent may still be posted; the job's final status says so. A
    /// job that has ended does not change. If the future is dropped, it is requested or not.
    pub async fn cancel_job(&self, id: &str) -> Result<Job> {
        self.parts.publisher.cancel(&self.id, self.by(), id).await
    }

    /// Continues a job now: after a crash, a pause, or a change that a person made. A scheduled job is published now,
    /// and its `publish_at` is gone. If the future is dropped, the job continues or stays as it was.
    ///
    /// # Errors
    /// `InvalidRequest` if it has ended.
    pub async fn resume_job(&self, id: &str) -> Result<Job> {
        self.parts.publisher.resume(&self.id, self.by(), id).await
    }

    /// Continues a job now with the component that its app currently runs, for example a repaired one. If that
    /// component cannot read the job's state (`unsupported`), the job moves back automatically. If the future is
    /// dropped, the job is moved or stays as it was.
    ///
    /// # Errors
    /// `InvalidRequest` if the job has ended, or already has that component.
    pub async fn move_job(&self, id: &str) -> Result<Job> {
        self.parts.publisher.move_to_present(&self.id, self.by(), id).await
    }

    /// Changes a job of which nothing can have been posted yet (another time, a visibility that is still offered,
    /// consent to new words), and continues it. If the future is dropped, all of it is changed or nothing.
    ///
    /// # Errors
    /// `InvalidRequest` once it has ended or a request that may make the post was begun, and for a post that the
    /// account's form does not take.
    pub async fn change_job(&self, id: &str, change: JobChange) -> Result<Job> {
        self.parts.publisher.change(&self.id, self.by(), id, change).await
    }

    /// Records what a person found after a job ended `unknown`. If it was posted, the job becomes `published`; if not,
    /// it becomes `failed` and may be retried. If the future is dropped, it is recorded or not.
    ///
    /// # Errors
    /// `InvalidRequest` if the job is not `unknown`.
    pub async fn resolve_job(&self, id: &str, found: Resolution) -> Result<Job> {
        self.parts.publisher.resolve(&self.id, self.by(), id, found).await
    }

    /// A new job for what an ended one did not publish. After `unknown`, `looked` says that the person has looked and
    /// found nothing; better say it with [`Tenant::resolve_job`]. Asked for again it is the same new job, as long as
    /// that has not ended without a post. If the future is dropped, the new job is stored or not; asking again finds
    /// out.
    pub async fn retry_job(&self, id: &str, looked: bool) -> Result<Job> {
        self.parts.publisher.retry(&self.id, self.by(), id, looked).await
    }

    /// What happened to the tenant's jobs and channels: the events after a number, oldest first, up to `limit`. None:
    /// from the oldest that is kept. Without any, waits for `wait` until there is one, or until the host shuts down. Pass
    /// [`EventPage::next`] to the next call, and store it with what you do about the events: then none is missed, however
    /// many processes write at once, and none comes again. Events are kept for a week, up to 100,000 of a tenant.
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// `InvalidRequest` for a limit of 0 or more than 500, and with the code `unknown_event` for a number that is yet to
    /// come, as after an older backup of the database was restored.
    pub async fn events(&self, after: Option<u64>, limit: u32, wait: Duration) -> Result<EventPage> {
        self.parts.outbox.read(&self.id, after, limit, wait).await
    }

    // ---- addresses that get events ------------------------------------------------------------------

    /// The addresses to which workers send the tenant's events, by the rules of Standard Webhooks. Dropping the future
    /// changes nothing.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.parts.endpoints.list(&self.id).await
    }

    /// One address. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn endpoint(&self, id: &str) -> Result<Endpoint> {
        self.parts.endpoints.get(&self.id, id).await
    }

    /// Adds an address: it gets the events from now on. Its secret is not shown again. If the future is dropped, it is
    /// added or not.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field, also for an address that is not public; `QuotaExceeded` if the tenant has as many
    /// as it may have.
    pub async fn add_endpoint(&self, new: NewEndpoint) -> Result<EndpointWithSecret> {
        self.parts.endpoints.create(&self.id, new).await
    }

    /// Changes an address. If the future is dropped, all of it is changed or nothing.
    ///
    /// # Errors
    /// `NotFound`, and as [`Tenant::add_endpoint`].
    pub async fn change_endpoint(&self, id: &str, changes: EndpointChanges) -> Result<Endpoint> {
        self.parts.endpoints.change(&self.id, id, changes).await
    }

    /// Gives an address another secret, or the one of the caller. The ones before sign beside it for `overlap`, a day by
    /// default, so that the receiver can be changed meanwhile. If the future is dropped, it has another secret or not.
    ///
    /// # Errors
    /// `NotFound`, `InvalidRequest` for a secret that is none by the standard.
    pub async fn rotate_endpoint(
        &self,
        id: &str,
        secret: Option<SettingValue>,
        overlap: Option<Duration>,
    ) -> Result<EndpointWithSecret> {
        self.parts.endpoints.rotate(&self.id, id, secret, overlap).await
    }

    /// Removes an address with its log. If the future is dropped, it is removed or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_endpoint(&self, id: &str) -> Result<()> {
        self.parts.endpoints.delete(&self.id, id).await
    }

    /// What was sent to an address and what waits: newest events first, up to `limit` (500 at most), before an event's
    /// number. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn deliveries(&self, endpoint: &str, before: Option<u64>, limit: u32) -> Result<Vec<Delivery>> {
        self.parts.endpoints.deliveries(&self.id, endpoint, before, limit).await
    }

    /// The last attempts to send an event, by its number, oldest first. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound` for the address.
    pub async fn delivery_attempts(&self, endpoint: &str, number: u64) -> Result<Vec<DeliveryAttempt>> {
        self.parts.endpoints.attempts(&self.id, endpoint, number).await
    }

    /// Sends an event to an address again, by the event's id, whatever became of it; the receiver gets the same id. If the
    /// future is dropped, it is sent again or not.
    ///
    /// # Errors
    /// `NotFound` for the address and for an event that is not kept any more, `InvalidRequest` for a disabled address.
    pub async fn send_event_again(&self, endpoint: &str, event: &str) -> Result<()> {
        self.parts.endpoints.send_again(&self.id, endpoint, event).await
    }

    /// Watches a job: returns the job, and a watch that reports each later change. Dropping the watch ends it. Dropping
    /// the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn watch_job(&self, id: &str) -> Result<(Job, JobWatch)> {
        self.parts.publisher.watch(&self.id, id).await
    }
}

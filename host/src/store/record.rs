//! Rows, as the rest of the library sees them. Timestamps are milliseconds since 1970. Timestamps exchanged
//! with a provider are seconds, with names that end in `_at_s`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::Digest;
use social_channel_runtime::error::Result;

use crate::tenant_id::TenantId;
use crate::vault::Sealed;

/// A stored component.
#[derive(Clone, Debug)]
pub(crate) struct ComponentRow {
    pub(crate) digest: Digest,
    pub(crate) provider: String,
    pub(crate) version: String,
    pub(crate) size: i64,
    pub(crate) added_at: i64,
    /// New apps of its provider run it.
    pub(crate) installed: bool,
}

/// A provider with one registration at the platform.
#[derive(Clone, Debug)]
pub(crate) struct AppRow {
    pub(crate) id: String,
    /// None: serves all tenants.
    pub(crate) tenant: Option<String>,
    pub(crate) provider: String,
    pub(crate) digest: Digest,
    /// A JSON object of setting names and values.
    pub(crate) settings: Sealed,
    /// Origins that the operator granted, as JSON.
    pub(crate) grants: String,
    pub(crate) redirect_uri: Option<String>,
    /// What the platform's portal says about it, as JSON.
    pub(crate) listing: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) revision: i64,
}

/// A pending consent, or one whose accounts wait for a choice.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    /// A hash of the OAuth state, which itself is not stored.
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) app: String,
    /// A hash of the owner's reference.
    pub(crate) owner: String,
    pub(crate) payload: Sealed,
    pub(crate) expires_at: i64,
}

/// The result of an attempt to use a consent.
#[derive(Clone, Debug)]
pub(crate) enum ConsumedSession {
    Now(SessionRow),
    Before,
    BegunByAnother,
    Missing,
}

/// What an account can currently do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All requested permissions were granted.
    Active,
    /// Some permissions were not granted; see `missing_scopes`.
    Limited,
    /// The person must connect it again.
    NeedsReconnect,
}

/// A connected account.
#[derive(Clone, Debug)]
pub(crate) struct AccountRow {
    /// The channel's id.
    pub(crate) channel: String,
    pub(crate) app: String,
    /// The app's revision when this row was read.
    pub(crate) app_revision: i64,
    pub(crate) account: String,
    pub(crate) display_name: String,
    pub(crate) username: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) parent_id: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) grant: Option<String>,
    pub(crate) credentials: Sealed,
    /// Incremented with every write of the credentials.
    pub(crate) credentials_revision: i64,
    /// When the credentials were issued.
    pub(crate) issued_at: i64,
    pub(crate) scopes: Vec<String>,
    pub(crate) missing_scopes: Vec<String>,
    pub(crate) expires_at_s: Option<i64>,
    pub(crate) refresh_expires_at_s: Option<i64>,
    pub(crate) health: Health,
    pub(crate) health_detail: Option<String>,
    pub(crate) connected_at: i64,
    /// Who connected it.
    pub(crate) connected_by: Option<String>,
    /// When name and picture were last read.
    pub(crate) looked_at: i64,
}

/// An account as returned by a consent or a refresh. Its sealed credentials are passed separately.
#[derive(Clone, Debug)]
pub(crate) struct NewAccount {
    /// The id of its channel, if the tenant's app does not already have the account.
    pub(crate) channel: String,
    pub(crate) app: String,
    pub(crate) account: String,
    pub(crate) display_name: String,
    pub(crate) username: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) parent_id: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) grant: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) missing_scopes: Vec<String>,
    pub(crate) expires_at_s: Option<i64>,
    pub(crate) refresh_expires_at_s: Option<i64>,
    /// When an idle account is refreshed.
    pub(crate) refresh_due_at: Option<i64>,
    pub(crate) health: Health,
    pub(crate) health_detail: Option<String>,
    /// Who connected it; a refresh leaves that as it was.
    pub(crate) connected_by: Option<String>,
    /// Stored in the same transaction, by [`AccountStore::connect_account`](super::AccountStore::connect_account) alone.
    pub(crate) note: Option<Document>,
    /// The channel of another app that the account takes over, by
    /// [`AccountStore::connect_account`](super::AccountStore::connect_account) alone.
    pub(crate) takes_over: Option<String>,
    pub(crate) now: i64,
}

/// Seals an account's credentials for the resulting channel.
pub(crate) type Seal = dyn Fn(&str) -> Result<Sealed> + Send + Sync;

/// The right to act for an account or a job, until it expires or another worker takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) fence: i64,
}

/// The status of a publish job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Running, or waiting for its time.
    Active,
    /// Waits for a person; `error` says why.
    Paused,
    /// The post was published.
    Published,
    /// Nothing was posted.
    Failed,
    /// Whether it was posted is not known; `error` says where to look.
    Unknown,
    /// Ended on request; nothing was posted.
    Cancelled,
}

impl JobStatus {
    /// No further call follows, except for a published job that waits to learn its post's id.
    pub fn has_ended(self) -> bool {
        !matches!(self, JobStatus::Active | JobStatus::Paused)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            JobStatus::Active => "active",
            JobStatus::Paused => "paused",
            JobStatus::Published => "published",
            JobStatus::Failed => "failed",
            JobStatus::Unknown => "unknown",
            JobStatus::Cancelled => "cancelled",
        }
    }
}

/// Jobs as a person looks for them: by what there is to do with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobGroup {
    /// They wait for a person: paused, or it is not known whether they were posted.
    Attention,
    /// Active, and not scheduled.
    InProgress,
    /// They wait for the time to publish at. Listed by that time, the next one first.
    Scheduled,
    /// The post was published.
    Published,
    /// Nothing was posted.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl JobGroup {
    pub(crate) fn statuses(self) -> &'static [JobStatus] {
        match self {
            JobGroup::Attention => &[JobStatus::Paused, JobStatus::Unknown],
            JobGroup::InProgress | JobGroup::Scheduled => &[JobStatus::Active],
            JobGroup::Published => &[JobStatus::Published],
            JobGroup::Failed => &[JobStatus::Failed],
            JobGroup::Cancelled => &[JobStatus::Cancelled],
        }
    }

    /// Whether only scheduled jobs belong to it, or none. None: scheduled or not makes no difference.
    pub(crate) fn scheduled(self) -> Option<bool> {
        match self {
            JobGroup::InProgress => Some(false),
            JobGroup::Scheduled => Some(true),
            _ => None,
        }
    }
}

/// A publish job.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) channel: String,
    pub(crate) digest: Digest,
    /// The component that wrote the state, if the job was moved and the new component has not yet taken a step.
    pub(crate) moved_from: Option<Digest>,
    /// The post and the media references.
    pub(crate) request: Sealed,
    /// Tells whether a request is the same.
    pub(crate) request_hash: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) retry_of: Option<String>,
    pub(crate) submitted_by: Option<String>,
    /// As JSON.
    pub(crate) consent: Option<String>,
    pub(crate) priority: i32,
    pub(crate) publish_at: Option<i64>,
    /// None: not started.
    pub(crate) state: Option<Sealed>,
    /// The next call was announced as one that must not be repeated.
    pub(crate) non_idempotent: bool,
    /// A call for this step was started, and no result of it is stored.
    pub(crate) interrupted: bool,
    /// Any `once` call was ever started.
    pub(crate) non_idempotent_begun: bool,
    /// When the first of them was started.
    pub(crate) sent_at: Option<i64>,
    pub(crate) status: JobStatus,
    pub(crate) phase: String,
    pub(crate) bytes_sent: i64,
    pub(crate) bytes_total: i64,
    /// None: it is not due at any time.
    pub(crate) wake_at: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) deadline_at: i64,
    pub(crate) cancel_requested: bool,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    /// As JSON.
    pub(crate) error: Option<String>,
    pub(crate) references: Vec<String>,
    /// The account's allowances, as JSON.
    pub(crate) quotas: Option<String>,
    /// When the form was last requested.
    pub(crate) asked_at: Option<i64>,
    /// A person resumed it regardless of the allowances.
    pub(crate) forced: bool,
    /// What a person found, as JSON.
    pub(crate) resolution: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) ended_at: Option<i64>,
}

/// What a person found after `unknown`, as stored.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedJob {
    pub(crate) status: JobStatus,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    /// As JSON.
    pub(crate) error: Option<String>,
    /// As JSON.
    pub(crate) resolution: String,
    pub(crate) by: Option<String>,
}

/// A person's changes to a job that has sent nothing. None: unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedJob {
    /// With a new request the job starts again.
    pub(crate) request: Option<Sealed>,
    pub(crate) consent: Option<String>,
    pub(crate) priority: Option<i32>,
    pub(crate) publish_at: Option<i64>,
    pub(crate) deadline_at: Option<i64>,
    /// When it continues.
    pub(crate) wake_at: i64,
    pub(crate) by: Option<String>,
}

/// Which job a worker wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskForJob<'a> {
    /// The current time, for due jobs.
    pub(crate) now: i64,
    /// The length of the lease.
    pub(crate) length: Duration,
    /// Only one of these jobs. None: any.
    pub(crate) only: Option<&'a [String]>,
    /// No job of these tenants.
    pub(crate) without: &'a [TenantId],
}

/// Media that is bound to a new job.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobMedia {
    /// Uploads that the job needs.
    pub(crate) uploads: Vec<String>,
    /// Links from which the platform fetches its media.
    pub(crate) links: Vec<MediaLinkRow>,
}

/// What a tenant keeps, besides jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Channels,
    /// Begun, and not forgotten yet.
    Consents,
    Drafts,
    Uploads,
}

/// The result of storing a job.
#[derive(Clone, Debug)]
pub(crate) enum InsertedJob {
    Stored,
    /// The job that has the idempotency key already, or is the other attempt at this post.
    Repeated(Box<JobRow>),
    /// This upload no longer exists; nothing was stored.
    UploadGone(String),
    /// The tenant has as many open jobs as it may have; nothing was stored.
    Full,
}

/// Changes by other callers while a job is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobSignals {
    pub(crate) cancel_requested: bool,
    /// The revision of the account's credentials; None: it was disconnected.
    pub(crate) credentials_revision: Option<i64>,
    /// The revision of the app; None: it was deleted.
    pub(crate) app_revision: Option<i64>,
}

/// The result of a call.
#[derive(Clone, Debug)]
pub(crate) struct JobUpdate {
    /// The component that was called.
    pub(crate) digest: Digest,
    /// It cannot continue the job, so the job moves back to its previous component.
    pub(crate) send_back: bool,
    /// None: the state is unchanged.
    pub(crate) state: Option<Sealed>,
    pub(crate) reference: Option<String>,
    pub(crate) non_idempotent: bool,
    pub(crate) interrupted: bool,
    pub(crate) non_idempotent_begun: bool,
    pub(crate) status: JobStatus,
    pub(crate) phase: String,
    pub(crate) bytes_sent: i64,
    pub(crate) bytes_total: i64,
    pub(crate) wake_at: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) error: Option<String>,
    /// The event that the call received.
    pub(crate) event_taken: Option<String>,
    /// The provider was asked to cancel.
    pub(crate) cancel_answered: bool,
    /// Give the job back in the same transaction.
    pub(crate) release: bool,
    /// The account's allowances, as JSON. None: unchanged.
    pub(crate) quotas: Option<String>,
    /// When the form was requested. None: unchanged.
    pub(crate) asked_at: Option<i64>,
    pub(crate) history: Option<HistoryRow>,
}

/// One attempt of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRow {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What was called: `publish_form`, `begin_publish`, `continue_publish`, `cancel_publish`; or another
    /// cause of a change: `deadline`, `cancel`, `change`, `move`, `resolve`, `resume`.
    pub call: String,
    /// What the job was doing.
    pub phase: String,
    /// The job's status after the attempt (as [`JobStatus`]), or the kind of the error.
    pub result: String,
    /// The error's message, if there is an error.
    pub message: Option<String>,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's reference for its support.
    pub trace_id: Option<String>,
    /// Who made the change; absent: the host itself, or a caller without a name.
    #[serde(default)]
    pub by: Option<String>,
}

/// A webhook event about a publish.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) app: String,
    /// The same for every redelivery.
    pub(crate) id: String,
    pub(crate) reference: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) evidence: Sealed,
    pub(crate) received_at: i64,
}

/// An event to pass to its job's next call.
#[derive(Clone, Debug)]
pub(crate) struct WaitingEvent {
    pub(crate) id: String,
    /// The row's name in its [`crate::vault::Place`].
    pub(crate) row: String,
    pub(crate) evidence: Sealed,
}

/// Which jobs to list, newest first; scheduled ones by their time, the next one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobFilter {
    pub(crate) channel: Option<String>,
    pub(crate) status: Option<JobStatus>,
    /// With a group the status does not count.
    pub(crate) group: Option<JobGroup>,
    pub(crate) limit: u32,
    /// Only jobs after this one, in the order of the list.
    pub(crate) before: Option<String>,
}

/// Sealed values, and where the next page begins; None: these were the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealedPage {
    pub(crate) values: Vec<SealedValue>,
    pub(crate) next: Option<SealedCursor>,
}

/// A place among the sealed values, as the store knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SealedCursor {
    pub(crate) column: usize,
    pub(crate) row: String,
}

/// A sealed value with its place.
#[derive(Clone, Debug)]
pub(crate) struct SealedValue {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: String,
    pub(crate) sealed: Sealed,
}

/// A document of a front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) kind: String,
    pub(crate) id: String,
    /// JSON that the front door defines.
    pub(crate) facts: String,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) created_at: i64,
    /// After this time the document no longer exists.
    pub(crate) expires_at: Option<i64>,
}

/// One of several changes that are made together.
#[derive(Clone, Debug)]
pub(crate) enum DocumentChange {
    /// Inserts or replaces.
    Put(Document),
    /// Inserts, unless there is one.
    Add(Document),
    /// Replaces the facts of an existing document.
    SetFacts {
        kind: String,
        id: String,
        facts: String,
    },
    /// The same, if they still are what they were.
    SwapFacts {
        kind: String,
        id: String,
        was: String,
        facts: String,
    },
    Remove {
        kind: String,
        id: String,
    },
    RemoveAll {
        kind: String,
    },
}

/// Media that a caller uploaded.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) size: i64,
    /// It stays when its jobs have published, because more of them come.
    pub(crate) held: bool,
    pub(crate) created_at: i64,
}

/// What a front door has of a post that is not published yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftRow {
    pub(crate) id: String,
    pub(crate) content: Sealed,
    pub(crate) created_at: i64,
    /// After this time it no longer exists.
    pub(crate) expires_at: i64,
}

/// A link from which a platform fetches media.
#[derive(Clone, Debug)]
pub(crate) struct MediaLinkRow {
    /// A hash of its secret part.
    pub(crate) id: String,
    pub(crate) tenant: String,
    /// The media and its app, as JSON.
    pub(crate) reference: Sealed,
    pub(crate) created_at: i64,
}

//! Rows, as the rest of the library sees them. Instants are milliseconds since 1970, unless they come from
//! or go to a provider: those are seconds and end in `_at_s`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::tenant::TenantId;
use crate::vault::Sealed;

/// A component that is kept.
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

/// A consent that was begun, or whose accounts wait for a choice.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    /// A hash of the state: the state itself is not kept.
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) app: String,
    /// A hash of the reference of whoever began it.
    pub(crate) owner: String,
    pub(crate) payload: Sealed,
    pub(crate) expires_at: i64,
}

/// What became of an attempt to use a consent.
#[derive(Clone, Debug)]
pub(crate) enum TakeSession {
    Taken(SessionRow),
    Spent,
    BegunByAnother,
    Missing,
}

/// What an account can do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All asked-for permissions are there.
    Active,
    /// Some permissions were not granted; see `missing_scopes`.
    Limited,
    /// The person must connect it again.
    NeedsReconnect,
}

/// A connected account.
#[derive(Clone, Debug)]
pub(crate) struct AccountRow {
    /// Our own id of it.
    pub(crate) channel: String,
    pub(crate) app: String,
    /// The app's revision when this row was read; 0 in a row that is yet to be stored.
    pub(crate) app_revision: i64,
    pub(crate) account: String,
    pub(crate) display_name: String,
    pub(crate) avatar_url: Option<String>,
    pub(crate) grant: Option<String>,
    pub(crate) credentials: Sealed,
    /// Grows with every write of the credentials.
    pub(crate) credentials_revision: i64,
    /// When the credentials were made.
    pub(crate) issued_at: i64,
    pub(crate) scopes: Vec<String>,
    pub(crate) missing_scopes: Vec<String>,
    pub(crate) expires_at_s: Option<i64>,
    pub(crate) refresh_expires_at_s: Option<i64>,
    /// When an idle account is refreshed all the same.
    pub(crate) refresh_due_at: Option<i64>,
    pub(crate) health: Health,
    pub(crate) health_detail: Option<String>,
    pub(crate) connected_at: i64,
    pub(crate) updated_at: i64,
}

/// The right to act for an account or a job, until it expires or somebody else takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) fence: i64,
}

/// Where a publish job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Going on, or waiting for its time.
    Active,
    /// Waits for a person; `error` says for what.
    Paused,
    /// It is out.
    Published,
    /// Nothing was posted.
    Failed,
    /// Whether it was posted is not known; `error` says where to look.
    Unknown,
    /// Ended on request; nothing was posted.
    Cancelled,
}

impl JobStatus {
    /// No call will follow, but for a published job that waits to learn its id.
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

/// A publish job.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    pub(crate) app: String,
    pub(crate) channel: String,
    pub(crate) digest: Digest,
    /// Whose state it is, where somebody moved the job and the new component has not yet taken a step.
    pub(crate) moved_from: Option<Digest>,
    /// The post and the media references.
    pub(crate) request: Sealed,
    pub(crate) request_hash: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) retry_of: Option<String>,
    /// As JSON.
    pub(crate) consent: Option<String>,
    pub(crate) priority: i32,
    pub(crate) publish_at: Option<i64>,
    /// None: not begun.
    pub(crate) state: Option<Sealed>,
    /// The next call is announced as not to be repeated.
    pub(crate) once: bool,
    /// A call for this step was begun, and no answer of it is stored.
    pub(crate) interrupted: bool,
    /// Any `once` call was ever begun.
    pub(crate) once_begun: bool,
    /// When the first of them was.
    pub(crate) sent_at: Option<i64>,
    pub(crate) status: JobStatus,
    pub(crate) phase: String,
    pub(crate) bytes_sent: i64,
    pub(crate) bytes_total: i64,
    /// None: nobody has to look at it.
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
    /// When the form was last asked for.
    pub(crate) asked_at: Option<i64>,
    /// A person said to go on whatever the allowances are.
    pub(crate) forced: bool,
    /// What a person found, as JSON.
    pub(crate) resolution: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) ended_at: Option<i64>,
}

/// What a person found after `unknown`, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedJob {
    pub(crate) status: JobStatus,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    /// As JSON.
    pub(crate) error: Option<String>,
    /// As JSON.
    pub(crate) resolution: String,
}

/// What a person changed of a job that has sent nothing. None: stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedJob {
    /// With a new request the job begins anew.
    pub(crate) request: Option<Sealed>,
    pub(crate) consent: Option<String>,
    pub(crate) priority: Option<i32>,
    pub(crate) publish_at: Option<i64>,
    pub(crate) deadline_at: Option<i64>,
    /// When it goes on.
    pub(crate) wake_at: i64,
}

/// Which job a worker wants.
#[derive(Clone, Copy)]
pub(crate) struct AskForJob<'a> {
    pub(crate) owner: &'a str,
    /// By which jobs are due.
    pub(crate) now: i64,
    /// By which leases end.
    pub(crate) lease_now: i64,
    /// How long the lease is to hold, by the same clock.
    pub(crate) lease_until: i64,
    /// None: any.
    pub(crate) only: Option<(&'a TenantId, &'a str)>,
    pub(crate) dead: &'a super::IsDead,
}

/// What others said about a job while it is worked on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JobSignals {
    pub(crate) cancel_requested: bool,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub(crate) struct JobUpdate {
    /// The component that was called.
    pub(crate) digest: Digest,
    /// It cannot go on; the one that the job was moved from can.
    pub(crate) send_back: bool,
    /// None: the state stays.
    pub(crate) state: Option<Sealed>,
    pub(crate) reference: Option<String>,
    pub(crate) once: bool,
    pub(crate) interrupted: bool,
    pub(crate) once_begun: bool,
    pub(crate) status: JobStatus,
    pub(crate) phase: String,
    pub(crate) bytes_sent: i64,
    pub(crate) bytes_total: i64,
    pub(crate) wake_at: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) post_id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) error: Option<String>,
    /// The event that the call took with it.
    pub(crate) event_taken: Option<i64>,
    /// The wish to cancel was put to the provider.
    pub(crate) cancel_answered: bool,
    /// Give the job back in the same transaction.
    pub(crate) release: bool,
    /// The account's allowances, as JSON. None: as they were.
    pub(crate) quotas: Option<String>,
    /// When the form was asked for. None: as it was.
    pub(crate) asked_at: Option<i64>,
    pub(crate) history: Option<HistoryRow>,
}

/// One attempt of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRow {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What was called: `publish_form`, `begin_publish`, `continue_publish`, `cancel_publish`; or what else
    /// moved the job: `deadline`, `change`, `move`, `resolve`.
    pub call: String,
    /// What the job was doing.
    pub phase: String,
    /// How the job stands since (as [`JobStatus`]), or the kind of the error.
    pub result: String,
    /// One sentence, where there is an error.
    pub message: Option<String>,
    /// The platform's own code.
    pub code: Option<String>,
    /// The platform's reference for its support.
    pub trace_id: Option<String>,
}

/// What a webhook said of a publish.
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

/// An event that waits for its job's next call.
#[derive(Clone, Debug)]
pub(crate) struct WaitingEvent {
    pub(crate) rowid: i64,
    /// The row's name in its [`crate::vault::Place`].
    pub(crate) row: String,
    pub(crate) evidence: Sealed,
}

/// Which jobs to list, newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobFilter {
    pub(crate) channel: Option<String>,
    pub(crate) status: Option<JobStatus>,
    pub(crate) limit: u32,
    /// Only those after this one, in the order of the list.
    pub(crate) before: Option<String>,
}

/// A value that a provider remembers.
#[derive(Clone, Debug)]
pub(crate) struct ValueRow {
    pub(crate) value: Sealed,
    pub(crate) version: u64,
}

/// What came of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetValue {
    Written(u64),
    Conflict,
    /// The provider's allowance is used up.
    Full,
}

/// A sealed value with its place.
#[derive(Clone, Debug)]
pub(crate) struct SealedValue {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: String,
    /// The row in SQL's own terms.
    pub(crate) rowid: i64,
    pub(crate) sealed: Sealed,
}

/// A key of the service's interface for programs. Its text is kept nowhere.
#[derive(Clone, Debug)]
pub(crate) struct ApiKeyRow {
    pub(crate) id: String,
    pub(crate) hash: String,
    pub(crate) name: String,
    /// None: the operator's own.
    pub(crate) tenant: Option<String>,
    /// Its last characters.
    pub(crate) hint: String,
    pub(crate) created_at: i64,
    pub(crate) used_at: Option<i64>,
}

/// Media that a caller brought.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) size: i64,
    pub(crate) created_at: i64,
}

/// An address at which a platform fetches media.
#[derive(Clone, Debug)]
pub(crate) struct MediaLinkRow {
    /// A hash of its secret part.
    pub(crate) id: String,
    pub(crate) tenant: String,
    /// The media and its app, as JSON.
    pub(crate) reference: Sealed,
    pub(crate) created_at: i64,
}

/// A file of the site.
#[derive(Clone, Debug)]
pub(crate) struct SiteFileRow {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) added_at: i64,
}

//! What callers say and see: a publish request, a job, and what a person answers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::model::{Media, MediaInfo, Post, Quota};
use crate::store::{JobRow, JobStatus};

use super::StoredRequest;

/// What [`PublishRequest::priority`] may be.
pub const PRIORITIES: RangeInclusive<i32> = -100..=100;

/// What to publish, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Given up after this instant; seconds since 1970. Absent: 48 hours after the job may begin, which holds
    /// a whole day's allowance, used up at noon.
    #[serde(default)]
    pub deadline_at: Option<i64>,
    /// -100 to 100. Of due jobs, each step up goes first by a minute; nothing waits for ever.
    #[serde(default)]
    pub priority: i32,
    /// What the person agreed to: for example `by` (who), `at` (when) and `words` (the notices next to the
    /// publish button, exactly as shown). Kept with the job. Where it has `words` and the platform meanwhile
    /// wants others, the job stops and asks.
    #[serde(default)]
    pub consent: Option<BTreeMap<String, String>>,
}

impl PublishRequest {
    /// A post and its media; the rest as by default.
    pub fn new(post: Post, media: Vec<Media>) -> Self {
        PublishRequest { post, media, ..PublishRequest::default() }
    }
}

/// What a person found after a job ended `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The post is there. False: the person looked, and it is not.
    pub posted: bool,
    /// The platform's id of the post, if the person knows it.
    #[serde(default)]
    pub post_id: Option<String>,
    /// The post's page, if the person knows it.
    #[serde(default)]
    pub url: Option<String>,
}

/// What to change of a job that has sent nothing yet. Absent: stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobChange {
    /// The post, chosen anew.
    pub post: Option<Post>,
    /// As [`PublishRequest::publish_at`].
    pub publish_at: Option<i64>,
    /// As [`PublishRequest::deadline_at`].
    pub deadline_at: Option<i64>,
    /// As [`PublishRequest::priority`].
    pub priority: Option<i32>,
    /// As [`PublishRequest::consent`].
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
    /// The component that it was moved from, and that it goes back to if the present one cannot go on with it.
    pub moved_from: Option<Digest>,
    /// What it publishes.
    pub post: Post,
    /// Its media.
    pub media: Vec<MediaInfo>,
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
    /// As asked for.
    pub priority: i32,
    /// As asked for; seconds since 1970.
    pub publish_at: Option<i64>,
    /// Given up after this instant; seconds since 1970.
    pub deadline_at: i64,
    /// What the person agreed to.
    pub consent: Option<BTreeMap<String, String>>,
    /// The account's allowances, as the provider last told them to this job. One that is used up holds it.
    pub quotas: Vec<Quota>,
    /// When a request that may make the post was first begun; seconds since 1970. Absent: nothing can have
    /// been posted.
    pub sent_at: Option<i64>,
    /// What a person found after `unknown`.
    pub resolution: Option<Resolution>,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970.
    pub updated_at: i64,
    /// Seconds since 1970.
    pub ended_at: Option<i64>,
}

/// Names the post and the time, for whoever has to look. Made when it is shown: captions are kept sealed.
fn not_known(request: &StoredRequest, sent_at: Option<i64>, because: &str) -> String {
    const SHOWN: usize = 60;
    let caption = request.post.title.as_ref().or(request.post.text.as_ref()).filter(|text| !text.is_empty());
    let mut what = match caption {
        Some(text) if text.chars().count() > SHOWN => {
            format!("\u{201c}{}\u{2026}\u{201d}", text.chars().take(SHOWN).collect::<String>())
        }
        Some(text) => format!("\u{201c}{text}\u{201d}"),
        None => format!("the {}", request.post.kind),
    };
    if let Some(name) = request.media.first().and_then(|media| media.info().file_name) {
        what.push_str(&format!(" ({name})"));
    }
    let at = sent_at.map_or_else(String::new, |at| format!(" at {}", crate::clock::utc(at)));
    format!("whether {what} was posted{at} is not known: {because}")
}

impl Job {
    pub(super) fn new(row: JobRow, request: StoredRequest) -> Self {
        fn json<T: serde::de::DeserializeOwned>(text: Option<String>) -> Option<T> {
            text.and_then(|text| serde_json::from_str(&text).ok())
        }
        // A paused job wakes at its deadline only to end.
        let goes_on = row.status != JobStatus::Paused;
        let mut error: Option<Error> = json(row.error);
        if let Some(error) = error.as_mut().filter(|_| row.status == JobStatus::Unknown) {
            error.message = not_known(&request, row.sent_at, &error.message);
        }
        Job {
            id: row.id,
            channel: row.channel,
            app: row.app,
            digest: row.digest,
            moved_from: row.moved_from,
            post: request.post,
            media: request.media.iter().map(crate::media::MediaReference::info).collect(),
            status: row.status,
            phase: row.phase,
            bytes_sent: row.bytes_sent.cast_unsigned(),
            bytes_total: row.bytes_total.cast_unsigned(),
            post_id: row.post_id,
            url: row.url,
            error,
            next_attempt_at: row.wake_at.filter(|_| goes_on).map(|at| at / 1000),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            cancel_requested: row.cancel_requested,
            idempotency_key: row.idempotency_key,
            retry_of: row.retry_of,
            references: row.references,
            priority: row.priority,
            publish_at: row.publish_at.map(|at| at / 1000),
            deadline_at: row.deadline_at / 1000,
            consent: json(row.consent),
            quotas: json(row.quotas).unwrap_or_default(),
            sent_at: row.sent_at.map(|at| at / 1000),
            resolution: json(row.resolution),
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

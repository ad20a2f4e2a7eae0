//! The documents of callers: a publish request, a job, and a person's decisions about it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::store::{JobRow, JobStatus};
use social_channel_runtime::Digest;
use social_channel_runtime::error::Error;
use social_channel_runtime::model::{
    Details, Finding, Media, MediaInfo, Post, Publication, PublishedPost, Quota,
};

use super::request::StoredRequest;

/// The valid range of [`PublishRequest::priority`].
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
    /// Repeating the same key and request returns the same job. Unique within the tenant.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Not before this instant; seconds since 1970, to come and at most two years ahead. Absent: now.
    #[serde(default)]
    pub publish_at: Option<i64>,
    /// The job fails if it has not ended at this instant; seconds since 1970. Absent: 48 hours after the job
    /// may start, so that it can wait for a used-up daily allowance.
    #[serde(default)]
    pub deadline_at: Option<i64>,
    /// -100 to 100. Among due jobs of the tenant, each step counts as a minute of waiting, so that no job waits forever.
    #[serde(default)]
    pub priority: i32,
    /// What the person agreed to: for example `by` (who), `at` (when) and `words` (the notices next to the
    /// publish button, exactly as shown). Stored with the job. If it has `words` and the platform now
    /// requires different ones, the job pauses until a person agrees.
    #[serde(default)]
    pub consent: Option<BTreeMap<String, String>>,
}

impl PublishRequest {
    /// A request with this post and media, and defaults otherwise.
    pub fn new(post: Post, media: Vec<Media>) -> Self {
        PublishRequest { post, media, ..PublishRequest::default() }
    }
}

/// What a person found after a job ended `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// True if the post exists; false if the person checked and it does not.
    pub posted: bool,
    /// The platform's id of the post, if the person knows it.
    #[serde(default)]
    pub post_id: Option<String>,
    /// The post's page, if the person knows it.
    #[serde(default)]
    pub url: Option<String>,
}

/// Changes to a job that has sent nothing yet. Absent members stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobChange {
    /// The new post.
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
    /// The component that runs it.
    pub digest: Digest,
    /// The component that it was moved from. The job moves back to it if the current one cannot continue it.
    pub moved_from: Option<Digest>,
    /// What it publishes.
    pub post: Post,
    /// Its media.
    pub media: Vec<MediaInfo>,
    /// Its status.
    pub status: JobStatus,
    /// `waiting`, `checking`, `uploading`, `processing`, or the platform's own term.
    pub phase: String,
    /// Of the media.
    pub bytes_sent: u64,
    /// Of the media.
    pub bytes_total: u64,
    /// The platform's id of the post, once it is known.
    pub post_id: Option<String>,
    /// The post's page. Absent in a published job without `next_attempt_at`: the platform names none, as for posts
    /// that not everybody can see.
    pub url: Option<String>,
    /// All posts that it made, the post itself first; the parts of a thread in order.
    #[serde(default)]
    pub posts: Vec<PublishedPost>,
    /// What was not published as it was meant, where something is out.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Why it waits, or why it ended.
    pub error: Option<Error>,
    /// When it continues automatically; seconds since 1970.
    pub next_attempt_at: Option<i64>,
    /// Failed attempts of the current step.
    pub attempts: u32,
    /// Its cancellation was requested.
    pub cancel_requested: bool,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The job that this one repeats.
    pub retry_of: Option<String>,
    /// Who submitted it; absent: a caller without a name. What a person agreed to says for itself `by` whom.
    #[serde(default)]
    pub submitted_by: Option<String>,
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
    /// The account's allowances, as the provider last reported them to this job. A used-up allowance delays the
    /// job.
    pub quotas: Vec<Quota>,
    /// When these were told, before the job sent anything: what it used itself is not counted in them. Seconds since
    /// 1970.
    #[serde(default)]
    pub quotas_at: Option<i64>,
    /// When a request that may make the post was first started; seconds since 1970. Absent: nothing can have
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

/// Names the post and the time, for the person who has to check. Composed when the job is shown, because captions
/// are stored encrypted.
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
    let at = sent_at.map_or_else(String::new, |at| format!(" at {}", social_channel_runtime::clock::utc(at)));
    format!("whether {what} was posted{at} is not known: {because}")
}

impl Job {
    pub(super) fn new(row: JobRow, request: StoredRequest, publication: Publication) -> Self {
        fn json<T: serde::de::DeserializeOwned>(text: Option<String>) -> Option<T> {
            text.and_then(|text| serde_json::from_str(&text).ok())
        }
        // A paused job wakes at its deadline, only to end.
        let goes_on = row.status != JobStatus::Paused;
        let mut error: Option<Error> = json(row.error);
        if let Some(error) = error.as_mut().filter(|_| row.status == JobStatus::Unknown) {
            error.message = not_known(&request, row.sent_at, &error.message);
        }
        let Publication { mut posts, findings, .. } = publication;
        if posts.is_empty() && row.status == JobStatus::Published {
            // Of a version that stored one post alone, or what a person found.
            posts.push(PublishedPost {
                id: row.post_id.clone(),
                url: row.url.clone(),
                role: "post".to_owned(),
                state: "public".to_owned(),
                public_at: None,
                details: Details::new(),
            });
        }
        Job {
            posts,
            findings,
            id: row.id,
            channel: row.channel,
            app: row.app,
            digest: row.digest,
            moved_from: row.moved_from,
            post: request.post,
            media: request.media.iter().map(social_channel_runtime::media::MediaReference::info).collect(),
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
            submitted_by: row.submitted_by,
            references: row.references,
            priority: row.priority,
            publish_at: row.publish_at.map(|at| at / 1000),
            deadline_at: row.deadline_at / 1000,
            consent: json(row.consent),
            quotas_at: row.asked_at.filter(|_| row.quotas.is_some()).map(|at| at / 1000),
            quotas: json(row.quotas).unwrap_or_default(),
            sent_at: row.sent_at.map(|at| at / 1000),
            resolution: json(row.resolution),
            created_at: row.created_at / 1000,
            updated_at: row.updated_at / 1000,
            ended_at: row.ended_at.map(|at| at / 1000),
        }
    }

    /// It waits for nothing but the time to publish at, as in [`JobGroup::Scheduled`](crate::JobGroup::Scheduled).
    pub fn is_scheduled(&self) -> bool {
        self.status == JobStatus::Active
            && !self.cancel_requested
            && self.publish_at.is_some()
            && self.next_attempt_at == self.publish_at
    }

    /// See [`JobStatus::has_ended`].
    pub fn has_ended(&self) -> bool {
        self.status.has_ended()
    }
}

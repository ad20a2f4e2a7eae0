//! The state that the host stores between two steps, and the transitions between stages.
//!
//! This module makes no requests.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_provider::channel::{
    Effect as StepEffect, NextStep, Publication, PublishStep, PublishedPost,
};
use social_channel_provider::{Error, ErrorKind};

use crate::chunks::Plan;
use crate::secret::Secret;

/// How often an upload may start, with one hour each. If all attempts fail, the connection is too slow.
pub(super) const MAX_INITS: u32 = 3;

/// How often TikTok may report unexpected progress. After that nothing more is sent, and only the status is requested.
pub(super) const MAX_REALIGNS: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// No request was sent.
    Init,
    /// The init of a pull is next, or was lost.
    Pull,
    /// The response to the init of a pull was lost, and with it the id.
    Lost,
    Upload,
    Processing,
    Published,
}

/// The state that the host stores between two steps. Members are added, never renamed or removed, because running
/// jobs contain them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) photos: bool,
    /// None: TikTok fetches the media.
    #[serde(default)]
    pub(super) plan: Option<Plan>,
    #[serde(default)]
    pub(super) content_type: String,
    pub(super) total: u64,
    pub(super) post_info: Value,
    #[serde(default)]
    pub(super) cover_index: i64,
    /// Whether a public id may become known.
    pub(super) public: bool,
    #[serde(default)]
    pub(super) username: Option<String>,
    /// Unix seconds.
    pub(super) begun_at: u64,
    /// When the current stage began, unix seconds.
    pub(super) since: u64,
    /// When TikTok last returned the account's options, unix seconds.
    #[serde(default)]
    pub(super) checked_at: u64,
    #[serde(default)]
    pub(super) publish_id: Option<String>,
    /// The upload URL, which is a credential.
    #[serde(default)]
    pub(super) upload_url: Option<Secret>,
    #[serde(default)]
    pub(super) upload_until: u64,
    #[serde(default)]
    pub(super) next_chunk: u64,
    /// The last chunk may have arrived.
    #[serde(default)]
    pub(super) last_begun: bool,
    /// TikTok confirmed the last byte.
    #[serde(default)]
    pub(super) sent_all: bool,
    #[serde(default)]
    pub(super) downloaded: u64,
    #[serde(default)]
    pub(super) inits: u32,
    #[serde(default)]
    pub(super) realigns: u32,
    #[serde(default)]
    pub(super) polls: u32,
    #[serde(default)]
    pub(super) cancelling: bool,
    #[serde(default)]
    pub(super) post_id: Option<String>,
}

impl State {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|_| {
            Error::new(ErrorKind::Unsupported, "This publish was started by another version of the provider.")
                .remedy("Load the version that started it, then resume the job.")
        })
    }

    pub(super) fn step(self, next: NextStep) -> PublishStep {
        let phase = match self.stage {
            Stage::Init | Stage::Pull | Stage::Lost => "checking",
            Stage::Upload => "uploading",
            Stage::Processing => "processing",
            Stage::Published => "published",
        };
        let bytes_sent = match (self.stage, &self.plan) {
            (Stage::Upload, Some(plan)) => plan.range(self.next_chunk).0,
            (Stage::Processing, None) => self.downloaded.min(self.total),
            (Stage::Processing | Stage::Published, _) => self.total,
            _ => 0,
        };
        let publication = match self.stage {
            Stage::Published => Publication::of(PublishedPost::public(self.post_id.clone(), self.url())),
            _ => Publication::none(),
        };
        PublishStep {
            reference: self.publish_id.clone(),
            bytes_sent,
            bytes_total: self.total,
            publication,
            ..PublishStep::new(serde_json::to_vec(&self).unwrap_or_default(), phase, next)
        }
    }

    /// The post's page, once its id is known.
    fn url(&self) -> Option<String> {
        let (id, name) = self.post_id.as_ref().zip(self.username.as_ref())?;
        let kind = if self.photos { "photo" } else { "video" };
        Some(format!("https://www.tiktok.com/@{name}/{kind}/{id}"))
    }

    pub(super) fn enter(&mut self, stage: Stage, now: u64) {
        self.stage = stage;
        self.since = now;
        self.polls = 0;
    }

    /// Only the last chunk can make a post.
    pub(super) fn upload_effect(&self) -> StepEffect {
        match &self.plan {
            Some(plan) if !plan.is_last(self.next_chunk) => StepEffect::Safe,
            _ => StepEffect::Once,
        }
    }

    pub(super) fn send_chunk(mut self, index: u64, now: u64) -> PublishStep {
        self.next_chunk = index;
        if self.stage != Stage::Upload {
            self.enter(Stage::Upload, now);
        }
        let effect = self.upload_effect();
        self.step(NextStep::Proceed(effect))
    }

    pub(super) fn watch(mut self, now: u64) -> PublishStep {
        self.enter(Stage::Processing, now);
        self.step(NextStep::Wait(5_000))
    }

    /// Starts the upload again. Only if nothing can have been posted.
    pub(super) fn again(mut self, now: u64) -> PublishStep {
        if self.inits >= MAX_INITS {
            let error = Error::new(
                ErrorKind::Unavailable,
                "The upload took longer than the hour that TikTok allows, and nothing was posted.",
            )
            .remedy("Publish again over a faster connection, or with a smaller file.");
            return self.step(NextStep::Failed(error));
        }
        self.enter(Stage::Init, now);
        (self.publish_id, self.upload_url, self.next_chunk) = (None, None, 0);
        (self.last_begun, self.sent_all) = (false, false);
        self.step(NextStep::Proceed(StepEffect::Safe))
    }

    /// TikTok reports different progress of the upload.
    pub(super) fn realign(mut self, uploaded: u64, now: u64) -> PublishStep {
        self.realigns = self.realigns.saturating_add(1);
        match self.plan.and_then(|plan| plan.next_after(uploaded)) {
            Some(index) if self.realigns <= MAX_REALIGNS => self.send_chunk(index, now),
            _ => {
                self.last_begun = true;
                self.watch(now)
            }
        }
    }
}

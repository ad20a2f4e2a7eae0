//! Publishing by pull: TikTok fetches the media itself, and the init makes the post (D-DP, D-PH).

use serde_json::json;
use social_channel_provider::channel::{Effect as StepEffect, NextStep, PublishStep};
use social_channel_provider::{Environment, Error, ErrorKind, Media, json};

use super::context::Context;
use super::init::refused;
use super::state::{Stage, State};
use crate::api::Effect;
use crate::quota;
use crate::webhook::Evidence;

/// How long a lost init of a pull waits for a webhook that names it.
pub(super) const WAIT_FOR_EVIDENCE: u64 = 10 * 60;

impl<E: Environment> Context<'_, E> {
    /// Reserves a place in the allowance, or waits for one, before the request that must not be repeated.
    pub(super) async fn reserve_pull(&self, mut state: State) -> Result<PublishStep, Error> {
        if let Some(error) = self.no_longer_offered(&mut state).await? {
            return Ok(state.step(NextStep::Failed(error)));
        }
        let limit = if state.photos { &quota::PHOTO_INIT } else { &quota::VIDEO_INIT };
        if let Err(wait) = quota::take(self.environment, limit, &self.account.id).await {
            return Ok(state.step(NextStep::Wait(wait)));
        }
        state.enter(Stage::Pull, self.now());
        Ok(state.step(NextStep::Proceed(StepEffect::Once)))
    }

    pub(super) async fn init_pull(&self, mut state: State) -> Result<PublishStep, Error> {
        let urls: Option<Vec<String>> = self.media.iter().map(|item| item.info().public_url).collect();
        let Some(urls) = urls.filter(|urls| !urls.is_empty()) else {
            let error = Error::new(ErrorKind::InvalidRequest, "The media no longer has a public address.")
                .remedy("Publish again with media that TikTok can fetch.")
                .field("media");
            return Ok(state.step(NextStep::Failed(error)));
        };
        let (path, body, limit) = if state.photos {
            let body = json!({
                "media_type": "PHOTO",
                "post_mode": "DIRECT_POST",
                "post_info": state.post_info,
                "source_info": {
                    "source": "PULL_FROM_URL",
                    "photo_cover_index": state.cover_index,
                    "photo_images": urls,
                },
            });
            ("/v2/post/publish/content/init/", body, &quota::PHOTO_INIT)
        } else {
            let body = json!({
                "post_info": state.post_info,
                "source_info": { "source": "PULL_FROM_URL", "video_url": urls.first() },
            });
            ("/v2/post/publish/video/init/", body, &quota::VIDEO_INIT)
        };
        let answer = self.call(path, Effect::Post, body).await;
        // It was counted when its place was reserved.
        let reserved = state.since.saturating_mul(1000).saturating_add(999);
        quota::arrived(self.environment, limit, &self.account.id, reserved).await;
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
                if error.kind == ErrorKind::RateLimited {
                    let wait = error.retry_after.unwrap_or(60_000);
                    quota::close(self.environment, limit, &self.account.id, wait).await;
                }
                self.note_refusal(&error).await;
                return refused(state, error);
            }
        };
        let Some(publish_id) = json::text(&data, "publish_id") else {
            return Err(Error::new(
                ErrorKind::OutcomeUnknown,
                "TikTok's response does not contain the id of the publish.",
            )
            .remedy("Look at the TikTok profile before you post again."));
        };
        state.publish_id = Some(publish_id);
        self.count_post().await;
        Ok(state.watch(self.now()))
    }

    /// The init of a pull was sent and its id never arrived: only a webhook can provide it.
    pub(super) async fn lost(
        &self,
        mut state: State,
        evidence: Option<Evidence>,
    ) -> Result<PublishStep, Error> {
        let now = self.now();
        // The event belongs to an earlier publish of this account.
        let evidence = evidence.filter(|evidence| evidence.at.saturating_add(60) >= state.begun_at);
        if let Some(evidence) = evidence {
            state.publish_id = Some(evidence.publish_id.clone());
            state.enter(Stage::Processing, now);
            return self.poll(state, Some(evidence)).await;
        }
        if state.stage != Stage::Lost {
            state.enter(Stage::Lost, now);
        }
        if now >= state.since.saturating_add(WAIT_FOR_EVIDENCE) {
            let error = Error::new(
                ErrorKind::OutcomeUnknown,
                "TikTok's response was lost, so it is not known whether the post was made.",
            )
            .remedy("Look at the profile and at the notifications in the TikTok app before you post again.");
            return Ok(state.step(NextStep::Unknown(error)));
        }
        Ok(state.step(NextStep::Wait(60_000)))
    }
}

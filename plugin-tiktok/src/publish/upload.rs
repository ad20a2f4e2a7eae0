//! Publishing by upload: the init, then each chunk to the returned upload URL (D-DP, D-MTG).

use serde_json::json;
use social_channel_provider::channel::{Effect as StepEffect, NextStep, PublishStep};
use social_channel_provider::http::{Method, Request, Response, SendError};
use social_channel_provider::{Environment, Error, ErrorKind, Media, json};

use super::context::Context;
use super::init::refused;
use super::state::{Stage, State};
use crate::api::Effect;
use crate::chunks::Plan;
use crate::secret::Secret;
use crate::status::Outcome;
use crate::{errors, quota};

/// An upload URL is valid for one hour, and the whole upload must end within it (D-DP). A minute less, so
/// that no chunk is started that TikTok will refuse.
const UPLOAD_WITHIN: u64 = 3600 - 60;

impl<E: Environment> Context<'_, E> {
    pub(super) async fn init_upload(&self, mut state: State) -> Result<PublishStep, Error> {
        let Some(plan) = state.plan else { return Ok(state.again(self.now())) };
        if let Some(error) = self.no_longer_offered(&mut state).await? {
            return Ok(state.step(NextStep::Failed(error)));
        }
        let body = json!({
            "post_info": state.post_info,
            "source_info": {
                "source": "FILE_UPLOAD",
                "video_size": plan.size,
                "chunk_size": plan.chunk,
                "total_chunk_count": plan.count,
            },
        });
        let asked_at = self.now();
        let answer = quota::limited(self.environment, &quota::VIDEO_INIT, &self.account.id, || {
            self.call("/v2/post/publish/video/init/", Effect::None, body)
        })
        .await;
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
                self.note_refusal(&error).await;
                return refused(state, error);
            }
        };
        let (Some(publish_id), Some(upload_url)) =
            (json::text(&data, "publish_id"), json::text(&data, "upload_url"))
        else {
            // Without the upload URL an init cannot be used.
            return Err(Error::new(
                ErrorKind::Unavailable,
                "TikTok's response does not contain the address for the upload.",
            )
            .remedy("TikTok is asked again. If this comes back, publish later."));
        };
        state.publish_id = Some(publish_id);
        state.upload_url = Some(Secret::new(upload_url));
        state.upload_until = asked_at.saturating_add(UPLOAD_WITHIN);
        state.inits = state.inits.saturating_add(1);
        // An upload that starts again counts as the same post.
        if state.inits == 1 {
            self.count_post().await;
        }
        Ok(state.send_chunk(0, self.now()))
    }

    /// A chunk was started and its outcome is unknown: requests the progress of the upload.
    pub(super) async fn find_place(&self, mut state: State) -> Result<PublishStep, Error> {
        if matches!(state.upload_effect(), StepEffect::Once) {
            state.last_begun = true;
        }
        let status = match self.status(&state).await {
            Ok(status) => status,
            // TikTok does not know the id: if no last chunk was sent, sending the next chunk is more useful than
            // asking again.
            Err(error) if error.kind == ErrorKind::NotFound => {
                return if state.last_begun { Ok(state.watch(self.now())) } else { self.upload(state).await };
            }
            Err(error) => return Err(error),
        };
        match (&status.outcome, status.uploaded) {
            (Outcome::Processing, Some(uploaded)) => {
                match state.plan.and_then(|plan| plan.next_after(uploaded)) {
                    Some(index) => {
                        // Bytes are missing, so the last chunk did not arrive.
                        state.last_begun = false;
                        // A different chunk than announced needs its own step: it may be the last one, and
                        // this call may have been announced as `safe`.
                        if index == state.next_chunk {
                            self.upload(state).await
                        } else {
                            Ok(state.send_chunk(index, self.now()))
                        }
                    }
                    None => {
                        state.sent_all = true;
                        Ok(state.watch(self.now()))
                    }
                }
            }
            (Outcome::Processing, None) if !state.last_begun => self.upload(state).await,
            _ => {
                state.enter(Stage::Processing, self.now());
                self.judge(state, status, None)
            }
        }
    }

    pub(super) async fn upload(&self, state: State) -> Result<PublishStep, Error> {
        let now = self.now();
        let (Some(plan), Some(url)) = (state.plan, state.upload_url.clone()) else {
            return Ok(state.again(now));
        };
        if now >= state.upload_until {
            return Ok(if state.last_begun { state.watch(now) } else { state.again(now) });
        }
        let Some(item) = self.media.first().filter(|item| item.info().size == plan.size) else {
            let error = Error::new(
                ErrorKind::InvalidRequest,
                "The file is not the one with which this publish started.",
            )
            .remedy("Publish again with the file as it is now.")
            .field("media");
            return Ok(give_up(state, error, now));
        };
        let index = state.next_chunk;
        let (first, length) = plan.range(index);
        // No bearer token here: the URL is the credential, and its host may differ.
        let request = Request::new(Method::Put, url.reveal())
            .header("content-type", state.content_type.clone())
            .header("content-range", plan.content_range(index))
            .media(item, first, length);
        let answer = self.environment.send(request).await;
        let now = self.now();
        match answer {
            Ok(response) => self.chunk_answered(state, plan, &response).await,
            Err(SendError::Media(reason)) => {
                let error = SendError::Media(reason).of_effect("TikTok");
                match error.kind {
                    ErrorKind::Unavailable => Err(error),
                    _ => Ok(give_up(state, error.field("media"), now)),
                }
            }
            Err(error) => Err(error.of_effect("TikTok")),
        }
    }

    async fn chunk_answered(
        &self,
        mut state: State,
        plan: Plan,
        response: &Response,
    ) -> Result<PublishStep, Error> {
        let now = self.now();
        let index = state.next_chunk;
        let last = plan.is_last(index);
        match response.status {
            201 => {
                state.sent_all = true;
                state.last_begun = true;
                Ok(state.watch(now))
            }
            // Not documented; some clients received it instead of 201.
            200 if last => {
                state.sent_all = true;
                state.last_begun = true;
                Ok(state.watch(now))
            }
            200 | 206 => match progress(response) {
                Some(uploaded) if plan.next_after(uploaded) != Some(index.saturating_add(1)) => {
                    Ok(state.realign(uploaded, now))
                }
                // TikTok expects more after the last chunk: the status decides.
                _ if last => {
                    state.last_begun = true;
                    Ok(state.watch(now))
                }
                _ => Ok(state.send_chunk(index.saturating_add(1), now)),
            },
            416 => match progress(response) {
                Some(uploaded) => Ok(state.realign(uploaded, now)),
                None => {
                    let status = self.status(&state).await?;
                    match (&status.outcome, status.uploaded) {
                        (Outcome::Processing, Some(uploaded)) => Ok(state.realign(uploaded, now)),
                        _ => {
                            state.last_begun = true;
                            state.enter(Stage::Processing, now);
                            self.judge(state, status, None)
                        }
                    }
                }
            },
            // The URL has expired. Nothing was posted unless all bytes have arrived.
            403 | 404 if state.last_begun => Ok(state.watch(now)),
            403 | 404 => Ok(state.again(now)),
            429 => Err(errors::by_status(429)
                .retry_after_ms(response.retry_after_ms().unwrap_or(60_000))
                .trace_id(trace(response))),
            500..=599 if last => {
                let error = Error::new(
                    ErrorKind::OutcomeUnknown,
                    format!("TikTok failed at the last part of the upload (HTTP {}).", response.status),
                )
                .remedy("TikTok is asked for the result. Do not publish again before it is known.");
                Err(error.trace_id(trace(response)))
            }
            500..=599 => Err(errors::by_status(response.status).trace_id(trace(response))),
            other => {
                let error = Error::new(
                    ErrorKind::Other,
                    format!("TikTok refused a part of the upload (HTTP {other})."),
                )
                .remedy("Publish again. If this comes back, report it with the log id.")
                .code(other.to_string())
                .trace_id(trace(response));
                Ok(give_up(state, error, now))
            }
        }
    }
}

/// Ends an upload that cannot continue, unless its last chunk may have arrived.
fn give_up(state: State, error: Error, now: u64) -> PublishStep {
    if state.last_begun { state.watch(now) } else { state.step(NextStep::Failed(error)) }
}
/// `Content-Range: bytes 0-N/TOTAL` of a response.
fn progress(response: &Response) -> Option<u64> {
    let range = response.header("content-range")?.trim().strip_prefix("bytes")?.trim();
    range.split_once('-')?.1.split('/').next()?.trim().parse().ok()
}

fn trace(response: &Response) -> Option<String> {
    response.header("x-tt-logid").map(str::to_owned)
}

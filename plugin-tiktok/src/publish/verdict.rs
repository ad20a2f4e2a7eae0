//! Interprets TikTok's status of a publish and decides the next step (D-ST).

use social_channel_provider::channel::{NextStep, PublishStep};
use social_channel_provider::{Environment, Error, ErrorKind};

use super::context::Context;
use super::state::{MAX_REALIGNS, Stage, State};
use crate::errors;
use crate::status::{self, Outcome, Status};
use crate::webhook::Evidence;

/// After a day no result is expected any more, because processing takes minutes.
pub(super) const GIVE_UP: u64 = 24 * 3600;
/// Right after an init, not all of TikTok's servers may know the id.
const UNKNOWN_ID_GRACE: u64 = 10 * 60;
impl<E: Environment> Context<'_, E> {
    pub(super) async fn status(&self, state: &State) -> Result<Status, Error> {
        let publish_id = state.publish_id.as_deref().unwrap_or_default();
        status::fetch(self.environment, self.account, &self.credentials, publish_id).await
    }

    pub(super) async fn poll(&self, state: State, evidence: Option<Evidence>) -> Result<PublishStep, Error> {
        match self.status(&state).await {
            Ok(status) => self.judge(state, status, evidence),
            Err(error) if error.kind == ErrorKind::RateLimited => {
                Ok(state.step(NextStep::Wait(error.retry_after.unwrap_or(60_000))))
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                let now = self.now();
                let known = error.code.as_deref() == Some("invalid_publish_id");
                if known && now < state.since.saturating_add(UNKNOWN_ID_GRACE) {
                    return Ok(wait(state, now));
                }
                Ok(state.step(NextStep::Unknown(
                    error.remedy("Look at the TikTok profile before you post again."),
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// Decides the next step for a status.
    pub(super) fn judge(
        &self,
        mut state: State,
        status: Status,
        evidence: Option<Evidence>,
    ) -> Result<PublishStep, Error> {
        let now = self.now();
        match status.outcome {
            Outcome::Complete => {
                state.enter(Stage::Published, now);
                state.post_id = status.post_ids.into_iter().next().or(public_id(evidence));
                let look_again = recheck_after(&state, now);
                Ok(state.step(NextStep::Published(look_again)))
            }
            Outcome::Failed(reason) if reason == "publish_cancelled" && state.cancelling => {
                Ok(state.step(NextStep::Cancelled))
            }
            Outcome::Failed(reason) => Ok(state.step(NextStep::Failed(errors::fail_reason(&reason)))),
            Outcome::Inbox => {
                let error =
                    Error::new(ErrorKind::Other, "TikTok put the post into the inbox of the app as a draft.")
                        .remedy("Finish it in the TikTok app, and report this as a fault.");
                Ok(state.step(NextStep::Unknown(error)))
            }
            Outcome::Processing => Ok(self.still_processing(state, &status, now)),
        }
    }

    fn still_processing(&self, mut state: State, status: &Status, now: u64) -> PublishStep {
        state.downloaded = status.downloaded.unwrap_or(state.downloaded);
        let missing = match (state.plan, status.uploaded) {
            (Some(plan), Some(uploaded)) if !state.sent_all => plan.next_after(uploaded).map(|_| uploaded),
            _ => None,
        };
        if let Some(uploaded) = missing {
            // Bytes are missing, so nothing was posted.
            if state.cancelling {
                return state.step(NextStep::Cancelled);
            }
            if now >= state.upload_until {
                return state.again(now);
            }
            if state.realigns < MAX_REALIGNS {
                return state.realign(uploaded, now);
            }
        }
        if now >= state.since.saturating_add(GIVE_UP) {
            let error = Error::new(ErrorKind::OutcomeUnknown, "TikTok has not reported a result for a day.")
                .remedy("Look at the TikTok profile before you post again.");
            return state.step(NextStep::Unknown(error));
        }
        wait(state, now)
    }

    /// The post is published; its public id may be known by now.
    pub(super) async fn look_again(
        &self,
        mut state: State,
        evidence: Option<Evidence>,
    ) -> Result<PublishStep, Error> {
        if state.post_id.is_none() {
            let told = public_id(evidence);
            match self.status(&state).await {
                Ok(status) => state.post_id = status.post_ids.into_iter().next().or(told),
                Err(_) if told.is_some() => state.post_id = told,
                Err(error) => return Err(error),
            }
        }
        state.polls = state.polls.saturating_add(1);
        let look_again = recheck_after(&state, self.now());
        Ok(state.step(NextStep::Published(look_again)))
    }
}

/// The time of the next status request: soon at first, because small files take seconds; later once a minute,
/// so that several posts of an account stay below 30 requests a minute; rarely after an hour.
fn wait(mut state: State, now: u64) -> PublishStep {
    const PAUSES: [u64; 5] = [5, 10, 20, 30, 60];
    let index = usize::try_from(state.polls).unwrap_or(usize::MAX);
    let seconds = if now >= state.since.saturating_add(3600) {
        15 * 60
    } else {
        PAUSES.get(index).copied().unwrap_or(60)
    };
    state.polls = state.polls.saturating_add(1);
    state.step(NextStep::Wait(seconds * 1000))
}

/// The id from TikTok's signed webhook.
fn public_id(evidence: Option<Evidence>) -> Option<String> {
    evidence.filter(|evidence| evidence.event == "post.publish.publicly_available")?.post_id
}

/// When TikTok is asked again for the id. Private posts never get one. Public posts get it after a minute, after hours,
/// or never.
fn recheck_after(state: &State, now: u64) -> Option<u64> {
    let may_come = state.public && state.post_id.is_none() && now < state.since.saturating_add(GIVE_UP);
    may_come.then(|| (30_000_u64 << state.polls.min(7)).min(3_600_000))
}

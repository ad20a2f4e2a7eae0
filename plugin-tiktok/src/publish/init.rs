//! Shared by the inits of uploads and pulls: checking that the choices are still offered, counting the post,
//! classifying refusals.

use social_channel_provider::channel::{NextStep, PublishStep};
use social_channel_provider::{Environment, Error, ErrorKind, Media, json};

use super::context::Context;
use super::state::State;
use crate::creator::{self, Creator};
use crate::draft::option;
use crate::quota;
use crate::settings::Settings;

impl<E: Environment> Context<'_, E> {
    /// A refusal updates the stored account options and the posts of the day, because TikTok also counts other apps'
    /// posts.
    pub(super) async fn note_refusal(&self, error: &Error) {
        // A rate limit and an outage say nothing about the account.
        if !matches!(error.kind, ErrorKind::RateLimited | ErrorKind::Unavailable) {
            creator::forget(self.environment, self.account).await;
        }
        if error.code.as_deref() == Some("spam_risk_too_many_posts") {
            let wait = error.retry_after.unwrap_or(3_600_000);
            quota::close(self.environment, &quota::POSTS, &self.account.id, wait).await;
        }
    }

    /// The choices that the account no longer offers. TikTok's last response is used while it is fresh.
    pub(super) async fn no_longer_offered(&self, state: &mut State) -> Result<Option<Error>, Error> {
        if creator::is_fresh(state.checked_at, self.now()) {
            return Ok(None);
        }
        let longest = self.media.iter().filter_map(|item| item.info().duration).max();
        let mut answer = creator::recent(self.environment, self.account).await?;
        let mut field = withdrawn(&answer.creator, state, longest);
        if answer.is_kept && field.is_some() {
            answer = creator::query(self.environment, self.account).await?;
            field = withdrawn(&answer.creator, state, longest);
        }
        state.checked_at = answer.at;
        Ok(field.map(|field| {
            Error::new(
                ErrorKind::InvalidRequest,
                "The account's TikTok settings changed since this was chosen, and nothing was posted.",
            )
            .remedy("Open the form again, choose again, and publish again.")
            .field(field)
        }))
    }

    pub(super) async fn count_post(&self) {
        // The ledger is only informative here, so its result is ignored.
        let _ = quota::take(self.environment, &quota::POSTS, &self.account.id).await;
        // Shown only where a number of accounts is granted, and all posts of the app meet at it.
        let settings = Settings::read(self.environment);
        if settings.is_ok_and(|settings| settings.active_user_cap().is_some()) {
            quota::count_user(self.environment, &self.account.id).await;
        }
    }
}

/// The first choice that the account does not offer. `longest` is the media's duration in milliseconds.
fn withdrawn(creator: &Creator, state: &State, longest: Option<u64>) -> Option<&'static str> {
    let wants = |name: &str| json::flag(&state.post_info, name) == Some(false);
    let level = json::text(&state.post_info, "privacy_level");
    let maximum = creator.max_seconds.map(|seconds| seconds.saturating_mul(1000));
    if !level.is_some_and(|level| creator.privacy.contains(&level)) {
        Some("visibility")
    } else if creator.comment_disabled && wants("disable_comment") {
        Some(option::COMMENT)
    } else if creator.duet_disabled && wants("disable_duet") {
        Some(option::DUET)
    } else if creator.stitch_disabled && wants("disable_stitch") {
        Some(option::STITCH)
    } else if !state.photos && longest.zip(maximum).is_some_and(|(longest, maximum)| longest > maximum) {
        Some("media")
    } else {
        None
    }
}

/// Handles the error of an init: if waiting or reconnecting can help, it is returned and the step stays;
/// otherwise it ends the publish.
pub(super) fn refused(state: State, error: Error) -> Result<PublishStep, Error> {
    match error.kind {
        ErrorKind::InvalidRequest | ErrorKind::Rejected | ErrorKind::NotFound | ErrorKind::Other => {
            Ok(state.step(NextStep::Failed(error)))
        }
        // Retrying for a capped creator makes it worse, so a person must decide. The cap of the app is
        // different: it renews within a day.
        ErrorKind::QuotaExceeded if error.code.as_deref() == Some("spam_risk_too_many_posts") => {
            Ok(state.step(NextStep::Failed(error)))
        }
        _ => Err(error),
    }
}

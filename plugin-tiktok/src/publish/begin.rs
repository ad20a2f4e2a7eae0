//! Before anything is sent: checks the post again, and creates the initial state.

use social_channel_provider::channel::{Effect as StepEffect, NextStep, Post, PublishStep};
use social_channel_provider::{Account, Environment, Error, ErrorKind, Finding, MediaInfo, Severity};

use super::state::{Stage, State};
use crate::check::choices::UNAUDITED;
use crate::check::judge;
use crate::check::media::media_type;
use crate::chunks::plan;
use crate::creator::PUBLIC;
use crate::draft::Kind;

/// Checks again and plans. Requests at most the account's options from TikTok.
pub(crate) async fn begin<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    media: &[MediaInfo],
) -> Result<PublishStep, Error> {
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    let judged = judge(environment, account, post, media, is_error).await?;
    if let Some(finding) = judged.findings.into_iter().find(is_error) {
        let kind = match finding.code.as_deref() {
            Some(UNAUDITED) => ErrorKind::Rejected,
            Some("url_ownership_unverified") => ErrorKind::Misconfigured,
            _ => ErrorKind::InvalidRequest,
        };
        let mut error = Error::new(kind, finding.message).field(finding.subject);
        (error.remedy, error.code) = (finding.remedy, finding.code);
        return Err(error);
    }
    let Some(draft) = judged.draft else {
        return Err(Error::new(ErrorKind::InvalidRequest, "TikTok has no such kind of post.")
            .remedy("Choose a video or photos.")
            .field("kind"));
    };
    let total = media.iter().map(|item| item.size).sum();
    let now = environment.now();
    let state = State {
        stage: Stage::Init,
        photos: draft.kind == Kind::Photos,
        plan: if draft.pull { None } else { plan(total) },
        content_type: media.first().map(|item| media_type(item).to_owned()).unwrap_or_default(),
        total,
        post_info: draft.post_info(),
        cover_index: draft.cover_index,
        public: draft.visibility.as_deref() == Some(PUBLIC),
        username: judged.username,
        begun_at: now,
        since: now,
        checked_at: judged.asked_at,
        publish_id: None,
        upload_url: None,
        upload_until: 0,
        next_chunk: 0,
        last_begun: false,
        sent_all: false,
        downloaded: 0,
        inits: 0,
        realigns: 0,
        polls: 0,
        cancelling: false,
        post_id: None,
    };
    Ok(state.step(NextStep::Proceed(StepEffect::Safe)))
}

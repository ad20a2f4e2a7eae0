//! Checks a post as far as possible before it is sent to TikTok.

pub(crate) mod choices;
pub(crate) mod media;

use social_channel_provider::channel::Post;
use social_channel_provider::{Account, Environment, Error, Finding, MediaInfo, Severity};

use crate::creator::{self, Creator};
use crate::draft::{Draft, Kind};
use crate::settings::Settings;

/// Reports all findings for a post.
pub(crate) async fn report<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    media: &[MediaInfo],
) -> Result<Vec<Finding>, Error> {
    // A person who has changed a setting in the TikTok app, as told, must not get the same finding again.
    match judge(environment, account, post, media, |_| true).await {
        Ok(mut judgement) => {
            // Said in a check only: it prevents nothing, and TikTok need not be asked again for it.
            media::alt_texts(media, &mut judgement.findings);
            Ok(judgement.findings)
        }
        Err(error) if creator::is_blocking(&error) => Ok(vec![Finding {
            remedy: error.remedy,
            code: error.code,
            ..Finding::new(Severity::Error, "account", error.message)
        }]),
        Err(error) => Err(error),
    }
}

/// The result of checking a post against the account's current options.
pub(crate) struct Judgement {
    /// None: TikTok has no such kind of post.
    pub(crate) draft: Option<Draft>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) username: Option<String>,
    /// When the account's options were requested from TikTok, unix seconds.
    pub(crate) asked_at: u64,
}

/// Checks with TikTok's last response while it is fresh. A finding of severity error or warning is only reported after
/// TikTok has been asked again.
pub(crate) async fn judge<E: Environment>(
    environment: &E,
    account: &Account,
    post: &Post,
    media: &[MediaInfo],
    matters: impl Fn(&Finding) -> bool,
) -> Result<Judgement, Error> {
    let settings = Settings::read(environment)?;
    let mut answer = creator::recent(environment, account).await?;
    let (mut draft, mut findings) = check(&settings, &answer.creator, post, media);
    if answer.is_kept && findings.iter().any(matters) {
        answer = creator::query(environment, account).await?;
        (draft, findings) = check(&settings, &answer.creator, post, media);
    }
    Ok(Judgement { draft, findings, username: answer.creator.username, asked_at: answer.at })
}

/// All findings for this post, field by field, and the draft, if its kind exists. A pure function: the
/// account's options are passed as [`Creator`], the operator's settings as [`Settings`].
pub(crate) fn check(
    settings: &Settings,
    creator: &Creator,
    post: &Post,
    media: &[MediaInfo],
) -> (Option<Draft>, Vec<Finding>) {
    let (draft, mut findings) = Draft::read(post);
    if let Some(draft) = &draft {
        choices::texts(draft, &mut findings);
        choices::audience(settings, creator, draft, &mut findings);
        choices::interactions(creator, draft, &mut findings);
        choices::disclosure(draft, &mut findings);
        match draft.kind {
            Kind::Video => media::video(settings, creator, draft, media, &mut findings),
            Kind::Photos => media::photos(settings, draft, media, &mut findings),
        }
    }
    (draft, findings)
}

#[cfg(test)]
pub(crate) mod tests;

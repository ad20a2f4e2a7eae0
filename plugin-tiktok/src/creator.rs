//! What an account may post now (D-CI). Asked for whenever a form is drawn, and again before a post; never
//! kept, since TikTok counts posts with stale choices against the app.

use serde_json::{Value, json};
use social_channel_provider::{Account, Environment, Error, json};

use crate::api::{Call, Effect, call};
use crate::credentials::{Credentials, require_scope};
use crate::profile::picture;
use crate::settings::SCOPE_PUBLISH;
use crate::{errors, quota};

pub(crate) const PUBLIC: &str = "PUBLIC_TO_EVERYONE";
pub(crate) const ONLY_ME: &str = "SELF_ONLY";
const FOLLOWERS: &str = "FOLLOWER_OF_CREATOR";

#[derive(Clone, Debug, Default)]
pub(crate) struct Creator {
    pub(crate) nickname: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) privacy: Vec<String>,
    pub(crate) comment_disabled: bool,
    pub(crate) duet_disabled: bool,
    pub(crate) stitch_disabled: bool,
    pub(crate) max_seconds: Option<u64>,
    /// TikTok said outright that one of them is not disabled; of a private account both are.
    pub(crate) duet_or_stitch_open: bool,
}

impl Creator {
    pub(crate) fn parse(data: &Value) -> Self {
        let is = |name| json::flag(data, name) == Some(true);
        let is_not = |name| json::flag(data, name) == Some(false);
        let privacy = json::list(data, "privacy_level_options").iter().filter_map(Value::as_str);
        Self {
            nickname: json::text(data, "creator_nickname"),
            username: json::text(data, "creator_username"),
            avatar_url: picture(json::text(data, "creator_avatar_url")),
            privacy: privacy.map(str::to_owned).collect(),
            comment_disabled: is("comment_disabled"),
            duet_disabled: is("duet_disabled"),
            stitch_disabled: is("stitch_disabled"),
            max_seconds: json::number(data, "max_video_post_duration_sec").filter(|&seconds| seconds > 0),
            duet_or_stitch_open: is_not("duet_disabled") || is_not("stitch_disabled"),
        }
    }

    /// The options follow the account's privacy: only public accounts may post to everyone, only private ones to
    /// their followers. Should an app that is not audited get "only me" alone, as one client expects, then Duet
    /// or Stitch being open tells that the account is public. None: nothing tells.
    pub(crate) fn is_public_account(&self) -> Option<bool> {
        let offers = |wanted: &str| self.privacy.iter().any(|level| level == wanted);
        if offers(PUBLIC) {
            Some(true)
        } else if offers(FOLLOWERS) {
            Some(false)
        } else if self.duet_or_stitch_open {
            Some(true)
        } else {
            None
        }
    }
}

pub(crate) async fn query<E: Environment>(environment: &E, account: &Account) -> Result<Creator, Error> {
    let credentials = Credentials::of(account)?;
    require_scope(account, SCOPE_PUBLISH)?;
    let asked = Call {
        path: "/v2/post/publish/creator_info/query/",
        scope: SCOPE_PUBLISH,
        effect: Effect::None,
        fields: None,
        body: Some(json!({})),
    };
    let data = quota::limited(environment, &quota::CREATOR_INFO, &account.id, || {
        call(environment, &credentials, asked)
    })
    .await?;
    Ok(Creator::parse(&data))
}

/// Does this refusal mean that the account cannot post at present?
pub(crate) fn is_blocking(error: &Error) -> bool {
    error.code.as_deref().is_some_and(|code| errors::BLOCKING.contains(&code))
}

/// An audience in words.
pub(crate) fn privacy_label(level: &str) -> String {
    match level {
        PUBLIC => "Everyone",
        "MUTUAL_FOLLOW_FRIENDS" => "Friends (followers you follow back)",
        FOLLOWERS => "Followers",
        ONLY_ME => "Only me",
        other => other,
    }
    .to_owned()
}

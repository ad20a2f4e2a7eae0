//! An account's current posting options (D-CI).
//!
//! TikTok requires a query for every form that is shown ([`query`]), and allows 20 queries a minute. The check and
//! the first steps of a publish follow a form within seconds, so they reuse its response while it is fresh
//! ([`recent`]). The reused response can only accept a post: before a post is refused, TikTok is
//! asked again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use social_channel_provider::storage::SetOptions;
use social_channel_provider::{Account, Environment, Error, json};

use crate::api::{Call, Effect, call};
use crate::credentials::{Credentials, require_scope};
use crate::profile::https;
use crate::settings::SCOPE_PUBLISH;
use crate::{errors, quota};

pub(crate) const PUBLIC: &str = "PUBLIC_TO_EVERYONE";
pub(crate) const ONLY_ME: &str = "SELF_ONLY";
const FOLLOWERS: &str = "FOLLOWER_OF_CREATOR";

/// How many seconds a response is valid. After that TikTok is asked again before an init, because a publish can
/// pause for hours, and TikTok counts posts with stale choices against the app.
pub(crate) const FRESH: u64 = 5 * 60;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Creator {
    /// Name and picture are not stored: only the form shows them, and it always queries TikTok.
    #[serde(skip)]
    pub(crate) nickname: Option<String>,
    pub(crate) username: Option<String>,
    #[serde(skip)]
    pub(crate) avatar_url: Option<String>,
    pub(crate) privacy: Vec<String>,
    pub(crate) comment_disabled: bool,
    pub(crate) duet_disabled: bool,
    pub(crate) stitch_disabled: bool,
    pub(crate) max_seconds: Option<u64>,
    /// TikTok explicitly reported that one of them is enabled; for a private account both are disabled.
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
            avatar_url: https(json::text(data, "creator_avatar_url")),
            privacy: privacy.map(str::to_owned).collect(),
            comment_disabled: is("comment_disabled"),
            duet_disabled: is("duet_disabled"),
            stitch_disabled: is("stitch_disabled"),
            max_seconds: json::number(data, "max_video_post_duration_sec").filter(|&seconds| seconds > 0),
            duet_or_stitch_open: is_not("duet_disabled") || is_not("stitch_disabled"),
        }
    }

    /// The options follow the account's privacy: only public accounts may post to everyone, only private ones to
    /// their followers. If an unaudited app gets only "only me", as one client expects, an enabled Duet or
    /// Stitch shows that the account is public. None: unknown.
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

/// TikTok's response for an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) creator: Creator,
    /// The time before TikTok was asked, unix seconds.
    pub(crate) at: u64,
    /// Whether it was received by an earlier call.
    #[serde(skip)]
    pub(crate) is_kept: bool,
}

/// Whether a response from this time is still fresh.
pub(crate) fn is_fresh(at: u64, now: u64) -> bool {
    now < at.saturating_add(FRESH)
}

/// TikTok's last response while it is fresh; otherwise queries TikTok.
pub(crate) async fn recent<E: Environment>(environment: &E, account: &Account) -> Result<Answer, Error> {
    Credentials::of(account)?;
    require_scope(account, SCOPE_PUBLISH)?;
    // Without storage TikTok is asked each time.
    let kept = environment.storage_get(&key(account)).await.ok().flatten();
    let kept = kept.and_then(|entry| serde_json::from_slice::<Answer>(&entry.value).ok());
    match kept.filter(|answer| is_fresh(answer.at, environment.now())) {
        Some(answer) => Ok(Answer { is_kept: true, ..answer }),
        None => query(environment, account).await,
    }
}

/// Queries TikTok.
pub(crate) async fn query<E: Environment>(environment: &E, account: &Account) -> Result<Answer, Error> {
    let at = environment.now();
    match ask(environment, account).await {
        Ok(creator) => {
            let answer = Answer { creator, at, is_kept: false };
            let options = SetOptions { if_version: None, ttl: Some(FRESH * 1000) };
            let bytes = serde_json::to_vec(&answer).unwrap_or_default();
            // If storing fails, it costs one more query.
            let _ = environment.storage_set(&key(account), bytes, options).await;
            Ok(answer)
        }
        Err(error) => {
            if is_blocking(&error) {
                forget(environment, account).await;
            }
            Err(error)
        }
    }
}

/// Deletes the stored response, after TikTok has shown that it is outdated.
pub(crate) async fn forget<E: Environment>(environment: &E, account: &Account) {
    // If deleting fails, TikTok refuses an init within the next minutes.
    let _ = environment.storage_delete(&key(account)).await;
}

/// TikTok's ids have unknown length, and two ids with the same prefix must not share a response.
fn key(account: &Account) -> String {
    format!("creator/{}", hex::encode(Sha256::digest(account.id.as_bytes())))
}

async fn ask<E: Environment>(environment: &E, account: &Account) -> Result<Creator, Error> {
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

/// Whether this refusal means that the account currently cannot post.
pub(crate) fn is_blocking(error: &Error) -> bool {
    error.code.as_deref().is_some_and(|code| errors::BLOCKING.contains(&code))
}

/// The label of an audience.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use social_channel_provider::ErrorKind;
    use social_channel_provider::testing::{FakeEnvironment, run};

    fn account(id: &str) -> Account {
        Account {
            id: id.to_owned(),
            credentials: br#"{"access_token":"act.1"}"#.to_vec(),
            scopes: vec!["video.publish".to_owned()],
        }
    }

    fn says(environment: &FakeEnvironment, level: &str) {
        let data = json!({"creator_username": "demo", "creator_nickname": "Demo", "duet_disabled": true,
            "privacy_level_options": [level], "max_video_post_duration_sec": 60});
        environment.answer_json(200, &json!({"data": data, "error": {"code": "ok"}}));
    }

    fn refuses(environment: &FakeEnvironment, status: u16, code: &str) {
        environment.answer_json(status, &json!({"error": {"code": code, "log_id": "L"}}));
    }

    #[test]
    fn an_answer_is_kept_for_five_minutes_and_no_longer() {
        let environment = environment();
        says(&environment, PUBLIC);
        let asked = run(query(&environment, &account("a"))).unwrap();
        environment.advance_ms(FRESH * 1000 - 1);
        let kept = run(recent(&environment, &account("a"))).unwrap();
        assert!(!asked.is_kept && kept.is_kept);
        assert_eq!((kept.at, &kept.creator.privacy), (asked.at, &asked.creator.privacy));
        assert_eq!((kept.creator.username.as_deref(), kept.creator.max_seconds), (Some("demo"), Some(60)));
        assert!(kept.creator.duet_disabled);
        environment.advance_ms(1);
        says(&environment, ONLY_ME);
        let asked = run(recent(&environment, &account("a"))).unwrap();
        assert_eq!((asked.is_kept, asked.creator.privacy), (false, vec![ONLY_ME.to_owned()]));
    }

    #[test]
    fn no_account_gets_the_answer_of_another() {
        let environment = environment();
        let long = "x".repeat(600);
        for id in ["a", "b", &format!("{long}1"), &format!("{long}2")] {
            says(&environment, PUBLIC);
            assert!(!run(recent(&environment, &account(id))).unwrap().is_kept, "{id}");
        }
        let withdrawn = Account { scopes: Vec::new(), ..account("a") };
        let error = run(recent(&environment, &withdrawn)).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Forbidden);
    }

    #[test]
    fn an_account_that_cannot_post_now_is_asked_about_each_time() {
        for code in errors::BLOCKING {
            let environment = environment();
            says(&environment, PUBLIC);
            run(query(&environment, &account("a"))).unwrap();
            for _ in 0..2 {
                refuses(&environment, 200, code);
                assert!(is_blocking(&run(query(&environment, &account("a"))).err().unwrap()));
            }
            refuses(&environment, 200, code);
            assert!(is_blocking(&run(recent(&environment, &account("a"))).err().unwrap()));
            assert_eq!(environment.unused_answers(), 0);
        }
        // An outage says nothing about the account.
        let environment = environment();
        says(&environment, PUBLIC);
        run(query(&environment, &account("a"))).unwrap();
        refuses(&environment, 500, "internal_error");
        run(query(&environment, &account("a"))).err().unwrap();
        assert!(run(recent(&environment, &account("a"))).unwrap().is_kept);
    }

    #[test]
    fn without_storage_tiktok_is_asked_each_time() {
        let environment = environment();
        environment.break_storage();
        for _ in 0..2 {
            says(&environment, PUBLIC);
            assert!(!run(recent(&environment, &account("a"))).unwrap().is_kept);
        }
    }
}

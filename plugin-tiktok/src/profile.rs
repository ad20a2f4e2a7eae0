//! The account's profile and statistics (D-UI). Requests only fields whose permission was granted; a missing
//! field is unknown, never zero.

use serde_json::Value;
use social_channel_provider::channel::{Connection, Metric, Profile, Stats};
use social_channel_provider::{Account, Environment, Error, ErrorKind, Property, json};

use crate::api::{Call, Effect, call};
use crate::credentials::{Credentials, require_scope};
use crate::quota;
use crate::settings::{SCOPE_BASIC, SCOPE_PROFILE, SCOPE_STATS};

/// What is asked for of a newly connected account.
pub(crate) const SUMMARY: &str = "open_id,union_id,display_name,avatar_url";

/// A newly connected account as TikTok shows it; null where it does not.
pub(crate) async fn summary<E: Environment>(
    environment: &E,
    open_id: &str,
    credentials: &Credentials,
) -> Value {
    user(environment, open_id, credentials, SUMMARY, SCOPE_BASIC).await.unwrap_or_default()
}

/// The connection with what names the account in all apps of one developer: `open_id` is another one in each app.
pub(crate) fn identified(connection: Connection, user: &Value) -> Connection {
    Connection { details: identity(user), ..connection }
}

fn identity(user: &Value) -> Vec<Property> {
    let text = |id| Property::new("identity", social_channel_provider::Value::Text(id));
    json::text(user, "union_id").map(text).into_iter().collect()
}

pub(crate) async fn get<E: Environment>(environment: &E, account: &Account) -> Result<Profile, Error> {
    const BASIC: &str = SUMMARY;
    const ALL: &str =
        "open_id,union_id,display_name,avatar_url,username,bio_description,profile_deep_link,is_verified";
    let credentials = Credentials::of(account)?;
    require_scope(account, SCOPE_BASIC)?;
    let fields = if may_read_handle(account) { ALL } else { BASIC };
    let user = match user(environment, &account.id, &credentials, fields, SCOPE_BASIC).await {
        // The grant has fewer permissions than stored: the remaining ones are enough for a profile.
        Err(error) if error.kind == ErrorKind::Forbidden && fields != BASIC => {
            user(environment, &account.id, &credentials, BASIC, SCOPE_BASIC).await?
        }
        other => other?,
    };
    let username = json::text(&user, "username");
    let link = username.as_deref().map(|name| format!("https://www.tiktok.com/@{name}"));
    let name = json::text(&user, "display_name").or_else(|| username.clone());
    let name = name.unwrap_or_else(|| "TikTok account".to_owned());
    Ok(Profile {
        bio: json::text(&user, "bio_description"),
        url: link.or_else(|| https(json::text(&user, "profile_deep_link"))),
        avatar_url: https(json::text(&user, "avatar_url")),
        verified: json::flag(&user, "is_verified"),
        details: identity(&user),
        username,
        ..Profile::new(account.id.clone(), name)
    })
}

/// Whether these permissions include the handle, which distinguishes accounts with the same name.
fn may_read_handle(account: &Account) -> bool {
    account.scopes.iter().any(|scope| scope == SCOPE_PROFILE)
}

pub(crate) async fn stats<E: Environment>(environment: &E, account: &Account) -> Result<Stats, Error> {
    let credentials = Credentials::of(account)?;
    require_scope(account, SCOPE_STATS)?;
    let fields = "follower_count,following_count,likes_count,video_count";
    let user = user(environment, &account.id, &credentials, fields, SCOPE_STATS).await?;
    Ok(Stats::new(Metric::known(&[
        ("followers", json::number(&user, "follower_count")),
        ("following", json::number(&user, "following_count")),
        ("likes", json::number(&user, "likes_count")),
        // TikTok counts only the public ones.
        ("posts", json::number(&user, "video_count")),
    ])))
}

async fn user<E: Environment>(
    environment: &E,
    open_id: &str,
    credentials: &Credentials,
    fields: &str,
    scope: &str,
) -> Result<Value, Error> {
    let asked =
        Call { path: "/v2/user/info/", scope, effect: Effect::None, fields: Some(fields), body: None };
    let data =
        quota::limited(environment, &quota::USER_INFO, open_id, || call(environment, credentials, asked))
            .await?;
    Ok(data.get("user").cloned().unwrap_or_default())
}

/// Keeps only https links, because hosts open no others.
pub(crate) fn https(url: Option<String>) -> Option<String> {
    url.filter(|url| url.starts_with("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::environment;
    use serde_json::json;
    use social_channel_provider::testing::run;

    fn account(scopes: &[&str]) -> Account {
        Account {
            id: "open-1".to_owned(),
            credentials: br#"{"access_token":"act.1"}"#.to_vec(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        }
    }

    fn user(fields: Value) -> Value {
        json!({"data": {"user": fields}, "error": {"code": "ok", "message": "", "log_id": "l"}})
    }

    #[test]
    fn only_granted_fields_are_asked_for() {
        let environment = environment();
        environment.answer_json(200, &user(json!({"open_id": "open-1", "display_name": "D"})));
        let profile = run(get(&environment, &account(&["user.info.basic"]))).unwrap();
        assert_eq!((profile.username, profile.verified, profile.url), (None, None, None));
        let sent = environment.take_sent();
        assert_eq!(
            sent[0].url,
            "https://open.tiktokapis.com/v2/user/info/?fields=open_id%2Cunion_id%2Cdisplay_name%2Cavatar_url"
        );
        assert_eq!(sent[0].header("authorization"), Some("Bearer act.1"));
    }

    #[test]
    fn a_grant_that_shrank_still_gives_a_profile() {
        let environment = environment();
        environment.answer_json(
            400,
            &json!({"data": {}, "error": {"code": "scope_permission_missed", "message": "m", "log_id": "l"}}),
        );
        environment.answer_json(200, &user(json!({"open_id": "open-1", "display_name": "D"})));
        let profile = run(get(&environment, &account(&["user.info.basic", "user.info.profile"]))).unwrap();
        assert_eq!(profile.display_name, "D");
    }

    #[test]
    fn numbers_that_do_not_come_back_are_unknown() {
        let environment = environment();
        environment.answer_json(200, &user(json!({"follower_count": 0, "likes_count": "88123"})));
        let stats = run(stats(&environment, &account(&["user.info.stats"]))).unwrap();
        assert_eq!(stats.metrics, [Metric::new("followers", 0), Metric::new("likes", 88123)]);
    }

    #[test]
    fn numbers_without_permission_are_not_asked_for() {
        let environment = environment();
        let error = run(super::stats(&environment, &account(&["user.info.basic"]))).unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Forbidden, Some("user.info.stats")));
        assert!(environment.take_sent().is_empty());
    }
}

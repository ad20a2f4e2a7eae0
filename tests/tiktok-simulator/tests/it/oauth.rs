//! Consent, tokens, revoke (contract sections 2-7).

use std::time::Duration;

use reqwest::Method;
use tiktok_simulator::{Platform, TokenProfile, World};

use crate::support::*;

#[tokio::test]
async fn a_desktop_app_connects_refreshes_and_revokes() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    assert_eq!(client.grant["expires_in"], 7200);
    assert_eq!(client.grant["refresh_expires_in"], 15_552_000);
    assert_eq!(client.grant["token_type"], "Bearer");
    assert!(client.grant.get("data").is_none() && client.grant.get("error").is_none());
    let first = client.clone();
    client.renew().await;
    assert_ne!(first.access, client.access);
    assert_ne!(first.refresh, client.refresh);
    client.get("/v2/user/info/?fields=open_id").await.ok();

    let pairs = [("client_key", client.key), ("client_secret", client.secret), ("token", &client.access)];
    let answer = post_form(&format!("{}/v2/oauth/revoke/", client.origin), &pairs).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));
    let refused = client.get("/v2/user/info/?fields=open_id").await;
    refused.refused(401, "access_token_invalid", "7.1");
    client.refresh_with(&client.refresh).await.refused(400, "invalid_grant", "6");
    assert_eq!(simulator.world().tokens.revoked, 1);
    assert!(simulator.violations().is_empty());
}

#[tokio::test]
async fn a_web_app_needs_no_pkce_and_may_use_it() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let redirect = "https://app.example.com/callback/";
    for challenge in [None, Some(challenge())] {
        let query = with(authorize_query(), "client_key", Some("simkey-web"));
        let query = with(query, "redirect_uri", Some(redirect));
        let query = with(query, "code_challenge", challenge.as_deref());
        let query = with(query, "code_challenge_method", challenge.as_ref().map(|_| "S256"));
        let code = callback(&authorize(&simulator, &query).await)["code"].clone();
        // A verifier without a challenge is tolerated (3.2).
        let pairs = [
            ("code_verifier", VERIFIER),
            ("redirect_uri", redirect),
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_secret", "simsecret-web-0001"),
            ("client_key", "simkey-web"),
        ];
        let answer = post_form(&format!("{}/v2/oauth/token/", simulator.origin()), &pairs).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn the_callback_carries_state_scopes_and_a_code_that_decodes_once() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let answer = authorize(&simulator, &authorize_query()).await;
    assert!(answer.headers["location"].starts_with("http://127.0.0.1:45678/callback?"));
    let back = callback(&answer);
    assert_eq!(back["state"], "s-1 &=");
    assert!(back["code"].contains('*') && back["code"].contains('!'));
    let mut scopes: Vec<&str> = back["scopes"].split(',').collect();
    scopes.sort_unstable();
    assert_eq!(scopes.join(","), ALL_SCOPES);
    assert!(!back.contains_key("scope"));
}

#[tokio::test]
async fn the_consent_page_offers_accounts_scopes_and_cancel() {
    let simulator = demo().await;
    let page = authorize(&simulator, &authorize_query()).await;
    assert_eq!(page.status, 200);
    for text in ["Demo Studio wants to access", "demo.kitchen", "video.publish", "Cancel"] {
        assert!(page.text.contains(text), "{text} is not on the page");
    }
    let query = authorize_query();
    let pairs: Vec<(&str, &str)> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let url = format!("{}/v2/auth/authorize/?{}", simulator.origin(), form(&pairs));
    let decide = [("account", "demo.kitchen"), ("scope", "video.list"), ("decision", "authorize")];
    let answer = post_form(&url, &decide).await;
    let mut granted: Vec<String> = callback(&answer)["scopes"].split(',').map(ToString::to_string).collect();
    granted.sort_unstable();
    // user.info.basic cannot be unticked.
    assert_eq!(granted, ["user.info.basic", "video.list"]);

    let answer = post_form(&url, &[("account", "demo.kitchen"), ("decision", "cancel")]).await;
    let back = callback(&answer);
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "s-1 &=");
    assert!(!back.contains_key("error_type") && !back.contains_key("code"));
}

#[tokio::test]
async fn a_signed_in_browser_skips_the_page_unless_disable_auto_auth_is_1() {
    let simulator = demo().await;
    connect(&simulator, "demo.kitchen").await;
    simulator.edit(|world| world.switches.auto_consent.enabled = false);
    let query = authorize_query();
    let again = |disable: Option<&'static str>| {
        let query = with(query.clone(), "disable_auto_auth", disable);
        let url = format!("{}/v2/auth/authorize/?{}", simulator.origin(), {
            let pairs: Vec<(&str, &str)> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
            form(&pairs)
        });
        async move { send(Method::GET, &url, &[("cookie", "simulator_account=demo.kitchen")], "").await }
    };
    assert!(callback(&again(None).await).contains_key("code"));
    assert!(callback(&again(Some("0")).await).contains_key("code"));
    assert_eq!(again(Some("1")).await.status, 200);
}

#[tokio::test]
async fn the_authorize_page_refuses_what_is_wrong_without_redirecting() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let good = authorize_query;
    for (query, rule) in [
        (with(good(), "client_key", Some("nobody")), "3.3, trap 50"),
        (with(good(), "client_key", Some("simkey-unapproved")), "13.1"),
        (with(with(good(), "client_key", None), "client_id", Some("simkey-desktop")), "trap 6"),
        (with(good(), "redirect_uri", Some("http://127.0.0.1:45678/callback//")), "trap 15"),
        (with(good(), "redirect_uri", Some("http://localhost:45678/callback")), "trap 15"),
        (with(good(), "redirect_uri", Some("http://127.0.0.1/callback")), "trap 15"),
        (with(good(), "response_type", Some("token")), "3"),
        (with(good(), "state", None), "3"),
        (with(good(), "scope", None), "2"),
        (with(good(), "scope", Some("user.info.basic video.list")), "2"),
        (with(good(), "scope", Some("user.info.basic,user.info.email")), "2"),
        (with(good(), "code_challenge", None), "3.2"),
        (with(good(), "code_challenge_method", Some("plain")), "3.2"),
        (with(good(), "disable_auto_auth", Some("yes")), "3"),
    ] {
        let answer = authorize(&simulator, &query).await;
        answer.turned_away(400, rule);
        assert!(!answer.headers.contains_key("location"), "an error page redirects: {query:?}");
    }
    assert_eq!(simulator.world().tokens.codes_issued, 0);
}

#[tokio::test]
async fn a_scope_that_the_app_does_not_have_is_refused() {
    let mut world = World::demo();
    world.apps[0].scopes = vec!["user.info.basic".into()];
    let simulator = started(world).await;
    consent_by(&simulator, "demo.kitchen");
    authorize(&simulator, &authorize_query()).await.turned_away(400, "2");
}

#[tokio::test]
async fn all_documented_scopes_can_be_asked_for_and_granted() {
    let simulator = demo().await;
    let scopes = format!("{ALL_SCOPES},video.upload");
    let client =
        connect_app(&simulator, "demo.kitchen", "simkey-desktop", "simsecret-desktop-0001", &scopes).await;
    let mut granted: Vec<&str> = client.grant["scope"].as_str().unwrap().split(',').collect();
    granted.sort_unstable();
    assert_eq!(granted.join(","), scopes);
    simulator.edit(|world| world.switches.auto_consent.enabled = false);
    let page = authorize(&simulator, &with(authorize_query(), "scope", Some(&scopes))).await;
    assert!(page.text.contains("Send drafts to your inbox"), "{page:?}");
}

#[tokio::test]
async fn a_registration_without_video_upload_cannot_ask_for_it() {
    let mut world = World::demo();
    world.apps[0].scopes = ALL_SCOPES.split(',').map(ToString::to_string).collect();
    let simulator = started(world).await;
    consent_by(&simulator, "demo.kitchen");
    let query = with(authorize_query(), "scope", Some("user.info.basic,video.upload"));
    let answer = authorize(&simulator, &query).await;
    answer.turned_away(400, "2");
    assert!(answer.text.contains("error=invalid_scope&amp;error_type=scope"), "{answer:?}");
    assert!(answer.reason().contains("has not been added to the app"), "{answer:?}");
    simulator.edit(|world| world.switches.authorize_errors_redirect = true);
    let back = callback(&authorize(&simulator, &query).await);
    assert_eq!((back["error"].as_str(), back["error_type"].as_str()), ("invalid_scope", "scope"));
}

#[tokio::test]
async fn video_upload_is_refused_where_it_must_never_be_asked_for() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    simulator.edit(|world| world.switches.refuse_video_upload = true);
    let query = with(authorize_query(), "scope", Some("user.info.basic,video.upload"));
    authorize(&simulator, &query).await.turned_away(403, "19.13");
    assert_eq!(simulator.violations().len(), 1);
}

#[tokio::test]
async fn an_app_of_two_platforms_takes_the_redirects_of_both() {
    const WEB: &str = "https://app.example.com/callback/";
    let mut world = World::demo();
    world.apps[0].platforms.push(Platform::Web);
    world.apps[0].redirect_uris.push(WEB.into());
    let simulator = started(world).await;
    consent_by(&simulator, "demo.kitchen");
    let plain = || with(with(authorize_query(), "code_challenge", None), "code_challenge_method", None);
    // Each redirect by the rules of its platform: PKCE is for desktop.
    authorize(&simulator, &plain()).await.turned_away(400, "3.2");
    connect(&simulator, "demo.kitchen").await;
    let code =
        callback(&authorize(&simulator, &with(plain(), "redirect_uri", Some(WEB))).await)["code"].clone();
    let pairs = [
        ("client_key", "simkey-desktop"),
        ("client_secret", "simsecret-desktop-0001"),
        ("code", code.as_str()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", WEB),
    ];
    let answer = post_form(&format!("{}/v2/oauth/token/", simulator.origin()), &pairs).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn each_platform_has_ten_redirects() {
    let mut world = World::demo();
    let app = &mut world.apps[0];
    app.platforms = vec![Platform::Web, Platform::Desktop];
    app.redirect_uris = (0..10).map(|n| format!("http://127.0.0.1:*/{n}")).collect();
    app.redirect_uris.extend((0..10).map(|n| format!("https://app.example.com/{n}")));
    world.validate().unwrap();
    world.apps[0].redirect_uris.push("https://app.example.com/10".into());
    let error = format!("{:#}", world.validate().unwrap_err());
    assert!(error.contains("simkey-desktop") && error.contains("11 web"), "{error}");
}

#[tokio::test]
async fn an_account_that_is_no_target_user_is_told_apart_from_cancel() {
    let simulator = demo().await;
    consent_by(&simulator, "walk.in");
    let query = with(authorize_query(), "client_key", Some("sbsimkey-sandbox"));
    let back = callback(&authorize(&simulator, &query).await);
    assert_eq!(
        (back["error"].as_str(), back["error_type"].as_str()),
        ("access_denied", "non_sandbox_target")
    );
}

#[tokio::test]
async fn the_token_endpoint_names_what_is_wrong() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let url = format!("{}/v2/oauth/token/", simulator.origin());
    let code = callback(&authorize(&simulator, &authorize_query()).await)["code"].clone();
    let good = [
        ("client_key", "simkey-desktop"),
        ("client_secret", "simsecret-desktop-0001"),
        ("code", code.as_str()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let changed = |name: &str, value: Option<&'static str>| {
        let mut pairs: Vec<(&str, &str)> = good.to_vec();
        pairs.retain(|(key, _)| *key != name);
        pairs.extend(value.map(|value| (name, value)).iter().map(|(_, value)| (leak(name), *value)));
        pairs
    };
    for (name, value, error, rule) in [
        ("client_key", None, "invalid_request", "4"),
        ("client_key", Some("nobody"), "invalid_client", "7"),
        ("client_secret", None, "invalid_request", "4"),
        ("client_secret", Some("wrong"), "invalid_client", "trap 50"),
        ("client_secret", Some("simsecret-sandbox-0001"), "invalid_client", "trap 50"),
        ("grant_type", None, "invalid_request", "4"),
        ("grant_type", Some("password"), "unsupported_grant_type", "7"),
        ("code", None, "invalid_request", "4"),
        ("code", Some("made-up"), "invalid_grant", "7"),
        ("redirect_uri", None, "invalid_request", "4"),
        ("redirect_uri", Some("http://127.0.0.1:45678/callback/"), "invalid_request", "trap 15"),
        ("code_verifier", None, "invalid_request", "3.2"),
        ("code_verifier", Some("short"), "invalid_request", "3.2"),
        ("code_verifier", Some("another-verifier-of-sufficient-length-0123456789"), "invalid_request", "3.2"),
    ] {
        let answer = post_form(&url, &changed(name, value)).await;
        answer.refused(400, error, rule);
        let body = answer.json();
        assert!(body["error_description"].is_string() && body["log_id"].is_string(), "{body}");
    }
    // None of the refusals used up the code; a second use does.
    assert_eq!(post_form(&url, &good).await.status, 200);
    post_form(&url, &good).await.refused(400, "invalid_grant", "4");
    assert_eq!(simulator.world().tokens.codes_exchanged, 1);
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}

#[tokio::test]
async fn json_and_repeated_parameters_are_refused_at_the_token_endpoint() {
    let simulator = demo().await;
    let url = format!("{}/v2/oauth/token/", simulator.origin());
    let json = r#"{"client_key":"simkey-desktop","grant_type":"refresh_token"}"#;
    let answer = send(Method::POST, &url, &[("content-type", "application/json")], json).await;
    answer.refused(400, "invalid_request", "trap 6");
    post_form(&url, &[("client_key", "a"), ("client_key", "b")]).await.refused(400, "invalid_request", "7");
    post_form(&url, &[("client_id", "simkey-desktop")]).await.refused(400, "invalid_request", "trap 6");
    assert_eq!(send(Method::GET, &url, &[], "").await.status, 405);
}

#[tokio::test]
async fn a_code_expires_on_the_virtual_clock() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let code = callback(&authorize(&simulator, &authorize_query()).await)["code"].clone();
    simulator.clock().advance(Duration::from_secs(301));
    let answer = exchange(&simulator, "simkey-desktop", "simsecret-desktop-0001", &code).await;
    answer.refused(400, "invalid_grant", "4");
    assert_eq!(answer.json()["error_description"], "Authorization code is expired.");
}

#[tokio::test]
async fn the_legacy_profile_keeps_the_refresh_token_and_counts_from_the_first_issue() {
    let mut world = World::demo();
    world.switches.token_profile = TokenProfile::Legacy;
    let simulator = started(world).await;
    let client = connect(&simulator, "demo.kitchen").await;
    assert_eq!(client.grant["expires_in"], 86_400);
    assert_eq!(client.grant["refresh_expires_in"], 31_536_000);
    simulator.clock().advance(Duration::from_secs(10 * 86_400));
    let again = client.refresh_with(&client.refresh).await.json();
    assert_eq!(again["refresh_token"], client.refresh.as_str());
    let left = again["refresh_expires_in"].as_i64().unwrap();
    assert!((31_536_000 - 864_010..=31_536_000 - 864_000).contains(&left), "{left}");
    simulator.edit(|world| world.switches.legacy_rotates = true);
    let rotated = client.refresh_with(&client.refresh).await.json();
    assert_ne!(rotated["refresh_token"], client.refresh.as_str());
    assert!(rotated["refresh_expires_in"].as_i64().unwrap() <= left);
    simulator.clock().advance(Duration::from_secs(366 * 86_400));
    let token = rotated["refresh_token"].as_str().unwrap();
    client.refresh_with(token).await.refused(400, "invalid_grant", "0.3");
}

#[tokio::test]
async fn a_refreshed_grant_can_have_shrunk() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    assert!(simulator.shrink_grant("simkey-desktop", "demo.kitchen", &["user.info.basic"]));
    let answer = client.refresh_with(&client.refresh.clone()).await.json();
    assert_eq!(answer["scope"], "user.info.basic");
    client.access = answer["access_token"].as_str().unwrap().to_string();
    client.post("/v2/video/list/?fields=id", &serde_json::json!({})).await.refused(
        401,
        "scope_not_authorized",
        "2",
    );
}

#[tokio::test]
async fn oauth_failures_can_come_with_200() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.oauth_error_status = 200);
    let answer = post_form(&format!("{}/v2/oauth/token/", simulator.origin()), &[]).await;
    answer.refused(200, "invalid_request", "4");
}

#[tokio::test]
async fn open_ids_differ_by_app_and_union_ids_by_developer() {
    let simulator = demo().await;
    let first = connect(&simulator, "demo.kitchen").await;
    let secret = "simsecret-sandbox-0001";
    let second = connect_app(&simulator, "demo.kitchen", "sbsimkey-sandbox", secret, ALL_SCOPES).await;
    assert_ne!(first.open_id, second.open_id);
    let union = |client: Client| async move {
        client.get("/v2/user/info/?fields=union_id").await.ok()["user"]["union_id"].clone()
    };
    assert_eq!(union(first).await, union(second).await);
}

#[tokio::test]
async fn revoke_wants_a_live_access_token_of_its_own_app() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let url = format!("{}/v2/oauth/revoke/", client.origin);
    let revoke = |key: &'static str, secret: &'static str, token: String| {
        let url = url.clone();
        async move { post_form(&url, &[("client_key", key), ("client_secret", secret), ("token", &token)]).await }
    };
    revoke(client.key, "", client.access.clone()).await.refused(400, "invalid_request", "4");
    revoke(client.key, client.secret, client.refresh.clone()).await.refused(400, "invalid_request", "6");
    let other = revoke("simkey-web", "simsecret-web-0001", client.access.clone()).await;
    other.refused(400, "invalid_grant", "6");
    simulator.clock().advance(Duration::from_secs(7200));
    revoke(client.key, client.secret, client.access.clone()).await.refused(400, "invalid_request", "6");
}

#[tokio::test]
async fn a_world_that_the_portal_would_refuse_does_not_start() {
    let mut world = World::demo();
    world.apps[0].platforms = vec![Platform::Web];
    let error = tiktok_simulator::Simulator::start(world).await.unwrap_err();
    assert!(format!("{error:#}").contains("simkey-desktop"), "{error:#}");
}

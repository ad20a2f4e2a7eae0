//! Both settings of switches for which sources disagree (contract section 20), unless another test covers them.

use serde_json::json;
use tiktok_simulator::FailureData;

use crate::support::*;

#[tokio::test]
async fn wrong_authorize_requests_can_come_back_to_a_registered_redirect() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.authorize_errors_redirect = true);
    let back = callback(&authorize(&simulator, &with(authorize_query(), "code_challenge", None)).await);
    let given = (back["error"].as_str(), back["error_type"].as_str(), back["state"].as_str());
    assert_eq!(given, ("invalid_request", "code_challenge", "s-1 &="));
    // A redirect that is not registered is never trusted.
    let query = with(authorize_query(), "redirect_uri", Some("http://127.0.0.1:45678/elsewhere"));
    authorize(&simulator, &query).await.turned_away(400, "trap 15");
    let query = with(authorize_query(), "client_key", Some("nobody"));
    authorize(&simulator, &query).await.turned_away(400, "3.3");
}

#[tokio::test]
async fn scopes_can_be_separated_by_spaces() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let query = with(authorize_query(), "scope", Some("user.info.basic video.list"));
    authorize(&simulator, &query).await.turned_away(400, "2");
    simulator.edit(|world| world.switches.accept_space_separated_scopes = true);
    assert!(callback(&authorize(&simulator, &query).await).contains_key("code"));
}

#[tokio::test]
async fn web_apps_can_need_pkce() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    simulator.edit(|world| world.switches.web_requires_pkce = true);
    let query = with(authorize_query(), "client_key", Some("simkey-web"));
    let query = with(query, "redirect_uri", Some("https://app.example.com/callback/"));
    assert!(callback(&authorize(&simulator, &query).await).contains_key("code"));
    let query = with(with(query, "code_challenge", None), "code_challenge_method", None);
    authorize(&simulator, &query).await.turned_away(400, "3.2");
}

#[tokio::test]
async fn reuse_of_a_refresh_token_can_end_the_grant() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.reuse_ends_grant = true);
    let mut client = connect(&simulator, "demo.kitchen").await;
    let old = client.refresh.clone();
    client.renew().await;
    client.get("/v2/user/info/?fields=open_id").await.ok();
    client.refresh_with(&old).await.refused(400, "invalid_grant", "traps 2 and 3");
    client.get("/v2/user/info/?fields=open_id").await.refused(401, "access_token_invalid", "7.1");
}

#[tokio::test]
async fn the_refresh_term_can_count_from_the_first_consent() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.refresh_restarts_term = false);
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.clock().advance(std::time::Duration::from_secs(100 * 86_400));
    let left = client.refresh_with(&client.refresh).await.json()["refresh_expires_in"].as_i64().unwrap();
    assert!((80 * 86_400 - 60..=80 * 86_400).contains(&left), "{left}");
}

#[tokio::test]
async fn envelopes_vary_as_reported() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let refusal = || client.get("/v2/user/info/?fields=nonsense");
    assert_eq!(refusal().await.json()["data"], json!({}));
    simulator.edit(|world| world.switches.failure_data = FailureData::Null);
    assert!(refusal().await.json()["data"].is_null());
    assert!(refusal().await.text.contains("\"data\":null"));
    simulator.edit(|world| {
        world.switches.failure_data = FailureData::Absent;
        world.switches.log_id_as_logid = true;
    });
    let body = refusal().await.json();
    assert!(body.get("data").is_none() && body["error"].get("log_id").is_none());
    assert!(body["error"]["logid"].is_string());
}

#[tokio::test]
async fn a_query_can_carry_a_cursor() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.query_carries_cursor = true);
    let client = connect(&simulator, "demo.kitchen").await;
    let body = json!({"filters": {"video_ids": ["1"]}});
    let data = client.post("/v2/video/query/?fields=id", &body).await.ok();
    assert_eq!(data, json!({"videos": [], "cursor": 0, "has_more": false}));
}

#[tokio::test]
async fn posting_can_be_older_and_looser() {
    let simulator = demo().await;
    simulator.edit(|world| {
        world.switches.accept_small_single_chunk = true;
        world.switches.final_upload_status = 200;
        world.switches.refuse_private_branded = true;
        world.switches.require_brand_toggles = true;
    });
    let client = connect(&simulator, "demo.kitchen").await;
    let mut body = video(20 * MB, "SELF_ONLY");
    body["source_info"]["chunk_size"] = json!(10 * MB);
    let data = client.init(&body).await.ok();
    let url = client.local(data["upload_url"].as_str().unwrap());
    assert_eq!(put(&url, 0, 20 * MB - 1, 20 * MB).await.status, 200);
    let mut branded = video(1000, "SELF_ONLY");
    branded["post_info"]["brand_content_toggle"] = json!(true);
    client.init(&branded).await.refused(400, "invalid_params", "16.14");
    branded["post_info"].as_object_mut().unwrap().remove("brand_content_toggle");
    client.init(&branded).await.refused(400, "invalid_params", "9.2");
}

#[tokio::test]
async fn caps_can_come_with_200_at_init() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.init_caps_with_status_200 = true);
    let client = connect(&simulator, "banned.band").await;
    let answer = client.init(&video(1000, "SELF_ONLY")).await;
    answer.refused(200, "spam_risk_user_banned_from_posting", "9.1");
}

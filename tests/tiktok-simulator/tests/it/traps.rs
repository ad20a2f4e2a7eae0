//! The traps of contract section 21 that a server can see and that no other test here covers.
//!
//! Where the others are tested: 2, 3, 27: `faults`. 6, 11, 13, 15, 50, 55: `oauth`. 7, 8: `support::connect`,
//! `Answer::ok`. 9, 31, 32, 33, 36, 37, 39, 40, 41: `posting`. 12, 48: `display`. 18, 20, 21, 38, 44, 45, 53:
//! `over_time`. 22 to 26, 28, 29: `upload`.
//!
//! A server cannot see 4 (it can count: `tokens.refreshed`), 10, 34, 35, 42, 43, 46, 47, 51 and 54; for these the
//! simulator only has to be able to simulate the situation, with switches and faults.

use std::time::Duration;

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn trap_1_a_day_is_not_the_life_of_a_token() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.clock().advance(Duration::from_secs(7199));
    client.get("/v2/user/info/?fields=open_id").await.ok();
    simulator.clock().advance(Duration::from_secs(1));
    let answer = client.get("/v2/user/info/?fields=open_id").await;
    answer.refused(401, "access_token_invalid", "trap 1");
}

#[tokio::test]
async fn trap_5_base64url_pkce_passes_the_page_and_fails_the_exchange() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let wrong = "-ldn9PzwsKgk79sBqOnyyQ1TYs5Z1pMKGsJ7V6NW5HQ";
    let answer = authorize(&simulator, &with(authorize_query(), "code_challenge", Some(wrong))).await;
    assert!(answer.findings().contains("trap 5"));
    let code = callback(&answer)["code"].clone();
    let answer = exchange(&simulator, "simkey-desktop", "simsecret-desktop-0001", &code).await;
    answer.refused(400, "invalid_request", "trap 5");
    assert_eq!(answer.json()["error_description"], "Code verifier or code challenge is invalid.");
}

#[tokio::test]
async fn trap_14_the_code_is_decoded_exactly_once() {
    let simulator = demo().await;
    consent_by(&simulator, "demo.kitchen");
    let answer = authorize(&simulator, &authorize_query()).await;
    let raw =
        answer.headers["location"].split("code=").nth(1).unwrap().split('&').next().unwrap().to_string();
    assert!(raw.contains('%'), "nothing in {raw} needs decoding");
    // Sent as in the URL, so that it is encoded twice.
    let refused = exchange(&simulator, "simkey-desktop", "simsecret-desktop-0001", &raw).await;
    refused.refused(400, "invalid_grant", "trap 14");
}

#[tokio::test]
async fn trap_16_fields_belong_in_the_query() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    for path in ["/v2/video/list/", "/v2/video/query/"] {
        let body = json!({"fields": ["id"], "filters": {"video_ids": ["1"]}});
        client.post(path, &body).await.refused(400, "invalid_params", "trap 16");
    }
}

#[tokio::test]
async fn trap_17_the_cursor_is_in_milliseconds() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let answer = client.post("/v2/video/list/?fields=id", &json!({"cursor": 1_795_337_212})).await;
    assert!(answer.findings().contains("trap 17"), "{answer:?}");
    assert_eq!(answer.ok()["videos"], json!([]));
}

#[tokio::test]
async fn trap_19_names_are_spelled_as_tiktok_does() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "SELF_ONLY").await;
    let data = client.status(&id).await.ok();
    assert!(data["publicaly_available_post_id"].is_array());
    assert!(data.get("publicly_available_post_id").is_none());
}

#[tokio::test]
async fn trap_30_regions_get_other_upload_hosts() {
    let simulator = demo().await;
    simulator.edit(|world| {
        world.switches.upload_origin = "https://upload.us.tiktokapis.com".into();
        world.switches.upload_path = "/video/".into();
    });
    let client = connect(&simulator, "demo.kitchen").await;
    let data = client.init(&video(1000, "SELF_ONLY")).await.ok();
    let url = data["upload_url"].as_str().unwrap();
    assert!(url.starts_with("https://upload.us.tiktokapis.com/video/?"), "{url}");
    assert_eq!(put(&client.local(url), 0, 999, 1000).await.status, 201);
}

#[tokio::test]
async fn trap_49_names_change_and_the_open_id_stays() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let ask =
        || async { client.get("/v2/user/info/?fields=open_id,display_name").await.ok()["user"].clone() };
    let before = ask().await;
    simulator.edit(|world| world.accounts[0].display_name = "Another Name".into());
    let after = ask().await;
    assert_eq!(before["open_id"], after["open_id"]);
    assert_ne!(before["display_name"], after["display_name"]);
}

#[tokio::test]
async fn trap_52_paging_flat_out_can_be_punished() {
    let simulator = demo().await;
    simulator.clock().freeze();
    simulator.edit(|world| world.switches.list_burst_per_10_seconds = Some(2));
    let client = connect(&simulator, "demo.kitchen").await;
    let body = json!({});
    let page = || client.post("/v2/video/list/?fields=id", &body);
    page().await.ok();
    page().await.ok();
    page().await.refused(429, "rate_limit_exceeded", "1.5");
    simulator.clock().advance(Duration::from_secs(10));
    page().await.ok();
}

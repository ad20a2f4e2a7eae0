//! User info, video list, video query, media links (contract section 8).

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tiktok_simulator::MissingScope;

use crate::support::*;

const USER: &str = "/v2/user/info/?fields=";
const LIST: &str = "/v2/video/list/?fields=id,title,create_time,cover_image_url,view_count";

#[tokio::test]
async fn user_info_answers_exactly_the_asked_fields() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let fields = "open_id,display_name,username,follower_count,video_count,is_verified,avatar_url";
    let user = client.get(&format!("{USER}{fields}")).await.ok()["user"].clone();
    assert_eq!(user["open_id"], client.open_id.as_str());
    assert_eq!(user["display_name"], "Demo Kitchen");
    assert_eq!(user["username"], "demo.kitchen");
    assert_eq!(user["video_count"], 57);
    assert_eq!(user.as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn the_original_host_is_accepted_and_a_wrong_one_is_not() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let bearer = format!("Bearer {}", client.access);
    let url = format!("{}{USER}open_id", client.origin);
    let ask = |host: &'static str| {
        let (url, bearer) = (url.clone(), bearer.clone());
        async move { send(Method::GET, &url, &[("authorization", &bearer), ("host", host)], "").await }
    };
    ask("open.tiktokapis.com").await.ok();
    assert_eq!(last(&simulator, "/v2/user/info/").host, "open.tiktokapis.com");
    ask("www.tiktok.com").await.turned_away(404, "1.1");
    ask("open-upload.tiktokapis.com").await.turned_away(404, "1.1");
}

#[tokio::test]
async fn unknown_fields_and_missing_fields_are_refused() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    for path in ["/v2/user/info/", "/v2/user/info/?fields=", "/v2/user/info/?fields=open_id,profile_web_link"]
    {
        client.get(path).await.refused(400, "invalid_params", "8");
    }
    client.get("/v2/user/info/?fields=open_id,%20username").await.refused(400, "invalid_params", "8");
    assert_eq!(client.post("/v2/user/info/?fields=open_id", &json!({})).await.status, 405);
    client.get("/v2/user/info?fields=open_id").await.turned_away(404, "1.1");
}

#[tokio::test]
async fn missing_scopes_are_answered_in_three_ways() {
    let simulator = demo().await;
    let scopes = "user.info.basic,user.info.stats";
    let client =
        connect_app(&simulator, "demo.kitchen", "simkey-desktop", "simsecret-desktop-0001", scopes).await;
    let some = format!("{USER}display_name,username");
    let none = format!("{USER}username");
    client.get(&some).await.refused(400, "scope_permission_missed", "8.1");
    client.get(&none).await.refused(401, "scope_not_authorized", "8.1");
    simulator.edit(|world| world.switches.missing_scope = MissingScope::NotAuthorized);
    client.get(&some).await.refused(401, "scope_not_authorized", "8.1");
    simulator.edit(|world| world.switches.missing_scope = MissingScope::PermissionMissed);
    client.get(&none).await.refused(400, "scope_permission_missed", "8.1");
    simulator.edit(|world| world.switches.missing_scope = MissingScope::Omit);
    let user = client.get(&some).await.ok()["user"].clone();
    assert_eq!(user, json!({"display_name": "Demo Kitchen"}));
}

#[tokio::test]
async fn all_pages_hold_all_public_videos_once_newest_first() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    for short in [false, true] {
        simulator.edit(|world| world.switches.short_pages = short);
        let (mut ids, mut times, mut pages) = (HashSet::new(), Vec::new(), 0);
        let mut body = json!({"max_count": 20});
        loop {
            let data = client.post(LIST, &body).await.ok();
            pages += 1;
            for video in data["videos"].as_array().unwrap() {
                assert!(ids.insert(video["id"].as_str().unwrap().to_string()), "a video came twice");
                times.push(video["create_time"].as_i64().unwrap());
                assert_eq!(video.as_object().unwrap().len(), 5);
            }
            let oldest = times.last().unwrap();
            assert_eq!(data["cursor"].as_i64().unwrap(), oldest * 1000);
            if data["has_more"] == false {
                break;
            }
            body["cursor"] = data["cursor"].clone();
        }
        assert_eq!((ids.len(), pages), (57, if short { 6 } else { 3 }));
        assert!(times.is_sorted_by(|newer, older| newer > older));
    }
}

#[tokio::test]
async fn the_list_takes_any_correct_body_and_refuses_the_rest() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    for content_type in
        ["application/json", "application/json;charset=utf-8", "Application/JSON; charset=\"UTF-8\""]
    {
        client.post_text(LIST, content_type, "{}").await.ok();
    }
    client.post_text(LIST, "application/json", "").await.ok();
    assert_eq!(client.post(LIST, &json!({})).await.ok()["videos"].as_array().unwrap().len(), 10);
    for (body, rule) in [
        (json!({"max_count": 21}), "8.2"),
        (json!({"max_count": 0}), "8.2"),
        (json!({"max_count": "20"}), "9.2"),
        (json!({"cursor": -1}), "8.2"),
        (json!({"cursor": 1.5e12}), "9.2"),
    ] {
        client.post(LIST, &body).await.refused(400, "invalid_params", rule);
    }
    client.post_text(LIST, "text/plain", "{}").await.refused(400, "invalid_params", "1.3");
    client.post_text(LIST, "application/json; charset=latin1", "{}").await.refused(
        400,
        "invalid_params",
        "1.3",
    );
    client.post_text(LIST, "application/json", "[]").await.refused(400, "invalid_params", "1.3");
    client.post_text(LIST, "application/json", "{").await.refused(400, "invalid_params", "1.3");
}

#[tokio::test]
async fn a_query_answers_own_public_videos_and_leaves_out_the_rest() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let posts = simulator.world().posts;
    let of = |account: &str, private: bool| {
        let found =
            posts.iter().find(|post| post.account == account && (post.privacy == "SELF_ONLY") == private);
        found.unwrap().id.to_string()
    };
    let own = of("demo.kitchen", false);
    let ids = json!([own, of("demo.kitchen", true), of("walk.in", false), "123"]);
    let path = "/v2/video/query/?fields=id,view_count";
    let data = client.post(path, &json!({"filters": {"video_ids": ids}})).await.ok();
    assert_eq!(data["videos"].as_array().unwrap().len(), 1);
    assert_eq!(data["videos"][0]["id"], own.as_str());
    let many: Vec<String> = (0..21).map(|id| id.to_string()).collect();
    for body in [
        json!({}),
        json!({"filters": {}}),
        json!({"filters": {"video_ids": []}}),
        json!({"filters": {"video_ids": many}}),
        json!({"filters": {"video_ids": [own.parse::<u64>().unwrap()]}}),
    ] {
        client.post(path, &body).await.refused(400, "invalid_params", "8.3");
    }
}

#[tokio::test]
async fn numbers_grow_with_virtual_time() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let followers = |client: Client| async move {
        client.get(&format!("{USER}follower_count")).await.ok()["user"]["follower_count"].as_u64().unwrap()
    };
    let before = followers(client.clone()).await;
    simulator.clock().advance(Duration::from_secs(3600));
    assert_eq!(followers(client).await, before + 3);
}

#[tokio::test]
async fn cover_links_expire_after_six_hours_and_avatars_after_two() {
    let simulator = demo().await;
    simulator.edit(|world| world.switches.media_origin = "self".into());
    let client = connect(&simulator, "demo.kitchen").await;
    let cover = client.post(LIST, &json!({})).await.ok()["videos"][0]["cover_image_url"].clone();
    let avatar = client.creator().await.ok()["creator_avatar_url"].clone();
    let fetch = |url: &Value| {
        let url = url.as_str().unwrap().to_string();
        async move { send(Method::GET, &url, &[], "").await }
    };
    assert_eq!(fetch(&cover).await.status, 200);
    assert_eq!(fetch(&avatar).await.status, 200);
    let stripped = json!(cover.as_str().unwrap().split('?').next().unwrap());
    fetch(&stripped).await.turned_away(403, "8.4");
    simulator.clock().advance(Duration::from_secs(2 * 3600 + 1));
    fetch(&avatar).await.turned_away(403, "trap 48");
    assert_eq!(fetch(&cover).await.status, 200);
    simulator.clock().advance(Duration::from_secs(4 * 3600));
    fetch(&cover).await.turned_away(403, "trap 48");
}

#[tokio::test]
async fn the_600_a_minute_window_slides_and_scales() {
    let simulator = demo().await;
    simulator.clock().freeze();
    simulator.edit(|world| world.switches.rate_limit_divisor = 200);
    let client = connect(&simulator, "demo.kitchen").await;
    let ask = || client.get("/v2/user/info/?fields=open_id");
    for _ in 0..3 {
        ask().await.ok();
        simulator.clock().advance(Duration::from_secs(10));
    }
    ask().await.refused(429, "rate_limit_exceeded", "1.5");
    // The list has a window of its own.
    client.post(LIST, &json!({})).await.ok();
    simulator.clock().advance(Duration::from_secs(29));
    ask().await.refused(429, "rate_limit_exceeded", "1.5");
    simulator.clock().advance(Duration::from_secs(1));
    ask().await.ok();
    ask().await.refused(429, "rate_limit_exceeded", "1.5");
}

#[tokio::test]
async fn bearer_tokens_are_checked() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let url = format!("{}/v2/user/info/?fields=open_id", client.origin);
    for header in ["", "Bearer", "Bearer nonsense", &client.access, &format!("Bearer {}", client.refresh)] {
        let answer = send(Method::GET, &url, &[("authorization", header)], "").await;
        answer.refused(401, "access_token_invalid", "1");
    }
    send(Method::GET, &url, &[], "").await.refused(401, "access_token_invalid", "1.3");
}

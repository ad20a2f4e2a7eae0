//! Creator info, init of videos and photos, their refusals and caps (contract sections 9, 12, 13, 19).

use std::time::Duration;

use serde_json::{Value, json};
use tiktok_simulator::{ParamCode, World};

use crate::support::*;

const PRIVATE: &str = "private.pottery";

#[tokio::test]
async fn creator_info_follows_the_account() {
    let simulator = demo().await;
    let public = connect(&simulator, "demo.kitchen").await.creator().await.ok();
    let levels = json!(["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]);
    assert_eq!(public["privacy_level_options"], levels);
    assert_eq!(public["creator_nickname"], "Demo Kitchen");
    assert_eq!((&public["duet_disabled"], &public["stitch_disabled"]), (&json!(false), &json!(true)));
    let private = connect(&simulator, PRIVATE).await.creator().await.ok();
    let levels = json!(["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]);
    assert_eq!(private["privacy_level_options"], levels);
    assert_eq!((&private["duet_disabled"], &private["stitch_disabled"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn creator_info_takes_an_empty_body() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    for (content_type, body) in [("application/json; charset=UTF-8", ""), ("application/json", "{}")] {
        client.post_text("/v2/post/publish/creator_info/query/", content_type, body).await.ok();
    }
}

#[tokio::test]
async fn creator_info_refuses_with_status_200_and_init_with_403() {
    let simulator = demo().await;
    for (account, code) in
        [("banned.band", "spam_risk_user_banned_from_posting"), ("busy.bakery", "spam_risk_too_many_posts")]
    {
        let client = connect(&simulator, account).await;
        client.creator().await.refused(200, code, "");
        client.init(&video(1000, "SELF_ONLY")).await.refused(403, code, "");
    }
    let mut world = World::demo();
    world.apps[0].active_user_cap = Some(1);
    let simulator = started(world).await;
    let first = connect(&simulator, "demo.kitchen").await;
    let second = connect(&simulator, "walk.in").await;
    first.begin(1000, "SELF_ONLY").await;
    // An account that has already posted in the window does not count again.
    first.begin(1000, "SELF_ONLY").await;
    second.creator().await.refused(200, "reached_active_user_cap", "trap 41");
    second.init(&video(1000, "SELF_ONLY")).await.refused(403, "reached_active_user_cap", "trap 41");
    simulator.clock().advance(Duration::from_secs(86_400));
    let mut second = second;
    second.renew().await;
    second.begin(1000, "SELF_ONLY").await;
}

#[tokio::test]
async fn the_daily_cap_counts_all_apps_together() {
    let mut world = World::demo();
    world.accounts[0].daily_post_cap = 2;
    let simulator = started(world).await;
    let first = connect(&simulator, "demo.kitchen").await;
    let secret = "simsecret-web-0001";
    simulator.edit(|world| world.apps[1].redirect_uris.push("https://other.example.com/".into()));
    simulator.edit(|world| world.apps[1].platforms.push(tiktok_simulator::Platform::Desktop));
    simulator.edit(|world| world.apps[1].redirect_uris.push(REDIRECT.into()));
    let second = connect_app(&simulator, "demo.kitchen", "simkey-web", secret, ALL_SCOPES).await;
    first.begin(1000, "SELF_ONLY").await;
    second.begin(1000, "SELF_ONLY").await;
    first.init(&video(1000, "SELF_ONLY")).await.refused(403, "spam_risk_too_many_posts", "13.3");
    simulator.clock().advance(Duration::from_secs(86_400));
    let mut first = first;
    first.renew().await;
    first.begin(1000, "SELF_ONLY").await;
}

#[tokio::test]
async fn init_answers_publish_id_and_upload_url() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let data = client.init(&video(121 * MB, "PUBLIC_TO_EVERYONE")).await.ok();
    let id = data["publish_id"].as_str().unwrap();
    assert!(id.starts_with("v_pub_file~v2-1.") && id.len() <= 64);
    let url = data["upload_url"].as_str().unwrap();
    assert!(url.starts_with("https://open-upload-sg.tiktokapis.com/upload?upload_id="), "{url}");
    assert_eq!(client.status(id).await.ok()["status"], "PROCESSING_UPLOAD");
}

#[tokio::test]
async fn the_shape_of_a_video_init_is_checked() {
    let simulator = unlimited().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let good = || video(1000, "SELF_ONLY");
    // 1100 emoji are 2200 UTF-16 units; one more letter is too much.
    let longest = "🍲".repeat(1100);
    client.init(&set(good(), "/post_info/title", json!(longest))).await.ok();
    for body in [
        set(good(), "/post_info/title", json!(format!("{longest}a"))),
        set(good(), "/post_info/title", json!(7)),
        set(good(), "/post_info/disable_duet", json!("true")),
        set(good(), "/post_info/brand_content_toggle", json!(0)),
        set(good(), "/post_info/video_cover_timestamp_ms", json!("1500")),
        set(good(), "/source_info/source", json!("UPLOAD")),
        set(good(), "/source_info/video_size", json!("1000")),
        set(good(), "/source_info/video_size", json!(1000.5)),
        without(good(), "/source_info/chunk_size"),
        without(good(), "/source_info/total_chunk_count"),
        without(good(), "/source_info"),
        without(good(), "/post_info"),
        pulled("http://media.example.com/v.mp4"),
        pulled("https://192.0.2.1/v.mp4"),
        pulled("media.example.com/v.mp4"),
    ] {
        let answer = client.init(&body).await;
        answer.refused(400, "invalid_params", "");
        assert!(answer.json().get("data").is_none(), "{answer:?}");
    }
    simulator.edit(|world| world.switches.param_code = ParamCode::InvalidParam);
    client.init(&without(good(), "/source_info")).await.refused(400, "invalid_param", "9.2");
    assert_eq!(simulator.world().publishes.len(), 1);
}

#[tokio::test]
async fn harmless_mistakes_are_findings_and_can_be_refused() {
    let simulator = unlimited().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let cases = [
        (without(video(1000, "SELF_ONLY"), "/post_info/brand_organic_toggle"), "9.2"),
        (set(video(1000, "SELF_ONLY"), "/post_info/location", json!("Rome")), "9.2"),
        (set(video(1000, "SELF_ONLY"), "/source_info/video_url", json!("https://a.example/")), "9.2"),
        (set(video(1000, "SELF_ONLY"), "/source_info/video_cover_timestamp_ms", json!(5)), "trap 36"),
        (set(video(1000, "SELF_ONLY"), "/post_info/brand_content_toggle", json!(true)), "16.14"),
    ];
    for (body, rule) in &cases {
        let answer = client.init(body).await;
        assert!(answer.findings().contains(rule), "{answer:?}");
        answer.ok();
    }
    let accepted = simulator.world().publishes.len();
    simulator.edit(|world| world.switches.refuse_findings = true);
    for (body, rule) in &cases {
        client.init(body).await.refused(400, "invalid_params", rule);
    }
    assert_eq!(simulator.world().publishes.len(), accepted);
}

#[tokio::test]
async fn privacy_levels_are_those_of_the_account() {
    let simulator = unlimited().await;
    let public = connect(&simulator, "demo.kitchen").await;
    let private = connect(&simulator, PRIVATE).await;
    for (client, level) in [
        (&public, json!("FOLLOWER_OF_CREATOR")),
        (&private, json!("PUBLIC_TO_EVERYONE")),
        (&public, json!("EVERYONE")),
        (&public, json!("")),
        (&public, Value::Null),
    ] {
        let body = set(video(1000, "SELF_ONLY"), "/post_info/privacy_level", level);
        client.init(&body).await.refused(403, "privacy_level_option_mismatch", "traps 32 and 33");
    }
}

#[tokio::test]
async fn an_unaudited_app_posts_only_privately_and_only_to_private_accounts() {
    const CODE: &str = "unaudited_client_can_only_post_to_private_accounts";
    let simulator = unlimited().await;
    for (key, secret) in
        [("simkey-unaudited", "simsecret-unaudited-0001"), ("sbsimkey-sandbox", "simsecret-sandbox-0001")]
    {
        let public = connect_app(&simulator, "demo.kitchen", key, secret, ALL_SCOPES).await;
        // The options still follow the account.
        assert_eq!(public.creator().await.ok()["privacy_level_options"][0], "PUBLIC_TO_EVERYONE");
        for level in ["PUBLIC_TO_EVERYONE", "SELF_ONLY"] {
            public.init(&video(1000, level)).await.refused(403, CODE, "trap 31");
        }
        let private = connect_app(&simulator, PRIVATE, key, secret, ALL_SCOPES).await;
        for level in ["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS"] {
            private.init(&video(1000, level)).await.refused(403, CODE, "13.2");
        }
        private.begin(1000, "SELF_ONLY").await;
    }
    simulator.edit(|world| world.switches.unaudited_options_self_only = true);
    let client =
        connect_app(&simulator, "demo.kitchen", "simkey-unaudited", "simsecret-unaudited-0001", ALL_SCOPES);
    assert_eq!(client.await.creator().await.ok()["privacy_level_options"], json!(["SELF_ONLY"]));
}

#[tokio::test]
async fn refusals_of_init_come_in_the_order_of_section_19() {
    let mut world = World::demo();
    let wrong_plan = |level| set(video(20 * MB, level), "/source_info/total_chunk_count", json!(7));
    // Everything is wrong at once; each correction leads to the next refusal.
    let broken = set(wrong_plan("EVERYONE"), "/post_info/title", json!("a".repeat(2201)));
    world.accounts[0].banned = true;
    world.accounts[0].daily_post_cap = 0;
    world.apps[0].active_user_cap = Some(0);
    world.apps[0].stage = tiktok_simulator::Stage::Unaudited;
    world.switches.rate_limit_divisor = 6;
    let simulator = started(world).await;
    let client = connect(&simulator, "demo.kitchen").await;
    let mut nobody = client.clone();
    nobody.access = "act.nobody".into();
    nobody.init(&broken).await.refused(401, "access_token_invalid", "");
    simulator.edit(|world| world.switches.refused_init_counts = false);
    client.init(&broken).await.refused(400, "invalid_params", "trap 40");
    simulator.edit(|world| world.switches.refused_init_counts = true);
    client.init(&broken).await.refused(400, "invalid_params", "trap 40");
    client.init(&broken).await.refused(429, "rate_limit_exceeded", "1.5");
    simulator.edit(|world| world.switches.rate_limit_divisor = 0);
    let body = wrong_plan("EVERYONE");
    client.init(&body).await.refused(403, "spam_risk_user_banned_from_posting", "9.1");
    simulator.edit(|world| world.accounts[0].banned = false);
    client.init(&body).await.refused(403, "spam_risk_too_many_posts", "13.3");
    simulator.edit(|world| world.accounts[0].daily_post_cap = 15);
    client.init(&body).await.refused(403, "reached_active_user_cap", "13.3");
    simulator.edit(|world| world.apps[0].active_user_cap = None);
    client.init(&body).await.refused(403, "privacy_level_option_mismatch", "9.2");
    let body = wrong_plan("SELF_ONLY");
    client.init(&body).await.refused(403, "unaudited_client_can_only_post_to_private_accounts", "13.2");
    simulator.edit(|world| world.apps[0].stage = tiktok_simulator::Stage::Audited);
    client.init(&pulled("https://bucket.storage.example/v.mp4")).await.refused(
        403,
        "url_ownership_unverified",
        "11",
    );
    client.init(&body).await.refused(400, "invalid_params", "10.1 C1");
    let lacking = connect_app(&simulator, "walk.in", client.key, client.secret, "user.info.basic").await;
    lacking.init(&body).await.refused(401, "scope_not_authorized", "2");
}

#[tokio::test]
async fn posting_limits_count_per_token() {
    let simulator = demo().await;
    simulator.clock().freeze();
    let mut client = connect(&simulator, "demo.kitchen").await;
    for _ in 0..6 {
        client.begin(1000, "SELF_ONLY").await;
    }
    client.init(&video(1000, "SELF_ONLY")).await.refused(429, "rate_limit_exceeded", "1.5");
    for _ in 0..20 {
        client.creator().await.ok();
    }
    client.creator().await.refused(429, "rate_limit_exceeded", "1.5");
    let id = simulator.world().publishes[0].publish_id.clone();
    for _ in 0..30 {
        client.status(&id).await.ok();
    }
    client.status(&id).await.refused(429, "rate_limit_exceeded", "1.5");
    // Per token: a new token starts a new count (doing that on purpose would be abuse).
    client.renew().await;
    client.begin(1000, "SELF_ONLY").await;
    simulator.clock().advance(Duration::from_secs(60));
    client.begin(1000, "SELF_ONLY").await;
    simulator.edit(|world| world.switches.retry_after = true);
    for _ in 0..5 {
        client.begin(1000, "SELF_ONLY").await;
    }
    let answer = client.init(&video(1000, "SELF_ONLY")).await;
    assert_eq!(answer.headers["retry-after"], "61");
}

#[tokio::test]
async fn photos_are_checked() {
    let simulator = unlimited().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let data = client.post(CONTENT, &photos()).await.ok();
    assert!(data["publish_id"].as_str().unwrap().starts_with("p_pub_url~v2."));
    assert!(data.get("upload_url").is_none());
    let many = |count: usize| json!(vec!["https://media.example.com/p/1.jpg"; count]);
    client.post(CONTENT, &set(photos(), "/source_info/photo_images", many(35))).await.ok();
    for body in [
        set(photos(), "/source_info/photo_images", many(36)),
        set(photos(), "/source_info/photo_images", many(0)),
        set(photos(), "/source_info/photo_images", json!([1])),
        set(photos(), "/source_info/photo_cover_index", json!(2)),
        set(photos(), "/source_info/photo_cover_index", json!(-1)),
        without(photos(), "/source_info/photo_cover_index"),
        set(photos(), "/source_info/source", json!("FILE_UPLOAD")),
        set(photos(), "/media_type", json!("VIDEO")),
        set(photos(), "/post_mode", json!("DIRECT POST")),
        set(photos(), "/post_info/title", json!("a".repeat(91))),
        set(photos(), "/post_info/description", json!("a".repeat(4001))),
    ] {
        client.post(CONTENT, &body).await.refused(400, "invalid_params", "");
    }
    let no_url = set(photos(), "/source_info/photo_images", json!(["x"]));
    client.post(CONTENT, &no_url).await.refused(400, "invalid_params", "11");
    let mut foreign = photos();
    foreign["source_info"]["photo_images"][1] = json!("https://elsewhere.example.org/2.jpg");
    client.post(CONTENT, &foreign).await.refused(403, "url_ownership_unverified", "11");
    let body = set(photos(), "/post_info/disable_duet", json!(true));
    let answer = client.post(CONTENT, &body).await;
    assert!(answer.findings().contains("trap 37"), "{answer:?}");
}

#[tokio::test]
async fn a_publish_belongs_to_its_app_and_account() {
    const CODE: &str = "token_not_authorized_for_specified_publish_id";
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let other = connect(&simulator, "walk.in").await;
    let (id, _) = client.begin(1000, "SELF_ONLY").await;
    other.status(&id).await.refused(400, CODE, "14.1");
    let cancel = json!({ "publish_id": id });
    other.post("/v2/post/publish/cancel/", &cancel).await.refused(400, CODE, "14.1");
    client.status("v_pub_file~v2-1.1").await.refused(400, "invalid_publish_id", "14.1");
    client.post("/v2/post/publish/status/fetch/", &json!({})).await.refused(400, "invalid_params", "14.1");
}

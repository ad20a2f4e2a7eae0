//! Events over time: processing, moderation, pulls, webhooks (contract sections 11, 14, 17).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tiktok_simulator::{IdForm, Simulator, World};

use crate::support::*;

fn advance(simulator: &Simulator, seconds: u64) {
    simulator.clock().advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn a_public_post_processes_then_completes_then_gets_its_id() {
    let simulator = demo().await;
    simulator.clock().freeze();
    let client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    let status = || async { client.status(&id).await.ok() };
    assert_eq!(status().await["status"], "PROCESSING_UPLOAD");
    advance(&simulator, 2);
    let data = status().await;
    assert_eq!(data["status"], "PUBLISH_COMPLETE");
    assert_eq!(data["publicaly_available_post_id"], json!([]));
    assert!(data.get("fail_reason").is_none());
    advance(&simulator, 2);
    let answer = client.status(&id).await;
    let post = simulator.world().published()[0].clone();
    // As a JSON number, above 2^53, digit for digit.
    assert!(post.id > 1 << 53);
    let raw = answer.text.clone();
    assert!(raw.contains(&format!("\"publicaly_available_post_id\":[{}]", post.id)), "{raw}");
    simulator.edit(|world| world.switches.public_id_form = IdForm::String);
    assert_eq!(status().await["publicaly_available_post_id"], json!([post.id.to_string()]));

    let listed = client.post("/v2/video/list/?fields=id,title", &json!({"max_count": 1})).await.ok();
    assert_eq!(listed["videos"][0]["id"], post.id.to_string());
    assert_eq!(listed["videos"][0]["title"], "Leek soup in 40 seconds #soup");
    assert!(simulator.hide_post(post.id));
    let listed = client.post("/v2/video/list/?fields=id", &json!({"max_count": 1})).await.ok();
    assert_ne!(listed["videos"][0]["id"], post.id.to_string());
}

#[tokio::test]
async fn at_least_one_poll_says_processing() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "SELF_ONLY").await;
    advance(&simulator, 3600);
    assert_eq!(client.status(&id).await.ok()["status"], "PROCESSING_UPLOAD");
    assert_eq!(client.status(&id).await.ok()["status"], "PUBLISH_COMPLETE");
}

#[tokio::test]
async fn a_private_post_never_gets_an_id_and_is_never_listed() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "SELF_ONLY").await;
    advance(&simulator, 30 * 86_400);
    client.renew().await;
    client.status(&id).await.ok();
    let data = client.status(&id).await.ok();
    assert_eq!(
        (&data["status"], &data["publicaly_available_post_id"]),
        (&json!("PUBLISH_COMPLETE"), &json!([]))
    );
    let post = simulator.world().published()[0].id.to_string();
    let listed = client.post("/v2/video/list/?fields=id", &json!({})).await.ok();
    assert_ne!(listed["videos"][0]["id"], post.as_str());
    let query = json!({"filters": {"video_ids": [post]}});
    let found = client.post("/v2/video/query/?fields=id", &query).await.ok();
    assert_eq!(found["videos"], json!([]));
}

#[tokio::test]
async fn a_private_post_made_public_by_hand_gets_its_id() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "SELF_ONLY").await;
    advance(&simulator, 60);
    client.status(&id).await.ok();
    let post = simulator.world().published()[0].id;
    assert!(simulator.show_post(post));
    assert_eq!(client.status(&id).await.ok()["publicaly_available_post_id"], json!([post]));
    assert!(!simulator.show_post(post));
    assert!(simulator.hide_post(post));
    assert_eq!(client.status(&id).await.ok()["publicaly_available_post_id"], json!([]));
}

#[tokio::test]
async fn switches_play_the_odd_statuses() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.edit(|world| {
        world.switches.processing_polls = 0;
        world.switches.public_id_count = 2;
        world.switches.empty_fail_reason = true;
    });
    let id = client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    advance(&simulator, 10);
    let data = client.status(&id).await.ok();
    assert_eq!(data["publicaly_available_post_id"].as_array().unwrap().len(), 2);
    assert_eq!(data["fail_reason"], "");
    simulator.edit(|world| world.switches.public_id_never = true);
    assert_eq!(client.status(&id).await.ok()["publicaly_available_post_id"], json!([]));
    // It is found by its caption anyway.
    let listed = client.post("/v2/video/list/?fields=title", &json!({"max_count": 1})).await.ok();
    assert_eq!(listed["videos"][0]["title"], "Leek soup in 40 seconds #soup");
    simulator.edit(|world| world.switches.status_word = Some("PROCESSING_MAGIC".into()));
    assert_eq!(client.status(&id).await.ok()["status"], "PROCESSING_MAGIC");
    simulator.edit(|world| {
        world.switches.status_word = None;
        world.switches.fail_reason = Some("spam_risk_text".into());
    });
    let id = client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    advance(&simulator, 10);
    // FAILED comes with 200 and ok.
    let data = client.status(&id).await.ok();
    assert_eq!((&data["status"], &data["fail_reason"]), (&json!("FAILED"), &json!("spam_risk_text")));
    simulator.edit(|world| {
        world.switches.fail_reason = None;
        world.switches.check_video = true;
    });
    let id = client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    advance(&simulator, 10);
    assert_eq!(client.status(&id).await.ok()["fail_reason"], "file_format_check_failed");
}

#[tokio::test]
async fn cancel_ends_what_is_still_under_way() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let cancel = |id: String| {
        let client = client.clone();
        async move { client.post("/v2/post/publish/cancel/", &json!({ "publish_id": id })).await }
    };
    let (id, url) = client.begin(1000, "SELF_ONLY").await;
    let answer = cancel(id.clone()).await;
    assert_eq!(answer.code(), "ok");
    assert!(answer.json().get("data").is_none());
    assert_eq!(client.status(&id).await.ok()["fail_reason"], "publish_cancelled");
    put(&url, 0, 999, 1000).await.turned_away(404, "trap 28");
    cancel(id).await.refused(400, "publish_not_cancellable", "11.1");
    let id = client.publish(1000, "SELF_ONLY").await;
    cancel(id).await.refused(400, "publish_not_cancellable", "11.1");
    cancel("v_pub_file~v2-1.5".into()).await.refused(400, "invalid_publish_id", "14.1");
    simulator.edit(|world| world.switches.cancel_ends_upload = false);
    let (id, _) = client.begin(1000, "SELF_ONLY").await;
    cancel(id).await.refused(400, "publish_not_cancellable", "11.1");
}

#[tokio::test]
async fn removing_the_app_fails_posts_that_are_under_way() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let (id, _) = client.begin(1000, "SELF_ONLY").await;
    assert!(simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    client.status(&id).await.refused(401, "access_token_invalid", "7.1");
    let again = connect(&simulator, "demo.kitchen").await;
    assert_eq!(again.status(&id).await.ok()["fail_reason"], "auth_removed");
    assert_eq!(again.open_id, client.open_id);
}

const JPEG: [u8; 4] = [0xFF, 0xD8, 0xFF, 0xE0];
const PNG: [u8; 4] = [0x89, b'P', b'N', b'G'];

/// A media host: the name determines the served content.
async fn media() -> Small {
    small(|request| match request.path.as_str() {
        "/v.mp4" => (200, String::new(), b"\0\0\0\x18ftypisom and the rest".to_vec()),
        "/moved.mp4" => (302, "location: /v.mp4\r\n".into(), Vec::new()),
        "/p.jpg" => (200, String::new(), JPEG.to_vec()),
        "/p.png" => (200, String::new(), PNG.to_vec()),
        "/big.jpg" => (200, String::new(), [&JPEG[..], &vec![0; 20_000_000]].concat()),
        _ => (404, String::new(), Vec::new()),
    })
    .await
}

async fn with_media(media: &Small) -> (Simulator, Client) {
    let mut world = World::demo();
    world.connect_to.insert("https://media.example.com".into(), media.origin.clone());
    world.switches.processing_ms = 0;
    world.switches.processing_polls = 0;
    world.switches.rate_limit_divisor = 0;
    let simulator = started(world).await;
    let client = connect(&simulator, "demo.kitchen").await;
    (simulator, client)
}

fn pull(name: &str) -> Value {
    let mut body = video(1, "SELF_ONLY");
    body["source_info"] =
        json!({"source": "PULL_FROM_URL", "video_url": format!("https://media.example.com/{name}")});
    body
}

async fn ended(simulator: &Simulator, client: &Client, id: &str) -> Value {
    until("the publish ends", || simulator.world().publish(id).unwrap().ended_ms.is_some()).await;
    client.status(id).await.ok()
}

#[tokio::test]
async fn a_pull_really_fetches() {
    let media = media().await;
    let (simulator, client) = with_media(&media).await;
    let data = client.init(&pull("v.mp4")).await.ok();
    assert!(data.get("upload_url").is_none());
    let id = data["publish_id"].as_str().unwrap();
    assert!(id.starts_with("v_pub_url~v2."));
    let status = ended(&simulator, &client, id).await;
    assert_eq!((&status["status"], &status["downloaded_bytes"]), (&json!("PUBLISH_COMPLETE"), &json!(25)));
    let hash = hex::encode(Sha256::digest(b"\0\0\0\x18ftypisom and the rest"));
    assert_eq!(simulator.world().published()[0].sha256.as_deref(), Some(hash.as_str()));
    let mut media = media;
    assert_eq!(media.received.recv().await.unwrap().headers["host"], "media.example.com");
}

#[tokio::test]
async fn redirects_errors_and_unmapped_hosts_fail_the_pull() {
    let media = media().await;
    let (simulator, client) = with_media(&media).await;
    for name in ["moved.mp4", "gone.mp4"] {
        let id = client.init(&pull(name)).await.ok()["publish_id"].as_str().unwrap().to_string();
        assert_eq!(ended(&simulator, &client, &id).await["fail_reason"], "video_pull_failed", "{name}");
    }
    let mut body = pull("v.mp4");
    body["source_info"]["video_url"] = json!("https://unmapped.media.example.com/v.mp4");
    let id = client.init(&body).await.ok()["publish_id"].as_str().unwrap().to_string();
    assert_eq!(ended(&simulator, &client, &id).await["fail_reason"], "video_pull_failed");
}

#[tokio::test]
async fn a_hanging_pull_times_out_after_an_hour_and_can_be_cancelled() {
    let media = media().await;
    let (simulator, mut client) = with_media(&media).await;
    simulator.edit(|world| world.switches.pull_hangs = true);
    let begin = |client: Client| async move {
        client.init(&pull("v.mp4")).await.ok()["publish_id"].as_str().unwrap().to_string()
    };
    let id = begin(client.clone()).await;
    let cancelled = begin(client.clone()).await;
    assert_eq!(client.status(&id).await.ok()["status"], "PROCESSING_DOWNLOAD");
    let answer = client.post("/v2/post/publish/cancel/", &json!({ "publish_id": cancelled })).await;
    assert_eq!(answer.code(), "ok");
    advance(&simulator, 3601);
    client.renew().await;
    assert_eq!(client.status(&id).await.ok()["fail_reason"], "video_pull_failed");
    assert_eq!(client.status(&cancelled).await.ok()["fail_reason"], "publish_cancelled");
}

#[tokio::test]
async fn photos_are_fetched_and_looked_at() {
    let media = media().await;
    let (simulator, client) = with_media(&media).await;
    let publish = |names: &[&str]| {
        let urls: Vec<String> =
            names.iter().map(|name| format!("https://media.example.com/{name}")).collect();
        let body = json!({
            "media_type": "PHOTO",
            "post_mode": "DIRECT_POST",
            "post_info": {"privacy_level": "SELF_ONLY", "brand_content_toggle": false, "brand_organic_toggle": false},
            "source_info": {"source": "PULL_FROM_URL", "photo_cover_index": 0, "photo_images": urls}
        });
        let (client, simulator) = (client.clone(), &simulator);
        async move {
            let data = client.post("/v2/post/publish/content/init/", &body).await.ok();
            ended(simulator, &client, data["publish_id"].as_str().unwrap()).await
        }
    };
    let good = publish(&["p.jpg", "p.jpg"]).await;
    assert_eq!((&good["status"], &good["downloaded_bytes"]), (&json!("PUBLISH_COMPLETE"), &json!(8)));
    // PNG is not accepted (trap 38).
    assert_eq!(publish(&["p.jpg", "p.png"]).await["fail_reason"], "file_format_check_failed");
    assert_eq!(publish(&["big.jpg"]).await["fail_reason"], "picture_size_check_failed");
    assert_eq!(publish(&["none.jpg"]).await["fail_reason"], "photo_pull_failed");
}

/// A webhook receiver, and a world whose desktop app delivers to it.
async fn with_webhooks(
    answer: impl Fn(&Received) -> (u16, String, Vec<u8>) + Send + Sync + 'static,
) -> (Small, Simulator) {
    let receiver = small(answer).await;
    let mut world = World::demo();
    world.apps[0].webhook_url = Some(format!("{}/hooks", receiver.origin));
    (receiver, started(world).await)
}

fn opened(received: &Received) -> (Value, Value) {
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    // JSON inside a string: parse twice (17.2).
    let content = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
    (body, content)
}

fn check_signature(received: &Received) -> i64 {
    let header = &received.headers["tiktok-signature"];
    let (time, signature) = header.split_once(',').unwrap();
    let (time, signature) = (time.strip_prefix("t=").unwrap(), signature.strip_prefix("s=").unwrap());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"simsecret-desktop-0001").unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&received.body);
    assert_eq!(hex::encode(mac.finalize().into_bytes()), signature);
    time.parse().unwrap()
}

#[tokio::test]
async fn events_are_signed_and_follow_the_post() {
    let (mut receiver, simulator) = with_webhooks(|_| (200, String::new(), Vec::new())).await;
    let client = connect(&simulator, "demo.kitchen").await;
    let id = client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    advance(&simulator, 60);
    let received = receiver.received.recv().await.unwrap();
    check_signature(&received);
    let (body, content) = opened(&received);
    assert_eq!(body["event"], "post.publish.complete");
    assert_eq!(body["client_key"], "simkey-desktop");
    assert_eq!(body["user_openid"], client.open_id.as_str());
    assert_eq!(content["publish_id"], id.as_str());
    let (body, content) = opened(&receiver.received.recv().await.unwrap());
    assert_eq!(body["event"], "post.publish.publicly_available");
    let post = simulator.world().published()[0].id;
    assert_eq!(content["post_id"], post.to_string());
    simulator.hide_post(post);
    let (body, _) = opened(&receiver.received.recv().await.unwrap());
    assert_eq!(body["event"], "post.publish.no_longer_publicaly_available");
    assert!(simulator.show_post(post));
    let (body, _) = opened(&receiver.received.recv().await.unwrap());
    assert_eq!(body["event"], "post.publish.publicly_available");
    simulator.remove_grant("simkey-desktop", "demo.kitchen", 4);
    let (body, content) = opened(&receiver.received.recv().await.unwrap());
    assert_eq!((&body["event"], &content), (&json!("authorization.removed"), &json!({"reason": 4})));
}

#[tokio::test]
async fn our_own_revoke_sends_reason_5_and_failures_are_told() {
    let (mut receiver, simulator) = with_webhooks(|_| (200, String::new(), Vec::new())).await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.edit(|world| world.switches.fail_reason = Some("spam_risk".into()));
    client.publish(1000, "SELF_ONLY").await;
    advance(&simulator, 60);
    let (body, content) = opened(&receiver.received.recv().await.unwrap());
    assert_eq!((&body["event"], &content["reason"]), (&json!("post.publish.failed"), &json!("spam_risk")));
    let pairs = [("client_key", client.key), ("client_secret", client.secret), ("token", &client.access)];
    post_form(&format!("{}/v2/oauth/revoke/", client.origin), &pairs).await;
    assert_eq!(opened(&receiver.received.recv().await.unwrap()).1, json!({"reason": 5}));
}

#[tokio::test]
async fn a_refused_event_comes_again_until_72_hours_have_passed() {
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    let (mut receiver, simulator) = with_webhooks(|_| {
        let refuse = REFUSED.fetch_add(1, Ordering::SeqCst) < 2;
        (if refuse { 500 } else { 200 }, String::new(), Vec::new())
    })
    .await;
    connect(&simulator, "demo.kitchen").await;
    simulator.remove_grant("simkey-desktop", "demo.kitchen", 1);
    let first = receiver.received.recv().await.unwrap();
    let mut times = vec![check_signature(&first)];
    for _ in 0..2 {
        until("the answer is noted", || simulator.world().webhooks[0].attempts as usize == times.len()).await;
        advance(&simulator, 60);
        let again = receiver.received.recv().await.unwrap();
        assert_eq!(again.body, first.body);
        times.push(check_signature(&again));
    }
    assert!(times.is_sorted_by(|older, newer| older < newer), "signed afresh: {times:?}");
    until("it is delivered", || simulator.world().webhooks[0].delivered).await;
}

#[tokio::test]
async fn an_event_nobody_takes_is_dropped() {
    let (mut receiver, simulator) = with_webhooks(|_| (503, String::new(), Vec::new())).await;
    simulator.edit(|world| world.switches.webhook_retry_signed_afresh = false);
    connect(&simulator, "demo.kitchen").await;
    simulator.remove_grant("simkey-desktop", "demo.kitchen", 1);
    let first = check_signature(&receiver.received.recv().await.unwrap());
    until("the answer is noted", || simulator.world().webhooks[0].attempts == 1).await;
    advance(&simulator, 73 * 3600);
    assert_eq!(check_signature(&receiver.received.recv().await.unwrap()), first);
    until("it is dropped", || simulator.world().webhooks[0].dropped).await;
}

#[tokio::test]
async fn events_can_be_duplicated_and_out_of_order() {
    let (mut receiver, simulator) = with_webhooks(|_| (200, String::new(), Vec::new())).await;
    simulator.edit(|world| {
        world.switches.webhook_duplicates = 1;
        world.switches.webhook_reorder = true;
    });
    let client = connect(&simulator, "demo.kitchen").await;
    client.publish(1000, "PUBLIC_TO_EVERYONE").await;
    advance(&simulator, 120);
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(opened(&receiver.received.recv().await.unwrap()).0["event"].clone());
    }
    let (late, early) = ("post.publish.publicly_available", "post.publish.complete");
    assert_eq!(events, [late, late, early, early]);
}

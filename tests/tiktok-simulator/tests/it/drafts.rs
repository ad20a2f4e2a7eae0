//! Drafts: scope, init, limits, the inbox, and the user's actions there (contract section 10A).

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tiktok_simulator::{DraftEnd, PublishState, Simulator, Stage, World};

use crate::support::*;

const INBOX: &str = "/v2/post/publish/inbox/video/init/";
const BOTH: &str = "user.info.basic,video.publish,video.upload";

/// Connected for drafts only.
async fn drafter(simulator: &Simulator, account: &str) -> Client {
    let scopes = "user.info.basic,video.upload";
    connect_app(simulator, account, "simkey-desktop", "simsecret-desktop-0001", scopes).await
}

fn draft(size: u64) -> Value {
    json!({ "source_info": video(size, "SELF_ONLY")["source_info"] })
}

fn photo_draft() -> Value {
    let mut body = photos();
    body["post_mode"] = json!("MEDIA_UPLOAD");
    body["post_info"] = json!({ "title": "Three soups", "description": "which one? #soup" });
    body
}

impl Client {
    async fn inbox(&self, body: &Value) -> Answer {
        self.post(INBOX, body).await
    }

    /// Sends a draft of this size to its last byte.
    async fn send_draft(&self, size: u64) -> String {
        let data = self.inbox(&draft(size)).await.ok();
        let url = self.local(data["upload_url"].as_str().unwrap());
        for (first, last) in chunks(size) {
            let answer = put(&url, first, last, size).await;
            assert_eq!(answer.status, if last + 1 == size { 201 } else { 206 }, "{answer:?}");
        }
        data["publish_id"].as_str().unwrap().to_string()
    }

    async fn standing(&self, id: &str) -> String {
        self.status(id).await.ok()["status"].as_str().unwrap().to_string()
    }
}

/// Processing takes no time, so that a draft is in the inbox as soon as its bytes are there.
async fn swift() -> Simulator {
    let mut world = World::demo();
    world.switches.processing_ms = 0;
    world.switches.processing_polls = 0;
    world.switches.moderation_ms = 0;
    world.switches.rate_limit_divisor = 0;
    started(world).await
}

fn advance(simulator: &Simulator, seconds: u64) {
    simulator.clock().advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn a_draft_goes_to_the_inbox_and_stays_there() {
    let simulator = demo().await;
    simulator.clock().freeze();
    let mut client = drafter(&simulator, "demo.kitchen").await;
    let data = client.inbox(&draft(121 * MB)).await.ok();
    let id = data["publish_id"].as_str().unwrap();
    assert!(id.starts_with("v_inbox_file~v2.") && id.len() <= 64, "{id}");
    assert_eq!(client.standing(id).await, "PROCESSING_UPLOAD");
    let id = client.send_draft(1000).await;
    assert_eq!(client.standing(&id).await, "PROCESSING_UPLOAD");
    advance(&simulator, 2);
    let status = client.status(&id).await.ok();
    assert_eq!(status["status"], "SEND_TO_USER_INBOX");
    assert_eq!(
        (&status["publicaly_available_post_id"], &status["uploaded_bytes"]),
        (&json!([]), &json!(1000))
    );
    advance(&simulator, 30 * 86_400);
    client.renew().await;
    assert_eq!(client.standing(&id).await, "SEND_TO_USER_INBOX");
    assert!(simulator.world().published().is_empty());
    let cancel = client.post("/v2/post/publish/cancel/", &json!({ "publish_id": id })).await;
    cancel.refused(400, "publish_not_cancellable", "11.1");
    assert!(client.inbox(&draft(1000)).await.findings().is_empty());
}

#[tokio::test]
async fn the_person_finishes_a_draft_in_the_app() {
    let simulator = swift().await;
    let client = drafter(&simulator, "demo.kitchen").await;
    let id = client.send_draft(1000).await;
    assert!(!simulator.finish_draft("v_inbox_file~v2.1", "SELF_ONLY"));
    assert!(simulator.finish_draft(&id, "PUBLIC_TO_EVERYONE"));
    let post = simulator.world().published()[0].clone();
    assert_eq!(
        (post.publish_id.as_deref(), post.privacy.as_str()),
        (Some(id.as_str()), "PUBLIC_TO_EVERYONE")
    );
    let status = client.status(&id).await.ok();
    assert_eq!(status["status"], "PUBLISH_COMPLETE");
    assert_eq!(status["publicaly_available_post_id"], json!([post.id]));
    assert!(!simulator.finish_draft(&id, "SELF_ONLY") && !simulator.delete_draft(&id));
    // A private account cannot post publicly.
    let private = drafter(&simulator, "private.pottery").await;
    let id = private.send_draft(1000).await;
    assert!(simulator.finish_draft(&id, "PUBLIC_TO_EVERYONE"));
    let view = simulator.world().publish(&id).unwrap().clone();
    assert_eq!((view.state, view.privacy.as_str()), (PublishState::Complete, "FOLLOWER_OF_CREATOR"));
    assert_eq!(private.status(&id).await.ok()["publicaly_available_post_id"], json!([]));
}

#[tokio::test]
async fn switches_play_what_the_person_does() {
    let simulator = swift().await;
    simulator.edit(|world| {
        world.switches.draft_end = DraftEnd::Finished;
        world.switches.draft_end_ms = 60_000;
        world.switches.draft_privacy = "SELF_ONLY".into();
    });
    let client = drafter(&simulator, "demo.kitchen").await;
    let id = client.send_draft(1000).await;
    assert_eq!(client.standing(&id).await, "SEND_TO_USER_INBOX");
    advance(&simulator, 61);
    assert_eq!(client.standing(&id).await, "PUBLISH_COMPLETE");
    let view = simulator.world().publish(&id).unwrap().clone();
    assert_eq!((view.privacy.as_str(), view.draft), ("SELF_ONLY", true));
    simulator.edit(|world| world.switches.draft_end = DraftEnd::Deleted);
    let id = client.send_draft(1000).await;
    advance(&simulator, 61);
    // The app is not notified.
    assert_eq!(client.standing(&id).await, "SEND_TO_USER_INBOX");
    assert_eq!(simulator.world().publish(&id).unwrap().state, PublishState::Deleted);
}

#[tokio::test]
async fn five_drafts_of_a_day_can_wait() {
    let simulator = swift().await;
    let mut client = drafter(&simulator, "demo.kitchen").await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(client.send_draft(1000).await);
    }
    let refused = async |client: &Client| {
        client.inbox(&draft(1000)).await.refused(403, "spam_risk_too_many_pending_share", "10A");
    };
    refused(&client).await;
    client.post(CONTENT, &photo_draft()).await.refused(403, "spam_risk_too_many_pending_share", "10A");
    // The limit is per account: another app has the same, another account does not.
    let scopes = "user.info.basic,video.upload";
    let secret = "simsecret-sandbox-0001";
    let other = connect_app(&simulator, "demo.kitchen", "sbsimkey-sandbox", secret, scopes).await;
    refused(&other).await;
    drafter(&simulator, "walk.in").await.inbox(&draft(1000)).await.ok();
    // A finished, deleted or failed draft no longer counts.
    assert!(simulator.finish_draft(&waiting[0], "SELF_ONLY"));
    let id = client.inbox(&draft(1000)).await.ok()["publish_id"].clone();
    refused(&client).await;
    let cancel = client.post("/v2/post/publish/cancel/", &json!({ "publish_id": id })).await;
    assert_eq!(cancel.code(), "ok");
    client.inbox(&draft(1000)).await.ok();
    refused(&client).await;
    assert!(simulator.delete_draft(&waiting[1]));
    client.inbox(&draft(1000)).await.ok();
    refused(&client).await;
    advance(&simulator, 86_400);
    client.renew().await;
    client.inbox(&draft(1000)).await.ok();
}

#[tokio::test]
async fn drafts_and_direct_posts_have_caps_of_their_own() {
    let simulator = swift().await;
    simulator.edit(|world| world.accounts[0].daily_post_cap = 1);
    let secret = "simsecret-desktop-0001";
    let client = connect_app(&simulator, "demo.kitchen", "simkey-desktop", secret, BOTH).await;
    for _ in 0..5 {
        client.inbox(&draft(1000)).await.ok();
    }
    client.begin(1000, "SELF_ONLY").await;
    client.init(&video(1000, "SELF_ONLY")).await.refused(403, "spam_risk_too_many_posts", "13.3");
    let busy = drafter(&simulator, "busy.bakery").await;
    busy.inbox(&draft(1000)).await.ok();
    let banned = drafter(&simulator, "banned.band").await;
    banned.inbox(&draft(1000)).await.refused(403, "spam_risk_user_banned_from_posting", "9.1");
}

#[tokio::test]
async fn the_audit_does_not_restrict_drafts() {
    let simulator = swift().await;
    let scopes = "user.info.basic,video.upload";
    let secret = "simsecret-unaudited-0001";
    let client = connect_app(&simulator, "demo.kitchen", "simkey-unaudited", secret, scopes).await;
    assert_eq!(simulator.settings().apps[3].stage, Stage::Unaudited);
    let id = client.send_draft(1000).await;
    assert_eq!(client.standing(&id).await, "SEND_TO_USER_INBOX");
}

#[tokio::test]
async fn each_way_of_posting_needs_its_scope() {
    let simulator = swift().await;
    let drafts = drafter(&simulator, "demo.kitchen").await;
    let direct = connect(&simulator, "walk.in").await;
    direct.inbox(&draft(1000)).await.refused(401, "scope_not_authorized", "2, trap 12");
    direct.post(CONTENT, &photo_draft()).await.refused(401, "scope_not_authorized", "2, trap 12");
    drafts.init(&video(1000, "SELF_ONLY")).await.refused(401, "scope_not_authorized", "2, trap 12");
    drafts.post(CONTENT, &photos()).await.refused(401, "scope_not_authorized", "2, trap 12");
    drafts.creator().await.refused(401, "scope_not_authorized", "2, trap 12");
    drafts.post(CONTENT, &photo_draft()).await.ok();
    // Without a mode the required scope is unknown: the request is refused as malformed.
    let mut nameless = photos();
    nameless.as_object_mut().unwrap().remove("post_mode");
    for client in [&direct, &drafts] {
        client.post(CONTENT, &nameless).await.refused(400, "invalid_params", "12");
    }
    // Status and cancel take either.
    let id = drafts.inbox(&draft(1000)).await.ok()["publish_id"].as_str().unwrap().to_string();
    drafts.status(&id).await.ok();
    let answer = drafts.post("/v2/post/publish/cancel/", &json!({ "publish_id": id })).await;
    assert_eq!(answer.code(), "ok");
    let neither = connect_app(&simulator, "walk.in", "simkey-web", "simsecret-web-0001", "user.info.basic");
    simulator.edit(|world| {
        world.apps[1].platforms.push(tiktok_simulator::Platform::Desktop);
        world.apps[1].redirect_uris.push(REDIRECT.into());
    });
    neither.await.status(&id).await.refused(401, "scope_not_authorized", "2, trap 12");
}

#[tokio::test]
async fn the_shape_of_a_draft_is_checked() {
    let simulator = swift().await;
    let client = drafter(&simulator, "demo.kitchen").await;
    for body in [
        json!({}),
        json!({ "post_info": { "title": "no source" } }),
        json!({ "source_info": { "source": "UPLOAD" } }),
        json!({ "source_info": { "source": "FILE_UPLOAD", "video_size": 1000 } }),
        json!({ "source_info": { "source": "PULL_FROM_URL" } }),
        json!({ "source_info": { "source": "PULL_FROM_URL", "video_url": "http://media.example.com/v.mp4" } }),
        set(draft(20 * MB), "/source_info/total_chunk_count", json!(7)),
    ] {
        let answer = client.inbox(&body).await;
        answer.refused(400, "invalid_params", "");
        assert!(answer.json().get("data").is_none(), "{answer:?}");
    }
    client.inbox(&set(draft(20 * MB), "/source_info/chunk_size", json!(10 * MB))).await.refused(
        400,
        "invalid_params",
        "10.1 C8",
    );
    let foreign = json!({ "source_info": { "source": "PULL_FROM_URL", "video_url": "https://elsewhere.example/v.mp4" } });
    client.inbox(&foreign).await.refused(403, "url_ownership_unverified", "11");
    simulator.edit(|world| world.switches.pull_hangs = true);
    let own = json!({ "source_info": { "source": "PULL_FROM_URL", "video_url": "https://media.example.com/v.mp4" } });
    let data = client.inbox(&own).await.ok();
    assert!(data["publish_id"].as_str().unwrap().starts_with("v_inbox_url~v2."), "{data}");
    assert!(data.get("upload_url").is_none());
    assert_eq!(client.standing(data["publish_id"].as_str().unwrap()).await, "PROCESSING_DOWNLOAD");
    // Additional members have no effect and are not refused.
    let mut talkative = draft(1000);
    talkative["post_info"] = json!({ "title": "a".repeat(3000), "privacy_level": "EVERYONE" });
    let answer = client.inbox(&talkative).await;
    assert!(answer.findings().starts_with("10A: post_info"), "{answer:?}");
    let id = answer.ok()["publish_id"].as_str().unwrap().to_string();
    assert_eq!(simulator.world().publish(&id).unwrap().caption, "");
    simulator.edit(|world| world.switches.refuse_findings = true);
    client.inbox(&talkative).await.refused(400, "invalid_params", "10A");
    client.post("/v2/post/publish/inbox/content/init/", &draft(1)).await.turned_away(404, "10A");
}

#[tokio::test]
async fn photos_can_be_drafts() {
    let simulator = swift().await;
    let client = drafter(&simulator, "demo.kitchen").await;
    let answer = client.post(CONTENT, &photo_draft()).await;
    assert!(answer.findings().is_empty(), "{answer:?}");
    let id = answer.ok()["publish_id"].as_str().unwrap().to_string();
    assert!(simulator.world().publish(&id).unwrap().draft);
    client.post(CONTENT, &without(photo_draft(), "/post_info")).await.ok();
    // The toggles of direct posts are not required, and are ignored.
    let mut full = photos();
    full["post_mode"] = json!("MEDIA_UPLOAD");
    assert!(client.post(CONTENT, &full).await.findings().is_empty());
    for body in [
        set(photo_draft(), "/post_info/title", json!("a".repeat(91))),
        set(full.clone(), "/post_info/disable_comment", json!("yes")),
        set(photo_draft(), "/source_info/photo_cover_index", json!(2)),
        set(photo_draft(), "/media_type", json!("VIDEO")),
    ] {
        client.post(CONTENT, &body).await.refused(400, "invalid_params", "");
    }
    simulator.edit(|world| world.switches.app_version_too_old = true);
    client.post(CONTENT, &photo_draft()).await.refused(400, "app_version_check_failed", "10A, 12");
    client.inbox(&draft(1000)).await.ok();
}

#[tokio::test]
async fn init_of_drafts_takes_six_calls_a_minute() {
    let simulator = demo().await;
    simulator.clock().freeze();
    let client = drafter(&simulator, "demo.kitchen").await;
    let cancel = async |answer: Answer| {
        let id = answer.ok()["publish_id"].clone();
        client.post("/v2/post/publish/cancel/", &json!({ "publish_id": id })).await;
    };
    for _ in 0..6 {
        cancel(client.inbox(&draft(1000)).await).await;
    }
    client.inbox(&draft(1000)).await.refused(429, "rate_limit_exceeded", "1.5");
    client.post(CONTENT, &photo_draft()).await.ok();
    advance(&simulator, 60);
    client.inbox(&draft(1000)).await.ok();
}

#[tokio::test]
async fn drafts_send_webhooks_of_their_own() {
    let mut receiver = small(|_| (200, String::new(), Vec::new())).await;
    let simulator = swift().await;
    simulator.edit(|world| world.apps[0].webhook_url = Some(format!("{}/hooks", receiver.origin)));
    let client = drafter(&simulator, "demo.kitchen").await;
    let id = client.send_draft(1000).await;
    let mut next = async || {
        let body: Value = serde_json::from_slice(&receiver.received.recv().await.unwrap().body).unwrap();
        let content: Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
        assert_eq!(content["publish_type"], "INBOX_SHARE", "{body}");
        (body["event"].as_str().unwrap().to_string(), content)
    };
    let (event, content) = next().await;
    assert_eq!((event.as_str(), &content["publish_id"]), ("post.publish.inbox_delivered", &json!(id)));
    assert!(simulator.finish_draft(&id, "PUBLIC_TO_EVERYONE"));
    assert_eq!(next().await.0, "post.publish.complete");
    let (event, content) = next().await;
    assert_eq!(event, "post.publish.publicly_available");
    assert_eq!(content["post_id"], simulator.world().published()[0].id.to_string());
    simulator.edit(|world| world.switches.fail_reason = Some("spam_risk".into()));
    let id = client.send_draft(1000).await;
    let (event, content) = next().await;
    assert_eq!((event.as_str(), &content["reason"]), ("post.publish.failed", &json!("spam_risk")));
    assert_eq!(client.standing(&id).await, "FAILED");
}

#[tokio::test]
async fn a_draft_in_the_inbox_outlives_the_consent() {
    let simulator = swift().await;
    let client = drafter(&simulator, "demo.kitchen").await;
    let there = client.send_draft(1000).await;
    let coming = client.inbox(&draft(1000)).await.ok()["publish_id"].as_str().unwrap().to_string();
    simulator.world();
    assert!(simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    let again = drafter(&simulator, "demo.kitchen").await;
    assert_eq!(again.standing(&there).await, "SEND_TO_USER_INBOX");
    assert_eq!(again.status(&coming).await.ok()["fail_reason"], "auth_removed");
}

#[tokio::test]
async fn whatever_has_to_do_with_drafts_is_noted_and_can_be_refused() {
    let simulator = swift().await;
    let secret = "simsecret-desktop-0001";
    let client = connect_app(&simulator, "demo.kitchen", "simkey-desktop", secret, BOTH).await;
    let strange = set(video(1000, "SELF_ONLY"), "/post_mode", json!("MEDIA_UPLOAD"));
    let texts = || simulator.violations().into_iter().map(|noted| noted.text).collect::<Vec<_>>();
    let all = async |ok: bool| {
        simulator.clear_log();
        for (path, body) in [
            (INBOX, draft(1000)),
            (CONTENT, photo_draft()),
            ("/v2/post/publish/video/init/", strange.clone()),
        ] {
            let answer = client.post(path, &body).await;
            if ok {
                answer.ok();
            } else {
                answer.refused(401, "scope_not_authorized", "19.13");
                assert!(answer.json().get("data").is_none(), "{answer:?}");
            }
        }
        let photos = "post_mode MEDIA_UPLOAD was sent";
        assert_eq!(texts(), ["the inbox endpoint was called", photos, photos]);
    };
    all(true).await;
    simulator.edit(|world| world.switches.refuse_video_upload = true);
    all(false).await;
    let answer = client.post("/v2/post/publish/inbox/list/", &json!({})).await;
    answer.refused(401, "scope_not_authorized", "19.13");
    assert_eq!(texts().len(), 4);
    let page = send(Method::GET, &simulator.origin(), &[], "").await;
    assert!(page.text.contains("which must never be asked for"), "{}", page.text);
    // If drafts are allowed, they cause no finding.
    simulator.edit(|world| world.switches.refuse_video_upload = false);
    let page = send(Method::GET, &simulator.origin(), &[], "").await;
    assert!(!page.text.contains("which must never be asked for"), "{}", page.text);
}

#[tokio::test]
async fn other_processes_play_the_person() {
    let simulator = swift().await;
    let client = drafter(&simulator, "demo.kitchen").await;
    let control = async |path: String, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        send(Method::POST, &format!("{}/_simulator/drafts/{path}", simulator.origin()), &[], body).await
    };
    let id = client.send_draft(1000).await;
    let page = send(Method::GET, &simulator.origin(), &[], "").await;
    assert!(page.text.contains(&format!("/drafts/{id}/finish")), "{}", page.text);
    assert_eq!(control(format!("{id}/sell"), Value::Null).await.status, 404);
    let wrong = control(format!("{id}/finish"), json!({ "privacy_level": "EVERYONE" })).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text.contains("SELF_ONLY"), "{wrong:?}");
    assert_eq!(control(format!("{id}/finish"), json!({ "privacy_level": "SELF_ONLY" })).await.status, 200);
    assert_eq!(simulator.world().published()[0].privacy, "SELF_ONLY");
    assert_eq!(control(format!("{id}/finish"), Value::Null).await.status, 404);
    let id = client.send_draft(1000).await;
    assert_eq!(control(format!("{id}/delete"), Value::Null).await.status, 200);
    assert_eq!(simulator.world().publish(&id).unwrap().state, PublishState::Deleted);
    let id = client.send_draft(1000).await;
    assert_eq!(control(format!("{id}/finish"), Value::Null).await.status, 200);
    assert_eq!(simulator.world().publish(&id).unwrap().privacy, "PUBLIC_TO_EVERYONE");
}

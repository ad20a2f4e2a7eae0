//! Common mistakes of clients that the host must avoid. `plugin-tiktok/TRAPS.md` refers to these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use hmac::{Hmac, Mac as _};
use library_tests::{APP, Stage};
use social_channel::{Health, Webhook};

/// An `authorization.removed` event for an account at this second, signed with the simulated app's secret.
fn removal(open_id: &str, at: i64) -> Webhook {
    let body = serde_json::json!({
        "client_key": "simkey-desktop",
        "event": "authorization.removed",
        "create_time": at,
        "user_openid": open_id,
        "content": "{\"reason\": 1}",
    })
    .to_string();
    let now = now();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"simsecret-desktop-0001").unwrap();
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Webhook {
        method: "POST".to_owned(),
        query: Vec::new(),
        headers: vec![("tiktok-signature".to_owned(), format!("t={now},s={signature}"))],
        body: body.into_bytes(),
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_removal_does_not_end_a_newer_connection() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let open_id = stage.simulator.world().grants[0].open_id.clone();
    let answer = stage.host.receive_webhook(APP, removal(&open_id, now() - 3600)).await.unwrap();
    assert_eq!(answer.new_events, 1);
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().health, Health::Active);
    stage.tenant.profile(&channel.id).await.unwrap();
    // An event that is newer than the consent ends it.
    stage.host.receive_webhook(APP, removal(&open_id, now() + 60)).await.unwrap();
    assert_ne!(stage.tenant.channel(&channel.id).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_life_left_is_not_refreshed() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let second = stage.second_host().await.unwrap();
    for _ in 0..5 {
        stage.tenant.stats(&channel.id).await.unwrap();
        second.tenant(social_channel::TenantId::default()).profile(&channel.id).await.unwrap();
    }
    assert_eq!(stage.simulator.world().tokens.refreshed, 0);
    assert_eq!(stage.requests("/v2/oauth/token/"), 1, "the code, and nothing after it");
}

//! Common mistakes of clients that the host must avoid. `plugin-tiktok/TRAPS.md` refers to these tests.

use library_tests::{APP, Stage, removal, signed_webhook};
use social_channel::Health;

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_removal_does_not_end_a_newer_connection() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let open_id = stage.simulator.world().grants[0].open_id.clone();
    let answer = stage
        .host
        .receive_webhook(APP, signed_webhook(now(), removal(&open_id, now() - 3600)))
        .await
        .unwrap();
    assert_eq!(answer.new_events, 1);
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().health, Health::Active);
    stage.tenant.profile(&channel.id).await.unwrap();
    // An event that is newer than the consent ends it.
    stage.host.receive_webhook(APP, signed_webhook(now(), removal(&open_id, now() + 60))).await.unwrap();
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

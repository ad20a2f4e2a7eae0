//! Credentials are refreshed by exactly one process at a time, and stored before anything uses them.

use std::sync::Arc;
use std::time::Duration;

use library_tests::{Stage, request, struck, world};
use social_channel::{ErrorKind, Health, JobStatus, MovedClock};
use tiktok_simulator::{Action, Fault};

/// Every token request except the first, which exchanged the code.
fn refreshes(stage: &Stage) -> usize {
    stage.requests("/v2/oauth/token/") - 1
}

fn refused(stage: &Stage) -> Vec<String> {
    let log = stage.simulator.log();
    log.into_iter().filter_map(|exchange| exchange.refusal).map(|refusal| refusal.text).collect()
}

/// The simulator's clock is ahead, so the platform considers the token expired before the host does.
async fn stale(stage: &Stage) -> String {
    let channel = stage.connect().await.unwrap();
    stage.simulator.clock().advance(Duration::from_secs(7_300));
    channel.id
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_calls_in_two_processes_refresh_once() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    let start = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_library-process"))
            .arg(stage.folder.path())
            .args([&stage.simulator.origin(), "profile", &channel, "10"])
            .spawn()
            .unwrap()
    };
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().await.unwrap().success());
    assert!(two.wait().await.unwrap().success());
    assert_eq!(refreshes(&stage), 1);
    stage.tenant.profile(&channel).await.unwrap();
    assert_eq!(refreshes(&stage), 1, "what they stored is what we use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_before_the_effect_is_asked_for_once_more() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/oauth/token/"));
    stage.tenant.profile(&channel).await.unwrap();
    assert_eq!(refreshes(&stage), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_after_rotation_needs_the_person_and_loses_nothing_else() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/oauth/token/").after());
    let error = stage.tenant.profile(&channel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized, "{error:?}");
    assert!(error.remedy.is_some());
    let known = stage.tenant.channel(&channel).await.unwrap();
    assert_eq!(known.health, Health::NeedsReconnect);
    let before = stage.simulator.log().len();
    let error = stage.tenant.profile(&channel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_eq!(stage.simulator.log().len(), before, "a dead token is not shown to the platform again");
    let again = stage.connect().await.unwrap();
    assert_eq!(again.id, channel, "the same account is the same channel");
    stage.tenant.profile(&channel).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_out_of_order_disconnects_nobody() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    let broken = Action::Status { status: 503, code: None, retry_after: None };
    stage.simulator.faults().add(Fault::new(broken).path("/v2/oauth/token/").times(0));
    let error = stage.tenant.profile(&channel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::Active);
    stage.simulator.faults().clear();
    stage.tenant.profile(&channel).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_cut_a_refresh_off() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 1_000 }).path("/v2/oauth/token/"));
    let tenant = stage.tenant.clone();
    let id = channel.clone();
    let call = tokio::spawn(async move { tenant.profile(&id).await });
    struck(&stage.simulator).await;
    call.abort();
    // Another caller waits for the refresh whose first caller was dropped.
    stage.tenant.profile(&channel).await.unwrap();
    assert_eq!(refreshes(&stage), 1);
    assert!(refused(&stage).iter().all(|text| !text.contains("refresh")), "{:?}", refused(&stage));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_shrank_is_named() {
    let stage = Stage::new().await.unwrap();
    let channel = stale(&stage).await;
    let username = stage.simulator.world().grants[0].account.clone();
    assert!(stage.simulator.shrink_grant("simkey-desktop", &username, &["user.info.basic"]));
    let _ = stage.tenant.profile(&channel).await;
    let known = stage.tenant.channel(&channel).await.unwrap();
    if refreshes(&stage) == 0 {
        panic!("the stale token was not refreshed: {known:?}");
    }
    assert_eq!(known.health, Health::Limited, "{known:?}");
    assert!(known.missing_scopes.iter().any(|scope| scope == "video.publish"), "{known:?}");
}

/// A stage five months after these accounts were connected. Their refresh tokens live for six months, so the accounts
/// must be refreshed although they are idle.
async fn idle(accounts: &[&str]) -> (Stage, Vec<String>) {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let mut world = world();
    world.switches.processing_ms = 0;
    let stage = Stage::in_world(world, |builder| builder.clock(ours).background(false)).await.unwrap();
    let mut channels = Vec::new();
    for account in accounts {
        channels.push(connected(&stage, account).await);
    }
    let months = Duration::from_secs(150 * 24 * 3600);
    clock.advance(months);
    stage.simulator.clock().advance(months);
    (stage, channels)
}

async fn connected(stage: &Stage, account: &str) -> String {
    stage.simulator.edit(|world| world.switches.auto_consent.account = Some(account.to_owned()));
    stage.connect().await.unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_refresh_of_an_idle_account_keeps_no_job_waiting() {
    let (stage, _) = idle(&["demo.kitchen"]).await;
    let busy = connected(&stage, "walk.in").await;
    let asked = stage.requests("/v2/oauth/token/");
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 600_000 }).path("/v2/oauth/token/"));
    let host = stage.host.clone();
    let worker = tokio::spawn(async move { host.work(None).await });
    struck(&stage.simulator).await;
    // Stored while the refresh is already running; it ends long after this test.
    let job = stage.tenant.publish(&busy, request("x", stage.video(4_096).unwrap())).await.unwrap();
    assert_eq!(stage.wait(&job.id).await.unwrap().status, JobStatus::Published);
    assert_eq!(stage.requests("/v2/oauth/token/"), asked, "the refresh has not been answered");
    worker.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_account_that_cannot_be_refreshed_ends_nothing_for_the_others() {
    let (stage, channels) = idle(&["demo.kitchen", "private.pottery", "walk.in"]).await;
    // The first account's tokens are invalid; the second is disconnected during the first one's refresh.
    assert!(stage.simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 1_000 }).path("/v2/oauth/token/"));
    let host = stage.host.clone();
    let worker = tokio::spawn(async move { host.work(Some(Duration::ZERO)).await });
    struck(&stage.simulator).await;
    stage.tenant.disconnect(&channels[1]).await.unwrap();
    assert_eq!(worker.await.unwrap().unwrap().accounts, 1);
    let health = async |channel: &str| stage.tenant.channel(channel).await.unwrap().health;
    assert_eq!(health(&channels[0]).await, Health::NeedsReconnect);
    assert_eq!(health(&channels[2]).await, Health::Active);
}

//! A channel goes on with another registration: from the sandbox to the live app, or to an app that takes more users. Its id,
//! its history, its numbers and its scheduled posts stay.

use std::time::Duration;

use library_tests::{APP, CALLBACK, OWNER, Stage, app_config, browse, component, request, world};
use social_channel::{
    AppConfig, Channel, Clock as _, Connect, ConnectOptions, Connected, Error, ErrorKind, JobStatus,
    MovedClock,
};
use tiktok_simulator::World;

/// The other registration.
const NEXT: &str = "tiktok-next";

fn next_app(kind: &str) -> AppConfig {
    let (key, secret) = match kind {
        "sandbox" => ("sbsimkey-sandbox", "simsecret-sandbox-0001"),
        _ => ("simkey-unaudited", "simsecret-unaudited-0001"),
    };
    let settings = [("client-key", key), ("client-secret", secret), ("kind", "desktop")];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    AppConfig { settings, ..app_config() }
}

/// A consent to the other app for a channel of the first.
async fn consent(stage: &Stage, channel: &str) -> Result<Connected, Error> {
    let options = ConnectOptions {
        owner: OWNER.to_owned(),
        redirect_uri: Some(CALLBACK.to_owned()),
        reconnect: Some(channel.to_owned()),
        ..ConnectOptions::default()
    };
    match stage.tenant.begin_connect(NEXT, options).await? {
        Connect::Redirect { url, .. } => {
            stage.tenant.complete_connect(OWNER, browse(&url).await.unwrap()).await
        }
        other => panic!("{other:?}"),
    }
}

fn moved(connected: Connected) -> Channel {
    match connected {
        Connected::Channel(channel) => channel,
        other => panic!("{other:?}"),
    }
}

async fn stage(world: World, kind: &str) -> Stage {
    let stage = Stage::in_world(world, |builder| builder).await.unwrap();
    stage.host.put_app(NEXT, next_app(kind)).await.unwrap();
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_moves_with_its_history_and_its_scheduled_posts() {
    let mut world = world();
    world.switches.processing_ms = 0;
    let clock = std::sync::Arc::new(MovedClock::default());
    let ours = clock.clone();
    let stage = Stage::in_world(world, |builder| builder.clock(ours).background(false)).await.unwrap();
    stage.host.put_app(NEXT, next_app("unaudited")).await.unwrap();
    let channel = stage.connect().await.unwrap();
    stage.tenant.stats(&channel.id).await.unwrap();
    let video = stage.video(6_000_000).unwrap();
    let first = stage.tenant.publish(&channel.id, request("First", video.clone())).await.unwrap();
    let first = stage.to_the_end(&clock, &first.id).await.unwrap();
    assert_eq!(first.status, JobStatus::Published, "{first:?}");
    let later = social_channel::PublishRequest {
        publish_at: Some(clock.now_ms() / 1_000 + 7_200),
        ..request("Second", video)
    };
    let second = stage.tenant.publish(&channel.id, later).await.unwrap();

    let after = moved(consent(&stage, &channel.id).await.unwrap());
    assert_eq!((after.id.as_str(), after.app.as_str()), (channel.id.as_str(), NEXT));
    assert_ne!(after.account_id, channel.account_id, "the account has another id in each app");
    assert_eq!(stage.tenant.channels().await.unwrap().len(), 1);
    assert_eq!(stage.tenant.stats_history(&channel.id, None).await.unwrap().len(), 1);
    assert_eq!(stage.tenant.jobs(Some(&channel.id), None, 10).await.unwrap().len(), 2);
    assert_eq!(stage.tenant.job(&first.id).await.unwrap().app, APP, "history is what was");
    let waiting = stage.tenant.job(&second.id).await.unwrap();
    assert_eq!((waiting.app.as_str(), waiting.publish_at), (NEXT, second.publish_at));
    stage.advance(&clock, Duration::from_secs(7_300));
    let done = stage.to_the_end(&clock, &second.id).await.unwrap();
    // The new app's posting audit is not passed, and the account is public: the new app answered.
    assert!(done.status != JobStatus::Published && done.error.is_some(), "{done:?}");
    let posts = stage.simulator.log();
    let inits = posts.iter().filter(|one| one.path.starts_with("/v2/post/publish/video/init/")).count();
    assert!(inits >= 1, "{inits}");
    // The first app is empty now, and may be deleted.
    stage.host.delete_app(APP).await.unwrap();
    assert!(stage.simulator.violations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_persons_account_takes_no_channel_over() {
    let stage = stage(world(), "unaudited").await;
    let channel = stage.connect().await.unwrap();
    stage.simulator.edit(|world| world.switches.auto_consent.account = Some("private.pottery".to_owned()));
    let error = consent(&stage, &channel.id).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    assert!(error.message.contains("Private Pottery") && error.message.contains("Demo Kitchen"), "{error:?}");
    let channels = stage.tenant.channels().await.unwrap();
    assert_eq!((channels.len(), channels[0].app.as_str()), (1, APP));
    stage.tenant.profile(&channel.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_whether_it_is_the_account_where_the_network_does_not() {
    let mut world = world();
    // Registered by another developer: the accounts' names in common are other ones.
    for app in world.apps.iter_mut().filter(|app| app.client_key == "simkey-unaudited") {
        app.developer = "agency".to_owned();
    }
    let stage = stage(world, "unaudited").await;
    let channel = stage.connect().await.unwrap();
    let error = consent(&stage, &channel.id).await.unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::InvalidRequest,
        "the names differ, so it looks like somebody else: {error:?}"
    );
    // The old connection is dead, so nothing can be compared.
    assert!(stage.simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    stage.tenant.profile(&channel.id).await.unwrap_err();
    let Connected::Choose { choice, candidates } = consent(&stage, &channel.id).await.unwrap() else {
        panic!("a person must say so");
    };
    assert_eq!(candidates.len(), 1);
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().app, APP, "nothing was changed yet");
    let after = stage.tenant.choose_account(OWNER, &choice, &candidates[0].account_id).await.unwrap();
    assert_eq!((after.id.as_str(), after.app.as_str()), (channel.id.as_str(), NEXT));
    stage.tenant.profile(&channel.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_under_way_end_with_the_app_they_began_with() {
    let stage = stage(world(), "unaudited").await;
    let channel = stage.connect().await.unwrap();
    stage.simulator.edit(|world| world.switches.processing_ms = 600_000);
    let video = stage.video(6_000_000).unwrap();
    let job = stage.tenant.publish(&channel.id, request("Under way", video)).await.unwrap();
    library_tests::until("the platform processes it", async || {
        let job = stage.tenant.job(&job.id).await.unwrap();
        (job.phase == "processing").then_some(())
    })
    .await;
    let error = consent(&stage, &channel.id).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("channel_busy"), "{error:?}");
    stage.simulator.clock().advance(Duration::from_secs(700));
    let job = stage.wait(&job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!(moved(consent(&stage, &channel.id).await.unwrap()).app, NEXT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_becomes_the_live_app_and_an_account_has_one_channel_there() {
    let mut world = world();
    world.switches.auto_consent.account = Some("demo.kitchen".to_owned());
    let stage = stage(world, "sandbox").await;
    let live = stage.connect().await.unwrap();
    let options = ConnectOptions {
        owner: OWNER.to_owned(),
        redirect_uri: Some(CALLBACK.to_owned()),
        ..ConnectOptions::default()
    };
    let Connect::Redirect { url, .. } = stage.tenant.begin_connect(NEXT, options).await.unwrap() else {
        panic!("a browser is the way");
    };
    let sandbox = moved(stage.tenant.complete_connect(OWNER, browse(&url).await.unwrap()).await.unwrap());
    assert_ne!(sandbox.id, live.id);
    // The account is connected to the sandbox already: its channel there is in the way.
    let error = consent(&stage, &live.id).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("account_taken"), "{error:?}");
    stage.tenant.disconnect(&sandbox.id).await.unwrap();
    let after = moved(consent(&stage, &live.id).await.unwrap());
    assert_eq!((after.id.as_str(), after.app.as_str()), (live.id.as_str(), NEXT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_cannot_change_its_network() {
    let stage = Stage::in_world(world(), |builder| builder).await.unwrap();
    let channel = stage.connect().await.unwrap();
    stage.host.load_provider(&component("test_provider").unwrap()).await.unwrap();
    let config = AppConfig {
        provider: Some("test-provider".to_owned()),
        redirect_uri: Some(CALLBACK.to_owned()),
        ..AppConfig::default()
    };
    stage.host.put_app(NEXT, config).await.unwrap();
    let error = consent(&stage, &channel.id).await.unwrap_err();
    assert_eq!(
        (error.kind, error.field.as_deref()),
        (ErrorKind::InvalidRequest, Some("reconnect")),
        "{error:?}"
    );
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().app, APP);
}

//! Consents, and the end of a connection.

use library_tests::{APP, CALLBACK, OWNER, component, consent};
use social_channel::{AppConfig, Connect, ConnectOptions, Connected, ErrorKind, JobStatus, callback_query};

use super::case::{case, hold_all};
use super::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_completed_and_a_connection_ended_whole_or_not_at_all() {
    hold_all(vec![
        case(
            "begin_connect and all that follows",
            |scene, _| async move {
                scene.disconnect_all().await;
                String::new()
            },
            |scene, _| async move {
                let options = ConnectOptions {
                    owner: OWNER.to_owned(),
                    redirect_uri: Some(CALLBACK.to_owned()),
                    ..ConnectOptions::default()
                };
                let Connect::Redirect { url, .. } = scene.tenant.begin_connect(APP, options).await? else {
                    panic!("a browser is needed");
                };
                let query = library_tests::browse(&url).await.unwrap();
                scene.tenant.complete_connect(OWNER, query).await.map(drop)
            },
            &[],
            |scene, _| async move { scene.working_channels().await.to_string() },
            "1",
        ),
        case(
            "complete_connect",
            |scene, _| async move {
                scene.disconnect_all().await;
                let query = consent(&scene.tenant, None).await.unwrap();
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
            },
            |scene, query| async move {
                scene.tenant.complete_connect(OWNER, callback_query(&query)).await.map(drop)
            },
            &[ErrorKind::InvalidRequest],
            |scene, _| async move { scene.working_channels().await.to_string() },
            "1",
        ),
        case(
            "choose_account",
            |scene, number| async move { choice(&scene, number).await },
            |scene, choice| async move { scene.tenant.choose_account(OWNER, &choice, "b").await.map(drop) },
            &[ErrorKind::InvalidRequest],
            |scene, _| async move {
                let channels = scene.tenant.channels().await.unwrap();
                channels.iter().map(|channel| channel.account_id.as_str()).collect()
            },
            "b",
        ),
        case(
            "disconnect",
            |scene, _| async move {
                let channel = scene.connect().await.unwrap().id;
                scene.stored(scene.post("x")).await;
                channel
            },
            |scene, channel| async move { scene.tenant.disconnect(&channel).await.map(drop) },
            &[ErrorKind::NotFound],
            |scene, _| async move {
                if !scene.tenant.channels().await.unwrap().is_empty() {
                    return "connected".to_owned();
                }
                let jobs = scene.tenant.jobs(None, None, 1_000).await.unwrap();
                let all_ended = jobs.iter().all(|job| job.status == JobStatus::Cancelled);
                format!("ended, with its jobs: {all_ended}, {} posts", scene.posts("x"))
            },
            "ended, with its jobs: true, 0 posts",
        ),
    ])
    .await;
}

/// A consent that brought two accounts, of which one is to be chosen.
async fn choice(scene: &Scene, number: usize) -> String {
    const TWO: &str = "two-accounts";
    if number == 0 {
        let loaded = scene.host.load_provider(&component("test_provider").unwrap()).await.unwrap();
        let provider = Some(loaded.provider.descriptor.id);
        let redirect_uri = Some(CALLBACK.to_owned());
        scene.host.put_app(TWO, AppConfig { provider, redirect_uri, ..AppConfig::default() }).await.unwrap();
    }
    scene.disconnect_all().await;
    let options = ConnectOptions { owner: OWNER.to_owned(), ..ConnectOptions::default() };
    let begun = scene.tenant.begin_connect(TWO, options).await.unwrap();
    let Connect::Redirect { state, .. } = begun else { panic!("a browser is needed: {begun:?}") };
    let query = [("state", state.as_str()), ("account", "a"), ("account", "b")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    match scene.tenant.complete_connect(OWNER, query).await.unwrap() {
        Connected::Choose { choice, .. } => choice,
        other => panic!("two accounts are there, and not only {other:?}"),
    }
}

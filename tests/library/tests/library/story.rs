//! The main workflow: connect, profile, stats, list, publish, disconnect.

use library_tests::{APP, OWNER, Stage, connect, consent, request};
use social_channel::model::ListQuery;
use social_channel::{ErrorKind, Health, JobStatus};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_connected_read_and_published_to() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    assert_eq!(channel.display_name, "Demo Kitchen");
    assert_eq!(channel.health, Health::Active);
    assert_eq!(channel.app, APP);

    let profile = stage.tenant.profile(&channel.id).await.unwrap();
    assert_eq!(profile.username.as_deref(), Some("demo.kitchen"));
    // The channel keeps it, for a list that asks no network.
    assert_eq!(channel.username, None);
    assert_eq!(stage.tenant.channel(&channel.id).await.unwrap().username, profile.username);
    let stats = stage.tenant.stats(&channel.id).await.unwrap();
    assert!(stats.followers.is_some());
    assert_eq!(stats.posts, Some(57));

    let query = ListQuery { limit: 20, cursor: None };
    let first = stage.tenant.list_posts(&channel.id, &query).await.unwrap();
    assert_eq!(first.posts.len(), 20);
    let query = ListQuery { limit: 20, cursor: first.next_cursor };
    let second = stage.tenant.list_posts(&channel.id, &query).await.unwrap();
    assert_eq!(second.posts.len(), 20);
    assert!(first.posts.iter().all(|post| second.posts.iter().all(|other| other.id != post.id)));
    let ids = vec![first.posts[3].id.clone()];
    assert_eq!(stage.tenant.get_posts(&channel.id, &ids).await.unwrap()[0].id, ids[0]);

    let form = stage.tenant.publish_form(&channel.id).await.unwrap();
    assert_eq!(form.account_name, "Demo Kitchen");
    assert!(form.blocked.is_none());

    let size = 70_000_000;
    let job = stage.publish(&channel.id, stage.video(size).unwrap()).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    let world = stage.simulator.world();
    let published = world.published();
    assert_eq!(published.len(), 1);
    let publish = &world.publishes[0];
    assert_eq!(publish.bytes, size);
    assert_eq!(job.references, std::slice::from_ref(&publish.publish_id));

    let history = stage.tenant.job_history(&job.id).await.unwrap();
    assert!(history.len() >= 4, "{history:?}");
    assert!(stage.simulator.violations().is_empty());

    let gone = stage.tenant.disconnect(&channel.id).await.unwrap();
    assert!(gone.revoked, "{gone:?}");
    assert_eq!(stage.tenant.profile(&channel.id).await.unwrap_err().kind, ErrorKind::NotFound);
    let findings: Vec<_> =
        stage.simulator.log().into_iter().filter(|exchange| !exchange.findings.is_empty()).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_used_once_and_by_the_one_who_began_it() {
    let stage = Stage::new().await.unwrap();
    let callback = consent(&stage.tenant, None).await.unwrap();
    let error = stage.tenant.complete_connect("somebody else", callback.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("another browser"), "{error}");
    stage.tenant.complete_connect(OWNER, callback.clone()).await.unwrap();
    let error = stage.tenant.complete_connect(OWNER, callback.clone()).await.unwrap_err();
    assert!(error.message.contains("used already"), "{error}");
    let forged = vec![("state".to_owned(), "x".repeat(43)), ("code".to_owned(), "y".to_owned())];
    let error = stage.tenant.complete_connect(OWNER, forged).await.unwrap_err();
    assert!(error.message.contains("unknown"), "{error}");
    assert_eq!(stage.requests("/v2/oauth/token/"), 1, "the code went out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_that_brings_another_account_changes_nothing() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let other = stage.simulator.world().grants.len();
    assert_eq!(other, 1);
    let again = connect(&stage.tenant, Some(channel.id.clone())).await.unwrap();
    assert_eq!(again.id, channel.id);
    let mut second = None;
    stage.simulator.edit(|world| {
        second = world.accounts.iter().map(|account| account.username.clone()).nth(1);
        world.switches.auto_consent.account = second.clone();
    });
    let error = connect(&stage.tenant, Some(channel.id.clone())).await.unwrap_err();
    let error = error.downcast::<social_channel::Error>().unwrap();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("Demo Kitchen"), "{error}");
    assert_eq!(stage.tenant.channels().await.unwrap().len(), 1);
    stage.tenant.profile(&channel.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_apps_cannot_see_each_other() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let other = stage.host.tenant("other".parse().unwrap());
    assert!(other.channels().await.unwrap().is_empty());
    for error in [
        other.profile(&channel.id).await.unwrap_err(),
        other.disconnect(&channel.id).await.unwrap_err(),
        other.publish(&channel.id, request("x", stage.video(4_096).unwrap())).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
    let job = stage.publish(&channel.id, stage.video(6_000_000).unwrap()).await.unwrap();
    assert_eq!(other.job(&job.id).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(other.cancel_job(&job.id).await.unwrap_err().kind, ErrorKind::NotFound);
    let mut config = library_tests::app_config();
    config.tenant = Some("other".to_owned());
    stage.host.put_app("theirs", config).await.unwrap();
    let options = social_channel::ConnectOptions {
        owner: library_tests::OWNER.to_owned(),
        redirect_uri: Some(library_tests::CALLBACK.to_owned()),
        ..Default::default()
    };
    // Anyone could complete a consent without an owner.
    let nobody = social_channel::ConnectOptions { owner: String::new(), ..options.clone() };
    let error = other.begin_connect("theirs", nobody).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("owner")));
    let error = stage.tenant.begin_connect("theirs", options.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    other.begin_connect("theirs", options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_the_same_job() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let mut request = request("once", stage.video(5_242_880).unwrap());
    request.idempotency_key = Some("post-17".to_owned());
    let first = stage.tenant.publish(&channel.id, request.clone()).await.unwrap();
    let second = stage.tenant.publish(&channel.id, request.clone()).await.unwrap();
    assert_eq!(first.id, second.id);
    request.post.text = Some("something else".to_owned());
    let error = stage.tenant.publish(&channel.id, request).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("idempotency_key"));
    assert_eq!(stage.wait(&first.id).await.unwrap().status, JobStatus::Published);
    assert_eq!(stage.simulator.world().published().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_is_answered_again_though_its_media_and_account_are_gone() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let mut request = request("once", stage.video(5_242_880).unwrap());
    request.idempotency_key = Some("post-18".to_owned());
    let first = stage.tenant.publish(&channel.id, request.clone()).await.unwrap();
    assert_eq!(stage.wait(&first.id).await.unwrap().status, JobStatus::Published);

    std::fs::remove_file(stage.folder.path().join("video-5242880.mp4")).unwrap();
    stage.tenant.disconnect(&channel.id).await.unwrap();
    let again = stage.tenant.publish(&channel.id, request).await.unwrap();
    assert_eq!((again.id, again.status), (first.id, JobStatus::Published));
}

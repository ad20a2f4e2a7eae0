//! The setup guide's checks from outside, and the workers' maintenance.

use social_channel_server::Access;
use social_channel_server::Site;
use std::time::Duration;

use library_tests::Stage;
use serde_json::{Value, json};
use social_channel::model::{Media, Severity};
use social_channel::{AppConfig, JobStatus, Listing, NewUpload, Policy, SecretText, TenantId};
use social_channel_server::{Config, Listen, Server};
use tokio::sync::oneshot;

const PUBLIC: &str = "https://social.northwind.app";

/// An icon's first bytes; only these are read.
fn icon(side: u32) -> Vec<u8> {
    let side = side.to_be_bytes();
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &side, &side, &[8, 6, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_and_what_is_wrong_is_seen_from_outside() {
    let stage = Stage::new().await.unwrap();
    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        public_address: Some(PUBLIC.to_owned()),
        workers: false,
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    let Listen::Tcp(address) = server.addresses().remove(0) else { panic!("a port was expected") };
    // The service is reachable at its public address: here through a mapping.
    let mut policy: Value =
        serde_json::to_value(library_tests::policy(&stage.simulator.origin()).unwrap()).unwrap();
    policy["connect_to"]
        .as_array_mut()
        .unwrap()
        .push(json!({"from": PUBLIC, "to": format!("http://{address}")}));
    let policy: Policy = serde_json::from_value(policy).unwrap();
    let builder =
        library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap().policy(policy);
    let host = server.prepare(builder).unwrap().open().await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(server.run(host.clone(), async move { stopped.await.unwrap_or(()) }));

    let text = "We keep what is needed to publish for you. ".repeat(20).into_bytes();
    Site::of(&host).put("proof.txt", None, b"site-verification=1".to_vec()).await.unwrap();
    Site::of(&host).put("privacy.html", None, text).await.unwrap();
    Site::of(&host).put("terms.html", None, b"soon".to_vec()).await.unwrap();
    Site::of(&host).put("icon.png", None, icon(1024)).await.unwrap();
    let listing = Listing {
        website_url: Some(format!("{PUBLIC}/nothing-here")),
        privacy_url: Some(format!("{PUBLIC}/privacy.html")),
        terms_url: Some(format!("{PUBLIC}/terms.html")),
        icon_url: Some(format!("{PUBLIC}/icon.png")),
        ..Listing::default()
    };
    let change = AppConfig {
        listing: Some(listing),
        redirect_uri: Some(format!("{PUBLIC}/callback/{}", library_tests::APP)),
        ..AppConfig::default()
    };
    host.put_app(library_tests::APP, change).await.unwrap();

    let findings = Site::of(&host).check_settings(library_tests::APP).await.unwrap();
    let about = |subject: &str| -> Vec<Severity> {
        findings.iter().filter(|finding| finding.subject == subject).map(|finding| finding.severity).collect()
    };
    assert_eq!(about("public-address"), [Severity::Ok], "{findings:#?}");
    assert_eq!(about("verification-file"), [Severity::Ok; 4]);
    assert_eq!(about("privacy-url"), [Severity::Ok]);
    assert_eq!(about("icon-url"), [Severity::Ok]);
    assert_eq!(about("clock"), [Severity::Ok]);
    assert!(about("redirect-uri").contains(&Severity::Ok));
    assert_eq!(about("terms-url"), [Severity::Error], "it says nothing");
    assert_eq!(about("website-url"), [Severity::Error], "it is not there");
    assert!(findings.iter().filter(|it| it.severity == Severity::Error).all(|it| it.remedy.is_some()));

    Site::of(&host).put("icon.png", None, icon(512)).await.unwrap();
    let findings = Site::of(&host).check_settings(library_tests::APP).await.unwrap();
    let wrong = findings.iter().find(|finding| finding.subject == "icon-url").unwrap();
    assert_eq!(wrong.severity, Severity::Error);
    assert!(wrong.message.contains("512 x 512"), "{wrong:?}");
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_take_samples_and_remove_uploads_that_are_published() {
    let clock = std::sync::Arc::new(social_channel::MovedClock::default());
    let stage = {
        let clock = clock.clone();
        Stage::in_world(library_tests::world(), |builder| builder.clock(clock)).await.unwrap()
    };
    let channel = stage.connect().await.unwrap();
    stage.host.maintain().await;
    stage.host.maintain().await;
    let history = stage.tenant.stats_history(&channel.id, None).await.unwrap();
    assert_eq!(history.len(), 1, "one sample in six hours");
    assert_eq!(history[0].stats.posts, Some(57));
    clock.advance(Duration::from_secs(7 * 3600));
    stage.host.maintain().await;
    let history = stage.tenant.stats_history(&channel.id, None).await.unwrap();
    assert_eq!(history.len(), 2);
    let later = stage.tenant.stats_history(&channel.id, Some(history[1].at)).await.unwrap();
    assert_eq!(later, history[1..]);

    let keep = |size: usize| {
        let bytes = library_tests::video_bytes(size).unwrap();
        let new =
            NewUpload { content_type: Some("video/mp4".to_owned()), limit: 1 << 30, ..NewUpload::default() };
        let tenant = stage.host.tenant(TenantId::default());
        async move { tenant.keep_upload(new, futures::stream::iter([Ok(bytes.into())])).await.unwrap() }
    };
    let (used, unused) = (keep(1_000_000).await, keep(1000).await);
    let job = stage.publish(&channel.id, Media::upload(&used.id)).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    stage.host.maintain().await;
    let left: Vec<String> =
        stage.tenant.uploads().await.unwrap().into_iter().map(|upload| upload.id).collect();
    assert_eq!(left, [unused.id], "what is published is not kept");
    clock.advance(Duration::from_secs(8 * 24 * 3600));
    stage.host.maintain().await;
    assert_eq!(stage.tenant.uploads().await.unwrap(), [], "and nothing without end");
}

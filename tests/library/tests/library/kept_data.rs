//! Existing data: of an older version, of a newer one, damaged, left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use library_tests::{APP, Stage, app_config, component};
use social_channel::{AppConfig, ErrorKind, Health, Host, HostBuilder, JobStatus, NewUpload, TenantId};
use sqlx::Connection as _;

/// Created by a version with the second schema; see its README.
fn schema_2(folder: &Path) -> HostBuilder {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema-2");
    for name in ["social-channel.sqlite", "master.key"] {
        std::fs::copy(kept.join(name), folder.join(name)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // A checkout makes files world-readable, which a key file must not be.
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(folder.join(name), private).unwrap();
        }
    }
    Host::builder().database(folder.join("social-channel.sqlite")).background(false)
}

async fn database(folder: &Path) -> sqlx::SqliteConnection {
    let url = format!("sqlite://{}", folder.join("social-channel.sqlite").display());
    sqlx::SqliteConnection::connect(&url).await.unwrap()
}

async fn sql(folder: &Path, text: &'static str) {
    sqlx::raw_sql(text).execute(&mut database(folder).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_an_older_version_opens_with_all_its_accounts_and_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let host = schema_2(folder.path()).open().await.unwrap();
    let apps = host.apps().await.unwrap();
    assert_eq!(apps.iter().map(|app| app.id.as_str()).collect::<Vec<_>>(), ["live"]);
    // Its component was built before the contract was frozen: it is named, and a newer one takes its place.
    assert_eq!(apps[0].error.as_ref().unwrap().kind, ErrorKind::Incompatible);
    let loaded = host.load_provider(&component("plugin_tiktok").unwrap()).await.unwrap();
    let origins = Some(loaded.provider.descriptor.origins);
    host.put_app("live", AppConfig { origins, ..AppConfig::default() }).await.unwrap();
    let apps = host.apps().await.unwrap();
    assert!(apps[0].error.is_none() && apps[0].missing_settings.is_empty(), "{:?}", apps[0]);
    let tenant = host.tenant(TenantId::default());
    let channels = tenant.channels().await.unwrap();
    assert_eq!(channels.len(), 1);
    assert_eq!((channels[0].display_name.as_str(), channels[0].health), ("Demo Kitchen", Health::Active));
    assert_eq!(tenant.stats_history(&channels[0].id, None).await.unwrap().len(), 1);
    let jobs = tenant.jobs(None, None, 10).await.unwrap();
    let seen: Vec<_> = jobs.iter().map(|job| (job.post.text.as_deref().unwrap(), job.status)).collect();
    assert_eq!(
        seen,
        [
            ("Cancelled", JobStatus::Cancelled),
            ("Later", JobStatus::Active),
            ("Leek soup", JobStatus::Published),
        ]
    );
    assert!(!tenant.job_history(&jobs[2].id).await.unwrap().is_empty());
    // An accepted request returns its job again, and a waiting job can still be cancelled.
    assert_eq!(jobs[2].idempotency_key.as_deref(), Some("first"));
    tenant.cancel_job(&jobs[1].id).await.unwrap();
    host.work(Some(Duration::ZERO)).await.unwrap();
    assert_eq!(tenant.job(&jobs[1].id).await.unwrap().status, JobStatus::Cancelled);
    // The service's data.
    for (kind, count) in [("api-key", 1), ("password", 1), ("site-file", 1)] {
        assert_eq!(host.documents::<serde_json::Value>(kind).await.unwrap().len(), count, "{kind}");
    }
    let proof = host.document::<serde_json::Value>("site-file", "proof.txt").await.unwrap().unwrap();
    assert_eq!(proof.body.as_deref(), Some(b"site-verification=1".as_slice()));
    // A key rotation covers all of it.
    assert_eq!(host.rotate_keys().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_and_both_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    schema_2(folder.path()).open().await.unwrap().close(Duration::ZERO).await;
    let mut database = database(folder.path()).await;
    let own: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut database).await.unwrap();
    drop(database);
    sql(folder.path(), "PRAGMA user_version = 99").await;
    sql(folder.path(), "UPDATE meta SET value = CAST('99' AS BLOB) WHERE key = 'schema-oldest'").await;
    let error = schema_2_again(folder.path()).open().await.unwrap_err();
    let both = error.message.contains("version 99") && error.message.contains(&format!("up to {own}"));
    assert!(both, "{error:?}");
    assert!(error.remedy.unwrap().contains("newer program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_lacks_a_column_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    schema_2(folder.path()).open().await.unwrap().close(Duration::ZERO).await;
    sql(folder.path(), "ALTER TABLE jobs DROP COLUMN quotas").await;
    let error = schema_2_again(folder.path()).open().await.unwrap_err();
    assert!(error.message.contains("lacks jobs.quotas"), "{error:?}");
    assert!(error.remedy.unwrap().contains("backup"));
}

fn schema_2_again(folder: &Path) -> HostBuilder {
    Host::builder().database(folder.join("social-channel.sqlite")).background(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_cannot_be_loaded_hides_neither_apps_nor_providers() {
    let stage = Stage::new().await.unwrap();
    stage.host.load_provider(&component("provider_minimal").unwrap()).await.unwrap();
    let minimal = stage.host.providers().await.unwrap();
    let minimal = minimal.iter().find(|it| it.descriptor.id != "tiktok").unwrap().descriptor.id.clone();
    let config = AppConfig { provider: Some(minimal), ..AppConfig::default() };
    stage.host.put_app("other", config).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    // As after a restored backup or a disk error: the bytes are no longer a component.
    sql(stage.folder.path(), "UPDATE components SET bytes = x'00' WHERE provider <> 'tiktok'").await;
    let host = stage.second_host().await.unwrap();
    let providers = host.providers().await.unwrap();
    assert_eq!(providers.len(), 2);
    let (good, bad): (Vec<_>, Vec<_>) = providers.iter().partition(|it| it.error.is_none());
    assert_eq!((good.len(), bad.len()), (1, 1));
    assert_eq!(good[0].descriptor.id, "tiktok");
    assert_eq!(bad[0].error.as_ref().unwrap().kind, ErrorKind::LoadFailed);
    let apps = host.apps().await.unwrap();
    assert_eq!(apps.iter().filter(|app| app.error.is_none()).count(), 1, "{apps:?}");
    let broken = apps.iter().find(|app| app.error.is_some()).unwrap();
    assert_eq!(broken.id, "other");
    // The other app works and can be checked, and the broken one can be deleted.
    assert!(host.app(APP).await.unwrap().error.is_none());
    host.tenant(TenantId::default()).profile(&channel).await.unwrap();
    assert!(!host.check_settings(APP).await.unwrap().is_empty());
    host.put_app(APP, app_config()).await.unwrap();
    host.delete_app("other").await.unwrap();
    host.unload_provider(&bad[0].descriptor.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_crash_left_behind_are_swept() {
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let new = || NewUpload { limit: 1 << 20, ..NewUpload::default() };
    let bytes = || futures::stream::iter([Ok(vec![1; 1_000].into())]);
    let kept = stage.tenant.keep_upload(new(), bytes()).await.unwrap();
    let folder = stage.folder.path().join("uploads");
    let tenant = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    // One was renamed before a kill, but has no row; one was only partially written.
    for name in ["up_left", "up_left_too", "up_half.part", "up_fresh"] {
        std::fs::write(tenant.join(name), b"x").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(48 * 3_600);
    for name in ["up_left", "up_left_too", "up_half.part", kept.id.as_str()] {
        let file = std::fs::File::options().write(true).open(tenant.join(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    stage.host.maintain().await;
    let mut left: Vec<_> = std::fs::read_dir(&tenant)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = [kept.id, "up_fresh".to_owned()];
    expected.sort();
    assert_eq!(left, expected, "what has a row stays, and what may still get one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_decrypted_hides_no_other_and_keeps_none_from_its_turn() {
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let mut ids = Vec::new();
    for text in ["damaged", "good"] {
        let request = library_tests::request(text, stage.video(9 << 20).unwrap());
        ids.push(stage.tenant.publish(&channel, request).await.unwrap().id);
    }
    let mut database = database(stage.folder.path()).await;
    sqlx::query("UPDATE jobs SET request = x'01' WHERE id = ?")
        .bind(&ids[0])
        .execute(&mut database)
        .await
        .unwrap();
    // Both are due, and the damaged one waited longer for the channel that they share.
    library_tests::until("the good job is published", async || {
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        (stage.tenant.job(&ids[1]).await.unwrap().status == JobStatus::Published).then_some(())
    })
    .await;
    for limit in [1, 10] {
        let jobs = stage.tenant.jobs(None, None, limit).await.unwrap();
        assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&ids[1]], "by {limit}");
    }
    let error = stage.tenant.job(&ids[0]).await.unwrap_err();
    assert!(error.message.contains("jobs.request"), "{error:?}");
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_known_by_a_keyed_hash_and_by_the_plain_one_of_earlier_versions() {
    use sha2::Digest as _;
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let mut request = library_tests::request("soup", stage.video(9 << 20).unwrap());
    request.idempotency_key = Some("once".to_owned());
    let first = stage.tenant.publish(&channel, request.clone()).await.unwrap().id;
    let mut database = database(stage.folder.path()).await;
    let stored: String =
        sqlx::query_scalar("SELECT request_hash FROM jobs").fetch_one(&mut database).await.unwrap();
    let times = (request.publish_at, request.deadline_at, request.priority);
    let body = serde_json::to_string(&(&channel, &request.post, &request.media, times)).unwrap();
    let plain = hex::encode(sha2::Sha256::digest(body));
    assert_ne!(stored, plain, "a reader of the database cannot check a guess");
    let mut other = request.clone();
    other.post.text = Some("stew".to_owned());
    // A replaced master key changes nothing, also when the old one is gone.
    let file = stage.folder.path().join("master.key");
    let old = std::fs::read_to_string(&file).unwrap();
    let new = "7a".repeat(32);
    std::fs::write(&file, format!("{new}\n{old}")).unwrap();
    assert!(stage.second_host().await.unwrap().rotate_keys().await.unwrap() > 0);
    std::fs::write(&file, &new).unwrap();
    let host = stage.second_host().await.unwrap();
    let tenant = host.tenant(TenantId::default());
    for hash in [stored, plain] {
        sqlx::query("UPDATE jobs SET request_hash = ?").bind(hash).execute(&mut database).await.unwrap();
        assert_eq!(tenant.publish(&channel, request.clone()).await.unwrap().id, first);
        let error = tenant.publish(&channel, other.clone()).await.unwrap_err();
        assert_eq!(error.field.as_deref(), Some("idempotency_key"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_its_key_is_refused_and_gets_no_new_one() {
    let folder = tempfile::tempdir().unwrap();
    schema_2(folder.path()).open().await.unwrap().close(Duration::ZERO).await;
    let key = folder.path().join("master.key");
    let kept = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = schema_2_again(folder.path()).open().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("master.key is missing"), "{error:?}");
    assert!(!key.exists());
    Host::builder()
        .database(folder.path().join("social-channel.sqlite"))
        .key(social_channel::KeySource::Text(social_channel::SecretText::new(kept.trim())))
        .open()
        .await
        .unwrap();
}

/// Files of the database that this process has open.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = all.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_closed_has_nothing_of_its_database_open() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.tenant.profile(&channel).await.unwrap();
    let folder = stage.folder.path().canonicalize().unwrap();
    assert!(!open_files(&folder).is_empty());
    stage.host.close(library_tests::PATIENCE).await;
    // At once: a child after fork, or another process, opens it next.
    assert_eq!(open_files(&folder), Vec::<PathBuf>::new());
    assert!(stage.tenant.channels().await.is_err(), "every later call fails");
    assert_eq!(
        stage.second_host().await.unwrap().tenant(TenantId::default()).channels().await.unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_kept_for_as_long_as_the_setting_says_and_their_keys_with_them() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let clock = std::sync::Arc::new(social_channel::MovedClock::default());
    let ours = clock.clone();
    let stage = Stage::in_world(library_tests::world(), |builder| {
        builder.clock(ours).background(false).keep_jobs(10 * DAY)
    })
    .await
    .unwrap();
    let channel = stage.connect().await.unwrap().id;
    let mut post = library_tests::request("soup", stage.video(4_096).unwrap());
    post.idempotency_key = Some("once".to_owned());
    let job = stage.tenant.publish(&channel, post.clone()).await.unwrap().id;
    assert_eq!(stage.to_the_end(&clock, &job).await.unwrap().status, JobStatus::Published);
    let mut later = library_tests::request("later", stage.video(4_096).unwrap());
    later.publish_at = Some(social_channel::Clock::now_ms(&*clock) / 1000 + 30 * 24 * 3600);
    let open = stage.tenant.publish(&channel, later).await.unwrap().id;

    stage.advance(&clock, 9 * DAY);
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    assert_eq!(stage.tenant.publish(&channel, post.clone()).await.unwrap().id, job, "the key is known");
    stage.advance(&clock, 2 * DAY);
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    library_tests::until("an ended job is removed", async || {
        let gone = stage.tenant.job(&job).await.err();
        gone.map(|error| assert_eq!(error.kind, ErrorKind::NotFound))
    })
    .await;
    assert_eq!(stage.tenant.job(&open).await.unwrap().status, JobStatus::Active, "it has not ended");
    assert_ne!(stage.tenant.publish(&channel, post).await.unwrap().id, job, "the key is forgotten");
}

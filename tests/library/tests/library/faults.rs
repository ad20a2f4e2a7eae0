//! Faults around the library: keys, disks, locks, logs. Nothing may be lost, posted twice or leaked.

use std::process::Stdio;
use std::time::Duration;

use library_tests::{APP, Stage, builder, request, world};
use social_channel::model::Media;
use social_channel::{
    ConnectOptions, ErrorKind, JobStatus, KeySource, NewUpload, PublishRequest, TenantId, new_key,
};
use sqlx::Connection as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_named_and_nothing_is_overwritten() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let file = stage.folder.path().join("other.key");
    std::fs::write(&file, new_key().unwrap().expose()).unwrap();
    private(&file);
    let other = builder(stage.folder.path(), &stage.simulator.origin()).unwrap().key(KeySource::File(file));
    let error = other.open().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.remedy.is_some(), "{error:?}");
    // With the right key everything works as before.
    let host = stage.second_host().await.unwrap();
    host.tenant(social_channel::TenantId::default()).profile(&channel).await.unwrap();
}

/// Bytes, as `df` says.
fn free_space(folder: &std::path::Path) -> u64 {
    let df = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().unwrap();
    String::from_utf8(df.stdout).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
}

/// Seconds since 1970.
fn in_an_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + 3_600
}

fn private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_waited_for() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let url = format!("sqlite://{}", stage.folder.path().join("social-channel.sqlite").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let publish = tokio::spawn({
        let (tenant, media) = (stage.tenant.clone(), stage.video(6_000_000).unwrap());
        async move { tenant.publish(&channel, request("waits", media)).await }
    });
    // Reading works during another process's write.
    assert!(stage.tenant.jobs(None, None, 10).await.unwrap().is_empty());
    assert!(!publish.is_finished(), "a job was stored through a locked database");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    let job = publish.await.unwrap().unwrap();
    assert_eq!(stage.wait(&job.id).await.unwrap().status, JobStatus::Published);
    assert_eq!(stage.simulator.world().published().len(), 1);
}

/// Limits the file size instead of filling a disk: for the database this is equivalent.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_grow_loses_nothing() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let size = |name: &str| std::fs::metadata(stage.folder.path().join(name)).map_or(0, |facts| facts.len());
    let largest = size("social-channel.sqlite").max(size("social-channel.sqlite-wal"));
    for spare in [0, 16 << 10, 64 << 10] {
        let before = stage.tenant.jobs(None, None, 100).await.unwrap().len();
        // In blocks of 512 bytes. The signal is ignored, so that the write fails instead of ending the process.
        let limit = (largest + spare).div_ceil(512);
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let mut process = Command::new("/bin/sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_library-process")])
            .arg(stage.folder.path())
            .args([&stage.simulator.origin(), "publish", &channel, &(1000 + spare).to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let accepted = lines.next_line().await.unwrap();
        assert_eq!(
            stage.tenant.jobs(None, None, 100).await.unwrap().len(),
            before + usize::from(accepted.is_some()),
            "{spare}"
        );
        if accepted.is_some() {
            // It sends the request but cannot store the result; then it is killed.
            process.kill().await.unwrap();
        } else {
            let error = process.wait_with_output().await.unwrap().stderr;
            let error = String::from_utf8_lossy(&error);
            assert!(error.contains("database"), "{spare}: {error}");
        }
    }
    let accepted = stage.tenant.jobs(None, None, 100).await.unwrap();
    for job in &accepted {
        stage.tenant.resume_job(&job.id).await.unwrap();
        let job = stage.wait(&job.id).await.unwrap();
        assert_eq!(job.status, JobStatus::Published, "{job:?}");
    }
    assert_eq!(stage.simulator.world().published().len(), accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_leave_the_disk_its_reserve() {
    // More than any disk has: then nothing may be written.
    let stage = Stage::in_world(world(), |builder| builder.disk_reserve(1 << 62)).await.unwrap();
    let bytes = || futures::stream::iter([Ok(b"video".to_vec().into())]);
    let new = || NewUpload { limit: 100, ..NewUpload::default() };
    let error = stage.tenant.keep_upload(new(), bytes()).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Unavailable, Some("media")), "{error:?}");
    assert!(error.message.contains("MiB left"), "{error:?}");
    let host = stage.second_host().await.unwrap();
    host.tenant(social_channel::TenantId::default()).keep_upload(new(), bytes()).await.unwrap();
}

/// The reserve is the database's: what a tenant has brought before is published, and only what takes much room is refused.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_reserve_jobs_go_on_and_uploads_are_refused() {
    // More than is free, and an eighth of it is free: see the next test.
    let reserve = free_space(&std::env::temp_dir()) * 4;
    let stage = Stage::in_world(world(), |builder| builder.disk_reserve(reserve)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let new = || NewUpload { limit: 1 << 20, size: Some(100_000), ..NewUpload::default() };
    let bytes = || {
        futures::stream::iter([Ok(library_tests::video_bytes(100_000).map(Into::into).unwrap_or_default())])
    };
    // While there was room.
    let host = stage.second_host().await.unwrap();
    let kept = host.tenant(TenantId::default()).keep_upload(new(), bytes()).await.unwrap().id;
    let begun = host.tenant(TenantId::default()).begin_upload(new()).await.unwrap().id;

    let tenant = &stage.tenant;
    for refused in [
        tenant.keep_upload(new(), bytes()).await.err(),
        tenant.begin_upload(new()).await.err(),
        tenant.append_upload(&begun, 0, bytes()).await.err(),
    ] {
        let error = refused.expect("an upload takes what is reserved");
        assert_eq!(
            (error.kind, error.field.as_deref()),
            (ErrorKind::Unavailable, Some("media")),
            "{error:?}"
        );
        assert!(error.remedy.is_some(), "{error:?}");
    }
    tenant.profile(&channel).await.unwrap();
    let job = tenant.publish(&channel, request("at the reserve", Media::upload(kept))).await.unwrap();
    assert_eq!(stage.wait(&job.id).await.unwrap().status, JobStatus::Published);
    // What arrives of an upload that has begun is not lost, and room is made by who wants it.
    assert_eq!(tenant.partial_upload(&begun).await.unwrap().received, 0);
    tenant.delete_upload(&begun).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_leaves_the_disk_to_what_is_under_way() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let post = PublishRequest {
        idempotency_key: Some("stored".to_owned()),
        publish_at: Some(in_an_hour()),
        ..request("stored", media.clone())
    };
    let stored = stage.tenant.publish(&channel, post.clone()).await.unwrap();
    let full = builder(stage.folder.path(), &stage.simulator.origin()).unwrap().disk_reserve(1 << 62);
    let full = full.open().await.unwrap();
    let full = full.tenant(social_channel::TenantId::default());
    let owner = ConnectOptions { owner: "browser".to_owned(), ..ConnectOptions::default() };
    for (what, error) in [
        ("a post", full.publish(&channel, request("new", media)).await.map(drop)),
        ("a draft", full.put_draft("draft", &"content", in_an_hour()).await),
        ("a consent", full.begin_connect(APP, owner).await.map(drop)),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {error:?}");
        assert!(error.message.contains("MiB left") && error.remedy.is_some(), "{what}: {error:?}");
    }
    // What is there goes on.
    assert_eq!(full.publish(&channel, post).await.unwrap().id, stored.id);
    full.resume_job(&stored.id).await.unwrap();
    assert_eq!(stage.wait(&stored.id).await.unwrap().status, JobStatus::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_all_the_open_jobs_that_it_may_have_is_told_what_to_do() {
    let stage = Stage::in_world(world(), |builder| builder.open_jobs(1)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let later =
        |text: &str| PublishRequest { publish_at: Some(in_an_hour()), ..request(text, media.clone()) };
    let first = stage.tenant.publish(&channel, later("first")).await.unwrap();
    let error = stage.tenant.publish(&channel, later("second")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::QuotaExceeded, "{error:?}");
    assert!(error.message.contains("1 open job") && error.remedy.is_some(), "{error:?}");
    stage.tenant.cancel_job(&first.id).await.unwrap();
    stage.wait(&first.id).await.unwrap();
    stage.tenant.publish(&channel, later("second")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_to_a_log() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    // A refresh, so that old and new tokens are handled.
    stage.simulator.clock().advance(Duration::from_secs(7100));
    let mut publisher = Command::new(env!("CARGO_BIN_EXE_library-process"));
    publisher.env("SOCIAL_CHANNEL_LOG", "trace").arg(stage.folder.path());
    publisher.args([&stage.simulator.origin(), "publish", &channel, "6000000"]);
    let output = publisher.stdin(Stdio::null()).output().await.unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("publish stored"), "the log is not on: {log}");
    for secret in ["act.", "rft.", "upload_token=", library_tests::SECRET] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "the log tells {secret}: {line:?}");
    }
}

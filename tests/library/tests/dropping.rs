//! Tests dropping futures: calls with effects are dropped at every await in turn. After each drop the documented
//! behaviour must hold, and repeating the call must succeed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use library_tests::{APP, OWNER, Stage, app_config, component, consent, request, until, world};
use social_channel::{AppConfig, ErrorKind, Host, JobStatus, NewUpload};
use tiktok_simulator::{Action, Fault};

/// Larger than the number of awaits in any of these calls.
const AWAITS: usize = 200;

/// Polls a future until it has been pending `waits` times, and then drops it. Returns its value if it completed
/// before.
async fn dropped_after<T>(waits: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

async fn idle_stage() -> Stage {
    Stage::in_world(world(), |builder| builder.background(false)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_dropped_is_one_job_or_none_and_its_key_finds_out() {
    let stage = idle_stage().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    for waits in 0..AWAITS {
        let mut wanted = request("A test", media.clone());
        wanted.idempotency_key = Some(format!("key-{waits}"));
        let ended = dropped_after(waits, stage.tenant.publish(&channel, wanted.clone())).await;
        let job = stage.tenant.publish(&channel, wanted).await.unwrap();
        let jobs = stage.tenant.jobs(None, None, 1_000).await.unwrap();
        let same = jobs.iter().filter(|one| one.idempotency_key == job.idempotency_key).count();
        assert_eq!(same, 1, "dropped after {waits} waits");
        if let Some(first) = ended {
            assert_eq!(first.unwrap().id, job.id);
            return;
        }
    }
    panic!("a publish has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_was_being_completed_is_completed() {
    let stage = idle_stage().await;
    for waits in 0..AWAITS {
        let callback = consent(&stage.tenant, None).await.unwrap();
        let ended = dropped_after(waits, stage.tenant.complete_connect(OWNER, callback)).await;
        let channel =
            until("the connection", async || stage.tenant.channels().await.unwrap().into_iter().next()).await;
        stage.tenant.profile(&channel.id).await.unwrap();
        stage.tenant.disconnect(&channel.id).await.unwrap();
        if ended.is_some() {
            return;
        }
    }
    panic!("a consent has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_that_is_dropped_leaves_a_channel_that_works_or_none() {
    let stage = idle_stage().await;
    for waits in 0..AWAITS {
        let channel = stage.connect().await.unwrap().id;
        let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
        let ended = dropped_after(waits, stage.tenant.disconnect(&channel)).await;
        // A started task continues, so the channel disappears later.
        match stage.tenant.disconnect(&channel).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind, ErrorKind::NotFound, "after {waits} waits: {error:?}"),
        }
        until("the end of the channel", async || {
            stage.tenant.channels().await.unwrap().is_empty().then_some(())
        })
        .await;
        assert_eq!(stage.tenant.job(&job.id).await.unwrap().status, JobStatus::Cancelled);
        if ended.is_some() {
            assert!(stage.simulator.world().published().is_empty());
            return;
        }
    }
    panic!("a disconnect has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let stage = idle_stage().await;
    let uploads = stage.folder.path().join("uploads");
    for waits in 0..AWAITS {
        let chunks = (0..4).map(|_| Ok(vec![7; 300_000].into()));
        let bytes = futures::stream::iter(chunks);
        let new = NewUpload { limit: 10 << 20, tenant_limit: Some(20 << 20), ..NewUpload::default() };
        let ended = dropped_after(waits, stage.tenant.keep_upload(new, bytes)).await;
        if let Some(upload) = ended {
            // The space reserved by dropped uploads is released.
            let upload = upload.unwrap();
            assert_eq!(upload.size, 1_200_000);
            stage.tenant.delete_upload(&upload.id).await.unwrap();
            return;
        }
        // If the last step was done before the drop, the upload is complete.
        let kept = stage.tenant.uploads().await.unwrap();
        for upload in &kept {
            assert_eq!(upload.size, 1_200_000);
            stage.tenant.delete_upload(&upload.id).await.unwrap();
        }
        until("the end of its files", async || {
            files(&uploads).iter().all(|name| settled(name)).then_some(())
        })
        .await;
    }
    panic!("an upload has no end");
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(tenants) = std::fs::read_dir(folder) else { return Vec::new() };
    tenants
        .flat_map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A complete file without a row is removed later; a partial file must not remain.
fn settled(name: &str) -> bool {
    !name.ends_with(".part")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_app_or_a_provider_that_is_dropped_is_made_whole_or_not_at_all() {
    let stage = idle_stage().await;
    let bytes = component("plugin_tiktok").unwrap();
    for waits in 0..AWAITS {
        let name = format!("app-{waits}");
        let put = dropped_after(waits, stage.host.put_app(&name, app_config())).await;
        for app in stage.host.apps().await.unwrap() {
            assert!(app.missing_settings.is_empty(), "{app:?}");
        }
        let changed = AppConfig { origins: Some(Vec::new()), ..AppConfig::default() };
        let cut = dropped_after(waits, stage.host.put_app(APP, changed)).await;
        let loaded = dropped_after(waits, stage.host.load_provider(&bytes)).await;
        let apps = stage.host.apps().await.unwrap();
        let providers = stage.host.providers().await.unwrap();
        assert!(apps.iter().all(|app| app.error.is_none()), "{apps:?}");
        assert!(providers.len() == 1 && providers[0].error.is_none(), "{providers:?}");
        if put.is_some() && cut.is_some() && loaded.is_some() {
            return;
        }
    }
    panic!("a change has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_with_a_job_is_done_or_not_and_can_be_done_again() {
    let stage = idle_stage().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    for waits in 0..AWAITS {
        let job = stage.tenant.publish(&channel, request("x", media.clone())).await.unwrap();
        let resumed = dropped_after(waits, stage.tenant.resume_job(&job.id)).await;
        let change = social_channel::JobChange { priority: Some(5), ..Default::default() };
        let changed = dropped_after(waits, stage.tenant.change_job(&job.id, change)).await;
        let cancelled = dropped_after(waits, stage.tenant.cancel_job(&job.id)).await;
        stage.tenant.cancel_job(&job.id).await.unwrap();
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        let ended = stage.tenant.job(&job.id).await.unwrap();
        assert_eq!(ended.status, JobStatus::Cancelled, "after {waits} waits: {ended:?}");
        let retried = dropped_after(waits, stage.tenant.retry_job(&job.id, false)).await;
        for left in stage.tenant.jobs(None, Some(JobStatus::Active), 100).await.unwrap() {
            stage.tenant.cancel_job(&left.id).await.unwrap();
        }
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        if resumed.is_some() && changed.is_some() && cancelled.is_some() && retried.is_some() {
            assert!(stage.simulator.world().published().is_empty());
            return;
        }
    }
    panic!("these calls have no end");
}

/// If a worker is dropped during the request that posts, its run continues to the end, and the worker does not keep
/// the job or its channel locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_dropped_ends_its_turn_and_holds_nothing() {
    let stage = idle_stage().await;
    let channel = stage.connect().await.unwrap().id;
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 500 }).method("PUT"));
    let looked = Host::clone(&stage.host);
    let working = tokio::spawn(async move { looked.work(None).await });
    until("the request that posts", async || {
        let begun = stage.tenant.job(&job.id).await.unwrap().sent_at.is_some();
        begun.then_some(())
    })
    .await;
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
    // Another process continues; no lease is extended forever.
    let other = stage.second_host().await.unwrap();
    let helped = other.clone();
    let helping = tokio::spawn(async move { helped.work(None).await });
    let ended = stage.wait(&job.id).await.unwrap();
    assert_eq!(ended.status, JobStatus::Published, "{ended:?}");
    assert_eq!(stage.simulator.world().published().len(), 1);
    let next = stage.tenant.publish(&channel, request("y", stage.video(4_096).unwrap())).await.unwrap();
    assert_eq!(stage.wait(&next.id).await.unwrap().status, JobStatus::Published);
    other.shutdown(Duration::from_secs(10)).await;
    helping.await.unwrap().unwrap();
    assert!(stage.simulator.violations().is_empty());
}

//! Tests dropping futures: calls with effects are dropped at every await in turn. After each drop the documented
//! behaviour must hold, and repeating the call must succeed.

mod case;
mod connections;
mod jobs;
mod operator;
mod scene;
mod uploads;

use std::time::Duration;

use library_tests::{APP, Stage, app_config, component, request, until, world};
use social_channel::{AppConfig, Host, JobStatus};
use tiktok_simulator::{Action, Fault};

use self::case::{AWAITS, dropped_after};

async fn idle_stage() -> Stage {
    Stage::in_world(world(), |builder| builder.background(false)).await.unwrap()
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

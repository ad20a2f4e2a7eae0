//! A tenant that floods waits behind itself: another tenant's calls, jobs and uploads go on beside it. The platform does
//! not answer the flood at all while these tests run, so anyone who waits for it waits until the process ends.

use http::{Method, StatusCode};
use library_tests::{PATIENCE, Stage, connect, request, struck, until};
use serde_json::Value;
use server_tests::Service;
use social_channel::{ErrorKind, HostBuilder, JobStatus, Limits, NewUpload, SecretText, Tenant, TenantId};
use social_channel_server::{Access, Config, State, router};
use tiktok_simulator::{Account, Action, Fault};
use tokio::task::JoinSet;

/// No test takes so long.
const NEVER: Action = Action::Delay { ms: 3_600_000 };

/// A world with these accounts, of which the first one consents next.
async fn stage(accounts: &[&str], differ: impl FnOnce(HostBuilder) -> HostBuilder) -> Stage {
    let mut world = library_tests::world();
    for name in accounts {
        world.accounts.push(Account { username: (*name).to_owned(), ..Account::default() });
    }
    Stage::in_world(world, differ).await.unwrap()
}

/// Connects an account as a channel of a tenant.
async fn connected(stage: &Stage, tenant: &Tenant, account: &str) -> String {
    stage.simulator.edit(|world| world.switches.auto_consent.account = Some(account.to_owned()));
    connect(tenant, None).await.unwrap().id
}

fn named(stage: &Stage, name: &str) -> Tenant {
    stage.host.tenant(name.parse().unwrap())
}

/// Waits for what must not wait for the flood.
async fn beside<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} waits for the flood"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_call_does_not_wait_for_a_flood() {
    let mut limits = Limits::default();
    (limits.calls, limits.waiting_calls) = (4, 8);
    let stage = stage(&["flooder", "quiet.one"], |builder| builder.limits(limits)).await;
    let (flood, quiet) = (named(&stage, "flood"), named(&stage, "quiet"));
    let flooder = connected(&stage, &flood, "flooder").await;
    let calm = connected(&stage, &quiet, "quiet.one").await;
    let key = async |tenant: &str| -> SecretText {
        let tenant: TenantId = tenant.parse().unwrap();
        Access::of(&stage.host).create_api_key(tenant.as_str(), Some(&tenant)).await.unwrap().text
    };
    let (flood_key, quiet_key) = (key("flood").await, key("quiet").await);
    let faults = stage.simulator.faults();
    faults.add(Fault::new(NEVER).account("flooder").path("/v2/user/info/").times(3));
    let mut calls = JoinSet::new();
    // Three run, which is a tenant's share, eight wait, and the twelfth is one too many.
    for _ in 0..12 {
        let (tenant, channel) = (flood.clone(), flooder.clone());
        calls.spawn(async move { tenant.profile(&channel).await });
    }
    let refused = beside("a refusal", calls.join_next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::RateLimited, "{refused:?}");
    assert!(refused.retry_after.is_some() && refused.remedy.is_some(), "{refused:?}");
    struck(&stage.simulator).await;

    beside("a call", quiet.profile(&calm)).await.unwrap();
    let service = Service {
        router: router(State::new(stage.host.clone(), Config::default()).unwrap()),
        key: String::new(),
        stage,
    };
    let get = async |key: &SecretText, channel: &str| {
        let path = format!("/api/v1/channels/{channel}/profile");
        beside("a request", service.call_with(key.expose(), Method::GET, &path, Value::Null)).await.unwrap()
    };
    let answer = get(&flood_key, &flooder).await;
    assert_eq!((answer.status, answer.header("retry-after").as_str()), (StatusCode::TOO_MANY_REQUESTS, "5"));
    assert_eq!(get(&quiet_key, &calm).await.status, StatusCode::OK);
    // A caller that goes away gives place and turn back.
    calls.shutdown().await;
    assert_eq!(get(&flood_key, &flooder).await.status, StatusCode::OK);
}

/// Five channels of one tenant hang; a worker with four places still runs the other tenant's job.
async fn jobs_beside_a_flood(background: bool) {
    let names = ["flooder-0", "flooder-1", "flooder-2", "flooder-3", "flooder-4", "quiet.one"];
    let stage = stage(&names, |builder| builder.jobs_at_once(4).background(background)).await;
    let (flood, quiet) = (named(&stage, "flood"), named(&stage, "quiet"));
    let media = stage.video(4_096).unwrap();
    for name in &names[..5] {
        let channel = connected(&stage, &flood, name).await;
        let init = Fault::new(NEVER).account(name).path("/v2/post/publish/video/init/");
        stage.simulator.faults().add(init);
        flood.publish(&channel, request("flood", media.clone())).await.unwrap();
    }
    let channel = connected(&stage, &quiet, "quiet.one").await;
    let hanging = async || {
        let armed = stage.simulator.faults().armed().len();
        (armed <= 2).then_some(())
    };
    let worker = stage.host.clone();
    let worker = tokio::spawn(async move {
        if !background {
            worker.work(None).await.unwrap();
        }
    });
    until("a worker full of jobs that hang", hanging).await;
    let job = quiet.publish(&channel, request("quiet", media)).await.unwrap();
    let job = quiet.wait_for_job(&job.id, PATIENCE).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    worker.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_tenant_whose_platform_hangs_hold_up_nobody_else() {
    jobs_beside_a_flood(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_in_the_background() {
    jobs_beside_a_flood(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_do_not_end_leave_room_for_another_tenants() {
    let stage = Stage::new().await.unwrap();
    let (flood, quiet) = (named(&stage, "flood"), named(&stage, "quiet"));
    let new = || NewUpload { limit: 1 << 20, ..NewUpload::default() };
    let mut uploads = JoinSet::new();
    for _ in 0..300 {
        let flood = flood.clone();
        uploads.spawn(async move { flood.keep_upload(new(), futures::stream::pending()).await });
    }
    let folder = stage.folder.path().join("uploads");
    let open = || -> usize {
        let tenants = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        tenants.map(|tenant| std::fs::read_dir(tenant.path()).unwrap().count()).sum()
    };
    // Three quarters of 256.
    until("a tenant's share of uploads", async || (open() == 192).then_some(())).await;
    let bytes = futures::stream::iter([Ok(vec![7; 1000].into())]);
    let kept = beside("an upload", quiet.keep_upload(new(), bytes)).await.unwrap();
    assert_eq!((kept.size, open()), (1000, 193));
    uploads.shutdown().await;
    until("the flood's files are removed", async || (open() == 1).then_some(())).await;
    let bytes = futures::stream::iter([Ok(vec![7; 1000].into())]);
    beside("who flooded", flood.keep_upload(new(), bytes)).await.unwrap();
}

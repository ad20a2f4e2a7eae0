//! A worker that is stopped for longer than its lease lasts and wakes up late: real processes, SIGSTOP. Another worker
//! has taken over meanwhile, and the first may neither send nor store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use library_tests::{Stage, request, until, world};
use social_channel::{Job, JobStatus};
use tiktok_simulator::{Action, Fault};

const INIT: &str = "/v2/post/publish/video/init/";
/// The same as for the chaos test's workers.
const TAKEOVER: Duration = Duration::from_secs(3);
/// Longer than a lease, so that the response arrives when the worker wakes up.
const LATE_ANSWER: Action = Action::Delay { ms: 4_000 };

struct Worker(Child);

impl Worker {
    fn start(stage: &Stage) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_chaos"))
            .arg("worker")
            .arg(stage.folder.path())
            .arg(stage.simulator.origin())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Worker(child)
    }

    /// Stops it, and not in the middle of a write: it would keep the database's lock from the other worker.
    async fn stall(&self, stage: &Stage) {
        for _ in 0..10 {
            self.signal("-STOP");
            let write = tokio::time::timeout(Duration::from_millis(500), stage.host.check_database());
            if matches!(write.await, Ok(Ok(()))) {
                return;
            }
            self.signal("-CONT");
        }
        panic!("the worker holds the database's lock whenever it is stopped");
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("sh").args(["-c", &format!("kill {name} {}", self.0.id())]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One worker starts the job and is stopped when `reached` holds; another one finishes it; the first wakes up, and
/// publishes the next job, which shows that it is awake.
async fn overtaken(fault: Fault, reached: impl Fn(&Stage) -> bool) -> (Stage, Job) {
    let stage =
        Stage::in_world(world(), |builder| builder.background(false).takeover(TAKEOVER)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(fault);
    let media = stage.video(4_096).unwrap();
    let job = stage.tenant.publish(&channel, request("first", media.clone())).await.unwrap();
    let stalled = Worker::start(&stage);
    until("the request", async || reached(&stage).then_some(())).await;
    stalled.stall(&stage).await;
    let other = Worker::start(&stage);
    let ended = stage.wait(&job.id).await.unwrap();
    assert_eq!(ended.status, JobStatus::Published, "{ended:?}");
    drop(other);
    let history = stage.tenant.job_history(&job.id).await.unwrap();
    stalled.signal("-CONT");
    let next = stage.tenant.publish(&channel, request("second", media)).await.unwrap();
    let next = stage.wait(&next.id).await.unwrap();
    assert_eq!(next.status, JobStatus::Published, "the stalled worker is awake: {next:?}");
    assert_eq!(stage.tenant.job_history(&job.id).await.unwrap(), history, "it stored nothing of the first");
    (stage, ended)
}

fn posted(stage: &Stage, caption: &str) -> usize {
    stage.simulator.world().published().iter().filter(|publish| publish.caption == caption).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stalled_in_a_repeatable_step_wakes_up_and_cannot_go_on() {
    let fault = Fault::new(LATE_ANSWER).path(INIT).after();
    let (stage, _) = overtaken(fault, |stage| !stage.simulator.world().publishes.is_empty()).await;
    assert_eq!((posted(&stage, "first"), posted(&stage, "second")), (1, 1));
    assert_eq!(stage.requests(INIT), 3, "the first job's was repeated by the other worker");
    assert_eq!(stage.requests("/upload"), 2, "the stalled worker's own upload was never begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stalled_in_the_request_that_posts_is_settled_by_another() {
    let fault = Fault::new(LATE_ANSWER).method("PUT").after();
    let (stage, job) = overtaken(fault, |stage| {
        stage.simulator.world().publishes.iter().any(|publish| publish.bytes == 4_096)
    })
    .await;
    assert_eq!((posted(&stage, "first"), posted(&stage, "second")), (1, 1));
    assert_eq!((stage.requests(INIT), stage.requests("/upload")), (2, 2), "nothing was sent twice");
    assert!(job.sent_at.is_some());
}

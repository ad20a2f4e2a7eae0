//! Killed at any point, published once: real processes, `SIGKILL`, checked with the simulator's log.

use std::process::Stdio;
use std::time::Duration;

use library_tests::{Stage, until};
use social_channel::{Job, JobStatus};
use tiktok_simulator::{Action, Fault};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const SIZE: u64 = 70_000_000;

struct Publisher {
    process: Child,
    job: String,
}

/// A process that publishes a video of `size` bytes; it has stored the job when this returns.
async fn publisher(stage: &Stage, channel: &str, size: u64) -> Publisher {
    let mut process = Command::new(env!("CARGO_BIN_EXE_library-process"))
        .arg(stage.folder.path())
        .args([&stage.simulator.origin(), "publish", channel, &size.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let job = lines.next_line().await.unwrap().expect("the process stored no job");
    Publisher { process, job }
}

/// Kills the process as soon as the simulator's log satisfies `seen`.
async fn kill_when(stage: &Stage, publisher: &mut Publisher, seen: impl Fn(&Stage) -> bool) {
    let Publisher { process, .. } = publisher;
    tokio::select! {
        () = until("what it is killed at", async || seen(stage).then_some(())) => {}
        status = process.wait() => panic!("the process ended before it could be killed: {status:?}"),
    }
    process.kill().await.unwrap();
}

async fn resumed(stage: &Stage, publisher: &Publisher) -> Job {
    stage.tenant.resume_job(&publisher.job).await.unwrap();
    stage.wait(&publisher.job).await.unwrap()
}

fn assert_posted_once(stage: &Stage, job: &Job) {
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    let world = stage.simulator.world();
    assert_eq!(world.published().len(), 1);
    assert!(stage.simulator.violations().is_empty());
}

fn uploads(stage: &Stage) -> usize {
    stage.simulator.log().iter().filter(|exchange| exchange.method == "PUT" && exchange.status == 206).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_right_after_the_job_was_stored() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let mut publisher = publisher(&stage, &channel, SIZE).await;
    publisher.process.kill().await.unwrap();
    let job = resumed(&stage, &publisher).await;
    assert_posted_once(&stage, &job);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_init_and_the_first_chunk() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 60_000 }).method("PUT"));
    let mut publisher = publisher(&stage, &channel, SIZE).await;
    kill_when(&stage, &mut publisher, |stage| stage.requests("/v2/post/publish/video/init/") == 1).await;
    stage.simulator.faults().clear();
    let job = resumed(&stage, &publisher).await;
    assert_posted_once(&stage, &job);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_first_chunk_goes_on_with_the_second() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 60_000 }).method("PUT").nth(2));
    let mut publisher = publisher(&stage, &channel, SIZE).await;
    kill_when(&stage, &mut publisher, |stage| uploads(stage) == 1).await;
    stage.simulator.faults().clear();
    let job = resumed(&stage, &publisher).await;
    assert_posted_once(&stage, &job);
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 1, "nothing was begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_chunk() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    // The simulator has the head of the PUT and reads no further, and more data than fits into buffers remains to
    // be sent.
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 60_000 }).method("PUT"));
    let mut publisher = publisher(&stage, &channel, SIZE).await;
    kill_when(&stage, &mut publisher, |stage| stage.simulator.faults().armed().is_empty()).await;
    stage.simulator.faults().clear();
    let job = resumed(&stage, &publisher).await;
    assert_posted_once(&stage, &job);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_answer_to_the_last_chunk_is_under_way() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let slow = Action::SlowBody { pieces: 2, pause_ms: 60_000 };
    stage.simulator.faults().add(Fault::new(slow).method("PUT").after().times(0));
    let mut publisher = publisher(&stage, &channel, 5_000_000).await;
    kill_when(&stage, &mut publisher, |stage| {
        stage.simulator.world().publishes.iter().any(|publish| publish.bytes == 5_000_000)
    })
    .await;
    stage.simulator.faults().clear();
    let job = resumed(&stage, &publisher).await;
    assert_posted_once(&stage, &job);
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 1, "nothing was begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_over_from_a_killed_process() {
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 60_000 }).method("PUT").nth(2));
    let mut publisher = publisher(&stage, &channel, SIZE).await;
    kill_when(&stage, &mut publisher, |stage| uploads(stage) == 1).await;
    stage.simulator.faults().clear();
    let worker = stage.second_host().await.unwrap();
    let work = tokio::spawn({
        let worker = worker.clone();
        async move { worker.work(None).await }
    });
    let job = stage.wait(&publisher.job).await.unwrap();
    assert_posted_once(&stage, &job);
    worker.shutdown(Duration::from_secs(10)).await;
    assert!(work.await.unwrap().unwrap().jobs >= 1);
}

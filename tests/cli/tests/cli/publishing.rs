//! Publishing manually: typing errors, schedules, interruption with Ctrl-C, and resuming.

use std::time::Duration;

use cli_tests::{PATIENCE, Stage, finish, interrupt};
use serde_json::Value;
use tiktok_simulator::{Action, Fault};

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_a_job_that_resume_finishes_with_one_post() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(70_000_000).unwrap();
    // The second chunk hangs until the stop signal has arrived.
    stage
        .simulator
        .faults()
        .add(Fault::new(Action::Delay { ms: 20_000 }).path("/video/*").content_range("bytes 64").times(1));
    let words = format!("publish {channel} clip.mp4 --text once --visibility SELF_ONLY --idempotency-key k1");
    let child = stage.command(words.split(' ')).spawn().unwrap();
    let begun = async {
        while stage.simulator.log().iter().filter(|exchange| exchange.method == "PUT").count() < 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    interrupt(&child).await.unwrap();
    let stopped = finish(child).await.unwrap();
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert!(stopped.stderr.contains("stopped:"), "{stopped:?}");
    let job = jobs(&stage).await[0].clone();
    let id = job["id"].as_str().unwrap();
    assert_eq!(job["status"], "active");
    assert!(stopped.stderr.contains(&format!("social-channel jobs resume {id}")), "{stopped:?}");
    assert!(stage.simulator.world().published().is_empty());
    stage.simulator.faults().clear();

    let resumed = stage.say(&format!("jobs resume {id} --format json")).await.unwrap().done();
    assert_eq!(resumed.json()["status"], "published");
    // Repeating the command returns the same job.
    let again = stage.say(&format!("{words} --format json")).await.unwrap().done();
    assert_eq!(again.json()["id"], id);
    assert_eq!(stage.simulator.world().published().len(), 1);
    assert_eq!(jobs(&stage).await.len(), 1);
    assert!(stage.simulator.violations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_after_ctrl_c_makes_no_second_job_without_a_key_either() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    let words = format!("publish {channel} clip.mp4 --text once --visibility SELF_ONLY");
    let job = stage.say(&format!("{words} --no-wait --format json")).await.unwrap().done().json();
    let id = job["id"].as_str().unwrap();
    for again in [&words, &format!("{words} --no-wait")] {
        let ran = stage.say(again).await.unwrap();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(id) && ran.stderr.contains("jobs resume"), "{ran:?}");
    }
    assert_eq!(jobs(&stage).await.len(), 1);
    // Nor does the same command for the same instant.
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 7_200;
    let later = |at: u64| format!("{} --publish-at {at} --no-wait", words.replace("once", "later"));
    stage.say(&later(at)).await.unwrap().done();
    let ran = stage.say(&later(at)).await.unwrap();
    assert!(ran.code == 1 && ran.stderr.contains("at its time"), "{ran:?}");
    stage.say(&later(at + 60)).await.unwrap().done();
    assert_eq!(jobs(&stage).await.len(), 3);
    // Other words, and a key, say that another post is meant.
    stage.say(&format!("{} --no-wait", words.replace("once", "twice"))).await.unwrap().done();
    stage.say(&format!("{words} --no-wait --idempotency-key second")).await.unwrap().done();
    assert_eq!(jobs(&stage).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_over_or_in_milliseconds_is_refused() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    for at in ["2020-01-01T00:00:00Z", "1798131600000", "9223372036854775807", "+1000d"] {
        let words = format!("publish {channel} clip.mp4 --text x --visibility SELF_ONLY --publish-at {at}");
        let ran = stage.say(&words).await.unwrap();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("the time to publish at, "), "{ran:?}");
        let checked = stage.say(&format!("{words} --check")).await.unwrap();
        assert_eq!(checked.code, 1, "{checked:?}");
        assert!(checked.stdout.contains("the time to publish at, "), "{checked:?}");
    }
    assert!(jobs(&stage).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_form_no_longer_takes_is_not_tried_again() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    let words = format!(
        "publish {channel} clip.mp4 --text x --visibility PUBLIC_TO_EVERYONE --publish-at +2h --no-wait --format json"
    );
    let id = stage.say(&words).await.unwrap().done().json()["id"].as_str().unwrap().to_owned();
    stage.say(&format!("jobs cancel {id}")).await.unwrap();
    stage.simulator.edit(|world| world.accounts.iter_mut().for_each(|account| account.private = true));
    let ran = stage.say(&format!("jobs retry {id}")).await.unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("does not offer visibility") && ran.stderr.contains("hint: "), "{ran:?}");
    assert_eq!(jobs(&stage).await.len(), 1, "nothing is stored");
}

async fn jobs(stage: &Stage) -> Vec<Value> {
    let Value::Array(jobs) = stage.say("jobs list --format json").await.unwrap().done().json() else {
        unreachable!("jobs are a list");
    };
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_visibility_is_refused_with_the_values_on_offer_and_leaves_no_job() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    for words in ["--text x", "--text x --visibility NOBODY"] {
        let ran = stage.say(&format!("publish {channel} clip.mp4 {words}")).await.unwrap();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("hint: --visibility takes PUBLIC_TO_EVERYONE (Everyone)"), "{ran:?}");
        let check = stage.say(&format!("publish {channel} clip.mp4 {words} --check")).await.unwrap();
        assert_eq!(check.code, 1, "{check:?}");
        assert!(check.stdout.contains("visibility"), "{check:?}");
    }
    let gone =
        stage.say(&format!("publish {channel} gone.mp4 --text x --visibility SELF_ONLY")).await.unwrap();
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.stderr.contains("gone.mp4 cannot be read"), "{gone:?}");
    assert!(jobs(&stage).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scheduled_waits_for_a_worker_and_can_be_changed_and_cancelled() {
    let (stage, channel) = Stage::connected().await.unwrap();
    stage.video(6_000_000).unwrap();
    let words = |text: &str| {
        format!(
            "publish {channel} clip.mp4 --text {text} --visibility SELF_ONLY --publish-at +1d --format json"
        )
    };
    let first = stage.say(&words("later")).await.unwrap().done().json();
    let second = stage.say(&words("another")).await.unwrap().done().json();
    let (first, second) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    let round = stage.say("work --once --format json").await.unwrap().done().json();
    assert_eq!(round["jobs"], 0, "nothing is due");
    let changed = stage
        .say(&format!("jobs change {first} --publish-at +0s --text sooner --format json"))
        .await
        .unwrap();
    assert_eq!(changed.done().json()["post"]["text"], "sooner");
    let cancelled = stage.say(&format!("jobs cancel {second} --format json")).await.unwrap().done().json();
    assert_eq!(cancelled["status"], "cancelled");
    // The platform processes the video before it reports it as published: the worker runs until then.
    let worker = stage.command(["work"]).spawn().unwrap();
    let done =
        stage.say(&format!("jobs wait {first} --timeout 60 --format json")).await.unwrap().done().json();
    assert_eq!(done["status"], "published");
    interrupt(&worker).await.unwrap();
    finish(worker).await.unwrap().done();
    let shown = stage.say(&format!("jobs show {first}")).await.unwrap().done();
    assert!(shown.stdout.contains("continue_publish"), "{shown:?}");
    assert_eq!(stage.simulator.world().published().len(), 1);
    let again = stage.say(&format!("jobs retry {first}")).await.unwrap();
    assert_eq!(again.code, 1, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_resolved_by_the_person() {
    let (stage, channel) = Stage::connected().await.unwrap();
    let ran = stage.say("jobs resolve job_0 --posted").await.unwrap();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("there is no job job_0"), "{ran:?}");
    stage.video(6_000_000).unwrap();
    let job = stage
        .say(&format!("publish {channel} clip.mp4 --text x --visibility SELF_ONLY --no-wait --format json"))
        .await
        .unwrap()
        .done()
        .json();
    let id = job["id"].as_str().unwrap();
    let early = stage.say(&format!("jobs resolve {id} --not-posted")).await.unwrap();
    assert_eq!(early.code, 1, "a job that goes on has nothing to resolve: {early:?}");
    assert_eq!(stage.say(&format!("jobs resolve {id}")).await.unwrap().code, 1, "one answer must be given");
}

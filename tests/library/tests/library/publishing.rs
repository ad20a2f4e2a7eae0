//! Publishing in special cases: decisions of a person, times, order of jobs, quotas, lost responses, webhooks.

use std::sync::Arc;
use std::time::Duration;

use library_tests::{APP, Stage, request, signed_webhook, struck};
use social_channel::model::{Media, OptionValue};
use social_channel::{
    Clock as _, ErrorKind, Health, Job, JobChange, JobStatus, MovedClock, Resolution, Webhook,
};
use tiktok_simulator::{Action, Fault, World};

/// A host whose jobs are run by `work` only, and whose clock moves with the simulator's.
async fn moved(world: World) -> (Stage, Arc<MovedClock>) {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let stage = Stage::in_world(world, |builder| builder.clock(ours).background(false)).await.unwrap();
    (stage, clock)
}

async fn work(stage: &Stage) {
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
}

async fn to_the_end(stage: &Stage, clock: &MovedClock, id: &str) -> Job {
    stage.to_the_end(clock, id).await.unwrap()
}

fn posted(stage: &Stage) -> usize {
    stage.simulator.world().published().len()
}

fn pull(stage: &Stage) -> social_channel::PublishRequest {
    let media = stage.video(4_096).unwrap();
    let public_url = Some("https://media.example.com/video.mp4".to_owned());
    let mut request = request("pulled", Media { public_url, ..media });
    request.post.options.insert("transfer".to_owned(), OptionValue::Text("pull".to_owned()));
    request
}

async fn with_verified_address(stage: &Stage) {
    let mut config = library_tests::app_config();
    config.settings.insert("verified-urls".to_owned(), "media.example.com".into());
    stage.host.put_app(APP, config).await.unwrap();
}

/// A job whose request that makes the post was lost, and whose outcome stays unknown.
async fn unknown(stage: &Stage, clock: &MovedClock) -> Job {
    with_verified_address(stage).await;
    let channel = stage.connect().await.unwrap().id;
    let init = Fault::new(Action::Reset).path("/v2/post/publish/video/init/").after();
    stage.simulator.faults().add(init);
    let job = stage.tenant.publish(&channel, pull(stage)).await.unwrap();
    to_the_end(stage, clock, &job.id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pull_is_never_repeated_and_a_person_says_what_became_of_it() {
    let (stage, clock) = moved(library_tests::world()).await;
    let job = unknown(&stage, &clock).await;
    assert_eq!(job.status, JobStatus::Unknown, "{job:?}");
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 1);
    let error = job.error.unwrap();
    for part in ["pulled", "video-4096.mp4", "UTC", "not known"] {
        assert!(error.message.contains(part), "{part}: {}", error.message);
    }
    assert!(error.remedy.is_some());
    assert_eq!(stage.tenant.retry_job(&job.id, false).await.unwrap_err().kind, ErrorKind::InvalidRequest);
    let found = Resolution { posted: false, ..Resolution::default() };
    let anna = stage.tenant.clone().made_by("Anna").unwrap();
    let resolved = anna.resolve_job(&job.id, found.clone()).await.unwrap();
    assert_eq!(resolved.status, JobStatus::Failed);
    assert_eq!(resolved.resolution, Some(found.clone()));
    let again = stage.tenant.resolve_job(&job.id, found).await.unwrap();
    assert_eq!(again.status, JobStatus::Failed, "said twice it is the same");
    let other = Resolution { posted: true, ..Resolution::default() };
    assert_eq!(
        stage.tenant.resolve_job(&job.id, other).await.unwrap_err().kind,
        ErrorKind::InvalidRequest,
        "what was said stands"
    );
    let retried = stage.tenant.retry_job(&job.id, false).await.unwrap();
    assert_eq!(retried.retry_of.as_deref(), Some(job.id.as_str()));
    let history = stage.tenant.job_history(&job.id).await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((last.call.as_str(), last.by.as_deref()), ("resolve", Some("Anna")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_with_a_job_says_who_did_it() {
    let (stage, clock) = moved(library_tests::world()).await;
    let by = |who: &str| stage.tenant.clone().made_by(who).unwrap();
    for nobody in ["", " ", "a\nb", &"x".repeat(1_025)] {
        assert_eq!(stage.tenant.clone().made_by(nobody).unwrap_err().field.as_deref(), Some("by"));
    }
    let channel = stage.connect().await.unwrap();
    assert_eq!(channel.connected_by, None, "nobody gave a name");
    let mut later = request("later", stage.video(4_096).unwrap());
    later.publish_at = Some(clock.now_ms() / 1000 + 3_600);
    let job = by("Anna").publish(&channel.id, later).await.unwrap();
    assert_eq!(job.submitted_by.as_deref(), Some("Anna"));
    by("Ben").change_job(&job.id, JobChange { priority: Some(1), ..JobChange::default() }).await.unwrap();
    by("Cem").resume_job(&job.id).await.unwrap();
    // It is due already, so there is nothing to resume.
    by("Cem").resume_job(&job.id).await.unwrap();
    by("Dana").cancel_job(&job.id).await.unwrap();
    by("Emil").cancel_job(&job.id).await.unwrap();
    to_the_end(&stage, &clock, &job.id).await;
    let history = stage.tenant.job_history(&job.id).await.unwrap();
    let said: Vec<_> = history.iter().map(|row| (row.call.as_str(), row.by.as_deref())).collect();
    let expected = [
        ("change", Some("Ben")),
        ("resume", Some("Cem")),
        ("cancel", Some("Dana")),
        ("cancel_publish", None),
    ];
    assert_eq!(said, expected);
    let again = by("Emil").retry_job(&job.id, false).await.unwrap();
    assert_eq!(again.submitted_by.as_deref(), Some("Emil"));
    assert_eq!(stage.tenant.job(&job.id).await.unwrap().submitted_by.as_deref(), Some("Anna"));
    // A disconnect cancels the jobs.
    by("Finn").disconnect(&channel.id).await.unwrap();
    let history = stage.tenant.job_history(&again.id).await.unwrap();
    assert_eq!((history[0].call.as_str(), history[0].by.as_deref()), ("cancel", Some("Finn")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_a_person_found_is_published_with_its_page() {
    let (stage, clock) = moved(library_tests::world()).await;
    let job = unknown(&stage, &clock).await;
    let url = "https://www.tiktok.com/@demo.kitchen/video/7".to_owned();
    let wrong = Resolution { posted: true, url: Some("7".to_owned()), post_id: None };
    assert_eq!(stage.tenant.resolve_job(&job.id, wrong).await.unwrap_err().field.as_deref(), Some("url"));
    let found = Resolution { posted: true, url: Some(url.clone()), post_id: Some("7".to_owned()) };
    let job = stage.tenant.resolve_job(&job.id, found).await.unwrap();
    assert_eq!((job.status, job.url, job.error.is_none()), (JobStatus::Published, Some(url), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_init_of_an_upload_is_repeated() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    let init = Fault::new(Action::Reset).path("/v2/post/publish/video/init/").after();
    stage.simulator.faults().add(init);
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!((stage.requests("/v2/post/publish/video/init/"), posted(&stage)), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_chunk_is_settled_by_the_status() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Reset).method("PUT").after());
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!((stage.requests("/v2/post/publish/video/init/"), stage.requests("/upload")), (1, 1));
    assert!(job.sent_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_its_time_and_ends_at_its_deadline() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    let now = clock.now_ms() / 1000;
    let mut later = request("later", stage.video(4_096).unwrap());
    later.publish_at = Some(now + 3_600);
    later.deadline_at = Some(now + 7_200);
    let job = stage.tenant.publish(&channel, later.clone()).await.unwrap();
    work(&stage).await;
    assert_eq!(stage.requests("/v2/post/publish/video/"), 0);
    let broken = Action::Status { status: 503, code: None, retry_after: None };
    stage.simulator.faults().add(Fault::new(broken).path("/v2/post/*").times(0));
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert!(clock.now_ms() / 1000 >= job.deadline_at);
    assert_eq!(posted(&stage), 0);
    later.publish_at = None;
    later.deadline_at = Some(now);
    let error = stage.tenant.publish(&channel, later.clone()).await.unwrap_err();
    assert_eq!(error.field.as_deref(), Some("deadline_at"));
    later.priority = 101;
    assert_eq!(stage.tenant.publish(&channel, later).await.unwrap_err().field.as_deref(), Some("priority"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visibility_that_is_no_longer_offered_stops_the_job_and_asks() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    let mut later = request("later", stage.video(4_096).unwrap());
    later.publish_at = Some(clock.now_ms() / 1000 + 3_600);
    let job = stage.tenant.publish(&channel, later.clone()).await.unwrap();
    stage.simulator.edit(|world| world.accounts[0].private = true);
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Paused, "{job:?}");
    let error = job.error.clone().unwrap();
    assert_eq!(error.field.as_deref(), Some("visibility"), "{error:?}");
    assert!(job.next_attempt_at.is_none(), "it waits for a person");
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 0);
    let mut post = later.post;
    post.visibility = Some("SELF_ONLY".to_owned());
    stage.tenant.change_job(&job.id, JobChange { post: Some(post), ..JobChange::default() }).await.unwrap();
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!(posted(&stage), 1);
    let error = stage.tenant.change_job(&job.id, JobChange::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "nothing is changed of what is out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_allowance_holds_the_job_and_shows_in_it() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let mut jobs = Vec::new();
    for number in 0..7 {
        let request = request(&format!("{number}"), media.clone());
        jobs.push(stage.tenant.publish(&channel, request).await.unwrap().id);
    }
    work(&stage).await;
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 6);
    let mut held = Vec::new();
    for id in &jobs {
        let job = stage.tenant.job(id).await.unwrap();
        if job.phase == "waiting" {
            held.push(job);
        }
    }
    let [job] = held.as_slice() else { panic!("one is held: {held:?}") };
    let quota = job.quotas.iter().find(|quota| quota.name == "video-init").unwrap();
    assert_eq!((quota.used, quota.maximum), (6, Some(6)));
    assert_eq!(job.error.as_ref().unwrap().kind, ErrorKind::QuotaExceeded);
    assert!(job.next_attempt_at.is_some());
    for id in &jobs {
        let job = to_the_end(&stage, &clock, id).await;
        assert_eq!(job.status, JobStatus::Published, "{job:?}");
    }
    let refused: Vec<_> =
        stage.simulator.log().into_iter().filter(|exchange| exchange.refusal.is_some()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_due_jobs_the_urgent_goes_first() {
    let (stage, _clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    for (text, priority) in [("usual", 0), ("late", -5), ("urgent", 5)] {
        let mut request = request(text, media.clone());
        request.priority = priority;
        stage.tenant.publish(&channel, request).await.unwrap();
    }
    work(&stage).await;
    let order: Vec<String> =
        stage.simulator.world().publishes.iter().map(|publish| publish.caption.clone()).collect();
    assert_eq!(order, ["urgent", "usual", "late"], "one at a time, as they were due");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changed_is_refused_and_nothing_is_posted() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Reset).method("PUT").nth(2).times(0));
    let job = stage.tenant.publish(&channel, request("x", stage.video(70_000_000).unwrap())).await.unwrap();
    work(&stage).await;
    stage.simulator.faults().clear();
    assert_eq!(stage.requests("/v2/post/publish/video/init/"), 1);
    // The same name and size, written again.
    stage.video(70_000_000).unwrap();
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert_eq!(job.error.unwrap().field.as_deref(), Some("media"));
    assert_eq!(posted(&stage), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_address_expired_begins_again_and_posts_once() {
    let (stage, clock) = moved(library_tests::world()).await;
    let channel = stage.connect().await.unwrap().id;
    // The first chunk arrives, the others are interrupted.
    stage.simulator.faults().add(Fault::new(Action::Reset).method("PUT").nth(2).times(0));
    let job = stage.tenant.publish(&channel, request("x", stage.video(70_000_000).unwrap())).await.unwrap();
    work(&stage).await;
    stage.simulator.faults().clear();
    assert!(stage.requests("/upload") >= 2);
    assert_eq!(stage.simulator.world().publishes[0].chunks, 1);
    stage.advance(&clock, Duration::from_secs(3_700));
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!((stage.requests("/v2/post/publish/video/init/"), posted(&stage)), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_cancelled_between_its_chunks() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.faults().add(Fault::new(Action::Delay { ms: 60_000 }).method("PUT"));
    let job = stage.tenant.publish(&channel, request("x", stage.video(70_000_000).unwrap())).await.unwrap();
    struck(&stage.simulator).await;
    stage.tenant.cancel_job(&job.id).await.unwrap();
    let job = stage.wait(&job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Cancelled, "{job:?}");
    assert_eq!(posted(&stage), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_kept_for_as_long_as_is_asked() {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let keep = Duration::from_secs(24 * 3_600);
    let stage = Stage::in_world(library_tests::world(), |builder| {
        builder.clock(ours).background(false).history(keep)
    })
    .await
    .unwrap();
    let channel = stage.connect().await.unwrap().id;
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    to_the_end(&stage, &clock, &job.id).await;
    let history = stage.tenant.job_history(&job.id).await.unwrap();
    assert_eq!(history[0].call, "begin_publish");
    let text = format!("{history:?}");
    assert!(!text.contains("act.") && !text.contains("upload_token"), "no secret: {text}");
    stage.advance(&clock, keep + Duration::from_secs(60));
    work(&stage).await;
    // Attempts of this round are new.
    let kept = stage.tenant.job_history(&job.id).await.unwrap();
    assert!(kept.iter().all(|attempt| attempt.at_ms >= clock.now_ms() - 60_000), "{kept:?}");
    assert_eq!(stage.tenant.job(&job.id).await.unwrap().status, JobStatus::Published);
}

/// The platform's webhook deliveries; nothing listens for them, so the test passes them in.
fn deliveries(stage: &Stage, event: &str) -> Vec<Webhook> {
    let world = stage.simulator.world();
    let now = stage.simulator.clock().now_ms() / 1000;
    world
        .webhooks
        .iter()
        .filter(|delivery| delivery.event == event)
        .map(|delivery| signed_webhook(now, delivery.body.clone()))
        .collect()
}

fn with_webhooks() -> World {
    let mut world = library_tests::world();
    for app in &mut world.apps {
        app.webhook_url = Some("https://app.example.com/webhooks".to_owned());
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_webhook_changes_nothing() {
    let (stage, _clock) = moved(with_webhooks()).await;
    let channel = stage.connect().await.unwrap().id;
    assert!(stage.simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    let mut webhook = deliveries(&stage, "authorization.removed").remove(0);
    webhook.body.push(b' ');
    let error = stage.host.receive_webhook(APP, webhook).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden, "{error:?}");
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_ends_the_right_account_and_none_that_was_connected_since() {
    let (stage, clock) = moved(with_webhooks()).await;
    let channel = stage.connect().await.unwrap().id;
    stage.simulator.edit(|world| world.switches.auto_consent.account = Some("walk.in".to_owned()));
    let other = stage.connect().await.unwrap().id;
    stage.simulator.edit(|world| world.switches.auto_consent.account = None);
    assert_ne!(channel, other);
    assert!(stage.simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    let removal = deliveries(&stage, "authorization.removed").remove(0);
    let answer = stage.host.receive_webhook(APP, removal).await.unwrap();
    assert_eq!(answer.new_events, 1);
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::NeedsReconnect);
    assert_eq!(stage.tenant.channel(&other).await.unwrap().health, Health::Active);
    // After reconnecting, the old webhook arrives again.
    stage.advance(&clock, Duration::from_secs(60));
    assert_eq!(stage.connect().await.unwrap().id, channel);
    let redelivered = deliveries(&stage, "authorization.removed").remove(0);
    let answer = stage.host.receive_webhook(APP, redelivered).await.unwrap();
    assert_eq!(answer.new_events, 0);
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_ended_connection_waits_for_the_person_and_then_goes_on() {
    let (stage, clock) = moved(with_webhooks()).await;
    let channel = stage.connect().await.unwrap().id;
    let mut later = request("later", stage.video(4_096).unwrap());
    later.publish_at = Some(clock.now_ms() / 1000 + 600);
    let job = stage.tenant.publish(&channel, later).await.unwrap();
    assert!(stage.simulator.remove_grant("simkey-desktop", "demo.kitchen", 1));
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!((job.status, job.error.unwrap().kind), (JobStatus::Paused, ErrorKind::Unauthorized));
    assert_eq!(stage.connect().await.unwrap().id, channel);
    let job = to_the_end(&stage, &clock, &job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
}

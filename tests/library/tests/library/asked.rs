//! What is refused when it is asked for, what is kept all the same, and what a repeated wish comes to.

use std::sync::Arc;
use std::time::Duration;

use library_tests::{APP, Stage, request, struck};
use social_channel::model::{OptionValue, Post, Severity};
use social_channel::{
    Clock as _, Error, ErrorKind, JobChange, JobGroup, JobStatus, MovedClock, PublishRequest, Resolution,
};
use tiktok_simulator::{Action, Fault};

/// A host whose jobs are driven by `work` only, and whose clock moves with the simulator's.
async fn moved() -> (Stage, Arc<MovedClock>) {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let world = library_tests::world();
    let stage = Stage::in_world(world, |builder| builder.clock(ours).background(false)).await.unwrap();
    (stage, clock)
}

async fn work_on(stage: &Stage, clock: &MovedClock, id: &str) -> JobStatus {
    for _ in 0..50 {
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        let job = stage.tenant.job(id).await.unwrap();
        if job.status != JobStatus::Active {
            return job.status;
        }
        let wait = job.next_attempt_at.map_or(1, |at| (at - clock.now_ms() / 1000).max(0) + 1);
        stage.simulator.clock().advance(Duration::from_secs(wait.unsigned_abs()));
        clock.advance(Duration::from_secs(wait.unsigned_abs()));
    }
    panic!("the job does not end: {:?}", stage.tenant.job(id).await.unwrap());
}

fn is_invalid(error: &Error, field: &str) {
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(field)), "{error:?}");
    assert!(error.remedy.is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_form_refuses_is_refused_when_it_is_asked_for_and_nothing_is_stored() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let good = || request("x", media.clone());
    let with = |change: &dyn Fn(&mut Post)| {
        let mut request = good();
        change(&mut request.post);
        request
    };
    let option = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), OptionValue::Text(value.to_owned()));
        with(&|post| drop(post.options.insert(name.clone(), value.clone())))
    };
    let bad = [
        (with(&|post| post.kind = "poll".to_owned()), "kind"),
        (with(&|post| post.visibility = Some("EVERYBODY_IN_TOWN".to_owned())), "visibility"),
        (with(&|post| post.visibility = None), "visibility"),
        (with(&|post| post.text = Some("x".repeat(2_201))), "text"),
        (option("nosuch", "x"), "nosuch"),
        (option("transfer", "by-pigeon"), "transfer"),
    ];
    for (request, field) in &bad {
        let refused = stage.tenant.publish(&channel, request.clone()).await.unwrap_err();
        is_invalid(&refused, field);
        // A check says the same, once.
        let found = stage.tenant.check_post(&channel, &request.post, &request.media).await.unwrap();
        let found: Vec<_> = found.into_iter().filter(|one| one.severity == Severity::Error).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.as_str(), &found[0].message), (*field, &refused.message));
        assert_eq!(found[0].remedy, refused.remedy);
    }
    assert!(stage.tenant.jobs(None, None, 10).await.unwrap().is_empty(), "nothing is stored");
    // Nor is a good job made a bad one.
    // TikTok answers twenty questions in a minute.
    stage.advance(&clock, Duration::from_secs(120));
    let later = PublishRequest { publish_at: Some(clock.now_ms() / 1_000 + 3_600), ..good() };
    let job = stage.tenant.publish(&channel, later).await.unwrap();
    for (request, field) in bad {
        let change = JobChange { post: Some(request.post), ..JobChange::default() };
        is_invalid(&stage.tenant.change_job(&job.id, change).await.unwrap_err(), field);
    }
    let kept = stage.tenant.job(&job.id).await.unwrap();
    assert_eq!((kept.post, kept.status), (job.post, JobStatus::Active));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_posts_ask_for_the_form_once_and_a_refusal_by_an_old_form_asks_again() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let asked = || stage.requests("/v2/post/publish/creator_info/query/");
    let later =
        || PublishRequest { publish_at: Some(clock.now_ms() / 1000 + 3_600), ..request("x", media.clone()) };
    for _ in 0..25 {
        stage.tenant.publish(&channel, later()).await.unwrap();
    }
    assert_eq!(asked(), 1);
    let mut friends = later();
    friends.post.visibility = Some("FOLLOWER_OF_CREATOR".to_owned());
    is_invalid(&stage.tenant.publish(&channel, friends.clone()).await.unwrap_err(), "visibility");
    assert_eq!(asked(), 2);
    // The person made the account private, as the refusal said.
    stage.simulator.edit(|world| {
        for account in &mut world.accounts {
            account.private = true;
        }
    });
    stage.tenant.publish(&channel, friends).await.unwrap();
    assert_eq!(asked(), 3);
    // And what was offered then is not, which the new form knows.
    is_invalid(&stage.tenant.publish(&channel, later()).await.unwrap_err(), "visibility");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_post_is_listed_by_its_time_and_can_be_published_now() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let now = clock.now_ms() / 1000;
    let mut jobs = Vec::new();
    for after in [7_200, 3_600] {
        let later = PublishRequest { publish_at: Some(now + after), ..request("x", media.clone()) };
        jobs.push(stage.tenant.publish(&channel, later).await.unwrap());
    }
    let scheduled = async || {
        let jobs = stage.tenant.jobs_in(Some(&channel), JobGroup::Scheduled, 10, None).await.unwrap();
        assert!(jobs.iter().all(social_channel::Job::is_scheduled), "{jobs:?}");
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(scheduled().await, [jobs[1].id.clone(), jobs[0].id.clone()]);
    let change = JobChange { publish_at: Some(now + 1_800), ..JobChange::default() };
    assert!(stage.tenant.change_job(&jobs[0].id, change).await.unwrap().is_scheduled());
    assert_eq!(scheduled().await, [jobs[0].id.clone(), jobs[1].id.clone()]);
    let mut watch = stage.tenant.watch_jobs();
    let job = stage.tenant.resume_job(&jobs[1].id).await.unwrap();
    assert_eq!((job.publish_at, job.is_scheduled()), (None, false), "nothing is said of a time to come");
    watch.changed().await;
    assert_eq!(scheduled().await, [jobs[0].id.clone()]);
    assert_eq!(work_on(&stage, &clock, &jobs[1].id).await, JobStatus::Published);
    assert_eq!(scheduled().await, [jobs[0].id.clone()], "the other one waits for its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cannot_be_had_loses_no_post() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/post/publish/creator_info/query/"));
    let job = stage.tenant.publish(&channel, request("x", media.clone())).await.unwrap();
    struck(&stage.simulator).await;
    assert_eq!(
        (job.status, job.quotas_at),
        (JobStatus::Active, None),
        "stored, without a word of allowances"
    );
    assert_eq!(work_on(&stage, &clock, &job.id).await, JobStatus::Published);
    let job = stage.tenant.job(&job.id).await.unwrap();
    assert!(job.quotas_at.is_some(), "its job asked again: {job:?}");
    // What the form would have refused ends as the provider says, and posts nothing.
    stage.simulator.faults().add(Fault::new(Action::Reset).path("/v2/post/publish/creator_info/query/"));
    let mut bad = request("x", media);
    bad.post.visibility = Some("EVERYBODY_IN_TOWN".to_owned());
    let job = stage.tenant.publish(&channel, bad).await.unwrap();
    assert_eq!(work_on(&stage, &clock, &job.id).await, JobStatus::Failed);
    assert_eq!(stage.simulator.world().published().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_taken_is_answered_again_though_the_form_refuses_it_now() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let now = clock.now_ms() / 1000;
    let mut first = request("x", stage.video(4_096).unwrap());
    first.idempotency_key = Some("one".to_owned());
    first.publish_at = Some(now + 60);
    let job = stage.tenant.publish(&channel, first.clone()).await.unwrap();
    // The account became private, and the time has passed.
    stage.simulator.edit(|world| {
        for account in &mut world.accounts {
            account.private = true;
        }
    });
    clock.advance(Duration::from_secs(7_200));
    stage.simulator.clock().advance(Duration::from_secs(7_200));
    assert_eq!(stage.tenant.publish(&channel, first.clone()).await.unwrap().id, job.id);
    first.idempotency_key = Some("two".to_owned());
    is_invalid(&stage.tenant.publish(&channel, first.clone()).await.unwrap_err(), "publish_at");
    first.publish_at = None;
    is_invalid(&stage.tenant.publish(&channel, first).await.unwrap_err(), "visibility");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_are_over_or_far_away_are_refused_with_their_field() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let now = clock.now_ms() / 1000;
    let ask = |publish_at, deadline_at| {
        let request = request("x", stage.video(4_096).unwrap());
        let request = PublishRequest { publish_at, deadline_at, ..request };
        stage.tenant.publish(&channel, request)
    };
    let far = [1_577_836_800, now * 1000, now + 3 * 366 * 86_400, i64::MIN, i64::MAX, 0, -1];
    for bad in far {
        is_invalid(&ask(Some(bad), None).await.unwrap_err(), "publish_at");
        if bad > now || bad < 0 {
            is_invalid(&ask(None, Some(bad)).await.unwrap_err(), "deadline_at");
        }
    }
    assert!(stage.tenant.jobs(None, None, 10).await.unwrap().is_empty(), "nothing is stored");
    // A clock that is a little behind means now.
    let job = ask(Some(now - 30), None).await.unwrap();
    assert!(job.next_attempt_at.unwrap() <= clock.now_ms() / 1000, "{job:?}");
    let job = ask(Some(now + 700 * 86_400), None).await.unwrap();
    for bad in far {
        let change = JobChange { publish_at: Some(bad), ..JobChange::default() };
        is_invalid(&stage.tenant.change_job(&job.id, change).await.unwrap_err(), "publish_at");
    }
    // A job whose own time has passed can still be changed.
    let job = ask(Some(now + 60), None).await.unwrap();
    clock.advance(Duration::from_secs(7_200));
    stage.simulator.clock().advance(Duration::from_secs(7_200));
    let change = JobChange { priority: Some(3), ..JobChange::default() };
    assert_eq!(stage.tenant.change_job(&job.id, change).await.unwrap().priority, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_press_on_try_again_makes_no_second_job() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    stage.tenant.cancel_job(&job.id).await.unwrap();
    assert_eq!(work_on(&stage, &clock, &job.id).await, JobStatus::Cancelled);
    let retry = || stage.tenant.retry_job(&job.id, false);
    let (one, two) = tokio::join!(retry(), retry());
    let again = one.unwrap();
    assert_eq!(two.unwrap().id, again.id);
    assert_eq!(work_on(&stage, &clock, &again.id).await, JobStatus::Published);
    assert_eq!(retry().await.unwrap().id, again.id, "and what came of it is told, not repeated");
    assert_eq!(
        (stage.simulator.world().published().len(), stage.tenant.jobs(None, None, 9).await.unwrap().len()),
        (1, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_again_can_be_tried_again_from_either_job() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    stage.tenant.cancel_job(&job.id).await.unwrap();
    work_on(&stage, &clock, &job.id).await;
    let second = stage.tenant.retry_job(&job.id, false).await.unwrap();
    stage.tenant.cancel_job(&second.id).await.unwrap();
    work_on(&stage, &clock, &second.id).await;
    let third = stage.tenant.retry_job(&second.id, false).await.unwrap();
    assert_ne!(third.id, second.id);
    assert_eq!(
        stage.tenant.retry_job(&job.id, false).await.unwrap().id,
        third.id,
        "one of them is under way"
    );
    assert_eq!(work_on(&stage, &clock, &third.id).await, JobStatus::Published);
    for old in [&job.id, &second.id] {
        assert_eq!(stage.tenant.retry_job(old, false).await.unwrap().id, third.id);
    }
    assert_eq!(stage.simulator.world().published().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_beyond_any_network_are_refused_with_their_field() {
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let long = request(&"x".repeat(2 << 20), stage.video(4_096).unwrap());
    is_invalid(&stage.tenant.publish(&channel, long.clone()).await.unwrap_err(), "text");
    is_invalid(&stage.tenant.check_post(&channel, &long.post, &long.media).await.unwrap_err(), "text");
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    let change = JobChange { post: Some(long.post), ..JobChange::default() };
    is_invalid(&stage.tenant.change_job(&job.id, change).await.unwrap_err(), "text");
    let found = Resolution { posted: true, post_id: Some("7".repeat(2 << 20)), url: None };
    is_invalid(&stage.tenant.resolve_job(&job.id, found).await.unwrap_err(), "post_id");
}

#[tokio::test(flavor = "multi_thread")]
async fn allowances_say_when_they_were_told_and_a_private_post_waits_for_no_link() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let mut private = request("x", stage.video(4_096).unwrap());
    private.post.visibility = Some("SELF_ONLY".to_owned());
    let job = stage.tenant.publish(&channel, private).await.unwrap();
    let job = stage.wait(&job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert!(!job.quotas.is_empty());
    assert!(job.quotas_at.unwrap() <= job.sent_at.unwrap(), "before it was sent: {job:?}");
    assert_eq!((job.url, job.post_id, job.next_attempt_at), (None, None, None), "nobody looks for a link");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_connected_again_is_the_same_channel_with_its_jobs_and_numbers() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    stage.tenant.stats(&channel).await.unwrap();
    let later = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap() + 3_600;
    let mut waits = request("Later", stage.video(4_096).unwrap());
    waits.publish_at = Some(later);
    waits.consent = Some([("words".to_owned(), "I agree".to_owned())].into());
    let job = stage.tenant.publish(&channel, waits).await.unwrap();
    assert!(stage.tenant.disconnect(&channel).await.unwrap().revoked);
    assert_eq!(stage.tenant.channel(&channel).await.unwrap_err().kind, ErrorKind::NotFound);
    let ended = stage.wait(&job.id).await.unwrap();
    assert_eq!(ended.status, JobStatus::Cancelled);
    assert_eq!(stage.tenant.retry_job(&job.id, false).await.unwrap_err().kind, ErrorKind::NotFound);
    // Another tenant's connection is another channel.
    let other = stage.host.tenant("other".parse().unwrap());
    assert_ne!(library_tests::connect(&other, None).await.unwrap().id, channel);

    let again = stage.connect().await.unwrap();
    assert_eq!(again.id, channel);
    assert_eq!(stage.tenant.channels().await.unwrap().len(), 1);
    assert_eq!(stage.tenant.stats_history(&channel, None).await.unwrap().len(), 1);
    let jobs = stage.tenant.jobs(Some(&channel), None, 9).await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].consent.as_ref().unwrap()["words"], "I agree");
    let retried = stage.tenant.retry_job(&job.id, false).await.unwrap();
    assert_eq!(stage.wait(&retried.id).await.unwrap().status, JobStatus::Published);
    // With the app goes what was known of it.
    stage.tenant.disconnect(&channel).await.unwrap();
    other.disconnect(&other.channels().await.unwrap()[0].id).await.unwrap();
    stage.host.delete_app(APP).await.unwrap();
    stage.host.put_app(APP, library_tests::app_config()).await.unwrap();
    assert_ne!(stage.connect().await.unwrap().id, channel);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_called_and_looks_as_it_was_read_last() {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let stage = Stage::in_world(library_tests::world(), |builder| builder.clock(ours).background(false));
    let stage = stage.await.unwrap();
    let channel = stage.connect().await.unwrap();
    let now = || async { stage.tenant.channel(&channel.id).await.unwrap() };
    let rename = |name: &str| {
        stage.simulator.edit(|world| {
            for account in &mut world.accounts {
                account.display_name = name.to_owned();
            }
        });
    };
    rename("Kitchen of Dreams");
    assert_eq!(now().await.display_name, "Demo Kitchen", "nobody has looked");
    let profile = stage.tenant.profile(&channel.id).await.unwrap();
    assert_eq!(profile.display_name, "Kitchen of Dreams");
    let seen = now().await;
    assert_eq!((seen.display_name.as_str(), &seen.avatar_url), ("Kitchen of Dreams", &profile.avatar_url));
    // Pictures end after two hours: workers look again, and the refresh in between takes nothing back.
    rename("Soup Kitchen");
    clock.advance(Duration::from_secs(3 * 3_600));
    stage.simulator.clock().advance(Duration::from_secs(3 * 3_600));
    stage.host.maintain().await;
    let seen_later = now().await;
    assert_eq!(seen_later.display_name, "Soup Kitchen");
    assert_ne!(seen_later.avatar_url, seen.avatar_url);
    let picture = stage.tenant.picture(APP, &seen_later.avatar_url.unwrap()).await.unwrap();
    assert_eq!(picture.content_type, "image/png");
    // Not kept, and dead by now.
    let error = stage.tenant.picture(APP, &seen.avatar_url.unwrap()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_form_no_longer_takes_is_not_tried_again() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let job = stage.tenant.publish(&channel, request("x", stage.video(4_096).unwrap())).await.unwrap();
    stage.tenant.cancel_job(&job.id).await.unwrap();
    assert_eq!(work_on(&stage, &clock, &job.id).await, JobStatus::Cancelled);
    // Meanwhile the account became private, so its posts are for everybody no more.
    let set_private = |private: bool| {
        stage.simulator.edit(|world| world.accounts.iter_mut().for_each(|account| account.private = private));
        stage.advance(&clock, Duration::from_secs(3_600));
    };
    set_private(true);
    is_invalid(&stage.tenant.retry_job(&job.id, false).await.unwrap_err(), "visibility");
    assert_eq!(stage.tenant.jobs(None, None, 9).await.unwrap().len(), 1, "nothing is stored");
    set_private(false);
    let again = stage.tenant.retry_job(&job.id, false).await.unwrap();
    assert_ne!(again.id, job.id);
    // One that was accepted is told again, whatever the form takes now.
    set_private(true);
    assert_eq!(stage.tenant.retry_job(&job.id, false).await.unwrap().id, again.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_of_times_what_a_publish_says() {
    let (stage, clock) = moved().await;
    let channel = stage.connect().await.unwrap().id;
    let media = stage.video(4_096).unwrap();
    let now = clock.now_ms() / 1_000;
    let at =
        |publish_at, deadline_at| PublishRequest { publish_at, deadline_at, ..request("x", media.clone()) };
    let signed = format!("https://cdn.example.com/a.mp4?Expires={}&Signature=x", now + 60);
    let mut ends = at(Some(now + 3_600), None);
    ends.media[0].public_url = Some(signed);
    for (request, field) in [
        (at(Some(1_577_836_800), None), "publish_at"),
        (at(Some(now * 1_000), None), "publish_at"),
        (at(Some(i64::MAX), None), "publish_at"),
        (at(None, Some(now - 60)), "deadline_at"),
        (at(Some(now + 7_200), Some(now + 3_600)), "deadline_at"),
        (ends, "media"),
    ] {
        let refused = stage.tenant.publish(&channel, request.clone()).await.unwrap_err();
        is_invalid(&refused, field);
        let found = stage.tenant.check_publish(&channel, &request).await.unwrap();
        let found: Vec<_> = found.into_iter().filter(|one| one.severity != Severity::Warning).collect();
        assert_eq!(found.len(), 1, "nothing says that all is well: {found:?}");
        assert_eq!((found[0].severity, found[0].subject.as_str()), (Severity::Error, field));
        assert_eq!((&found[0].message, &found[0].remedy), (&refused.message, &refused.remedy));
    }
    let found = stage.tenant.check_publish(&channel, &at(Some(now + 3_600), None)).await.unwrap();
    assert!(found.iter().all(|one| one.severity != Severity::Error), "{found:?}");
}

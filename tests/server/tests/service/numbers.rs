//! Numbers of posts over time: one call for each sampling, kept, and shown with the job that posted.

use std::time::Duration;

use http::StatusCode;
use server_tests::Service;
use social_channel::{Job, JobStatus, MovedClock};
use social_channel_server::{Access, Config, State, router};

const LIST: &str = "/v2/video/list/";
const HOUR: Duration = Duration::from_secs(3600);

/// A service by a clock that the test moves.
async fn moved() -> (Service, std::sync::Arc<MovedClock>) {
    let (stage, clock) = library_tests::Stage::for_counting().await.unwrap();
    let key = Access::of(&stage.host).create_api_key("tests", None).await.unwrap();
    let router = router(State::new(stage.host.clone(), Config::default()).unwrap());
    (Service { stage, router, key: key.text.expose().to_owned() }, clock)
}

/// Publishes for everybody, and waits until the network names the post.
async fn published(service: &Service, clock: &MovedClock, channel: &str) -> Job {
    let stage = &service.stage;
    let request = library_tests::request("Soup", stage.video(4_096).unwrap());
    let job = stage.tenant.publish(channel, request).await.unwrap();
    let mut job = stage.to_the_end(clock, &job.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    for _ in 0..100 {
        if job.post_id.is_some() {
            return job;
        }
        stage.advance(clock, Duration::from_secs(60));
        stage.host.work(Some(Duration::ZERO)).await.unwrap();
        job = stage.tenant.job(&job.id).await.unwrap();
    }
    panic!("the network does not name the post: {job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_the_newest_posts_are_kept_by_one_call_each_time() {
    let (service, clock) = moved().await;
    let stage = &service.stage;
    let channel = stage.connect().await.unwrap().id;
    let job = published(&service, &clock, &channel).await;
    let post = job.post_id.clone().unwrap();
    let at = format!("/api/v1/channels/{channel}/posts/{post}/stats/history");
    let page = format!("/jobs/{}", job.id);
    let calls = || stage.requests(LIST);
    let samples = async || {
        let answer = service.get(&at).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json().as_array().unwrap().clone()
    };
    let browser = service.browser().await.unwrap();
    // The worker's rounds above have sampled before the post was there.
    let before = calls();
    assert!(before <= 1, "{before}");
    assert_eq!(samples().await.len(), 0);
    let shown = browser.open(&page).await.unwrap().text();
    assert!(shown.contains("There are no numbers yet"), "{shown}");

    stage.advance(&clock, 7 * HOUR);
    stage.host.maintain().await;
    stage.host.maintain().await;
    assert_eq!(calls(), before + 1, "one call in six hours");
    assert_eq!(samples().await.len(), 1);
    stage.advance(&clock, 7 * HOUR);
    stage.host.maintain().await;
    assert_eq!(calls(), before + 2);
    let two = samples().await;
    let views = |sample: &serde_json::Value| sample["stats"]["views"].as_u64().unwrap();
    assert_eq!(two.len(), 2);
    assert!(views(&two[1]) > views(&two[0]), "{two:?}");
    let since = format!("{at}?since={}", two[1]["at"]);
    assert_eq!(service.get(&since).await.unwrap().json(), serde_json::json!([two[1]]));

    // Who lists the posts anyway adds a point, once an hour and from the first page only.
    let list = format!("/api/v1/channels/{channel}/posts");
    service.get(&list).await.unwrap();
    assert_eq!(samples().await.len(), 2, "a moment later");
    stage.advance(&clock, 2 * HOUR);
    let cursor = service.get(&format!("{list}?limit=5")).await.unwrap().json()["next_cursor"].clone();
    assert_eq!(samples().await.len(), 3);
    stage.advance(&clock, 2 * HOUR);
    service.get(&format!("{list}?cursor={}", cursor.as_str().unwrap())).await.unwrap();
    assert_eq!(samples().await.len(), 3);
    let asked = calls();
    stage.host.maintain().await;
    assert_eq!(calls(), asked, "it was asked four hours ago");

    // With the job: charts, a table, a file.
    let shown = browser.open(&format!("{page}?days=7")).await.unwrap().text();
    for there in ["n-views", "n-likes", "n-replies", "n-reposts", "<svg class=\"chart\"", "As a table"] {
        assert!(shown.contains(there), "{there}: {shown}");
    }
    assert!(shown.contains(r##"?days=7#numbers" aria-current="true">7 days"##), "{shown}");
    let file = browser.open(&format!("{page}/numbers.csv")).await.unwrap();
    let text = file.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("at,views,likes,replies,reposts", 4));
    assert!(lines[2].contains(&format!("Z,{},", views(&two[1]))), "{text}");

    // Disconnected, they are not shown; connected again, they are there.
    stage.tenant.disconnect(&channel).await.unwrap();
    assert_eq!(service.get(&at).await.unwrap().status, StatusCode::NOT_FOUND);
    let shown = browser.open(&page).await.unwrap();
    assert_eq!(shown.status, StatusCode::OK);
    assert!(!shown.text().contains("n-views"), "{}", shown.text());
    assert_eq!(stage.connect().await.unwrap().id, channel);
    assert_eq!(samples().await.len(), 3);

    // Old ones go, as the channel's do.
    stage.advance(&clock, 3 * 365 * 24 * HOUR);
    stage.host.maintain().await;
    assert!(samples().await.len() <= 1, "{:?}", samples().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_list_is_not_asked_every_hour() {
    let (service, clock) = moved().await;
    let stage = &service.stage;
    stage.simulator.edit(|world| world.switches.auto_consent.withhold = vec!["video.list".to_owned()]);
    let channel = stage.connect().await.unwrap().id;
    for _ in 0..4 {
        stage.host.maintain().await;
        stage.advance(&clock, HOUR);
    }
    assert!(stage.requests(LIST) <= 1, "{}", stage.requests(LIST));
    // Its own numbers do not depend on it.
    assert_eq!(stage.tenant.stats_history(&channel, None).await.unwrap().len(), 1);
}

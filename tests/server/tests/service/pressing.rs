//! The publish page, pressed again: a form is one post, even if answers were lost.

use std::sync::Arc;

use http::StatusCode;
use library_tests::Stage;
use serde_json::json;
use server_tests::{Answer, Browser, Service};
use social_channel::MovedClock;
use social_channel_server::{Access, Config, State, router};

use crate::story::{connect, upload};

/// The form's own key, as the page carries it.
pub(crate) fn key(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="key" value=""#).unwrap_or_else(|| panic!("no key in {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// The words beside the button, which the person agrees to.
pub(crate) fn words(page: &str) -> String {
    let (_, rest) = page.split_once(r#"id="words" value=""#).unwrap();
    rest.split_once('"').unwrap().0.replace("&amp;", "&").replace("&quot;", "\"")
}

struct Filled<'a> {
    key: &'a str,
    words: &'a str,
    caption: &'a str,
    media: &'a str,
}

async fn press(browser: &Browser<'_>, page: &str, filled: &Filled<'_>, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("key", filled.key),
        ("kind", "video"),
        ("f.text", filled.caption),
        ("f.visibility", "PUBLIC_TO_EVERYONE"),
        ("words", filled.words),
        ("media", filled.media),
    ];
    fields.extend_from_slice(more);
    // The token of any page: the platform answers this one's question for the form 20 times a minute.
    browser.submit("/jobs", page, &fields).await.unwrap()
}

fn job(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.header("location").trim_start_matches("/jobs/").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_one_post_however_often_it_is_sent_and_another_once_it_is_changed() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let upload = upload(&service, 50_000).await;
    let media = json!({"upload": upload, "name": "one.mp4", "size": 50_000}).to_string();
    let browser = service.browser().await.unwrap();
    let page = format!("/channels/{channel}/publish");
    let shown = browser.open(&page).await.unwrap().text();
    let (key_shown, words) = (key(&shown), words(&shown));
    assert_eq!(key_shown.len(), 22, "{key_shown}");
    let filled = |caption| Filled { key: &key_shown, words: &words, caption, media: &media };

    // An answer that refuses leaves the form its key.
    let refused = press(&browser, &page, &Filled { words: "other words", ..filled("Soup") }, &[]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(key(&refused.text()), key_shown);

    // Both are under way at once, as after an answer that was dropped.
    let soup = filled("Soup");
    let (one, two) = tokio::join!(press(&browser, &page, &soup, &[]), press(&browser, &page, &soup, &[]));
    let first = job(&one);
    assert_eq!(job(&two), first);
    assert_eq!(job(&press(&browser, &page, &soup, &[]).await), first, "and long after");
    let other = job(&press(&browser, &page, &filled("Bread"), &[]).await);
    assert_ne!(other, first, "a form that was changed is another post");
    let later = [("when", "later"), ("at", "2099-01-01T10:00"), ("at_seconds", "")];
    let refused = press(&browser, &page, &soup, &later).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("more than two years ahead"), "{}", refused.text());
    assert_eq!(service.stage.tenant.jobs(None, None, 9).await.unwrap().len(), 2);

    // A page that is opened again is another form: the same words there are meant.
    let again = browser.open(&page).await.unwrap().text();
    assert_ne!(key(&again), key_shown);

    // Without its key nothing is sent, and the answer brings one.
    let keyless = press(&browser, &page, &Filled { key: "", ..soup }, &[]).await;
    assert_eq!(keyless.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(key(&keyless.text()).len(), 22);
    assert_eq!(service.stage.tenant.jobs(None, None, 9).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn try_again_is_one_job_however_often_it_is_pressed() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let upload = upload(&service, 50_000).await;
    let mut body = crate::story::post("Soup", json!({"upload": upload}));
    let later = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 7_200;
    body["publish_at"] = json!(later);
    let at = format!("/api/v1/channels/{channel}/jobs");
    let made = service.call(http::Method::POST, &at, body).await.unwrap();
    let old = made.json()["id"].as_str().unwrap().to_owned();
    service.stage.tenant.cancel_job(&old).await.unwrap();
    service.stage.wait(&old).await.unwrap();
    let browser = service.browser().await.unwrap();
    let (page, retry) = (format!("/jobs/{old}"), format!("/jobs/{old}/retry"));
    let press = || browser.submit(&page, &retry, &[]);
    let (one, two) = tokio::join!(press(), press());
    let made = job(&one.unwrap());
    assert_eq!(job(&two.unwrap()), made);
    service.stage.wait(&made).await.unwrap();
    let by_api = format!("/api/v1/jobs/{old}/retry");
    let again = service.call(http::Method::POST, &by_api, json!({})).await.unwrap();
    assert_eq!(again.json()["id"], *made, "{}", again.text());
    assert_eq!(service.stage.simulator.world().published().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_form_or_the_calendar_refuses_is_a_problem_with_its_field() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let upload = upload(&service, 50_000).await;
    let at = format!("/api/v1/channels/{channel}/jobs");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (name, value, field) in [
        ("/publish_at", json!(1_577_836_800), "publish_at"),
        ("/publish_at", json!(now * 1000), "publish_at"),
        ("/publish_at", json!(i64::MAX), "publish_at"),
        ("/publish_at", json!(i64::MIN), "publish_at"),
        ("/deadline_at", json!(now * 1000), "deadline_at"),
        ("/post/kind", json!("poll"), "kind"),
        ("/post/visibility", json!("NOBODY_KNOWS"), "visibility"),
        ("/post/options", json!({"nosuch": true}), "nosuch"),
        ("/post/text", json!("x".repeat(100_000)), "text"),
    ] {
        let mut body = crate::story::post("Soup", json!({"upload": upload}));
        match name.strip_prefix("/post/") {
            Some(member) => body["post"][member] = value,
            None => body[&name[1..]] = value,
        }
        let answer = service.call(http::Method::POST, &at, body).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}: {}", answer.text());
        assert_eq!(answer.json()["field"], field, "{}", answer.text());
    }
    assert!(service.stage.tenant.jobs(None, None, 9).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn try_again_says_what_the_form_no_longer_takes() {
    let clock = Arc::new(MovedClock::default());
    let ours = clock.clone();
    let stage = Stage::in_world(library_tests::world(), |builder| builder.clock(ours)).await.unwrap();
    let key = Access::of(&stage.host).create_api_key("tests", None).await.unwrap().text.expose().to_owned();
    let router = router(State::new(stage.host.clone(), Config::default()).unwrap());
    let service = Service { stage, router, key };
    let channel = connect(&service).await;
    let upload = upload(&service, 50_000).await;
    let mut body = crate::story::post("Soup", json!({"upload": upload}));
    body["publish_at"] = json!(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 7_200);
    let at = format!("/api/v1/channels/{channel}/jobs");
    let made = service.call(http::Method::POST, &at, body).await.unwrap();
    let old = made.json()["id"].as_str().unwrap().to_owned();
    service.stage.tenant.cancel_job(&old).await.unwrap();
    service.stage.wait(&old).await.unwrap();
    service
        .stage
        .simulator
        .edit(|world| world.accounts.iter_mut().for_each(|account| account.private = true));
    // What the network told is believed for some minutes.
    service.stage.advance(&clock, std::time::Duration::from_secs(3_600));
    let by_api =
        service.call(http::Method::POST, &format!("/api/v1/jobs/{old}/retry"), json!({})).await.unwrap();
    assert_eq!(by_api.status, StatusCode::BAD_REQUEST, "{}", by_api.text());
    assert_eq!(by_api.json()["field"], "visibility", "{}", by_api.text());
    let browser = service.browser().await.unwrap();
    let page = browser.submit(&format!("/jobs/{old}"), &format!("/jobs/{old}/retry"), &[]).await.unwrap();
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.text().contains("What to do") && page.text().contains("Try again"),
        "the job's own page: {}",
        page.text()
    );
    assert_eq!(service.stage.tenant.jobs(None, None, 9).await.unwrap().len(), 1);
}

//! Jobs as event streams: many at once, and for jobs that another process runs.

use std::time::Duration;

use axum::body::Body;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::Service;
use social_channel::TenantId;
use tower::ServiceExt as _;

use crate::story::{connect, post, upload};

/// A job that starts in two hours.
async fn scheduled(service: &Service, channel: &str) -> String {
    let upload = upload(service, 1_000_000).await;
    let mut body = post("Later", json!({"upload": upload}));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    body["publish_at"] = json!((now + Duration::from_secs(7200)).as_secs());
    let path = format!("/api/v1/channels/{channel}/jobs");
    let made = service.call(Method::POST, &path, body).await.unwrap();
    made.json()["id"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned()
}

/// The jobs in a stream, until it ends.
async fn told(service: &Service, job: &str) -> Vec<Value> {
    let answer = service.get(&format!("/api/v1/jobs/{job}/events")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_streams_see_a_change_and_the_end() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let job = scheduled(&service, &channel).await;
    let streams = join_all(std::iter::repeat_with(|| told(&service, &job)).take(200));
    let acts = async {
        let path = format!("/api/v1/jobs/{job}");
        service.call(Method::PATCH, &path, json!({"priority": 5})).await.unwrap();
        service.call(Method::POST, &format!("{path}/cancel"), Value::Null).await.unwrap();
    };
    let (streams, ()) = tokio::join!(streams, acts);
    for told in streams {
        let last = told.last().unwrap();
        assert_eq!((&last["status"], &last["priority"]), (&json!("cancelled"), &json!(5)), "{last:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_does_is_seen_too() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let job = scheduled(&service, &channel).await;
    let other = service.stage.second_host().await.unwrap();
    let acts = async {
        // It opened the same database, and sends no notifications to this process.
        other.tenant(TenantId::default()).cancel_job(&job).await.unwrap();
    };
    let (told, ()) = tokio::join!(told(&service, &job), acts);
    assert_eq!(told.last().unwrap()["status"], "cancelled");
    other.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_web_server_holds_a_stream_back() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let job = scheduled(&service, &channel).await;
    let browser = service.browser().await.unwrap();
    let token = browser.token("/jobs").await.unwrap();
    let by_key = |path: String| {
        let key = format!("Bearer {}", service.key);
        Request::get(path).header(http::header::AUTHORIZATION, key).body(Body::empty()).unwrap()
    };
    let by_page = |path: &str| browser.script(Method::GET, path, &token).body(Body::empty()).unwrap();
    let asked = [
        by_key(format!("/api/v1/jobs/{job}/events")),
        by_page(&format!("/api/v1/jobs/{job}/events")),
        by_page("/jobs/events"),
    ];
    for request in asked {
        let path = request.uri().path().to_owned();
        // The stream goes on, so only its head is read.
        let answer = service.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream", "{path}");
        assert_eq!(header("x-accel-buffering"), "no", "{path}");
    }
}

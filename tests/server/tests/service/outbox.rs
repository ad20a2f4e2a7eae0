//! What happened, over HTTP: by pages, as one stream, and the addresses that get it.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt as _;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::Service;
use tower::ServiceExt as _;

use crate::story::{connect, post, upload};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_by_pages_and_waited_for() {
    let service = Service::new().await.unwrap();
    let none = service.get("/api/v1/events").await.unwrap().json();
    assert_eq!(none, json!({"events": [], "next": 0, "last": 0, "missed": 0}));
    let channel = connect(&service).await;
    let page = service.get("/api/v1/events?after=0&wait=50").await.unwrap().json();
    let first = &page["events"][0];
    assert_eq!((&first["type"], &first["data"]["channel"]), (&json!("channel.connected"), &json!(channel)));
    assert_eq!((&page["next"], &first["tenant"]), (&json!(1), &json!("default")));
    let waits = service.get("/api/v1/events?after=1&wait=50");
    let happens = async {
        let gone =
            service.call(Method::DELETE, &format!("/api/v1/channels/{channel}"), Value::Null).await.unwrap();
        assert_eq!(gone.status, StatusCode::OK);
    };
    let (page, ()) = tokio::join!(waits, happens);
    assert_eq!(page.unwrap().json()["events"][0]["type"], "channel.disconnected");
    for (query, said) in [("limit=0", "limit"), ("wait=56", "wait"), ("after=x", "after"), ("after=99", "99")]
    {
        let answer = service.get(&format!("/api/v1/events?{query}")).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_post_is_told() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let body = post("Told", json!({"upload": upload(&service, 1_000_000).await}));
    let made = service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap();
    let job = made.json()["id"].clone();
    let page = service.get("/api/v1/events?after=1&wait=55").await.unwrap().json();
    let told = &page["events"][0];
    assert_eq!((&told["type"], &told["data"]["job"]), (&json!("job.published"), &job), "{page:#}");
    assert_eq!((&told["data"]["status"], &told["data"]["channel"]), (&json!("published"), &json!(channel)));
}

/// An open stream, and what of it was not looked at yet.
struct Opened(axum::body::BodyDataStream, String);

async fn opened(service: &Service, path: &str, last: Option<&str>) -> Opened {
    let mut request = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", service.key));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let answer = service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Opened(answer.into_body().into_data_stream(), String::new())
}

impl Opened {
    /// The next event, as id, name and data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let of = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim().to_owned()
                };
                let found = (of("id:"), of("event:"), of("data:"));
                self.1 = rest.to_owned();
                if !found.2.is_empty() {
                    return (found.0, found.1, serde_json::from_str(&found.2).unwrap());
                }
                continue;
            }
            let bytes = tokio::time::timeout(Duration::from_secs(60), self.0.next()).await.unwrap();
            self.1.push_str(std::str::from_utf8(&bytes.unwrap().unwrap()).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_of_a_tenant_continues_where_it_broke_off() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    service.call(Method::DELETE, &format!("/api/v1/channels/{channel}"), Value::Null).await.unwrap();
    connect(&service).await;
    let mut stream = opened(&service, "/api/v1/events/stream?after=0", None).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(stream.next().await);
    }
    let told: Vec<(&str, &str)> =
        all.iter().map(|(id, _, event)| (id.as_str(), event["type"].as_str().unwrap())).collect();
    assert_eq!(told, [("1", "channel.connected"), ("2", "channel.disconnected"), ("3", "channel.connected")]);
    assert!(all.iter().all(|(_, name, _)| name == "event"));
    let mut rest = opened(&service, "/api/v1/events/stream?after=0", Some("2")).await;
    assert_eq!(rest.next().await, all[2], "the header counts more");
    // Without a number it begins with what comes.
    let mut new = opened(&service, "/api/v1/events/stream", None).await;
    service.call(Method::DELETE, &format!("/api/v1/channels/{channel}"), Value::Null).await.unwrap();
    for stream in [&mut new, &mut rest, &mut stream] {
        assert_eq!(stream.next().await.0, "4");
    }
    for (path, last) in [("/api/v1/events/stream?after=99", None), ("/api/v1/events/stream", Some("x"))] {
        let mut request = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", service.key));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = service.send(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_managed_by_those_whose_events_they_get() {
    let service = Service::new().await.unwrap();
    let new =
        json!({"url": "https://receiver.example.com/events", "types": ["job.failed"], "description": "shop"});
    let made = service.call(Method::POST, "/api/v1/endpoints", new).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let at = format!("/api/v1/endpoints/{id}");
    let listed = service.get("/api/v1/endpoints").await.unwrap();
    assert_eq!(
        (listed.json()[0]["id"].as_str(), listed.json()[0]["types"][0].as_str()),
        (Some(&*id), Some("job.failed"))
    );
    assert!(!listed.text().contains("whsec_"), "a secret is shown once");
    let changed =
        service.call(Method::PATCH, &at, json!({"types": [], "enabled": false})).await.unwrap().json();
    assert_eq!((&changed["types"], &changed["description"]), (&json!([]), &json!("shop")), "{changed:#}");
    assert_eq!(changed["disabled"], "it was disabled by hand");
    let enabled = service.call(Method::PATCH, &at, json!({"enabled": true})).await.unwrap().json();
    assert_eq!(enabled["disabled"], Value::Null);
    let rotated =
        service.call(Method::POST, &format!("{at}/secret"), json!({"overlap_seconds": 60})).await.unwrap();
    assert_eq!(rotated.json()["secrets"], 2, "{}", rotated.text());
    assert_ne!(rotated.json()["secret"], *secret);
    assert_eq!(service.get(&format!("{at}/deliveries")).await.unwrap().json(), json!([]));
    connect(&service).await;
    let event = service.get("/api/v1/events").await.unwrap().json()["events"][0]["id"].clone();
    let again = service.call(Method::POST, &format!("{at}/send"), json!({"event": event})).await.unwrap();
    assert_eq!(again.status, StatusCode::NO_CONTENT, "{}", again.text());
    let waits = service.get(&format!("{at}/deliveries")).await.unwrap().json();
    assert_eq!((&waits[0]["event"], &waits[0]["status"]), (&event, &json!("waiting")), "{waits:#}");
    let attempts = service.get(&format!("{at}/deliveries/1/attempts")).await.unwrap();
    assert_eq!(attempts.status, StatusCode::OK, "{}", attempts.text());
    // Another tenant's key.
    let other = json!({"name": "other", "tenant": "other"});
    let key = service.call(Method::POST, "/api/v1/keys", other).await.unwrap().json()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        service.call_with(&key, Method::GET, "/api/v1/endpoints", Value::Null).await.unwrap().json(),
        json!([])
    );
    assert_eq!(
        service.call_with(&key, Method::GET, &at, Value::Null).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        service.call_with(&key, Method::GET, "/api/v1/events", Value::Null).await.unwrap().json()["last"],
        0
    );
    assert_eq!(service.call(Method::DELETE, &at, Value::Null).await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(service.get(&at).await.unwrap().status, StatusCode::NOT_FOUND);
    for (body, field) in [
        (json!({"url": "https://127.0.0.1/"}), "url"),
        (json!({"url": "https://receiver.example.com", "secret": "short"}), "secret"),
        (json!({"url": "https://receiver.example.com", "types": ["x"]}), "types"),
    ] {
        let answer = service.call(Method::POST, "/api/v1/endpoints", body).await.unwrap();
        assert_eq!(answer.json()["field"], field, "{}", answer.text());
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_addresses_and_what_was_sent() {
    const HERE: &str = "/settings/endpoints";
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let fields = [
        ("url", "https://receiver.example.com/<events>"),
        ("description", "the <shop>"),
        ("type", "channel.connected"),
    ];
    let made = browser.submit(HERE, HERE, &fields).await.unwrap();
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(made.text().contains("whsec_") && made.text().contains("the &lt;shop&gt;"), "{}", made.text());
    let listed = browser.open(HERE).await.unwrap().text();
    assert!(!listed.contains("whsec_") && listed.contains("channel.connected"));
    let refused = browser.submit(HERE, HERE, &[("url", "https://10.0.0.1/")]).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let endpoint =
        service.get("/api/v1/endpoints").await.unwrap().json()[0]["id"].as_str().unwrap().to_owned();
    let at = format!("{HERE}/{endpoint}");
    connect(&service).await;
    let event =
        service.get("/api/v1/events").await.unwrap().json()["events"][0]["id"].as_str().unwrap().to_owned();
    let again = browser.submit(&at, &format!("{at}/send"), &[("event", &event)]).await.unwrap();
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.text());
    let shown = browser.open(&format!("{at}?attempts=1")).await.unwrap().text();
    assert!(shown.contains(&event) && shown.contains("No attempt yet"), "{shown}");
    let changed = [("url", "https://receiver.example.com/two"), ("description", "two")];
    assert_eq!(browser.submit(&at, &at, &changed).await.unwrap().status, StatusCode::SEE_OTHER);
    let shown = service.get(&format!("/api/v1/endpoints/{endpoint}")).await.unwrap().json();
    assert_eq!((&shown["url"], &shown["types"]), (&json!("https://receiver.example.com/two"), &json!([])));
    assert!(browser.submit(&at, &format!("{at}/secret"), &[]).await.unwrap().text().contains("whsec_"));
    for action in ["disable", "enable"] {
        let done = browser.submit(&at, &format!("{at}/{action}"), &[]).await.unwrap();
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        let shown = browser.open(&at).await.unwrap().text();
        assert_eq!(shown.contains("Nothing is sent to this address.</strong>"), action == "disable");
    }
    let missing = browser.submit(&at, &format!("{at}/send"), &[("event", "evt_none")]).await.unwrap();
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        browser.submit(&at, &format!("{at}/remove"), &[]).await.unwrap().status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(browser.open(&at).await.unwrap().status, StatusCode::NOT_FOUND);
}

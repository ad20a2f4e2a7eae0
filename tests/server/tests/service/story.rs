//! The main workflow, as for a program in any language.

use std::time::Duration;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Service};

/// Connects the account that consents automatically; returns its channel.
pub(crate) async fn connect(service: &Service) -> String {
    let begin = json!({"owner": "user-1", "redirect_uri": library_tests::CALLBACK});
    let begun = service.call(Method::POST, "/api/v1/apps/tiktok-demo/connects", begin).await.unwrap();
    let url = begun.json()["redirect"]["url"].as_str().unwrap().to_owned();
    let callback = library_tests::browse(&url).await.unwrap();
    let complete = json!({"owner": "user-1", "callback": callback});
    let done = service.call(Method::POST, "/api/v1/connects/complete", complete).await.unwrap();
    done.json()["channel"]["id"].as_str().unwrap_or_else(|| panic!("{}", done.text())).to_owned()
}

/// The bytes of a video.
pub(crate) fn video(size: usize) -> Vec<u8> {
    library_tests::video_bytes(size).unwrap()
}

/// Uploads a video; returns its id.
pub(crate) async fn upload(service: &Service, size: usize) -> String {
    let request = Request::post("/api/v1/uploads?file_name=clips%2Fone.mp4")
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .header(CONTENT_TYPE, "video/mp4")
        .body(Body::from(video(size)))
        .unwrap();
    let answer = service.send(request).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.json()["size"], size);
    assert_eq!(answer.json()["file_name"], "one.mp4");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// A post for everybody.
pub(crate) fn post(text: &str, media: Value) -> Value {
    json!({
        "post": {"kind": "video", "text": text, "visibility": "PUBLIC_TO_EVERYONE"},
        "media": [media],
    })
}

async fn publish(service: &Service, channel: &str, key: &str, body: &Value) -> Answer {
    let request = Request::post(format!("/api/v1/channels/{channel}/jobs"))
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap();
    service.send(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_connected_read_published_to_and_disconnected() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let at = |rest: &str| format!("/api/v1/channels/{channel}{rest}");

    assert_eq!(service.get(&at("")).await.unwrap().json()["display_name"], "Demo Kitchen");
    assert_eq!(service.get("/api/v1/channels").await.unwrap().json()[0]["id"], *channel);
    assert_eq!(service.get("/api/v1/channels?app=other").await.unwrap().json(), json!([]));
    assert_eq!(service.get(&at("/profile")).await.unwrap().json()["username"], "demo.kitchen");
    assert_eq!(service.get(&at("/stats/history")).await.unwrap().json(), json!([]));
    let stats = service.get(&at("/stats")).await.unwrap().json();
    assert_eq!(stats["posts"], 57);
    let history = service.get(&at("/stats/history?since=1")).await.unwrap().json();
    assert_eq!(history[0]["stats"], stats);
    let page = service.get(&at("/posts?limit=5")).await.unwrap().json();
    assert_eq!(page["posts"].as_array().unwrap().len(), 5);
    let id = page["posts"][2]["id"].as_str().unwrap();
    let one = service.get(&at(&format!("/posts?ids={id}"))).await.unwrap().json();
    assert_eq!(one["posts"][0]["id"], id);
    assert_eq!(service.get(&at("/publish-form")).await.unwrap().json()["account_name"], "Demo Kitchen");

    let upload = upload(&service, 6_000_000).await;
    let body = post("Over HTTP", json!({"upload": upload}));
    let checks = service.call(Method::POST, &at("/checks"), body.clone()).await.unwrap();
    assert_eq!(checks.status, StatusCode::OK, "{}", checks.text());
    assert!(!checks.text().contains(r#""severity":"error""#), "{}", checks.text());

    let first = publish(&service, &channel, "key-1", &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let job = first.json()["id"].as_str().unwrap().to_owned();
    let again = publish(&service, &channel, "key-1", &body).await;
    assert_eq!(again.json()["id"], *job, "the same key and body: the same job");
    let other = publish(&service, &channel, "key-1", &post("Else", json!({"upload": upload}))).await;
    assert_eq!((other.status.as_u16(), other.json()["field"].clone()), (400, json!("idempotency_key")));

    let events = service.get(&format!("/api/v1/jobs/{job}/events")).await.unwrap();
    assert_eq!(events.header("content-type"), "text/event-stream");
    let last =
        events.text().lines().filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)).next_back();
    let last: Value = serde_json::from_str(&last.unwrap()).unwrap();
    assert_eq!(last["status"], "published", "{last:#}");
    let done = service.get(&format!("/api/v1/jobs/{job}/wait?seconds=50")).await.unwrap().json();
    assert_eq!(done["status"], "published");
    let history = service.get(&format!("/api/v1/jobs/{job}/history")).await.unwrap().json();
    assert!(history.as_array().unwrap().len() >= 3, "{history:#}");
    assert_eq!(service.stage.simulator.world().published().len(), 1);

    let answer = service.call(Method::POST, &format!("/api/v1/jobs/{job}/retry"), json!({})).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "what is published is not repeated");
    let gone = service.call(Method::DELETE, &at(""), Value::Null).await.unwrap();
    assert_eq!(gone.json()["revoked"], true, "{}", gone.text());
    assert_eq!(service.get(&at("")).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_page_by_page_changed_and_cancelled() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let upload = upload(&service, 1_000_000).await;
    let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        + Duration::from_secs(7200);
    let mut jobs = Vec::new();
    for number in 0..5 {
        let mut body = post(&format!("Number {number}"), json!({"upload": upload}));
        body["publish_at"] = json!(later.as_secs());
        let answer = publish(&service, &channel, &format!("key-{number}"), &body).await;
        jobs.push(answer.json()["id"].as_str().unwrap().to_owned());
    }

    let all = format!("/api/v1/jobs?limit=2&status=active&channel={channel}");
    let mut seen = strings(&by_pages(&service, &all).await, "id");
    let mut expected = jobs.clone();
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected, "each job once");

    let at = |rest: &str| format!("/api/v1/jobs/{}{rest}", jobs[0]);
    let changed = service.call(Method::PATCH, &at(""), json!({"priority": 7})).await.unwrap();
    assert_eq!(changed.json()["priority"], 7, "{}", changed.text());
    let answer = service.call(Method::POST, &at("/resolve"), json!({"posted": true})).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer =
        service.call(Method::DELETE, &format!("/api/v1/uploads/{upload}"), Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "open jobs need it");
    for job in &jobs {
        service.call(Method::POST, &format!("/api/v1/jobs/{job}/cancel"), Value::Null).await.unwrap();
        let ended = service.get(&format!("/api/v1/jobs/{job}/wait")).await.unwrap();
        assert_eq!(ended.json()["status"], "cancelled");
    }
    let answer =
        service.call(Method::DELETE, &format!("/api/v1/uploads/{upload}"), Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

/// The whole list, by pages of two.
async fn by_pages(service: &Service, path: &str) -> Vec<Value> {
    let (mut seen, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = service.get(&next).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{next}: {}", page.text());
        let items = page.json().as_array().unwrap().clone();
        assert!(items.len() <= 2, "{next}: {}", page.text());
        seen.extend(items);
        assert!(seen.len() < 50, "{path} ends: {next}");
        let link = page.header("link");
        match link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) {
            Some(link) => next = link.to_owned(),
            None => return seen,
        }
    }
}

fn strings(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_can_be_read_by_pages_and_each_entry_is_on_one() {
    let service = Service::new().await.unwrap();
    let channel = service.stage.connect().await.unwrap().id;
    let file = upload(&service, 4_096).await;
    for number in 0..4 {
        upload(&service, 4_096).await;
        let made = service.call(Method::POST, "/api/v1/keys", json!({"name": format!("key {number}")})).await;
        assert_eq!(made.unwrap().status, StatusCode::CREATED);
        let app = json!({"provider": "tiktok", "settings": {"client-key": "k", "client-secret": "s"}});
        let put = service.call(Method::PUT, &format!("/api/v1/apps/app-{number}"), app).await.unwrap();
        assert!(put.status.is_success(), "{}", put.text());
        service.stage.tenant.stats(&channel).await.unwrap();
    }
    let job = publish(&service, &channel, "key", &post("One", json!({"upload": file}))).await.json();
    let job = job["id"].as_str().unwrap();
    service.get(&format!("/api/v1/jobs/{job}/wait")).await.unwrap();
    for (path, least) in [
        ("/api/v1/uploads".to_owned(), 4),
        ("/api/v1/keys".to_owned(), 5),
        ("/api/v1/apps".to_owned(), 5),
        ("/api/v1/providers".to_owned(), 1),
        ("/api/v1/files".to_owned(), 0),
        ("/api/v1/channels".to_owned(), 1),
        ("/api/v1/jobs".to_owned(), 1),
        (format!("/api/v1/jobs/{job}/history"), 3),
        (format!("/api/v1/channels/{channel}/stats/history"), 1),
    ] {
        let whole = service.get(&path).await.unwrap().json();
        let whole = whole.as_array().unwrap();
        assert!(whole.len() >= least, "{path}: {whole:?}");
        let paged = by_pages(&service, &format!("{path}?limit=2")).await;
        assert_eq!(paged, *whole, "{path}");
        for wrong in ["limit=0", "limit=1000000", "limit=x", "before=1"] {
            let answer = service.get(&format!("{path}?{wrong}")).await.unwrap();
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}?{wrong}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lets_the_person_choose_the_account() {
    let service = Service::new().await.unwrap();
    let (app, callback) = ("/api/v1/apps/tiktok-demo", "https://social.example.com/callback/tiktok-demo");
    let web = json!({"settings": {"kind": "web"}, "redirect_uri": callback});
    let web = service.call(Method::PUT, app, web).await.unwrap();
    assert!(web.status.is_success(), "{}", web.text());
    let browser = service.browser().await.unwrap();
    let (page, csrf) =
        ("/channels/add/tiktok-demo", browser.token("/channels/add/tiktok-demo").await.unwrap());
    let begun = browser.submit_with(&csrf, page, &[]).await.unwrap();
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text());
    assert!(begun.text().contains("disable_auto_auth=1"), "{}", begun.text());
}

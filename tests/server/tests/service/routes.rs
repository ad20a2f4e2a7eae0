//! Every route: valid and invalid requests.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Service};
use social_channel_server::Config;

/// The operations of the description, with values for their path parameters.
fn operations(openapi: &Value) -> Vec<(Method, String)> {
    let mut found = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            if item.get(method).is_some() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let mut path = format!("/api/v1{path}");
                while let Some((start, end)) = path.find('{').zip(path.find('}')) {
                    path.replace_range(start..=end, "nobody");
                }
                found.push((method, path));
            }
        }
    }
    found
}

fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    let document = answer.json();
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(document["kind"], kind, "{document:#}");
    assert_eq!(document["status"], status);
    assert!(document["type"].as_str().unwrap().ends_with(kind));
    assert!(!document["detail"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_served_and_nothing_of_it_without_a_key() {
    let service = Service::new().await.unwrap();
    let openapi = service.get("/api/v1/openapi.json").await.unwrap().json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let operations = operations(&openapi);
    assert!(operations.len() >= 40, "{}", operations.len());
    let publish = &openapi["paths"]["/channels/{channel}/jobs"]["post"]["parameters"];
    assert!(publish.to_string().contains("Idempotency-Key"), "{publish:#}");
    for (method, path) in operations {
        let answer = service.call_with("sck_wrong", method.clone(), &path, json!({})).await.unwrap();
        assert_problem(&answer, 401, "invalid_request");
        assert_eq!(answer.json()["code"], "unauthenticated", "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let service = Service::new().await.unwrap();
    for path in [
        "/api/v1/providers/nobody",
        "/api/v1/apps/nobody",
        "/api/v1/apps/nobody/checks",
        "/api/v1/apps/nobody/guide",
        "/api/v1/channels/nobody",
        "/api/v1/channels/nobody/profile",
        "/api/v1/channels/nobody/stats",
        "/api/v1/channels/nobody/stats/history",
        "/api/v1/channels/nobody/posts",
        "/api/v1/channels/nobody/posts/1/stats/history",
        "/api/v1/channels/nobody/posts?ids=1,2",
        "/api/v1/channels/nobody/publish-form",
        "/api/v1/jobs/nobody",
        "/api/v1/jobs/nobody/history",
        "/api/v1/jobs/nobody/wait?seconds=0",
        "/api/v1/jobs/nobody/events",
        "/api/v1/uploads/nobody",
        "/api/v1/endpoints/nobody",
        "/api/v1/endpoints/nobody/deliveries",
        "/api/v1/endpoints/nobody/deliveries/1/attempts",
        "/api/v1/nothing",
        "/nothing",
        "/media/nothing.mp4",
    ] {
        assert_problem(&service.get(path).await.unwrap(), 404, "not_found");
    }
    let post = json!({"kind": "video"});
    for (method, path, body) in [
        (Method::DELETE, "/api/v1/providers/nobody", Value::Null),
        (Method::DELETE, "/api/v1/apps/nobody", Value::Null),
        (Method::POST, "/api/v1/apps/nobody/connects", json!({"owner": "x"})),
        (Method::POST, "/api/v1/apps/nobody/imports", json!({"rows": [{}]})),
        (Method::DELETE, "/api/v1/channels/nobody", Value::Null),
        (Method::POST, "/api/v1/channels/nobody/checks", json!({"post": post})),
        (Method::POST, "/api/v1/channels/nobody/jobs", json!({"post": post})),
        (Method::PATCH, "/api/v1/jobs/nobody", json!({})),
        (Method::POST, "/api/v1/jobs/nobody/cancel", Value::Null),
        (Method::POST, "/api/v1/jobs/nobody/resume", Value::Null),
        (Method::POST, "/api/v1/jobs/nobody/retry", json!({})),
        (Method::POST, "/api/v1/jobs/nobody/resolve", json!({"posted": true})),
        (Method::DELETE, "/api/v1/uploads/nobody", Value::Null),
        (Method::PATCH, "/api/v1/endpoints/nobody", json!({})),
        (Method::DELETE, "/api/v1/endpoints/nobody", Value::Null),
        (Method::POST, "/api/v1/endpoints/nobody/secret", json!({})),
        (Method::POST, "/api/v1/endpoints/nobody/send", json!({"event": "evt"})),
        (Method::DELETE, "/api/v1/keys/nobody", Value::Null),
        (Method::DELETE, "/api/v1/files?path=nothing.txt", Value::Null),
    ] {
        assert_problem(&service.call(method, path, body).await.unwrap(), 404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_refused_with_the_reason() {
    let service = Service::new().await.unwrap();
    for (method, path, body) in [
        (Method::GET, "/api/v1/channels?limit=0", Value::Null),
        (Method::GET, "/api/v1/channels?limit=many", Value::Null),
        (Method::GET, "/api/v1/channels?unknown=1", Value::Null),
        (Method::GET, "/api/v1/jobs?status=done", Value::Null),
        (Method::GET, "/api/v1/jobs/x/wait?seconds=99", Value::Null),
        (Method::GET, "/api/v1/channels/x/posts?ids=,", Value::Null),
        (Method::PUT, "/api/v1/apps/new", json!({"unknown": 1})),
        (Method::PUT, "/api/v1/apps/new", json!({})),
        (Method::PUT, "/api/v1/apps/not%20a%20name", json!({"provider": "tiktok"})),
        (Method::PUT, "/api/v1/apps/tiktok-demo", json!({"settings": {"nonsense": "x"}})),
        (Method::PUT, "/api/v1/apps/tiktok-demo", json!({"listing": {"privacy_url": "nowhere"}})),
        (Method::POST, "/api/v1/connects/complete", json!({"owner": "x", "callback": "code=1"})),
        (Method::POST, "/api/v1/connects/choose", json!({"owner": "x", "choice": "y", "account_id": "z"})),
        (Method::POST, "/api/v1/keys", json!({"name": ""})),
        (Method::POST, "/api/v1/endpoints", json!({"url": "nowhere"})),
        (Method::POST, "/api/v1/endpoints/x/secret", json!({"overlap_seconds": 99_999_999})),
        (Method::POST, "/api/v1/keys", json!({"name": "x", "tenant": "not a name"})),
        (Method::PUT, "/api/v1/files?path=../x", json!({})),
        (Method::PUT, "/api/v1/files?path=api/v1/x", json!({})),
    ] {
        let answer = service.call(method, path, body).await.unwrap();
        let kind = answer.json()["kind"].clone();
        assert!(kind == "invalid_request" || kind == "invalid_argument", "{path}: {}", answer.text());
        assert_problem(&answer, 400, kind.as_str().unwrap());
    }
    let post = |content_type: &str, body: &str| {
        Request::post("/api/v1/keys")
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let answer = service.send(post("text/plain", r#"{"name": "x"}"#)).await.unwrap();
    assert_problem(&answer, 415, "invalid_request");
    let answer = service.send(post("application/json", "{")).await.unwrap();
    assert_problem(&answer, 400, "invalid_request");
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(Config::default().max_body));
    let answer = service.send(post("application/json", &large)).await.unwrap();
    assert_problem(&answer, 413, "invalid_request");
    let answer = service.call(Method::DELETE, "/api/v1/channels", Value::Null).await.unwrap();
    assert_problem(&answer, 405, "invalid_request");
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_looked_at_installed_and_kept_while_an_app_needs_them() {
    let service = Service::new().await.unwrap();
    let component = library_tests::component("plugin_tiktok").unwrap();
    let raw = |path: &str, bytes: Vec<u8>| {
        Request::post(path)
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .body(Body::from(bytes))
            .unwrap()
    };
    for path in ["/api/v1/providers", "/api/v1/providers/inspect"] {
        let answer = service.send(raw(path, b"no component".to_vec())).await.unwrap();
        assert_problem(&answer, 422, "load_failed");
    }
    let seen = service.send(raw("/api/v1/providers/inspect", component.clone())).await.unwrap();
    assert_eq!(seen.json()["descriptor"]["id"], "tiktok");
    assert_eq!(seen.json()["installed"], false);
    let loaded = service.send(raw("/api/v1/providers", component)).await.unwrap();
    assert_eq!(loaded.json()["provider"]["apps"], json!(["tiktok-demo"]), "{}", loaded.text());
    let all = service.get("/api/v1/providers").await.unwrap().json();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(service.get("/api/v1/providers/tiktok").await.unwrap().status, StatusCode::OK);
    let answer = service.call(Method::DELETE, "/api/v1/providers/tiktok", Value::Null).await.unwrap();
    assert_problem(&answer, 400, "invalid_request");
    let answer = service.call(Method::DELETE, "/api/v1/apps/tiktok-demo", Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let answer = service.call(Method::DELETE, "/api/v1/providers/tiktok", Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_secrets_are_never_shown_again() {
    let service = Service::new().await.unwrap();
    let secret = "a-very-secret-secret-0001";
    let config = json!({
        "provider": "tiktok",
        "settings": {"client-key": "simkey-web", "client-secret": secret},
        "listing": {"privacy_url": "https://northwind.example/privacy"},
    });
    let made = service.call(Method::PUT, "/api/v1/apps/second", config).await.unwrap();
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert_eq!(made.json()["redirect_uri"], "https://social.example.com/callback/second");
    assert_eq!(made.json()["webhook_url"], "https://social.example.com/webhooks/second");
    for path in ["/api/v1/apps", "/api/v1/apps/second"] {
        let text = service.get(path).await.unwrap().text();
        assert!(!text.contains(secret) && text.contains("****0001"), "{text}");
    }
    let checks = service.get("/api/v1/apps/second/checks").await.unwrap();
    assert_eq!(checks.status, StatusCode::OK);
    let checks = checks.json();
    let about = |subject: &str| {
        let found = checks.as_array().unwrap().iter().find(|finding| finding["subject"] == subject);
        found.unwrap_or_else(|| panic!("nothing about {subject}: {checks:#}"))["severity"].clone()
    };
    // The example's address is invalid, and no server responds there.
    assert_eq!(about("public-address"), "error");
    assert_eq!(about("privacy-url"), "error");
    assert_eq!(about("terms-url"), "info");
    assert_eq!(about("clock"), "ok");
    let guide = service.get("/api/v1/apps/second/guide").await.unwrap().json();
    assert!(guide.to_string().contains("https://social.example.com/callback/second"), "{guide:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_page_needs_no_other_host() {
    let service = Service::new().await.unwrap();
    for path in ["/api/v1/reference.js", "/api/v1/reference.css"] {
        let answer = service.get(path).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.text().contains("http://") && !answer.text().contains("https://"));
    }
    // It is for the operator: a browser that has not signed in is redirected to sign in.
    let answer = service.get("/api/v1/reference").await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/sign-in?next=%2Fapi%2Fv1%2Freference");
}

//! Tests of access control.

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::Service;
use social_channel::SecretText;
use social_channel_server::Access;
use social_channel_server::auth::{Browser, Form, Operator};
use social_channel_server::{Config, State};
use sqlx::Connection as _;
use tower::ServiceExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_key_reaches_its_own_tenant_and_nothing_of_the_operators() {
    let service = Service::new().await.unwrap();
    let channel = crate::story::connect(&service).await;
    let body = json!({"name": "their program", "tenant": "theirs"});
    let made = service.call(Method::POST, "/api/v1/keys", body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED);
    let (id, key) = (made.json()["id"].clone(), made.json()["text"].as_str().unwrap().to_owned());
    let theirs = |method, path: &str, body| {
        let (service, key, path) = (&service, key.clone(), path.to_owned());
        async move { service.call_with(&key, method, &path, body).await.unwrap() }
    };

    assert_eq!(theirs(Method::GET, "/api/v1/channels", Value::Null).await.json(), json!([]));
    let one = theirs(Method::GET, &format!("/api/v1/channels/{channel}"), Value::Null).await;
    assert_eq!(one.status, StatusCode::NOT_FOUND);
    let apps = theirs(Method::GET, "/api/v1/apps", Value::Null).await.json();
    assert_eq!(apps[0]["id"], "tiktok-demo", "it serves all tenants");
    assert!(apps[0]["settings"].as_array().unwrap().iter().all(|setting| setting["value"].is_null()));
    for (method, path, body) in [
        (Method::PUT, "/api/v1/apps/mine", json!({"provider": "tiktok"})),
        (Method::DELETE, "/api/v1/apps/tiktok-demo", Value::Null),
        (Method::GET, "/api/v1/apps/tiktok-demo/checks", Value::Null),
        (Method::POST, "/api/v1/providers", Value::Null),
        (Method::DELETE, "/api/v1/providers/tiktok", Value::Null),
        (Method::GET, "/api/v1/files", Value::Null),
        (Method::POST, "/api/v1/keys", json!({"name": "x", "tenant": "default"})),
    ] {
        let answer = theirs(method, path, body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text());
        assert_eq!(answer.json()["code"], "not_allowed");
    }
    let own = theirs(Method::POST, "/api/v1/keys", json!({"name": "second"})).await;
    assert_eq!(own.json()["tenant"], "theirs");
    let seen = theirs(Method::GET, "/api/v1/keys", Value::Null).await;
    assert_eq!(seen.json().as_array().unwrap().len(), 2, "the operator's own key is not theirs to see");
    assert!(!seen.text().contains(&key), "a key is shown once");

    let request = Request::get("/api/v1/channels")
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header("social-channel-tenant", "default")
        .body(Body::empty())
        .unwrap();
    assert_eq!(service.send(request).await.unwrap().status, StatusCode::FORBIDDEN);

    let path = format!("/api/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(
        service.call(Method::DELETE, &path, Value::Null).await.unwrap().status,
        StatusCode::NO_CONTENT
    );
    let after = theirs(Method::GET, "/api/v1/channels", Value::Null).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "a revoked key opens nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_a_bounded_number_of_keys_and_another_its_own() {
    let service = Service::new().await.unwrap();
    let access = Access::of(&service.stage.host);
    let (theirs, other) = ("theirs".parse().unwrap(), "other".parse().unwrap());
    let first = access.create_api_key("first", Some(&theirs)).await.unwrap();
    for number in 1..200 {
        access.create_api_key(&format!("key {number}"), Some(&theirs)).await.unwrap();
    }
    let body = json!({"name": "one more"});
    let refused =
        service.call_with(first.text.expose(), Method::POST, "/api/v1/keys", body.clone()).await.unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text());
    assert!(refused.text().contains("revoke"), "{}", refused.text());
    access.create_api_key("theirs", Some(&other)).await.unwrap();
    access.create_api_key("the operator's", None).await.unwrap();
    access.revoke_api_key(Some(&other), &first.key.id).await.unwrap_err();
    let key = access.api_keys(Some(&theirs)).await.unwrap().remove(5);
    access.revoke_api_key(Some(&theirs), &key.id).await.unwrap();
    let made = service.call_with(first.text.expose(), Method::POST, "/api/v1/keys", body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_although_its_use_cannot_be_noted() {
    let service = Service::new().await.unwrap();
    let made = service.call(Method::POST, "/api/v1/keys", json!({"name": "one"})).await.unwrap();
    let (id, text) = (made.json()["id"].clone(), made.json()["text"].as_str().unwrap().to_owned());
    let used = async || {
        let keys = service.call(Method::GET, "/api/v1/keys", Value::Null).await.unwrap().json();
        keys.as_array().unwrap().iter().find(|key| key["id"] == id).unwrap()["used_at"].clone()
    };
    let opens = async || {
        let answer = service.call_with(&text, Method::GET, "/api/v1/channels", Value::Null).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    };
    let file = service.stage.folder.path().join("social-channel.sqlite");
    let mut database =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON documents BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::raw_sql(refuse).execute(&mut database).await.unwrap();
    opens().await;
    assert_eq!(used().await, Value::Null, "the database took no note");
    sqlx::raw_sql("DROP TRIGGER refuse").execute(&mut database).await.unwrap();
    opens().await;
    assert!(used().await.is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_key_acts_for_the_tenant_it_names() {
    let service = Service::new().await.unwrap();
    crate::story::connect(&service).await;
    let list = |tenant: &str| {
        let request = Request::get("/api/v1/channels")
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .header("social-channel-tenant", tenant)
            .body(Body::empty());
        service.send(request.unwrap())
    };
    assert_eq!(list("default").await.unwrap().json().as_array().unwrap().len(), 1);
    assert_eq!(list("another").await.unwrap().json(), json!([]));
    assert_eq!(list("not a name").await.unwrap().status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_cannot_make_a_browser_change_anything() {
    let service = Service::new().await.unwrap();
    for (name, value, refused) in [
        ("sec-fetch-site", "cross-site", true),
        ("sec-fetch-site", "same-site", true),
        ("sec-fetch-site", "same-origin", false),
        ("origin", "https://evil.example", true),
        ("origin", "null", true),
        ("origin", "https://social.example.com", false),
    ] {
        let request = Request::post("/api/v1/keys")
            .header("host", "social.example.com")
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .header(CONTENT_TYPE, "application/json")
            .header(name, value)
            .body(Body::from(r#"{"name": "x"}"#))
            .unwrap();
        let status = service.send(request).await.unwrap().status;
        let expected = if refused { StatusCode::FORBIDDEN } else { StatusCode::CREATED };
        assert_eq!(status, expected, "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_safe_headers_and_its_id() {
    let service = Service::new().await.unwrap();
    for path in ["/healthz", "/api/v1/channels", "/nothing"] {
        let answer = service.get(path).await.unwrap();
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("x-request-id").len(), 36);
    }
    let request = Request::get("/healthz").header("x-request-id", "mine-1").body(Body::empty()).unwrap();
    assert_eq!(service.send(request).await.unwrap().header("x-request-id"), "mine-1");
}

/// Minimal pages, for testing what pages receive.
fn pages(state: State) -> Router {
    async fn sign_in(Shared(state): Shared<State>, browser: Browser, password: String) -> Response {
        match browser.sign_in(&state, None, SecretText::new(password)).await {
            Ok(cookie) => (cookie, "welcome").into_response(),
            Err(problem) => problem.into_response(),
        }
    }
    async fn inside(Operator(browser): Operator) -> String {
        browser.csrf().to_owned()
    }
    async fn form(_: Operator, form: Form) -> String {
        form.get("name").unwrap_or_default().to_owned()
    }
    async fn sign_out(Shared(state): Shared<State>, browser: Browser) -> Response {
        match browser.sign_out(&state).await {
            Ok(cookie) => (cookie, "bye").into_response(),
            Err(problem) => problem.into_response(),
        }
    }
    Router::new()
        .route("/in", post(sign_in))
        .route("/out", post(sign_out))
        .route("/page", axum::routing::get(inside))
        .route("/form", post(form))
        .with_state(state)
}

async fn ask(
    pages: &Router,
    method: Method,
    path: &str,
    cookie: &str,
    body: &str,
) -> (StatusCode, String, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(COOKIE, cookie)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = pages.clone().oneshot(request).await.unwrap();
    let set = response.headers().get(SET_COOKIE).map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = response.status();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, set, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_the_password_and_its_forms_prove_themselves() {
    let stage = library_tests::Stage::new().await.unwrap();
    let config =
        Config { public_address: Some("https://social.example.com".to_owned()), ..Config::default() };
    let pages = pages(State::new(stage.host.clone(), config).unwrap());
    let planted = format!("__Host-social-channel={}", "x".repeat(43));
    let (status, ..) = ask(&pages, Method::POST, "/in", &planted, "correct horse").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "there is no password yet");
    assert_eq!(
        Access::of(&stage.host)
            .set_password(Some(SecretText::new("short")))
            .await
            .unwrap_err()
            .field
            .unwrap(),
        "password"
    );
    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();

    assert_eq!(ask(&pages, Method::GET, "/page", &planted, "").await.0, StatusCode::SEE_OTHER);
    let (status, set, _) = ask(&pages, Method::POST, "/in", &planted, "correct horse").await;
    assert_eq!(status, StatusCode::OK);
    for part in ["__Host-social-channel=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = set.split(';').next().unwrap().to_owned();
    assert_ne!(cookie, planted, "a cookie that was there before is worth nothing after");
    assert_eq!(ask(&pages, Method::GET, "/page", &planted, "").await.0, StatusCode::SEE_OTHER);
    let (status, _, csrf) = ask(&pages, Method::GET, "/page", &cookie, "").await;
    assert_eq!(status, StatusCode::OK);

    let (status, ..) = ask(&pages, Method::POST, "/form", &cookie, "name=x").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, ..) = ask(&pages, Method::POST, "/form", &cookie, "csrf=wrong&name=x").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _, name) =
        ask(&pages, Method::POST, "/form", &cookie, &format!("csrf={csrf}&name=a+b")).await;
    assert_eq!((status, name.as_str()), (StatusCode::OK, "a b"));

    ask(&pages, Method::POST, "/out", &cookie, "").await;
    assert_eq!(ask(&pages, Method::GET, "/page", &cookie, "").await.0, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_not_tried_out_by_the_hundred_and_the_right_one_still_opens() {
    let stage = library_tests::Stage::new().await.unwrap();
    let proxy: std::net::SocketAddr = "10.0.0.1:4711".parse().unwrap();
    let config = Config {
        sign_in_attempts: 2,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..Config::default()
    };
    let pages = pages(State::new(stage.host.clone(), config).unwrap());
    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let attempt = |client: &str, password: &str| {
        let mut request = Request::post("/in")
            .header(COOKIE, format!("social-channel={}", "x".repeat(43)))
            .header("x-forwarded-for", client)
            .body(Body::from(password.to_owned()))
            .unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(proxy));
        let answer = pages.clone().oneshot(request);
        async move { answer.await.unwrap().status() }
    };
    for _ in 0..2 {
        assert_eq!(attempt("203.0.113.1", "wrong horse").await, StatusCode::FORBIDDEN);
    }
    // From here on they wait for each other, and so many may.
    let (flood, other, right) = tokio::join!(
        futures::future::join_all((0..20).map(|_| attempt("203.0.113.1", "wrong horse"))),
        attempt("203.0.113.2", "wrong horse"),
        attempt("203.0.113.2", "correct horse"),
    );
    assert_eq!(
        flood.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count(),
        12,
        "{flood:?}"
    );
    assert_eq!(
        (other, right),
        (StatusCode::FORBIDDEN, StatusCode::OK),
        "another address, by the proxy's word"
    );
    let right = attempt("203.0.113.1", "correct horse").await;
    assert_eq!(right, StatusCode::OK, "and the same address, more slowly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_a_page_calls_the_api_with_cookie_and_token() {
    let service = Service::new().await.unwrap();
    let host = &service.stage.host;
    Access::of(host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let value = "y".repeat(43);
    Access::of(host).sign_in(&SecretText::new(value.clone())).await.unwrap();
    let config = Config::default();
    let pages = pages(State::new(host.clone(), config).unwrap());
    let cookie = format!("social-channel={value}");
    let (_, _, csrf) = ask(&pages, Method::GET, "/page", &cookie, "").await;
    let call = |token: &str| {
        let request = Request::post("/api/v1/keys")
            .header(COOKIE, &cookie)
            .header(CONTENT_TYPE, "application/json")
            .header("x-csrf-token", token)
            .body(Body::from(r#"{"name": "from a page"}"#))
            .unwrap();
        service.send(request)
    };
    assert_eq!(call("wrong").await.unwrap().status, StatusCode::FORBIDDEN);
    assert_eq!(call(&csrf).await.unwrap().status, StatusCode::CREATED);
}

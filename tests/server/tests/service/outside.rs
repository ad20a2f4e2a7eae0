//! Routes for others: callbacks, webhooks, files, probes, metrics.

use axum::body::Body;
use http::header::{AUTHORIZATION, COOKIE};
use http::{Method, Request, StatusCode};
use library_tests::until;
use serde_json::{Value, json};
use server_tests::Service;
use sha2::Digest as _;
use social_channel::{Routes, WEBHOOK_BODY};
use social_channel_server::Config;
use sqlx::Connection as _;

fn get(path: &str, cookie: &str) -> Request<Body> {
    Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_completed_by_the_browser_that_began_it_and_by_no_other() {
    let service = Service::new().await.unwrap();
    let ours = "b".repeat(43);
    let owner = format!("browser-{}", hex::encode(sha2::Sha256::digest(ours.as_bytes())));
    let begin = json!({"owner": owner, "redirect_uri": library_tests::CALLBACK});
    let begun = service.call(Method::POST, "/api/v1/apps/tiktok-demo/connects", begin).await.unwrap();
    let callback = library_tests::browse(begun.json()["redirect"]["url"].as_str().unwrap()).await.unwrap();
    let query: String = callback
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", value.replace('%', "%25").replace('+', "%2B").replace('!', "%21"))
        })
        .collect::<Vec<_>>()
        .join("&");
    let path = format!("/callback/tiktok-demo?{query}");

    let strangers = service.send(get(&path, &format!("social-channel={}", "c".repeat(43)))).await.unwrap();
    assert!(strangers.text().contains("another browser"), "{}", strangers.text());
    let nobodys = service.send(get(&path, "")).await.unwrap();
    assert!(nobodys.text().contains("another browser"), "{}", nobodys.text());
    assert!(nobodys.header("set-cookie").contains("HttpOnly"));
    assert_eq!(service.get("/api/v1/channels").await.unwrap().json(), json!([]));

    service.send(get(&path, &format!("social-channel={ours}"))).await.unwrap();
    assert_eq!(service.get("/api/v1/channels").await.unwrap().json().as_array().unwrap().len(), 1);
    let again = service.send(get(&path, &format!("social-channel={ours}"))).await.unwrap();
    assert!(again.text().contains("used already"), "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_registered_for_any_port_comes_back_to_the_port_of_the_service() {
    let stage = library_tests::Stage::new().await.unwrap();
    let builder = library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap();
    let host = builder.public_address("http://127.0.0.1:4711").open().await.unwrap();
    let options = social_channel::ConnectOptions { owner: "x".to_owned(), ..Default::default() };
    let tenant = host.tenant(social_channel::TenantId::default());
    let begun = tenant.begin_connect("tiktok-demo", options).await.unwrap();
    let social_channel::Connect::Redirect { url, .. } = begun else { panic!("a browser was expected") };
    assert!(url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback&"), "{url}");

    let service = Service::new().await.unwrap();
    let answer = service.send(get("/callback?code=x&state=y", "")).await.unwrap();
    assert!(answer.text().contains("unknown"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_that_the_library_makes_are_served() {
    let service = Service::new().await.unwrap();
    let Routes { callback, short_callback, webhooks, media, health } = Routes::default();
    for route in [callback, short_callback, webhooks, format!("{media}name"), health] {
        let path = route.replace("{app}", "tiktok-demo");
        // Nobody deletes there; where nothing is served the answer is 404.
        let request = Request::delete(&path).body(Body::empty()).unwrap();
        assert_eq!(service.send(request).await.unwrap().status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    let live = service.stage.host.callback_url("live");
    assert_eq!(live.as_deref(), Some("https://social.example.com/callback/live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_bounded_before_a_provider_looks_at_them() {
    let service = Service::with(Config { webhook_rate: 3, ..Config::default() }).await.unwrap();
    let send = |app: &str, size: usize| {
        let request = Request::post(format!("/webhooks/{app}")).body(Body::from(vec![b'{'; size]));
        service.send(request.unwrap())
    };
    assert_eq!(send("nobody", 10).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(send("tiktok-demo", WEBHOOK_BODY + 1).await.unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
    let forged = send("tiktok-demo", 10).await.unwrap();
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text());
    send("tiktok-demo", 10).await.unwrap();
    let flood = send("tiktok-demo", 10).await.unwrap();
    assert_eq!(flood.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!flood.header("retry-after").is_empty());
    let answer = service.call(Method::DELETE, "/webhooks/tiktok-demo", Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_a_platform_looks_for_are_served_as_they_were_added() {
    let service = Service::new().await.unwrap();
    let put = |path: &str, text: &str| {
        let request = Request::put(format!("/api/v1/files?path={path}"))
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .body(Body::from(text.to_owned()));
        service.send(request.unwrap())
    };
    for path in ["proof-123.txt", "media/proof-123.txt"] {
        let answer = put(path, "developers-site-verification=123").await.unwrap();
        assert_eq!(answer.json()["url"], format!("https://social.example.com/{path}"), "{}", answer.text());
        let request = Request::get(format!("/{path}")).body(Body::empty()).unwrap();
        let seen = service.send(request).await.unwrap();
        assert_eq!(seen.text(), "developers-site-verification=123");
        assert!(seen.header("content-type").starts_with("text/plain"));
        assert!(seen.header("content-security-policy").contains("sandbox"), "it runs nothing in our name");
    }
    // A page would hide them.
    for path in ["settings", "channels/proof.txt", "jobs", "uploads"] {
        let answer = put(path, "x").await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text().contains("is used by the service itself"), "{}", answer.text());
    }
    assert_eq!(service.get("/api/v1/files").await.unwrap().json().as_array().unwrap().len(), 2);
    let answer = service.call(Method::DELETE, "/api/v1/files?path=proof-123.txt", Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(service.get("/proof-123.txt").await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_ready_while_its_database_takes_writes() {
    let service = Service::new().await.unwrap();
    let file = service.stage.folder.path().join("social-channel.sqlite");
    let mut database =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let answers = async |status| {
        until("the answer", async || (service.get("/readyz").await.unwrap().status == status).then_some(()))
            .await;
    };
    answers(StatusCode::OK).await;
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::raw_sql(refuse).execute(&mut database).await.unwrap();
    answers(StatusCode::SERVICE_UNAVAILABLE).await;
    sqlx::raw_sql("DROP TRIGGER refuse").execute(&mut database).await.unwrap();
    answers(StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_the_operators_and_hold_no_ids_and_no_secrets() {
    let service = Service::new().await.unwrap();
    let channel = crate::story::connect(&service).await;
    service.get(&format!("/api/v1/channels/{channel}")).await.unwrap();
    let request = || Request::get("/metrics").body(Body::empty()).unwrap();
    assert_eq!(service.send(request()).await.unwrap().status, StatusCode::UNAUTHORIZED);
    let text = service.get("/metrics").await.unwrap().text();
    assert!(
        text.contains(r#"social_channel_http_requests_total{route="/api/v1/channels/{channel}",method="GET",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"social_channel_channels{health="active"} 1"#), "{text}");
    assert!(!text.contains(&channel) && !text.contains(&service.key));

    let open = Service::with(Config { public_metrics: true, ..Config::default() }).await.unwrap();
    assert_eq!(open.send(request()).await.unwrap().status, StatusCode::OK);
}

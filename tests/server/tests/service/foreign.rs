//! What a provider, a tenant or a platform chose stands at the operator's own address, and does nothing there.

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Service};
use social_channel_server::Config;

use crate::story::connect;

/// A service with the provider of the tests beside TikTok's, as the app `test`.
pub(crate) async fn with_a_provider(config: Config) -> Service {
    let service = Service::with(config).await.unwrap();
    let component = library_tests::component("test_provider").unwrap();
    let install = Request::post("/api/v1/providers")
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .body(Body::from(component))
        .unwrap();
    assert!(service.send(install).await.unwrap().status.is_success());
    let made = set(&service, json!({})).await;
    assert!(made.status.is_success(), "{}", made.text());
    service
}

/// Connects an account of that provider; returns its channel.
pub(crate) async fn connect_there(service: &Service) -> String {
    set(service, json!({"behaviour": "lead-elsewhere", "url": "https://network.example/authorize"})).await;
    let begin = json!({"owner": "x", "redirect_uri": "https://social.example.com/callback/test"});
    let begun = service.call(Method::POST, "/api/v1/apps/test/connects", begin).await.unwrap();
    let state = begun.json()["redirect"]["state"].as_str().unwrap().to_owned();
    let complete = json!({"owner": "x", "callback": format!("code=1&state={state}")});
    let done = service.call(Method::POST, "/api/v1/connects/complete", complete).await.unwrap();
    done.json()["channel"]["id"].as_str().unwrap_or_else(|| panic!("{}", done.text())).to_owned()
}

async fn set(service: &Service, settings: Value) -> Answer {
    let body = json!({"provider": "test-provider", "settings": settings});
    service.call(Method::PUT, "/api/v1/apps/test", body).await.unwrap()
}

fn delivery(app: &str, kind: &str, answer: &str) -> Request<Body> {
    Request::get(format!("/webhooks/{app}?challenge=1"))
        .header("x-signature", "good")
        .header("x-answer-type", kind)
        .header("x-answer", answer)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_answer_to_a_webhook_is_text_whatever_it_says() {
    let service = with_a_provider(Config::default()).await;
    let page = "<!doctype html><script src='/webhooks/test?script'></script>";
    for (said, served) in [
        ("text/html", "text/plain; charset=utf-8"),
        ("text/javascript", "text/plain; charset=utf-8"),
        ("image/svg+xml", "text/plain; charset=utf-8"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("", "text/plain; charset=utf-8"),
    ] {
        let answer = service.send(delivery("test", said, page)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.text(), page, "the bytes are the platform's to read");
        assert_eq!(answer.header("content-type"), served, "{said}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"),
            "{policy}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_of_a_provider_leads_to_ourselves_or_runs_anything() {
    let service = with_a_provider(Config::default()).await;
    let begin = json!({"owner": "x", "redirect_uri": "https://social.example.com/callback/test"});
    let begun =
        async || service.call(Method::POST, "/api/v1/apps/test/connects", begin.clone()).await.unwrap();
    for own in [
        "https://social.example.com/settings/keys",
        "https://SOCIAL.example.com:443/",
        "javascript:alert(1)",
        "http://elsewhere.example/",
    ] {
        set(&service, json!({"behaviour": "lead-elsewhere", "url": own})).await;
        let answer = begun().await;
        assert_eq!(answer.json()["kind"], "provider_fault", "{own}: {}", answer.text());
    }
    // Nobody is no owner: anybody would complete this consent.
    let nobody = json!({"owner": "", "redirect_uri": "https://social.example.com/callback/test"});
    let answer = service.call(Method::POST, "/api/v1/apps/test/connects", nobody).await.unwrap();
    assert_eq!(
        (answer.json()["kind"].as_str(), answer.json()["field"].as_str()),
        (Some("invalid_request"), Some("owner"))
    );
    // The program that takes the callback is ours, too.
    set(&service, json!({"behaviour": "lead-elsewhere", "url": "https://shop.example.com/account/delete"}))
        .await;
    let theirs = json!({"owner": "x", "redirect_uri": "https://shop.example.com/callback"});
    let answer = service.call(Method::POST, "/api/v1/apps/test/connects", theirs).await.unwrap();
    assert_eq!(answer.json()["kind"], "provider_fault", "{}", answer.text());
    let channel = connect_there(&service).await;
    for (avatar, kept) in [("data:text/html,x", false), ("https://cdn.example/a.png", true)] {
        set(&service, json!({"behaviour": "links", "url": avatar})).await;
        let profile = service.get(&format!("/api/v1/channels/{channel}/profile")).await.unwrap();
        let profile = profile.json();
        assert_eq!(profile["bio"], "links", "{profile}");
        assert_eq!(profile["url"], Value::Null, "javascript: is no address for a browser");
        assert_eq!(profile["avatar_url"].is_string(), kept, "{profile}");
    }
}

/// The addresses of all pictures of a page, as the browser reads them.
fn pictures(page: &str) -> Vec<String> {
    let sources = page.split("<img src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    sources.map(|(source, _)| source.replace("&amp;", "&")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_from_here_and_no_browser_asks_elsewhere() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let browser = service.browser().await.unwrap();
    let mut shown = Vec::new();
    for page in ["/channels", &format!("/channels/{channel}"), &format!("/channels/{channel}/publish")] {
        let answer = browser.open(page).await.unwrap();
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("img-src 'self' blob:;"), "{policy}");
        let found = pictures(&answer.text());
        assert!(
            !found.is_empty() && found.iter().all(|url| url.starts_with("/pictures/")),
            "{page}: {found:?}"
        );
        shown.extend(found);
    }
    for picture in &shown {
        let answer = browser.open(picture).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type").as_str()),
            (StatusCode::OK, "image/png"),
            "{picture}"
        );
        assert!(answer.bytes.starts_with(b"\x89PNG"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "private, max-age=3600");
        assert!(answer.header("content-security-policy").contains("sandbox"));
    }
    // Only for the operator, and only what a page was drawn with.
    let stranger = service.send(Request::get(&shown[0]).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{}", stranger.text());
    let other = shown[0].replace("avatar", "cover");
    assert_ne!(other, shown[0]);
    assert_eq!(browser.open(&other).await.unwrap().status, StatusCode::FORBIDDEN);
    // A photo at a typed address, for the page's script alone.
    let typed = [("url", "https://p16-sign.tiktokcdn.com/media/none.jpeg")];
    let target = format!("/pictures/{}", library_tests::APP);
    let none = browser.submit("/channels", &target, &typed).await.unwrap();
    assert_eq!(none.status, StatusCode::NOT_FOUND, "{}", none.text());
    let forged = Request::post(&target).header("content-type", "application/x-www-form-urlencoded");
    let forged = service.send(forged.body(Body::from("url=https%3A%2F%2Fa.test%2F")).unwrap()).await.unwrap();
    assert!(!forged.status.is_success() && forged.status != StatusCode::NOT_FOUND, "{}", forged.status);
    // A server that was asked before is not asked again.
    service.stage.simulator.clock().advance(std::time::Duration::from_secs(3 * 3600));
    assert_eq!(browser.open(&shown[0]).await.unwrap().status, StatusCode::OK);
    // Without the grant there is none, and the page stands.
    let origins = json!({"origins": ["https://open.tiktokapis.com", "https://*.tiktokapis.com"]});
    let app = format!("/api/v1/apps/{}", library_tests::APP);
    assert!(service.call(Method::PUT, &app, origins).await.unwrap().status.is_success());
    let refused = browser.open(&shown[0]).await.unwrap();
    assert_eq!(
        (refused.status, refused.header("cache-control").as_str()),
        (StatusCode::FAILED_DEPENDENCY, "no-store")
    );
    assert!(refused.json()["detail"].as_str().unwrap().contains("not granted"), "{}", refused.text());
    assert_eq!(browser.open("/channels").await.unwrap().status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_outside_the_grants_is_asked_for_by_nobody() {
    let service = with_a_provider(Config::default()).await;
    let begin = json!({"owner": "x", "redirect_uri": "https://social.example.com/callback/test"});
    let begun = service.call(Method::POST, "/api/v1/apps/test/connects", begin).await.unwrap();
    let state = begun.json()["redirect"]["state"].as_str().unwrap().to_owned();
    let complete = json!({"owner": "x", "callback": format!("code=1&state={state}")});
    let done = service.call(Method::POST, "/api/v1/connects/complete", complete).await.unwrap();
    let channel = done.json()["channel"]["id"].as_str().unwrap().to_owned();
    let origins = json!({"provider": "test-provider", "origins": ["https://api.example.com"],
        "settings": {"behaviour": "links", "url": "https://evil.example/?token=1"}});
    let set = service.call(Method::PUT, "/api/v1/apps/test", origins).await.unwrap();
    assert!(set.status.is_success(), "{}", set.text());
    let browser = service.browser().await.unwrap();
    let page = browser.open(&format!("/channels/{channel}")).await.unwrap().text();
    let found = pictures(&page);
    assert_eq!(found.len(), 1, "{page}");
    assert!(!page.contains("src=\"https:"), "{page}");
    let answer = browser.open(&found[0]).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["kind"].as_str()),
        (StatusCode::FAILED_DEPENDENCY, Some("denied_by_policy")),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_for_invented_apps_count_for_nobody() {
    let service = with_a_provider(Config { webhook_rate: 3, ..Config::default() }).await;
    for index in 0..200 {
        let answer = service.send(delivery(&format!("invented-{index}"), "text/plain", "x")).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let answer = service.send(delivery(&"x".repeat(30_000), "text/plain", "x")).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.bytes.len() < 2_000, "the name is not sent back");
    for _ in 0..3 {
        assert_eq!(service.send(delivery("test", "text/plain", "x")).await.unwrap().status, StatusCode::OK);
    }
    let fourth = service.send(delivery("test", "text/plain", "x")).await.unwrap();
    assert_eq!(fourth.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_make_up_is_not_counted_by_name() {
    let service = Service::new().await.unwrap();
    for index in 0..500 {
        let method = Method::from_bytes(format!("MADE-UP-{index}").as_bytes()).unwrap();
        let path = format!("/invented/{index}");
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        service.send(request).await.unwrap();
    }
    let long = Method::from_bytes("M".repeat(60_000).as_bytes()).unwrap();
    let request = Request::builder().method(long).uri("/healthz").header("x-request-id", "y".repeat(60_000));
    let answer = service.send(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.header("x-request-id").len(), 36, "an id that is no name is replaced");
    let text = service.get("/metrics").await.unwrap().text();
    assert!(text.contains(r#"method="other""#), "{text}");
    assert!(
        !text.contains("MADE-UP")
            && !text.contains("invented")
            && !text.contains("MMMM")
            && text.len() < 20_000
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_at_the_root_are_of_types_that_do_nothing() {
    let service = Service::new().await.unwrap();
    let put = |kind: &str| {
        let request = Request::put("/api/v1/files?path=proof.x")
            .header(AUTHORIZATION, format!("Bearer {}", service.key))
            .header("content-type", kind)
            .body(Body::from("x"));
        service.send(request.unwrap())
    };
    for good in ["text/plain", "text/html; charset=utf-8", "application/json", "image/png"] {
        assert_eq!(put(good).await.unwrap().status, StatusCode::OK, "{good}");
    }
    for bad in ["text/javascript", "application/javascript", "text/css", "image/svg+xml", "application/wasm"]
    {
        let answer = put(bad).await.unwrap();
        assert_eq!(
            (answer.status, answer.json()["field"].clone()),
            (StatusCode::BAD_REQUEST, json!("content_type")),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_page_for_people_and_a_problem_for_programs() {
    let service = Service::new().await.unwrap();
    let ask = |method: Method, path: &str, accept: &str| {
        let request =
            Request::builder().method(method).uri(path).header("accept", accept).body(Body::empty());
        service.send(request.unwrap())
    };
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (method, path, status) in [
        (Method::GET, "/nosuch", 404),
        (Method::DELETE, "/healthz", 405),
        (Method::GET, "/media/none.mp4", 404),
    ] {
        let page = ask(method.clone(), path, browser).await.unwrap();
        assert_eq!(page.status, status);
        assert!(
            page.header("content-type").starts_with("text/html") && page.text().contains("<h1>"),
            "{}",
            page.text()
        );
        for program in ["*/*", "application/json"] {
            let answer = ask(method.clone(), path, program).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type").as_str()),
                (status, "application/problem+json")
            );
        }
    }
    let api = ask(Method::GET, "/api/v1/nosuch", browser).await.unwrap();
    assert_eq!(api.header("content-type"), "application/problem+json");
    // Refusals that stand before every page are pages too.
    let foreign =
        Request::post("/sign-in").header("accept", browser).header("origin", "https://evil.example");
    let foreign = service.send(foreign.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert!(foreign.text().contains("<h1>") && !foreign.header("content-security-policy").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_keys_that_is_sent_again_makes_no_second_key() {
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let page = browser.open("/settings/keys").await.unwrap().text();
    let id = page.split(r#"name="id" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [("id", id.as_str()), ("name", "a program"), ("tenant", "")];
    let first = browser.submit("/settings/keys", "/settings/keys", &fields).await.unwrap().text();
    assert!(first.contains("sck_"), "{first}");
    let again = browser.submit("/settings/keys", "/settings/keys", &fields).await.unwrap().text();
    assert!(!again.contains("sck_") && again.contains("already"), "{again}");
    let keys = service.get("/api/v1/keys").await.unwrap().json();
    let made = keys.as_array().unwrap().iter().filter(|key| key["name"] == "a program").count();
    assert_eq!(made, 1, "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_speak_of_wrong_addresses_and_of_networks_as_people_do() {
    let service = Service::new().await.unwrap();
    crate::story::connect(&service).await;
    let browser = service.browser().await.unwrap();
    let page = browser.open("/jobs?show=done").await.unwrap();
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let text = page.text();
    assert!(text.contains("<h1>") && text.contains("cannot be done"), "{text}");
    for rust in ["deserialize", "variant", "serde"] {
        assert!(!text.contains(rust), "{rust}: {text}");
    }
    for path in ["/", "/channels", "/channels/add", "/settings", "/settings/providers", "/jobs"] {
        let text = browser.open(path).await.unwrap().text();
        assert!(!text.contains("Tiktok"), "{path}: {text}");
    }
}

//! A newer component that requests more origins than its apps grant; and one that comes from elsewhere.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::Service;
use social_channel_server::Config;

/// Another component of the same provider, which requests another host pattern.
fn newer(mark: char) -> Vec<u8> {
    let mut bytes = library_tests::component("plugin_tiktok").unwrap();
    let (from, to) = (b"https://*.tiktokapis.com", format!("https://*.tiktokapi{mark}.com"));
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the component names its origins");
    for at in places {
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

async fn install(service: &Service, component: Vec<u8>) -> Value {
    let request = Request::post("/api/v1/providers")
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .body(Body::from(component))
        .unwrap();
    let answer = service.send(request).await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.text());
    answer.json()
}

async fn app(service: &Service) -> Value {
    service.get("/api/v1/apps/tiktok-demo").await.unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_moves_to_the_newer_component_once_its_origins_are_granted() {
    let service = Service::new().await.unwrap();
    let before = app(&service).await;
    let loaded = install(&service, newer('x')).await;
    let wanted = json!(["https://*.tiktokapix.com"]);
    assert_eq!(loaded["waiting"], json!([{"app": "tiktok-demo", "missing_origins": wanted}]));
    assert_eq!(app(&service).await["digest"], before["digest"]);

    // Granting another origin does not move the app, nor does another change.
    let origins =
        [before["origins"].as_array().unwrap().as_slice(), &[json!("https://other.example")]].concat();
    let put = |body: Value| service.call(Method::PUT, "/api/v1/apps/tiktok-demo", body);
    assert_eq!(put(json!({"origins": origins})).await.unwrap().json()["digest"], before["digest"]);
    assert_eq!(put(json!({})).await.unwrap().json()["digest"], before["digest"]);

    let origins = [origins.as_slice(), wanted.as_array().unwrap()].concat();
    let moved = put(json!({"origins": origins})).await.unwrap().json();
    assert_eq!(moved["digest"], loaded["provider"]["digest"]);
    assert_eq!(app(&service).await["digest"], loaded["provider"]["digest"]);
    let kept = service.get("/api/v1/providers").await.unwrap().json();
    assert_eq!(kept.as_array().unwrap().len(), 1, "nothing runs the older one any more: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_moves_the_app_to_what_was_agreed_to_and_to_nothing_else() {
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let before = app(&service).await;
    let first = install(&service, newer('x')).await;
    let agreed = first["provider"]["digest"].as_str().unwrap().to_owned();
    let page = browser.open("/settings/providers").await.unwrap().text();
    assert!(
        page.contains("<code>https://*.tiktokapix.com</code>") && page.contains("The app tiktok-demo stays")
    );
    assert!(page.contains("Allow this, and use the newer component"));

    // A third component is installed before the operator presses the button.
    let second = install(&service, newer('y')).await;
    let (page, grant) = ("/settings/providers", "/settings/apps/tiktok-demo/grant");
    let stale = browser.submit(page, grant, &[("digest", &agreed)]).await.unwrap();
    assert_eq!(stale.status, StatusCode::BAD_REQUEST, "{}", stale.text());
    assert!(stale.text().contains("Another component was installed since this page was loaded"));
    let same = app(&service).await;
    assert_eq!((&same["digest"], &same["origins"]), (&before["digest"], &before["origins"]));

    let agreed = second["provider"]["digest"].as_str().unwrap();
    let done = browser.submit(page, grant, &[("digest", agreed)]).await.unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let moved = app(&service).await;
    assert_eq!(moved["digest"], agreed);
    let origins = moved["origins"].to_string();
    assert!(origins.contains("tiktokapiy") && !origins.contains("tiktokapix"), "{origins}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_first_run_a_component_is_offered_by_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let component = library_tests::component("plugin_tiktok").unwrap();
    std::fs::write(folder.path().join("plugin_tiktok.wasm"), &component).unwrap();
    // One that carries no name is offered by the name of its file, as it is.
    std::fs::write(folder.path().join("plugin_other_net.wasm"), b"no component").unwrap();
    let config = Config { component_folder: Some(folder.path().to_owned()), ..Config::default() };
    let service = Service::with(config).await.unwrap();
    let host = &service.stage.host;
    host.delete_app(library_tests::APP).await.unwrap();
    host.unload_provider("tiktok").await.unwrap();
    let browser = service.browser().await.unwrap();
    for path in ["/", "/settings/providers"] {
        let page = browser.open(path).await.unwrap().text();
        for offered in ["<span>TikTok</span>", "<span>other-net</span>"] {
            assert!(page.contains(offered), "{path}, {offered}: {page}");
        }
        assert!(!page.contains("Tiktok") && !page.contains("Other net"), "{path}: {page}");
    }
    // Installed from the Overview, it goes on there.
    let (install, back) = ("/settings/providers/shipped", "overview");
    let done = browser.submit("/", install, &[("file", "plugin_tiktok.wasm"), ("back", back)]).await.unwrap();
    assert_eq!((done.status, done.header("location").as_str()), (StatusCode::SEE_OTHER, "/"));
    let page = browser.open("/").await.unwrap().text();
    assert!(page.contains("1 of 4") && !page.contains(install), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_the_service_is_offered_installed_and_nothing_else_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plugin_tiktok.wasm"), newer('z')).unwrap();
    std::fs::write(folder.path().join("secret.txt"), "no component").unwrap();
    let config = Config { component_folder: Some(folder.path().join(".")), ..Config::default() };
    let service = Service::with(config).await.unwrap();
    let browser = service.browser().await.unwrap();
    let (page, install) = ("/settings/providers", "/settings/providers/shipped");
    let shown = browser.open(page).await.unwrap().text();
    assert!(shown.contains("Comes with this service") && shown.contains("plugin_tiktok.wasm"), "{shown}");
    assert!(!shown.contains("secret.txt"));
    for name in ["secret.txt", "../plugin_x.wasm", "plugin_../../secret.wasm", "plugin_missing.wasm", ""] {
        let refused = browser.submit(page, install, &[("file", name)]).await.unwrap();
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{name}: {}", refused.text());
    }
    let done = browser.submit(page, install, &[("file", "plugin_tiktok.wasm")]).await.unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let shown = browser.open(page).await.unwrap().text();
    assert!(shown.contains("tiktokapiz") && !shown.contains("Comes with this service"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_comes_from_elsewhere_is_replaced_as_shown_and_goes_back() {
    let first = library_tests::component("plugin_tiktok").unwrap();
    // The same with another digest: a custom section at the end.
    let marked = |mark: u8| [first.as_slice(), &[0, 3, 1, b'v', mark]].concat();
    let served = Arc::new(Mutex::new(first.clone()));
    let file = served.clone();
    let serve = move || {
        let file = file.clone();
        async move { file.lock().unwrap().clone() }
    };
    let routes = axum::Router::new().route("/plugin.wasm", axum::routing::get(serve));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/plugin.wasm", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });

    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let ask = async |path: &str, body: Value| {
        service.call(Method::POST, &format!("/api/v1/providers/{path}"), body).await.unwrap()
    };
    let page = "/settings/providers";
    let fetched = browser.submit(page, "/settings/providers/fetch", &[("reference", &url)]).await.unwrap();
    assert_eq!(fetched.status, StatusCode::SEE_OTHER, "{}", fetched.text());
    let shown = browser.open(page).await.unwrap().text();
    assert!(
        shown.contains(&url) && shown.contains("nobody") && shown.contains("Look for an update"),
        "{shown}"
    );
    let check = async || browser.submit(page, "/settings/providers/tiktok/check", &[]).await.unwrap().text();
    assert!(check().await.contains("It is up to date"));
    assert_eq!(ask("tiktok/check", json!({})).await.json()["same"], true);

    *served.lock().unwrap() = marked(1);
    let report = check().await;
    assert!(report.contains("What would change") && report.contains("Neither interfaces"), "{report}");
    let digest = |bytes: &[u8]| social_channel::Digest::of(bytes).to_string();
    let agreed = digest(&marked(1));
    assert!(report.contains(&agreed), "{report}");
    let told = ask("tiktok/check", json!({})).await.json();
    assert_eq!((&told["same"], &told["to"]["digest"]), (&json!(false), &json!(agreed)), "{told}");
    // It changes again before the operator presses the button.
    *served.lock().unwrap() = marked(2);
    let update = async || {
        let fields = [("reference", url.as_str()), ("digest", &agreed)];
        browser.submit(page, "/settings/providers/tiktok/update", &fields).await.unwrap()
    };
    assert_eq!(update().await.status, StatusCode::BAD_REQUEST);
    assert_eq!(app(&service).await["digest"], digest(&first));
    *served.lock().unwrap() = marked(1);
    assert_eq!(update().await.status, StatusCode::SEE_OTHER);
    assert_eq!(app(&service).await["digest"], agreed);

    // A program does the same.
    *served.lock().unwrap() = marked(3);
    let third = digest(&marked(3));
    let updated = ask("tiktok/update", json!({})).await.json();
    assert_eq!(
        (&updated["provider"]["digest"], &app(&service).await["digest"]),
        (&json!(third), &json!(third))
    );
    let back = ask("tiktok/rollback", json!({})).await.json();
    assert_eq!(back["provider"]["digest"], agreed);
    let added = ask("add", json!({"reference": url})).await.json();
    assert_eq!(added["provider"]["digest"], third);
    ask("tiktok/rollback", json!({})).await;
    for (path, body) in [("add", json!({})), ("add", json!({"reference": "ghcr.io/acme/x"}))] {
        let refused = ask(path, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text());
        assert_eq!(refused.json()["field"], "reference", "{}", refused.text());
    }
    assert_eq!(ask("none/update", json!({})).await.status, StatusCode::NOT_FOUND);

    // Back, with nobody there any more.
    *served.lock().unwrap() = first.clone();
    ask("tiktok/update", json!({})).await;
    ask("tiktok/rollback", json!({})).await;
    server.abort();
    assert!(browser.open(page).await.unwrap().text().contains("Go back to"));
    let back = browser.submit(page, "/settings/providers/tiktok/rollback", &[]).await.unwrap();
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text());
    assert_eq!(app(&service).await["digest"], digest(&first));
}

//! The tenant that a browser acts for: its choice, and that nothing is done for another one than a page was drawn for.

use std::path::Path;

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Browser, Service};
use social_channel::TenantId;

use crate::story::{connect, post, upload, video};

/// What the answer to anything says that a page sent which was drawn for another tenant.
const DRAWN: &str =
    "his page was opened for the tenant default, and this browser acts for the tenant acme now";

/// A call for the tenant `acme`.
async fn acme(service: &Service, method: Method, path: &str, body: Value) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .header("social-channel-tenant", "acme")
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    service.send(request).await.unwrap().json()
}

/// Connects the same account for `acme`; returns the channel.
async fn connect_acme(service: &Service) -> String {
    let begin = json!({"owner": "user-2", "redirect_uri": library_tests::CALLBACK});
    let begun = acme(service, Method::POST, "/api/v1/apps/tiktok-demo/connects", begin).await;
    let callback = library_tests::browse(begun["redirect"]["url"].as_str().unwrap()).await.unwrap();
    let complete = json!({"owner": "user-2", "callback": callback});
    let done = acme(service, Method::POST, "/api/v1/connects/complete", complete).await;
    done["channel"]["id"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned()
}

async fn switch(browser: &Browser<'_>, to: &str) {
    let answer = browser.submit("/tenants", "/tenants", &[("tenant", to)]).await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

async fn ask(service: &Service, request: http::request::Builder, body: impl Into<Body>) -> Answer {
    service.send(request.body(body.into()).unwrap()).await.unwrap()
}

/// A scheduled job of the default tenant.
async fn scheduled(service: &Service, channel: &str) -> String {
    let mut body = post("Soup of default", json!({"upload": upload(service, 50_000).await}));
    body["publish_at"] = json!(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 7_200);
    let made = service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap();
    made.json()["id"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_acts_for_the_tenant_that_it_chose() {
    let service = Service::new().await.unwrap();
    let ours = connect(&service).await;
    let job = scheduled(&service, &ours).await;
    let theirs = connect_acme(&service).await;
    let browser = service.browser().await.unwrap();
    let text = async |path: &str| browser.open(path).await.unwrap().text();

    let listed = text("/tenants").await;
    assert!(
        listed.contains("<strong>acme</strong>") && listed.contains("<strong>default</strong>"),
        "{listed}"
    );
    assert!(!text("/channels").await.contains("Acting for the tenant"), "the usual one needs no words");
    switch(&browser, "acme").await;

    for path in [
        "/",
        "/channels",
        "/jobs",
        "/uploads",
        "/settings",
        "/settings/keys",
        "/settings/endpoints",
        "/tenants",
    ] {
        let page = text(path).await;
        assert!(page.contains("Acting for the tenant <strong>acme</strong>"), "{path}: {page}");
        assert!(page.contains(" · acme · Social Channel</title>"), "{path}");
    }
    let channels = text("/channels").await;
    assert!(channels.contains(&theirs) && !channels.contains(&ours), "{channels}");
    assert!(!text("/jobs").await.contains("Soup of default"));
    assert!(!text("/jobs.csv").await.contains("Soup of default"));
    assert!(text("/uploads").await.contains("No uploads."));
    for hidden in [format!("/channels/{ours}"), format!("/channels/{ours}/publish"), format!("/jobs/{job}")] {
        assert_eq!(browser.open(&hidden).await.unwrap().status, StatusCode::NOT_FOUND, "{hidden}");
    }

    // Scripts of its pages, too.
    let token = browser.token("/jobs").await.unwrap();
    let listed = ask(&service, browser.script(Method::GET, "/api/v1/channels", &token), Body::empty()).await;
    assert_eq!(listed.json()[0]["id"], *theirs, "{}", listed.text());
    let events = format!("/api/v1/jobs/{job}/events");
    let events = ask(&service, browser.script(Method::GET, &events, &token), Body::empty()).await;
    assert_eq!(events.status, StatusCode::NOT_FOUND);
    let sent = browser.script(Method::POST, "/api/v1/uploads?file_name=a.mp4", &token);
    let sent = ask(&service, sent.header(CONTENT_TYPE, "video/mp4"), video(50_000)).await;
    assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.text());
    assert!(text("/uploads").await.contains("a.mp4"));
    let held = acme(&service, Method::GET, "/api/v1/uploads", Value::Null).await;
    assert_eq!(held[0]["id"], sent.json()["id"]);
    assert_eq!(service.get("/api/v1/uploads").await.unwrap().json().as_array().unwrap().len(), 1);
    // Who names a tenant gets that one.
    let named =
        browser.script(Method::GET, "/api/v1/channels", &token).header("social-channel-tenant", "default");
    assert_eq!(ask(&service, named, Body::empty()).await.json()[0]["id"], *ours);

    switch(&browser, "").await;
    assert!(text("/channels").await.contains(&ours));
    assert!(text("/jobs").await.contains("Soup of default"));
}

/// The paths at which pages take forms, as the code says them.
fn forms() -> Vec<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/server/src/page"));
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for route in text.split(".route(").skip(1) {
            let (Some((path, rest)), true) =
                (route.trim_start_matches(['\n', ' ', '"']).split_once('"'), route.contains('"'))
            else {
                continue;
            };
            let handlers = rest.split_once("\n}").map_or(rest, |(own, _)| own);
            if path.starts_with('/') && handlers.contains("post(") {
                found.push(path.replace(['{', '}'], ""));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_sends_that_was_drawn_for_another_tenant_is_refused() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let job = scheduled(&service, &channel).await;
    let browser = service.browser().await.unwrap();
    let old = browser.token("/jobs").await.unwrap();
    switch(&browser, "acme").await;

    let forms = forms();
    assert!(forms.len() > 20 && forms.contains(&"/channels/channel/publish".to_owned()), "{forms:?}");
    let of_the_frame = ["/sign-in", "/sign-out", "/tenants"];
    for form in forms.iter().filter(|form| !of_the_frame.contains(&form.as_str())) {
        let answer = browser.submit_with(&old, form, &[("name", "x"), ("tenant", "acme")]).await.unwrap();
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}: {}", answer.text());
        assert!(answer.text().contains(DRAWN), "{form}: {}", answer.text());
    }
    // An explicit tenant in the form makes no difference, and the job is as it was.
    assert_eq!(service.stage.tenant.job_history(&job).await.unwrap(), []);

    let api = social_channel_server::openapi();
    let mut calls: Vec<(String, String)> = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| ["get", "post", "put", "patch", "delete"].contains(&key.as_str()));
        let filled = path.replace("{job}", &job).replace("{channel}", &channel).replace(['{', '}'], "");
        calls.extend(methods.map(|method| (method.to_uppercase(), filled.clone())));
    }
    for method in ["POST", "HEAD", "PATCH", "DELETE"] {
        let path =
            if method == "POST" { "/api/v1/uploads/resumable" } else { "/api/v1/uploads/resumable/up_1" };
        calls.push((method.to_owned(), path.to_owned()));
    }
    assert!(calls.len() > 40, "{calls:?}");
    for (method, path) in calls {
        let path = if path.starts_with("/api/v1") { path } else { format!("/api/v1{path}") };
        let request = browser
            .script(method.parse().unwrap(), &path, &old)
            .header("tus-resumable", "1.0.0")
            .header(CONTENT_TYPE, "application/json");
        let answer = ask(&service, request, "{}").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {}", answer.text());
        if method != "HEAD" {
            assert_eq!(answer.json()["code"], "other_tenant", "{method} {path}: {}", answer.text());
        }
    }
    for events in ["/jobs/events", "/jobs/events?show=scheduled", "/jobs.csv"] {
        let and = if events.contains('?') { '&' } else { '?' };
        let answer = browser.open(&format!("{events}{and}tenant=default")).await.unwrap();
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{events}");
        assert!(answer.text().contains(DRAWN), "{}", answer.text());
    }
    let lists = browser.open("/jobs").await.unwrap().text();
    assert!(
        lists.contains(r#"data-live="/jobs/events?tenant=acme""#) && lists.contains("/jobs.csv?tenant=acme"),
        "{lists}"
    );

    // The frame's own forms are the browser's and no tenant's.
    let other = browser.submit_with(&old, "/tenants", &[("tenant", "third")]).await.unwrap();
    assert_eq!(other.status, StatusCode::SEE_OTHER, "{}", other.text());
    // Back at the tenant that it was drawn for, a page works again.
    switch(&browser, "default").await;
    let cancel = format!("/jobs/{job}/cancel");
    assert_eq!(browser.submit_with(&old, &cancel, &[]).await.unwrap().status, StatusCode::SEE_OTHER);
    switch(&browser, "acme").await;
    let out = browser.submit_with(&old, "/sign-out", &[]).await.unwrap();
    assert_eq!(out.header("location"), "/sign-in", "{}", out.text());
    assert_eq!(browser.open("/jobs").await.unwrap().status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_followed_stays_with_its_tenant() {
    use futures::StreamExt as _;
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    scheduled(&service, &channel).await;
    let browser = service.browser().await.unwrap();
    let token = browser.token("/jobs").await.unwrap();
    let request =
        browser.script(Method::GET, "/jobs/events?tenant=default", &token).body(Body::empty()).unwrap();
    let stream = tower::ServiceExt::oneshot(service.router.clone(), request).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    switch(&browser, "acme").await;
    // Its rows are read now, for the first time.
    let first = stream.into_body().into_data_stream().next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("Soup of default"), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_choice_is_one_browsers_and_only_its_own_pages_make_it() {
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let (_, other) = service.sign_in(None, "correct horse").await.unwrap();
    let acts_for = async |browser: &Browser<'_>| {
        let page = browser.open("/tenants").await.unwrap().text();
        page.split_once("Acting for the tenant <strong>")
            .map(|(_, rest)| rest.split('<').next().unwrap().to_owned())
    };
    // Neither a field without a token, nor a token of another browser, nor another site, nor a cookie.
    for (token, site) in [("", "same-origin"), (&other.token("/jobs").await.unwrap(), "same-origin")] {
        let request = browser.script(Method::POST, "/tenants", token).header("sec-fetch-site", site);
        let answer =
            ask(&service, request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), "tenant=acme")
                .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    }
    let own = browser.token("/jobs").await.unwrap();
    let request = browser.script(Method::POST, "/tenants", &own).header("sec-fetch-site", "cross-site");
    let answer =
        ask(&service, request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"), "tenant=acme").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    let planted = browser
        .script(Method::GET, "/channels", &own)
        .header(COOKIE, "tenant=acme; social-channel-tenant=acme");
    assert!(!ask(&service, planted, Body::empty()).await.text().contains("Acting for the tenant"));
    assert_eq!(acts_for(&browser).await, None);

    for wrong in ["not a name", "a/b", &"x".repeat(65)] {
        let answer = browser.submit("/tenants", "/tenants", &[("tenant", wrong)]).await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.text().contains("tenant name is not 1 to 64"), "{}", answer.text());
    }
    switch(&browser, "acme").await;
    assert_eq!(acts_for(&browser).await.as_deref(), Some("acme"));
    assert_eq!(acts_for(&other).await, None);
    assert!(service.stage.host.tenants().await.unwrap().is_empty(), "a name that was typed makes nothing");
    // Who signs in begins with the usual one.
    let (_, again) = service.sign_in(None, "correct horse").await.unwrap();
    assert_eq!(acts_for(&again).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_completed_for_the_tenant_that_began_it_or_not_at_all() {
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let registered = json!({"redirect_uri": library_tests::CALLBACK});
    service.call(Method::PUT, "/api/v1/apps/tiktok-demo", registered).await.unwrap();
    let at = "/channels/add/tiktok-demo";
    let page = browser.submit(at, at, &[]).await.unwrap().text();
    let (_, url) = page.split_once(r#"id="go" href=""#).unwrap_or_else(|| panic!("{page}"));
    let url = url.split('"').next().unwrap().replace("&amp;", "&");
    let callback = library_tests::browse(&url).await.unwrap();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(callback).finish();
    let back = format!("/callback/tiktok-demo?{query}");
    switch(&browser, "acme").await;
    let refused = browser.open(&back).await.unwrap();
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text());
    assert!(refused.text().contains("Begin again with Connect"), "{}", refused.text());
    for tenant in ["default", "acme"] {
        let tenant = service.stage.host.tenant(tenant.parse::<TenantId>().unwrap());
        assert_eq!(tenant.channels().await.unwrap(), []);
    }
    switch(&browser, "default").await;
    let done = browser.open(&back).await.unwrap();
    assert!(done.header("location").starts_with("/channels?connected="), "{}", done.text());
}

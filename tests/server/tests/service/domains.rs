//! Domains verified by DNS: the name servers' records, in the API and on the page.

use http::{Method, StatusCode};
use library_tests::NameServer;
use serde_json::{Value, json};
use server_tests::Service;
use social_channel_server::Config;

const APP: &str = "/api/v1/apps/tiktok-demo";

/// Severity and message of each finding about a domain, in their order.
async fn findings(service: &Service) -> Vec<(String, String)> {
    let answer = service.get(&format!("{APP}/checks")).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let all = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["subject"] == "domain-record")
        .inspect(|finding| assert!(finding["severity"] == "ok" || finding["remedy"].is_string(), "{finding}"))
        .map(|finding| (text(&finding["severity"]), text(&finding["message"])))
        .collect()
}

async fn with_names() -> (Service, NameServer) {
    let names = NameServer::start().await.unwrap();
    let config = Config { dns_server: Some(names.address), ..Config::default() };
    (Service::with(config).await.unwrap(), names)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_missing_another_and_misplaced() {
    let (service, names) = with_names().await;
    let value = "site-verification=abc";
    let long = format!("site-verification={}", "x".repeat(700));
    names.set("good.app", &["v=spf1 -all", value]);
    names.set("long.app", &[&long]);
    names.set("bare.app", &[]);
    names.set("other.app", &["site-verification=xyz"]);
    names.set("twice.app", &[]);
    names.set("twice.app.twice.app", &[value]);
    names.set("cdn.twice.app.twice.app", &[value]);
    let record = |domain: &str, value: &str| json!({"domain": domain, "value": value});
    let records = json!([
        record("good.app", value),
        record("long.app", &long),
        record("bare.app", value),
        record("other.app", value),
        record("twice.app", value),
        record("cdn.twice.app", value),
        record("gone.app", value),
        record("", ""),
    ]);
    let put = service.call(Method::PUT, APP, json!({"listing": {"domain_records": records}})).await.unwrap();
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    assert_eq!(put.json()["listing"]["domain_records"].as_array().unwrap().len(), 7, "an empty one is none");

    let found = findings(&service).await;
    let expected = [
        ("ok", "The TXT record of good.app is there."),
        ("ok", "The TXT record of long.app is there."),
        ("error", "bare.app has no TXT record."),
        ("error", "other.app has a TXT record of this kind with another value: site-verification=xyz"),
        ("error", "The TXT record is at twice.app.twice.app, where the platform does not look for it."),
        ("error", "The TXT record is at cdn.twice.app.twice.app, where the platform does not look for it."),
        ("error", "There is no domain gone.app."),
    ];
    assert_eq!(found, expected.map(|(severity, message)| (severity.to_owned(), message.to_owned())));

    // A corrected record is seen at once.
    names.set("bare.app", &[value]);
    assert_eq!(findings(&service).await[2].0, "ok");

    let wrong = json!({"listing": {"domain_records": [record("127.0.0.1", value)]}});
    let refused = service.call(Method::PUT, APP, wrong).await.unwrap();
    assert_eq!((refused.status, refused.json()["field"].clone()), (StatusCode::BAD_REQUEST, json!("domain")));
}

#[tokio::test(flavor = "multi_thread")]
async fn name_servers_that_do_not_answer_are_no_proof_of_anything() {
    let names = NameServer::start().await.unwrap();
    let config = Config { dns_server: Some(names.address), ..Config::default() };
    drop(names);
    let service = Service::with(config).await.unwrap();
    let listing = json!({"listing": {"domain_records": [{"domain": "a.app", "value": "b=c"}]}});
    service.call(Method::PUT, APP, listing).await.unwrap();
    let found = findings(&service).await;
    assert_eq!(found[0].0, "warning", "{found:?}");
    assert!(found[0].1.starts_with("The name servers could not be queried for a.app"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setup_guide_shows_the_record_to_copy_and_what_became_of_it() {
    let (service, names) = with_names().await;
    let browser = service.browser().await.unwrap();
    let guide = "/settings/apps/tiktok-demo/guide";
    let fields = [("domain", "https://Northwind.app/privacy"), ("value", "\"site-verification=abc\"")];
    let added = browser.submit(guide, "/settings/apps/tiktok-demo/domains", &fields).await.unwrap();
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text());
    assert_eq!(added.header("location"), format!("{guide}#domains"));
    let page = browser.open(guide).await.unwrap().text();
    assert!(
        page.contains("<code>northwind.app</code>") && page.contains("<code>site-verification=abc</code>")
    );
    assert!(page.contains("There is no domain northwind.app."), "{page}");
    names.set("northwind.app", &["site-verification=abc"]);
    let page = browser.open(guide).await.unwrap().text();
    assert!(page.contains("The TXT record of northwind.app is there."), "{page}");

    // The form for the keys does not change it.
    let form = "/settings/integration/tiktok";
    let saved = browser.submit(form, form, &[("mode", "live")]).await.unwrap();
    assert!(matches!(saved.status, StatusCode::SEE_OTHER | StatusCode::BAD_REQUEST), "{}", saved.text());
    let kept = service.get(APP).await.unwrap().json()["listing"]["domain_records"].clone();
    assert_eq!(kept, json!([{"domain": "northwind.app", "value": "site-verification=abc"}]));

    let fields = [("domain", "northwind.app"), ("value", "site-verification=abc")];
    browser.submit(guide, "/settings/apps/tiktok-demo/domains/remove", &fields).await.unwrap();
    assert_eq!(service.get(APP).await.unwrap().json()["listing"]["domain_records"], json!([]));
}

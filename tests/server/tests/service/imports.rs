//! Accounts without a browser: by one call of the API, and by the pages. Tokens come back in no answer.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use server_tests::{Answer, Service};

const IMPORTS: &str = "/api/v1/apps/tiktok-demo/imports";

/// Tokens of an account, as another program holds them.
fn tokens(service: &Service, username: &str) -> (String, String) {
    let tokens = service.stage.simulator.issue_tokens("simkey-desktop", username).unwrap();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (text("open_id"), text("refresh_token"))
}

fn clean(answer: &Answer) {
    assert!(!answer.text().contains("rft."), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_imported_by_one_call() {
    let service = Service::new().await.unwrap();
    let (open_id, token) = tokens(&service, "demo.kitchen");
    let body = |dry_run: bool| {
        json!({"dry_run": dry_run, "rows": [
            {"inputs": {"refresh-token": token}, "account_id": open_id, "reference": "7"},
            {"inputs": {"refresh-token": "rft.nobody-knows-this-one"}, "reference": "8"},
        ]})
    };
    let dry = service.call(Method::POST, IMPORTS, body(true)).await.unwrap();
    assert_eq!((dry.status, dry.json()["counts"].clone()), (StatusCode::OK, json!({"ready": 2})));
    let done = service.call(Method::POST, IMPORTS, body(false)).await.unwrap();
    let report = done.json();
    assert_eq!(report["counts"], json!({"connected": 1, "dead": 1}), "{report:#}");
    assert_eq!(
        (&report["rows"][0]["status"], &report["rows"][0]["reference"]),
        (&json!("connected"), &json!("7"))
    );
    assert_eq!(report["rows"][1]["error"]["code"], "invalid_grant");
    let again = service.call(Method::POST, IMPORTS, body(false)).await.unwrap();
    assert_eq!(again.json()["counts"], json!({"already_connected": 1, "dead": 1}));
    let channels = service.get("/api/v1/channels").await.unwrap();
    assert_eq!(channels.json()[0]["display_name"], "Demo Kitchen");
    // What is malformed is described, and not repeated.
    for wrong in [
        json!({"rows": ["rft.in-the-wrong-place"]}),
        json!({"rows": [{"inputs": "rft.in-the-wrong-place"}]}),
        json!({"rows": [{"inputs": {"refresh-token": ["rft.in-the-wrong-place"]}}]}),
        json!({"rows": [{"refresh-token": "rft.in-the-wrong-place"}]}),
        json!({"rows": "rft.in-the-wrong-place"}),
        json!({"rows": []}),
    ] {
        let refused = service.call(Method::POST, IMPORTS, wrong).await.unwrap();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text());
        clean(&refused);
    }
    let large = json!({"rows": [{"reference": "x".repeat(2 << 20)}]});
    let refused = service.call(Method::POST, IMPORTS, large).await.unwrap();
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    for answer in [dry, done, again, channels] {
        clean(&answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_connect_and_import_without_a_browser_of_the_network() {
    let service = Service::new().await.unwrap();
    let browser = service.browser().await.unwrap();
    let add = browser.open("/channels/add/tiktok-demo").await.unwrap().text();
    assert!(add.contains("Connect without TikTok") && add.contains("i.refresh-token"), "{add}");
    assert!(add.contains("type=\"password\""), "a token is not shown while it is typed");
    let (_, token) = tokens(&service, "demo.kitchen");
    let field = [("i.refresh-token", token.as_str())];
    let done =
        browser.submit("/channels/add/tiktok-demo", "/channels/add/tiktok-demo", &field).await.unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    assert!(done.header("location").starts_with("/channels?connected="), "{}", done.header("location"));
    let again =
        browser.submit("/channels/add/tiktok-demo", "/channels/add/tiktok-demo", &field).await.unwrap();
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "it works once");
    assert!(!again.text().contains(&token), "what was typed is not shown again");

    let import = "/channels/import/tiktok-demo";
    let (open_id, token) = tokens(&service, "private.pottery");
    let table = format!(
        "account-id,refresh-token,reference\n{open_id},{token},seven\n,rft.nobody-knows-this-one,eight\n"
    );
    let fields = [("table", table.as_str()), ("format", "csv"), ("dry_run", "true")];
    let dry = browser.submit(import, import, &fields).await.unwrap();
    assert!(
        dry.text().contains("Checked, nothing was sent") && dry.text().contains("Ready: 2"),
        "{}",
        dry.text()
    );
    let done = browser.submit(import, import, &fields[..2]).await.unwrap();
    let text = done.text();
    assert!(
        text.contains("Connected: 1") && text.contains("Dead token: 1") && text.contains("eight"),
        "{text}"
    );
    assert!(!dry.text().contains(&token) && !text.contains(&token) && !text.contains("rft.nobody"), "{text}");
    let broken = browser.submit(import, import, &[("table", &token), ("format", "csv")]).await.unwrap();
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert!(broken.text().contains("does not name its columns") && !broken.text().contains(&token));
    let channels: Value = service.get("/api/v1/channels").await.unwrap().json();
    assert_eq!(channels.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channels_page_offers_other_apps_of_its_provider() {
    let service = Service::new().await.unwrap();
    let channel = service.stage.connect().await.unwrap();
    let browser = service.browser().await.unwrap();
    let alone = browser.open(&format!("/channels/{}", channel.id)).await.unwrap().text();
    assert!(!alone.contains("Move it to another app"));
    service.stage.host.put_app("next", library_tests::app_config()).await.unwrap();
    let page = browser.open(&format!("/channels/{}", channel.id)).await.unwrap().text();
    let link = format!("/channels/add/next?reconnect={}", channel.id);
    assert!(page.contains("Move it to another app") && page.contains(&link), "{page}");
    let moving = browser.open(&link).await.unwrap().text();
    assert!(moving.contains("Move Demo Kitchen") && moving.contains("keeps its history"), "{moving}");
}

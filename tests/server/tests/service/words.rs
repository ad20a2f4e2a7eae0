//! The words of the pages: those of people and of the provider's form, and no names of the machine's.

use http::{Method, StatusCode};
use serde_json::json;
use server_tests::{Browser, Service};

use crate::story::{connect, post, upload};

/// Names that only programs know; as `code` beside the words they may stand.
const NAMES: [&str; 16] = [
    "`",
    "client-key",
    "client-secret",
    "redirect-uri",
    "cover-timestamp",
    "Cover timestamp",
    "your-brand",
    "allow-duet",
    "SELF_ONLY",
    "Self only",
    "PUBLIC_TO_EVERYONE",
    "Public to everyone",
    "Milliseconds",
    "user.info",
    "video.list",
    "video.publish",
];

/// What a person reads of a page: no tags, no `code`.
fn read(page: &str) -> String {
    let body = page.split_once("<main").map_or(page, |(_, main)| main);
    let mut shown = String::new();
    for (at, piece) in body.split("<code").enumerate() {
        let piece = if at == 0 { piece } else { piece.split_once("</code>").map_or("", |(_, rest)| rest) };
        for piece in piece.split('<') {
            shown.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
            shown.push(' ');
        }
    }
    shown
}

async fn opened(browser: &Browser<'_>, path: &str) -> String {
    let answer = browser.open(path).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    read(&answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_speaks_in_words_also_of_a_job_that_a_program_made() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let video = upload(&service, 1_000_000).await;
    let mut body = post("By a program", json!({"upload": video}));
    body["post"]["visibility"] = json!("SELF_ONLY");
    body["post"]["options"] =
        json!({"cover-timestamp-ms": 100, "allow-duet": true, "disclosure": true, "your-brand": true});
    body["publish_at"] = json!(later());
    let made = service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let job = made.json()["id"].as_str().unwrap().to_owned();
    // An app whose keys are missing.
    let bare = json!({"provider": "tiktok", "settings": {"mode": "sandbox"}});
    let bare = service.call(Method::PUT, "/api/v1/apps/tiktok-sandbox", bare).await.unwrap();
    assert!(bare.status.is_success(), "{}", bare.text());

    let browser = service.browser().await.unwrap();
    // All but the guide: it shows the names of the network's portal, to be found and copied there.
    let paths = [
        "/".to_owned(),
        "/channels".to_owned(),
        format!("/channels/{channel}"),
        format!("/channels/{channel}/publish"),
        format!("/channels/{channel}/publish?kind=images"),
        "/channels/add".to_owned(),
        "/channels/add/tiktok-demo".to_owned(),
        "/channels/add/tiktok-sandbox".to_owned(),
        "/jobs".to_owned(),
        format!("/jobs/{job}"),
        format!("/jobs/{job}/change"),
        "/uploads".to_owned(),
        "/settings".to_owned(),
        "/settings/integration/tiktok".to_owned(),
        "/settings/integration/tiktok?mode=sandbox".to_owned(),
        "/settings/providers".to_owned(),
        "/settings/keys".to_owned(),
        "/settings/endpoints".to_owned(),
    ];
    for path in &paths {
        let text = opened(&browser, path).await;
        for name in NAMES {
            assert!(!text.contains(name), "{path} says {name}: {text}");
        }
    }
    let text = opened(&browser, &format!("/jobs/{job}")).await;
    for words in ["Only me", "Cover picture at", "Allow Duet", "Disclose post content", "Your brand"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let missing = "Missing: App ID (client key), App Secret (client secret)";
    for path in ["/settings", "/channels/add/tiktok-sandbox"] {
        let text = opened(&browser, path).await;
        assert!(text.contains(missing), "{path}: {text}");
    }
    // Permissions are named, and the network's name stands behind.
    let purpose = "To show the public videos with their numbers.";
    let own = format!("/channels/{channel}");
    for path in [own.as_str(), "/channels/add/tiktok-demo", "/settings/integration/tiktok"] {
        let page = browser.open(path).await.unwrap().text();
        assert!(page.contains(&format!("{purpose} <code>video.list</code>")), "{path}: {page}");
    }
    let text = opened(&browser, "/settings/integration/tiktok?mode=sandbox&checks=1").await;
    assert!(
        text.contains("The setting “App ID (client key)” is missing.") && !text.contains("client-"),
        "{text}"
    );
    // What a check found.
    let page = format!("/channels/{channel}/publish");
    let checked = browser.submit(&page, &page, &[("kind", "video"), ("action", "check")]).await.unwrap();
    let text = read(&checked.text());
    assert!(text.contains("is not chosen yet"), "{text}");
    assert!(!checked.text().contains(r#"<code class="subject">"#), "{text}");
}

/// A week from now, in seconds.
fn later() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + 7 * 24 * 3600
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_renamed_has_one_name_on_its_page() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    service.stage.simulator.edit(|world| {
        world.accounts.iter_mut().for_each(|account| account.display_name = "Kitchen of June".to_owned());
    });
    let browser = service.browser().await.unwrap();
    let page = browser.open(&format!("/channels/{channel}")).await.unwrap().text();
    let crumbs = page.split_once("<nav class=\"crumbs\"").unwrap().1.split_once("</nav>").unwrap().0;
    let heading = page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0;
    let title = page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
    for (place, text) in [("title", title), ("breadcrumb", crumbs), ("heading", heading)] {
        assert!(text.contains("Kitchen of June") && !text.contains("Demo Kitchen"), "{place}: {text}");
    }
}

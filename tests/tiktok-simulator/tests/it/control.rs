//! The HTTP control API and the page, as tests in other processes use them.

use reqwest::Method;
use serde_json::{Value, json};
use tiktok_simulator::CODES;

use crate::support::*;

async fn control(origin: &str, method: Method, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(method, &format!("{origin}/_simulator{path}"), &[], body).await
}

#[tokio::test]
async fn other_processes_steer_the_simulator() {
    let simulator = demo().await;
    let origin = simulator.origin();
    let post = |path: &'static str, body: Value| control(&origin, Method::POST, path, body);
    let get = |path: &'static str| control(&origin, Method::GET, path, Value::Null);

    let switches = json!({"auto_consent": {"enabled": true, "account": "walk.in"}, "processing_polls": 0});
    assert_eq!(control(&origin, Method::PATCH, "/switches", switches).await.status, 200);
    assert_eq!(get("/switches").await.json()["auto_consent"]["account"], "walk.in");
    let unknown = control(&origin, Method::PATCH, "/switches", json!({"no_such_switch": 1})).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.text.contains("no_such_switch"));

    let client = connect(&simulator, "walk.in").await;
    let change = json!({"display_name": "Renamed"});
    assert_eq!(control(&origin, Method::PATCH, "/accounts/walk.in", change).await.status, 200);
    let user = client.get("/v2/user/info/?fields=display_name").await.ok();
    assert_eq!(user["user"]["display_name"], "Renamed");

    let change = json!({"verified_urls": ["own.example.com"]});
    assert_eq!(control(&origin, Method::PATCH, "/apps/simkey-desktop", change).await.status, 200);
    simulator.edit(|world| {
        let app = world.apps.iter().find(|app| app.client_key == "simkey-desktop").unwrap();
        assert_eq!(app.verified_urls, ["own.example.com"]);
    });
    assert_eq!(control(&origin, Method::PATCH, "/apps/nobody", json!({})).await.status, 404);
    // Values that would be invalid in a file are refused with a sentence, and nothing is changed.
    for (path, change, remedy) in [
        ("/apps/simkey-desktop", json!({"kind": "ios"}), "\"desktop\""),
        ("/apps/simkey-desktop", json!({"kind": "web"}), "add \"desktop\""),
        ("/apps/simkey-desktop", json!({"kind": "web", "platforms": ["web"]}), "give one"),
        ("/apps/simkey-desktop", json!({"scopes": ["all"]}), "video.upload"),
        ("/accounts/walk.in", json!({"followers": u64::MAX}), "at most"),
        ("/switches", json!({"upload_path": "/up"}), "/upload"),
        ("/switches", json!({"auto_consent": {"account": "nobody"}}), "accounts"),
    ] {
        let answer = control(&origin, Method::PATCH, path, change).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["error"].as_str().unwrap().contains(remedy), "{answer:?}");
    }
    let both = json!({"kind": ["web", "desktop"]});
    assert_eq!(control(&origin, Method::PATCH, "/apps/simkey-desktop", both).await.status, 200);
    assert_eq!(simulator.settings().apps[0].platforms.len(), 2);
    let far = post("/clock/advance", json!({"seconds": u64::MAX, "ms": u64::MAX})).await;
    assert_eq!(far.status, 400, "{far:?}");

    let fault = json!({"match": {"path": "/v2/user/info/"}, "action": {"kind": "html", "status": 503}});
    assert_eq!(post("/faults", fault).await.status, 200);
    assert_eq!(get("/faults").await.json().as_array().unwrap().len(), 1);
    assert_eq!(client.get("/v2/user/info/?fields=open_id").await.status, 503);
    assert_eq!(post("/faults", json!({"action": {"kind": "nonsense"}})).await.status, 400);

    let before = get("/clock").await.json()["now_ms"].as_i64().unwrap();
    let after = post("/clock/advance", json!({"seconds": 7200})).await.json()["now_ms"].as_i64().unwrap();
    assert!(after - before >= 7_200_000);
    client.get("/v2/user/info/?fields=open_id").await.refused(401, "access_token_invalid", "trap 1");

    let log = get("/log?refused=1&rule=trap%201&path=/v2/user").await.json();
    assert_eq!(log.as_array().unwrap().len(), 1, "{log}");
    assert_eq!(log[0]["account"], "walk.in");
    assert_eq!(log[0]["refusal"]["rule"], "0.3, trap 1");
    assert!(log[0]["header_names"].as_array().unwrap().contains(&json!("authorization")));

    let change = json!({"client_key": "simkey-desktop", "account": "walk.in", "reason": 1});
    assert_eq!(post("/grants/remove", change).await.status, 200);
    let world = get("/world").await.json();
    assert_eq!(world["grants"][0]["alive"], false);
    assert_eq!(world["tokens"]["codes_exchanged"], 1);
    assert!(!world.to_string().contains(&client.access), "the inspection holds a token");

    assert_eq!(get("/violations").await.json(), json!([]));
    assert_eq!(get("/nonsense").await.status, 404);
    control(&origin, Method::DELETE, "/log", Value::Null).await;
    assert!(simulator.log().is_empty());
}

#[tokio::test]
async fn the_log_holds_no_secret() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    let first = client.clone();
    client.renew().await;
    client.publish(1000, "SELF_ONLY").await;
    let log = serde_json::to_string(&simulator.log()).unwrap();
    for secret in [client.secret, &first.access, &first.refresh, &client.access, &client.refresh, VERIFIER] {
        assert!(!log.contains(secret), "the log holds a secret");
    }
}

#[tokio::test]
async fn the_page_shows_what_a_client_did_wrong() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    client.get("/v2/user/info/?fields=<script>alert(1)").await;
    let mut body = video(121 * MB, "SELF_ONLY");
    body["source_info"]["total_chunk_count"] = json!(13);
    client.init(&body).await;
    let page = send(Method::GET, &simulator.origin(), &[], "").await;
    assert_eq!(page.status, 200);
    let meaning = "Rounding the chunk count up is refused.";
    for text in ["10.1 C9", "rounded up to 13", meaning, "simkey-desktop", "demo.kitchen"] {
        assert!(page.text.contains(text), "{text} is not on the page");
    }
    assert!(page.text.contains("&lt;script&gt;alert(1)") && !page.text.contains("<script>alert"));
}

#[tokio::test]
async fn every_rule_of_a_refusal_is_explained() {
    let simulator = demo().await;
    let rules = control(&simulator.origin(), Method::GET, "/rules", Value::Null).await.json();
    assert!(rules.as_array().unwrap().iter().any(|rule| rule["name"] == "10.1 C9"), "{rules}");
    let client = connect(&simulator, "demo.kitchen").await;
    client.get("/v2/user/info/?fields=nothing").await;
    let refusal = simulator.log().pop().unwrap().refusal.unwrap();
    assert!(!tiktok_simulator::explain(&refusal.rule).is_empty(), "{refusal:?}");
}

#[tokio::test]
async fn the_catalogue_is_published_for_completeness_checks() {
    let simulator = demo().await;
    let codes = control(&simulator.origin(), Method::GET, "/codes", Value::Null).await.json();
    assert_eq!(codes.as_array().unwrap().len(), CODES.len());
    let listed = |code: &str| codes.as_array().unwrap().iter().any(|entry| entry["code"] == code);
    for code in
        ["ok", "spam_risk_text", "invalid_grant", "reached_active_user_cap", "publish_not_cancellable"]
    {
        assert!(listed(code), "{code} is missing");
    }
}

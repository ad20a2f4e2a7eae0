//! Scripted faults: before and after the effect, on the response and on the connection.

use std::time::Duration;

use serde_json::json;
use tiktok_simulator::{Action, Fault};

use crate::support::*;

const TOKEN: &str = "/v2/oauth/token/";
const INFO: &str = "/v2/user/info/";

#[tokio::test]
async fn a_lost_answer_after_rotation_leaves_a_dead_token() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.faults().add(Fault::new(Action::Reset).path(TOKEN).after());
    let pairs = [
        ("client_key", client.key),
        ("client_secret", client.secret),
        ("grant_type", "refresh_token"),
        ("refresh_token", &client.refresh),
    ];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}{TOKEN}", client.origin);
    let error = try_send(reqwest::Method::POST, &url, &headers, form(&pairs)).await.unwrap_err();
    assert!(!error.is_timeout(), "{error}");
    let lost = last(&simulator, TOKEN);
    assert!(lost.answer_lost && lost.had_effect && lost.status == 0, "{lost:?}");
    client.refresh_with(&client.refresh).await.refused(400, "invalid_grant", "traps 2 and 3");
    assert_eq!(simulator.world().tokens.refreshed, 1);
    assert_eq!(simulator.world().tokens.refreshed_with_rotated_token, 1);
}

#[tokio::test]
async fn a_fault_before_the_effect_leaves_everything_as_it_was() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    let status = Action::Status { status: 500, code: None, retry_after: None };
    simulator.faults().add(Fault::new(status.clone()).path(TOKEN));
    let answer = client.refresh_with(&client.refresh).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "server_error"));
    assert!(!last(&simulator, TOKEN).had_effect);
    client.renew().await;
    simulator.faults().add(Fault::new(status).path(TOKEN).after());
    assert_eq!(client.refresh_with(&client.refresh).await.status, 500);
    assert!(last(&simulator, TOKEN).had_effect);
    client.refresh_with(&client.refresh).await.refused(400, "invalid_grant", "traps 2 and 3");
}

#[tokio::test]
async fn answers_can_be_replaced() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let ask = || client.get("/v2/user/info/?fields=display_name");
    let next = |action: Action| simulator.faults().add(Fault::new(action).path(INFO));

    next(Action::Html { status: 502 });
    let answer = ask().await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (502, "text/html"));

    next(Action::WrongJson { body: None });
    let answer = ask().await;
    assert_eq!(answer.status, 200);
    assert!(answer.json().is_array());

    let text = "not even JSON";
    next(Action::Answer { status: 418, content_type: "text/plain".into(), body: text.into() });
    assert_eq!(ask().await.text, text);

    let code = Some("rate_limit_exceeded".to_string());
    next(Action::Status { status: 429, code, retry_after: Some(7) });
    let answer = ask().await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(answer.headers["retry-after"], "7");

    ask().await.ok();
    simulator.edit(|world| world.accounts[0].display_name = "Renamed".into());
    next(Action::Stale);
    assert_eq!(ask().await.ok()["user"]["display_name"], "Demo Kitchen");
    assert_eq!(ask().await.ok()["user"]["display_name"], "Renamed");
    assert!(simulator.faults().armed().is_empty());
}

#[tokio::test]
async fn bodies_can_be_cut_and_slow() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.faults().add(Fault::new(Action::CutBody { keep: 10 }).path(INFO));
    let bearer = format!("Bearer {}", client.access);
    let url = format!("{}{INFO}?fields=open_id", client.origin);
    let response = try_send(reqwest::Method::GET, &url, &[("authorization", &bearer)], "").await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "the body came whole");

    simulator.faults().add(Fault::new(Action::SlowBody { pieces: 4, pause_ms: 1 }).path(INFO));
    client.get("/v2/user/info/?fields=open_id").await.ok();
    simulator.faults().add(Fault::new(Action::Delay { ms: 1 }).path(INFO));
    client.get("/v2/user/info/?fields=open_id").await.ok();
}

#[tokio::test]
async fn a_chunk_can_be_struck_before_in_and_after() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let (id, url) = client.begin(1000, "SELF_ONLY").await;
    let range = "bytes 0-999/1000";
    let headers = [("content-type", "video/mp4"), ("content-range", range)];
    let send = || try_send(reqwest::Method::PUT, &url, &headers, bytes(0, 999));

    simulator.faults().add(Fault::new(Action::CutRequest { after_bytes: 1 }).content_range("bytes 0-"));
    send().await.unwrap_err();
    simulator.faults().add(Fault::new(Action::Reset).method("PUT"));
    send().await.unwrap_err();
    let gateway = Action::Status { status: 502, code: None, retry_after: None };
    simulator.faults().add(Fault::new(gateway).path("/upload"));
    assert_eq!(send().await.unwrap().status(), 502);
    assert_eq!(simulator.world().publish(&id).unwrap().bytes, 0);

    // The ambiguous case (trap 27): the last chunk arrives, its response does not.
    simulator.faults().add(Fault::new(Action::Reset).path("/upload").after());
    send().await.unwrap_err();
    assert_eq!(simulator.world().publish(&id).unwrap().bytes, 1000);
    simulator.clock().advance(Duration::from_secs(60));
    client.status(&id).await.ok();
    assert_eq!(client.status(&id).await.ok()["status"], "PUBLISH_COMPLETE");
}

#[tokio::test]
async fn faults_choose_account_and_number() {
    let simulator = demo().await;
    let kitchen = connect(&simulator, "demo.kitchen").await;
    let walker = connect(&simulator, "walk.in").await;
    let status = Action::Status { status: 503, code: None, retry_after: None };
    simulator.faults().add(Fault::new(status).path("/v2/*").account("walk.in").nth(2).times(2));
    let ask = |client: Client| async move { client.get("/v2/user/info/?fields=open_id").await.status };
    assert_eq!(ask(kitchen.clone()).await, 200);
    for expected in [200, 503, 503, 200] {
        assert_eq!(ask(walker.clone()).await, expected);
    }
    assert_eq!(ask(kitchen).await, 200);
}

#[tokio::test]
async fn init_with_a_lost_answer_leaves_an_unused_publish() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let status = Action::Status { status: 500, code: None, retry_after: None };
    simulator.faults().add(Fault::new(status).path("/v2/post/publish/video/init/").after());
    assert_eq!(client.init(&video(1000, "SELF_ONLY")).await.status, 500);
    client.publish(1000, "SELF_ONLY").await;
    assert_eq!(simulator.world().publishes.len(), 2);
    simulator.clock().advance(Duration::from_secs(7200));
    assert_eq!(simulator.world().published().len(), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_is_in_the_log() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.faults().add(Fault::new(Action::Delay { ms: 600_000 }).path("/v2/video/list/"));
    let body = json!({});
    let request = client.post("/v2/video/list/?fields=id", &body);
    // The pause is long enough for the request to arrive, but far too short for the response.
    let _ = tokio::time::timeout(Duration::from_millis(300), request).await.unwrap_err();
    for _ in 0..500 {
        if simulator.log().iter().any(|exchange| exchange.path == "/v2/video/list/") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let gone = last(&simulator, "/v2/video/list/");
    assert!(gone.answer_lost && gone.status == 0 && !gone.had_effect, "{gone:?}");
}

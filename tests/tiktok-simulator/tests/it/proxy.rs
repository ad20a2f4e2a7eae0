//! The HTTPS proxy, used by an unmodified client.

use reqwest::{Certificate, Proxy, Url};
use serde_json::json;
use tiktok_simulator::{Action, Fault, Simulator};

use crate::support::*;

fn proxied(simulator: &Simulator) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .proxy(Proxy::https(simulator.origin()).unwrap())
        .tls_certs_only([Certificate::from_pem(simulator.ca_pem().as_bytes()).unwrap()])
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_client_talks_to_tiktoks_own_addresses() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let http = proxied(&simulator);
    let bearer = format!("Bearer {}", client.access);
    let url = "https://open.tiktokapis.com/v2/post/publish/video/init/";
    let request = http.post(url).header("authorization", &bearer).header("content-type", "application/json");
    let body = video(1000, "SELF_ONLY").to_string();
    let data = Answer::of(request.body(body).send().await.unwrap()).await.ok();
    // The upload URL byte for byte, at its own host.
    let url = Url::parse(data["upload_url"].as_str().unwrap()).unwrap();
    assert_eq!(url.host_str(), Some("open-upload-sg.tiktokapis.com"));
    let request =
        http.put(url).header("content-type", "video/mp4").header("content-range", "bytes 0-999/1000");
    let answer = Answer::of(request.body(bytes(0, 999)).send().await.unwrap()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(last(&simulator, "/upload").host, "open-upload-sg.tiktokapis.com");
}

#[tokio::test]
async fn nothing_is_forwarded_elsewhere() {
    let simulator = demo().await;
    let http = proxied(&simulator);
    http.get("https://tiktokapis.com.example.org/").send().await.unwrap_err();
    http.get("https://open.tiktokapis.com:8443/").send().await.unwrap_err();
    assert!(simulator.log().is_empty());
}

#[tokio::test]
async fn who_does_not_trust_the_certificate_gets_nothing() {
    let simulator = demo().await;
    let other = demo().await;
    let http = reqwest::Client::builder()
        .proxy(Proxy::https(simulator.origin()).unwrap())
        .tls_certs_only([Certificate::from_pem(other.ca_pem().as_bytes()).unwrap()])
        .build()
        .unwrap();
    http.get("https://open.tiktokapis.com/v2/user/info/").send().await.unwrap_err();
    assert!(simulator.log().is_empty());
}

#[tokio::test]
async fn faults_strike_inside_the_tunnel() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    simulator.faults().add(Fault::new(Action::Reset).path("/v2/post/publish/status/fetch/"));
    let http = proxied(&simulator);
    let request = http
        .post("https://open.tiktokapis.com/v2/post/publish/status/fetch/")
        .header("authorization", format!("Bearer {}", client.access))
        .header("content-type", "application/json")
        .body(json!({"publish_id": "x"}).to_string());
    request.send().await.unwrap_err();
    assert!(last(&simulator, "/v2/post/publish/status/fetch/").answer_lost);
}

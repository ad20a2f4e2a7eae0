//! Every route, good and bad, without a socket.

use http::{Method, StatusCode};
use serde_json::json;
use server_tests::Service;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_is_served_and_described() {
    let service = Service::new().await.unwrap();
    assert_eq!(service.get("/healthz").await.unwrap().text(), "ok\n");
    assert_eq!(service.get("/readyz").await.unwrap().status, StatusCode::OK);
    let openapi = service.get("/api/v1/openapi.json").await.unwrap().json();
    assert_eq!(openapi["openapi"], "3.1.0");
    assert!(openapi["paths"].as_object().unwrap().len() > 20, "{openapi:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_told() {
    let service = Service::new().await.unwrap();
    for key in ["", "sck_wrong", "x"] {
        let answer = service.call_with(key, Method::GET, "/api/v1/channels", json!(null)).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["code"], "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

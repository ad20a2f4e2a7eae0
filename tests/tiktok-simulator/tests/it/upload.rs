//! Chunks: every rule C1-C10, sequence, lengths, expiry (contract 9.3 and 10).

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use tiktok_simulator::{Megabyte, PublishState, UploadedBytes, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn each_wrong_plan_is_refused_by_its_rule() {
    let mut world = World::demo();
    world.switches.rate_limit_divisor = 0;
    world.accounts[0].daily_post_cap = 1000;
    let simulator = started(world).await;
    let client = connect(&simulator, "demo.kitchen").await;
    let ask = |size: u64, chunk: u64, count: u64| {
        let mut body = video(size, "SELF_ONLY");
        body["source_info"]["chunk_size"] = json!(chunk);
        body["source_info"]["total_chunk_count"] = json!(count);
        let client = &client;
        async move { client.init(&body).await }
    };
    const CHUNK: &str = "The chunk size is invalid";
    const COUNT: &str = "The total chunk count is invalid";
    for (size, chunk, count, rule, message) in [
        (50_000_000, 10_000_000, 4, "C1", COUNT),
        (50_000_000, 5_000_000, 10, "C2", CHUNK),
        (140_000_000, 70_000_000, 2, "C2", CHUNK),
        (4_000_000, 2_000_000, 2, "C4", CHUNK),
        (158_008_374, 158_008_374, 1, "C5", CHUNK),
        (1_000_000, 1_000_000, 0, "C6", COUNT),
        (4_294_967_296, 5_242_880, 1001, "C6", COUNT),
        (19_999_999, 10_000_000, 1, "C8", CHUNK),
        (66_259_900, 64_000_000, 1, "C8", CHUNK),
        (121_000_000, 10_000_000, 13, "C9", COUNT),
        (134_217_728, 67_108_864, 2, "C10", CHUNK),
    ] {
        let answer = ask(size, chunk, count).await;
        answer.refused(400, "invalid_params", rule);
        assert_eq!(answer.json()["error"]["message"], message);
    }
    for size in [
        1,
        5_242_879,
        5_242_880,
        64_000_000,
        64_000_001,
        66_259_900,
        67_108_864,
        67_108_865,
        128_000_001,
        134_217_728,
        4_000_000_000,
        4_294_967_296,
    ] {
        client.init(&video(size, "SELF_ONLY")).await.ok();
    }
    simulator.edit(|world| world.switches.megabyte = Megabyte::Binary);
    ask(134_217_728, 67_108_864, 2).await.ok();
    simulator.edit(|world| world.switches.megabyte = Megabyte::Decimal);
    ask(50_000_000, 5_000_000, 10).await.ok();
    assert_eq!(ask(4_294_967_296, 10_000_000, 429).await.status, 400);
}

#[tokio::test]
async fn a_file_in_chunks_arrives_whole() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let size = 64_000_001;
    let (id, url) = client.begin(size, "SELF_ONLY").await;
    for (at, (first, last)) in chunks(size).into_iter().enumerate() {
        let answer = put(&url, first, last, size).await;
        assert_eq!(answer.status, if at == 5 { 201 } else { 206 }, "{answer:?}");
        assert_eq!(answer.headers["content-range"], format!("bytes 0-{}/{size}", last + 1));
        assert_eq!(client.status(&id).await.ok()["uploaded_bytes"], last + 1);
    }
    let world = simulator.world();
    let publish = world.publish(&id).unwrap();
    let hash = hex::encode(Sha256::digest(bytes(0, size - 1)));
    assert_eq!((publish.bytes, publish.chunks, publish.sha256.as_deref()), (size, 6, Some(hash.as_str())));
    assert_eq!(publish.state, PublishState::Processing);
    let request = last(&simulator, "/upload");
    assert_eq!(request.body_bytes, 14_000_001);
    assert_eq!(request.content_range.as_deref(), Some("bytes 50000000-64000000/64000001"));
    assert!(request.had_effect && !request.query.contains("upload_token=3"), "{}", request.query);
    assert!(request.query.contains("upload_token=****"));
}

/// 30 MB in three chunks of 10 MB.
async fn three_chunks(simulator: &tiktok_simulator::Simulator) -> (Client, String, String) {
    let client = connect(simulator, "demo.kitchen").await;
    let mut body = video(30 * MB, "SELF_ONLY");
    body["source_info"]["chunk_size"] = json!(10 * MB);
    body["source_info"]["total_chunk_count"] = json!(3);
    let data = client.init(&body).await.ok();
    let url = client.local(data["upload_url"].as_str().unwrap());
    (client, data["publish_id"].as_str().unwrap().to_string(), url)
}

#[tokio::test]
async fn order_and_lengths_are_enforced() {
    let simulator = demo().await;
    let (client, id, url) = three_chunks(&simulator).await;
    let size = 30 * MB;
    let first = (0, 10 * MB - 1);
    put(&url, 10 * MB, 20 * MB - 1, size).await.turned_away(416, "C7, trap 25");
    put(&url, 0, 5 * MB - 1, size).await.turned_away(400, "C2");
    put(&url, 0, 11 * MB - 1, size).await.turned_away(400, "C1");
    put(&url, first.0, first.1, size + 1).await.turned_away(400, "9.3");
    assert_eq!(put(&url, first.0, first.1, size).await.status, 206);
    let again = put(&url, first.0, first.1, size).await;
    again.turned_away(416, "9.3");
    assert_eq!(again.headers["content-range"], "bytes 0-10000000/30000000");
    put(&url, 5 * MB, 15 * MB - 1, size).await.turned_away(416, "C7");
    assert_eq!(put(&url, 10 * MB, 20 * MB - 1, size).await.status, 206);
    // Repeats of older chunks are never accepted.
    put(&url, first.0, first.1, size).await.turned_away(416, "C7");
    // The tail is dropped (trap 24).
    put(&url, 20 * MB, 25 * MB - 1, size).await.turned_away(400, "trap 24");
    assert_eq!(put(&url, 20 * MB, size - 1, size).await.status, 201);
    put(&url, 20 * MB, size - 1, size).await.turned_away(416, "9.3");
    assert_eq!(client.status(&id).await.ok()["uploaded_bytes"], size);
    assert_eq!(simulator.world().publishes.len(), 1);
}

#[tokio::test]
async fn a_repeat_of_the_last_chunk_can_be_accepted() {
    let simulator = demo().await;
    simulator.edit(|world| {
        world.switches.accept_repeated_chunk = true;
        world.switches.uploaded_bytes = UploadedBytes::LastIndex;
    });
    let (_, id, url) = three_chunks(&simulator).await;
    let size = 30 * MB;
    for _ in 0..2 {
        let answer = put(&url, 0, 10 * MB - 1, size).await;
        assert_eq!(
            (answer.status, answer.headers["content-range"].as_str()),
            (206, "bytes 0-9999999/30000000")
        );
    }
    assert!(!last(&simulator, "/upload").had_effect);
    put(&url, 10 * MB, 20 * MB - 1, size).await;
    for _ in 0..2 {
        assert_eq!(put(&url, 20 * MB, size - 1, size).await.status, 201);
    }
    let hash = hex::encode(Sha256::digest(bytes(0, size - 1)));
    // Byte positions continue over chunk boundaries, so only the correct order gives this hash.
    assert_eq!(simulator.world().publish(&id).unwrap().sha256.as_deref(), Some(hash.as_str()));
}

#[tokio::test]
async fn headers_of_a_chunk_are_checked() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let (id, url) = client.begin(1000, "SELF_ONLY").await;
    let body = || bytes(0, 999);
    let range = ("content-range", "bytes 0-999/1000");
    put_raw(&url, &[("content-type", "video/mp4")], body()).await.turned_away(400, "9.3");
    put_raw(&url, &[range], body()).await.turned_away(400, "9.3");
    put_raw(&url, &[("content-type", "application/octet-stream"), range], body())
        .await
        .turned_away(400, "9.3");
    for wrong in ["bytes=0-999/1000", "bytes 0-1000/1000", "bytes 0-998/1000", "bytes 0-999/*", "0-999/1000"]
    {
        let headers = [("content-type", "video/mp4"), ("content-range", wrong)];
        put_raw(&url, &headers, body()).await.turned_away(400, "9.3");
    }
    let unsized_body =
        reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(std::io::Cursor::new(body())));
    let headers = [("content-type", "video/mp4"), range];
    send(Method::PUT, &url, &headers, unsized_body).await.turned_away(400, "9.3");
    send(Method::POST, &url, &headers, body()).await.turned_away(405, "9.3");
    let bearer = format!("Bearer {}", client.access);
    let answer = put_raw(&url, &[headers[0], headers[1], ("authorization", &bearer)], body()).await;
    assert!(answer.findings().contains("trap 29"), "{answer:?}");
    assert_eq!(answer.status, 201);
    assert_eq!(simulator.world().publish(&id).unwrap().bytes, 1000);
}

#[tokio::test]
async fn an_upload_url_is_a_credential_of_one_hour() {
    let simulator = demo().await;
    let mut client = connect(&simulator, "demo.kitchen").await;
    let (id, url) = client.begin(1000, "SELF_ONLY").await;
    let without_token = url.split("&upload_token").next().unwrap();
    put(without_token, 0, 999, 1000).await.turned_away(404, "trap 29");
    put(&format!("{url}x"), 0, 999, 1000).await.turned_away(404, "trap 29");
    let unknown = format!("{}/upload?upload_id=1&upload_token=2", client.origin);
    put(&unknown, 0, 999, 1000).await.turned_away(404, "9.3");
    simulator.clock().advance(Duration::from_secs(3600));
    put(&url, 0, 999, 1000).await.turned_away(403, "trap 28");
    client.renew().await;
    assert_eq!(client.status(&id).await.ok()["status"], "PROCESSING_UPLOAD");
    simulator.edit(|world| world.switches.expired_upload_fails = true);
    let (id, _) = client.begin(1000, "SELF_ONLY").await;
    simulator.clock().advance(Duration::from_secs(3600));
    client.renew().await;
    assert_eq!(client.status(&id).await.ok()["fail_reason"], "internal");
    assert!(simulator.world().published().is_empty());
}

#[tokio::test]
async fn a_chunk_that_breaks_off_leaves_nothing_behind() {
    let simulator = demo().await;
    let client = connect(&simulator, "demo.kitchen").await;
    let (id, url) = client.begin(1000, "SELF_ONLY").await;
    let address = client.origin.strip_prefix("http://").unwrap();
    let target = url.strip_prefix(&client.origin).unwrap();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: open-upload-sg.tiktokapis.com\r\ncontent-type: video/mp4\r\n\
         content-length: 1000\r\ncontent-range: bytes 0-999/1000\r\n\r\n"
    );
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&bytes(0, 499)).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut rest = Vec::new();
    // It does not matter whether a response still arrives; the connection ends.
    let _ = socket.read_to_end(&mut rest).await;
    assert_eq!(simulator.world().publish(&id).unwrap().bytes, 0);
    assert_eq!(put(&url, 0, 999, 1000).await.status, 201);
    let hash = hex::encode(Sha256::digest(bytes(0, 999)));
    assert_eq!(simulator.world().publish(&id).unwrap().sha256.as_deref(), Some(hash.as_str()));
}

#[tokio::test]
async fn a_hundred_chunks_of_a_gigabyte_are_counted_not_kept() {
    let mut world = World::demo();
    world.switches.hash_uploads = false;
    let simulator = started(world).await;
    let client = connect(&simulator, "demo.kitchen").await;
    let size = 1_000_000_000;
    let (id, url) = client.begin(size, "SELF_ONLY").await;
    let before = resident_kib();
    let chunk = Bytes::from(vec![0; 10_000_000]);
    for (first, last) in chunks(size) {
        let range = format!("bytes {first}-{last}/{size}");
        let headers = [("content-type", "video/mp4"), ("content-range", range.as_str())];
        let answer = send(Method::PUT, &url, &headers, chunk.clone()).await;
        assert_eq!(answer.status, if last + 1 == size { 201 } else { 206 });
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 100_000, "memory grew by {grown} KiB for a gigabyte");
    let world = simulator.world();
    let publish = world.publish(&id).unwrap();
    assert_eq!((publish.bytes, publish.chunks, &publish.sha256), (size, 100, &None));
}

/// Resident memory of this process; 0 if /proc is missing, which makes the check above meaningless there.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

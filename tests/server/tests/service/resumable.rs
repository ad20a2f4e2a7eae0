//! Uploads in parts, as a tus client sends them.

use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use server_tests::{Answer, Service};
use social_channel_server::Config;

use crate::story::{post, upload};

const SIZE: usize = 300_000;

async fn ask(service: &Service, method: &str, path: &str, headers: &[(&str, String)], body: Body) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {}", service.key))
        .header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    service.send(request.body(body).unwrap()).await.unwrap()
}

/// Returns its address.
async fn begin(service: &Service, size: usize) -> String {
    // `one.mp4` and `video/mp4`.
    let metadata = "filename b25lLm1wNA==,filetype dmlkZW8vbXA0,other eA==".to_owned();
    let headers = [("upload-length", size.to_string()), ("upload-metadata", metadata)];
    let answer = ask(service, "POST", "/api/v1/uploads/resumable", &headers, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("tus-resumable"), "1.0.0");
    assert!(answer.header("upload-expires").ends_with("GMT"), "{:?}", answer.headers);
    answer.header(LOCATION.as_str())
}

async fn part(service: &Service, at: &str, offset: usize, body: impl Into<Body>) -> Answer {
    let headers = [
        ("upload-offset", offset.to_string()),
        (CONTENT_TYPE.as_str(), "application/offset+octet-stream".to_owned()),
    ];
    ask(service, "PATCH", at, &headers, body.into()).await
}

/// How much has arrived.
async fn arrived(service: &Service, at: &str) -> String {
    let answer = ask(service, "HEAD", at, &[], Body::empty()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.header("upload-offset")
}

fn id(at: &str) -> &str {
    at.rsplit('/').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_parts_is_one_like_any_other() {
    let service = Service::new().await.unwrap();
    let channel = service.stage.connect().await.unwrap().id;
    let video = library_tests::video_bytes(SIZE).unwrap();
    let at = begin(&service, SIZE).await;
    assert_eq!(arrived(&service, &at).await, "0");
    let unfinished = format!("/api/v1/uploads/{}", id(&at));
    assert_eq!(service.get(&unfinished).await.unwrap().status, StatusCode::NOT_FOUND, "it is not whole");
    for (number, bytes) in video.chunks(100_000).enumerate() {
        let answer = part(&service, &at, number * 100_000, bytes.to_vec()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
        assert_eq!(answer.header("upload-offset"), ((number + 1) * 100_000).to_string());
    }
    assert_eq!(arrived(&service, &at).await, SIZE.to_string(), "a client that lost the last answer asks");
    let kept = service.get(&unfinished).await.unwrap().json();
    assert_eq!(
        (&kept["size"], &kept["file_name"], &kept["content_type"]),
        (&SIZE.into(), &"one.mp4".into(), &"video/mp4".into())
    );
    let body = post("in parts", serde_json::json!({"upload": id(&at)}));
    let job = service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap();
    assert_eq!(job.status, StatusCode::CREATED, "{}", job.text());
    let job = service.stage.wait(job.json()["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(job.bytes_sent, SIZE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_breaks_off_goes_on_where_it_ended() {
    let service = Service::new().await.unwrap();
    let video = library_tests::video_bytes(SIZE).unwrap();
    let at = begin(&service, SIZE).await;
    let broken = futures::stream::iter([
        Ok(Bytes::copy_from_slice(&video[..120_000])),
        Err(std::io::Error::other("the train enters a tunnel")),
    ]);
    let answer = part(&service, &at, 0, Body::from_stream(broken)).await;
    assert!(answer.text().contains("broke off"), "{}", answer.text());
    assert_eq!(arrived(&service, &at).await, "120000");
    // Another process goes on, because nothing of it is in memory.
    let service = Service { router: second_router(&service).await, ..service };
    for wrong in [0, 119_999, 120_001] {
        let answer = part(&service, &at, wrong, video[120_000..].to_vec()).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text());
        assert_eq!(answer.json()["code"], "upload_offset");
    }
    let answer = part(&service, &at, 120_000, [&video[120_000..], b"more"].concat()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "beyond its size: {}", answer.text());
    let reached: usize = arrived(&service, &at).await.parse().unwrap();
    let answer = part(&service, &at, reached, video[reached..].to_vec()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(arrived(&service, &at).await, SIZE.to_string());
}

async fn second_router(service: &Service) -> axum::Router {
    let host = service.stage.second_host().await.unwrap();
    social_channel_server::router(social_channel_server::State::new(host, Config::default()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_parts_at_once_do_not_mix() {
    let service = Service::new().await.unwrap();
    let at = begin(&service, SIZE).await;
    let (sender, body) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(1);
    let body =
        Body::from_stream(futures::stream::unfold(body, async |mut body| Some((body.recv().await?, body))));
    let first = part(&service, &at, 0, body);
    let second = async {
        sender.send(Ok(Bytes::from(vec![1; 70_000]))).await.unwrap();
        // The next is taken when the first was read.
        sender.send(Ok(Bytes::from(vec![1; 70_000]))).await.unwrap();
        sender.send(Ok(Bytes::from(vec![1; 10]))).await.unwrap();
        let refused = part(&service, &at, 0, vec![2; 10]).await;
        drop(sender);
        refused
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(
        (first.status, second.status),
        (StatusCode::NO_CONTENT, StatusCode::LOCKED),
        "{}",
        second.text()
    );
    assert_eq!(arrived(&service, &at).await, "140010");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_between_the_last_byte_and_its_row_is_whole() {
    let service = Service::new().await.unwrap();
    let at = begin(&service, SIZE).await;
    let file = walk(&service.stage.folder.path().join("uploads")).pop().expect("a file has begun");
    std::fs::write(&file, library_tests::video_bytes(SIZE).unwrap()).unwrap();
    assert_eq!(arrived(&service, &at).await, SIZE.to_string());
    let kept = service.get(&format!("/api/v1/uploads/{}", id(&at))).await.unwrap();
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_have_begun_are_bounded_and_removed() {
    let limit = 4 * SIZE as u64;
    let service =
        Service::with(Config { max_tenant_uploads: Some(limit), ..Config::default() }).await.unwrap();
    upload(&service, SIZE).await;
    let at = begin(&service, 2 * SIZE).await;
    let headers = [("upload-length", (2 * SIZE).to_string())];
    let full = ask(&service, "POST", "/api/v1/uploads/resumable", &headers, Body::empty()).await;
    assert_eq!(full.status, StatusCode::PAYLOAD_TOO_LARGE, "what has begun counts: {}", full.text());
    assert_eq!(full.json()["code"], "upload_room");
    // Another tenant does not see it.
    let theirs = service
        .call(Method::POST, "/api/v1/keys", serde_json::json!({"name": "theirs", "tenant": "other"}))
        .await
        .unwrap();
    let request = Request::head(&at)
        .header(AUTHORIZATION, format!("Bearer {}", theirs.json()["text"].as_str().unwrap()))
        .header("tus-resumable", "1.0.0");
    assert_eq!(
        service.send(request.body(Body::empty()).unwrap()).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(ask(&service, "DELETE", &at, &[], Body::empty()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(walk(&service.stage.folder.path().join("uploads")).len(), 1, "only the whole one is left");
    // Without room for bytes there is still a bound on how many.
    for _ in 0..100 {
        begin(&service, 1).await;
    }
    let headers = [("upload-length", "1".to_owned())];
    let many = ask(&service, "POST", "/api/v1/uploads/resumable", &headers, Body::empty()).await;
    assert_eq!(many.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", many.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tus_client_is_told_so() {
    let service = Service::new().await.unwrap();
    let about = service.call(Method::OPTIONS, "/api/v1/uploads/resumable", Value::Null).await.unwrap();
    assert_eq!(about.header("tus-version"), "1.0.0");
    assert_eq!(about.header("tus-extension"), "creation,expiration,termination");
    let answer = service.call(Method::POST, "/api/v1/uploads/resumable", Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{}", answer.text());
    let empty = [("upload-length", "0".to_owned())];
    for headers in [&[][..], &empty] {
        let answer = ask(&service, "POST", "/api/v1/uploads/resumable", headers, Body::empty()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    }
    let at = begin(&service, SIZE).await;
    let answer = ask(&service, "PATCH", &at, &[("upload-offset", "0".to_owned())], Body::from("x")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let request = Request::post("/api/v1/uploads/resumable").header("tus-resumable", "1.0.0");
    assert_eq!(
        service.send(request.body(Body::empty()).unwrap()).await.unwrap().status,
        StatusCode::UNAUTHORIZED
    );
}

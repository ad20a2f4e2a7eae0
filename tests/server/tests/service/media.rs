//! Uploads, and media that platforms fetch.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_RANGE, RANGE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use server_tests::Service;
use social_channel_server::Config;

use crate::story::{connect, post, upload, video};

fn bring(key: &str, body: Body) -> Request<Body> {
    Request::post("/api/v1/uploads").header(AUTHORIZATION, format!("Bearer {key}")).body(body).unwrap()
}

/// Files in the uploads' folder, of all tenants.
fn kept(service: &Service) -> usize {
    let folder = service.stage.folder.path().join("uploads");
    let Ok(tenants) = std::fs::read_dir(folder) else { return 0 };
    tenants.map(|tenant| std::fs::read_dir(tenant.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_kept_whole_or_not_at_all() {
    let service = Service::with(Config { max_upload: 1000, ..Config::default() }).await.unwrap();
    let answer = service.send(bring(&service.key, Body::from(vec![1; 1000]))).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.get("/api/v1/uploads").await.unwrap().json()[0]["id"], *id);
    assert_eq!(service.get(&format!("/api/v1/uploads/{id}")).await.unwrap().json()["size"], 1000);
    assert_eq!(kept(&service), 1);

    let chunks = |chunks: Vec<std::io::Result<Bytes>>| Body::from_stream(futures::stream::iter(chunks));
    let too_many = chunks(vec![Ok(Bytes::from(vec![1; 900])), Ok(Bytes::from(vec![1; 101]))]);
    assert_eq!(
        service.send(bring(&service.key, too_many)).await.unwrap().status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let broken = chunks(vec![Ok(Bytes::from(vec![1; 900])), Err(std::io::Error::other("gone"))]);
    assert_eq!(service.send(bring(&service.key, broken)).await.unwrap().status, StatusCode::BAD_REQUEST);
    assert_eq!(
        service.send(bring(&service.key, Body::empty())).await.unwrap().status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(kept(&service), 1, "nothing stays of what failed");

    let answer = service.call(Method::DELETE, &format!("/api/v1/uploads/{id}"), Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(kept(&service), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uploads_of_a_tenant_have_a_bound_and_those_of_another_their_own() {
    let config = Config { max_tenant_uploads: Some(2500), ..Config::default() };
    let service = Service::with(config).await.unwrap();
    let chunked = |sizes: &[usize]| {
        let chunks: Vec<std::io::Result<Bytes>> =
            sizes.iter().map(|size| Ok(Bytes::from(vec![1; *size]))).collect();
        Body::from_stream(futures::stream::iter(chunks))
    };
    let bring_whole = |key: &str, size: usize| {
        let request = Request::post("/api/v1/uploads")
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header("content-length", size)
            .body(Body::from(vec![1; size]))
            .unwrap();
        service.send(request)
    };
    let first = bring_whole(&service.key, 1500).await.unwrap();
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());

    // With or without an announced size, one or several at once.
    for answer in [
        bring_whole(&service.key, 1001).await.unwrap(),
        service.send(bring(&service.key, chunked(&[600, 401]))).await.unwrap(),
    ] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text());
        let problem = answer.json();
        assert_eq!((&problem["kind"], &problem["code"]), (&json!("quota_exceeded"), &json!("upload_room")));
        assert!(problem["message"].as_str().unwrap().contains("2500 bytes"), "{problem}");
        assert!(problem["remedy"].as_str().unwrap().contains("delete uploads"), "{problem}");
    }
    let (service, chunked, bring_whole) = (&service, &chunked, &bring_whole);
    let at_once = (0..6).map(|at| async move {
        match at % 2 {
            0 => bring_whole(&service.key, 400).await.unwrap().status,
            _ => service.send(bring(&service.key, chunked(&[200, 200]))).await.unwrap().status,
        }
    });
    let statuses = futures::future::join_all(at_once).await;
    let kept_now = statuses.iter().filter(|status| **status == StatusCode::CREATED).count();
    assert!((1..=2).contains(&kept_now), "{statuses:?}");
    assert_eq!(kept(service), 1 + kept_now, "nothing stays of what was refused");

    let body = json!({"name": "other", "tenant": "other"});
    let made = service.call(Method::POST, "/api/v1/keys", body).await.unwrap().json();
    let theirs = bring_whole(made["text"].as_str().unwrap(), 2500).await.unwrap();
    assert_eq!(theirs.status, StatusCode::CREATED, "{}", theirs.text());

    // Deleting frees space.
    let path = format!("/api/v1/uploads/{}", first.json()["id"].as_str().unwrap());
    service.call(Method::DELETE, &path, Value::Null).await.unwrap();
    assert_eq!(bring_whole(&service.key, 1500).await.unwrap().status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_upload_and_a_path_of_this_machine_are_not_published() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let body = json!({"name": "other", "tenant": "other"});
    let key = service.call(Method::POST, "/api/v1/keys", body).await.unwrap().json()["text"].clone();
    let answer = service.send(bring(key.as_str().unwrap(), Body::from(video(1000)))).await.unwrap();
    let theirs = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        service.get(&format!("/api/v1/uploads/{theirs}")).await.unwrap().status,
        StatusCode::NOT_FOUND
    );

    let jobs = format!("/api/v1/channels/{channel}/jobs");
    for (media, status) in [
        (json!({"upload": theirs}), StatusCode::NOT_FOUND),
        (json!({"upload": "../../../etc/passwd"}), StatusCode::NOT_FOUND),
        (json!({"file": "/etc/passwd"}), StatusCode::BAD_REQUEST),
        (json!({"name": "one.mp4"}), StatusCode::BAD_REQUEST),
        (json!({"url": "https://127.0.0.1/one.mp4"}), StatusCode::FAILED_DEPENDENCY),
    ] {
        for path in [jobs.clone(), format!("/api/v1/channels/{channel}/checks")] {
            let answer = service.call(Method::POST, &path, post("x", media.clone())).await.unwrap();
            assert_eq!(answer.status, status, "{media}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_is_served_by_ranges_while_its_job_is_open_and_not_after() {
    let service = Service::new().await.unwrap();
    let channel = connect(&service).await;
    let size = 300_000;
    let upload = upload(&service, size).await;
    let mut body = post("Later", json!({"upload": upload}));
    let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        + Duration::from_secs(7200);
    body["publish_at"] = json!(later.as_secs());
    let job =
        service.call(Method::POST, &format!("/api/v1/channels/{channel}/jobs"), body).await.unwrap().json();
    let url = job["media"][0]["public_url"].as_str().unwrap();
    let path = url.strip_prefix("https://social.example.com").unwrap();
    assert!(path.starts_with("/media/") && path.ends_with(".mp4") && path.len() > 50, "{path}");

    let fetch = |headers: &[(http::HeaderName, &str)]| {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        service.send(request.body(Body::empty()).unwrap())
    };
    let whole = fetch(&[]).await.unwrap();
    assert_eq!(whole.status, StatusCode::OK);
    assert!(whole.bytes == video(size), "byte for byte");
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let policy = whole.header("content-security-policy");
    assert!(
        policy.contains("sandbox") && !policy.contains("script"),
        "a tenant's file does nothing here: {policy}"
    );
    let part = fetch(&[(RANGE, "bytes=4-7")]).await.unwrap();
    assert_eq!((part.status.as_u16(), part.bytes.as_slice()), (206, b"ftyp".as_slice()));
    assert_eq!(part.header("content-range"), format!("bytes 4-7/{size}"));
    let other = fetch(&[(RANGE, "bytes=4-7"), (IF_RANGE, "\"another\"")]).await.unwrap();
    assert_eq!(other.status, StatusCode::OK, "of another version the whole is sent");
    let same = fetch(&[(RANGE, "bytes=4-7"), (IF_RANGE, &whole.header("etag"))]).await.unwrap();
    assert_eq!(same.status, StatusCode::PARTIAL_CONTENT);
    let beyond = fetch(&[(RANGE, &format!("bytes={size}-"))]).await.unwrap();
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let wrong = service.get("/media/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.mp4").await.unwrap();
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);

    let id = job["id"].as_str().unwrap();
    service.call(Method::POST, &format!("/api/v1/jobs/{id}/cancel"), Value::Null).await.unwrap();
    service.get(&format!("/api/v1/jobs/{id}/wait")).await.unwrap();
    assert_eq!(fetch(&[]).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_many_uploads_and_channels_by_parts() {
    let service = Service::new().await.unwrap();
    let channel = crate::story::connect(&service).await;
    for number in 0..203 {
        let new = social_channel::NewUpload {
            file_name: Some(format!("clip-{number:03}.mp4")),
            limit: 9,
            ..Default::default()
        };
        let bytes = futures::stream::iter([Ok(b"video".to_vec().into())]);
        service.stage.tenant.keep_upload(new, bytes).await.unwrap();
    }
    let browser = service.browser().await.unwrap();
    let names = |page: &str| page.matches("<strong>clip-").count();
    let first = browser.open("/uploads").await.unwrap().text();
    assert_eq!(names(&first), 200, "{first}");
    let older = first.split("href=\"/uploads?after=").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let rest = browser.open(&format!("/uploads?after={older}")).await.unwrap().text();
    assert_eq!(names(&rest), 3, "{rest}");
    assert!(!rest.contains("Older uploads"), "{rest}");

    let channels = browser.open("/channels").await.unwrap().text();
    assert!(channels.contains(&channel) && !channels.contains("More channels"), "{channels}");
    let after = browser.open("/channels?from=200").await.unwrap().text();
    assert!(!after.contains(&channel) && after.contains("href=\"/channels?from=0\""), "{after}");
}

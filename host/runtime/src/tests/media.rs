//! Media: from a file or a URL through a provider to a server, completely or not at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use http::Response;
use http_body_util::Full;

use super::server::{Seen, Server};
use super::*;
use crate::error::{Error, ErrorKind};
use crate::media::{MediaItem, ReadError};
use crate::model::{Media, MediaSource, Post, Publication};
use crate::net::{HttpBody, HttpClient};
use crate::{NextStep, Resume};

const URL: &str = "https://api.example.com/upload";

/// Bytes that differ by position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at >> 13) as u8).collect()
}

struct File {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

fn file(name: &str, bytes: &[u8]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    File { _folder: folder, path }
}

async fn open(path: &std::path::Path) -> Arc<MediaItem> {
    Arc::new(MediaItem::open(&Media::file(path), &Egress::closed()).await.unwrap())
}

async fn upload(
    server: &Server,
    item: &Arc<MediaItem>,
    settings: &[(&str, &str)],
) -> Result<Publication, Error> {
    let settings = [&[("url", URL)], settings].concat();
    let cx = CallContext {
        egress: egress(mapped(server.port)),
        media: vec![Arc::clone(item)],
        ..context(&settings)
    };
    let state = SecretBytes::new(Vec::new());
    let post = Post::default();
    let step = patient().await.continue_publish(cx, &account(), &post, &state, Resume::default()).await;
    let step = step.map_err(crate::abi::CallError::into_error)?;
    assert!(matches!(step.next, NextStep::Published { .. }), "{step:?}");
    Ok(step.publication)
}

async fn taker() -> Server {
    Server::start(|seen: &Seen| match &seen.body {
        Some(body) => Response::new(Full::from(format!("took {}", body.len()))),
        None => Response::builder().status(400).body(Full::default()).unwrap(),
    })
    .await
}

#[tokio::test]
async fn every_byte_arrives_by_every_way() {
    let bytes = pattern(3_000_001);
    let file = file("video.bin", &bytes);
    let item = open(&file.path).await;
    for behaviour in ["upload", "upload-copied", "upload-without-length", "upload-copied-without-length"] {
        let server = taker().await;
        let publication = upload(&server, &item, &[("behaviour", behaviour)]).await.unwrap();
        assert_eq!(publication.posts[0].id.as_deref(), Some("took 3000001"), "{behaviour}");
        let [seen] = server.seen().try_into().unwrap();
        assert!(seen.body.as_ref().unwrap() == &bytes, "{behaviour}");
        // A stream that is passed on unchanged includes its length.
        let length = (behaviour != "upload-copied-without-length").then_some("3000001");
        assert_eq!(seen.header("content-length"), length);
        assert_eq!(seen.header("transfer-encoding"), length.is_none().then_some("chunked"));
    }
}

#[tokio::test]
async fn ranges_are_exact_and_repeatable() {
    let bytes = pattern(2_000_000);
    let file = file("video.bin", &bytes);
    let item = open(&file.path).await;
    let server = taker().await;
    for (offset, length) in
        [(0, 1), (524_288, 524_288), (1_999_999, 1), (600_000, 1_400_000), (600_000, 1_400_000)]
    {
        let range = format!("{offset}+{length}");
        upload(&server, &item, &[("behaviour", "upload"), ("range", &range)]).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.body.unwrap() == bytes[offset..offset + length], "{range}");
    }
    for range in ["2000000+1", "0+2000001", "18446744073709551615+2"] {
        let error = upload(&server, &item, &[("behaviour", "upload"), ("range", range)]).await.unwrap_err();
        assert_eq!(error.message, "out of range");
    }
}

#[tokio::test]
async fn progress_counts_every_byte_once() {
    let file = file("video.bin", &pattern(2_000_000));
    let server = taker().await;
    let moved = Arc::new(AtomicU64::new(0));
    let (seen, calls) = (Arc::clone(&moved), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&calls);
    let cx = CallContext {
        egress: egress(mapped(server.port)),
        media: vec![open(&file.path).await],
        progress: Some(Arc::new(move |bytes| {
            assert!(seen.swap(bytes, Ordering::SeqCst) < bytes);
            count.fetch_add(1, Ordering::SeqCst);
        })),
        ..context(&[("behaviour", "upload"), ("url", URL)])
    };
    let state = SecretBytes::new(Vec::new());
    patient()
        .await
        .continue_publish(cx, &account(), &Post::default(), &state, Resume::default())
        .await
        .unwrap();
    assert_eq!(moved.load(Ordering::SeqCst), 2_000_000);
    assert!(calls.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_file_that_changes_never_arrives_as_whole() {
    type Spoil = fn(&std::path::Path);
    let spoils: [Spoil; 2] = [
        // Now shorter.
        |path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_500_000).unwrap(),
        // The same length, but changed.
        |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        },
    ];
    for spoil in spoils {
        for behaviour in ["upload", "upload-copied", "upload-without-length", "upload-copied-without-length"]
        {
            let file = file("video.bin", &pattern(2_000_000));
            let item = open(&file.path).await;
            spoil(&file.path);
            let server = taker().await;
            let error = upload(&server, &item, &[("behaviour", behaviour)]).await.unwrap_err();
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::InvalidRequest, "changed"),
                "{behaviour}"
            );
            assert!(server.seen().iter().all(|seen| seen.body.is_none()), "{behaviour}: {:?}", server.seen());
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_ends_in_an_error() {
    let bytes = pattern(2_000_000);
    let file = file("video.bin", &bytes);
    let item = open(&file.path).await;
    let mut stream = item.read(0, 2_000_000).unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    std::fs::write(&file.path, &bytes[1..]).unwrap();
    let mut last = None;
    let mut taken = 0;
    while let Some(chunk) = stream.next().await {
        taken += chunk.as_ref().map_or(0, Bytes::len);
        last = Some(chunk);
    }
    assert_eq!(last.unwrap().unwrap_err(), ReadError::Changed);
    assert!(taken < 2_000_000);
}

#[tokio::test]
async fn a_reference_opens_the_same_bytes_or_none() {
    let file = file("video.bin", &pattern(1_000));
    let reference = open(&file.path).await.reference().clone();
    let json = serde_json::to_string(&reference).unwrap();
    let reference = serde_json::from_str(&json).unwrap();
    MediaItem::reopen(&reference, &Egress::closed()).await.unwrap();

    std::fs::OpenOptions::new().write(true).open(&file.path).unwrap().set_len(999).unwrap();
    let error = MediaItem::reopen(&reference, &Egress::closed()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert!(error.message.contains("changed since the publish began"), "{error:?}");

    std::fs::remove_file(&file.path).unwrap();
    let error = MediaItem::reopen(&reference, &Egress::closed()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.remedy.unwrap().contains("Put the file back"));
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    for (path, word) in [
        (folder.path().join("missing.mp4"), "there is no file"),
        (folder.path().to_owned(), "not a regular file"),
        (empty, "empty"),
        ("relative.mp4".into(), "absolute"),
        ("/dev/zero".into(), "not a regular file"),
    ] {
        let error = MediaItem::open(&Media::file(&path), &Egress::closed()).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
        assert!(error.message.contains(word), "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_is_told_what_is_known() {
    let file = file("holiday.png", &png(640, 480));
    let media = Media {
        source: MediaSource::File(file.path.clone()),
        alt_text: Some("a beach".to_owned()),
        public_url: Some("https://host.test/m/1".to_owned()),
        content_type: None,
        role: Some("cover".to_owned()),
        options: [("language".to_owned(), crate::model::OptionValue::Text("de".to_owned()))].into(),
    };
    let item = Arc::new(MediaItem::open(&media, &Egress::closed()).await.unwrap());
    let post = Post { kind: "images".to_owned(), ..Post::default() };
    let cx = CallContext { media: vec![item], ..context(&[]) };
    let findings = patient().await.check_post(cx, &account(), &post).await.unwrap();
    for word in
        ["image/png", "holiday.png", "a beach", "https://host.test/m/1", "640", "480", "cover", "language"]
    {
        assert!(findings[1].message.contains(word), "{word}: {}", findings[1].message);
    }
}

/// The beginning of a PNG picture.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend_from_slice(&width.to_be_bytes());
    bytes.extend_from_slice(&height.to_be_bytes());
    bytes.extend_from_slice(&[8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

// ---- addresses ------------------------------------------------------------------------------

/// Serves bytes by ranges, with this version.
fn by_ranges(bytes: &[u8], etag: &str, seen: &Seen) -> Response<Full<Bytes>> {
    let response = Response::builder().header("etag", etag).header("content-type", "video/x-own; codecs=x");
    let range = seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let same = seen.header("if-range").is_none_or(|wanted| wanted == etag);
    match range.filter(|_| same) {
        Some((first, last)) => {
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            response
                .status(206)
                .header("content-range", format!("bytes {first}-{last}/{}", bytes.len()))
                .body(Full::new(Bytes::copy_from_slice(&bytes[first..=last])))
                .unwrap()
        }
        None => response.body(Full::new(Bytes::copy_from_slice(bytes))).unwrap(),
    }
}

/// `https://cdn.example.com` is the server at this port.
fn cdn(port: u16) -> Egress {
    let policy = Policy {
        connect_to: vec![format!("https://cdn.example.com = http://127.0.0.1:{port}").parse().unwrap()],
        ..Policy::default()
    };
    Egress::new(policy, &Clients::default()).unwrap()
}

async fn refused(server: &Server, url: &str) -> Error {
    MediaItem::open(&Media::url(url), &cdn(server.port)).await.unwrap_err()
}

#[tokio::test]
async fn an_address_is_read_by_ranges() {
    let bytes = pattern(2_000_000);
    let served = bytes.clone();
    let server = Server::start(move |seen| by_ranges(&served, "\"1\"", seen)).await;
    let media = Media::url("https://cdn.example.com/videos/cat.mp4?signature=secret");
    let item = Arc::new(MediaItem::open(&media, &cdn(server.port)).await.unwrap());
    let info = item.info();
    assert_eq!((info.size, info.content_type.as_str()), (2_000_000, "video/x-own"));
    assert_eq!(info.file_name.as_deref(), Some("cat.mp4"));
    let reference = item.reference().clone();
    let again = Arc::new(MediaItem::reopen(&reference, &cdn(server.port)).await.unwrap());
    let target = taker().await;
    upload(&target, &again, &[("behaviour", "upload"), ("range", "500000+1000000")]).await.unwrap();
    assert!(target.seen()[0].body.as_deref().unwrap() == &bytes[500_000..1_500_000]);
}

#[tokio::test]
async fn another_version_at_the_address_is_noticed() {
    let version = Arc::new(AtomicU64::new(1));
    for honours_if_range in [true, false] {
        version.store(1, Ordering::SeqCst);
        let served = Arc::clone(&version);
        let server = Server::start(move |seen| {
            let mut seen = seen.clone();
            if !honours_if_range {
                seen.headers.remove("if-range");
            }
            by_ranges(&pattern(1_000_000), &format!("\"{}\"", served.load(Ordering::SeqCst)), &seen)
        })
        .await;
        let item =
            MediaItem::open(&Media::url("https://cdn.example.com/a"), &cdn(server.port)).await.unwrap();
        version.store(2, Ordering::SeqCst);
        let error = item.read(0, 1_000_000).unwrap().next().await.unwrap().unwrap_err();
        assert_eq!(error, ReadError::Changed);
    }
}

#[tokio::test]
async fn nodes_of_one_network_may_name_the_same_bytes_differently() {
    const TIME: &str = "Sun, 29 Nov 2026 08:00:00 GMT";
    // What opening saw, what reading sees, and whether these are the same bytes.
    for (first, then, same) in [
        (("\"1\"", Some(TIME)), ("\"2\"", Some(TIME)), true),
        (("\"1\"", Some(TIME)), ("W/\"1\"", None), true),
        (("\"1\"", Some(TIME)), ("\"1\"", Some("Sun, 29 Nov 2026 09:00:00 GMT")), true),
        (("\"1\"", Some(TIME)), ("\"2\"", Some("Sun, 29 Nov 2026 09:00:00 GMT")), false),
        (("\"1\"", Some(TIME)), ("\"2\"", None), false),
        (("\"1\"", None), ("\"2\"", None), false),
    ] {
        let asked = AtomicU64::new(0);
        let server = Server::start(move |seen| {
            // Opening asks twice: for the first byte, and for what the file is.
            let (etag, time) = if asked.fetch_add(1, Ordering::SeqCst) < 2 { first } else { then };
            let mut response = by_ranges(&pattern(1_000), etag, seen);
            if let Some(time) = time {
                response.headers_mut().insert("last-modified", time.parse().unwrap());
            }
            response
        })
        .await;
        let item =
            MediaItem::open(&Media::url("https://cdn.example.com/a"), &cdn(server.port)).await.unwrap();
        let read = item.read(0, 1_000).unwrap().next().await.unwrap();
        assert_eq!(read.err(), (!same).then_some(ReadError::Changed), "{first:?} {then:?}");
    }
}

#[tokio::test]
async fn a_server_of_media_learns_who_asks() {
    let server = Server::start(|seen| by_ranges(&pattern(1_000), "\"1\"", seen)).await;
    MediaItem::open(&Media::url("https://cdn.example.com/a"), &cdn(server.port)).await.unwrap();
    let wanted = format!("social-channel/{} (+https://", env!("CARGO_PKG_VERSION"));
    for seen in server.seen() {
        let agent = seen.header("user-agent").unwrap();
        assert!(agent.starts_with(&wanted) && agent.ends_with(')'), "{agent}");
    }
}

#[tokio::test]
async fn a_look_at_an_address_reads_little() {
    let mut bytes = std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media/index-first.mp4"),
    )
    .unwrap();
    let whole = bytes.len();
    bytes.resize(20_000_000, 0);
    let server = Server::start(move |seen| by_ranges(&bytes, "\"1\"", seen)).await;
    let item = MediaItem::open(&Media::url("https://cdn.example.com/a"), &cdn(server.port)).await.unwrap();
    assert!(item.fault().is_none(), "{:?}", item.fault());
    assert_eq!((item.info().width, item.info().codec.as_deref()), (Some(64), Some("h264")), "{whole}");
    let length = |seen: &Seen| {
        let (first, last) =
            seen.header("range").unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() + 1
    };
    let read: u64 = server.seen().iter().map(length).sum();
    assert!(read < 1 << 20 && server.seen().len() < 10, "{read} bytes in {} requests", server.seen().len());
}

/// Answers each request with a head, and then with a byte every twenty seconds.
struct Dripping;

#[async_trait::async_trait]
impl HttpClient for Dripping {
    async fn send(
        &self,
        _request: http::Request<HttpBody>,
    ) -> Result<Response<HttpBody>, crate::net::HttpFailure> {
        let drops = futures::stream::unfold((), |()| async {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            Some((Ok(http_body::Frame::data(Bytes::from_static(b"x"))), ()))
        });
        let body = http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(drops));
        let response = Response::builder().status(206).header("content-range", "bytes 0-0/100000");
        Ok(response.body(body).unwrap())
    }
}

#[tokio::test]
async fn a_server_that_drips_is_waited_for_only_so_long() {
    let clients = Clients::of_program(Arc::new(Dripping));
    let egress = Egress::new(Policy::default(), &clients).unwrap();
    let error = MediaItem::open(&Media::url("https://cdn.example.com/a"), &egress).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Unavailable, Some("media")), "{error:?}");
}

#[tokio::test]
async fn a_server_without_ranges_is_refused() {
    let server = Server::saying("whole").await;
    let error = refused(&server, "https://cdn.example.com/a?token=secret").await;
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
    assert!(error.message.contains("ranges") && !error.message.contains("secret"), "{error:?}");
    for (status, kind, body) in [
        (200, "text/html; charset=utf-8", "x"),
        (200, "video/mp4", "\n<!doctype html><p>Sign in"),
        (203, "application/octet-stream", "<HTML>"),
    ] {
        let server = Server::start(move |_| {
            let response = Response::builder().status(status).header("content-type", kind);
            response.body(Full::from(body)).unwrap()
        })
        .await;
        let error = refused(&server, "https://cdn.example.com/a").await;
        assert_eq!(error.message, "https://cdn.example.com/a leads to a web page, not to the file");
    }
    // A server that claims to support ranges, but does not say what it sent.
    let server = Server::start(|_| Response::builder().status(206).body(Full::from("x")).unwrap()).await;
    let error = refused(&server, "https://cdn.example.com/a").await;
    assert!(error.message.contains("Content-Range"), "{error:?}");
}

#[tokio::test]
async fn what_a_server_refuses_is_said() {
    for (status, kind) in
        [(404, ErrorKind::InvalidRequest), (403, ErrorKind::InvalidRequest), (503, ErrorKind::Unavailable)]
    {
        let server =
            Server::start(move |_| Response::builder().status(status).body(Full::default()).unwrap()).await;
        let error = refused(&server, "https://cdn.example.com/a").await;
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(&status.to_string()) && error.remedy.is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn what_became_of_an_address_is_said_before_it_is_wanted() {
    use crate::media::Absent;
    let status = Arc::new(AtomicU64::new(206));
    let now = Arc::clone(&status);
    let server = Server::start(move |seen| match now.load(Ordering::SeqCst) {
        206 => by_ranges(&pattern(1_000), "\"1\"", seen),
        1 => by_ranges(&pattern(999), "\"2\"", seen),
        other => Response::builder().status(u16::try_from(other).unwrap()).body(Full::default()).unwrap(),
    })
    .await;
    let item = MediaItem::open(&Media::url("https://cdn.example.com/a?key=secret"), &cdn(server.port))
        .await
        .unwrap();
    assert!(item.look().await.is_ok());
    for code in [401, 403, 404, 410] {
        status.store(code, Ordering::SeqCst);
        let Err(Absent::Refused(error)) = item.look().await else { panic!("{code}") };
        assert!(error.message.starts_with(&format!("https://cdn.example.com/a answers {code}")), "{error:?}");
        assert!(error.remedy.is_some());
    }
    for code in [429, 500, 503] {
        status.store(code, Ordering::SeqCst);
        assert!(matches!(item.look().await, Err(Absent::ForNow(_))), "{code}");
    }
    status.store(1, Ordering::SeqCst);
    assert!(matches!(item.look().await, Err(Absent::Changed(_))));
    drop(server);
}

#[tokio::test]
async fn a_page_that_takes_the_place_of_a_file_is_named() {
    use crate::media::Absent;
    // What a server says of its files decides what a range is compared with.
    for validators in
        [vec![("etag", "\"1\"")], vec![("last-modified", "Sun, 29 Nov 2026 08:15:00 GMT")], vec![]]
    {
        let signed_out = Arc::new(AtomicBool::new(false));
        let now = Arc::clone(&signed_out);
        let server = Server::start(move |seen| {
            let mut response = if now.load(Ordering::SeqCst) {
                Response::new(Full::from("<!doctype html><title>Sign in</title>"))
            } else {
                by_ranges(&pattern(1_000), "\"1\"", seen)
            };
            response.headers_mut().remove("etag");
            for (name, value) in &validators {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        })
        .await;
        let item = MediaItem::open(&Media::url("https://cdn.example.com/a?key=secret"), &cdn(server.port))
            .await
            .unwrap();
        assert!(item.look().await.is_ok());
        signed_out.store(true, Ordering::SeqCst);
        let Err(Absent::Refused(error)) = item.look().await else { panic!("it is not refused") };
        assert!(error.message.contains("leads to a web page") && error.remedy.is_some(), "{error:?}");
        assert!(!error.message.contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_inner_network_is_refused() {
    let inner = Server::saying("secret").await;
    let port = inner.port;
    for target in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("http://127.0.0.1:{port}/"),
    ] {
        let location = target.clone();
        let server = Server::start(move |_| {
            Response::builder().status(302).header("location", &location).body(Full::default()).unwrap()
        })
        .await;
        let error = refused(&server, "https://cdn.example.com/a").await;
        assert!(
            matches!(error.kind, ErrorKind::DeniedByPolicy | ErrorKind::InvalidRequest),
            "{target}: {error:?}"
        );
    }
    assert_eq!(inner.connections(), 0);
    // One that leaves encryption behind, and an address without any.
    let server = Server::start(|_| {
        let response =
            Response::builder().status(302).header("location", "http://cdn.example.com/b?key=secret");
        response.body(Full::default()).unwrap()
    })
    .await;
    let error = refused(&server, "https://cdn.example.com/a").await;
    assert_eq!(
        error.message,
        "https://cdn.example.com/a redirects to http://cdn.example.com/b, which is not followed because it is not encrypted"
    );
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
    let error = refused(&server, "http://cdn.example.com/a").await;
    assert!(error.message.contains("is not encrypted"), "{error:?}");
    // One that never ends.
    let server = Server::start(|_| {
        Response::builder().status(302).header("location", "/again").body(Full::default()).unwrap()
    })
    .await;
    let error = refused(&server, "https://cdn.example.com/a").await;
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_fetch_that_breaks_off_is_not_whole() {
    let server = Server::start(|seen| {
        let mut response = by_ranges(&pattern(500_000), "\"1\"", seen);
        if seen.header("range") == Some("bytes=0-499999") {
            // Declares 500,000 bytes and sends fewer.
            *response.body_mut() = Full::from(pattern(50_000));
        }
        response
    })
    .await;
    let item = MediaItem::open(&Media::url("https://cdn.example.com/a"), &cdn(server.port)).await.unwrap();
    let chunks: Vec<_> = item.read(0, 500_000).unwrap().collect().await;
    assert_eq!(chunks.last().unwrap().as_ref().unwrap_err(), &ReadError::Unavailable);
}

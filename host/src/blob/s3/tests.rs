//! A bucket on a real server, which is cut off in the middle; and a process that is killed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bytes::Bytes as Chunk;
use futures::stream;
use s3_server::Server;
use social_channel_runtime::clock::MovedClock;
use social_channel_runtime::error::ErrorKind;
use social_channel_runtime::media::{Absent, KeptBytes, ReadError};

use super::*;
use crate::{Host, NewUpload, PartialUpload, Tenant};

const MIB: usize = 1 << 20;
/// Somewhat more than two parts.
const SIZE: usize = 11 * MIB + 12_345;
const OWNED: &str = "shop/social-channel.owner";

/// Bytes that differ at every place.
fn some(size: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 33)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// As they come from a network: in pieces of odd sizes.
fn coming(bytes: &[u8]) -> Vec<std::io::Result<Chunk>> {
    bytes.chunks(100_003).map(|chunk| Ok(Chunk::copy_from_slice(chunk))).collect()
}

struct Stage {
    server: Arc<Server>,
    folder: tempfile::TempDir,
    clock: Arc<MovedClock>,
    host: Host,
    tenant: Tenant,
}

async fn open(folder: &std::path::Path, url: &str, clock: &Arc<MovedClock>) -> Result<Host> {
    let builder = Host::builder().database(folder.join("a.sqlite")).blob(url).clock(clock.clone());
    builder.background(false).open().await
}

impl Stage {
    async fn new() -> Self {
        let server = tokio::task::spawn_blocking(|| Server::start().unwrap()).await.unwrap();
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(MovedClock::default()));
        let host = open(folder.path(), &server.url("shop"), &clock).await.unwrap();
        let tenant = host.tenant(TenantId::default());
        Stage { server: Arc::new(server), folder, clock, host, tenant }
    }

    /// Another process on the same database and bucket.
    async fn another(&self) -> (Host, Tenant) {
        let host = open(self.folder.path(), &self.server.url("shop"), &self.clock).await.unwrap();
        let tenant = host.tenant(TenantId::default());
        (host, tenant)
    }

    async fn objects(&self) -> Vec<String> {
        let server = self.server.clone();
        tokio::task::spawn_blocking(move || server.objects().unwrap()).await.unwrap()
    }

    async fn uploads(&self) -> Vec<String> {
        let server = self.server.clone();
        tokio::task::spawn_blocking(move || server.uploads().unwrap()).await.unwrap()
    }

    fn kept(&self, id: &str, size: usize) -> Arc<dyn KeptBytes> {
        match self.host.parts.uploads.at(&TenantId::default(), id, size as u64) {
            At::Kept(kept) => kept,
            other => panic!("{other:?}"),
        }
    }

    /// The bytes of a complete file.
    async fn read(&self, id: &str, size: usize) -> Vec<u8> {
        range(&self.kept(id, size), 0, size).await.unwrap()
    }

    fn place(&self) -> S3 {
        let (store, clock) = (self.host.parts.store.clone(), self.clock.clone());
        S3::open(&SecretText::new(self.server.url("shop")), store, clock).unwrap()
    }
}

async fn range(kept: &Arc<dyn KeptBytes>, from: usize, to: usize) -> Result<Vec<u8>, ReadError> {
    let stream = Arc::clone(kept).read(from as u64, to as u64);
    stream
        .try_fold(Vec::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}

async fn until(what: &str, look: impl AsyncFn() -> bool) {
    let began = std::time::Instant::now();
    while !look().await {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn new(size: Option<usize>) -> NewUpload {
    NewUpload { size: size.map(|it| it as u64), limit: 64 << 20, ..NewUpload::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_are_stored_whole_and_read_by_ranges() {
    let stage = Stage::new().await;
    let part = 5 * MIB;
    for size in [1, part - 1, part, part + 1, 2 * part, SIZE] {
        let bytes = some(size);
        for announced in [None, Some(size)] {
            let upload =
                stage.tenant.keep_upload(new(announced), stream::iter(coming(&bytes))).await.unwrap();
            assert_eq!(upload.size, size as u64);
            assert!(stage.read(&upload.id, size).await == bytes, "{size}");
            let kept = stage.kept(&upload.id, size);
            for (from, to) in
                [(0, 1), (size - 1, size), (size / 2, size), (part.min(size) - 1, (part + 1).min(size))]
            {
                assert!(range(&kept, from, to).await.unwrap() == bytes[from..to], "{from}-{to} of {size}");
            }
            kept.look().await.unwrap();
            stage.tenant.delete_upload(&upload.id).await.unwrap();
            assert!(matches!(kept.look().await.unwrap_err(), Absent::Refused(_)));
            assert_eq!(range(&kept, 0, 1).await.unwrap_err(), ReadError::Unavailable);
        }
    }
    assert_eq!(stage.objects().await, [OWNED]);
    assert_eq!(stage.uploads().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_early_leaves_nothing() {
    let stage = Stage::new().await;
    let bytes = some(SIZE);
    let mut broken = coming(&bytes);
    broken.push(Err(std::io::Error::other("cut")));
    let small = NewUpload { limit: 6 << 20, ..NewUpload::default() };
    let full = NewUpload { tenant_limit: Some(7 << 20), ..new(None) };
    for (new, chunks, kind) in [
        (new(None), broken, ErrorKind::InvalidRequest),
        (new(Some(SIZE + 1)), coming(&bytes), ErrorKind::InvalidRequest),
        (small, coming(&bytes), ErrorKind::LimitExceeded),
        (full, coming(&bytes), ErrorKind::QuotaExceeded),
        (new(None), Vec::new(), ErrorKind::InvalidRequest),
    ] {
        let error = stage.tenant.keep_upload(new, stream::iter(chunks)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    // A caller that goes away after two parts.
    let stuck = stream::iter(coming(&bytes)).chain(stream::pending());
    let tenant = stage.tenant.clone();
    let dropped = tokio::spawn(async move { tenant.keep_upload(new(None), stuck).await });
    until("a part is there", async || !stage.uploads().await.is_empty()).await;
    dropped.abort();
    until("everything is aborted", async || stage.uploads().await.is_empty()).await;
    assert_eq!(stage.objects().await, [OWNED]);
    assert!(stage.tenant.uploads().await.unwrap().is_empty());
    until("nothing is noted", async || {
        stage.host.parts.store.documents("blob-parts").await.unwrap().is_empty()
    })
    .await;
}

async fn append(tenant: &Tenant, id: &str, bytes: &[u8], from: usize, to: usize) -> Result<PartialUpload> {
    tenant.append_upload(id, from as u64, stream::iter(coming(&bytes[from..to]))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_smaller_than_s3_takes_are_stored_as_they_come() {
    let stage = Stage::new().await;
    let (_other, beside) = stage.another().await;
    let bytes = some(SIZE);
    let begun = stage.tenant.begin_upload(new(Some(SIZE))).await.unwrap();
    let id = begun.id.as_str();
    let mut at = 0;
    let mut last = begun.clone();
    while at < SIZE {
        // Each from another machine.
        let tenant = if (at / MIB).is_multiple_of(2) { &stage.tenant } else { &beside };
        let to = (at + MIB + 17).min(SIZE);
        last = append(tenant, id, &bytes, at, to).await.unwrap();
        assert_eq!(last.received, to as u64);
        assert_eq!(tenant.partial_upload(id).await.unwrap().received, to as u64);
        at = to;
    }
    assert_eq!(last.size, SIZE as u64);
    assert!(stage.read(id, SIZE).await == bytes);
    assert_eq!(stage.tenant.upload(id).await.unwrap().size, SIZE as u64);
    assert_eq!(stage.objects().await.len(), 2, "no tail is left: {:?}", stage.objects().await);
    assert_eq!(stage.uploads().await, [""; 0]);
    // One that is smaller than a part; and one of whole parts.
    for size in [1000, 10 * MIB] {
        let id = stage.tenant.begin_upload(new(Some(size))).await.unwrap().id;
        append(&stage.tenant, &id, &bytes, 0, size / 2).await.unwrap();
        let error = append(&stage.tenant, &id, &bytes, size / 3, size).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("upload_offset"));
        let error = append(&stage.tenant, &id, &bytes, size / 2, size + 1).await.unwrap_err();
        assert!(error.message.contains("beyond"), "{error}");
        let received = usize::try_from(stage.tenant.partial_upload(&id).await.unwrap().received).unwrap();
        append(&stage.tenant, &id, &bytes, received, size).await.unwrap();
        assert!(stage.read(&id, size).await == bytes[..size]);
    }
    // One that is given up.
    let id = stage.tenant.begin_upload(new(Some(SIZE))).await.unwrap().id;
    append(&stage.tenant, &id, &bytes, 0, 6 * MIB).await.unwrap();
    stage.tenant.delete_upload(&id).await.unwrap();
    assert_eq!(stage.uploads().await, [""; 0]);
    assert_eq!(stage.objects().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_goes_on_and_the_first_stores_nothing_more() {
    let stage = Stage::new().await;
    let (_other, beside) = stage.another().await;
    let bytes = some(SIZE);
    let id = stage.tenant.begin_upload(new(Some(SIZE))).await.unwrap().id;
    // Its connection is dead, but nobody has noticed yet.
    let (send, dead) = futures::channel::mpsc::unbounded();
    for chunk in coming(&bytes[..6 * MIB]) {
        send.unbounded_send(chunk).unwrap();
    }
    let (tenant, of_first) = (stage.tenant.clone(), id.clone());
    let first = tokio::spawn(async move { tenant.append_upload(&of_first, 0, dead).await });
    until("its first part", async || beside.partial_upload(&id).await.unwrap().received == 5 << 20).await;
    append(&beside, &id, &bytes, 5 * MIB, 8 * MIB).await.unwrap();
    send.unbounded_send(Err(std::io::Error::other("cut"))).unwrap();
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.code.as_deref(), Some("upload_busy"), "{error}");
    assert_eq!(beside.partial_upload(&id).await.unwrap().received, 8 << 20);
    append(&stage.tenant, &id, &bytes, 8 * MIB, SIZE).await.unwrap();
    assert!(stage.read(&id, SIZE).await == bytes);
    assert_eq!(stage.objects().await.len(), 2, "{:?}", stage.objects().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_costs_time_and_no_byte() {
    let stage = Stage::new().await;
    let bytes = some(SIZE);
    // For a moment: the client tries again by itself.
    stage.tenant.keep_upload(new(None), stream::iter(coming(b"first"))).await.unwrap();
    stage.server.wire.cut_after(8 << 20);
    let (server, mended) = (stage.server.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let done = mended.clone();
    let mend = std::thread::spawn(move || {
        while !server.wire.is_cut() {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.wire.mend();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let upload = stage.tenant.keep_upload(new(None), stream::iter(coming(&bytes))).await.unwrap();
    mend.join().unwrap();
    assert!(mended.load(std::sync::atomic::Ordering::Relaxed));
    assert!(stage.read(&upload.id, SIZE).await == bytes);
    // For longer, in the middle of an upload in parts: what was reported as received is there afterwards.
    let id = stage.tenant.begin_upload(new(Some(SIZE))).await.unwrap().id;
    append(&stage.tenant, &id, &bytes, 0, 3 * MIB).await.unwrap();
    stage.server.wire.cut_after(4 << 20);
    let error = append(&stage.tenant, &id, &bytes, 3 * MIB, SIZE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.message.contains("does not answer") && error.remedy.is_some(), "{error}");
    let kept = stage.kept(&upload.id, SIZE);
    assert!(matches!(kept.look().await.unwrap_err(), Absent::ForNow(_)));
    stage.server.wire.mend();
    let received = usize::try_from(stage.tenant.partial_upload(&id).await.unwrap().received).unwrap();
    assert!(received >= 3 * MIB, "{received}");
    append(&stage.tenant, &id, &bytes, received, SIZE).await.unwrap();
    assert!(stage.read(&id, SIZE).await == bytes);
    // While nobody answers at all.
    stage.server.wire.cut();
    let error = stage.tenant.keep_upload(new(None), stream::iter(coming(&bytes))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert_eq!(stage.host.check_uploads().await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_belongs_to_one_database_and_is_swept_by_it_alone() {
    let stage = Stage::new().await;
    stage.host.check_uploads().await.unwrap();
    let bytes = some(1000);
    let upload = stage.tenant.keep_upload(new(None), stream::iter(coming(&bytes))).await.unwrap();
    let (mut place, tenant) = (stage.place(), TenantId::default());
    // A file whose process died before its row; one of somebody else's program.
    place
        .write(&tenant, "up_lost", Box::pin(stream::iter(coming(&bytes))), 1 << 20, &|_| Ok(()), None)
        .await
        .unwrap();
    place.shared.client.put(&place.shared.path("readme.txt"), PutPayload::from_static(b"x")).await.unwrap();
    assert!(place.settled().await.unwrap().is_empty(), "they may get a row yet");
    place.settled_after = Duration::ZERO;
    let settled = place.settled().await.unwrap();
    assert_eq!(settled.len(), 2, "{settled:?}");
    let lost: Vec<LeftBehind> = settled.into_iter().filter(|file| file.id == "up_lost").collect();
    place.remove_left_behind(&lost).await;
    assert_eq!(stage.objects().await.len(), 3);
    assert!(stage.read(&upload.id, 1000).await == bytes);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path(), &stage.server.url("shop"), &stage.clock).await.unwrap();
    let error = other.check_uploads().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);
    assert!(error.message.contains("another database"), "{error}");
    let refused = other.tenant(tenant).keep_upload(new(None), stream::iter(coming(&bytes))).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Misconfigured);
    other.maintain().await;
    assert_eq!(stage.objects().await.len(), 3, "it sweeps nothing");
    let beside = open(elsewhere.path(), &stage.server.url("shop2"), &stage.clock).await.unwrap();
    beside.check_uploads().await.unwrap();

    let missing = open(elsewhere.path(), &stage.server.url_in("nosuch", ""), &stage.clock).await.unwrap();
    let error = missing.check_uploads().await.unwrap_err();
    assert!(error.message.contains("there is no bucket nosuch"), "{error:?}");
}

/// The other process of the next test: two uploads that do not end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the next one"]
async fn a_process_that_is_killed() {
    let var = |name: &str| std::env::var(name).unwrap();
    let clock = Arc::new(MovedClock::default());
    let host = open(&PathBuf::from(var("FOLDER_OF_A_TEST")), &var("BLOB_OF_A_TEST"), &clock).await.unwrap();
    let tenant = host.tenant(TenantId::default());
    let bytes = some(SIZE);
    let stuck = || stream::iter(coming(&bytes[..8 * MIB])).chain(stream::pending());
    let whole = tenant.keep_upload(new(Some(SIZE)), stuck());
    let id = var("UPLOAD_OF_A_TEST");
    let parts = tenant.append_upload(
        &id,
        1_000_000,
        stream::iter(coming(&bytes[1_000_000..8 * MIB])).chain(stream::pending()),
    );
    let _ = futures::future::join(whole, parts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_continued_or_swept() {
    let stage = Stage::new().await;
    let bytes = some(SIZE);
    let begin = async || {
        let id = stage.tenant.begin_upload(new(Some(SIZE))).await.unwrap().id;
        append(&stage.tenant, &id, &bytes, 0, 1_000_000).await.unwrap();
        id
    };
    let (goes_on, ends) = (begin().await, begin().await);
    let mut killed = Vec::new();
    for id in [&goes_on, &ends] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "blob::s3::tests::a_process_that_is_killed"])
            .env("FOLDER_OF_A_TEST", stage.folder.path())
            .env("BLOB_OF_A_TEST", stage.server.url("shop"))
            .env("UPLOAD_OF_A_TEST", id)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a part of each", async || {
            let received = stage.tenant.partial_upload(id).await.unwrap().received;
            let noted = stage.host.parts.store.documents("blob-parts").await.unwrap().len();
            received >= 5 << 20 && noted == 3 + killed.len()
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        killed.push(id);
    }
    assert_eq!(stage.uploads().await.len(), 4);
    stage.host.maintain().await;
    assert_eq!(stage.uploads().await.len(), 4, "they may go on");
    let received = usize::try_from(stage.tenant.partial_upload(&goes_on).await.unwrap().received).unwrap();
    assert_eq!(received, 5 * MIB, "what was in memory is gone, and nobody was told that it was there");
    append(&stage.tenant, &goes_on, &bytes, received, SIZE).await.unwrap();
    assert!(stage.read(&goes_on, SIZE).await == bytes);
    stage.clock.advance(Duration::from_secs(25 * 3600));
    stage.host.maintain().await;
    assert_eq!(stage.uploads().await, [""; 0]);
    assert_eq!(stage.tenant.partial_upload(&ends).await.unwrap_err().kind, ErrorKind::NotFound);
    assert!(stage.host.parts.store.documents("blob-parts").await.unwrap().is_empty());
    assert_eq!(stage.tenant.uploads().await.unwrap().len(), 1);
    let mut left = stage.objects().await;
    left.retain(|name| !name.contains(&goes_on) && name != OWNED);
    // Tails have the bucket's time, which this test cannot move; those of before the kills were replaced by parts.
    assert!(left.iter().all(|name| name.contains(TAIL)), "{left:?}");
}

/// A server that answers every request with an error of S3.
fn refusing(status: &str, code: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>hidden</Message><AWSAccessKeyId>key-of-a-test</AWSAccessKeyId>\
         <StringToSign>hidden</StringToSign></Error>"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // It ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    format!("s3://media/shop?endpoint=http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_s3_refuses_is_said_in_words_and_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "[default]\naws_access_key_id = key-of-a-test\naws_secret_access_key = hidden\n")
        .unwrap();
    let clock = Arc::new(MovedClock::default());
    for (status, code, said) in [
        ("403 Forbidden", "AccessDenied", "denied"),
        ("403 Forbidden", "SignatureDoesNotMatch", "not right"),
        ("403 Forbidden", "RequestTimeTooSkewed", "clocks"),
        ("404 Not Found", "NoSuchBucket", "no bucket media"),
        ("400 Bad Request", "ExpiredToken", "expired"),
        ("301 Moved Permanently", "PermanentRedirect", "region"),
    ] {
        let url = format!("{}&credentials={}", refusing(status, code), keys.display());
        let host = open(folder.path(), &url, &clock).await.unwrap();
        let error = host.check_uploads().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured, "{code}: {error:?}");
        assert!(error.message.contains(said) && error.remedy.is_some(), "{code}: {error:?}");
        let tenant = host.tenant(TenantId::default());
        let upload = tenant.keep_upload(new(None), stream::iter(coming(b"x"))).await.unwrap_err();
        assert_eq!(upload.message, error.message);
        for shown in [format!("{error:?}"), format!("{error}")] {
            assert!(!shown.contains("hidden") && !shown.contains("key-of-a-test"), "{shown}");
        }
        host.shutdown(Duration::ZERO).await;
    }
}

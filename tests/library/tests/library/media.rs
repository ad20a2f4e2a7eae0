//! Media that is not what it says, and media servers that do not keep what they promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use library_tests::{APP, Stage, app_config, post, request, to_the_end, until, video_bytes, world};
use social_channel::model::{Finding, Media, Severity};
use social_channel::{
    Clock as _, ErrorKind, Host, Job, JobChange, JobStatus, MovedClock, NewUpload, Policy, PublishRequest,
    Tenant, TenantId,
};

const CDN: &str = "https://cdn.test";
const POSTING: &str = "/v2/post/publish/";
const INIT: &str = "/v2/post/publish/video/init/";

/// Serves one file by ranges, for as many requests as it may, and then something else.
struct Cdn {
    bytes: Bytes,
    /// Requests that are still answered with the file.
    left: AtomicUsize,
    then: StatusCode,
    agents: std::sync::Mutex<Vec<String>>,
}

async fn serve(State(cdn): State<Arc<Cdn>>, headers: HeaderMap) -> Response<Body> {
    let agent = headers.get("user-agent").map(|it| it.to_str().unwrap().to_owned());
    cdn.agents.lock().unwrap().push(agent.unwrap_or_default());
    if cdn.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
        return Response::builder().status(cdn.then).body(Body::empty()).unwrap();
    }
    let range = headers.get("range").unwrap().to_str().unwrap().strip_prefix("bytes=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    Response::builder()
        .status(206)
        .header("etag", "\"1\"")
        .header("content-range", format!("bytes {first}-{last}/{}", cdn.bytes.len()))
        .body(Body::from(cdn.bytes.slice(first..=last)))
        .unwrap()
}

async fn cdn(bytes: Vec<u8>, left: usize, then: u16) -> (Arc<Cdn>, String) {
    let cdn = Arc::new(Cdn {
        bytes: bytes.into(),
        left: AtomicUsize::new(left),
        then: StatusCode::from_u16(then).unwrap(),
        agents: std::sync::Mutex::default(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(serve).with_state(cdn.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (cdn, origin)
}

/// TikTok and `cdn.test`, both here.
fn policy(tiktok: &str, cdn: &str) -> Policy {
    let mut policy = serde_json::to_value(library_tests::policy(tiktok).unwrap()).unwrap();
    policy["connect_to"].as_array_mut().unwrap().push(serde_json::json!({"from": CDN, "to": cdn}));
    serde_json::from_value(policy).unwrap()
}

/// A host that finds `cdn.test` here, and drives jobs only by `work`.
struct Scene {
    stage: Stage,
    host: Host,
    tenant: Tenant,
    channel: String,
    clock: Arc<MovedClock>,
}

impl Scene {
    async fn new(cdn: &str) -> Self {
        // It serves its folder and its simulator; the host below has another policy.
        let stage = Stage::in_world(world(), |builder| builder.background(false)).await.unwrap();
        let channel = stage.connect().await.unwrap().id;
        let clock = Arc::new(MovedClock::default());
        let builder = library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap();
        let policy = policy(&stage.simulator.origin(), cdn);
        let host = builder.policy(policy).clock(clock.clone()).background(false).open().await.unwrap();
        let tenant = host.tenant(TenantId::default());
        Scene { stage, host, tenant, channel, clock }
    }

    async fn store(&self, request: PublishRequest) -> Job {
        self.tenant.publish(&self.channel, request).await.unwrap()
    }

    /// Works until the job ends or pauses, and moves the clocks on to whatever it waits for.
    async fn to_the_end(&self, id: &str) -> Job {
        let Self { stage, clock, host, tenant, .. } = self;
        to_the_end(&stage.simulator, clock, host, tenant, id).await.unwrap()
    }

    /// What the check says of the media, in one sentence each.
    async fn findings(&self, media: &Media) -> Vec<String> {
        let found =
            self.tenant.check_post(&self.channel, &post("x"), std::slice::from_ref(media)).await.unwrap();
        let of_media = |one: &Finding| one.subject == "media" && one.severity == Severity::Error;
        found.into_iter().filter(of_media).map(|one| one.message).collect()
    }
}

/// Another file of the folder that says what is kept of each sort.
fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/runtime/fixtures/media");
    std::fs::read(folder.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_video_is_refused_wherever_it_is_named() {
    let whole = fixture("index-first.mp4");
    for (bytes, said) in [
        (whole[..1900].to_vec(), "ends before its video does (1900 of"),
        (fixture("index-last.mp4")[..1900].to_vec(), "ends before its video does (1900 of"),
        (vec![0; 100_000], "holds only zeros"),
        (fixture("sound.mp4"), "holds no picture"),
        (b"<!doctype html><p>x".to_vec(), "is a web page"),
    ] {
        let (_, origin) = cdn(bytes.clone(), usize::MAX, 404).await;
        let scene = Scene::new(&origin).await;
        let path = scene.stage.folder.path().join("a.mp4");
        std::fs::write(&path, &bytes).unwrap();
        let new = NewUpload {
            file_name: Some("a.mp4".to_owned()),
            content_type: Some("video/mp4".to_owned()),
            limit: 1 << 20,
            ..NewUpload::default()
        };
        let bytes = futures::stream::iter([Ok(Bytes::from(bytes))]);
        let upload = scene.tenant.keep_upload(new, bytes).await.unwrap();
        for media in
            [Media::file(&path), Media::url(format!("{CDN}/a.mp4?key=secret")), Media::upload(&upload.id)]
        {
            let findings = scene.findings(&media).await;
            assert!(findings.iter().any(|one| one.contains(said)), "{said}: {findings:?}");
            assert!(
                findings.iter().all(|one| one.starts_with("a.mp4 ") || one.starts_with("A side")),
                "{findings:?}"
            );
            let error = scene.tenant.publish(&scene.channel, request("x", media)).await.unwrap_err();
            assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
            assert!(error.message.contains(said) && error.remedy.is_some(), "{error:?}");
        }
        assert_eq!(scene.tenant.jobs(None, None, 10).await.unwrap().len(), 0, "nothing was stored");
        assert_eq!(scene.stage.requests(INIT), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_of_the_platform_while_the_media_server_refuses() {
    for status in [401, 403, 404, 410] {
        // Two requests find out what the file is.
        let (cdn, origin) = cdn(video_bytes(6_000_000).unwrap(), 2, status).await;
        let scene = Scene::new(&origin).await;
        let job = scene.store(request("x", Media::url(format!("{CDN}/a.mp4?key=secret")))).await;
        let asked = scene.stage.requests(POSTING);
        let paused = scene.to_the_end(&job.id).await;
        assert_eq!(paused.status, JobStatus::Paused, "{paused:?}");
        let error = paused.error.unwrap();
        assert!(error.message.starts_with(&format!("{CDN}/a.mp4 answers {status}")), "{error:?}");
        assert_eq!(error.field.as_deref(), Some("media"));
        assert!(error.remedy.is_some());
        assert_eq!(scene.stage.requests(POSTING), asked, "nothing was asked");
        // The person who makes it readable again resumes the job.
        cdn.left.store(usize::MAX, Ordering::SeqCst);
        scene.tenant.resume_job(&job.id).await.unwrap();
        let ended = scene.to_the_end(&job.id).await;
        assert_eq!(ended.status, JobStatus::Published, "{ended:?}");
        assert_eq!(scene.stage.requests(INIT), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_server_that_refuses_between_the_init_and_the_bytes_costs_one_init() {
    // What the file is, and that it is there; then the bytes themselves.
    let (cdn, origin) = cdn(video_bytes(6_000_000).unwrap(), 3, 403).await;
    let scene = Scene::new(&origin).await;
    let job = scene.store(request("x", Media::url(format!("{CDN}/a.mp4")))).await;
    let paused = scene.to_the_end(&job.id).await;
    assert_eq!(paused.status, JobStatus::Paused, "{paused:?}");
    assert!(paused.error.unwrap().message.contains("answers 403"));
    assert_eq!(scene.stage.requests(INIT), 1);
    cdn.left.store(usize::MAX, Ordering::SeqCst);
    scene.tenant.resume_job(&job.id).await.unwrap();
    let ended = scene.to_the_end(&job.id).await;
    assert_eq!(ended.status, JobStatus::Published, "{ended:?}");
    assert_eq!(scene.stage.requests(INIT), 1);
    assert_eq!(scene.stage.simulator.world().published().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_server_out_of_order_is_waited_for() {
    let (cdn, origin) = cdn(video_bytes(6_000_000).unwrap(), 2, 503).await;
    let scene = Scene::new(&origin).await;
    let job = scene.store(request("x", Media::url(format!("{CDN}/a.mp4")))).await;
    scene.host.work(Some(Duration::ZERO)).await.unwrap();
    let waiting = scene.tenant.job(&job.id).await.unwrap();
    assert_eq!(waiting.status, JobStatus::Active);
    assert!(waiting.error.unwrap().message.contains("answers 503"));
    assert_eq!(scene.stage.requests(INIT), 0);
    cdn.left.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(scene.to_the_end(&job.id).await.status, JobStatus::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_ends_before_the_post_is_due_is_refused() {
    let (_, origin) = cdn(video_bytes(6_000_000).unwrap(), usize::MAX, 404).await;
    let scene = Scene::new(&origin).await;
    let now = scene.clock.now_ms() / 1000;
    let end = now + 7200;
    let address = format!("{CDN}/a.mp4?Expires={end}&Signature=secret&Key-Pair-Id=K");
    let mut body = request("x", Media::url(&address));
    body.publish_at = Some(end + 60);
    let error = scene.tenant.publish(&scene.channel, body.clone()).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some("media")));
    assert!(error.message.contains("signed address") && error.message.contains("UTC"), "{error:?}");
    assert!(!error.message.contains("secret") && error.remedy.is_some(), "{error:?}");
    // The same of the address at which the platform fetches.
    let mut pulled = request("x", Media { public_url: Some(address), ..scene.stage.video(4_096).unwrap() });
    pulled.publish_at = Some(end + 60);
    let error = scene.tenant.publish(&scene.channel, pulled).await.unwrap_err();
    assert!(error.message.contains("signed address"), "{error:?}");
    // What is due before the end is stored, and not put off beyond it.
    body.publish_at = Some(end - 60);
    let job = scene.store(body).await;
    let later = JobChange { publish_at: Some(end + 60), ..JobChange::default() };
    let error = scene.tenant.change_job(&job.id, later).await.unwrap_err();
    assert!(error.message.contains("signed address"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_at_a_verified_address_keep_it() {
    let (_, origin) = cdn(fixture("photo.jpg"), usize::MAX, 404).await;
    let scene = Scene::new(&origin).await;
    let verify = async |list: &str| {
        let mut config = app_config();
        config.settings.insert("verified-urls".to_owned(), list.into());
        scene.host.put_app(APP, config).await.unwrap();
    };
    let address = format!("{CDN}/a.jpg");
    let mut photos = post("x");
    photos.kind = "images".to_owned();
    let check = async || {
        let media = [Media::url(&address)];
        let found = scene.tenant.check_post(&scene.channel, &photos, &media).await.unwrap();
        found
            .into_iter()
            .filter(|one| one.severity == Severity::Error && one.subject == "media")
            .collect::<Vec<_>>()
    };
    verify("https://other.example/\nmedia.example.com").await;
    let [refused] = check().await.try_into().unwrap();
    assert_eq!(refused.code.as_deref(), Some("url_ownership_unverified"), "not that it has none");
    for list in ["cdn.test", "test", "https://cdn.test/"] {
        verify(list).await;
        assert_eq!(check().await, [], "{list}");
    }
    let mut body = request("x", Media::url(&address));
    body.post = photos.clone();
    let job = scene.store(body).await;
    assert_eq!(job.media[0].public_url.as_deref(), Some(&*address));
}

/// A server that takes every request and sends nothing but the beginning of an answer.
async fn silent() -> (Arc<AtomicUsize>, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                // An answer before the request would be an error of the connection.
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 206 Partial Content\r\n").await;
                // Until the other side goes.
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (open, origin)
}

/// Few threads may block: a look at an address must hold none of them.
#[test]
fn a_slow_media_server_holds_up_nobody_else_and_is_let_go_with_its_caller() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(6).enable_all().build().unwrap();
    runtime.block_on(async {
        let (open, origin) = silent().await;
        let scene = Scene::new(&origin).await;
        let checks: Vec<_> = (0..100)
            .map(|_| {
                let (tenant, channel) = (scene.tenant.clone(), scene.channel.clone());
                tokio::spawn(async move {
                    let media = [Media::url(format!("{CDN}/a.mp4"))];
                    tenant.check_post(&channel, &post("x"), &media).await
                })
            })
            .collect();
        // Three quarters of the places.
        until("the looks", async || (open.load(Ordering::SeqCst) == 48).then_some(())).await;
        // Files and the database of the same process, and another tenant's address, are looked at meanwhile.
        let video = scene.stage.video(4_096).unwrap();
        scene.tenant.check_post(&scene.channel, &post("x"), &[video]).await.unwrap();
        let other = scene.host.tenant("other".parse().unwrap());
        let theirs = library_tests::connect(&other, None).await.unwrap();
        assert!(open.load(Ordering::SeqCst) <= 48, "one tenant holds so many and no more");
        let before = open.load(Ordering::SeqCst);
        let their_check = tokio::spawn(async move {
            let media = [Media::url(format!("{CDN}/a.mp4"))];
            other.check_post(&theirs.id, &post("x"), &media).await
        });
        until("another tenant's look", async || (open.load(Ordering::SeqCst) > before).then_some(())).await;
        // Callers who go away take their looks with them.
        their_check.abort();
        for check in checks {
            check.abort();
        }
        until("the end of the looks", async || (open.load(Ordering::SeqCst) == 0).then_some(())).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn media_servers_and_the_platform_learn_who_asks() {
    let (cdn, origin) = cdn(video_bytes(6_000_000).unwrap(), usize::MAX, 404).await;
    let scene = Scene::new(&origin).await;
    let job = scene.store(request("x", Media::url(format!("{CDN}/a.mp4")))).await;
    assert_eq!(scene.to_the_end(&job.id).await.status, JobStatus::Published);
    let agents = cdn.agents.lock().unwrap().clone();
    assert!(
        agents.iter().all(|it| it.starts_with("social-channel/") && it.contains("(+https://")),
        "{agents:?}"
    );
    let log = scene.stage.simulator.log();
    let nameless = log
        .iter()
        .find(|it| it.path.starts_with("/v2/post") && !it.header_names.contains(&"user-agent".to_owned()));
    assert!(nameless.is_none(), "{nameless:?}");
}

/// The photo with other numbers in its header, which is all that is read of its size.
fn of_pixels(width: u16, height: u16) -> Vec<u8> {
    let mut photo = fixture("photo.jpg");
    let frame = photo.windows(2).position(|two| matches!(two, [0xff, 0xc0 | 0xc2])).unwrap();
    photo[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    photo[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    photo
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_of_too_many_pixels_is_refused_by_its_header_before_anything_is_posted() {
    let (_, origin) = cdn(of_pixels(3_024, 4_032), usize::MAX, 404).await;
    let scene = Scene::new(&origin).await;
    let mut config = app_config();
    config.settings.insert("verified-urls".to_owned(), "cdn.test".into());
    scene.host.put_app(APP, config).await.unwrap();
    let file = scene.stage.folder.path().join("large.jpg");
    std::fs::write(&file, of_pixels(3_024, 4_032)).unwrap();
    let pulled = Media { public_url: Some(format!("{CDN}/a.jpg")), ..Media::file(&file) };
    let mut photos = post("x");
    photos.kind = "images".to_owned();
    let said = "Photo 1 has 3024 x 4032 pixels; TikTok takes at most 1080 x 1920";
    for media in [Media::url(format!("{CDN}/a.jpg")), pulled] {
        let found =
            scene.tenant.check_post(&scene.channel, &photos, std::slice::from_ref(&media)).await.unwrap();
        let errors: Vec<_> = found.iter().filter(|one| one.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.starts_with(said) && errors[0].remedy.is_some(), "{errors:?}");
        let mut body = request("x", media);
        body.post = photos.clone();
        let job = scene.store(body).await;
        let ended = scene.to_the_end(&job.id).await;
        assert_eq!(ended.status, JobStatus::Failed, "{ended:?}");
        assert!(ended.error.unwrap().message.starts_with(said));
    }
    assert_eq!(scene.stage.requests("/v2/post/publish/content/init/"), 0, "nothing was posted");
}

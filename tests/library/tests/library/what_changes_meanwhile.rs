//! Changes around a stored job: consent words, components, clocks, and webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use library_tests::{APP, PATIENCE, Stage, app_config, component, connect, request, world};
use social_channel::model::{Consequence, Media, OptionValue};
use social_channel::{
    Clock as _, ErrorKind, Host, HostBuilder, Job, JobChange, JobStatus, MovedClock, PublishRequest,
    Resolution, Webhook,
};
use tiktok_simulator::{Account, Action, Fault, World};
use tokio::sync::watch;

const WEBHOOKS: &str = "https://app.example.com";
const MEDIA: &str = "https://media.example.com";
const INIT: &str = "/v2/post/publish/video/init/";
const STATUS: &str = "/v2/post/publish/status/fetch/";

/// A host whose jobs are run by `work` only, and whose clock moves with the simulator's unless set otherwise.
struct Scene {
    stage: Stage,
    clock: Arc<MovedClock>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(world(), |builder| builder).await
    }

    async fn with(world: World, differ: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let clock = Arc::new(MovedClock::default());
        let ours = clock.clone();
        let stage =
            Stage::in_world(world, |builder| differ(builder.clock(ours).background(false))).await.unwrap();
        Scene { stage, clock }
    }

    fn advance(&self, by: Duration) {
        self.stage.advance(&self.clock, by);
    }

    async fn work(&self) {
        self.stage.host.work(Some(Duration::ZERO)).await.unwrap();
    }

    async fn job(&self, id: &str) -> Job {
        self.stage.tenant.job(id).await.unwrap()
    }

    async fn to_the_end(&self, id: &str) -> Job {
        self.stage.to_the_end(&self.clock, id).await.unwrap()
    }

    fn posted(&self) -> usize {
        self.stage.simulator.world().published().len()
    }

    fn lose(&self, fault: Fault) {
        self.stage.simulator.faults().add(fault);
    }

    async fn swap(&self, component: &[u8]) {
        self.stage.host.load_provider(component).await.unwrap();
    }
}

/// The same provider with another digest: it has an additional, unused custom section at the end.
fn repaired() -> Vec<u8> {
    let mut bytes = component("plugin_tiktok").unwrap();
    bytes.extend(*b"\0\x09\x08repaired");
    bytes
}

/// The provider with replaced bytes in its data or code. The original bytes must exist, otherwise nothing would be
/// tested.
fn patched(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = component("plugin_tiktok").unwrap();
    for (from, to) in pairs {
        assert_eq!(from.len(), to.len());
        let found: Vec<usize> =
            (0..bytes.len().saturating_sub(from.len())).filter(|at| bytes[*at..].starts_with(from)).collect();
        assert!(!found.is_empty(), "the component does not hold {from:?}");
        for at in found {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

/// A version whose state has another name for a required member, so that it cannot read the other version's states.
fn incompatible() -> Vec<u8> {
    const NAMES: [[u8; 8]; 2] = [*b"begun_at", *b"begun_it"];
    // Written as it stands; read by comparing eight bytes with a constant of the code (signed LEB128).
    let [from, to] = NAMES.map(|name| {
        let number = u64::from_le_bytes(name);
        (0..10)
            .map(|group| (number >> (7 * group)) as u8 & 0x7f | if group < 9 { 0x80 } else { 0 })
            .collect::<Vec<u8>>()
    });
    patched(&[(&NAMES[0], &NAMES[1]), (&from, &to)])
}

// ---- webhooks -----------------------------------------------------------------------------------------------

/// A world that delivers webhooks to a host and fetches media, and a counter of the host's received deliveries.
async fn listening() -> (Scene, watch::Receiver<usize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let mut world = world();
    for app in &mut world.apps {
        app.webhook_url = Some(format!("{WEBHOOKS}/webhooks"));
    }
    world.connect_to.insert(WEBHOOKS.to_owned(), here.clone());
    world.connect_to.insert(MEDIA.to_owned(), here);
    let scene = Scene::with(world, |builder| builder).await;
    let mut config = app_config();
    config.settings.insert("verified-urls".to_owned(), "media.example.com".into());
    scene.stage.host.put_app(APP, config).await.unwrap();
    let (told, taken) = watch::channel(0);
    tokio::spawn(serve(listener, scene.stage.host.clone(), told));
    (scene, taken)
}

async fn serve(listener: tokio::net::TcpListener, host: Host, told: watch::Sender<usize>) {
    let webhooks = move |headers: HeaderMap, body: Bytes| async move {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        let webhook = Webhook {
            method: "POST".to_owned(),
            query: Vec::new(),
            raw_query: None,
            headers,
            body: body.to_vec(),
        };
        match host.receive_webhook(APP, webhook).await {
            Ok(answer) => {
                told.send_modify(|taken| *taken += answer.new_events);
                StatusCode::OK
            }
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    };
    let bytes = library_tests::video_bytes(4_096).unwrap();
    let media = move || async move { ([("content-type", "video/mp4")], bytes) };
    let routes = axum::Router::new().route("/webhooks", post(webhooks)).route("/video.mp4", get(media));
    axum::serve(listener, routes).await.unwrap();
}

fn pull(scene: &Scene) -> PublishRequest {
    let media = scene.stage.video(4_096).unwrap();
    let public_url = Some(format!("{MEDIA}/video.mp4"));
    let mut request = request("pulled", Media { public_url, ..media });
    request.post.options.insert("transfer".to_owned(), OptionValue::Text("pull".to_owned()));
    request
}

/// Lets the platform finish and send webhooks, until the host has received this many events.
async fn heard(scene: &Scene, taken: &mut watch::Receiver<usize>, events: usize) {
    let patience = tokio::time::Instant::now() + PATIENCE;
    while *taken.borrow_and_update() < events {
        assert!(tokio::time::Instant::now() < patience, "no webhook came");
        scene.advance(Duration::from_secs(1));
        // Processes everything that is due, which wakes the delivery task.
        scene.stage.simulator.world();
        let _ = tokio::time::timeout(Duration::from_millis(50), taken.changed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_settles_a_lost_pull() {
    let (scene, mut taken) = listening().await;
    let channel = scene.stage.connect().await.unwrap().id;
    scene.lose(Fault::new(Action::Reset).path(INIT).after());
    let job = scene.stage.tenant.publish(&channel, pull(&scene)).await.unwrap();
    scene.work().await;
    let lost = scene.job(&job.id).await;
    assert_eq!(
        (lost.status, lost.references.len()),
        (JobStatus::Active, 0),
        "nobody knows its name: {lost:?}"
    );
    heard(&scene, &mut taken, 1).await;
    let job = scene.to_the_end(&job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!(job.references.len(), 1, "the webhook told its name");
    assert_eq!((scene.stage.requests(INIT), scene.posted()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_comes_after_an_unknown_end_is_not_lost_with_a_failed_call() {
    let (scene, mut taken) = listening().await;
    let channel = scene.stage.connect().await.unwrap().id;
    // The platform's deliveries fail until a person is asked.
    let settings = scene.stage.simulator.settings();
    scene.stage.simulator.edit(|world| world.apps.iter_mut().for_each(|app| app.webhook_url = None));
    scene.lose(Fault::new(Action::Reset).path(INIT).after());
    let job = scene.stage.tenant.publish(&channel, pull(&scene)).await.unwrap();
    let job = scene.to_the_end(&job.id).await;
    assert_eq!(job.status, JobStatus::Unknown, "{job:?}");
    scene.stage.simulator.edit(|world| *world = settings);
    // The platform's next event for this publish delivers the result again.
    let body = told_by(&scene, &job);
    let answer = scene.stage.host.receive_webhook(APP, body).await.unwrap();
    assert_eq!(answer.new_events, 1);
    assert_eq!(*taken.borrow_and_update(), 0, "only this one came");
    scene.lose(
        Fault::new(Action::Status { status: 503, code: None, retry_after: None }).path(STATUS).times(2),
    );
    for _ in 0..6 {
        scene.work().await;
        scene.advance(Duration::from_secs(60));
    }
    let job = scene.job(&job.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!((scene.stage.requests(INIT), scene.posted()), (1, 1));
    let found = Resolution { posted: false, ..Resolution::default() };
    let error = scene.stage.tenant.resolve_job(&job.id, found).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "nobody is asked any more");
}

/// The platform's event for the only publish, signed like the platform's.
fn told_by(scene: &Scene, job: &Job) -> Webhook {
    let world = scene.stage.simulator.world();
    let [publish] = world.publishes.as_slice() else { panic!("one publish, not {:?}", world.publishes) };
    let grant = world.grants.first().unwrap();
    let now = scene.stage.simulator.clock().now_ms() / 1000;
    let content = serde_json::json!({ "publish_id": publish.publish_id, "publish_type": "DIRECT_PUBLISH" });
    let body = serde_json::json!({
        "client_key": "simkey-desktop",
        "event": "post.publish.complete",
        "create_time": job.sent_at.unwrap() + 5,
        "user_openid": grant.open_id,
        "content": content.to_string(),
    })
    .to_string();
    library_tests::signed_webhook(now, body)
}

// ---- order of jobs
// --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_with_many_jobs_does_not_hold_up_another() {
    let mut world = world();
    world.accounts.push(Account { username: "late.comer".to_owned(), ..Account::default() });
    let scene = Scene::with(world, |builder| builder.jobs_at_once(1)).await;
    let tenant = &scene.stage.tenant;
    let busy = scene.stage.connect().await.unwrap().id;
    scene.stage.simulator.edit(|world| world.switches.auto_consent.account = Some("late.comer".to_owned()));
    let other = connect(tenant, None).await.unwrap().id;
    assert_ne!(busy, other);
    let media = scene.stage.video(4_096).unwrap();
    for (channel, text) in [(&busy, "first"), (&busy, "second"), (&busy, "third"), (&other, "late")] {
        tenant.publish(channel, request(text, media.clone())).await.unwrap();
        // Each is due later than the one before.
        scene.advance(Duration::from_secs(1));
    }
    scene.work().await;
    let world = scene.stage.simulator.world();
    let order: Vec<&str> = world.publishes.iter().map(|publish| publish.caption.as_str()).collect();
    assert_eq!(order, ["first", "late", "second", "third"], "whose channel has waited longest goes first");
}

// ---- words --------------------------------------------------------------------------------------------------

/// The words next to the publish button, for a plain video.
async fn words(scene: &Scene, channel: &str) -> String {
    let form = scene.stage.tenant.publish_form(channel).await.unwrap();
    let shown: Vec<String> = form
        .rules
        .iter()
        .filter_map(|rule| match &rule.consequence {
            Consequence::Notice(notice) if notice.field.is_none() => Some(notice.text.clone()),
            _ => None,
        })
        .collect();
    shown.join("\n")
}

fn consent(words: &str) -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([("by".to_owned(), "demo".to_owned()), ("words".to_owned(), words.to_owned())]))
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_changed_between_storing_and_sending_are_asked_about() {
    let scene = Scene::new().await;
    let tenant = &scene.stage.tenant;
    let channel = scene.stage.connect().await.unwrap().id;
    let old = words(&scene, &channel).await;
    let mut later = request("later", scene.stage.video(4_096).unwrap());
    later.publish_at = Some(scene.clock.now_ms() / 1000 + 3_600);
    later.consent = consent(&old);
    let job = tenant.publish(&channel, later).await.unwrap();
    // The job continues with a provider version that requires other words.
    scene.swap(&patched(&[(b"Music Usage Confirmation", b"Music Usage CONFIRMATION")])).await;
    tenant.move_job(&job.id).await.unwrap();
    let asked = scene.to_the_end(&job.id).await;
    assert_eq!(asked.status, JobStatus::Paused, "{asked:?}");
    let error = asked.error.unwrap();
    assert_eq!(error.field.as_deref(), Some("consent"), "{error:?}");
    assert!(error.message.contains("CONFIRMATION"), "it names the new words: {}", error.message);
    assert_eq!(scene.stage.requests(INIT), 0);
    let new = words(&scene, &channel).await;
    assert_ne!(new, old);
    let change = JobChange { consent: consent(&new), ..JobChange::default() };
    tenant.change_job(&job.id, change).await.unwrap();
    let job = scene.to_the_end(&job.id).await;
    assert_eq!((job.status, scene.posted()), (JobStatus::Published, 1), "{job:?}");
}

// ---- components ---------------------------------------------------------------------------------------------

/// A job whose second chunk fails.
async fn half_sent(scene: &Scene) -> Job {
    let channel = scene.stage.connect().await.unwrap().id;
    scene.lose(Fault::new(Action::Reset).method("PUT").nth(2).times(0));
    let request = request("x", scene.stage.video(70_000_000).unwrap());
    let job = scene.stage.tenant.publish(&channel, request).await.unwrap();
    scene.work().await;
    scene.stage.simulator.faults().clear();
    assert_eq!(scene.stage.simulator.world().publishes[0].chunks, 1);
    scene.job(&job.id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_stays_with_its_component_until_somebody_moves_it() {
    let scene = Scene::new().await;
    let before = half_sent(&scene).await;
    let error = scene.stage.tenant.move_job(&before.id).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "there is nothing to move it to");
    scene.swap(&repaired()).await;
    assert_eq!(scene.job(&before.id).await.digest, before.digest);
    let moved = scene.stage.tenant.move_job(&before.id).await.unwrap();
    assert_ne!(moved.digest, before.digest);
    assert_eq!(moved.moved_from, Some(before.digest));
    let job = scene.to_the_end(&before.id).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    assert_eq!((job.digest, job.moved_from), (moved.digest, None), "what has taken a step keeps the job");
    assert_eq!((scene.stage.requests(INIT), scene.posted()), (1, 1), "it went on where it stood");
    let history = scene.stage.tenant.job_history(&before.id).await.unwrap();
    assert!(history.iter().any(|attempt| attempt.call == "move"));
    let error = scene.stage.tenant.move_job(&before.id).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_cannot_read_the_state_gives_the_job_back() {
    let scene = Scene::new().await;
    let before = half_sent(&scene).await;
    scene.swap(&incompatible()).await;
    let moved = scene.stage.tenant.move_job(&before.id).await.unwrap();
    assert_eq!(moved.moved_from.as_ref(), Some(&before.digest));
    let job = scene.to_the_end(&before.id).await;
    let history = scene.stage.tenant.job_history(&before.id).await.unwrap();
    assert_eq!(job.status, JobStatus::Published, "{job:?} {history:?}");
    assert_eq!((job.digest, job.moved_from), (before.digest, None));
    assert_eq!((scene.stage.requests(INIT), scene.posted()), (1, 1));
    assert!(history.iter().any(|attempt| attempt.result == "unsupported"), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_could_not_begin_goes_on_with_the_component_that_its_app_runs_then() {
    let scene = Scene::new().await;
    let channel = scene.stage.connect().await.unwrap().id;
    let failing =
        library_tests::failing::trapping(&component("plugin_tiktok").unwrap(), "#begin-publish").unwrap();
    scene.swap(&failing).await;
    let job =
        scene.stage.tenant.publish(&channel, request("x", scene.stage.video(4_096).unwrap())).await.unwrap();
    scene.work().await;
    let failed = scene.job(&job.id).await;
    assert!(failed.status == JobStatus::Active && failed.error.is_some(), "{failed:?}");
    assert_eq!(failed.digest, job.digest, "nothing else is installed");
    scene.swap(&repaired()).await;
    let done = scene.to_the_end(&job.id).await;
    assert_eq!((done.status, scene.posted()), (JobStatus::Published, 1), "{done:?}");
    assert_ne!(done.digest, job.digest);
    let history = scene.stage.tenant.job_history(&job.id).await.unwrap();
    assert!(history.iter().any(|attempt| attempt.call == "move" && attempt.by.is_none()), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_not_begun_moves_for_good() {
    let scene = Scene::new().await;
    let channel = scene.stage.connect().await.unwrap().id;
    let mut later = request("later", scene.stage.video(4_096).unwrap());
    later.publish_at = Some(scene.clock.now_ms() / 1000 + 3_600);
    let job = scene.stage.tenant.publish(&channel, later).await.unwrap();
    scene.swap(&repaired()).await;
    let moved = scene.stage.tenant.move_job(&job.id).await.unwrap();
    assert_eq!((moved.moved_from, moved.next_attempt_at), (None, job.next_attempt_at), "it keeps its time");
    let job = scene.to_the_end(&job.id).await;
    assert_eq!((job.status, job.digest), (JobStatus::Published, moved.digest));
}

// ---- clocks -------------------------------------------------------------------------------------------------

enum Skew {
    Ahead(Duration),
    Behind(Duration),
    /// Set back while it runs.
    Back(Duration),
}

/// A host with a wrong clock, while half of an upload is sent. Whatever it does, its final status must match the
/// platform.
async fn skewed(skew: Skew) -> (Scene, Job) {
    let scene = Scene::new().await;
    let job = half_sent(&scene).await;
    match skew {
        Skew::Ahead(by) => scene.clock.advance(by),
        Skew::Behind(by) => {
            scene.stage.simulator.clock().advance(by);
        }
        Skew::Back(by) => scene.clock.turn_back(by),
    }
    let job = scene.to_the_end(&job.id).await;
    (scene, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_clock_alone_runs_wrong_posts_once() {
    const HOUR: Duration = Duration::from_secs(3_600);
    for skew in [
        // It considers the upload URL expired, and starts again; the old upload never gets its last chunk.
        Skew::Ahead(2 * HOUR),
        // It considers an expired token and URL valid; the platform's refusal corrects it.
        Skew::Behind(3 * HOUR),
        // It waits until its own clock has caught up.
        Skew::Back(2 * HOUR),
    ] {
        let (scene, job) = skewed(skew).await;
        assert_eq!(job.status, JobStatus::Published, "{job:?}");
        assert_eq!(scene.posted(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_clock_jumps_past_the_deadline_says_the_truth() {
    let (scene, job) = skewed(Skew::Ahead(Duration::from_secs(72 * 3_600))).await;
    // No request that makes the post was started, so it knows that nothing was posted.
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert_eq!(scene.posted(), 0);
}

//! Events out on the command line: reading them, following them, and addresses that get them from a service which is
//! killed between two attempts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cli_tests::{PATIENCE, Stage, finish, interrupt};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_and_followed() {
    let (stage, channel) = Stage::connected().await.unwrap();
    are_read_and_followed(&stage, &channel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_and_followed_on_mariadb() {
    let server = tokio::task::spawn_blocking(|| mariadb_server::Server::start(&[]).unwrap()).await.unwrap();
    let mut stage = Stage::empty().await.unwrap();
    stage.database = Some(server.url());
    stage.add_app().await.unwrap();
    let connected = stage.connect(&[]).await.unwrap().done().json();
    are_read_and_followed(&stage, connected["id"].as_str().unwrap()).await;
}

async fn are_read_and_followed(stage: &Stage, channel: &str) {
    let page = stage.say("events --format json").await.unwrap().done().json();
    assert_eq!(page["events"][0]["data"]["channel"], *channel, "{page:#}");
    let shown = stage.say("events").await.unwrap().done();
    assert!(shown.stdout.contains("channel.connected") && shown.stdout.starts_with("NUMBER"), "{shown:?}");
    let later = stage.say("events --after 1").await.unwrap().done();
    assert_eq!(later.stdout, "no events\n");
    let wrong = stage.say("events --after 99").await.unwrap();
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let (child, first, mut rest) =
        stage.begin("events --after 0 --follow --format json".split(' ')).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["type"], "channel.connected");
    stage.say(&format!("disconnect {channel} --yes")).await.unwrap().done();
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, rest.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["type"], "channel.disconnected");
    interrupt(&child).await.unwrap();
    assert_eq!(finish(child).await.unwrap().code, 0);
}

/// A receiver: how often it got each event, by its id. It accepts only while it is told to.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<BTreeMap<String, usize>>>,
    accepts: Arc<Mutex<bool>>,
    told: Arc<tokio::sync::Notify>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Receiver::default();
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.answer(stream).await });
            }
        });
        (receiver, origin)
    }

    async fn answer(&self, stream: tokio::net::TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut id, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                let line = line.trim_end();
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(": ") {
                    match name.to_ascii_lowercase().as_str() {
                        "webhook-id" => value.clone_into(&mut id),
                        "content-length" => length = value.parse().ok()?,
                        _ => {}
                    }
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let body: Value = serde_json::from_slice(&body).ok()?;
            assert_eq!(body["id"], *id);
            *self.got.lock().unwrap().entry(id).or_default() += 1;
            self.told.notify_one();
            let status =
                if *self.accepts.lock().unwrap() { "204 No Content" } else { "503 Service Unavailable" };
            stream
                .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await
                .ok()?;
        }
    }

    /// Waits until it has got so many events, the first of them so often.
    async fn until(&self, events: usize, often: usize) {
        let seen = async {
            loop {
                let told = self.told.notified();
                {
                    let got = self.got.lock().unwrap();
                    if got.len() >= events && got.values().max() >= Some(&often) {
                        return;
                    }
                }
                told.await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_between_attempts_loses_nothing_and_repeats_with_the_same_id() {
    let (stage, channel) = Stage::connected().await.unwrap();
    let (receiver, origin) = Receiver::start().await;
    let mut policy: Value =
        serde_json::from_slice(&std::fs::read(stage.path("policy.json")).unwrap()).unwrap();
    let mapped = serde_json::json!({"from": "https://receiver.example", "to": origin});
    policy["connect_to"].as_array_mut().unwrap().push(mapped);
    std::fs::write(stage.path("policy.json"), policy.to_string()).unwrap();
    let made = stage
        .say("endpoints add https://receiver.example/events?token=hidden --format json")
        .await
        .unwrap()
        .done();
    let endpoint = made.json()["id"].as_str().unwrap().to_owned();
    assert!(made.json()["secret"].as_str().unwrap().starts_with("whsec_"), "{made:?}");
    let attempts = format!("endpoints attempts {endpoint} 2 --format json");
    let serve = || stage.begin(["serve", "--listen", "127.0.0.1:0"]);
    let (mut service, ..) = serve().await.unwrap();
    stage.say(&format!("disconnect {channel} --yes")).await.unwrap().done();
    receiver.until(1, 1).await;
    // What it answered is stored a moment later.
    let tried = || stage.say(&attempts);
    while tried().await.unwrap().done().json() == serde_json::json!([]) {}
    service.kill().await.unwrap();
    // While it is down, more happens.
    stage.connect(&[]).await.unwrap().done();
    let (mut service, ..) = serve().await.unwrap();
    // The first one is repeated; then it is killed again, in the middle of whatever it does.
    receiver.until(1, 2).await;
    service.kill().await.unwrap();
    *receiver.accepts.lock().unwrap() = true;
    let (service, _, mut out) = serve().await.unwrap();
    receiver.until(2, 3).await;
    let all = stage.say("events --after 1 --format json").await.unwrap().done().json();
    let ids: Vec<&str> =
        all["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect();
    loop {
        let log = stage.say(&format!("endpoints log {endpoint} --format json")).await.unwrap().done().json();
        if log.as_array().unwrap().iter().all(|one| one["status"] == "delivered") {
            assert_eq!(log.as_array().unwrap().len(), ids.len(), "{log:#}");
            break;
        }
        // The answer of the receiver is stored a moment later.
        tokio::task::yield_now().await;
    }
    {
        let got = receiver.got.lock().unwrap();
        let mut expected = ids.clone();
        expected.sort_unstable();
        assert_eq!(
            got.keys().map(String::as_str).collect::<Vec<_>>(),
            expected,
            "nothing is lost, and nothing is new"
        );
    }
    // The rest of the commands.
    let first = ids[0];
    let before = receiver.got.lock().unwrap()[first];
    stage.say(&format!("endpoints resend {endpoint} {first}")).await.unwrap().done();
    receiver.until(2, before + 1).await;
    let tried = stage.say(&format!("endpoints attempts {endpoint} 2")).await.unwrap().done();
    assert!(tried.stdout.contains("it answered 503"), "{tried:?}");
    let shown = stage.say("endpoints list").await.unwrap().done();
    assert!(
        shown.stdout.contains("https://receiver.example/events") && !shown.stdout.contains("whsec_"),
        "{shown:?}"
    );
    let rotated =
        stage.say(&format!("endpoints rotate {endpoint} --overlap 1 --format json")).await.unwrap().done();
    assert_eq!(rotated.json()["secrets"], 2, "{rotated:?}");
    let changed = format!("endpoints change {endpoint} --type job.failed --disable --format json");
    let changed = stage.say(&changed).await.unwrap().done().json();
    assert_eq!(
        (&changed["types"][0], &changed["disabled"]),
        (&"job.failed".into(), &"it was disabled by hand".into())
    );
    stage.say(&format!("endpoints show {endpoint}")).await.unwrap().done();
    stage.say(&format!("endpoints remove {endpoint}")).await.unwrap().done();
    assert_eq!(stage.say("endpoints list --format json").await.unwrap().done().json(), serde_json::json!([]));
    let refused = stage.say("endpoints add https://10.0.0.1/").await.unwrap();
    assert_ne!(refused.code, 0, "{refused:?}");
    interrupt(&service).await.unwrap();
    let ended = finish(service).await.unwrap();
    let mut said = String::new();
    out.read_to_string(&mut said).await.unwrap();
    assert!(
        !ended.stderr.contains("hidden") && !ended.stderr.contains("whsec_") && !said.contains("hidden"),
        "{ended:?}"
    );
}

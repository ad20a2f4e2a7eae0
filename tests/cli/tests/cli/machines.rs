//! Programs as on several machines: a service, workers, and what asks the service.

use cli_tests::{APP, Stage, browser, finish, interrupt};
use library_tests::until;
use serde_json::{Value, json};
use tiktok_simulator::Account;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A program that says something about its lost database. What it says is read, or it would wait for that.
pub(crate) struct Program {
    child: Child,
    said: JoinHandle<String>,
}

impl Program {
    pub(crate) fn of(mut child: Child) -> Self {
        let mut from = child.stderr.take().unwrap();
        let said = tokio::spawn(async move {
            let mut said = String::new();
            from.read_to_string(&mut said).await.unwrap();
            said
        });
        Program { child, said }
    }

    /// Ends it, as a person or systemd would. Returns what it said.
    pub(crate) async fn end(self) -> String {
        interrupt(&self.child).await.unwrap();
        let ended = finish(self.child).await.unwrap();
        let said = self.said.await.unwrap();
        assert_eq!(ended.code, 0, "{said}");
        ended.stdout + &said
    }
}

/// The service's API.
pub(crate) struct Api {
    address: String,
    client: reqwest::Client,
}

impl Api {
    /// Until the service has answered: it may just have no database. The same request again is the same job.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Value {
        until("the service answers", async || {
            let request = self.client.post(format!("{}{path}", self.address)).body(body.to_string());
            let request = request.header("content-type", "application/json").header("idempotency-key", key);
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success() || status == 503, "{status} {text}");
            status.is_success().then(|| serde_json::from_str(&text).unwrap())
        })
        .await
    }

    pub(crate) async fn connect(&self) -> String {
        let consent = self
            .post(
                &format!("/apps/{APP}/connects"),
                "",
                &json!({"owner": "me", "redirect_uri": "http://127.0.0.1:9/callback"}),
            )
            .await;
        let page = self.client.get(consent["redirect"]["url"].as_str().unwrap()).send().await.unwrap();
        let back = page.headers()["location"].to_str().unwrap().split_once('?').unwrap().1.to_owned();
        let connected = self.post("/connects/complete", "", &json!({"owner": "me", "callback": back})).await;
        connected["channel"]["id"].as_str().unwrap().to_owned()
    }

    /// A video with this caption, which is also the key that makes the request repeatable.
    pub(crate) async fn publish(&self, channel: &str, video: &[u8], caption: &str) {
        let upload = self.upload(video).await;
        self.post_upload(channel, &upload, caption).await;
    }

    /// Stores a video. Returns its id.
    pub(crate) async fn upload(&self, video: &[u8]) -> String {
        let answer = until("an upload is taken", async || {
            let request = self.client.post(format!("{}/uploads", self.address)).body(video.to_vec());
            let answer = request.header("content-type", "video/mp4").send().await.unwrap();
            answer.status().is_success().then_some(answer)
        });
        let upload: Value = serde_json::from_str(&answer.await.text().await.unwrap()).unwrap();
        upload["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn post_upload(&self, channel: &str, upload: &str, caption: &str) {
        let post = json!({"post": {"kind": "video", "text": caption, "visibility": "SELF_ONLY"}, "media": [{"upload": upload}]});
        self.post(&format!("/channels/{channel}/jobs"), caption, &post).await;
    }
}

/// A service that runs no jobs, and its API.
pub(crate) async fn service(stage: &Stage) -> (Program, Api) {
    served(stage.command(["serve", "--listen", "127.0.0.1:0", "--no-workers"])).await
}

/// A service that a command starts, and its API.
pub(crate) async fn served(mut command: Command) -> (Program, Api) {
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).await.unwrap();
    let address = format!("{}/api/v1", first.trim_end().strip_prefix("listening on ").unwrap());
    (Program::of(child), Api { address, client: browser(true).unwrap() })
}

pub(crate) fn workers(stage: &Stage, count: usize) -> Vec<Program> {
    (0..count).map(|_| Program::of(stage.command(["work", "-q"]).spawn().unwrap())).collect()
}

/// Connects so many accounts of their own. Returns their channels.
pub(crate) async fn connect(stage: &Stage, api: &Api, accounts: usize) -> Vec<String> {
    let name = |number: usize| format!("shop.{number}");
    stage.simulator.edit(|world| {
        world
            .accounts
            .extend((0..accounts).map(|number| Account { username: name(number), ..Account::default() }));
    });
    let mut channels = Vec::new();
    for number in 0..accounts {
        stage.simulator.edit(|world| world.switches.auto_consent.account = Some(name(number)));
        channels.push(api.connect().await);
    }
    channels
}

/// The captions of what is published, sorted.
pub(crate) fn published(stage: &Stage) -> Vec<String> {
    let mut found: Vec<String> =
        stage.simulator.world().published().iter().map(|post| post.caption.clone()).collect();
    found.sort();
    found
}

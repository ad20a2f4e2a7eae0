//! The library with a second network: `examples/provider-bluesky` against Bluesky's own servers. Nobody here wrote them, so they
//! judge both. `cargo xtask test bluesky` installs them and runs this; without them nothing of it can run.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::OnceLock;

use bluesky_server::{Account, Server};
use library_tests::{CALLBACK, OWNER, builder, component, until};
use serde_json::{Value, json};
use social_channel::model::{ListQuery, Media, OptionValue, Part, Post};
use social_channel::{
    AppConfig, Channel, Connect, ConnectOptions, Connected, ErrorKind, Health, Host, Job, JobStatus,
    PublishRequest, SettingValue, Tenant, TenantId,
};

use crate::gate::{Gate, Stop};

const APP: &str = "bluesky";
const NEEDED: &str = "needs Bluesky's servers: `cargo xtask test bluesky`";

/// One network for all tests of this program, which ends with it.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start().expect(NEEDED))
}

/// A host of one account, whose requests pass a gate.
struct Stage {
    folder: tempfile::TempDir,
    host: Host,
    tenant: Tenant,
    gate: Gate,
    account: Account,
}

impl Stage {
    /// `name`: of an account that is made for it.
    async fn new(name: &str) -> Self {
        let name = name.to_owned();
        let account = tokio::task::spawn_blocking(move || server().account(&name)).await.unwrap().unwrap();
        let gate = Gate::to(&server().pds).await;
        let folder = tempfile::tempdir().unwrap();
        let policy = json!({
            "allow_private_networks": true,
            "connect_to": [{ "from": server().pds, "to": gate.origin }],
        });
        std::fs::write(folder.path().join(library_tests::POLICY), policy.to_string()).unwrap();
        // Only who is told to work works.
        let host = builder(folder.path(), "").unwrap().background(false).open().await.unwrap();
        host.load_provider(&component("provider_bluesky").unwrap()).await.unwrap();
        let settings = [("service", server().pds.as_str()), ("directory", server().plc.as_str())];
        let config = AppConfig {
            provider: Some("bluesky".to_owned()),
            redirect_uri: Some("http://127.0.0.1:*/callback".to_owned()),
            origins: Some(vec![server().pds.clone(), server().plc.clone()]),
            settings: settings.map(|(name, value)| (name.to_owned(), value.into())).into(),
            ..AppConfig::default()
        };
        host.put_app(APP, config).await.unwrap();
        let tenant = host.tenant(TenantId::default());
        Stage { folder, host, tenant, gate, account }
    }

    async fn begin(&self, inputs: &[(&str, &str)]) -> social_channel::Result<Connect> {
        let inputs: BTreeMap<String, SettingValue> =
            inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let options = ConnectOptions {
            owner: OWNER.to_owned(),
            redirect_uri: Some(CALLBACK.to_owned()),
            inputs,
            ..ConnectOptions::default()
        };
        self.tenant.begin_connect(APP, options).await
    }

    /// By app password.
    async fn by_password(&self) -> Channel {
        let inputs = [("handle", self.account.handle.as_str()), ("app-password", &self.account.app_password)];
        match self.begin(&inputs).await.unwrap() {
            Connect::Done(Connected::Channel(channel)) => channel,
            other => panic!("one account was expected, not {other:?}"),
        }
    }

    /// By the server's own sign-in page.
    async fn by_page(&self) -> Channel {
        let handle = self.account.handle.clone();
        let Connect::Redirect { url, .. } = self.begin(&[("handle", &handle)]).await.unwrap() else {
            panic!("a browser was expected");
        };
        assert!(url.starts_with(&self.gate.origin), "{url}");
        let callback = crate::gate::sign_in(&server().pds, &url, &self.account).await;
        match self.tenant.complete_connect(OWNER, callback).await.unwrap() {
            Connected::Channel(channel) => channel,
            other => panic!("one account was expected, not {other:?}"),
        }
    }

    async fn publish(&self, channel: &str, post: Post, media: Vec<Media>) -> Job {
        let job = self.tenant.publish(channel, PublishRequest::new(post, media)).await.unwrap();
        self.finish(&job.id).await
    }

    /// Works until a job has ended.
    async fn finish(&self, job: &str) -> Job {
        until("the end of the job", async || {
            self.host.work(Some(std::time::Duration::ZERO)).await.unwrap();
            let job = self.tenant.job(job).await.unwrap();
            (job.status != JobStatus::Active).then_some(job)
        })
        .await
    }

    /// The values of its posts, the oldest first.
    async fn records(&self) -> Vec<Value> {
        let did = self.account.did.clone();
        let mut records = tokio::task::spawn_blocking(move || server().records(&did)).await.unwrap().unwrap();
        records.reverse();
        records.into_iter().map(|record| record["value"].clone()).collect()
    }

    /// The database says that the access token has ended.
    async fn expire(&self) {
        use sqlx::Connection as _;
        let file = self.folder.path().join("social-channel.sqlite");
        let mut database = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
        sqlx::query("UPDATE accounts SET expires_at_s = 1000").execute(&mut database).await.unwrap();
    }
}

fn text(kind: &str, text: &str) -> Post {
    Post { kind: kind.to_owned(), text: Some(text.to_owned()), ..Post::default() }
}

fn picture(stage: &Stage, name: &str, width: u32, height: u32) -> Media {
    let path = stage.folder.path().join(name);
    std::fs::write(&path, png(width, height)).unwrap();
    Media::file(path)
}

/// A grey PNG whose rows are stored as they are.
fn png(width: u32, height: u32) -> Vec<u8> {
    let row = 1 + width as usize * 3;
    let raw = vec![0_u8; row * height as usize];
    let mut stream = vec![0x78, 0x01];
    let mut blocks = raw.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let sum = raw.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((sum.1 << 16 | sum.0).to_be_bytes());
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        let body: Vec<u8> = [kind, data].concat();
        let crc = body.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(
                crc ^ u32::from(*byte),
                |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
            )
        });
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(body);
        file.extend((!crc).to_be_bytes());
    };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, 2, 0, 0, 0]].concat();
    chunk(b"IHDR", &head);
    chunk(b"IDAT", &stream);
    chunk(b"IEND", b"");
    file
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn an_account_is_connected_by_app_password_and_read() {
    let stage = Stage::new("bookworm").await;
    for password in ["wron-gwro-ngwr-ongw", &stage.account.password] {
        let error =
            stage.begin(&[("handle", &stage.account.handle), ("app-password", password)]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AuthorizationDenied, "{error:?}");
        assert_eq!(error.field.as_deref(), Some("app-password"), "{error:?}");
        assert!(error.remedy.unwrap().contains("app password"));
    }
    let channel = stage.by_password().await;
    assert_eq!(channel.account_id, stage.account.did);
    let again = stage.by_password().await;
    assert_eq!(again.id, channel.id, "the same account is the same channel");

    for number in 1..=5 {
        let job = stage.publish(&channel.id, text("text", &format!("Number {number}")), Vec::new()).await;
        assert_eq!(job.status, JobStatus::Published, "{job:?}");
    }
    let (did, access) = (stage.account.did.clone(), stage.account.access.clone());
    tokio::task::spawn_blocking(move || {
        let fan = server().account("fan").unwrap();
        let follow = json!({ "repo": fan.did, "collection": "app.bsky.graph.follow",
            "record": { "subject": did, "createdAt": "2026-11-30T00:00:00Z" } });
        server().call("com.atproto.repo.createRecord", Some(&fan.access), &follow).unwrap();
        server()
            .until("what the AppView knows", |server| {
                let shown =
                    server.get("app.bsky.actor.getProfile", Some(&access), &format!("actor={did}"))?;
                Ok(shown["followersCount"] == 1 && shown["postsCount"] == 5)
            })
            .unwrap();
    })
    .await
    .unwrap();
    let profile = stage.tenant.profile(&channel.id).await.unwrap();
    assert_eq!(profile.username.as_deref(), Some(stage.account.handle.as_str()));
    let stats = serde_json::to_value(stage.tenant.stats(&channel.id).await.unwrap()).unwrap();
    assert_eq!((&stats["followers"], &stats["posts"]), (&json!(1), &json!(5)), "{stats}");

    let mut cursor = None;
    let mut posts = Vec::new();
    loop {
        let page = stage.tenant.list_posts(&channel.id, &ListQuery { limit: 2, cursor }).await.unwrap();
        assert!(page.posts.len() <= 2);
        posts.extend(page.posts);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let texts: Vec<&str> = posts.iter().filter_map(|post| post.text.as_deref()).collect();
    assert_eq!(texts, ["Number 5", "Number 4", "Number 3", "Number 2", "Number 1"]);
    let ids =
        [posts[1].id.clone(), format!("{}x", posts[1].id), "at://did:plc:x/app.bsky.feed.post/3k".to_owned()];
    let found = stage.tenant.get_posts(&channel.id, &ids).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].text.as_deref(), Some("Number 4"));

    stage.tenant.disconnect(&channel.id).await.unwrap();
    let paths = stage.gate.paths();
    assert!(paths.iter().any(|path| path.ends_with("com.atproto.server.deleteSession")), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn every_kind_of_post_becomes_its_record() {
    let stage = Stage::new("writer").await;
    let channel = stage.by_password().await.id;

    let mut post = text("text", "É🍲 @writer.test and @nobody.test: #soup https://example.com/a.");
    post.options.insert("languages".to_owned(), OptionValue::TextList(vec!["fr".to_owned()]));
    let findings =
        stage.tenant.check_publish(&channel, &PublishRequest::new(post.clone(), Vec::new())).await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("@nobody.test"));
    let job = stage.publish(&channel, post, Vec::new()).await;
    let url = job.posts[0].url.clone().unwrap();
    assert!(url.starts_with(&format!("https://bsky.app/profile/{}/post/", stage.account.did)), "{url}");

    let described = |media: Media, words: &str| Media { alt_text: Some(words.to_owned()), ..media };
    let pictures = vec![
        described(picture(&stage, "a.png", 30, 20), "A bowl"),
        described(picture(&stage, "b.png", 10, 40), "A spoon"),
    ];
    stage.publish(&channel, text("images", "Two pictures"), pictures).await;

    let film = stage.folder.path().join("film.mp4");
    sample_video::write(&film, 400_000).unwrap();
    let subtitles = stage.folder.path().join("film.vtt");
    std::fs::write(&subtitles, "WEBVTT\n\n00:00.000 --> 00:01.000\nSoup\n").unwrap();
    let subtitles = Media {
        role: Some("subtitles".to_owned()),
        options: [("language".to_owned(), OptionValue::Text("en".to_owned()))].into(),
        ..Media::file(subtitles)
    };
    stage
        .publish(
            &channel,
            text("video", "A film"),
            vec![described(Media::file(film), "Soup boils"), subtitles],
        )
        .await;

    let mut link = text("link", "Read this");
    for (name, value) in [("link", "https://example.com/soup"), ("link-title", "Soup")] {
        link.options.insert(name.to_owned(), OptionValue::Text(value.to_owned()));
    }
    let thumbnail = Media { role: Some("thumbnail".to_owned()), ..picture(&stage, "t.png", 60, 40) };
    stage.publish(&channel, link, vec![thumbnail]).await;

    let thread = Post {
        parts: vec![
            Part { text: Some("Two".to_owned()), ..Part::default() },
            Part { text: None, media: vec![0], ..Part::default() },
        ],
        ..text("text", "One")
    };
    let job = stage.publish(&channel, thread, vec![picture(&stage, "c.png", 8, 8)]).await;
    assert_eq!(job.posts.len(), 3, "{job:?}");

    let records = stage.records().await;
    assert_eq!(records.len(), 7, "{records:#?}");
    let [plain, images, video, link, one, two, three] = records.as_slice() else { panic!("seven") };
    assert_eq!(plain["langs"], json!(["fr"]));
    let facets = plain["facets"].as_array().unwrap();
    let words = plain["text"].as_str().unwrap();
    let marked: Vec<&str> = facets
        .iter()
        .map(|facet| {
            let at = |name: &str| usize::try_from(facet["index"][name].as_u64().unwrap()).unwrap();
            &words[at("byteStart")..at("byteEnd")]
        })
        .collect();
    assert_eq!(marked, ["@writer.test", "#soup", "https://example.com/a"]);
    assert_eq!(facets[0]["features"][0]["did"], stage.account.did.as_str());
    let shown = |at: usize| &images["embed"]["images"][at];
    assert_eq!((&shown(0)["alt"], &shown(1)["alt"]), (&json!("A bowl"), &json!("A spoon")));
    assert_eq!(shown(1)["aspectRatio"], json!({ "width": 10, "height": 40 }));
    assert_eq!(video["embed"]["video"]["mimeType"], "video/mp4");
    assert_eq!(video["embed"]["alt"], "Soup boils");
    assert_eq!(video["embed"]["captions"][0]["lang"], "en");
    assert_eq!(link["embed"]["external"]["title"], "Soup");
    assert_eq!(link["embed"]["external"]["thumb"]["mimeType"], "image/png");
    assert!(one.get("reply").is_none());
    assert_eq!(two["reply"]["root"], two["reply"]["parent"]);
    assert_eq!(three["reply"]["root"], two["reply"]["root"]);
    assert_ne!(three["reply"]["parent"], three["reply"]["root"]);
    assert_eq!(three["embed"]["$type"], "app.bsky.embed.images");

    // What the server would refuse is refused before.
    let long = PublishRequest::new(text("text", &"x".repeat(301)), Vec::new());
    let error = stage.tenant.publish(&channel, long).await.map(|job| job.id).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    assert_eq!(stage.records().await.len(), 7);
}

/// A post with everything that takes a request: somebody to look up, a file, a thread of two.
fn post_of_many_requests(stage: &Stage) -> PublishRequest {
    let part = Part { text: Some("Two".to_owned()), ..Part::default() };
    let post = Post { parts: vec![part], ..text("images", &format!("One @{}", stage.account.handle)) };
    PublishRequest::new(post, vec![picture(stage, "a.png", 8, 8)])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn killed_before_and_after_every_request_each_post_is_there_once() {
    let stage = Stage::new("unlucky").await;
    let channel = stage.by_page().await.id;
    let publish = async || stage.tenant.publish(&channel, post_of_many_requests(&stage)).await.unwrap().id;

    let before = stage.gate.paths().len();
    let job = publish().await;
    assert_eq!(stage.finish(&job).await.status, JobStatus::Published);
    let requests: Vec<String> = stage.gate.paths().drain(before..).collect();
    assert!(requests.len() >= 4, "{requests:?}");
    let mut posted = 1;
    for (at, path) in requests.iter().enumerate() {
        for side in [Stop::Before, Stop::After] {
            let job = publish().await;
            stage.gate.stop_at(at, side);
            let mut worker = tokio::process::Command::new(env!("CARGO_BIN_EXE_library-process"))
                .arg(stage.folder.path())
                .args([stage.gate.origin.as_str(), "work"])
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            tokio::select! {
                () = stage.gate.stopped() => {}
                ended = worker.wait() => panic!("the worker ended before it could be killed: {ended:?}"),
            }
            worker.kill().await.unwrap();
            stage.gate.let_go();
            let job = stage.finish(&job).await;
            assert_eq!(job.status, JobStatus::Published, "{at} {side:?}: {job:?}");
            posted += 1;
            let records = stage.records().await;
            assert_eq!(records.len(), 2 * posted, "killed {side:?} request {at}, {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn two_processes_with_one_expired_account_refresh_once() {
    let stage = Stage::new("shared").await;
    let channel = stage.by_page().await.id;
    let tokens = || stage.gate.paths().iter().filter(|path| path.as_str() == "/oauth/token").count();
    let before = tokens();
    stage.expire().await;
    let start = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_library-process"))
            .arg(stage.folder.path())
            .args([stage.gate.origin.as_str(), "profile", &channel, "10"])
            .spawn()
            .unwrap()
    };
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().await.unwrap().success());
    assert!(two.wait().await.unwrap().success());
    let refreshes = tokens() - before;
    // One, and perhaps the same once more with the nonce that the server asked for.
    assert!((1..=2).contains(&refreshes), "{refreshes}");
    // A second use of a refresh token would have ended the session.
    stage.tenant.profile(&channel).await.unwrap();
    assert_eq!(tokens() - before, refreshes, "what they stored is what we use");
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn a_lost_answer_to_a_refresh_needs_the_person_and_nothing_else_breaks() {
    let stage = Stage::new("lost").await;
    let channel = stage.by_page().await.id;
    let other = Stage::new("kept").await;
    let kept = other.by_password().await.id;
    // A fresh nonce, so that the next request to that address is the one that refreshes.
    stage.expire().await;
    stage.tenant.profile(&channel).await.unwrap();
    stage.expire().await;
    stage.gate.lose("/oauth/token");
    let error = stage.tenant.profile(&channel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized, "{error:?}");
    assert!(error.remedy.unwrap().contains("onnect the account again"));
    assert_eq!(stage.tenant.channel(&channel).await.unwrap().health, Health::NeedsReconnect);
    let before = stage.gate.paths().len();
    assert_eq!(stage.tenant.profile(&channel).await.unwrap_err().kind, ErrorKind::Unauthorized);
    assert_eq!(stage.gate.paths().len(), before, "dead tokens are not shown to the server again");
    assert_eq!(stage.by_page().await.id, channel, "the same account is the same channel");
    stage.tenant.profile(&channel).await.unwrap();

    // The session of an app password takes the old token for a while longer.
    other.expire().await;
    other.gate.lose("/xrpc/com.atproto.server.refreshSession");
    other.tenant.profile(&kept).await.unwrap();
    assert_eq!(other.tenant.channel(&kept).await.unwrap().health, Health::Active);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Bluesky's servers: `cargo xtask test bluesky`"]
async fn a_session_of_the_sign_in_page_is_revoked_with_its_channel() {
    let stage = Stage::new("leaver").await;
    let channel = stage.by_page().await;
    assert_eq!(channel.account_id, stage.account.did);
    assert_eq!(channel.scopes, ["atproto", "transition:generic"]);
    let job = stage.publish(&channel.id, text("text", "By OAuth"), Vec::new()).await;
    assert_eq!(job.status, JobStatus::Published, "{job:?}");
    stage.tenant.disconnect(&channel.id).await.unwrap();
    assert_eq!(stage.gate.paths().last().map(String::as_str), Some("/oauth/revoke"));
    assert_eq!(stage.gate.last_status(), 200);
}

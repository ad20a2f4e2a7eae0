//! Photos, and videos that the platform fetches itself: from the service's own media URLs and from a user's URL,
//! before and after the domain is verified at the platform.

use social_channel_server::Access;
use std::time::Duration;

use http::StatusCode;
use library_tests::{APP, Stage};
use serde_json::{Value, json};
use server_tests::Storage;
use sha2::{Digest as _, Sha256};
use social_channel::{AppConfig, Host, Policy, TenantId};
use social_channel_server::{Config, Listen, Server};
use tokio::sync::oneshot;

use crate::story::video;

/// The domain, including its subdomains.
const DOMAIN: &str = "northwind.app";
const PUBLIC: &str = "https://social.northwind.app";
/// The user's video storage.
const STORAGE: &str = "https://cdn.northwind.app";

/// A service at a public address. Platform and host reach it through their mapped origins.
struct Public {
    stage: Stage,
    storage: Storage,
    host: Host,
    address: String,
    key: String,
    client: reqwest::Client,
    channel: String,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<social_channel::Result<()>>,
}

impl Public {
    async fn start() -> Self {
        let stage = Stage::new().await.unwrap();
        let storage = Storage::start(video(700_000)).await.unwrap();
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            public_address: Some(PUBLIC.to_owned()),
            ..Config::default()
        };
        let server = Server::bind(config).await.unwrap();
        let Listen::Tcp(address) = server.addresses().remove(0) else { panic!("a port was expected") };
        let address = format!("http://{address}");
        let policy = library_tests::policy(&stage.simulator.origin()).unwrap();
        let mut policy: Value = serde_json::to_value(policy).unwrap();
        let maps = policy["connect_to"].as_array_mut().unwrap();
        maps.push(json!({"from": PUBLIC, "to": address}));
        maps.push(json!({"from": STORAGE, "to": storage.origin}));
        let policy: Policy = serde_json::from_value(policy).unwrap();
        let builder = library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap();
        let host = server.prepare(builder.policy(policy)).unwrap().open().await.unwrap();
        let key = Access::of(&host).create_api_key("tests", None).await.unwrap().text.expose().to_owned();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(host.clone(), async move { stopped.await.unwrap_or(()) }));
        let (ours, theirs) = (address.clone(), storage.origin.clone());
        stage.simulator.edit(move |world| {
            world.connect_to.insert(PUBLIC.to_owned(), ours);
            world.connect_to.insert(STORAGE.to_owned(), theirs);
            world.switches.processing_ms = 200;
        });
        let channel = library_tests::connect(&host.tenant(TenantId::default()), None).await.unwrap().id;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Public { stage, storage, host, address, key, client, channel, stop, running }
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: reqwest::Body) -> (StatusCode, Value) {
        let request = self
            .client
            .request(method, format!("{}/api/v1{path}", self.address))
            .bearer_auth(&self.key)
            .header(
                "content-type",
                if path.starts_with("/uploads") { "image/jpeg" } else { "application/json" },
            )
            .body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(reqwest::Method::POST, path, body.to_string().into()).await
    }

    async fn upload(&self, bytes: Vec<u8>, name: &str) -> String {
        let path = format!("/uploads?file_name={name}");
        let (status, kept) = self.ask(reqwest::Method::POST, &path, bytes.into()).await;
        assert_eq!(status, StatusCode::CREATED, "{kept}");
        kept["id"].as_str().unwrap().to_owned()
    }

    async fn ended(&self, job: &Value) -> Value {
        let id = job["id"].as_str().unwrap_or_else(|| panic!("no job: {job:#}"));
        self.ask(reqwest::Method::GET, &format!("/jobs/{id}/wait?seconds=55"), "".into()).await.1
    }

    async fn publish(&self, body: &Value) -> Value {
        let (status, job) = self.post(&format!("/channels/{}/jobs", self.channel), body).await;
        assert_eq!(status, StatusCode::CREATED, "{job:#}");
        self.ended(&job).await
    }

    /// The owner of the app verifies the domain in the portal.
    fn verify(&self) {
        self.stage.simulator.edit(|world| {
            let app = world.apps.iter_mut().find(|app| app.client_key == "simkey-desktop").unwrap();
            app.verified_urls.push(DOMAIN.to_owned());
        });
    }

    /// SHA-256 of the media that the platform received, by post.
    fn got(&self) -> Vec<String> {
        let world = self.stage.simulator.world();
        let publishes = world.publishes.iter().filter(|publish| publish.sha256.is_some());
        publishes.map(|publish| publish.sha256.clone().unwrap()).collect()
    }

    async fn stop(self) {
        assert!(self.stage.simulator.violations().is_empty(), "{:?}", self.stage.simulator.violations());
        drop(self.storage);
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
        self.host.shutdown(Duration::from_secs(5)).await;
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A photo of 720 by 960 pixels, with a mark between.
fn photo(mark: u8) -> Vec<u8> {
    let frame = [0xff, 0xc0, 0, 17, 8, 3, 192, 2, 208, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    let note = [0xff, 0xfe, 0, 3, mark];
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xff, 0xd9];
    [b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".as_slice(), &note, &frame, &scan].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_wait_for_the_domain_and_are_then_fetched_from_the_service() {
    let public = Public::start().await;
    let photos = [photo(1), photo(2)];
    let mut media = Vec::new();
    for (at, bytes) in photos.iter().enumerate() {
        media.push(json!({"upload": public.upload(bytes.clone(), &format!("{at}.jpg")).await}));
    }
    let body = json!({
        "post": {"kind": "images", "title": "Two soups", "text": "which one?", "visibility": "PUBLIC_TO_EVERYONE"},
        "media": media,
    });

    // The check warns that it is unknown whether the address is verified; the platform refuses it.
    let (_, findings) = public.post(&format!("/channels/{}/checks", public.channel), &body).await;
    let about = findings.as_array().unwrap().iter().find(|finding| finding["subject"] == "media").unwrap();
    assert_eq!(about["severity"], "warning", "{findings:#}");
    let paused = public.publish(&body).await;
    assert_eq!(paused["status"], "paused", "{paused:#}");
    let error = &paused["error"];
    assert_eq!(
        (&error["kind"], &error["code"]),
        (&json!("misconfigured"), &json!("url_ownership_unverified"))
    );
    assert_eq!(error["message"], "The address of the media is not verified for this app at TikTok.");
    assert!(error["remedy"].as_str().unwrap().contains("verify the domain or prefix"), "{error}");
    assert!(public.got().is_empty());

    public.verify();
    let path = format!("/jobs/{}/resume", paused["id"].as_str().unwrap());
    let (_, resumed) = public.post(&path, &Value::Null).await;
    let published = public.ended(&resumed).await;
    assert_eq!(published["status"], "published", "{published:#}");
    assert_eq!(public.got(), [sha256(&photos.concat())], "byte for byte, in their order");

    // The URLs end with the job.
    let url = published["media"][0]["public_url"].as_str().unwrap_or_default();
    let path = paused["media"][0]["public_url"].as_str().unwrap_or(url).replace(PUBLIC, &public.address);
    let gone = public.client.get(path).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    public.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_fetched_from_its_address_and_from_the_services_own() {
    let public = Public::start().await;
    public.verify();
    let verified = AppConfig {
        settings: [("verified-urls".to_owned(), DOMAIN.into())].into_iter().collect(),
        ..AppConfig::default()
    };
    public.host.put_app(APP, verified).await.unwrap();
    let bytes = video(700_000);
    let body = |media: Value| {
        json!({
            "post": {
                "kind": "video", "text": "Pulled", "visibility": "PUBLIC_TO_EVERYONE",
                "options": {"transfer": "pull"},
            },
            "media": [media],
        })
    };
    let theirs = public.publish(&body(json!({"url": format!("{STORAGE}/one.mp4")}))).await;
    assert_eq!(theirs["status"], "published", "{theirs:#}");
    let upload = public.upload(bytes.clone(), "one.mp4").await;
    let ours = public.publish(&body(json!({"upload": upload, "content_type": "video/mp4"}))).await;
    assert_eq!(ours["status"], "published", "{ours:#}");
    assert_eq!(public.got(), [sha256(&bytes), sha256(&bytes)]);
    let sent = public.stage.simulator.log().iter().filter(|exchange| exchange.method == "PUT").count();
    assert_eq!(sent, 0, "the platform fetched it; nothing was sent");

    // Another address is not verified for the app, which is detected before anything is sent.
    let elsewhere = AppConfig {
        settings: [("verified-urls".to_owned(), "media.example.com".into())].into_iter().collect(),
        ..AppConfig::default()
    };
    public.host.put_app(APP, elsewhere).await.unwrap();
    let checks = format!("/channels/{}/checks", public.channel);
    let (_, findings) = public.post(&checks, &body(json!({"url": format!("{STORAGE}/one.mp4")}))).await;
    let wrong = findings.as_array().unwrap().iter().find(|finding| finding["severity"] == "error").unwrap();
    assert_eq!(wrong["code"], "url_ownership_unverified", "{wrong}");
    assert_eq!(wrong["message"], "TikTok fetches only from addresses that were verified for the app.");
    assert!(wrong["remedy"].as_str().unwrap().contains("`verified-urls`"), "{wrong}");
    public.stop().await;
}

//! A minimal correct client of TikTok's API, written from the contract and sharing only the handle with the
//! simulator. Incorrect clients are made by changing one property.

use std::collections::HashMap;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tiktok_simulator::{Exchange, Simulator, World};
use url::{Url, form_urlencoded};

pub(crate) const ALL_SCOPES: &str =
    "user.info.basic,user.info.profile,user.info.stats,video.list,video.publish";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:45678/callback";
pub(crate) const VERIFIER: &str = "Simulator-verifier_0123456789.abcdefghij~KLMNOPQRST";
pub(crate) const MB: u64 = 1_000_000;
pub(crate) const CONTENT: &str = "/v2/post/publish/content/init/";

pub(crate) async fn demo() -> Simulator {
    started(World::demo()).await
}

pub(crate) async fn started(world: World) -> Simulator {
    Simulator::start(world).await.unwrap()
}

pub(crate) fn http() -> reqwest::Client {
    // reqwest requires a TLS provider even for plain HTTP; a second install changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .build()
        .unwrap()
}

/// A response with everything that tests check.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers
                .entry(name.to_string())
                .and_modify(|old| *old = format!("{old}\n{value}"))
                .or_insert(value);
        }
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `error.code`, or the OAuth `error`.
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        error["code"].as_str().or(error.as_str()).unwrap_or("(no code)").to_string()
    }

    pub(crate) fn reason(&self) -> &str {
        self.headers.get("x-simulator-reason").map_or("", String::as_str)
    }

    pub(crate) fn findings(&self) -> &str {
        self.headers.get("x-simulator-finding").map_or("", String::as_str)
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let body = self.json();
        assert_eq!(body["error"]["code"], "ok", "{self:?}");
        assert!(body["error"]["log_id"].as_str().is_some_and(|id| id.len() == 34), "{self:?}");
        body["data"].clone()
    }

    /// Refused with this status and code, by a rule that contains `rule`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, rule: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
        let named = self.reason().split(": ").next().unwrap();
        assert!(named.contains(rule), "expected rule {rule}: {self:?}");
    }

    /// Like [`Answer::refused`], for responses without a body.
    #[track_caller]
    pub(crate) fn turned_away(&self, status: u16, rule: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let named = self.reason().split(": ").next().unwrap();
        assert!(named.contains(rule), "expected rule {rule}: {self:?}");
    }
}

pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Answer {
    Answer::of(try_send(method, url, headers, body).await.unwrap()).await
}

pub(crate) async fn try_send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> reqwest::Result<Response> {
    let mut request = http().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) async fn post_form(url: &str, pairs: &[(&str, &str)]) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    send(Method::POST, url, &headers, form(pairs)).await
}

pub(crate) fn challenge() -> String {
    hex::encode(Sha256::digest(VERIFIER.as_bytes()))
}

/// The query of a correct authorize request of the desktop app.
pub(crate) fn authorize_query() -> Vec<(&'static str, String)> {
    vec![
        ("client_key", "simkey-desktop".into()),
        ("response_type", "code".into()),
        ("scope", ALL_SCOPES.into()),
        ("redirect_uri", REDIRECT.into()),
        ("state", "s-1 &=".into()),
        ("code_challenge", challenge()),
        ("code_challenge_method", "S256".into()),
    ]
}

pub(crate) fn with<'a>(
    mut pairs: Vec<(&'a str, String)>,
    name: &'a str,
    value: Option<&str>,
) -> Vec<(&'a str, String)> {
    pairs.retain(|(key, _)| *key != name);
    if let Some(value) = value {
        pairs.push((name, value.to_string()));
    }
    pairs
}

pub(crate) async fn authorize(simulator: &Simulator, query: &[(&str, String)]) -> Answer {
    let pairs: Vec<(&str, &str)> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let url = format!("{}/v2/auth/authorize/?{}", simulator.origin(), form(&pairs));
    send(Method::GET, &url, &[], "").await
}

/// The parameters of the redirect back.
pub(crate) fn callback(answer: &Answer) -> HashMap<String, String> {
    assert_eq!(answer.status, 302, "{answer:?}");
    Url::parse(&answer.headers["location"]).unwrap().query_pairs().into_owned().collect()
}

pub(crate) fn consent_by(simulator: &Simulator, username: &str) {
    simulator.edit(|world| {
        world.switches.auto_consent.enabled = true;
        world.switches.auto_consent.account = Some(username.to_string());
    });
}

/// A connected account.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) origin: String,
    pub(crate) key: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) open_id: String,
    pub(crate) grant: Value,
}

pub(crate) async fn connect(simulator: &Simulator, username: &str) -> Client {
    connect_app(simulator, username, "simkey-desktop", "simsecret-desktop-0001", ALL_SCOPES).await
}

pub(crate) async fn connect_app(
    simulator: &Simulator,
    username: &str,
    key: &'static str,
    secret: &'static str,
    scopes: &str,
) -> Client {
    consent_by(simulator, username);
    let query = with(with(authorize_query(), "client_key", Some(key)), "scope", Some(scopes));
    let code = callback(&authorize(simulator, &query).await)["code"].clone();
    let answer = exchange(simulator, key, secret, &code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let grant = answer.json();
    let text = |name: &str| grant[name].as_str().unwrap().to_string();
    Client {
        origin: simulator.origin(),
        key,
        secret,
        access: text("access_token"),
        refresh: text("refresh_token"),
        open_id: text("open_id"),
        grant: grant.clone(),
    }
}

pub(crate) async fn exchange(simulator: &Simulator, key: &str, secret: &str, code: &str) -> Answer {
    let url = format!("{}/v2/oauth/token/", simulator.origin());
    let pairs = [
        ("client_key", key),
        ("client_secret", secret),
        ("code", code),
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    post_form(&url, &pairs).await
}

impl Client {
    pub(crate) async fn refresh_with(&self, token: &str) -> Answer {
        let pairs = [
            ("client_key", self.key),
            ("client_secret", self.secret),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        post_form(&format!("{}/v2/oauth/token/", self.origin), &pairs).await
    }

    /// Refreshes and keeps the new pair.
    pub(crate) async fn renew(&mut self) {
        let answer = self.refresh_with(&self.refresh).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.access = answer.json()["access_token"].as_str().unwrap().to_string();
        self.refresh = answer.json()["refresh_token"].as_str().unwrap().to_string();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.access);
        send(Method::GET, &format!("{}{path}", self.origin), &[("authorization", &bearer)], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, "application/json; charset=UTF-8", &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.access);
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        send(Method::POST, &format!("{}{path}", self.origin), &headers, body.to_string()).await
    }

    pub(crate) async fn creator(&self) -> Answer {
        self.post("/v2/post/publish/creator_info/query/", &json!({})).await
    }

    pub(crate) async fn init(&self, body: &Value) -> Answer {
        self.post("/v2/post/publish/video/init/", body).await
    }

    pub(crate) async fn status(&self, publish_id: &str) -> Answer {
        self.post("/v2/post/publish/status/fetch/", &json!({ "publish_id": publish_id })).await
    }

    /// A correct init of a file of this size; returns publish_id and upload URL on this machine.
    pub(crate) async fn begin(&self, size: u64, privacy: &str) -> (String, String) {
        let data = self.init(&video(size, privacy)).await.ok();
        let url = data["upload_url"].as_str().unwrap();
        assert!(url.len() <= 256);
        (data["publish_id"].as_str().unwrap().to_string(), self.local(url))
    }

    /// The upload URL with the simulator's origin instead of TikTok's, like an origin mapping.
    pub(crate) fn local(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        assert!(url.host_str().unwrap().ends_with(".tiktokapis.com"));
        format!("{}{}?{}", self.origin, url.path(), url.query().unwrap())
    }

    /// Publishes a file of this size to its last byte.
    pub(crate) async fn publish(&self, size: u64, privacy: &str) -> String {
        let (id, url) = self.begin(size, privacy).await;
        for (first, last) in chunks(size) {
            let answer = put(&url, first, last, size).await;
            assert_eq!(answer.status, if last + 1 == size { 201 } else { 206 }, "{answer:?}");
        }
        id
    }
}

/// The plan of a correct client (contract 10.2): chunk size and count.
pub(crate) fn plan(size: u64) -> (u64, u64) {
    if size <= 64 * MB { (size, 1) } else { (10 * MB, size / (10 * MB)) }
}

pub(crate) fn chunks(size: u64) -> Vec<(u64, u64)> {
    let (chunk, count) = plan(size);
    (0..count)
        .map(|index| (index * chunk, if index + 1 == count { size - 1 } else { (index + 1) * chunk - 1 }))
        .collect()
}

pub(crate) fn video(size: u64, privacy: &str) -> Value {
    let (chunk_size, count) = plan(size);
    json!({
        "post_info": {
            "title": "Leek soup in 40 seconds #soup",
            "privacy_level": privacy,
            "disable_duet": true,
            "disable_stitch": true,
            "disable_comment": false,
            "video_cover_timestamp_ms": 1500,
            "brand_content_toggle": false,
            "brand_organic_toggle": false,
            "is_aigc": false
        },
        "source_info": {
            "source": "FILE_UPLOAD",
            "video_size": size,
            "chunk_size": chunk_size,
            "total_chunk_count": count
        }
    })
}

pub(crate) fn photos() -> Value {
    json!({
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "post_info": {
            "title": "Three soups",
            "description": "which one? #soup",
            "privacy_level": "SELF_ONLY",
            "disable_comment": false,
            "auto_add_music": true,
            "brand_content_toggle": false,
            "brand_organic_toggle": false
        },
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_cover_index": 0,
            "photo_images": ["https://media.example.com/p/1.jpg", "https://media.example.com/p/2.jpg"]
        }
    })
}

pub(crate) fn pulled(url: &str) -> Value {
    let mut body = video(1, "SELF_ONLY");
    body["source_info"] = json!({"source": "PULL_FROM_URL", "video_url": url});
    body
}

pub(crate) fn set(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

pub(crate) fn without(mut body: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    body
}

/// Init takes 6 calls a minute; these tests need more.
pub(crate) async fn unlimited() -> Simulator {
    let mut world = World::demo();
    world.switches.rate_limit_divisor = 0;
    world.accounts[0].daily_post_cap = 1000;
    started(world).await
}

/// Bytes `first..=last` of the test file: each byte tells its position.
pub(crate) fn bytes(first: u64, last: u64) -> Vec<u8> {
    (first..=last).map(|at| (at % 251) as u8).collect()
}

pub(crate) async fn put(url: &str, first: u64, last: u64, size: u64) -> Answer {
    let range = format!("bytes {first}-{last}/{size}");
    put_raw(url, &[("content-type", "video/mp4"), ("content-range", &range)], bytes(first, last)).await
}

pub(crate) async fn put_raw(url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    send(Method::PUT, url, headers, body).await
}

/// The newest request to this path.
pub(crate) fn last(simulator: &Simulator, path: &str) -> Exchange {
    let log = simulator.log();
    log.into_iter().rfind(|exchange| exchange.path == path).expect("no such request in the log")
}

/// A request received by the small server below.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An HTTP server of a few lines, for media and webhooks: passes each request to the test and returns the
/// closure's response (status, extra header lines, body).
pub(crate) struct Small {
    pub(crate) origin: String,
    pub(crate) received: tokio::sync::mpsc::UnboundedReceiver<Received>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Small {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn small(
    answer: impl Fn(&Received) -> (u16, String, Vec<u8>) + Send + Sync + 'static,
) -> Small {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut data = Vec::new();
            let head_end = loop {
                let mut buffer = [0; 4096];
                let read = socket.read(&mut buffer).await.unwrap();
                data.extend_from_slice(&buffer[..read]);
                if let Some(at) = data.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                assert!(read > 0, "half a request");
            };
            let head = String::from_utf8(data[..head_end].to_vec()).unwrap();
            let mut lines = head.lines();
            let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_string();
            let headers: HashMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
            let mut body = data[head_end..].to_vec();
            while body.len() < length {
                let mut buffer = [0; 4096];
                let read = socket.read(&mut buffer).await.unwrap();
                assert!(read > 0, "half a body");
                body.extend_from_slice(&buffer[..read]);
            }
            let request = Received { path, headers, body };
            let (status, extra, body) = answer(&request);
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{extra}\r\n",
                body.len()
            );
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(&body).await;
            let _ = sender.send(request);
        }
    });
    Small { origin, received, task }
}

/// Waits until a condition that depends on another task is true.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

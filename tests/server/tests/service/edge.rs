//! What comes to the service's ports: proxies, browsers of the local network, and who only wants to hold a place.

use std::process::Stdio;
use std::time::Duration;

use library_tests::{APP, PATIENCE, Stage, request, until};
use rustix::process::{Pid, Resource, Rlimit};
use social_channel::{Error, NewUpload, SecretText, Tenant, TenantId};
use social_channel_server::{Access, Config, Listen, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ";

struct Running {
    /// Host and port on loopback.
    at: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(stage: &Stage, config: Config) -> Self {
        // Longer than any test waits: a stop does not need it.
        let config = Config { workers: false, stop_seconds: 600, ..config };
        let server = Server::bind(config).await.unwrap();
        let Listen::Tcp(address) = server.addresses().remove(0) else { panic!("a port was expected") };
        let (stop, stopped) = oneshot::channel();
        let host = stage.second_host().await.unwrap();
        let task = tokio::spawn(server.run(host, async move { stopped.await.unwrap_or(()) }));
        Running { at: format!("127.0.0.1:{}", address.port()), stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("half a request keeps the service from stopping").unwrap().unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.at).await.unwrap()
    }

    /// Sends a request as it stands, with `connection: close`, and reads the whole answer.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

fn loopback() -> Config {
    Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() }
}

/// What comes until the service closes, which it must.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset is an end too, and what came before it counts.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ended = read.expect("the service keeps the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head and the body of one answer on a connection that stays open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let read = async {
        let mut answer = Vec::new();
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            let byte = stream.read_u8().await.expect("the service closed the connection");
            answer.push(byte);
        }
        let head = String::from_utf8_lossy(&answer).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |it| it.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        head + &String::from_utf8_lossy(&body)
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the service does not answer")
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let lines = answer.split("\r\n\r\n").next().unwrap().lines();
    let mut found = lines.filter_map(|line| line.split_once(": ")).filter(|(found, _)| *found == name);
    found.next().map_or("", |(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_of_the_local_network_signs_in_without_https() {
    let stage = Stage::new().await.unwrap();
    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let everywhere = Config { listen: vec!["0.0.0.0:0".parse().unwrap()], ..Config::default() };
    let running = Running::start(&stage, everywhere).await;
    // What such a browser calls it; over plain http it sends no `Sec-Fetch-Site`.
    let host = running.at.replace("127.0.0.1", "192.168.7.7");
    let page =
        running.raw(&format!("GET /sign-in HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
    assert_eq!(header(&page, "referrer-policy"), "same-origin", "or it would send the origin `null`");
    let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
    let token = page.split(r#"name="csrf" value=""#).nth(1).unwrap().split('"').next().unwrap();
    let post = |origin: &str, token: &str| {
        let body = format!("csrf={token}&next=%2F&password=correct+horse");
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\norigin: {origin}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let running = &running;
        async move { running.raw(&request).await }
    };
    for origin in [format!("http://{host}").as_str(), "null"] {
        let answer = post(origin, token).await;
        assert!(answer.starts_with("HTTP/1.1 303"), "{origin}: {answer}");
        let cookie = header(&answer, "set-cookie").split(';').next().unwrap();
        let inside =
            format!("GET / HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n");
        let inside = running.raw(&inside).await;
        assert!(inside.starts_with("HTTP/1.1 200"), "{inside}");
    }
    for (origin, token) in [
        ("null", "made-up"),
        ("https://evil.example", token),
        ("http://192.168.7.8", token),
        ("http://192.168.7.7:1", token),
    ] {
        let answer = post(origin, token).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{origin}: {answer}");
    }
    // The API reads no form, so nothing there proves a page.
    let answer = running
        .raw(&format!("POST /api/v1/keys HTTP/1.1\r\nhost: {host}\r\norigin: null\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("another site"), "{answer}");
    running.stop().await;
}

/// Every route of a page that changes something, read from the sources, so that none is forgotten.
fn posts() -> Vec<String> {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/server/src/page");
    let mut found = Vec::new();
    for file in std::fs::read_dir(pages).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for route in text.split(r#".route(""#).skip(1) {
            // Up to the end of the line at most; the next route begins another piece.
            let route = route.lines().next().unwrap_or_default();
            if let Some((path, _)) = route.split_once('"').filter(|(_, handlers)| handlers.contains("post("))
            {
                found.push(path.replace(['{', '}'], ""));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_taken_without_its_token_whatever_origin_it_names() {
    let stage = Stage::new().await.unwrap();
    let running = Running::start(&stage, loopback()).await;
    let posts = posts();
    assert!(posts.len() > 15, "{posts:?}");
    for path in posts {
        let answer = running
            .raw(&format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\norigin: null\r\nconnection: close\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: 6\r\n\r\ncsrf=x",
                running.at
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_a_proxy_is_not_the_operators() {
    let stage = Stage::new().await.unwrap();
    let socket = stage.folder.path().join("edge.sock");
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap(), Listen::Unix(socket.clone())],
        // Believed of addresses, and of nothing else.
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..Config::default()
    };
    let running = Running::start(&stage, config).await;
    let get = |version: &str, path: &str, more: &str| {
        format!("GET {path} HTTP/{version}\r\nhost: {}\r\n{more}connection: close\r\n\r\n", running.at)
    };
    let list = "/api/v1/apps";
    assert!(running.raw(&get("1.1", list, "")).await.starts_with("HTTP/1.1 200"), "open on this machine");
    let forwarded = [
        "x-forwarded-for: 203.0.113.9\r\n",
        "Forwarded: for=203.0.113.9\r\n",
        "x-real-ip: 203.0.113.9\r\n",
        "via: 1.1 proxy\r\n",
        "x-forwarded-proto: https\r\n",
    ];
    for more in forwarded {
        for path in [list, "/", "/settings/keys", "/metrics"] {
            let answer = running.raw(&get("1.1", path, more)).await;
            assert!(
                answer.starts_with("HTTP/1.1 403") && answer.contains("keys password"),
                "{more}{path}: {answer}"
            );
        }
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(get("1.1", list, more).as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "over the socket too: {answer}");
    }
    // nginx, as it comes, adds no header.
    let answer = running.raw(&get("1.0", list, "")).await;
    assert!(answer.contains(" 403 ") && answer.contains("HTTP/1.0"), "{answer}");
    // What is for anybody stays so.
    assert!(running.raw(&get("1.1", "/healthz", forwarded[0])).await.starts_with("HTTP/1.1 200"));
    let webhook = running.raw(&get("1.1", "/webhooks/tiktok-demo", forwarded[0])).await;
    assert!(!webhook.contains("proxy"), "{webhook}");

    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let answer = running.raw(&get("1.1", list, forwarded[0])).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "with a password proxies are welcome: {answer}");
    // Whoever reaches the socket is the operator, with a password too.
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(get("1.1", list, forwarded[0]).as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("hand on to a port") && !answer.contains("no password"), "{answer}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_is_open_to_what_comes_through_a_proxy() {
    let stage = Stage::new().await.unwrap();
    let running = Running::start(&stage, loopback()).await;
    let call = async |method: &str, path: &str, more: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{more}connection: close\r\n", running.at);
        running.raw(&format!("{head}content-length: 0\r\n\r\n")).await
    };
    let description = call("GET", "/api/v1/openapi.json", "").await;
    let description: serde_json::Value =
        serde_json::from_str(description.split_once("\r\n\r\n").unwrap().1).unwrap();
    let mut routes: Vec<(String, String)> =
        posts().into_iter().map(|path| ("POST".to_owned(), path)).collect();
    for (path, item) in description["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys().filter(|name| !name.starts_with("param"));
        routes.extend(
            methods.map(|it| (it.to_uppercase(), format!("/api/v1{}", path.replace(['{', '}'], "")))),
        );
    }
    routes.extend(
        ["/jobs/events", "/jobs.csv", "/uploads/resumable", "/sign-in"]
            .map(|path| ("GET".to_owned(), path.to_owned())),
    );
    assert!(routes.len() > 60, "{routes:?}");
    for (method, path) in routes {
        let answer = call(&method, &path, "x-forwarded-for: 203.0.113.9\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("keys password"),
            "{method} {path}: {answer}"
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_keep_nobody_out() {
    let stage = Stage::new().await.unwrap();
    let key = Access::of(&stage.host).create_api_key("x", None).await.unwrap().text;
    // Standing still is allowed for longer than this test takes: only the places matter.
    let config = Config { max_connections: 32, idle_seconds: 600, ..loopback() };
    let running = Running::start(&stage, config).await;
    let call = format!(
        "GET /api/v1/channels HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        running.at,
        key.expose()
    );
    let mut known = running.connect().await;
    known.write_all(call.as_bytes()).await.unwrap();
    assert!(one_answer(&mut known).await.starts_with("HTTP/1.1 200"));
    let mut held = Vec::new();
    for index in 0..200 {
        let mut stream = running.connect().await;
        // Half a head, or a whole one whose body never comes.
        let half: &[u8] = if index % 2 == 0 {
            HALF
        } else {
            b"POST /webhooks/tiktok-demo HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n{"
        };
        // One that had to make room already cannot be written to.
        let _ = stream.write_all(half).await;
        held.push(stream);
    }
    let mut fresh = running.connect().await;
    fresh.write_all(call.as_bytes()).await.unwrap();
    assert!(one_answer(&mut fresh).await.starts_with("HTTP/1.1 200"), "a newcomer with a whole request");
    known.write_all(call.as_bytes()).await.unwrap();
    assert!(one_answer(&mut known).await.starts_with("HTTP/1.1 200"), "who was known before the flood");
    let first = rest(&mut held[0]).await;
    assert!(first.is_empty(), "the first of them made room: {first}");
    running.stop().await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_streams_of_one_tenant_leave_connections_for_the_others() {
    let stage = Stage::new().await.unwrap();
    let key = async |tenant: &TenantId| {
        Access::of(&stage.host).create_api_key("x", Some(tenant)).await.unwrap().text.expose().to_owned()
    };
    let (flood, quiet) = (key(&TenantId::default()).await, key(&"quiet".parse().unwrap()).await);
    let job = stored_for_later(&stage, &stage.tenant).await;
    let running = Running::start(&stage, Config { max_connections: 8, ..loopback() }).await;
    let get = |key: &str, path: &str| {
        format!("GET /api/v1/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\r\n", running.at)
    };
    let mut streams = Vec::new();
    for _ in 0..6 {
        streams.push(followed(running.connect().await, &get(&flood, &format!("jobs/{job}/events"))).await);
    }
    // One more of them is told to come later, on a connection that goes on.
    let mut more = running.connect().await;
    for path in [format!("jobs/{job}/events"), "channels".to_owned()] {
        more.write_all(get(&flood, &path).as_bytes()).await.unwrap();
        let answer = one_answer(&mut more).await;
        assert!(answer.starts_with("HTTP/1.1 429") && header(&answer, "retry-after") == "5", "{answer}");
    }
    for _ in 0..8 {
        let mut other = running.connect().await;
        other.write_all(get(&quiet, "channels").as_bytes()).await.unwrap();
        let answer = one_answer(&mut other).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(streams.pop());
    until("a stream that ended leaves its place", async || {
        let mut again = running.connect().await;
        again.write_all(get(&flood, "channels").as_bytes()).await.unwrap();
        one_answer(&mut again).await.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_comes_in_where_tenants_have_all_connections() {
    let stage = Stage::new().await.unwrap();
    let access = Access::of(&stage.host);
    let key = async |tenant: Option<&TenantId>| {
        access.create_api_key("x", tenant).await.unwrap().text.expose().to_owned()
    };
    let other: TenantId = "other".parse().unwrap();
    let keys = [key(Some(&TenantId::default())).await, key(Some(&other)).await];
    let operator = key(None).await;
    let jobs = [stored_for_later(&stage, &stage.tenant).await, {
        let tenant = stage.host.tenant(other.clone());
        stored_for_later(&stage, &tenant).await
    }];
    let running = Running::start(&stage, Config { max_connections: 8, ..loopback() }).await;
    let get = |key: &str, path: &str| {
        format!("GET /api/v1/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\r\n", running.at)
    };
    let mut streams = Vec::new();
    // Each takes its share, and together they have all.
    for (tenant, count) in [(0, 6), (1, 2)] {
        for _ in 0..count {
            let path = format!("jobs/{}/events", jobs[tenant]);
            streams.push(followed(running.connect().await, &get(&keys[tenant], &path)).await);
        }
    }
    let mut tenant = running.connect().await;
    tenant.write_all(get(&keys[1], "channels").as_bytes()).await.unwrap();
    let answer = one_answer(&mut tenant).await;
    assert!(answer.starts_with("HTTP/1.1 503") && header(&answer, "retry-after") == "5", "{answer}");
    assert!(answer.contains("max_connections"), "{answer}");
    assert_eq!(header(&answer, "connection"), "close", "the next one may find an ordinary place");
    let mut own = running.connect().await;
    own.write_all(get(&operator, "keys").as_bytes()).await.unwrap();
    let answer = one_answer(&mut own).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "the operator: {answer}");
    // Also for what lasts, and for a tenant that has its share already.
    let path = format!("jobs/{}/events", jobs[1]);
    let follow = get(&operator, &path).replace("\r\n\r\n", "\r\nsocial-channel-tenant: other\r\n\r\n");
    let own = followed(own, &follow).await;
    let mut stranger = running.connect().await;
    let _ = stranger.write_all(HALF).await;
    assert!(rest(&mut stranger).await.starts_with("HTTP/1.1 503"), "the operator makes room for nobody");
    for stream in streams.iter().chain([&own]) {
        // The end of its event may be left; after that there is nothing to read, and no end either.
        while let Ok(read) = stream.get_ref().try_read(&mut [0; 1024]) {
            assert!(read > 0, "a stream ended");
        }
    }
    running.stop().await;
}

/// A job of the tenant that is due in two hours.
async fn stored_for_later(stage: &Stage, tenant: &Tenant) -> String {
    let channel = library_tests::connect(tenant, None).await.unwrap().id;
    let mut later = request("x", stage.video(4_096).unwrap());
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    later.publish_at = Some(now + 7_200);
    tenant.publish(&channel, later).await.unwrap().id
}

/// Sends the request for an event stream, and reads its first event.
async fn followed(stream: TcpStream, request: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(stream);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    while !line.starts_with("data:") {
        line.clear();
        let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
        assert!(read > 0, "a stream ended");
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stands_still_is_ended() {
    let stage = Stage::new().await.unwrap();
    let key = Access::of(&stage.host).create_api_key("x", None).await.unwrap().text;
    let running = Running::start(&stage, Config { idle_seconds: 1, ..loopback() }).await;
    let mut silent = running.connect().await;
    let mut half = running.connect().await;
    half.write_all(HALF).await.unwrap();
    let mut idle = running.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.unwrap();
    assert!(one_answer(&mut idle).await.ends_with("ok\n"));
    for stream in [&mut silent, &mut half, &mut idle] {
        assert_eq!(rest(stream).await, "");
    }
    let head = |path: &str, kind: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n",
            running.at,
            key.expose()
        )
    };
    // A body that stops.
    let mut stopped = running.connect().await;
    stopped.write_all(head("/api/v1/uploads", "video/mp4", 1 << 20).as_bytes()).await.unwrap();
    stopped.write_all(&[0; 1000]).await.unwrap();
    let answer = rest(&mut stopped).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come in time"), "{answer}");
    // And those that drip: they never stand still.
    for (path, kind) in [
        ("/api/v1/keys", "application/json"),
        ("/api/v1/uploads", "video/mp4"),
        ("/api/v1/providers", "application/wasm"),
    ] {
        let (mut read, mut write) = running.connect().await.into_split();
        write.write_all(head(path, kind, 1 << 20).as_bytes()).await.unwrap();
        let drip = tokio::spawn(async move {
            while write.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let answer = rest(&mut read).await;
        let is_told = answer.starts_with("HTTP/1.1 408") && answer.contains("did not come in time");
        assert!(is_told, "{path}: {answer}");
        drip.abort();
    }
    assert!(stage.tenant.uploads().await.unwrap().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let stage = Stage::new().await.unwrap();
    let new = NewUpload { limit: LARGE as u64, ..NewUpload::default() };
    let bytes = futures::stream::iter([Ok(vec![7; LARGE].into())]);
    let upload = stage.tenant.keep_upload(new, bytes).await.unwrap().id;
    let running = Running::start(&stage, Config { idle_seconds: 1, ..loopback() }).await;
    let get = format!("GET /uploads/{upload}/content?app={APP} HTTP/1.1\r\nhost: {}\r\n\r\n", running.at);
    let mut reads = running.connect().await;
    reads.write_all(get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let whole = rest(&mut reads).await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.len() > LARGE, "who reads gets all of it");
    let mut deaf = running.connect().await;
    deaf.write_all(get.as_bytes()).await.unwrap();
    // What it goes on to send is read by nobody, so the end of the connection is told as a reset.
    until("the connection ends", async || deaf.try_write(b"x").is_err_and(|it| !is_full(&it)).then_some(()))
        .await;
    running.stop().await;
}

/// More than both ends of a connection keep.
const LARGE: usize = 32 << 20;

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_without_tls_is_answered_in_http_1() {
    let stage = Stage::new().await.unwrap();
    let running = Running::start(&stage, loopback()).await;
    let answer = running.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(answer.starts_with("HTTP/1.1 505") && answer.contains("HTTP/1.1"), "{answer}");
    let answer = running
        .raw(&format!(
            "GET /healthz HTTP/1.1\r\nhost: {}\r\nx-long: {}\r\nconnection: close\r\n\r\n",
            running.at,
            "x".repeat(300_000)
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    running.stop().await;
}

/// The service in a process of its own, whose input ends it.
struct Child {
    child: tokio::process::Child,
    at: String,
    pid: i32,
}

impl Child {
    async fn start() -> Self {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_served"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let at = said["address"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let pid = i32::try_from(said["pid"].as_i64().unwrap()).unwrap();
        Child { child, at, pid }
    }

    fn files(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count() as u64
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_may_open_no_more_files_goes_on() {
    let mut child = Child::start().await;
    // Connected before: it needs no new file to be answered, and says whether the process lives.
    let mut early = TcpStream::connect(&child.at).await.unwrap();
    let ask = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", child.at);
    early.write_all(ask.as_bytes()).await.unwrap();
    one_answer(&mut early).await;
    // A few files more, and that is all.
    let limit = Some(child.files() + 6);
    let pid = Pid::from_raw(child.pid);
    let before =
        rustix::process::prlimit(pid, Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
    assert!(before.current > limit);
    let mut held = Vec::new();
    for _ in 0..60 {
        let mut stream = TcpStream::connect(&child.at).await.unwrap();
        let _ = stream.write_all(HALF).await;
        held.push(stream);
    }
    let mut fresh = TcpStream::connect(&child.at).await.unwrap();
    fresh.write_all(ask.as_bytes()).await.unwrap();
    assert!(one_answer(&mut fresh).await.ends_with("ok\n"), "others made room");
    drop(held);
    drop(child.child.stdin.take());
    let ended = tokio::time::timeout(PATIENCE, child.child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

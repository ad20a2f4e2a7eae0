//! The service as a process: ports, sockets, starting and stopping.

use social_channel_server::Access;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use library_tests::{Stage, until};
use social_channel::{ErrorKind, SecretText};
use social_channel_server::{Config, Listen, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    address: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<social_channel::Result<()>>,
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

fn config(folder: &Path) -> Config {
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap(), Listen::Unix(folder.join("api.sock"))],
        workers: false,
        stop_seconds: 5,
        ..Config::default()
    }
}

async fn start(stage: &Stage) -> Running {
    let server = Server::bind(config(stage.folder.path())).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = oneshot::channel();
    let builder = library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap();
    let host = server.prepare(builder).unwrap().open().await.unwrap();
    let task = tokio::spawn(server.run(host, async move { stopped.await.unwrap_or(()) }));
    Running { address, stop, task }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Writes a raw request, and reads until the service closes the connection.
async fn raw(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_it_is_open_until_a_password_is_set() {
    let stage = Stage::new().await.unwrap();
    let running = start(&stage).await;
    let list = format!("{}/api/v1/channels", running.address);
    assert_eq!(client().get(&list).send().await.unwrap().status(), 200);

    let host = running.address.strip_prefix("http://").unwrap();
    let stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let rebound = "GET /api/v1/channels HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let answer = raw(stream, rebound).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "a name that points here is not ours: {answer}");

    // A browser is redirected to the host name of callbacks, where its cookie is valid.
    let stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let port = host.rsplit(':').next().unwrap();
    let named = format!(
        "GET /x?y HTTP/1.1\r\nhost: localhost:{port}\r\naccept: text/html\r\nconnection: close\r\n\r\n"
    );
    let answer = raw(stream, &named).await;
    assert!(
        answer.starts_with("HTTP/1.1 307") && answer.contains(&format!("location: http://{host}/x?y")),
        "{answer}"
    );

    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    assert_eq!(client().get(&list).send().await.unwrap().status(), 401);
    let key = Access::of(&stage.host).create_api_key("x", None).await.unwrap().text;
    let answer = client().get(&list).bearer_auth(key.expose()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_this_users_own_and_needs_no_key() {
    let stage = Stage::new().await.unwrap();
    Access::of(&stage.host).set_password(Some(SecretText::new("correct horse"))).await.unwrap();
    let path = stage.folder.path().join("api.sock");
    let running = start(&stage).await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = "GET /api/v1/channels HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = raw(stream, request).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[]"), "{answer}");

    let second = Server::bind(config(stage.folder.path())).await.unwrap_err();
    assert!(second.message.contains("another process"), "{second}");
    running.stop().await;
    assert!(!path.exists(), "it goes with the service");

    // A socket left by a killed process is replaced; any other file is not touched.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    start(&stage).await.stop().await;
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(Server::bind(config(stage.folder.path())).await.unwrap_err().kind, ErrorKind::Misconfigured);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_future_is_dropped_leaves_its_port_its_socket_and_its_connections() {
    let stage = Stage::new().await.unwrap();
    let path = stage.folder.path().join("api.sock");
    let Running { address, stop, task } = start(&stage).await;
    let port = address.strip_prefix("http://").unwrap();
    let mut open = tokio::net::TcpStream::connect(port).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {port}\r\n\r\n");
    open.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The connection would have stayed open for more requests.
    let _ = open.read_to_end(&mut Vec::new()).await;
    until("the end of port and socket", async || {
        let refused = tokio::net::TcpStream::connect(port).await.is_err();
        (refused && !path.exists()).then_some(())
    })
    .await;
    start(&stage).await.stop().await;
    drop(stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_this_machine_it_serves_only_with_a_password_or_a_key() {
    let stage = Stage::new().await.unwrap();
    let everywhere = || Config { listen: vec!["0.0.0.0:0".parse().unwrap()], ..config(Path::new("/")) };
    let behind_a_proxy = || Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        public_address: Some("https://social.example.com".to_owned()),
        ..config(Path::new("/"))
    };
    for config in [everywhere(), behind_a_proxy()] {
        let host = stage.second_host().await.unwrap();
        let error = Server::bind(config).await.unwrap().run(host, std::future::pending()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Misconfigured);
        assert!(error.remedy.unwrap().contains("password"));
    }
    Access::of(&stage.host).create_api_key("x", None).await.unwrap();
    for config in [everywhere(), behind_a_proxy()] {
        let server = Server::bind(config).await.unwrap();
        let Listen::Tcp(address) = server.addresses().remove(0) else { panic!("a port was expected") };
        let (stop, stopped) = oneshot::channel();
        let host = stage.second_host().await.unwrap();
        let task = tokio::spawn(server.run(host, async move { stopped.await.unwrap_or(()) }));
        let list = client().get(format!("http://127.0.0.1:{}/api/v1/channels", address.port()));
        let answer = list.header("host", "social.example.com").send().await.unwrap();
        assert_eq!(answer.status(), 401, "nobody comes in without");
        stop.send(()).unwrap();
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_event_streams_and_parks_the_job_for_the_next_start() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap();
    let running = start(&stage).await;
    let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        + Duration::from_secs(3600);
    let mut request = library_tests::request("Later", stage.video(1_000_000).unwrap());
    request.publish_at = Some(i64::try_from(later.as_secs()).unwrap());
    let job = stage.tenant.publish(&channel.id, request).await.unwrap();

    let url = format!("{}/api/v1/jobs/{}/events", running.address, job.id);
    let mut events = client().get(url).send().await.unwrap();
    let first = events.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: job"));
    running.stop().await;
    while events.chunk().await.unwrap().is_some() {}

    let again = start(&stage).await;
    let url = format!("{}/api/v1/jobs/{}", again.address, job.id);
    let job: serde_json::Value =
        serde_json::from_slice(&client().get(url).send().await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(job["status"], "active");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_kept_for_as_many_days_as_configured() {
    let stage = Stage::in_world(library_tests::world(), |builder| builder.background(false)).await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let job = stage
        .tenant
        .publish(&channel, library_tests::request("x", stage.video(4_096).unwrap()))
        .await
        .unwrap();
    stage.tenant.cancel_job(&job.id).await.unwrap();
    stage.host.work(Some(Duration::ZERO)).await.unwrap();
    assert!(stage.tenant.job(&job.id).await.unwrap().has_ended());
    let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], job_days: 3, ..Config::default() };
    let server = Server::bind(config).await.unwrap();
    let clock = std::sync::Arc::new(social_channel::MovedClock::default());
    let builder = library_tests::builder(stage.folder.path(), &stage.simulator.origin()).unwrap();
    let host = server.prepare(builder).unwrap().clock(clock.clone()).open().await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    clock.advance(2 * day);
    host.work(Some(Duration::ZERO)).await.unwrap();
    stage.tenant.job(&job.id).await.unwrap();
    clock.advance(2 * day);
    host.work(Some(Duration::ZERO)).await.unwrap();
    library_tests::until("the job is removed", async || stage.tenant.job(&job.id).await.err()).await;
}

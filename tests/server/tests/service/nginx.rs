//! The service behind a real nginx, configured as the documentation shows.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use library_tests::{PATIENCE, Stage, request, until};
use social_channel_server::{Access, Config, Listen, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// The block of the documentation, with the listeners of this test.
fn documented(socket: &Path, service: &str) -> String {
    let text = include_str!("../../../../docs/service.md");
    let block = text.split_once("```nginx\n").unwrap().1.split_once("```").unwrap().0;
    let replaced = |text: &str, from: &str, to: &str| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    };
    let block = replaced(block, "listen 443 ssl;", &format!("listen unix:{};", socket.display()));
    // Here is no TLS, and no certificate.
    let block = block.lines().filter(|line| !line.contains("ssl_certificate")).collect::<Vec<_>>().join("\n");
    replaced(&block, "http://127.0.0.1:8080", service)
}

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A single process, so that nothing of it outlives the test.
fn nginx(folder: &Path, server: &str) -> Nginx {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {}/{name};\n", folder.display()))
        .concat();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let file = folder.join("nginx.conf");
    let at = folder.display();
    let text = format!(
        "daemon off;\nmaster_process off;\n{user}pid {at}/nginx.pid;\nerror_log {at}/nginx.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    // Debian's is not in the path of everybody.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let child = Command::new("nginx")
        .env("PATH", path)
        .arg("-c")
        .arg(&file)
        .arg("-e")
        .arg(folder.join("nginx.log"))
        .stdin(Stdio::null())
        .spawn();
    Nginx(child.unwrap_or_else(|error| panic!("nginx is missing ({error}): apt-get install nginx-light")))
}

async fn answer(stream: &mut UnixStream, head: &str, body: &[u8]) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    // A refusal may come, and the connection end, before all was sent.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ended = read.expect("nginx does not answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_event_streams_pass_the_documented_nginx() {
    let stage = Stage::new().await.unwrap();
    let channel = stage.connect().await.unwrap().id;
    let key = Access::of(&stage.host).create_api_key("x", None).await.unwrap().text;
    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        public_address: Some("https://social.example.com".to_owned()),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        workers: false,
        ..Config::default()
    };
    let server = Server::bind(config).await.unwrap();
    let Listen::Tcp(address) = server.addresses().remove(0) else { panic!("a port was expected") };
    let (stop, stopped) = oneshot::channel();
    let host = stage.second_host().await.unwrap();
    let serving = tokio::spawn(server.run(host, async move { stopped.await.unwrap_or(()) }));
    let socket = stage.folder.path().join("nginx.sock");
    let _nginx = nginx(stage.folder.path(), &documented(&socket, &format!("http://{address}")));
    let connect = async || until("nginx", async || UnixStream::connect(&socket).await.ok()).await;
    let head = |line: &str, more: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: social.example.com\r\nauthorization: Bearer {}\r\n{more}\r\n",
            key.expose()
        )
    };

    // More than nginx takes by itself.
    let video = library_tests::video_bytes(5 << 20).unwrap();
    let more = format!("connection: close\r\ncontent-type: video/mp4\r\ncontent-length: {}\r\n", video.len());
    let uploaded = answer(&mut connect().await, &head("POST /api/v1/uploads", &more), &video).await;
    assert!(uploaded.starts_with("HTTP/1.1 201"), "{uploaded}");

    // The stream stays open, so what nginx kept back would never come.
    let mut later = request("Later", stage.video(4_096).unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    later.publish_at = Some(i64::try_from(now).unwrap() + 7_200);
    let job = stage.tenant.publish(&channel, later).await.unwrap().id;
    let mut stream = BufReader::new(connect().await);
    let asked = head(&format!("GET /api/v1/jobs/{job}/events"), "");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut line = String::new();
    while !line.starts_with("data: {") {
        line.clear();
        let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await;
        assert!(read.expect("nginx keeps the events back").unwrap() > 0, "the stream ended");
    }
    assert!(line.contains(&job), "{line}");
    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

//! With the feature `otlp` a collector gets the service's requests, and nothing that is secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// Reads a request with its body.
fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).unwrap();
    while reader.read_line(&mut line).unwrap() > 2 {
        let name_and_value = line.trim().to_ascii_lowercase();
        if let Some(value) = name_and_value.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, body)
}

#[test]
fn a_collector_gets_requests_without_their_secrets() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_social-channel"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("SOCIAL_CHANNEL_DATA", folder.path())
        .env("SOCIAL_CHANNEL_OTLP_ENDPOINT", &endpoint)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    let mut asks = TcpStream::connect(address).unwrap();
    let ask = format!(
        "GET /api/v1/channels?token=hidden-in-the-query HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer hidden-in-a-header\r\nconnection: close\r\n\r\n"
    );
    asks.write_all(ask.as_bytes()).unwrap();
    asks.read_to_end(&mut Vec::new()).unwrap();

    // The end of the program sends what is left.
    Command::new("sh").args(["-c", &format!("kill -INT {}", service.id())]).status().unwrap();
    let (mut stream, _) = collector.accept().unwrap();
    let (first, body) = request(&mut stream);
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    assert!(service.wait().unwrap().success());
    assert!(first.starts_with("POST /v1/traces "), "{first}");
    let text = String::from_utf8_lossy(&body);
    for part in ["social-channel", "request", "/api/v1/channels"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(!text.contains("hidden-in"), "{text}");
}

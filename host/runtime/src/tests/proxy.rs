//! The operator's proxy: where names resolve only there, requests pass it, and grants count as before.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::{Server, read_head, scripted};
use super::*;
use crate::error::{Error, ErrorKind, Outcome};

/// A name that no resolver knows (RFC 6761).
const API: &str = "https://api.invalid";

/// A proxy. `CONNECT` to the granted host is answered with 200; what comes through then is noted: its first byte.
async fn proxy(behind: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let (port, _) = scripted(move |mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            let head = read_head(&mut stream).await;
            seen.lock().unwrap().push(head.clone());
            if head.starts_with("CONNECT api.invalid:443 ") {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let mut first = [0];
                if stream.read_exact(&mut first).await.is_ok() {
                    seen.lock().unwrap().push(format!("through the tunnel: {:#x}", first[0]));
                }
            } else if head.starts_with("CONNECT") {
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            } else {
                // Without encryption the proxy reads the request, and makes it itself.
                let mut target = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                target.write_all(head.as_bytes()).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
            }
        }
    })
    .await;
    (port, heads)
}

async fn ask(proxy: u16, policy: Policy, url: &str) -> Result<String, Error> {
    let through = format!("http://user:pass@127.0.0.1:{proxy}").parse().unwrap();
    let egress = Arc::new(Egress::new(policy, &Clients::through(through)).unwrap());
    let cx = CallContext { egress, ..context(&[("behaviour", "get"), ("url", url)]) };
    bio(&hasty().await, cx).await
}

#[tokio::test]
async fn requests_pass_the_proxy_and_names_are_resolved_there() {
    let server = Server::saying("hello").await;
    let (port, heads) = proxy(server.port).await;
    let policy = || Policy::granting([API, "http://api.invalid", "https://other.invalid"]).unwrap();
    assert_eq!(ask(port, policy(), "http://api.invalid/x?y=1").await.unwrap(), "200 hello");
    assert_eq!(server.seen()[0].header("host"), Some("api.invalid"));
    let sent = heads.lock().unwrap().remove(0);
    assert!(sent.starts_with("GET http://api.invalid/x?y=1 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.to_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnz"), "{sent}");

    // With encryption the proxy learns the name alone. This one has no certificate for it.
    ask(port, policy(), API).await.unwrap_err();
    let [connect, tunnel] = std::mem::take(&mut *heads.lock().unwrap()).try_into().unwrap();
    assert!(connect.starts_with("CONNECT api.invalid:443 HTTP/1.1\r\n"), "{connect}");
    assert_eq!(tunnel, "through the tunnel: 0x16", "a TLS handshake");

    // What the proxy refuses was not sent.
    let error = ask(port, policy(), "https://other.invalid").await.unwrap_err();
    assert_eq!(error.outcome, Some(Outcome::NotDone), "{error:?}");
}

#[tokio::test]
async fn the_proxy_is_asked_for_nothing_that_is_not_granted() {
    let server = Server::saying("hello").await;
    let (port, heads) = proxy(server.port).await;
    let policy = Policy::granting([API, "https://10.0.0.1", "https://[64:ff9b::a00:1]"]).unwrap();
    for url in ["https://evil.test", "http://api.invalid", "https://10.0.0.1", "https://[64:ff9b::a00:1]"] {
        let error = ask(port, policy.clone(), url).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeniedByPolicy, "{url}: {error:?}");
    }
    // A mapped origin is on this machine.
    assert_eq!(ask(port, mapped(server.port), "https://api.example.com/").await.unwrap(), "200 hello");
    assert!(heads.lock().unwrap().is_empty());
}

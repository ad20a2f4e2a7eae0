//! A provider's requests: which are sent, which are refused, and their results.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::io::AsyncWriteExt;

use super::server::{Server, read_head, scripted};
use super::*;
use crate::Gate;
use crate::error::{Error, ErrorKind, Outcome};

const API: &str = "https://api.example.com";

async fn run(policy: Policy, behaviour: &str, url: &str) -> Result<String, Error> {
    let cx = CallContext { egress: egress(policy), ..context(&[("behaviour", behaviour), ("url", url)]) };
    bio(&hasty().await, cx).await
}

async fn ask(server: &Server, behaviour: &str) -> Result<String, Error> {
    run(mapped(server.port), behaviour, "https://api.example.com/path?query=%2F").await
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn a_granted_request_arrives_as_written() {
    let server = Server::saying("hello").await;
    assert_eq!(ask(&server, "get").await.unwrap(), "200 hello");
    assert_eq!(ask(&server, "post").await.unwrap(), "200 hello");
    let [get, post] = server.seen().try_into().unwrap();
    assert_eq!((get.method.as_str(), get.path.as_str()), ("GET", "/path?query=%2F"));
    // The requested URL, not the mapped one; no body, and no headers added by the host.
    assert_eq!(get.header("host"), Some("api.example.com"));
    assert_eq!((get.header("content-length"), get.header("transfer-encoding")), (None, None));
    assert_eq!((get.header("cookie"), get.header("accept-encoding")), (None, None));
    assert_eq!((post.header("content-length"), post.header("x-test")), (Some("5"), Some("yes")));
    assert_eq!(post.body.unwrap(), "hello");
}

#[tokio::test]
async fn an_origin_without_grant_is_denied() {
    let server = Server::saying("hello").await;
    let policy = Policy {
        connect_to: vec![format!("https://evil.test = http://127.0.0.1:{}", server.port).parse().unwrap()],
        ..Policy::granting([API]).unwrap()
    };
    for url in ["https://evil.test/?token=secret", "http://api.example.com/", "https://api.example.com:444/"]
    {
        let error = run(policy.clone(), "get", url).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeniedByPolicy, "{error:?}");
        assert_eq!(error.outcome, Some(Outcome::NotDone));
        assert!(!error.message.contains("secret"));
        assert!(error.remedy.unwrap().contains(&error.field.unwrap()));
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_inner_network_is_denied_by_address_and_by_name() {
    let server = Server::saying("hello").await;
    let port = server.port;
    for host in
        ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost"]
    {
        let url = format!("http://{host}:{port}/");
        let origin = url.trim_end_matches('/').to_owned();
        let error = run(Policy::granting([&origin]).unwrap(), "get", &url).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::DeniedByPolicy, "{host}: {error:?}");
        let range =
            if host == "0.0.0.0" { "in 0.0.0.0/8 (this network)" } else { "in 127.0.0.0/8 (this machine)" };
        assert!(error.message.contains(range), "{error:?}");
        assert_eq!(error.outcome, Some(Outcome::NotDone));
    }
    assert_eq!(server.connections(), 0);
    // The same URL, allowed.
    let url = format!("http://127.0.0.1:{port}");
    let policy = Policy { allow_private_networks: true, ..Policy::granting([&url]).unwrap() };
    assert_eq!(run(policy, "get", &url).await.unwrap(), "200 hello");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let elsewhere = Server::saying("stolen").await;
    let target = format!("http://127.0.0.1:{}/", elsewhere.port);
    let server = Server::start(move |_| {
        let mut response = answer(302, "moved");
        response.headers_mut().insert("location", target.parse().unwrap());
        response
    })
    .await;
    assert_eq!(ask(&server, "get").await.unwrap(), "302 moved");
    assert_eq!((server.seen().len(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn an_unknown_outcome_stays_unknown_after_a_denial() {
    let error = run(Policy::default(), "denied-then-unknown", API).await.unwrap_err();
    assert_eq!((error.kind, error.outcome), (ErrorKind::OutcomeUnknown, Some(Outcome::Unknown)));
}

#[tokio::test]
async fn a_closed_gate_lets_nothing_out() {
    struct Lease(AtomicBool);

    impl Gate for Lease {
        fn may_send(&self) -> bool {
            // Enough for one request.
            self.0.swap(false, Ordering::SeqCst)
        }
    }

    let server = Server::saying("hello").await;
    let cx = CallContext {
        egress: egress(mapped(server.port)),
        gate: Some(Arc::new(Lease(AtomicBool::new(true)))),
        ..context(&[("behaviour", "get-twice"), ("url", API)])
    };
    let error = bio(&hasty().await, cx).await.unwrap_err();
    assert!(error.message.contains("DestinationUnavailable"), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_meets_the_limit() {
    let (port, connections) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = run(mapped(port), "get", API).await.unwrap_err();
    assert_eq!((error.kind, error.outcome), (ErrorKind::LimitExceeded, Some(Outcome::Unknown)), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_dribbles_makes_progress() {
    let (port, _) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
        // Longer in total than the idle limit.
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            stream.write_all(b"x").await.unwrap();
        }
    })
    .await;
    assert_eq!(run(mapped(port), "get", API).await.unwrap(), "200 xxxxxxxxxx");
}

#[tokio::test]
async fn a_providers_own_patience_is_honoured() {
    let (port, _) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let error = run(mapped(port), "get-first-byte-timeout", API).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("ConnectionReadTimeout"), "{error:?}");
}

#[tokio::test]
async fn nothing_is_repeated() {
    let (port, connections) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        // Closed without a response.
    })
    .await;
    for behaviour in ["get", "post"] {
        let before = connections.load(Ordering::SeqCst);
        let error = run(mapped(port), behaviour, API).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
        assert_eq!(connections.load(Ordering::SeqCst), before + 1);
    }
}

#[tokio::test]
async fn an_answer_cut_off_is_not_whole() {
    let (port, _) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    })
    .await;
    let error = run(mapped(port), "get", API).await.unwrap_err();
    assert!(
        error.message.contains("HttpResponseIncomplete") || error.message.contains("ConnectionTerminated"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_reached() {
    // A port that was just free.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = run(mapped(port), "get", API).await.unwrap_err();
    assert!(error.message.contains("ConnectionRefused"), "{error:?}");
    let error = run(mapped(port), "request-then-trap", API).await.unwrap_err();
    assert_eq!((error.kind, error.outcome), (ErrorKind::ProviderFault, Some(Outcome::NotDone)));
}

#[tokio::test]
async fn answers_are_bounded() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/declared" | "/small" => {
            answer(200, vec![b'x'; if seen.path == "/small" { 50_000 } else { 50_001 }])
        }
        "/header" => {
            let mut response = answer(200, "");
            for number in 0..30 {
                response
                    .headers_mut()
                    .append("x-long", format!("{number}{}", "v".repeat(3_000)).parse().unwrap());
            }
            response
        }
        _ => {
            let mut response = answer(200, "");
            for number in 0..150 {
                response.headers_mut().append("x-many", number.to_string().parse().unwrap());
            }
            response
        }
    })
    .await;
    let get = async |path: &str| run(mapped(server.port), "get", &format!("{API}{path}")).await;
    assert_eq!(get("/small").await.unwrap().len(), 50_004);
    assert!(get("/declared").await.unwrap_err().message.contains("HttpResponseBodySize"));
    assert!(get("/header").await.unwrap_err().message.contains("HttpResponseHeaderSectionSize"));
    assert_eq!(get("/headers").await.unwrap_err().kind, ErrorKind::Unavailable);

    let (port, _) = scripted(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    let error = run(mapped(port), "get", API).await.unwrap_err();
    assert!(error.message.contains("HttpResponseBodySize"), "{error:?}");
}

#[tokio::test]
async fn headers_of_a_request_are_bounded_and_its_host_is_ours() {
    let server = Server::saying("hello").await;
    for (behaviour, word) in [("host-header", "Forbidden"), ("many-headers", "SizeExceeded")] {
        let error = ask(&server, behaviour).await.unwrap_err();
        assert!(error.message.contains(word), "{error:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn connections_are_used_again_and_cookies_are_not_kept() {
    let server = Server::start(|seen| {
        let mut response = answer(200, format!("{:?}", seen.header("cookie")));
        response.headers_mut().insert("set-cookie", "session=1; Path=/".parse().unwrap());
        response
    })
    .await;
    assert_eq!(ask(&server, "get-twice").await.unwrap(), "None / 200 None");
    assert_eq!((server.seen().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_post_without_body_has_no_chunks() {
    let server = Server::saying("hello").await;
    ask(&server, "post-empty").await.unwrap();
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.body.as_ref().unwrap(), "");
    assert_eq!((seen.header("transfer-encoding"), seen.header("content-length")), (None, Some("0")));
}

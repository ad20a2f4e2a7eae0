//! A program with its own HTTP client.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};

use super::*;
use crate::error::{Error, ErrorKind, Outcome};
use crate::net::{Clients, HttpBody, HttpClient, HttpFailure};

/// Answers every request by a function of it.
struct Sender<F> {
    answer: F,
    asked: AtomicUsize,
}

#[async_trait]
impl<F> HttpClient for Sender<F>
where
    F: Fn(http::request::Parts, bytes::Bytes) -> Result<http::Response<HttpBody>, HttpFailure> + Send + Sync,
{
    async fn send(&self, request: http::Request<HttpBody>) -> Result<http::Response<HttpBody>, HttpFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        (self.answer)(parts, body.collect().await?.to_bytes())
    }
}

fn body(text: String) -> HttpBody {
    Full::new(bytes::Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

/// The result of `get-profile` if the program sends the requests, and the number of requests.
async fn by_program<F>(
    policy: Policy,
    behaviour: &str,
    url: &str,
    answer: F,
) -> (Result<String, Error>, usize)
where
    F: Fn(http::request::Parts, bytes::Bytes) -> Result<http::Response<HttpBody>, HttpFailure>
        + Send
        + Sync
        + 'static,
{
    let sender = Arc::new(Sender { answer, asked: AtomicUsize::new(0) });
    let egress = Arc::new(Egress::new(policy, &Clients::of_program(sender.clone())).unwrap());
    let cx = CallContext { egress, ..context(&[("behaviour", behaviour), ("url", url)]) };
    let said = bio(&hasty().await, cx).await;
    (said, sender.asked.load(Ordering::SeqCst))
}

fn granted() -> Policy {
    Policy::granting(["https://api.example.com"]).unwrap()
}

const URL: &str = "https://api.example.com/path?query=%2F";

#[tokio::test]
async fn a_request_reaches_the_program_as_written() {
    let (said, asked) = by_program(granted(), "post", URL, |parts, sent| {
        let headers: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        let text = format!("{} {} {headers:?} {sent:?}", parts.method, parts.uri);
        Ok(http::Response::new(body(text)))
    })
    .await;
    assert_eq!(
        said.unwrap(),
        r#"200 POST https://api.example.com/path?query=%2F ["content-length", "x-test", "user-agent"] b"hello""#
    );
    assert_eq!(asked, 1);
    // A mapped origin is already mapped, and keeps its name.
    let (said, _) = by_program(mapped(4010), "get", URL, |parts, _| {
        Ok(http::Response::new(body(format!("{} {:?}", parts.uri, parts.headers.get("host")))))
    })
    .await;
    assert_eq!(said.unwrap(), r#"200 http://127.0.0.1:4010/path?query=%2F Some("api.example.com")"#);
}

#[tokio::test]
async fn the_program_is_asked_only_for_what_the_policy_lets_out() {
    for url in ["https://evil.test/", "http://api.example.com/", "https://127.0.0.1/", "https://[::1]/"] {
        let policy = Policy::granting(["https://api.example.com", "https://127.0.0.1", "https://[::1]"]);
        let (said, asked) =
            by_program(policy.unwrap(), "get", url, |_, _| Ok(http::Response::new(body(String::new()))))
                .await;
        let error = said.unwrap_err();
        assert_eq!((error.kind, asked), (ErrorKind::DeniedByPolicy, 0), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_failure_of_the_program_is_told_as_what_it_is() {
    let cases = [
        (
            HttpFailure::Refused("closed".to_owned()),
            ErrorKind::DeniedByPolicy,
            "https://api.example.com: closed",
        ),
        (HttpFailure::NotSent("no route".to_owned()), ErrorKind::Unavailable, "no route"),
        (HttpFailure::TimedOut("slow".to_owned()), ErrorKind::Unavailable, "ConnectionReadTimeout"),
        (HttpFailure::Broken("cut".to_owned()), ErrorKind::Unavailable, "cut"),
    ];
    for (failure, kind, text) in cases {
        let given = failure.clone();
        let (said, asked) = by_program(granted(), "get", URL, move |_, _| Err(given.clone())).await;
        let error = said.unwrap_err();
        assert_eq!((error.kind, asked), (kind, 1), "{failure}: {error:?}");
        assert!(error.message.contains(text), "{failure}: {error:?}");
    }
    // Whether something may have been sent decides what is known about the effect.
    for (failure, outcome) in [
        (HttpFailure::Refused(String::new()), Outcome::NotDone),
        (HttpFailure::NotSent(String::new()), Outcome::NotDone),
        (HttpFailure::TimedOut(String::new()), Outcome::Unknown),
        (HttpFailure::Broken(String::new()), Outcome::Unknown),
    ] {
        let given = failure.clone();
        let (said, _) = by_program(granted(), "request-then-trap", URL, move |_, _| Err(given.clone())).await;
        assert_eq!(said.unwrap_err().outcome, Some(outcome), "{failure:?}");
    }
}

#[tokio::test]
async fn a_program_s_answer_is_as_long_as_it_says() {
    for (length, text) in [("10", "before its Content-Length"), ("2", "longer than its Content-Length")] {
        let (said, _) = by_program(granted(), "get", URL, move |_, _| {
            Ok(http::Response::builder()
                .header("content-length", length)
                .body(body("half".to_owned()))
                .unwrap())
        })
        .await;
        let error = said.unwrap_err();
        assert!(error.message.contains(text), "{error:?}");
    }
    let (said, _) = by_program(granted(), "get", URL, |_, _| {
        Ok(http::Response::builder()
            .status(204)
            .header("content-length", "7")
            .body(body(String::new()))
            .unwrap())
    })
    .await;
    assert_eq!(said.unwrap(), "204 ");
}

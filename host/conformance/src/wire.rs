//! The wire between a provider and the test server: every request passes here, is noted, and may be disturbed.
//!
//! It sends to this machine only.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use social_channel_runtime::net::{HttpBody, HttpClient, HttpFailure};

use crate::description::{Publish, RequestPattern};
use crate::fault::{Kind, Points, Strike};
use crate::tape::{Tape, full};

/// What all requests are answered, instead of being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Nobody is there.
    Down,
    /// The server's answer is lost.
    Lost,
    /// This answer: status, content type, body.
    Answer(u16, &'static str, &'static str),
}

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// `METHOD /path`, without query.
    pub(crate) what: String,
    /// Of this request a post may come.
    pub(crate) posts: bool,
    /// What makes two such requests the same post.
    key: Option<String>,
    /// The server has accepted it.
    accepted: bool,
}

#[derive(Default)]
struct Inner {
    exchanges: Vec<Exchange>,
    instead: Option<Instead>,
    patterns: Vec<RequestPattern>,
    key: Option<String>,
    secrets: BTreeSet<String>,
    unmapped: BTreeSet<String>,
}

/// The wire.
pub(crate) struct Wire {
    points: Arc<Points>,
    client: Client<HttpConnector, HttpBody>,
    inner: Mutex<Inner>,
    tape: Option<Arc<Tape>>,
}

impl Wire {
    pub(crate) fn new(points: Arc<Points>, publish: Option<&Publish>, tape: Option<Arc<Tape>>) -> Self {
        // One connection for each request: one that the server has closed meanwhile would look like a lost answer.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build(HttpConnector::new());
        let inner = Inner {
            patterns: publish.map(|it| it.requests.clone()).unwrap_or_default(),
            key: publish.and_then(|it| it.key.clone()),
            ..Inner::default()
        };
        Wire { points, client, inner: Mutex::new(inner), tape }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers all requests by this from now on.
    pub(crate) fn answer(&self, instead: Option<Instead>) {
        self.inner().instead = instead;
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> usize {
        self.inner().exchanges.len()
    }

    /// The requests after the first `count`.
    pub(crate) fn since(&self, count: usize) -> Vec<Exchange> {
        self.inner().exchanges.iter().skip(count).cloned().collect()
    }

    /// How many posts came of the accepted requests, as far as requests tell.
    pub(crate) fn posts(&self) -> usize {
        let inner = self.inner();
        let accepted = inner.exchanges.iter().filter(|it| it.posts && it.accepted);
        let (keyed, others): (Vec<_>, Vec<_>) = accepted.partition(|it| it.key.is_some());
        keyed.iter().map(|it| it.key.as_deref()).collect::<BTreeSet<_>>().len() + others.len()
    }

    /// Whether requests are known of which posts come.
    pub(crate) fn knows_posts(&self) -> bool {
        !self.inner().patterns.is_empty()
    }

    /// What requests carried to prove who sends them.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.inner().secrets.iter().cloned().collect()
    }

    /// Origins that were asked for and are nowhere on this machine.
    pub(crate) fn unmapped(&self) -> Vec<String> {
        self.inner().unmapped.iter().cloned().collect()
    }

    /// A request of the checks themselves; its answer's body.
    pub(crate) async fn ask(&self, method: &str, url: &str, body: Option<String>) -> Result<Bytes, String> {
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        let request = request.body(full(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| format!("{url}: {error}"))?;
        let response = self.client.request(request).await.map_err(|error| format!("{url}: {error}"))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() { Ok(body.to_bytes()) } else { Err(format!("{url} answers {status}")) }
    }

    /// Where an address redirects to, as a person's browser sees it.
    pub(crate) async fn redirected(&self, url: &str) -> Result<Option<String>, String> {
        let request = Request::builder().uri(url).body(full(Bytes::new()));
        let request = request.map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let location = response.headers().get(http::header::LOCATION);
        Ok(location.and_then(|it| it.to_str().ok()).map(str::to_owned))
    }

    /// Notes a request, and returns its place and the request to send.
    async fn note(
        &self,
        request: Request<HttpBody>,
    ) -> Result<(usize, String, Request<HttpBody>), HttpFailure> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let what = format!("{method} {path}");
        let (posts, pointer) = {
            let mut inner = self.inner();
            let said = request.headers().get(http::header::AUTHORIZATION).and_then(|it| it.to_str().ok());
            if let Some(token) = said.and_then(|it| it.split_whitespace().last()) {
                inner.secrets.insert(token.to_owned());
            }
            let posts = inner.patterns.iter().any(|pattern| pattern.matches(&method, &path));
            (posts, inner.key.clone().filter(|_| posts))
        };
        let (request, key) = match pointer {
            None => (request, None),
            Some(pointer) => {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let json = serde_json::from_slice::<serde_json::Value>(&body).ok();
                let key = json.and_then(|json| json.pointer(&pointer).map(ToString::to_string));
                (Request::from_parts(parts, full(body)), key)
            }
        };
        let mut inner = self.inner();
        inner.exchanges.push(Exchange { what: what.clone(), posts, key, accepted: false });
        Ok((inner.exchanges.len() - 1, what, request))
    }

    async fn sent(
        &self,
        place: usize,
        request: Request<HttpBody>,
    ) -> Result<Response<HttpBody>, HttpFailure> {
        let response = self.client.request(request).await.map_err(|error| {
            let why = error.to_string();
            if error.is_connect() { HttpFailure::NotSent(why) } else { HttpFailure::Broken(why) }
        })?;
        if let Some(exchange) = self.inner().exchanges.get_mut(place) {
            exchange.accepted = response.status().is_success();
        }
        Ok(response.map(|body| body.map_err(|error| HttpFailure::Broken(error.to_string())).boxed_unsync()))
    }
}

/// Whether an address is on this machine.
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && (loopback || host == "localhost")
}

#[async_trait]
impl HttpClient for Wire {
    async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, HttpFailure> {
        let uri = request.uri().clone();
        let (place, what, request) = self.note(request).await?;
        let strike = self.points.reach(Kind::Request, &what);
        if strike == Some(Strike::KillBefore) {
            self.points.die().await;
        }
        let instead = self.inner().instead.clone();
        match instead {
            Some(Instead::Down) => return Err(HttpFailure::NotSent("nobody is there".to_owned())),
            Some(Instead::Lost) => return Err(HttpFailure::Broken("the answer is lost".to_owned())),
            Some(Instead::Answer(status, content_type, body)) => {
                let answer = Response::builder()
                    .status(status)
                    .header("content-type", content_type)
                    .header("retry-after", "7")
                    .body(full(Bytes::from_static(body.as_bytes())));
                return answer.map_err(|error| HttpFailure::Broken(error.to_string()));
            }
            None => {}
        }
        if strike == Some(Strike::NotSent) {
            return Err(HttpFailure::NotSent("nobody is there".to_owned()));
        }
        let Some(tape) = &self.tape else {
            return self.delivered(place, request, &uri, strike).await;
        };
        let (written, request) = tape.form(request).await?;
        if tape.is_player() {
            return tape.play(&written);
        }
        tape.write(written, self.delivered(place, request, &uri, strike).await?).await
    }
}

impl Wire {
    /// Sends a request to the server, and loses the answer if that is planned.
    async fn delivered(
        &self,
        place: usize,
        request: Request<HttpBody>,
        uri: &Uri,
        strike: Option<Strike>,
    ) -> Result<Response<HttpBody>, HttpFailure> {
        if !is_here(uri) {
            let origin =
                format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
            self.inner().unmapped.insert(origin.clone());
            return Err(HttpFailure::NotSent(format!("the description does not say where {origin} is")));
        }
        let response = self.sent(place, request).await?;
        match strike {
            None | Some(Strike::KillBefore | Strike::NotSent) => Ok(response),
            Some(Strike::KillAfter | Strike::Lose) => {
                // The whole answer, so that the server has done all of it.
                let _ = response.into_body().collect().await;
                if strike == Some(Strike::KillAfter) {
                    self.points.die().await;
                }
                Err(HttpFailure::Broken("the answer is lost".to_owned()))
            }
        }
    }
}

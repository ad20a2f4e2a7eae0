//! A gate between a host and the PDS: it notes every request, can hold one before the server gets it or before its answer
//! leaves, and can lose an answer. And the person's browser at the server's sign-in page.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bluesky_server::Account;
use library_tests::CALLBACK;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// On which side of the server a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server never gets it.
    Before,
    /// The server has done it, and nobody learns of it.
    After,
}

pub(crate) struct Gate {
    pub(crate) origin: String,
    inner: Arc<Inner>,
}

struct Inner {
    to: String,
    client: reqwest::Client,
    paths: Mutex<Vec<String>>,
    last_status: AtomicU16,
    /// How many requests are left until the one to hold.
    stop: Mutex<Option<(usize, Stop)>>,
    held: Notify,
    lose: Mutex<Option<String>>,
}

impl Gate {
    pub(crate) async fn to(server: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let inner = Arc::new(Inner {
            to: server.to_owned(),
            client: client.build().unwrap(),
            paths: Mutex::default(),
            last_status: AtomicU16::new(0),
            stop: Mutex::default(),
            held: Notify::new(),
            lose: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(pass).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Gate { origin, inner }
    }

    /// The paths of all requests, in their order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.inner.paths.lock().unwrap().clone()
    }

    pub(crate) fn last_status(&self) -> u16 {
        self.inner.last_status.load(Ordering::Relaxed)
    }

    /// Holds the request that comes after `at` others.
    pub(crate) fn stop_at(&self, at: usize, side: Stop) {
        *self.inner.stop.lock().unwrap() = Some((at, side));
    }

    /// Until the request is held.
    pub(crate) async fn stopped(&self) {
        self.inner.held.notified().await;
    }

    /// Lets everything pass again; what is held stays so.
    pub(crate) fn let_go(&self) {
        *self.inner.stop.lock().unwrap() = None;
    }

    /// Loses the answer to the next request of this path.
    pub(crate) fn lose(&self, path: &str) {
        *self.inner.lose.lock().unwrap() = Some(path.to_owned());
    }
}

impl Inner {
    /// Whether this request is the one to hold.
    fn holds(&self) -> Option<Stop> {
        let mut stop = self.stop.lock().unwrap();
        match stop.as_mut() {
            Some((0, side)) => {
                let side = *side;
                *stop = None;
                Some(side)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    async fn hold(&self) {
        self.held.notify_one();
        std::future::pending().await
    }
}

async fn pass(State(gate): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    gate.paths.lock().unwrap().push(path.clone());
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let held = gate.holds();
    if held == Some(Stop::Before) {
        gate.hold().await;
    }
    let mut asked = gate.client.request(head.method, format!("{}{}", gate.to, head.uri)).body(body);
    // The name of the server stays the one that the caller used.
    for (name, value) in &head.headers {
        if !matches!(name.as_str(), "content-length" | "connection") {
            asked = asked.header(name, value);
        }
    }
    let answer = asked.send().await.unwrap();
    gate.last_status.store(answer.status().as_u16(), Ordering::Relaxed);
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if !matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection" | "keep-alive") {
            response = response.header(name, value);
        }
    }
    let body = answer.bytes().await.unwrap();
    if held == Some(Stop::After) {
        gate.hold().await;
    }
    let lost = gate.lose.lock().unwrap().take_if(|lost| *lost == path).is_some();
    if lost {
        let broken = futures::stream::once(async { Err::<&[u8], _>(std::io::Error::other("lost")) });
        return response.body(Body::from_stream(broken)).unwrap();
    }
    response.body(Body::from(body)).unwrap()
}

/// Signs in at the server's own page and agrees, as its script does; returns the query of the callback.
pub(crate) async fn sign_in(pds: &str, url: &str, account: &Account) -> Vec<(String, String)> {
    let browser =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    // The test's policy sends the browser through the gate, whose address the page would not take as its own.
    let at = url.find("/oauth/").unwrap();
    let page = format!("{pds}{}", &url[at..]);
    let mut cookies: Vec<String> = Vec::new();
    let visit = |target: String| {
        browser
            .get(target)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", "same-origin")
    };
    let shown = visit(page.clone()).send().await.unwrap();
    for cookie in shown.headers().get_all("set-cookie") {
        // They are `Secure`, though the server of a test speaks http.
        cookies.push(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    }
    let token = cookies.iter().find_map(|cookie| cookie.strip_prefix("csrf-token=")).unwrap().to_owned();
    let jar = cookies.join("; ");
    let press = async |name: &str, bearer: &str, body: Value| -> Value {
        let asked = browser
            .post(format!("{pds}/@atproto/oauth-provider/~api/{name}"))
            .header("cookie", &jar)
            .header("origin", pds)
            .header("referer", &page)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "same-origin")
            .header("x-csrf-token", &token)
            .header("content-type", "application/json")
            .header("authorization", bearer)
            .body(body.to_string());
        let answer = asked.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{name}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    };
    let signed = press(
        "sign-in",
        "",
        json!({ "locale": "en", "username": account.handle, "password": account.password, "remember": false }),
    )
    .await;
    let bearer = format!("Bearer {}", signed["ephemeralToken"].as_str().unwrap());
    let agreed = press("consent", &bearer, json!({ "did": account.did })).await;
    let back =
        visit(agreed["url"].as_str().unwrap().to_owned()).header("cookie", &jar).header("referer", &page);
    let answer = back.send().await.unwrap();
    let callback = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(callback.starts_with(CALLBACK), "{callback}");
    social_channel::callback_query(&callback)
}

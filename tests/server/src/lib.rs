//! Shared code of the service's test suites: the library's stage, a service, and calls without a socket.

mod storage;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use library_tests::Stage;
use serde_json::Value;
use social_channel::SecretText;
use social_channel_server::Access;
use social_channel_server::{Config, State, router};
use tower::ServiceExt as _;

pub use storage::Storage;

/// A service with a simulator and the operator's key.
pub struct Service {
    /// The simulated platform and the host.
    pub stage: Stage,
    /// All routes.
    pub router: Router,
    /// The operator's key.
    pub key: String,
}

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header's text; empty if it is missing.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }
}

impl Service {
    /// With the default configuration.
    ///
    /// # Errors
    /// When anything of it cannot be started.
    pub async fn new() -> Result<Self> {
        Self::with(Config::default()).await
    }

    /// With a given configuration.
    ///
    /// # Errors
    /// As [`Service::new`].
    pub async fn with(config: Config) -> Result<Self> {
        let address =
            config.public_address.clone().unwrap_or_else(|| "https://social.example.com".to_owned());
        let stage = Stage::in_world(library_tests::world(), |builder| {
            let builder = builder.public_address(address);
            match config.dns_server {
                Some(server) => builder.dns_server(server),
                None => builder,
            }
        })
        .await?;
        let key = Access::of(&stage.host).create_api_key("tests", None).await?.text.expose().to_owned();
        let router = router(State::new(stage.host.clone(), config)?);
        Ok(Service { stage, router, key })
    }

    /// Sends a request unchanged.
    ///
    /// # Errors
    /// When no complete response arrives.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer> {
        let response = self.router.clone().oneshot(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes().to_vec();
        Ok(Answer { status, headers, bytes })
    }

    /// Sends an operator's request with JSON, or without a body if `body` is null.
    ///
    /// # Errors
    /// As [`Service::send`].
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Answer> {
        self.call_with(&self.key, method, path, body).await
    }

    /// Like [`Service::call`], with another key.
    ///
    /// # Errors
    /// As [`Service::send`].
    pub async fn call_with(&self, key: &str, method: Method, path: &str, body: Value) -> Result<Answer> {
        let request =
            Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {key}"));
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
        };
        self.send(request.context("the test's request is malformed")?).await
    }

    /// Sends an operator's GET request.
    ///
    /// # Errors
    /// As [`Service::send`].
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, Value::Null).await
    }
}

/// The operator's browser, signed in.
pub struct Browser<'a> {
    service: &'a Service,
    cookie: String,
}

impl Service {
    /// Sets a password and signs a browser in.
    ///
    /// # Errors
    /// When that fails.
    pub async fn browser(&self) -> Result<Browser<'_>> {
        let value = "y".repeat(43);
        Access::of(&self.stage.host).set_password(Some(SecretText::new("correct horse"))).await?;
        Access::of(&self.stage.host).sign_in(&SecretText::new(value.as_str())).await?;
        Ok(Browser { service: self, cookie: format!("social-channel={value}") })
    }
}

impl Service {
    /// What the sign-in page answers, and the browser that it answers.
    ///
    /// # Errors
    /// When that fails.
    pub async fn sign_in(&self, name: Option<&str>, password: &str) -> Result<(Answer, Browser<'_>)> {
        let stranger = Browser { service: self, cookie: format!("social-channel={}", "x".repeat(43)) };
        let fields: Vec<_> =
            name.map(|name| ("name", name)).into_iter().chain([("password", password)]).collect();
        let answer = stranger.submit("/sign-in", "/sign-in", &fields).await?;
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Ok((answer, Browser { service: self, cookie }))
    }
}

impl Browser<'_> {
    /// Opens a page.
    ///
    /// # Errors
    /// As [`Service::send`].
    pub async fn open(&self, path: &str) -> Result<Answer> {
        self.service.send(Request::get(path).header(COOKIE, &self.cookie).body(Body::empty())?).await
    }

    /// Sends a form of the page at `page` to `path`.
    ///
    /// # Errors
    /// As [`Service::send`], and when the page has no token.
    pub async fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        self.submit_with(&self.token(page).await?, path, fields).await
    }

    /// The token of the page at `page`.
    ///
    /// # Errors
    /// As [`Service::send`], and when the page has no token.
    pub async fn token(&self, page: &str) -> Result<String> {
        let shown = self.open(page).await?.text();
        let token = shown.split_once(r#"name="csrf" content=""#).and_then(|(_, rest)| rest.split_once('"'));
        Ok(token.with_context(|| format!("no token in {page}"))?.0.to_owned())
    }

    /// A request of a page's script.
    pub fn script(&self, method: Method, path: &str, token: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path).header(COOKIE, &self.cookie).header("x-csrf-token", token)
    }

    /// Sends a form with the token of a page that was opened before.
    ///
    /// # Errors
    /// As [`Service::send`].
    pub async fn submit_with(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", token)
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))?;
        self.service.send(request).await
    }
}

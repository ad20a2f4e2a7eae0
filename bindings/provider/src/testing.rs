//! An [`Environment`] for native tests: scripted responses, recorded requests, storage in memory, a clock
//! that only moves when a test moves it. Not part of a component.
#![allow(clippy::panic, reason = "test code: a panic is the report")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::bindings::social::channel::storage::{Entry, SetOptions, StorageError};
use crate::environment::{Environment, Media, MediaInfo};
use crate::http::{Body, Method, Request, Response, SendError};
use crate::types::Error;

/// Media that consists only of its description.
#[derive(Clone, Debug)]
pub struct FakeMedia(pub MediaInfo);

impl Media for FakeMedia {
    fn info(&self) -> MediaInfo {
        self.0.clone()
    }
}

impl FakeMedia {
    /// A video file of this size without other properties.
    #[must_use]
    pub fn video(size: u64) -> Self {
        Self(MediaInfo {
            role: "media".to_owned(),
            size,
            content_type: "video/mp4".to_owned(),
            file_name: None,
            alt_text: None,
            duration: None,
            width: None,
            height: None,
            frame_rate: None,
            codec: None,
            public_url: None,
            options: Vec::new(),
            details: Vec::new(),
        })
    }
}

/// A request as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SentRequest {
    /// Its method.
    pub method: Method,
    /// Its URL.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its bytes; empty for media.
    pub body: Vec<u8>,
    /// Offset and length, if the body was media.
    pub media: Option<(u64, u64)>,
}

impl SentRequest {
    /// The first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON; null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

struct Stored {
    entry: Entry,
    expires: Option<u64>,
}

/// A simulated server: returns the response to each request.
type Responder = Box<dyn FnMut(&SentRequest) -> Result<Response, SendError>>;

/// An environment controlled by a test.
#[derive(Default)]
pub struct FakeEnvironment {
    settings: BTreeMap<String, String>,
    now_ms: Cell<u64>,
    random: Cell<u8>,
    answers: RefCell<VecDeque<Result<Response, SendError>>>,
    responder: RefCell<Option<Responder>>,
    sent: RefCell<Vec<SentRequest>>,
    stored: RefCell<BTreeMap<String, Stored>>,
    next_version: Cell<u64>,
    storage_down: Cell<bool>,
}

impl FakeEnvironment {
    /// An environment at 1,795,000,000 seconds, without settings, responses and stored values.
    #[must_use]
    pub fn new() -> Self {
        let environment = Self::default();
        environment.now_ms.set(1_795_000_000_000);
        environment
    }

    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a response for the next request without one; responses are used in the order in which they were added.
    pub fn answer(&self, answer: Result<Response, SendError>) -> &Self {
        self.answers.borrow_mut().push_back(answer);
        self
    }

    /// Adds a response with a status and a text.
    pub fn answer_text(&self, status: u16, body: &str) -> &Self {
        self.answer(Ok(Response { status, body: body.as_bytes().to_vec(), ..Response::default() }))
    }

    /// Adds a response with a status and JSON.
    pub fn answer_json(&self, status: u16, body: &serde_json::Value) -> &Self {
        self.answer_text(status, &body.to_string())
    }

    /// Adds a response with a status, a header and no body.
    pub fn answer_header(&self, status: u16, name: &str, value: &str) -> &Self {
        let headers = vec![(name.to_owned(), value.to_owned())];
        self.answer(Ok(Response { status, headers, ..Response::default() }))
    }

    /// Responds to every request for which no response was added.
    pub fn respond(&self, server: impl FnMut(&SentRequest) -> Result<Response, SendError> + 'static) {
        self.responder.replace(Some(Box::new(server)));
    }

    /// Returns and removes the requests sent so far.
    pub fn take_sent(&self) -> Vec<SentRequest> {
        self.sent.take()
    }

    /// The number of unused responses.
    #[must_use]
    pub fn unused_answers(&self) -> usize {
        self.answers.borrow().len()
    }

    /// Moves the clock.
    pub fn advance_ms(&self, milliseconds: u64) {
        self.now_ms.set(self.now_ms.get() + milliseconds);
    }

    /// Makes storage fail from now on.
    pub fn break_storage(&self) {
        self.storage_down.set(true);
    }

    fn storage_up(&self) -> Result<(), StorageError> {
        if self.storage_down.get() {
            return Err(StorageError::Unavailable("broken by the test".to_owned()));
        }
        let now = self.now_ms.get();
        self.stored.borrow_mut().retain(|_, stored| stored.expires.is_none_or(|at| at > now));
        Ok(())
    }
}

impl Environment for FakeEnvironment {
    type Media = FakeMedia;

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    async fn sleep_ms(&self, milliseconds: u64) {
        self.advance_ms(milliseconds);
    }

    fn random(&self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.random.set(self.random.get().wrapping_add(37));
                self.random.get()
            })
            .collect()
    }

    fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.settings.get(name).cloned())
    }

    async fn send(&self, request: Request<'_, FakeMedia>) -> Result<Response, SendError> {
        let (body, media) = match request.body {
            Body::Empty => (Vec::new(), None),
            Body::Bytes(bytes) => (bytes, None),
            Body::Media { offset, length, .. } => (Vec::new(), Some((offset, length))),
        };
        let sent =
            SentRequest { method: request.method, url: request.url, headers: request.headers, body, media };
        let answer = self.answers.borrow_mut().pop_front();
        let answer = match (answer, self.responder.borrow_mut().as_mut()) {
            (Some(answer), _) => answer,
            (None, Some(server)) => server(&sent),
            (None, None) => panic!("no answer was prepared for {:?} {}", sent.method, sent.url),
        };
        self.sent.borrow_mut().push(sent);
        answer
    }

    async fn storage_get(&self, key: &str) -> Result<Option<Entry>, StorageError> {
        self.storage_up()?;
        Ok(self.stored.borrow().get(key).map(|stored| stored.entry.clone()))
    }

    async fn storage_set(&self, key: &str, value: Vec<u8>, options: SetOptions) -> Result<u64, StorageError> {
        self.storage_up()?;
        let present = self.stored.borrow().get(key).map_or(0, |stored| stored.entry.version);
        if options.if_version.is_some_and(|version| version != present) {
            return Err(StorageError::Conflict);
        }
        if key.len() > 512 || value.len() > 64 * 1024 {
            return Err(StorageError::LimitExceeded);
        }
        let version = self.next_version.get() + 1;
        self.next_version.set(version);
        let expires = options.ttl.map(|ttl| self.now_ms.get() + ttl);
        let stored = Stored { entry: Entry { value, version }, expires };
        self.stored.borrow_mut().insert(key.to_owned(), stored);
        Ok(version)
    }

    async fn storage_delete(&self, key: &str) -> Result<(), StorageError> {
        self.storage_up()?;
        self.stored.borrow_mut().remove(key);
        Ok(())
    }

    async fn storage_keys(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StorageError> {
        self.storage_up()?;
        let stored = self.stored.borrow();
        let keys = stored.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(100).cloned().collect())
    }
}

/// Runs a future that needs only a [`FakeEnvironment`], which responds at once.
///
/// # Panics
/// If the future waits for something.
pub fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits for something that no test double gives"),
    }
}

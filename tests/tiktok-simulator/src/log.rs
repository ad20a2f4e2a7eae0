//! The recorder: one [`Exchange`] per request, and the violations of what a client must never ask.
//! Keeps the newest entries only, so that a long run stays small.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Entries kept. Enough for every test; a 4 GB upload is about 400 of them.
const KEPT: usize = 20_000;

/// Bytes of a request body shown in the log.
const BODY_SHOWN: usize = 2048;

/// Something a client did that TikTok would let pass, or about which nothing is known, but which is a trap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Section of the contract, as in `1.3, trap 29`.
    pub rule: String,
    /// What was seen, in one sentence.
    pub text: String,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Section of the contract, as in `10.1 C8`.
    pub rule: String,
    /// What is wrong, in one sentence.
    pub text: String,
}

/// A refresh token that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefreshUse {
    /// Tells tokens apart, and does not tell the token.
    pub fingerprint: String,
    /// It had been replaced by a newer one already.
    pub was_rotated: bool,
}

/// One request and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exchange {
    /// Counts from 1.
    pub number: u64,
    /// Virtual time of arrival, milliseconds since 1970.
    pub time_ms: i64,
    /// HTTP method.
    pub method: String,
    /// `Host` header without port.
    pub host: String,
    /// Path, as sent.
    pub path: String,
    /// Query, as sent; upload tokens, codes and PKCE values are masked.
    pub query: String,
    /// Names of the request's headers, lower case.
    pub header_names: Vec<String>,
    /// `Content-Type` of the request.
    pub content_type: Option<String>,
    /// Bytes of request body read.
    pub body_bytes: u64,
    /// `Content-Range` of the request.
    pub content_range: Option<String>,
    /// Beginning of a text body; secrets are masked.
    pub body: Option<String>,
    /// App, once known.
    pub client_key: Option<String>,
    /// Username, once known.
    pub account: Option<String>,
    /// Status of the answer; 0: none was sent.
    pub status: u16,
    /// `error.code`, or the OAuth `error`, of the answer.
    pub code: Option<String>,
    /// Why the request was refused, by a rule of the contract.
    pub refusal: Option<Refusal>,
    /// Traps the client fell into without being refused.
    pub findings: Vec<Finding>,
    /// Whether the request changed anything, whatever the answer said.
    pub had_effect: bool,
    /// The refresh token in it, if it is one that was issued.
    pub refresh: Option<RefreshUse>,
    /// The fault that was played, if any.
    pub fault: Option<String>,
    /// The answer did not go out whole: the client went away, or a fault cut the connection.
    pub answer_lost: bool,
}

/// A request that is out of bounds for this project: `video.upload`, the inbox, `MEDIA_UPLOAD`.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// [`Exchange::number`] of the request.
    pub exchange: u64,
    /// What was asked for.
    pub text: String,
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    exchanges: VecDeque<Exchange>,
    violations: Vec<Violation>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers are given on arrival, so that a violation can name its exchange before it ends.
    pub(crate) fn next_number(&self) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        inner.next
    }

    pub(crate) fn record(&self, exchange: Exchange) {
        tracing::debug!(
            method = exchange.method,
            path = exchange.path,
            status = exchange.status,
            refusal = exchange.refusal.as_ref().map(|refusal| refusal.rule.as_str()),
            "exchange"
        );
        let mut inner = self.lock();
        if inner.exchanges.len() == KEPT {
            inner.exchanges.pop_front();
        }
        inner.exchanges.push_back(exchange);
    }

    pub(crate) fn violation(&self, exchange: u64, text: String) {
        tracing::error!(exchange, "violation: {text}");
        self.lock().violations.push(Violation { exchange, text });
    }

    pub(crate) fn all(&self) -> Vec<Exchange> {
        let mut all: Vec<Exchange> = self.lock().exchanges.iter().cloned().collect();
        all.sort_by_key(|exchange| exchange.number);
        all
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    pub(crate) fn take(&self) -> Vec<Exchange> {
        let mut all: Vec<Exchange> = self.lock().exchanges.drain(..).collect();
        all.sort_by_key(|exchange| exchange.number);
        all
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.exchanges.clear();
        inner.violations.clear();
    }
}

/// Query or form text with the values of secret parameters masked.
pub(crate) fn masked_form(text: &str) -> String {
    const SECRET: [&str; 8] = [
        "client_secret",
        "upload_token",
        "code",
        "state",
        "code_verifier",
        "refresh_token",
        "token",
        "access_token",
    ];
    text.split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if SECRET.contains(&key) && !value.is_empty() => format!("{key}=****"),
            _ => pair.to_string(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

/// The beginning of a request body, if it is text.
pub(crate) fn shown_body(body: &[u8], is_form: bool) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let head = body.get(..BODY_SHOWN).unwrap_or(body);
    let text = String::from_utf8_lossy(head);
    Some(if is_form { masked_form(&text) } else { text.into_owned() })
}

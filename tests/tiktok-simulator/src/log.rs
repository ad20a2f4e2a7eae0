//! The log: one [`Exchange`] per request, and a list of requests about drafts, which some clients must never use.
//! It keeps only the newest entries, to limit memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The number of entries kept. Enough for every test; a 4 GB upload is about 400 of them.
const KEPT: usize = 20_000;

/// Bytes of a request body shown in the log.
const BODY_SHOWN: usize = 2048;

/// A trap in a client's request that TikTok would accept, or about which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Section of the contract, as in `1.3, trap 29`.
    pub rule: String,
    /// What was found, in one sentence.
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

/// The use of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefreshUse {
    /// Identifies the token without revealing it.
    pub fingerprint: String,
    /// Whether it had already been replaced.
    pub was_rotated: bool,
}

/// One request and its result.
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
    /// Status of the response; 0: none was sent.
    pub status: u16,
    /// `error.code`, or the OAuth `error`, of the response.
    pub code: Option<String>,
    /// Why the request was refused, by a rule of the contract.
    pub refusal: Option<Refusal>,
    /// Traps the client fell into without being refused.
    pub findings: Vec<Finding>,
    /// Whether the request changed anything, whatever the response.
    pub had_effect: bool,
    /// The refresh token in it, if it was issued by the simulator.
    pub refresh: Option<RefreshUse>,
    /// The fault that was applied, if any.
    pub fault: Option<String>,
    /// Whether the response was not sent completely: the client disconnected, or a fault cut the connection.
    pub answer_lost: bool,
}

/// A request about drafts: `video.upload`, the inbox, `MEDIA_UPLOAD`. It is only a violation for clients that must
/// never use drafts.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// [`Exchange::number`] of the request.
    pub exchange: u64,
    /// What was requested.
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
    violations: VecDeque<Violation>,
}

impl Recorder {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers are assigned on arrival, so that a violation can refer to its exchange before it ends.
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
        tracing::info!(exchange, "drafts: {text}");
        let mut inner = self.lock();
        if inner.violations.len() == KEPT {
            inner.violations.pop_front();
        }
        inner.violations.push_back(Violation { exchange, text });
    }

    pub(crate) fn all(&self) -> Vec<Exchange> {
        let mut all: Vec<Exchange> = self.lock().exchanges.iter().cloned().collect();
        all.sort_by_key(|exchange| exchange.number);
        all
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.lock().violations.iter().cloned().collect()
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

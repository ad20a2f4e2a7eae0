//! Scripted faults: which request, before or after its effect, and what happens to the response. This module
//! decides; `server` executes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Faults that are waiting for their request.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<Vec<Armed>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
    played: u32,
}

/// One fault. In JSON: `{"match": {"path": "/v2/oauth/token/"}, "when": "after", "action": {"kind": "reset"}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which request.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// Before or after the request has its effect.
    #[serde(default)]
    pub when: When,
    /// What happens.
    pub action: Action,
    /// How often, over all matching requests from the first hit on; 0: always.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// All given parts must match.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// HTTP method.
    pub method: Option<String>,
    /// Path; a `*` at the end matches anything.
    pub path: Option<String>,
    /// Host without port.
    pub host: Option<String>,
    /// The username of the bearer token.
    pub account: Option<String>,
    /// The prefix of `Content-Range`, as in `bytes 10000000-`.
    pub content_range: Option<String>,
    /// Skips the matching requests before this one; counts from 1.
    pub nth: Option<u32>,
}

/// Whether a fault strikes before or after the effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The request has no effect (`delay`, `slow_body` and `cut_body` let it continue).
    #[default]
    Before,
    /// The request has its effect, and the fault hits the response.
    After,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers with a status in the envelope of the endpoint.
    Status {
        /// HTTP status.
        status: u16,
        /// `error.code` or OAuth `error`; None: `internal_error` or `server_error`.
        #[serde(default)]
        code: Option<String>,
        /// Adds `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// Waits (real time), then continues.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Resets the connection without a response.
    Reset,
    /// Reads this many bytes of the request body, then resets the connection. Has no effect on the upload.
    CutRequest {
        /// Bytes read.
        after_bytes: u64,
    },
    /// Sends the head and this many bytes of the body, then resets the connection.
    CutBody {
        /// Bytes sent.
        keep: usize,
    },
    /// Sends the body in pieces with pauses (real time).
    SlowBody {
        /// Pieces.
        pieces: u32,
        /// Milliseconds between two of them.
        pause_ms: u64,
    },
    /// An HTML page, as a gateway sends it.
    Html {
        /// HTTP status.
        status: u16,
    },
    /// JSON of another shape than documented.
    WrongJson {
        /// The body; None: an array of nothing useful.
        #[serde(default)]
        body: Option<String>,
    },
    /// Any response.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// Body.
        body: String,
    },
    /// Repeats the last response to the same method, path and account.
    Stale,
}

impl Fault {
    /// A fault before the effect of the next request, whatever it is; narrow it with the other methods.
    pub fn new(action: Action) -> Self {
        Self { matches: Match::default(), when: When::Before, action, times: 1 }
    }

    /// Only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.matches.method = Some(method.to_string());
        self
    }

    /// Only this path; a `*` at the end matches anything.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.matches.path = Some(path.to_string());
        self
    }

    /// Only requests with a token of this username.
    #[must_use]
    pub fn account(mut self, username: &str) -> Self {
        self.matches.account = Some(username.to_string());
        self
    }

    /// Only chunks with this `Content-Range` prefix.
    #[must_use]
    pub fn content_range(mut self, beginning: &str) -> Self {
        self.matches.content_range = Some(beginning.to_string());
        self
    }

    /// Only from the nth matching request on; counts from 1.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.matches.nth = Some(nth);
        self
    }

    /// Strike after the effect.
    #[must_use]
    pub fn after(mut self) -> Self {
        self.when = When::After;
        self
    }

    /// How often; 0: always.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The parts of a request that a fault can match.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) account: Option<&'a str>,
    pub(crate) content_range: Option<&'a str>,
}

impl Match {
    fn fits(&self, target: &Target<'_>) -> bool {
        let path = |want: &String| match want.strip_suffix('*') {
            Some(head) => target.path.starts_with(head),
            None => target.path == want,
        };
        self.method.as_ref().is_none_or(|want| want.eq_ignore_ascii_case(target.method))
            && self.path.as_ref().is_none_or(path)
            && self.host.as_ref().is_none_or(|want| want.eq_ignore_ascii_case(target.host))
            && self.account.as_ref().is_none_or(|want| target.account == Some(want))
            && self
                .content_range
                .as_ref()
                .is_none_or(|want| target.content_range.is_some_and(|range| range.starts_with(want.as_str())))
    }
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fault. If several match, the one added first strikes.
    pub fn add(&self, fault: Fault) {
        self.lock().push(Armed { fault, seen: 0, played: 0 });
    }

    /// Disarms all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Faults that can still strike.
    pub fn armed(&self) -> Vec<Fault> {
        self.lock().iter().map(|armed| armed.fault.clone()).collect()
    }

    pub(crate) fn strike(&self, target: &Target<'_>) -> Option<Fault> {
        let mut armed = self.lock();
        let mut struck = None;
        for candidate in armed.iter_mut().filter(|candidate| candidate.fault.matches.fits(target)) {
            candidate.seen += 1;
            if struck.is_none() && candidate.seen >= candidate.fault.matches.nth.unwrap_or(1) {
                candidate.played += 1;
                struck = Some(candidate.fault.clone());
            }
        }
        armed.retain(|armed| armed.fault.times == 0 || armed.played < armed.fault.times);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target<'_> {
        Target { method: "POST", path, host: "open.tiktokapis.com", account: None, content_range: None }
    }

    #[test]
    fn the_nth_request_is_struck_and_no_other() {
        let faults = Faults::default();
        faults.add(Fault::new(Action::Reset).path("/v2/oauth/*").nth(2));
        assert!(faults.strike(&target("/v2/oauth/token/")).is_none());
        assert!(faults.strike(&target("/v2/user/info/")).is_none());
        assert!(faults.strike(&target("/v2/oauth/revoke/")).is_some());
        assert!(faults.strike(&target("/v2/oauth/token/")).is_none());
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn a_fault_reads_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"match":{"path":"/upload","nth":2},"when":"after","action":{"kind":"cut_body","keep":3}}"#,
        )
        .unwrap();
        assert_eq!(fault.action, Action::CutBody { keep: 3 });
        assert_eq!((fault.when, fault.times), (When::After, 1));
    }
}

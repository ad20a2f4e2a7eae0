//! What stands between a provider and the test server while it is recorded, and in the server's place when it is replayed.

mod difference;
mod part;
mod secrets;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use serde_json::Value;
use social_channel_runtime::net::{HttpBody, HttpFailure};
use social_channel_runtime::{Error, ErrorKind, Result};
use url::form_urlencoded;

pub(crate) use self::part::{Body, Exchange, Form, Part};
pub(crate) use self::secrets::{Secrets, is_secret};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The part of the journey.
    pub part: String,
    /// What differs.
    pub what: String,
}

/// Headers of an answer that say nothing to a provider, or hold a secret.
const DROPPED: [header::HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::SERVER,
    header::SET_COOKIE,
    header::TRANSFER_ENCODING,
];
/// Headers of a request that every client sets, or that only describe its body.
const USUAL: [header::HeaderName; 4] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::HOST, header::TRANSFER_ENCODING];
/// Random bytes for one call, after which they repeat.
const RANDOM: usize = 4 << 10;

/// What is written down, or played.
#[derive(Default)]
struct Inner {
    /// The parts so far.
    parts: Vec<Part>,
    /// Calls in the last part.
    calls: u64,
    /// Exchanges that were played, by part and place.
    played: BTreeSet<(usize, usize)>,
    differences: Vec<Difference>,
    secrets: Vec<String>,
}

/// The tape.
pub(crate) struct Tape {
    /// What is played; None: it records.
    recorded: Option<Vec<Part>>,
    inner: Mutex<Inner>,
}

impl Tape {
    pub(crate) fn recorder() -> Self {
        Tape { recorded: None, inner: Mutex::default() }
    }

    pub(crate) fn player(parts: Vec<Part>) -> Self {
        Tape { recorded: Some(parts), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part begins at this time. The time at which it was recorded, if it is played.
    pub(crate) fn part(&self, name: &str, now: i64) -> Option<i64> {
        let mut inner = self.inner();
        inner.calls = 0;
        let recorded = self.recorded.as_ref().and_then(|parts| parts.iter().find(|part| part.name == name));
        let at = recorded.map(|part| part.at);
        inner.parts.push(Part { name: name.to_owned(), at: at.unwrap_or(now), ..Part::default() });
        at
    }

    /// What the provider says at the end of the part.
    pub(crate) fn answered(&self, answer: Value) {
        if let Some(part) = self.inner().parts.last_mut() {
            part.answer = answer;
        }
    }

    /// What the provider writes to standard error.
    pub(crate) fn printed(&self, text: &str) {
        if let Some(part) = self.inner().parts.last_mut() {
            part.printed.push(text.to_owned());
        }
    }

    /// The random numbers of the next call: the same whenever the same is done.
    pub(crate) fn random(&self) -> Vec<u8> {
        let mut inner = self.inner();
        inner.calls += 1;
        let mut state = (inner.parts.len() as u64) << 32 | inner.calls;
        let mut bytes = Vec::with_capacity(RANDOM);
        while bytes.len() < RANDOM {
            // SplitMix64: well mixed, and nothing here is secret.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            bytes.extend((mixed ^ mixed >> 31).to_le_bytes());
        }
        bytes
    }

    /// What the platform's page sends back: written down, or played if `live` is not.
    pub(crate) fn callback(&self, live: Option<Vec<(String, String)>>) -> Option<Vec<(String, String)>> {
        let mut inner = self.inner();
        let at = inner.parts.len().checked_sub(1)?;
        let part = inner.parts.get_mut(at)?;
        let place = part.callbacks.len();
        let callback = match (&self.recorded, live) {
            (None, live) => live?,
            (Some(parts), _) => {
                parts.iter().find(|known| known.name == part.name)?.callbacks.get(place)?.clone()
            }
        };
        part.callbacks.push(callback.clone());
        inner
            .secrets
            .extend(callback.iter().filter(|(name, _)| name == "code").map(|(_, value)| value.clone()));
        Some(callback)
    }

    pub(crate) fn is_player(&self) -> bool {
        self.recorded.is_some()
    }

    /// Something that belongs to the last part.
    pub(crate) fn note(&self, what: String) {
        let mut inner = self.inner();
        let part = inner.parts.last().map(|part| part.name.clone()).unwrap_or_default();
        let difference = Difference { part, what };
        if !inner.differences.contains(&difference) {
            inner.differences.push(difference);
        }
    }

    /// A request that is about to be sent: its form, and the request again.
    pub(crate) async fn form(
        &self,
        request: Request<HttpBody>,
    ) -> Result<(Written, Request<HttpBody>), HttpFailure> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let form = form(&parts, &body);
        if let Some(value) = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()) {
            self.inner().secrets.extend(value.split_whitespace().skip(1).map(str::to_owned));
        }
        Ok((Written(form), Request::from_parts(parts, full(body))))
    }

    /// Writes an answer down, and returns it again.
    pub(crate) async fn write(
        &self,
        request: Written,
        response: Response<HttpBody>,
    ) -> Result<Response<HttpBody>, HttpFailure> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let kept = parts.headers.iter().filter(|(name, _)| !DROPPED.contains(name));
        let headers = kept
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let text = std::str::from_utf8(&body).ok();
        let exchange = Exchange {
            request: request.0,
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: text.map_or_else(|| Body::Base64(encoded(&body)), |text| Body::Text(text.to_owned())),
        };
        let mut inner = self.inner();
        if let Ok(json) = serde_json::from_slice(&body) {
            secrets::named(&json, &mut inner.secrets);
        } else if content_type(&parts.headers).is_some_and(|it| it == "application/x-www-form-urlencoded") {
            let pairs = form_urlencoded::parse(&body).filter(|(name, _)| secrets::is_secret(name));
            inner.secrets.extend(pairs.map(|(_, value)| value.into_owned()));
        }
        if let Some(part) = inner.parts.last_mut() {
            part.exchanges.push(exchange);
        }
        Ok(Response::from_parts(parts, full(body)))
    }

    /// Plays the answer to a request.
    pub(crate) fn play(&self, request: &Written) -> Result<Response<HttpBody>, HttpFailure> {
        let form = &request.0;
        let Some(exchange) = self.next(form) else {
            self.note(format!("it asks for {} {}, which is not recorded", form.method, form.url));
            return Err(HttpFailure::NotSent("this request is not in the recording".to_owned()));
        };
        for what in difference::of_forms(&exchange.request, form) {
            self.note(what);
        }
        let body = match &exchange.body {
            Body::Text(text) => Bytes::from(text.clone()),
            Body::Base64(text) => decoded(text).map_err(|error| HttpFailure::Broken(error.message))?.into(),
        };
        let broken = |error: http::Error| HttpFailure::Broken(error.to_string());
        let status = StatusCode::from_u16(exchange.status).map_err(|error| broken(error.into()))?;
        let mut response = Response::builder().status(status);
        for (name, value) in &exchange.headers {
            response = response.header(name, value);
        }
        response.body(full(body)).map_err(broken)
    }

    /// The exchange that answers a request: of the same part before others, and one that was not played before those that
    /// were. One that is asked for again is played again.
    fn next(&self, form: &Form) -> Option<Exchange> {
        let recorded = self.recorded.as_ref()?;
        let mut inner = self.inner();
        let name = inner.parts.last().map(|part| part.name.clone()).unwrap_or_default();
        let fits =
            |exchange: &Exchange| exchange.request.method == form.method && exchange.request.url == form.url;
        let mut found = Vec::new();
        for (at, part) in recorded.iter().enumerate() {
            for (place, exchange) in part.exchanges.iter().enumerate().filter(|(_, exchange)| fits(exchange))
            {
                let was_played = inner.played.contains(&(at, place));
                // Of those that were played, the last: what a repeated question was answered in the end.
                let order = if was_played { usize::MAX - place } else { place };
                found.push(((was_played, part.name != name, order), (at, place), exchange));
            }
        }
        found.sort_by_key(|(order, ..)| *order);
        let (_, place, exchange) = found.first()?;
        inner.played.insert(*place);
        Some((*exchange).clone())
    }

    /// What was written, and the secrets that were seen.
    pub(crate) fn written(&self) -> (Vec<Part>, Vec<String>) {
        let inner = self.inner();
        (inner.parts.clone(), inner.secrets.clone())
    }

    /// The names of the parts that were played, and all differences from the recording.
    pub(crate) fn compared(&self) -> (Vec<String>, Vec<Difference>) {
        let inner = self.inner();
        let mut differences = inner.differences.clone();
        let mut names: Vec<String> = inner.parts.iter().map(|part| part.name.clone()).collect();
        for (at, recorded) in self.recorded.iter().flatten().enumerate() {
            let note = |what| Difference { part: recorded.name.clone(), what };
            match inner.parts.iter().find(|part| part.name == recorded.name) {
                None => {
                    names.push(recorded.name.clone());
                    differences.push(note("it does not come to this".to_owned()));
                }
                Some(part) => {
                    let left = recorded.exchanges.iter().enumerate();
                    let left = left.filter(|(place, _)| !inner.played.contains(&(at, *place)));
                    differences.extend(left.map(|(_, exchange)| {
                        let Form { method, url, .. } = &exchange.request;
                        note(format!("it no longer asks for {method} {url}"))
                    }));
                    let changed = difference::of_answers(&recorded.answer, &part.answer);
                    differences.extend(changed.into_iter().map(note));
                }
            }
        }
        for part in &inner.parts {
            if !self.recorded.iter().flatten().any(|recorded| recorded.name == part.name) {
                differences.push(Difference {
                    part: part.name.clone(),
                    what: "the recording has nothing of it".to_owned(),
                });
            }
        }
        (names, differences)
    }
}

/// A request that was written down.
pub(crate) struct Written(Form);

fn content_type(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_owned())
}

fn form(parts: &Parts, body: &[u8]) -> Form {
    // The origin that the provider asked for; the address may be that of a test server.
    let host = parts.headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    let names = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let headers = parts.headers.keys().filter(|name| !USUAL.contains(name)).map(ToString::to_string);
    let content_type = content_type(&parts.headers);
    let members = match &content_type {
        Some(form) if form == "application/x-www-form-urlencoded" => {
            form_urlencoded::parse(body).map(|(name, _)| name.into_owned()).collect()
        }
        _ => match serde_json::from_slice::<Value>(body) {
            Ok(json) => {
                let mut members = Vec::new();
                difference::members(&json, "", &mut members);
                members
            }
            Err(_) if body.is_empty() => Vec::new(),
            Err(_) => vec![format!("{} bytes", body.len())],
        },
    };
    Form {
        method: parts.method.to_string(),
        url: format!("{}{}", host.unwrap_or_default(), parts.uri.path()),
        query: names(query.map(|(name, _)| name.into_owned()).collect()),
        headers: names(headers.collect()),
        content_type,
        body: names(members),
    }
}

/// A body that is there as a whole.
pub(crate) fn full(bytes: Bytes) -> HttpBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn decoded(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "the recording holds base64 that is none").with_source(error)
    })
}

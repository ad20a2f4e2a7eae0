//! Media at an `https` address, read by ranges.
//!
//! A person names the address, so it is fetched under the same address rules as a provider's requests, every
//! redirect anew. A server that ignores ranges is refused when the media is opened: an interrupted upload
//! could not be taken up again without reading everything from the start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, HeaderMap, IF_RANGE, LAST_MODIFIED, LOCATION,
    RANGE,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use url::Url;

use super::{ReadError, Version};
use crate::egress::{Egress, Refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::{Answer, SendError};

/// Redirects followed; content networks use one or two.
const REDIRECTS: usize = 5;
/// The longest wait for an answer, or for the next bytes of one.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address, and which version of its bytes is meant.
pub(super) struct UrlSource {
    url: Url,
    egress: Egress,
    size: u64,
    version: Version,
}

impl std::fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query of a signed address is a credential.
        write!(f, "UrlSource({}{})", self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// What opening found.
pub(super) struct Opened {
    pub(super) source: UrlSource,
    pub(super) size: u64,
    pub(super) version: Version,
    pub(super) content_type: Option<String>,
}

impl UrlSource {
    /// Asks for the first byte, to learn size and version and whether the server knows ranges.
    pub(super) async fn open(address: &str, egress: &Egress) -> Result<Opened> {
        let url = parse(address)?;
        let invalid = |message: String, remedy: &str| {
            Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
        };
        let shown = shown(&url);
        let response =
            get(&url, egress, &[(RANGE, HeaderValue::from_static("bytes=0-0"))]).await.map_err(|error| {
                match error {
                    Failure::Refused(refusal) => refusal.error().with_field("media"),
                    Failure::Network(error) => {
                        Error::new(ErrorKind::Unavailable, format!("{shown} does not answer"))
                            .with_field("media")
                            .with_remedy("Open the address in a browser; try again when it answers there.")
                            .with_source(error)
                    }
                    Failure::Redirects => invalid(
                        format!("{shown} leads from one redirect to the next"),
                        "Use the address at which the file itself lies.",
                    ),
                }
            })?;
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            status if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(invalid(
                    format!("the server of {shown} does not serve parts of a file (HTTP ranges)"),
                    "Put the file on a server that does, or publish it from a file.",
                ));
            }
            StatusCode::TOO_MANY_REQUESTS => return Err(unavailable(&shown, response.status())),
            status if status.is_server_error() => return Err(unavailable(&shown, status)),
            status => {
                return Err(invalid(
                    format!("{shown} answers {status}"),
                    "Check that anybody can open the address without signing in.",
                ));
            }
        }
        let size = content_range(headers)
            .filter(|(start, end, _)| (*start, *end) == (0, 0))
            .map(|(.., total)| total);
        let Some(size) = size else {
            return Err(invalid(
                format!("the server of {shown} does not tell the size of the file (Content-Range)"),
                "Put the file on another server, or publish it from a file.",
            ));
        };
        let text =
            |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let version = Version::Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
        let content_type = text(CONTENT_TYPE)
            .map(|it| it.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .filter(|it| !it.is_empty() && it != "application/octet-stream");
        let source = UrlSource { url, egress: egress.clone(), size, version: version.clone() };
        Ok(Opened { source, size, version, content_type })
    }

    /// Names the same bytes again; the next read finds out whether they are still there.
    pub(super) fn reopen(address: &str, size: u64, version: Version, egress: &Egress) -> Result<Self> {
        Ok(UrlSource { url: parse(address)?, egress: egress.clone(), size, version })
    }

    /// The answer that carries exactly these bytes of exactly this version.
    async fn range(&self, offset: u64, end: u64) -> Result<Response<Answer>, ReadError> {
        // An empty range cannot be asked for: `bytes=0--1` means something else. Nobody reads one but of empty media.
        let Some(last_byte) = end.checked_sub(1).filter(|last| *last >= offset) else {
            return Err(ReadError::Unavailable);
        };
        let mut headers = Vec::new();
        let range = HeaderValue::try_from(format!("bytes={offset}-{last_byte}"));
        headers.push((RANGE, range.map_err(|_| ReadError::Unavailable)?));
        let validator = self.strong_validator();
        if let Some(validator) = validator {
            // If the bytes are others now, the whole of them comes with 200 instead of a part with 206.
            headers.push((IF_RANGE, HeaderValue::try_from(validator).map_err(|_| ReadError::Unavailable)?));
        }
        let response = get(&self.url, &self.egress, &headers).await.map_err(|_| ReadError::Unavailable)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK if validator.is_some() => return Err(ReadError::Changed),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {
                return Err(ReadError::Changed);
            }
            _ => return Err(ReadError::Unavailable),
        }
        match content_range(response.headers()) {
            Some((start, last, total)) if total == self.size => {
                if (start, last) != (offset, last_byte) {
                    return Err(ReadError::Unavailable);
                }
            }
            Some(_) => return Err(ReadError::Changed),
            None => return Err(ReadError::Unavailable),
        }
        // Servers that do not know If-Range still name the version they serve.
        if let Version::Validators { etag, last_modified } = &self.version {
            let same = |name, known: &Option<String>| match (known, response.headers().get(name)) {
                (Some(known), Some(now)) => now.as_bytes() == known.as_bytes(),
                _ => true,
            };
            let last_modified = if etag.is_some() { &None } else { last_modified };
            if !same(ETAG, etag) || !same(LAST_MODIFIED, last_modified) {
                return Err(ReadError::Changed);
            }
        }
        Ok(response)
    }

    fn strong_validator(&self) -> Option<&str> {
        match &self.version {
            Version::Validators { etag: Some(etag), .. } if !etag.starts_with("W/") => Some(etag),
            _ => None,
        }
    }
}

fn unavailable(shown: &str, status: StatusCode) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{shown} answers {status}"))
        .with_field("media")
        .with_remedy("Try again later, or publish from a file.")
}

fn parse(address: &str) -> Result<Url> {
    Url::parse(address).map_err(|_| Refusal::Malformed.error().with_field("media")).and_then(|url| {
        if url.host().is_some() { Ok(url) } else { Err(Refusal::Malformed.error().with_field("media")) }
    })
}

/// Without query, which may hold a signature.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Why nothing came from an address.
pub(crate) enum Failure {
    Refused(Refusal),
    Network(Box<dyn std::error::Error + Send + Sync>),
    Redirects,
}

/// The first answer that is no redirect; each address on the way is checked anew.
pub(crate) async fn get(
    url: &Url,
    egress: &Egress,
    headers: &[(http::HeaderName, HeaderValue)],
) -> Result<Response<Answer>, Failure> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let route = egress.route_media(&url).map_err(Failure::Refused)?;
        let mut request = reqwest::Request::new(Method::GET, route.url);
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(host) = route.host {
            request.headers_mut().insert(HOST, host);
        }
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        let response = match tokio::time::timeout(PATIENCE, route.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_private_address() => {
                return Err(Failure::Refused(Refusal::Private(
                    url.host_str().unwrap_or_default().to_owned(),
                )));
            }
            Ok(Err(error)) => return Err(Failure::Network(error.into())),
            Err(late) => return Err(Failure::Network(late.into())),
        };
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        url = match next.and_then(|next| url.join(next).ok()) {
            Some(next) => next,
            None => return Err(Failure::Redirects),
        };
    }
    Err(Failure::Redirects)
}

/// The next bytes of an answer; None at its end.
pub(crate) async fn chunk(response: &mut Response<Answer>) -> Result<Option<Bytes>, SendError> {
    while let Some(frame) = response.body_mut().frame().await {
        // What is no data are trailers, which nobody asked for.
        if let Ok(data) = frame?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// First byte, last byte, size of the whole.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, u64)> {
    let (range, total) =
        headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// Streams the bytes from `offset` up to `end` out of one answer.
pub(super) fn read(
    source: Arc<UrlSource>,
    offset: u64,
    end: u64,
) -> impl Stream<Item = Result<Bytes, ReadError>> {
    enum State {
        Ask(Arc<UrlSource>),
        Take(Response<Answer>, u64),
        Done,
    }
    futures::stream::unfold(State::Ask(source), move |state| async move {
        let (mut response, left) = match state {
            State::Ask(source) => match source.range(offset, end).await {
                Ok(response) => (response, end - offset),
                Err(error) => return Some((Err(error), State::Done)),
            },
            State::Take(response, left) => (response, left),
            State::Done => return None,
        };
        if left == 0 {
            return None;
        }
        match tokio::time::timeout(PATIENCE, chunk(&mut response)).await {
            Ok(Ok(Some(bytes))) => match left.checked_sub(bytes.len() as u64) {
                Some(left) => Some((Ok(bytes), State::Take(response, left))),
                None => Some((Err(ReadError::Unavailable), State::Done)),
            },
            // Ended early, cut off, or too slow.
            Ok(Ok(None) | Err(_)) | Err(_) => Some((Err(ReadError::Unavailable), State::Done)),
        }
    })
}

//! Media at an `https` URL, read by ranges.
//!
//! A person supplies the URL, so it is fetched with the same address rules as a provider's requests, including
//! every redirect. A server that ignores ranges is refused when the media is opened, because an interrupted
//! upload could only be resumed by reading everything from the start.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderValue, Response, StatusCode};
use url::Url;

use super::kind;
use super::reference::{Absent, ReadError, Version, changed};
use crate::error::{Error, ErrorKind, Result};
use crate::net::egress::{Egress, Refusal};
use crate::net::http_client::Answer;
use crate::net::{Failure, chunk, get};

/// The longest wait for a response, or for its next bytes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A URL, and the expected version of its bytes.
pub(super) struct UrlSource {
    url: Url,
    egress: Egress,
    size: u64,
    version: Version,
}

impl std::fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query of a signed URL is a credential.
        write!(f, "UrlSource({}{})", self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// The result of opening.
pub(super) struct Opened {
    pub(super) source: UrlSource,
    pub(super) size: u64,
    pub(super) version: Version,
    pub(super) content_type: Option<String>,
}

impl UrlSource {
    /// Requests the first byte, to learn size and version, and whether the server supports ranges.
    pub(super) async fn open(address: &str, egress: &Egress) -> Result<Opened> {
        let url = parse(address)?;
        let shown = shown(&url);
        let mut response =
            get(&url, egress, Egress::route_media, &[(RANGE, HeaderValue::from_static("bytes=0-0"))])
                .await
                .map_err(|failure| unanswered(&shown, failure))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(invalid(format!("the file at {shown} is empty"), "Choose another file."));
            }
            status if status.is_success() => {
                if is_page(&mut response).await {
                    return Err(page(&shown));
                }
                return Err(invalid(
                    format!("the server of {shown} does not serve parts of a file (HTTP ranges)"),
                    "Put the file on a server that does, or publish it from a file.",
                ));
            }
            status => return Err(answered(&shown, status)),
        }
        let headers = response.headers();
        let size = content_range(headers)
            .filter(|(start, end, _)| (*start, *end) == (0, 0))
            .map(|(.., total)| total);
        let Some(size) = size else {
            return Err(invalid(
                format!("the server of {shown} does not report the size of the file (Content-Range)"),
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

    /// Refers to the same bytes again; the next read checks whether they still exist.
    pub(super) fn reopen(address: &str, size: u64, version: Version, egress: &Egress) -> Result<Self> {
        Ok(UrlSource { url: parse(address)?, egress: egress.clone(), size, version })
    }

    /// Whether the bytes can be read now: asks for the first of them.
    pub(super) async fn look(&self) -> Result<(), Absent> {
        let shown = shown(&self.url);
        match self.range(0, 1).await {
            Ok(_) => Ok(()),
            Err(Unread::Changed) => Err(Absent::Changed(changed(&format!("the file at {shown}")))),
            Err(Unread::Status(status)) => {
                let error = answered(&shown, status);
                Err(if error.kind == ErrorKind::Unavailable {
                    Absent::ForNow(error)
                } else {
                    Absent::Refused(error)
                })
            }
            Err(Unread::Failed(failure)) => {
                let error = unanswered(&shown, failure);
                Err(if error.kind == ErrorKind::Unavailable {
                    Absent::ForNow(error)
                } else {
                    Absent::Refused(error)
                })
            }
            // A sign-in page, for example, or one that says that the file is gone.
            Err(Unread::Page) => Err(Absent::Refused(page(&shown))),
            Err(Unread::Nonsense) => Err(Absent::ForNow(
                Error::new(
                    ErrorKind::Unavailable,
                    format!("the server of {shown} answers with other bytes than it was asked for"),
                )
                .with_field("media")
                .with_remedy("Try again later, or publish from a file."),
            )),
        }
    }

    /// Requests exactly these bytes of exactly this version.
    async fn range(&self, offset: u64, end: u64) -> Result<Response<Answer>, Unread> {
        // An empty range cannot be requested: `bytes=0--1` has another meaning. Empty ranges only occur for empty
        // media.
        let Some(last_byte) = end.checked_sub(1).filter(|last| *last >= offset) else {
            return Err(Unread::Nonsense);
        };
        let mut headers = Vec::new();
        let range = HeaderValue::try_from(format!("bytes={offset}-{last_byte}"));
        headers.push((RANGE, range.map_err(|_| Unread::Nonsense)?));
        let validator = self.strong_validator();
        if let Some(validator) = validator {
            // If the bytes have changed, the server returns all of them with 200 instead of a part with 206.
            headers.push((IF_RANGE, HeaderValue::try_from(validator).map_err(|_| Unread::Nonsense)?));
        }
        let mut response =
            get(&self.url, &self.egress, Egress::route_media, &headers).await.map_err(Unread::Failed)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            status if status.is_success() && is_page(&mut response).await => return Err(Unread::Page),
            StatusCode::OK if validator.is_some() => return Err(Unread::Changed),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {
                return Err(Unread::Changed);
            }
            status if status.is_success() => return Err(Unread::Nonsense),
            status => return Err(Unread::Status(status)),
        }
        match content_range(response.headers()) {
            Some((start, last, total)) if total == self.size => {
                if (start, last) != (offset, last_byte) {
                    return Err(Unread::Nonsense);
                }
            }
            Some(_) => return Err(Unread::Changed),
            None => return Err(Unread::Nonsense),
        }
        if self.is_another(response.headers()) { Err(Unread::Changed) } else { Ok(response) }
    }

    /// Whether an answer names another version. Each node of a content network may make ETags of its own, so one that
    /// differs counts only where the time of change does not agree either.
    fn is_another(&self, now: &HeaderMap) -> bool {
        let Version::Validators { etag, last_modified } = &self.version else { return false };
        let same = |name, known: &Option<String>| {
            // A node that packs its answers marks the very same tag as weak.
            let plain = |text: &[u8]| text.strip_prefix(b"W/").unwrap_or(text).to_vec();
            Some(plain(now.get(name)?.as_bytes()) == plain(known.as_ref()?.as_bytes()))
        };
        let answers = [same(ETAG, etag), same(LAST_MODIFIED, last_modified)];
        answers.contains(&Some(false)) && !answers.contains(&Some(true))
    }

    /// What a server compares by itself. Where there is a time of change, we compare both: see `is_another`.
    fn strong_validator(&self) -> Option<&str> {
        match &self.version {
            Version::Validators { etag: Some(etag), last_modified: None } if !etag.starts_with("W/") => {
                Some(etag)
            }
            _ => None,
        }
    }
}

/// Why a range was not read.
enum Unread {
    Changed,
    Status(StatusCode),
    Failed(Failure),
    /// A page has taken the file's place.
    Page,
    /// Something else than was asked for.
    Nonsense,
}

impl From<Unread> for ReadError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Changed => ReadError::Changed,
            Unread::Status(_) | Unread::Failed(_) | Unread::Page | Unread::Nonsense => ReadError::Unavailable,
        }
    }
}

fn invalid(message: String, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
}

fn page(shown: &str) -> Error {
    invalid(
        format!("{shown} leads to a web page, not to the file"),
        "Use the address of the file itself: open it in a private window, where only the file may appear.",
    )
}

fn unanswered(shown: &str, failure: Failure) -> Error {
    match failure {
        Failure::Refused(refusal) => refusal.error().with_field("media"),
        Failure::Redirected { to, refusal } => {
            let error = refusal.error();
            Error::new(
                error.kind,
                format!("{shown} redirects to {to}, which is not followed because {}", refusal.because()),
            )
            .with_field("media")
            .with_remedy("Use the address at which the file itself lies; it begins with https://.")
        }
        Failure::Network(error) => Error::new(ErrorKind::Unavailable, format!("{shown} does not answer"))
            .with_field("media")
            .with_remedy("Open the address in a browser; try again when it works there.")
            .with_source(error),
        Failure::Redirects => {
            invalid(format!("{shown} has too many redirects"), "Use the direct address of the file.")
        }
    }
}

/// An answer that is none of the file.
fn answered(shown: &str, status: StatusCode) -> Error {
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Error::new(ErrorKind::Unavailable, format!("{shown} answers {status}"))
            .with_field("media")
            .with_remedy("Try again later, or publish from a file.");
    }
    let remedy = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            "Put the file there again, or use the address at which it lies."
        }
        _ => {
            "Check that anybody can open the address without signing in, and that it has not expired; then try again, or use another address."
        }
    };
    invalid(format!("{shown} answers {status}"), remedy)
}

/// Whether an answer of a whole body is a page, by what it begins with or, where that says nothing, by its name.
async fn is_page(response: &mut Response<Answer>) -> bool {
    let named =
        response.headers().get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
    match tokio::time::timeout(PATIENCE, chunk(response)).await {
        Ok(Ok(Some(bytes))) => kind::of_bytes(&bytes).map_or(named, |kind| kind == "text/html"),
        _ => named,
    }
}

fn parse(address: &str) -> Result<Url> {
    Url::parse(address).map_err(|_| Refusal::Malformed.error().with_field("media")).and_then(|url| {
        if url.host().is_some() { Ok(url) } else { Err(Refusal::Malformed.error().with_field("media")) }
    })
}

/// The URL without its query, which may contain a signature.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// First byte, last byte, total size.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, u64)> {
    let (range, total) =
        headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, total.trim().parse().ok()?))
}

/// Streams the bytes from `offset` up to `end` from one response.
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
                Err(unread) => return Some((Err(unread.into()), State::Done)),
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

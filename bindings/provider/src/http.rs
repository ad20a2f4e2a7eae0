//! Requests and responses as plain values, and whether a failed request can have had an effect.
//!
//! The host decides where requests may go; this module does not follow redirects or retry.

use crate::bindings::social::channel::media::MediaError;
use crate::types::{Error, ErrorKind};

/// The default maximum length of a response body. Responses of social networks are some kilobytes; a guest
/// has 64 MiB of memory, which a hostile server must not fill.
pub const DEFAULT_MAX_ANSWER: usize = 1024 * 1024;

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of HTTP")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// The body of a request.
pub enum Body<'a, M> {
    /// No body.
    Empty,
    /// Bytes made by the provider.
    Bytes(Vec<u8>),
    /// A range of media, streamed by the host; the bytes never enter the provider's memory.
    Media {
        /// Where the bytes are.
        item: &'a M,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
}

/// One HTTP request.
pub struct Request<'a, M> {
    /// Its method.
    pub method: Method,
    /// The absolute URL, sent byte for byte.
    pub url: String,
    /// Header names and values. `Content-Length` is added from the body.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Body<'a, M>,
    /// At most this many bytes of the response body are kept.
    pub max_answer: usize,
}

impl<'a, M> Request<'a, M> {
    /// A request without body.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Body::Empty,
            max_answer: DEFAULT_MAX_ANSWER,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds the bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets a form as the body.
    #[must_use]
    pub fn form<'b>(self, pairs: impl IntoIterator<Item = (&'b str, &'b str)>) -> Self {
        let mut request = self.header("content-type", "application/x-www-form-urlencoded");
        request.body = Body::Bytes(crate::form::encode(pairs).into_bytes());
        request
    }

    /// Sets JSON as the body.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        let mut request = self.header("content-type", "application/json; charset=UTF-8");
        request.body = Body::Bytes(value.to_string().into_bytes());
        request
    }

    /// Sets a range of media as the body.
    #[must_use]
    pub fn media(mut self, item: &'a M, offset: u64, length: u64) -> Self {
        self.body = Body::Media { item, offset, length };
        self
    }
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, up to the request's `max_answer`.
    pub body: Vec<u8>,
    /// Whether the body was interrupted, or longer than `max_answer`.
    pub truncated: bool,
}

impl Response {
    /// The first header with this name, which must be in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON, see [`json::read`](crate::json::read); None if it is not JSON or was cut.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        if self.truncated { None } else { crate::json::read(&self.body) }
    }

    /// `Retry-After` in milliseconds, if it is given in seconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1000)
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq)]
pub enum SendError {
    /// The request was not sent: nothing can have happened.
    NotSent(String),
    /// The host does not allow this request.
    Denied(String),
    /// The request was sent, at least partly: the platform may have acted on it.
    Lost(String),
    /// The media could not be read; the platform received at most a part of it.
    Media(MediaError),
}

impl SendError {
    /// The error for a request that changes nothing: a lost response is only an outage.
    #[must_use]
    pub fn of_read(&self, platform: &str) -> Error {
        self.to_error(platform, ErrorKind::Unavailable)
    }

    /// The error for a request with an effect: if the response is lost, the outcome is unknown.
    #[must_use]
    pub fn of_effect(&self, platform: &str) -> Error {
        self.to_error(platform, ErrorKind::OutcomeUnknown)
    }

    fn to_error(&self, platform: &str, lost: ErrorKind) -> Error {
        match self {
            Self::NotSent(why) => {
                Error::new(ErrorKind::Unavailable, format!("{platform} could not be reached: {why}."))
                    .remedy("Check the network connection of the server; the request is retried later.")
            }
            Self::Denied(why) => Error::new(
                ErrorKind::Misconfigured,
                format!("The host refused a request to {platform}: {why}."),
            )
            .remedy("The operator must grant this provider the origins it names."),
            Self::Lost(why) => Error::new(lost, format!("The response of {platform} was lost: {why}."))
                .remedy(
                    "The outcome is being determined; do not repeat the request manually before it is known.",
                ),
            Self::Media(MediaError::Unavailable | MediaError::Other) => {
                Error::new(ErrorKind::Unavailable, "The file cannot be read at the moment.")
                    .remedy("Check that the file still exists; the request is retried later.")
            }
            Self::Media(MediaError::Changed) => {
                Error::new(ErrorKind::InvalidRequest, "The file changed while it was being published.")
                    .remedy("Publish the file again and do not change it until the publish has ended.")
            }
            Self::Media(MediaError::OutOfRange) => {
                Error::new(ErrorKind::InvalidRequest, "The file is shorter than it was at the beginning.")
                    .remedy("Publish the file again and do not change it until the publish has ended.")
            }
        }
    }
}

/// Splits a URL into scheme, authority and path with query, without changing a byte of them. A
/// fragment is left out, since it is never sent.
#[must_use]
pub fn split_url(url: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if scheme.is_empty() || authority.is_empty() {
        return None;
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_byte_for_byte() {
        assert_eq!(
            split_url("https://up.example.com:8443/upload?id=1&t=%2Fa"),
            Some(("https", "up.example.com:8443", "/upload?id=1&t=%2Fa".to_owned()))
        );
        assert_eq!(split_url("https://a.example?x=1#f"), Some(("https", "a.example", "/?x=1".to_owned())));
        assert_eq!(split_url("no url"), None);
        assert_eq!(split_url("https:///path"), None);
    }

    #[test]
    fn a_lost_answer_is_unknown_only_for_effects() {
        let lost = SendError::Lost("reset".to_owned());
        assert_eq!(lost.of_read("X").kind, ErrorKind::Unavailable);
        assert_eq!(lost.of_effect("X").kind, ErrorKind::OutcomeUnknown);
        assert_eq!(SendError::NotSent(String::new()).of_effect("X").kind, ErrorKind::Unavailable);
        assert_eq!(SendError::Denied(String::new()).of_effect("X").kind, ErrorKind::Misconfigured);
    }
}

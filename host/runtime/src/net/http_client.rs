//! Who sends requests: the library's own clients, or the program that embeds the library.
//!
//! [`crate::net::egress`] has already decided where a request may go. This module sends it once and checks its
//! response: a response that ends before its length is an error.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::net::address::PrivateAddress;

/// A streaming body; a failure inside means that it was interrupted.
pub type HttpBody = UnsyncBoxBody<Bytes, HttpFailure>;

/// An embedding program's own HTTP client ([`Clients::of_program`](super::Clients::of_program)). It sends the requests
/// of providers and of the host itself (media at a URL, the checks of an app's URLs).
///
/// The host has already checked the request: its origin is granted, it does not contain an address literal of a
/// private network, and mapped origins are mapped (then `Host` is among the headers). The client resolves **names**,
/// so it must check the resolved addresses: refuse private addresses unless they are intended, otherwise anyone who
/// can supply a media URL can reach your private network.
///
/// The client must send each request exactly once: at-most-once publishing depends on it. It must follow no
/// redirects, store no cookies, decode no content (`Content-Length` counts the bytes that it returns), and pass
/// headers on unchanged. With `Content-Length` among the headers it sends that many bytes; without it, a non-empty
/// body is sent with chunked encoding. Dropping the future, or the response body, aborts the exchange.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends a request and returns as soon as the head of its response has arrived.
    async fn send(&self, request: http::Request<HttpBody>) -> Result<http::Response<HttpBody>, HttpFailure>;
}

/// Why an exchange of an [`HttpClient`] failed. The text is shown to users and appears in logs: it must not
/// contain a URL's query or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// The program refuses this request. Nothing was sent.
    #[error("refused: {0}")]
    Refused(String),
    /// The server could not be reached. Nothing was sent.
    #[error("not sent: {0}")]
    NotSent(String),
    /// No response in time; the request may have been sent.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The connection or a body was interrupted; the request may have been sent.
    #[error("broken off: {0}")]
    Broken(String),
}

/// The client that sends.
#[derive(Clone)]
pub(crate) enum Client {
    Library(reqwest::Client),
    Program(Arc<dyn HttpClient>),
}

/// The body of a response, from either client.
pub(crate) type Answer = UnsyncBoxBody<Bytes, SendError>;

/// Why there is no response, or why it ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Library(reqwest::Error),
    #[error(transparent)]
    Program(#[from] HttpFailure),
}

impl SendError {
    /// Never includes the URL, which may contain a token.
    fn library(error: reqwest::Error) -> Self {
        SendError::Library(error.without_url())
    }

    /// Whether nothing can have reached a server.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            SendError::Library(error) => error.is_connect(),
            SendError::Program(failure) => {
                matches!(failure, HttpFailure::Refused(_) | HttpFailure::NotSent(_))
            }
        }
    }

    /// The address of a host that is not in the public internet.
    pub(crate) fn private_address(&self) -> Option<&PrivateAddress> {
        let SendError::Library(error) = self else { return None };
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(address) = error.downcast_ref() {
                return Some(address);
            }
            cause = error.source();
        }
        None
    }
}

/// Who asks, where the request does not say: content networks refuse what does not, and an operator who wonders can look.
const SENDER: HeaderValue = HeaderValue::from_static(concat!(
    "social-channel/",
    env!("CARGO_PKG_VERSION"),
    " (+",
    env!("CARGO_PKG_REPOSITORY"),
    ")"
));

impl Client {
    /// Sends a request once.
    pub(crate) async fn execute(
        &self,
        mut request: reqwest::Request,
    ) -> Result<http::Response<Answer>, SendError> {
        request.headers_mut().entry(USER_AGENT).or_insert(SENDER);
        match self {
            Client::Library(client) => {
                let response = client.execute(request).await.map_err(SendError::library)?;
                let response = http::Response::<reqwest::Body>::from(response);
                Ok(response.map(|body| body.map_err(SendError::library).boxed_unsync()))
            }
            Client::Program(sender) => by_program(&**sender, request).await,
        }
    }
}

async fn by_program(
    sender: &dyn HttpClient,
    request: reqwest::Request,
) -> Result<http::Response<Answer>, SendError> {
    let method = request.method().clone();
    let has_body = request.body().is_some();
    let mut request = http::Request::<reqwest::Body>::try_from(request).map_err(SendError::library)?;
    if has_body
        && !request.headers().contains_key(CONTENT_LENGTH)
        && let Some(length) = request.body().size_hint().exact()
    {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let request = request.map(|body| {
        body.map_err(|_| HttpFailure::Broken("the body of the request broke off".to_owned())).boxed_unsync()
    });
    let response = sender.send(request).await?;
    if response.status().is_informational() {
        return Err(HttpFailure::Broken(format!("{} is not a valid response", response.status())).into());
    }
    let left = expected(&method, &response);
    Ok(response.map(|body| Whole { body, left }.boxed_unsync()))
}

/// The declared length of the response in bytes; None: not declared.
fn expected(method: &Method, response: &http::Response<HttpBody>) -> Option<u64> {
    let bodiless = method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        return Some(0);
    }
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The response of an embedding program, which must have its declared length.
struct Whole {
    body: HttpBody,
    left: Option<u64>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let wrong = |text: &str| Poll::Ready(Some(Err(HttpFailure::Broken(text.to_owned()).into())));
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None if self.left.is_some_and(|left| left > 0) => {
                // An error is the last item of a body.
                self.left = None;
                return wrong("the response ended before its Content-Length");
            }
            None => return Poll::Ready(None),
            Some(frame) => frame?,
        };
        if let (Some(left), Some(data)) = (self.left, frame.data_ref()) {
            match left.checked_sub(data.len() as u64) {
                Some(left) => self.left = Some(left),
                None => return wrong("the response is longer than its Content-Length"),
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.left.is_none_or(|left| left == 0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(|| self.body.size_hint(), SizeHint::with_exact)
    }
}

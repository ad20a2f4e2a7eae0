//! Who sends requests: the library's own clients, or the program that embeds the library.
//!
//! Where a request may go has been decided before ([`crate::egress`]). Here it is sent once, and its answer is
//! watched: an answer that ends before its length is no answer.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::egress::PrivateAddress;

/// A body that passes piece by piece; a failure inside says that it broke off.
pub type HttpBody = UnsyncBoxBody<Bytes, HttpFailure>;

/// An embedding program's own HTTP: [`HostBuilder::http`](crate::HostBuilder::http). Through it go the requests of
/// providers and what the host itself fetches (media at an address, the checks of an app's addresses).
///
/// The host has judged the request before: its origin is granted, it opens no address literal of a private
/// network, and mapped origins are mapped (then `Host` is among the headers). What a **name** resolves to is the
/// sender's to judge, for it resolves it: refuse private addresses unless you know better, else whoever can name
/// an address of media can reach your inner network.
///
/// A sender sends each request exactly once: at-most-once publishing rests on that. It follows no redirect, keeps
/// no cookies, decodes no content (`Content-Length` counts what it gives), and passes headers on as they are. With
/// `Content-Length` among the headers it sends that many bytes; without it a body that is not empty goes out in
/// chunks. Dropping the future, or the answer's body, breaks the exchange off.
#[async_trait]
pub trait HttpSender: Send + Sync {
    /// Sends a request and returns as soon as the head of its answer is there.
    async fn send(&self, request: http::Request<HttpBody>) -> Result<http::Response<HttpBody>, HttpFailure>;
}

/// Why an exchange of an [`HttpSender`] failed. What it says is shown to people and stands in logs: name no
/// address with its query, and no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// The program does not let this request out. Nothing was sent.
    #[error("refused: {0}")]
    Refused(String),
    /// The server could not be reached. Nothing was sent.
    #[error("not sent: {0}")]
    NotSent(String),
    /// No answer in time; the request may have been sent.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// The connection or a body broke off; the request may have been sent.
    #[error("broken off: {0}")]
    Broken(String),
}

/// Who sends.
#[derive(Clone)]
pub(crate) enum Client {
    Library(reqwest::Client),
    Program(Arc<dyn HttpSender>),
}

/// The body of an answer, whoever received it.
pub(crate) type Answer = UnsyncBoxBody<Bytes, SendError>;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Library(reqwest::Error),
    #[error(transparent)]
    Program(#[from] HttpFailure),
}

impl SendError {
    /// Never with the address, which may hold a token.
    fn library(error: reqwest::Error) -> Self {
        SendError::Library(error.without_url())
    }

    /// Nothing can have reached a server.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            SendError::Library(error) => error.is_connect(),
            SendError::Program(failure) => {
                matches!(failure, HttpFailure::Refused(_) | HttpFailure::NotSent(_))
            }
        }
    }

    /// Whether the host lies in the inner network.
    pub(crate) fn is_private_address(&self) -> bool {
        let SendError::Library(error) = self else { return false };
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(error) = cause {
            if error.is::<PrivateAddress>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Client {
    /// Sends a request once.
    pub(crate) async fn execute(
        &self,
        request: reqwest::Request,
    ) -> Result<http::Response<Answer>, SendError> {
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
    sender: &dyn HttpSender,
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
        return Err(HttpFailure::Broken(format!("{} is no answer", response.status())).into());
    }
    let left = expected(&method, &response);
    Ok(response.map(|body| Whole { body, left }.boxed_unsync()))
}

/// Bytes that the answer says it has; None: it does not say.
fn expected(method: &Method, response: &http::Response<HttpBody>) -> Option<u64> {
    let bodiless = method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        return Some(0);
    }
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// A program's answer, which must be as long as it says.
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
                // An error is the last thing a body says.
                self.left = None;
                return wrong("the answer ended before its Content-Length");
            }
            None => return Poll::Ready(None),
            Some(frame) => frame?,
        };
        if let (Some(left), Some(data)) = (self.left, frame.data_ref()) {
            match left.checked_sub(data.len() as u64) {
                Some(left) => self.left = Some(left),
                None => return wrong("the answer is longer than its Content-Length"),
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

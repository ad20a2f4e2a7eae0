//! Connections: how many at once, how long one may stand still, and who makes room when all places are taken.
//!
//! A place is taken for as long as a connection lasts. Who has sent no whole request yet gives theirs up first, the
//! longest there before the others; who has shown a key or a cookie that opens something, and who is being answered,
//! keeps it. So half-sent requests by the thousand keep nobody out who sends a whole one. `places` has the rules, `pace`
//! how slow a client may be.

mod pace;
mod places;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{Extensions, HeaderValue, Request};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) use pace::is_too_slow;
use pace::{Coming, Paced};
pub(crate) use places::{Place, Places, Seat};

/// Bytes of a request's head, and of what is read ahead: twice what nginx takes. Half-sent heads by the thousand must not
/// fill the memory.
const HEAD: usize = 64 << 10;
/// How long a stop waits for the rest of an answer to leave, and for the other half of a request.
const GRACE: Duration = Duration::from_secs(2);
/// Answered to who begins with HTTP/2: without TLS nobody has agreed on it.
const NO_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n\
connection: close\r\ncontent-length: 66\r\n\r\nThis port speaks HTTP/1.1. A proxy in front of it may speak HTTP/2";

/// What a connection carries to its requests.
pub(crate) struct Line {
    pub(crate) place: Place,
    /// Added to every request: who is at the other end.
    pub(crate) extensions: Extensions,
    /// How long it may stand still, and the window in which its pace is measured.
    pub(crate) idle: Duration,
    pub(crate) stop: CancellationToken,
}

/// Serves a connection to its end.
pub(crate) async fn serve<I>(stream: I, app: Router, line: Line)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Line { place, extensions, idle, stop } = line;
    let seat = place.seat.clone();
    let service = service_fn(|request: Request<Incoming>| {
        seat.works();
        let mut request = request.map(|body| Body::new(Coming::new(body, seat.clone(), idle)));
        request.extensions_mut().extend(extensions.clone());
        request.extensions_mut().insert(seat.clone());
        let answering = app.clone().oneshot(request);
        let going = Going(seat.clone());
        async move {
            let mut response = answering.await.unwrap_or_else(|never| match never {});
            // A connection that came in on trial would stay so, and there may be room again for another.
            if going.0.is_still_on_trial() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| Answer { body, _going: going }))
        }
    });
    let stream = Paced::new(stream, seat.clone(), idle);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Counts from the end of the request before, so it bounds an idle connection as well.
        .header_read_timeout(idle)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let ended = {
        let mut stopped = pin!(stop.cancelled());
        let mut grace = pin!(tokio::time::sleep(GRACE));
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = Pin::new(&mut connection) => break ended,
                () = place.seat.end.cancelled() => return,
                () = &mut stopped, if !stopping => {
                    stopping = true;
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    Pin::new(&mut connection).graceful_shutdown();
                }
                () = &mut grace, if stopping => {
                    if !seat.is_working() {
                        return;
                    }
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
            }
        }
    };
    match ended {
        Ok(()) => {}
        Err(error) if error.is_parse_version_h2() => {
            let mut stream = connection.into_parts().io.into_inner().into_inner();
            // Who does not read it learns no less than from a closed connection.
            let _ = tokio::time::timeout(idle, stream.write_all(NO_HTTP2)).await;
            let _ = tokio::time::timeout(idle, stream.shutdown()).await;
        }
        // Clients that went away, or took too long.
        Err(error) => tracing::trace!(%error, "a connection ended"),
    }
}

/// The client is waited for again once the answer is out, or given up.
struct Going(Arc<Seat>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.waits();
    }
}

struct Answer {
    body: Body,
    _going: Going,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(NO_HTTP2).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}

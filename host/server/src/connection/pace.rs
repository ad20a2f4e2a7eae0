//! How slow a client may be: while the service waits for it, it sends or takes so many bytes a second at least. That one
//! moves nothing is the slowest pace of all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::places::Seat;

/// Bytes a second: below any line over which somebody brings a file, and far above one byte now and then.
const SLOWEST: u64 = 1 << 10;

/// The body of a request came too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct TooSlow;

/// Whether a body broke off because it came too slowly.
pub(crate) fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let next = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    error.is::<TooSlow>() || next.is_some_and(is_too_slow)
}

/// Counts in windows: of the time in which the client is waited for, and not of what the service itself takes.
struct Pace {
    window: Duration,
    waited: Duration,
    moved: u64,
    since: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Pace {
    fn new(window: Duration) -> Self {
        let alarm = Box::pin(tokio::time::sleep(window));
        Pace { window, waited: Duration::ZERO, moved: 0, since: None, alarm }
    }

    /// So many bytes have come or gone.
    fn moves(&mut self, bytes: usize) {
        self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= self.window.as_secs().max(1) * SLOWEST {
            (self.waited, self.moved) = (Duration::ZERO, 0);
        }
    }

    /// Nothing moves. Ready: this is too slow.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            self.alarm.as_mut().reset(now + self.window.saturating_sub(self.waited));
        }
        self.alarm.as_mut().poll(cx)
    }
}

/// A connection that is not written to for ever.
pub(super) struct Paced<I> {
    stream: I,
    pace: Pace,
    seat: Arc<Seat>,
}

impl<I> Paced<I> {
    pub(super) fn new(stream: I, seat: Arc<Seat>, window: Duration) -> Self {
        Paced { stream, pace: Pace::new(window), seat }
    }

    pub(super) fn into_inner(self) -> I {
        self.stream
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.pace.moves(written.as_ref().copied().unwrap_or_default());
            self.seat.flows();
            return Poll::Ready(written);
        }
        self.seat.stalls();
        ready!(self.pace.poll_wait(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body, which breaks off where it comes too slowly.
pub(super) struct Coming {
    body: Incoming,
    pace: Pace,
    seat: Arc<Seat>,
}

impl Coming {
    pub(super) fn new(body: Incoming, seat: Arc<Seat>, window: Duration) -> Self {
        Coming { body, pace: Pace::new(window), seat }
    }
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
            this.pace.moves(data.map_or(0, Bytes::len));
            this.seat.works();
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        // A stranger who lets the service wait for a body is as one who lets it wait for a header.
        if this.pace.since.is_none() && !this.seat.is_proven() {
            this.seat.waits();
        }
        this.pace.poll_wait(cx).map(|()| Some(Err(axum::Error::new(TooSlow))))
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

    /// Whether it is too slow once the alarm's time has come.
    async fn is_too_slow_now(pace: &mut Pace) -> bool {
        futures::future::poll_fn(|cx| Poll::Ready(pace.poll_wait(cx).is_ready())).await
    }

    #[tokio::test]
    async fn what_drips_is_too_slow_and_what_comes_at_its_pace_is_not() {
        let mut pace = Pace::new(Duration::from_secs(10));
        // As if it had waited so long each time.
        let waited = |pace: &mut Pace, seconds, bytes| {
            pace.since = Instant::now().checked_sub(Duration::from_secs(seconds));
            assert!(pace.since.is_some(), "the clock began too late");
            pace.moves(bytes);
        };
        for _ in 0..100 {
            waited(&mut pace, 1, 1 << 10);
            assert!(!is_too_slow_now(&mut pace).await, "a kilobyte a second");
        }
        waited(&mut pace, 0, 10 << 10);
        for _ in 0..4 {
            waited(&mut pace, 2, 1);
            assert!(!is_too_slow_now(&mut pace).await, "within the window");
        }
        waited(&mut pace, 2, 1);
        // The timer's grain is a millisecond.
        futures::future::poll_fn(|cx| pace.poll_wait(cx)).await;
    }

    #[test]
    fn a_body_that_was_too_slow_is_known_through_what_wraps_it() {
        let wrapped = axum::Error::new(axum::Error::new(TooSlow));
        assert!(is_too_slow(&wrapped));
        assert!(is_too_slow(&io::Error::other(wrapped)));
        assert!(!is_too_slow(&io::Error::other(axum::Error::new(io::Error::other("reset")))));
    }
}

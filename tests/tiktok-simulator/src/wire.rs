//! The bytes on the wire: a socket that can reset, and a response body that can pause or be truncated.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A connection that ends with a TCP reset, instead of an orderly close, once the flag is set.
pub(crate) struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, reset: Arc<AtomicBool>) -> Self {
        Self { stream, reset }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst)
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!("no reset, an orderly close instead: {error}");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown first would turn the reset into an orderly close.
        if self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    Pause(Duration),
    Break,
}

/// A response body of known length.
#[derive(Debug)]
pub(crate) struct Script {
    pieces: VecDeque<Piece>,
    announced: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Script {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let announced = bytes.len() as u64;
        let pieces = if bytes.is_empty() { VecDeque::new() } else { VecDeque::from([Piece::Data(bytes)]) };
        Self { pieces, announced, sleep: None }
    }

    /// Announces all bytes, sends `keep`, then aborts.
    pub(crate) fn cut(bytes: &Bytes, keep: usize) -> Self {
        // At least one byte must be missing, otherwise nothing is cut.
        let keep = keep.min(bytes.len().saturating_sub(1));
        let announced = (bytes.len() as u64).max(1);
        // The pause lets the first part reach the client before the connection ends.
        let pieces =
            [Piece::Data(bytes.slice(..keep)), Piece::Pause(Duration::from_millis(20)), Piece::Break];
        Self { pieces: pieces.into_iter().collect(), announced, sleep: None }
    }

    pub(crate) fn slow(bytes: &Bytes, pieces: u32, pause: Duration) -> Self {
        let count = usize::try_from(pieces).unwrap_or(1).max(1);
        let size = bytes.len().div_ceil(count).max(1);
        let mut script = VecDeque::new();
        for start in (0..bytes.len()).step_by(size) {
            script.push_back(Piece::Pause(pause));
            script.push_back(Piece::Data(bytes.slice(start..(start + size).min(bytes.len()))));
        }
        Self { pieces: script, announced: bytes.len() as u64, sleep: None }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.pieces.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Data(bytes)) if bytes.is_empty() => {}
                Some(Piece::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Pause(pause)) => self.sleep = Some(Box::pin(tokio::time::sleep(pause))),
                Some(Piece::Break) => {
                    return Poll::Ready(Some(Err(io::Error::other("a fault cut the body"))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

//! Standard error: the first few KiB of a call, into the log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that a guest may write at once; WASI's usual permit.
const PERMIT: usize = 64 << 10;

/// The output of a call. Output beyond the limit is accepted and discarded, so that no guest blocks.
#[derive(Clone)]
pub(crate) struct Stderr(Arc<Mutex<Kept>>);

struct Kept {
    bytes: Vec<u8>,
    limit: usize,
    lost: u64,
}

impl Stderr {
    pub(super) fn new(limit: usize) -> Self {
        Stderr(Arc::new(Mutex::new(Kept { bytes: Vec::new(), limit, lost: 0 })))
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = kept.limit.saturating_sub(kept.bytes.len());
        let (taken, lost) = bytes.split_at(room.min(bytes.len()));
        kept.bytes.extend_from_slice(taken);
        kept.lost = kept.lost.saturating_add(lost.len() as u64);
    }

    /// Writes the kept output to the log, line by line, without control characters.
    pub(crate) fn log(&self, provider: &str, operation: &str, account: Option<&str>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes.is_empty() {
            return;
        }
        for line in String::from_utf8_lossy(&kept.bytes).lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            tracing::info!(target: "provider", provider, operation, account, "{line}");
        }
        if kept.lost > 0 {
            let lost = kept.lost;
            tracing::info!(target: "provider", provider, operation, account, "{lost} more bytes were dropped");
        }
    }

    /// The kept output.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.bytes).into_owned()
    }

    /// The last line of the kept output, for the cause of a fault.
    pub(crate) fn last_line(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept.bytes);
        text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
    }
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.keep(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.keep(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

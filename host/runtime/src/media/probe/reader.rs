//! Bounded reads of media from anywhere in it, whether it lies in a file or at an address.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

use super::super::reference::{MediaStream, ReadError};
use super::super::source::Source;
use super::super::url;

/// Bytes read at once where fewer are asked for: neighbours of a box are mostly looked at next.
const BLOCK: u64 = 16 << 10;
/// Reads of one file. An hour in fragments of two seconds has 3,600 parts, and a read of a file costs microseconds.
const FILE_READS: u32 = 8_192;
/// Reads of one address: each is a request, and a person waits.
const URL_READS: u32 = 192;

/// Why a look ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes cannot be read now.
    Unreadable(std::io::Error),
    /// Enough was read: what is not known by now stays unknown.
    Enough,
}

/// Reads what is asked for, and no more often than is reasonable.
pub(super) struct Reader {
    source: Source,
    size: u64,
    left: u32,
    head: Bytes,
    block: (u64, Bytes),
}

impl Reader {
    pub(super) fn new(source: Source, size: u64) -> Self {
        let left = match &source {
            Source::Url(_) | Source::Kept(_) => URL_READS,
            Source::File(_) | Source::Lost(_) => FILE_READS,
        };
        Reader { source, size, left, head: Bytes::new(), block: (0, Bytes::new()) }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The first bytes, which are kept: most of what tells something is in them.
    pub(super) async fn head(&mut self, length: u64) -> Result<Bytes, Stop> {
        self.head = self.fetch(0, length.min(self.size)).await?;
        Ok(self.head.clone())
    }

    /// Exactly these bytes; as many of them as there are before the end.
    pub(super) async fn read(&mut self, offset: u64, length: u64) -> Result<Bytes, Stop> {
        let end = offset.saturating_add(length).min(self.size);
        let Some(length) = end.checked_sub(offset).filter(|length| *length > 0) else {
            return Ok(Bytes::new());
        };
        for (start, bytes) in [(0, &self.head), (self.block.0, &self.block.1)] {
            if let Some(part) = part(start, bytes, offset, length) {
                return Ok(part);
            }
        }
        if length >= BLOCK {
            return self.fetch(offset, length).await;
        }
        let block = self.fetch(offset, BLOCK.min(self.size - offset)).await?;
        self.block = (offset, block);
        Ok(part(offset, &self.block.1, offset, length).unwrap_or_default())
    }

    async fn fetch(&mut self, offset: u64, length: u64) -> Result<Bytes, Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::Enough)?;
        let unreadable = |error: ReadError| Stop::Unreadable(std::io::Error::other(format!("{error:?}")));
        let wanted = usize::try_from(length).map_err(|_| Stop::Enough)?;
        match &self.source {
            Source::File(file) => {
                let file = Arc::clone(file);
                // A thread for as long as the disk takes: a slow server never holds one.
                let task = tokio::task::spawn_blocking(move || {
                    let mut buffer = vec![0; wanted];
                    file.read_exact_at(&mut buffer, offset).map(|()| Bytes::from(buffer))
                });
                let read = task.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                read.map_err(Stop::Unreadable)
            }
            Source::Url(source) => {
                let stream = url::read(Arc::clone(source), offset, offset + length);
                whole(Box::pin(stream)).await.map_err(unreadable)
            }
            Source::Kept(kept) => {
                whole(Arc::clone(kept).read(offset, offset + length)).await.map_err(unreadable)
            }
            Source::Lost(error) => Err(unreadable(*error)),
        }
    }
}

/// All bytes of a stream, which are few.
async fn whole(mut stream: MediaStream) -> Result<Bytes, ReadError> {
    let mut buffer = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        buffer.extend_from_slice(&chunk?);
    }
    Ok(buffer.freeze())
}

/// A part of bytes that were read from `start` on, if it is among them.
fn part(start: u64, bytes: &Bytes, offset: u64, length: u64) -> Option<Bytes> {
    let from = usize::try_from(offset.checked_sub(start)?).ok()?;
    let to = from.checked_add(usize::try_from(length).ok()?)?;
    (to <= bytes.len()).then(|| bytes.slice(from..to))
}

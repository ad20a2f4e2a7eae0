//! Media in a file on this machine, read at offsets on a thread of the blocking pool.

use std::fs::File;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::task::JoinHandle;

use super::reference::{CHUNK, ReadError};
use crate::error::{Error, ErrorKind, Result};

/// An open file, with its size and modification time when it was opened.
#[derive(Debug)]
pub(super) struct FileSource {
    file: File,
    size: u64,
    modified: u128,
}

impl FileSource {
    /// Opens a file that a caller named.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        FileSource::opened(path).await?.map_err(|error| {
            let name = path.display();
            let (message, remedy) = match error.kind() {
                io::ErrorKind::NotFound => (format!("there is no file {name}"), "Check the path."),
                io::ErrorKind::PermissionDenied => {
                    (format!("{name} may not be read"), "Give this program's user permission to read it.")
                }
                _ => (format!("{name} cannot be read: {error}"), "Check the file and its disk."),
            };
            Error::new(ErrorKind::InvalidRequest, message)
                .with_field("media")
                .with_remedy(remedy)
                .with_source(error)
        })
    }

    /// Opens a file that a job names. A missing file can be put back, so the job waits.
    pub(super) async fn reopen(path: &Path) -> Result<Self> {
        FileSource::opened(path).await?.map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("the media {} no longer exists", path.display()))
                .with_field("media")
                .with_remedy("Put the file back; the publish then continues automatically.")
                .with_source(error)
        })
    }

    async fn opened(path: &Path) -> Result<io::Result<Self>> {
        if !path.is_absolute() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("{} is not an absolute path", path.display()),
            )
            .with_field("media")
            .with_remedy("Give the full path, starting at the root."));
        }
        let path = path.to_owned();
        let opened = move || -> io::Result<Self> {
            // Checked before opening, because opening a named pipe would wait for its writer.
            if !std::fs::metadata(&path)?.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            let file = File::open(&path)?;
            let (size, modified) = stamp(&file)?;
            if size == 0 {
                return Err(io::Error::other("it is empty"));
            }
            Ok(FileSource { file, size, modified })
        };
        let task = tokio::task::spawn_blocking(opened);
        task.await.map_err(|error| Error::internal("opening the media was interrupted").with_source(error))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn modified(&self) -> u128 {
        self.modified
    }

    fn unchanged(&self) -> Result<(), ReadError> {
        match stamp(&self.file) {
            Ok(now) if now == (self.size, self.modified) => Ok(()),
            Ok(_) => Err(ReadError::Changed),
            Err(_) => Err(ReadError::Unavailable),
        }
    }

    /// Fills the buffer from a position. Blocks.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        #[cfg(unix)]
        {
            std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
        }
        #[cfg(windows)]
        {
            let mut done = 0;
            while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match std::os::windows::fs::FileExt::seek_read(&self.file, rest, offset + done as u64)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => done += n,
                }
            }
            Ok(())
        }
    }
}

/// Size and modification time.
fn stamp(file: &File) -> io::Result<(u64, u128)> {
    let metadata = file.metadata()?;
    let modified = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    Ok((metadata.len(), modified.map_or(0, |since| since.as_nanos())))
}

/// Streams the bytes from `offset` up to `end`, with one chunk of read-ahead.
pub(super) fn read(
    source: Arc<FileSource>,
    offset: u64,
    end: u64,
) -> impl Stream<Item = Result<Bytes, ReadError>> {
    FileStream { source, at: offset, end, first: true, ahead: None, used: [None, None] }
}

struct FileStream {
    source: Arc<FileSource>,
    at: u64,
    end: u64,
    first: bool,
    ahead: Option<JoinHandle<Result<BytesMut, ReadError>>>,
    /// Buffers handed out before. Once the reader has dropped one, it is reused, which avoids allocating
    /// pages for every chunk.
    used: [Option<Bytes>; 2],
}

impl FileStream {
    fn start(&mut self) {
        let (offset, first) = (self.at, std::mem::take(&mut self.first));
        let length = CHUNK.min(usize::try_from(self.end - offset).unwrap_or(CHUNK));
        self.at += length as u64;
        let last = self.at == self.end;
        let free = self.used.iter_mut().find_map(|slot| match slot.take()?.try_into_mut() {
            Ok(buffer) => Some(buffer),
            Err(shared) => {
                *slot = Some(shared);
                None
            }
        });
        let source = Arc::clone(&self.source);
        self.ahead = Some(tokio::task::spawn_blocking(move || {
            let mut buffer = free.unwrap_or_default();
            buffer.resize(length, 0);
            if first {
                source.unchanged()?;
            }
            source.read_exact_at(&mut buffer, offset).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ReadError::Changed,
                _ => ReadError::Unavailable,
            })?;
            // Checked before the last bytes are sent, so that a file that changed meanwhile never looks complete.
            if last {
                source.unchanged()?;
            }
            Ok(buffer)
        }));
    }
}

impl Stream for FileStream {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ahead.is_none() {
            if self.at == self.end {
                return Poll::Ready(None);
            }
            self.start();
        }
        let Some(ahead) = self.ahead.as_mut() else { return Poll::Ready(None) };
        let result = ready!(Pin::new(ahead).poll(cx)).unwrap_or(Err(ReadError::Unavailable));
        self.ahead = None;
        match result {
            Ok(buffer) => {
                let bytes = buffer.freeze();
                if let Some(slot) = self.used.iter_mut().find(|slot| slot.is_none()) {
                    *slot = Some(bytes.clone());
                }
                if self.at < self.end {
                    self.start();
                }
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => {
                self.at = self.end;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

//! Bytes to publish: where they lie, what they are, and reading them by ranges.
//!
//! A [`MediaItem`] is open; a [`MediaReference`] is what the job's row keeps of it, so that another process
//! can open the same bytes again and notice if they are others. Nothing here knows guests or networks:
//! `capability::media` hands the streams on.

mod file;
mod place;
mod probe;
mod url;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::egress::Egress;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Media, MediaInfo, MediaSource};

pub use place::ServedMedia;
pub(crate) use url::{Failure, chunk, get};

/// Bytes read at once. Fewer would cost a thread switch or a network read each; more would only fill memory:
/// two such buffers are alive per stream.
const CHUNK: usize = 512 << 10;

/// Why a range cannot be read; the contract's `media-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The range does not lie within the media.
    OutOfRange,
    /// The bytes changed since the publish began.
    Changed,
    /// The bytes cannot be read now.
    Unavailable,
}

/// The bytes of a range, in order. After an error nothing follows.
pub(crate) type MediaStream = Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>>;

/// Which bytes were meant: what another process needs to open them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MediaReference {
    pub(crate) source: MediaSource,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) version: Version,
    pub(crate) content_type: String,
    #[serde(default)]
    pub(crate) facts: Facts,
    #[serde(default)]
    pub(crate) alt_text: Option<String>,
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    /// What its owner calls it, where the source does not say.
    #[serde(default)]
    pub(crate) file_name: Option<String>,
}

/// What shows that the bytes are still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Version {
    /// A file's time of change, nanoseconds since 1970.
    Modified(u128),
    /// A server's validators; at least one is there.
    Validators { etag: Option<String>, last_modified: Option<String> },
}

/// What the bytes themselves tell. Absent means unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// Milliseconds.
    pub(crate) duration: Option<u64>,
    /// Pixels.
    pub(crate) width: Option<u32>,
    /// Pixels.
    pub(crate) height: Option<u32>,
    /// Frames per second.
    pub(crate) frame_rate: Option<f64>,
    /// For example `h264`.
    pub(crate) codec: Option<String>,
}

/// Open media.
#[derive(Debug)]
pub(crate) struct MediaItem {
    reference: MediaReference,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    File(Arc<file::FileSource>),
    Url(Arc<url::UrlSource>),
    /// The bytes are not there now, and nobody may need them any more.
    Lost(ReadError),
}

impl MediaItem {
    /// Opens what a caller named and finds out what it is. Reads at most a few MiB.
    ///
    /// # Errors
    /// `InvalidRequest` (field `media`) where nothing usable is there, `DeniedByPolicy` for an address in a
    /// private network, `Unavailable` where a server does not answer.
    #[cfg(test)]
    pub(crate) async fn open(media: &Media, egress: &Egress) -> Result<MediaItem> {
        let path = match &media.source {
            MediaSource::File(path) => Some(path.as_path()),
            _ => None,
        };
        Self::open_at(media, path, egress).await
    }

    /// As `open`, with the path at which the media lies unless it has an address; see [`place`].
    pub(crate) async fn open_at(media: &Media, path: Option<&Path>, egress: &Egress) -> Result<MediaItem> {
        let (source, size, version, named_type) = match (&media.source, path) {
            (_, Some(path)) => {
                let file = file::FileSource::open(path).await?;
                let (size, version) = (file.size(), Version::Modified(file.modified()));
                (Source::File(Arc::new(file)), size, version, None)
            }
            (MediaSource::Url(address), None) => {
                let opened = url::UrlSource::open(address, egress).await?;
                (Source::Url(Arc::new(opened.source)), opened.size, opened.version, opened.content_type)
            }
            (_, None) => return Err(Error::internal("media was opened without its place")),
        };
        let item = MediaItem {
            reference: MediaReference {
                source: media.source.clone(),
                size,
                version,
                content_type: String::new(),
                facts: Facts::default(),
                alt_text: media.alt_text.clone(),
                public_url: media.public_url.clone(),
                file_name: None,
            },
            source,
        };
        let found = probe::probe(&item).await?;
        let content_type = media
            .content_type
            .clone()
            .or(found.content_type)
            .or(named_type)
            .or_else(|| item.file_name().and_then(|name| probe::type_of_name(&name)))
            .unwrap_or_else(|| "application/octet-stream".to_owned());
        let reference = MediaReference { content_type, facts: found.facts, ..item.reference };
        Ok(MediaItem { reference, source: item.source })
    }

    /// Opens the very same bytes again.
    ///
    /// # Errors
    /// `InvalidRequest` where the bytes are others now, `Unavailable` where they cannot be read at present,
    /// `DeniedByPolicy` as for `open`.
    #[cfg(test)]
    pub(crate) async fn reopen(reference: &MediaReference, egress: &Egress) -> Result<MediaItem> {
        let path = match &reference.source {
            MediaSource::File(path) => Some(path.as_path()),
            _ => None,
        };
        Self::reopen_at(reference, path, egress).await
    }

    /// As `reopen`, with the path at which the media lies unless it has an address; see [`place`].
    pub(crate) async fn reopen_at(
        reference: &MediaReference,
        path: Option<&Path>,
        egress: &Egress,
    ) -> Result<MediaItem> {
        let source = match (&reference.source, path) {
            (_, Some(path)) => {
                let file = file::FileSource::reopen(path).await?;
                if file.size() != reference.size || Version::Modified(file.modified()) != reference.version {
                    return Err(changed(&path.display().to_string()));
                }
                Source::File(Arc::new(file))
            }
            // Nothing is asked here: every read names the version it wants, and the server's answer decides.
            (MediaSource::Url(address), None) => Source::Url(Arc::new(url::UrlSource::reopen(
                address,
                reference.size,
                reference.version.clone(),
                egress,
            )?)),
            (_, None) => return Err(Error::internal("media was opened without its place")),
        };
        Ok(MediaItem { reference: reference.clone(), source })
    }

    /// What is known of bytes that cannot be opened again: a publish whose bytes are all sent goes on
    /// without them, and any other fails at its next read, for `error`'s reason.
    pub(crate) fn lost(reference: &MediaReference, error: &Error) -> MediaItem {
        let read = match error.kind {
            ErrorKind::InvalidRequest => ReadError::Changed,
            _ => ReadError::Unavailable,
        };
        MediaItem { reference: reference.clone(), source: Source::Lost(read) }
    }

    /// See [`MediaItem::lost`].
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.source, Source::Lost(_))
    }

    /// The same, with the name that its owner gave it.
    fn named(mut self, name: Option<String>) -> Self {
        self.reference.file_name = name;
        self
    }

    /// The same, with an address for the platform.
    fn at_public_url(mut self, url: String) -> Self {
        self.reference.public_url = Some(url);
        self
    }

    /// What the job's row keeps.
    pub(crate) fn reference(&self) -> &MediaReference {
        &self.reference
    }

    /// What a provider and the pages are told.
    pub(crate) fn info(&self) -> MediaInfo {
        self.reference.info()
    }

    fn file_name(&self) -> Option<String> {
        self.reference.file_name()
    }

    /// Streams `length` bytes from `offset`. May be called again for the same range.
    ///
    /// # Errors
    /// `OutOfRange` at once; the others come in the stream.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Result<MediaStream, ReadError> {
        let end = offset.checked_add(length).filter(|end| *end <= self.reference.size);
        let end = end.ok_or(ReadError::OutOfRange)?;
        Ok(match &self.source {
            _ if length == 0 => Box::pin(futures::stream::empty()),
            Source::Lost(error) => Box::pin(futures::stream::iter([Err(*error)])),
            Source::File(file) => Box::pin(file::read(Arc::clone(file), offset, end)),
            Source::Url(source) => Box::pin(url::read(Arc::clone(source), offset, end)),
        })
    }
}

impl MediaReference {
    /// What a provider and the pages are told.
    pub(crate) fn info(&self) -> MediaInfo {
        let MediaReference { size, content_type, facts, alt_text, public_url, .. } = self;
        MediaInfo {
            size: *size,
            content_type: content_type.clone(),
            file_name: self.file_name(),
            alt_text: alt_text.clone(),
            duration: facts.duration,
            width: facts.width,
            height: facts.height,
            frame_rate: facts.frame_rate,
            codec: facts.codec.clone(),
            public_url: public_url.clone(),
        }
    }

    fn file_name(&self) -> Option<String> {
        if self.file_name.is_some() {
            return self.file_name.clone();
        }
        let name = match &self.source {
            MediaSource::File(path) => path.file_name()?.to_string_lossy().into_owned(),
            MediaSource::Url(address) => {
                ::url::Url::parse(address).ok()?.path_segments()?.next_back()?.to_owned()
            }
            MediaSource::Name(name) => name.rsplit('/').next()?.to_owned(),
            // Ours, and no name at all.
            MediaSource::Upload(_) => return None,
        };
        (!name.is_empty()).then_some(name)
    }
}

fn changed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{what} changed since the publish began"))
        .with_field("media")
        .with_remedy("Publish again with the file as it is now; what was sent so far cannot be finished.")
}

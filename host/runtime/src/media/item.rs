//! Open media: opened as a caller named it, or reopened from a job's reference.

use std::sync::Arc;
use std::time::Duration;

use super::kept::At;
use super::probe::{self, Damage};
use super::reference::{Absent, Facts, MediaReference, MediaStream, ReadError, Version, changed};
use super::source::Source;
use super::{file, kind, url};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{self, Media, MediaInfo, MediaSource};
use crate::net::Egress;

/// The longest look at what lies at an address: a person waits for it, and proxies wait for sixty seconds. The servers of
/// this crate's tests are near.
const LOOK: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 30 });

/// Open media.
#[derive(Debug)]
pub struct MediaItem {
    reference: MediaReference,
    source: Source,
    damage: Option<Damage>,
}

impl MediaItem {
    /// Opens what a caller named and finds out what it is. Reads at most a few MiB, and no longer than [`LOOK`] from an
    /// address. Bytes that no platform can use are no error here; see [`MediaItem::fault`]. Dropping the future ends
    /// it.
    ///
    /// # Errors
    /// `InvalidRequest` (field `media`) if there is no usable media, `DeniedByPolicy` for an address in a
    /// private network, `Unavailable` if a server does not respond.
    #[cfg(test)]
    pub async fn open(media: &Media, egress: &Egress) -> Result<MediaItem> {
        let path = match &media.source {
            MediaSource::File(path) => Some(path.as_path()),
            _ => None,
        };
        Self::open_at(media, path, egress).await
    }

    /// Like `open`, with the place of the media unless it is a URL. Dropping the future ends it.
    pub async fn open_at(media: &Media, at: impl Into<At>, egress: &Egress) -> Result<MediaItem> {
        let at = at.into();
        let is_file = matches!(at, At::Path(_));
        let opening = Self::look_at(media, at, egress);
        if is_file {
            return opening.await;
        }
        tokio::time::timeout(LOOK, opening).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the server of the media took more than {} seconds to show what it is",
                    LOOK.as_secs()
                ),
            )
            .with_field("media")
            .with_remedy("Try again later, or publish from a file."))
        })
    }

    async fn look_at(media: &Media, at: At, egress: &Egress) -> Result<MediaItem> {
        let (source, size, version, named_type) = match (&media.source, at) {
            (_, At::Path(path)) => {
                let file = file::FileSource::open(&path).await?;
                let (size, version) = (file.size(), Version::Modified(file.modified()));
                (Source::File(Arc::new(file)), size, version, None)
            }
            (_, At::Kept(kept)) => {
                // Says more than a read that fails.
                kept.look().await.map_err(Absent::into_error)?;
                let (size, version) = (kept.size(), kept.version());
                (Source::Kept(kept), size, version, None)
            }
            (MediaSource::Url(address), At::Address) => {
                let opened = url::UrlSource::open(address, egress).await?;
                (Source::Url(Arc::new(opened.source)), opened.size, opened.version, opened.content_type)
            }
            (_, At::Address) => return Err(Error::internal("media was opened without its place")),
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
                role: media.role.clone().unwrap_or_else(model::media),
                options: media.options.clone(),
            },
            source,
            damage: None,
        };
        let found = probe::probe(&item.source, item.reference.size).await?;
        let claimed = media
            .content_type
            .clone()
            .or(named_type)
            .or_else(|| item.file_name().and_then(|name| kind::of_name(&name)));
        let damage = found.damage.or_else(|| probe::lie(claimed.as_deref(), found.content_type, &found.head));
        let told = found.content_type.map(str::to_owned);
        // What a page was taken for is what a provider can judge; that it is one is said already.
        let content_type = if damage == Some(Damage::WebPage) { claimed.or(told) } else { told.or(claimed) };
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let reference = MediaReference { content_type, facts: found.facts, ..item.reference };
        Ok(MediaItem { reference, source: item.source, damage })
    }

    /// Opens the very same bytes again. Dropping the future ends it.
    ///
    /// # Errors
    /// `InvalidRequest` if the bytes have changed, `Unavailable` if they cannot be read now,
    /// `DeniedByPolicy` as for `open`.
    #[cfg(test)]
    pub async fn reopen(reference: &MediaReference, egress: &Egress) -> Result<MediaItem> {
        let path = match &reference.source {
            MediaSource::File(path) => Some(path.as_path()),
            _ => None,
        };
        Self::reopen_at(reference, path, egress).await
    }

    /// Like `reopen`, with the place of the media unless it is a URL. Dropping the future ends it.
    pub async fn reopen_at(
        reference: &MediaReference,
        at: impl Into<At>,
        egress: &Egress,
    ) -> Result<MediaItem> {
        let source = match (&reference.source, at.into()) {
            (_, At::Path(path)) => {
                let file = file::FileSource::reopen(&path).await?;
                if file.size() != reference.size || Version::Modified(file.modified()) != reference.version {
                    return Err(changed(&path.display().to_string()));
                }
                Source::File(Arc::new(file))
            }
            // The same bytes may lie elsewhere since: copied from a folder, with another time of change. They are kept under
            // a name that is given once, so their size tells enough.
            (_, At::Kept(kept)) if kept.size() == reference.size => Source::Kept(kept),
            (_, At::Kept(_)) => return Err(changed("the stored file")),
            // No request is made here: every read names the expected version, and the server's response decides.
            (MediaSource::Url(address), At::Address) => Source::Url(Arc::new(url::UrlSource::reopen(
                address,
                reference.size,
                reference.version.clone(),
                egress,
            )?)),
            (_, At::Address) => return Err(Error::internal("media was opened without its place")),
        };
        Ok(MediaItem { reference: reference.clone(), source, damage: None })
    }

    /// Media that cannot be opened again: a publish that has sent all bytes continues without it, and any
    /// other fails at its next read, with the reason of `error`.
    pub fn lost(reference: &MediaReference, error: &Error) -> MediaItem {
        let read = match error.kind {
            ErrorKind::InvalidRequest => ReadError::Changed,
            _ => ReadError::Unavailable,
        };
        MediaItem { reference: reference.clone(), source: Source::Lost(read), damage: None }
    }

    /// See [`MediaItem::lost`].
    pub fn is_lost(&self) -> bool {
        matches!(self.source, Source::Lost(_))
    }

    /// The same media, with the file name that its owner gave it.
    #[must_use]
    pub fn named(mut self, name: Option<String>) -> Self {
        self.reference.file_name = name;
        self
    }

    /// The same media, with a URL for the platform.
    #[must_use]
    pub fn at_public_url(mut self, url: String) -> Self {
        self.reference.public_url = Some(url);
        self
    }

    /// What makes these bytes unfit for any platform, whatever it takes: they were cut short, hold no picture, or are
    /// others than their name says. Known of media that was opened by what a caller named.
    pub fn fault(&self) -> Option<Error> {
        let name = self.file_name();
        self.damage.map(|damage| damage.error(name.as_deref().unwrap_or("the file")))
    }

    /// Whether the bytes can be read now, for media at an address: asks for the first of them. A file was looked at
    /// when it was opened. Dropping the future ends it.
    ///
    /// # Errors
    /// What keeps them from being read.
    pub async fn look(&self) -> std::result::Result<(), Absent> {
        match &self.source {
            Source::Url(source) => source.look().await,
            Source::Kept(kept) => kept.look().await,
            Source::File(_) | Source::Lost(_) => Ok(()),
        }
    }

    /// The reference that the job's row stores.
    pub fn reference(&self) -> &MediaReference {
        &self.reference
    }

    /// The information for a provider and the pages.
    pub fn info(&self) -> MediaInfo {
        self.reference.info()
    }

    fn file_name(&self) -> Option<String> {
        self.reference.file_name()
    }

    /// Streams `length` bytes from `offset`. May be called again for the same range.
    ///
    /// # Errors
    /// `OutOfRange` at once; other errors come in the stream.
    pub fn read(&self, offset: u64, length: u64) -> Result<MediaStream, ReadError> {
        let end = offset.checked_add(length).filter(|end| *end <= self.reference.size);
        let end = end.ok_or(ReadError::OutOfRange)?;
        Ok(match &self.source {
            _ if length == 0 => Box::pin(futures::stream::empty()),
            Source::Lost(error) => Box::pin(futures::stream::iter([Err(*error)])),
            Source::File(file) => Box::pin(file::read(Arc::clone(file), offset, end)),
            Source::Url(source) => Box::pin(url::read(Arc::clone(source), offset, end)),
            Source::Kept(kept) => Arc::clone(kept).read(offset, end),
        })
    }
}

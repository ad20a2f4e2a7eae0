//! Stored references to media: which bytes are meant, and their properties.

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::model::{self, Details, MediaInfo, MediaSource};

/// Bytes per read. With fewer, thread switches and network reads would dominate; more would only use memory,
/// since each stream has two such buffers.
pub(super) const CHUNK: usize = 512 << 10;

/// Why a range cannot be read; the contract's `media-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The range is not within the media.
    OutOfRange,
    /// The bytes changed since the publish began.
    Changed,
    /// The bytes cannot be read now.
    Unavailable,
}

/// Why media at an address cannot be read.
#[derive(Debug)]
pub enum Absent {
    /// Its server is out of order.
    ForNow(Error),
    /// Its server refuses it, or it is not there any more.
    Refused(Error),
    /// Other bytes lie there now.
    Changed(Error),
}

impl Absent {
    /// What keeps the media from being read.
    pub fn into_error(self) -> Error {
        match self {
            Absent::ForNow(error) | Absent::Refused(error) | Absent::Changed(error) => error,
        }
    }
}

/// The bytes of a range, in order. After an error nothing follows.
pub type MediaStream = Pin<Box<dyn Stream<Item = Result<Bytes, ReadError>> + Send>>;

/// A reference to media that another process can reopen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaReference {
    /// Where the media is.
    pub source: MediaSource,
    /// Size in bytes.
    pub size: u64,
    /// Identifies the version of the bytes.
    pub version: Version,
    /// For example `video/mp4`.
    pub content_type: String,
    /// Properties detected from the bytes.
    #[serde(default)]
    pub facts: Facts,
    /// What it shows, for people who cannot see it.
    #[serde(default)]
    pub alt_text: Option<String>,
    /// Where the platform can fetch the media.
    #[serde(default)]
    pub public_url: Option<String>,
    /// The owner's file name, if the source has none.
    #[serde(default)]
    pub file_name: Option<String>,
    /// What it is for.
    #[serde(default = "model::media")]
    pub role: String,
    /// Options by the names of its media rule's fields.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub options: Details,
}

/// How to detect that the bytes have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// A file's modification time, nanoseconds since 1970.
    Modified(u128),
    /// A server's validators; at least one is present.
    Validators {
        /// As received.
        etag: Option<String>,
        /// As received.
        last_modified: Option<String>,
    },
}

/// Properties detected from the bytes. Absent means unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Milliseconds.
    pub duration: Option<u64>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// For example `h264`.
    pub codec: Option<String>,
}

impl MediaReference {
    /// The information for a provider and the pages.
    pub fn info(&self) -> MediaInfo {
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
            role: self.role.clone(),
            options: self.options.clone(),
        }
    }

    pub(super) fn file_name(&self) -> Option<String> {
        if self.file_name.is_some() {
            return self.file_name.clone();
        }
        let name = match &self.source {
            MediaSource::File(path) => path.file_name()?.to_string_lossy().into_owned(),
            MediaSource::Url(address) => {
                ::url::Url::parse(address).ok()?.path_segments()?.next_back()?.to_owned()
            }
            MediaSource::Name(name) => name.rsplit('/').next()?.to_owned(),
            // An upload's generated name is not a file name.
            MediaSource::Upload(_) => return None,
        };
        (!name.is_empty()).then_some(name)
    }
}

pub(super) fn changed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{what} changed since the publish began"))
        .with_field("media")
        .with_remedy("Publish again with the file as it is now; what was sent so far cannot be finished.")
}

//! Where open media is read from.

use std::sync::Arc;

use super::reference::ReadError;
use super::{file, url};

/// Open bytes.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(Arc<file::FileSource>),
    Url(Arc<url::UrlSource>),
    /// The bytes are missing, and may no longer be needed.
    Lost(ReadError),
}

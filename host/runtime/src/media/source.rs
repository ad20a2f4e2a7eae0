//! Where open media is read from.

use std::sync::Arc;

use super::kept::KeptBytes;
use super::reference::ReadError;
use super::{file, url};

/// Open bytes.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(Arc<file::FileSource>),
    Url(Arc<url::UrlSource>),
    Kept(Arc<dyn KeptBytes>),
    /// The bytes are missing, and may no longer be needed.
    Lost(ReadError),
}

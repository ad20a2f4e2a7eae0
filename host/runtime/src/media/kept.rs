//! Media that the embedding program keeps somewhere else than in a file, such as in an object store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::reference::{Absent, MediaStream, Version};

/// Bytes that never change, read by ranges.
#[async_trait]
pub trait KeptBytes: fmt::Debug + Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Identifies these bytes.
    fn version(&self) -> Version;

    /// Streams the bytes from `offset` up to `end`, which lie within them.
    fn read(self: Arc<Self>, offset: u64, end: u64) -> MediaStream;

    /// Whether they can be read now. Dropping the future ends it.
    ///
    /// # Errors
    /// What keeps them from being read.
    async fn look(&self) -> Result<(), Absent>;
}

/// Where the bytes of media are.
#[derive(Clone, Debug)]
pub enum At {
    /// At the address that the media itself names.
    Address,
    /// In this file.
    Path(PathBuf),
    /// Where the embedding program keeps them.
    Kept(Arc<dyn KeptBytes>),
}

impl From<Option<&Path>> for At {
    fn from(path: Option<&Path>) -> Self {
        path.map_or(At::Address, |path| At::Path(path.to_owned()))
    }
}

//! Opens a place of files, and doubts one that others may not see.

use std::path::PathBuf;
use std::sync::Arc;

use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::{Finding, Severity};

use super::files::Files;
use super::folder::Folder;
use super::place::{Blob, unknown};
#[cfg(feature = "s3")]
use super::s3::S3;
use crate::store::{Store, is_shared};

/// A place that is open.
pub(crate) struct OpenBlob(pub(super) Box<dyn Files>);

impl OpenBlob {
    /// `reserve`: bytes of a folder's disk that are left free. Of S3 nothing is asked before the first use, so that a process
    /// that needs no uploads starts without it.
    ///
    /// # Errors
    /// `InvalidRequest` for a place of a kind that is not known, or an address that is not right.
    pub(crate) fn open(
        blob: Blob,
        reserve: u64,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        Ok(OpenBlob(match blob {
            Blob::Folder(path) => Box::new(Folder::new(path, reserve)),
            #[cfg(feature = "s3")]
            Blob::S3(url) => Box::new(S3::open(&url, store.clone(), clock.clone())?),
            #[cfg(not(feature = "s3"))]
            Blob::S3(_) => {
                let _ = (store, clock);
                return Err(unknown("this program was built without S3"));
            }
            Blob::Other(_) => {
                return Err(unknown("the place of the uploads is of a kind that is not known"));
            }
        }))
    }
}

/// Why a place may not be the right one beside a database that several machines share.
pub(crate) fn doubt_beside_remote(blob: &Blob) -> Option<Finding> {
    let folder = blob.path()?;
    // It may not exist yet, but what it will lie on does.
    let existing = folder.ancestors().find(|it| it.exists()).map_or_else(PathBuf::new, PathBuf::from);
    if is_shared(&existing) {
        return None;
    }
    Some(Finding {
        severity: Severity::Warning,
        subject: "uploads".to_owned(),
        message: format!(
            "Uploads lie in {} on this machine's disk, but the database is one that several machines share: a job that another machine runs would not find its media.",
            folder.display()
        ),
        remedy: Some(
            "Set `blob` to a bucket, s3://BUCKET/PREFIX, or to a folder that all machines share. With one machine only, nothing needs to change.".to_owned(),
        ),
        code: None,
        details: Default::default(),
    })
}

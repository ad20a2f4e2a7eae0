//! Bytes of media.

use std::sync::LazyLock;

use social_channel::ErrorKind;
use social_channel::model::Media;
use social_channel_runtime::media::MediaItem;
use social_channel_runtime::net::Egress;
use tempfile::NamedTempFile;

use crate::RUNTIME;

/// A file of any bytes is described, or refused with a remedy.
///
/// # Panics
/// If it is not.
pub fn media(input: &[u8]) {
    static FILE: LazyLock<NamedTempFile> = LazyLock::new(|| NamedTempFile::new().expect("a file"));
    std::fs::write(FILE.path(), input).expect("the file is written");
    let media = Media::file(FILE.path());
    match RUNTIME.block_on(MediaItem::open_at(&media, Some(FILE.path()), &Egress::closed())) {
        Ok(item) => {
            let info = item.info();
            assert_eq!(info.size, input.len() as u64);
            assert!(!info.content_type.is_empty());
            assert!(info.frame_rate.is_none_or(f64::is_finite), "{info:?}");
        }
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
            assert!(error.remedy.is_some(), "{error:?}");
        }
    }
}

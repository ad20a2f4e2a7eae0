//! Media by the names that callers may use, and addresses at which a platform fetches it.
//!
//! | a caller says | it lies |
//! | --- | --- |
//! | `file` | at that path: embedding programs and the command line only |
//! | `upload` | in the uploads' folder, in the tenant's own part |
//! | `name` | below the operator's media folder, never outside of it, whatever links lie there |
//! | `url` | elsewhere; see `url` |

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MediaItem, MediaReference};
use crate::accounts::{open_json, seal_json};
use crate::app::LiveApp;
use crate::clock::millis;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Inner};
use crate::id;
use crate::model::{Media, MediaSource};
use crate::site::MEDIA_PATH;
use crate::store::MediaLinkRow;
use crate::tenant::TenantId;
use crate::vault::Place;

/// A link without a job was left by a process that died between the two.
const UNBOUND: std::time::Duration = std::time::Duration::from_secs(3 * 24 * 3600);

/// Media that a platform fetches, while its job is open.
pub struct ServedMedia {
    item: Arc<MediaItem>,
}

impl std::fmt::Debug for ServedMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedMedia").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl ServedMedia {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.item.reference().size
    }

    /// For example `video/mp4`.
    pub fn content_type(&self) -> &str {
        &self.item.reference().content_type
    }

    /// Names these bytes: others have another tag.
    pub fn tag(&self) -> String {
        let version = serde_json::to_string(&self.item.reference().version).unwrap_or_default();
        id::hash(&format!("{version}/{}", self.size())).chars().take(32).collect()
    }

    /// Streams `length` bytes from `offset`. An error ends the stream: the answer then breaks off.
    ///
    /// # Errors
    /// `InvalidRequest` for a range outside of the media.
    pub fn read(
        &self,
        offset: u64,
        length: u64,
    ) -> Result<impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Send + use<>> {
        use futures::StreamExt as _;
        let stream = self
            .item
            .read(offset, length)
            .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the range does not lie within the media"))?;
        Ok(stream.map(|chunk| chunk.map_err(|error| std::io::Error::other(format!("{error:?}")))))
    }
}

impl Host {
    /// The media behind an address below [`MEDIA_PATH`], while its job is open. `name` is what follows there.
    ///
    /// # Errors
    /// `NotFound` for addresses that were never made and for those whose job has ended.
    pub async fn served_media(&self, name: &str) -> Result<ServedMedia> {
        self.inner.served_media(name).await
    }
}

/// What a link keeps, sealed.
#[derive(Serialize, Deserialize)]
struct Linked {
    app: String,
    reference: MediaReference,
}

fn place(id: &str) -> Place<'_> {
    Place { table: "media_links", row: id, column: "reference" }
}

impl Inner {
    /// Opens media that a caller named.
    pub(crate) async fn open_media(
        &self,
        tenant: &TenantId,
        media: &Media,
        app: &LiveApp,
    ) -> Result<MediaItem> {
        match &media.source {
            MediaSource::Upload(id) => {
                let row = self.upload_row(tenant, id).await?;
                let media =
                    Media { content_type: media.content_type.clone().or(row.content_type), ..media.clone() };
                let path = self.upload_path(tenant, &row.id);
                Ok(MediaItem::open_at(&media, Some(&path), &app.egress).await?.named(row.file_name))
            }
            source => {
                let path = self.media_path(tenant, source)?;
                MediaItem::open_at(media, path.as_deref(), &app.egress).await
            }
        }
    }

    /// Opens media that a job names.
    pub(crate) async fn reopen_media(
        &self,
        tenant: &TenantId,
        reference: &MediaReference,
        app: &LiveApp,
    ) -> Result<MediaItem> {
        let path = self.media_path(tenant, &reference.source)?;
        MediaItem::reopen_at(reference, path.as_deref(), &app.egress).await
    }

    fn media_path(&self, tenant: &TenantId, source: &MediaSource) -> Result<Option<PathBuf>> {
        Ok(match source {
            MediaSource::Url(_) => None,
            MediaSource::File(path) => Some(path.clone()),
            MediaSource::Upload(id) => Some(self.upload_path(tenant, id)),
            MediaSource::Name(name) => Some(below(self.media_folder.as_deref(), name)?),
        })
    }

    /// Gives media without a public address one of ours, where the host has one. Returns the links made.
    pub(crate) async fn link_media(
        &self,
        tenant: &TenantId,
        app: &str,
        media: &mut [MediaReference],
    ) -> Result<Vec<String>> {
        let Some(prefix) = self.at(MEDIA_PATH) else { return Ok(Vec::new()) };
        let mut links = Vec::new();
        for reference in media {
            // One of ours belongs to an older job, and ended with it.
            if reference.public_url.as_ref().is_some_and(|url| !url.starts_with(&prefix)) {
                continue;
            }
            let secret = id::secret()?;
            let id = id::hash(&secret);
            reference.public_url = Some(format!("{prefix}{secret}{}", ending(&reference.content_type)));
            let linked = Linked { app: app.to_owned(), reference: reference.clone() };
            let row = MediaLinkRow {
                reference: seal_json(&self.vault, place(&id), &linked)?,
                id,
                tenant: tenant.as_str().to_owned(),
                created_at: self.clock.now_ms(),
            };
            self.store.insert_media_link(&row).await?;
            links.push(row.id);
        }
        Ok(links)
    }

    /// An address as [`Inner::link_media`] would make it, for checks: nothing is served there.
    pub(crate) fn would_link(&self, item: MediaItem) -> MediaItem {
        match self.at(MEDIA_PATH) {
            Some(prefix) if item.reference().public_url.is_none() => {
                let url = format!("{prefix}check{}", ending(&item.reference().content_type));
                item.at_public_url(url)
            }
            _ => item,
        }
    }

    /// Ties links and uploads to the job that needs them.
    pub(crate) async fn bind_media(
        &self,
        tenant: &TenantId,
        media: &[MediaReference],
        links: &[String],
        job: &str,
    ) -> Result<()> {
        let uploads: Vec<String> = media
            .iter()
            .filter_map(|reference| match &reference.source {
                MediaSource::Upload(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        if !uploads.is_empty() {
            self.store.bind_uploads(tenant, &uploads, job).await?;
        }
        if !links.is_empty() {
            self.store.bind_media_links(links, job).await?;
        }
        Ok(())
    }

    pub(crate) async fn sweep_media_links(&self) -> Result<()> {
        let before = self.clock.now_ms().saturating_sub(millis(UNBOUND));
        self.store.delete_finished_media_links(before).await
    }

    async fn served_media(&self, name: &str) -> Result<ServedMedia> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no media at this address");
        let secret = name.split('.').next().unwrap_or_default();
        let id = id::hash(secret);
        let row = self.store.media_link(&id).await?.ok_or_else(missing)?;
        let tenant: TenantId = row.tenant.parse()?;
        let linked: Linked = open_json(&self.vault, place(&row.id), &row.reference)?;
        let app = self.live_app(&tenant, &linked.app).await?;
        let item = self.reopen_media(&tenant, &linked.reference, &app).await?;
        Ok(ServedMedia { item: Arc::new(item) })
    }
}

/// Some platforms look at the ending too.
fn ending(content_type: &str) -> &'static str {
    match content_type {
        "video/mp4" => ".mp4",
        "video/quicktime" => ".mov",
        "video/webm" => ".webm",
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/webp" => ".webp",
        "image/gif" => ".gif",
        _ => "",
    }
}

/// A file below the folder, with all links followed.
fn below(folder: Option<&Path>, name: &str) -> Result<PathBuf> {
    let wrong = |message: String, remedy: &str| {
        Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
    };
    let folder = folder.ok_or_else(|| {
        wrong(
            "this host has no media folder".to_owned(),
            "have the operator configure one, or bring the file",
        )
    })?;
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || name.contains('\0') || !plain {
        return Err(wrong(
            "the name leads out of the media folder".to_owned(),
            "name the file from the media folder on, for example `clips/one.mp4`",
        ));
    }
    let missing = |_| wrong(format!("the media folder has no file {name}"), "check the name; capitals count");
    let folder = folder.canonicalize().map_err(missing)?;
    let path = folder.join(name).canonicalize().map_err(missing)?;
    if !path.starts_with(&folder) {
        return Err(wrong(
            "the name leads out of the media folder".to_owned(),
            "put the file itself there, not a link",
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("media");
        std::fs::create_dir_all(folder.join("clips")).unwrap();
        std::fs::write(folder.join("clips/one.mp4"), b"x").unwrap();
        std::fs::write(place.path().join("secret"), b"x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(place.path().join("secret"), folder.join("link")).unwrap();
        assert!(below(Some(&folder), "clips/one.mp4").unwrap().ends_with("clips/one.mp4"));
        for bad in
            ["", "../secret", "clips/../../secret", "/etc/passwd", "link", "none", "./clips/../x", "a\0b"]
        {
            assert_eq!(below(Some(&folder), bad).unwrap_err().kind, ErrorKind::InvalidRequest, "{bad}");
        }
        assert_eq!(below(None, "clips/one.mp4").unwrap_err().kind, ErrorKind::InvalidRequest);
    }
}

//! Media by the names that callers may use, and URLs from which a platform fetches it.
//!
//! | a caller gives | where the media is |
//! | --- | --- |
//! | `file` | at that path: embedding programs and the command line only |
//! | `upload` | where uploads are kept, in the tenant's folder: see `blob` |
//! | `name` | below the operator's media folder; links that lead outside are refused |
//! | `url` | on another server; see `url` |

mod picture;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use social_channel_runtime::clock::{Clock, millis};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::fair::{Bounds, Fair};
use social_channel_runtime::media::{At, MediaItem, MediaReference, Picture, typed_picture};
use social_channel_runtime::model::{Media, MediaSource};

use self::picture::Pictures;
use crate::address::PublicAddress;
use crate::app::{Apps, LiveApp};
use crate::blob::Uploads;
use crate::id;
use crate::store::{JobMedia, MediaLinkRow, Store};
use crate::tenant_id::TenantId;
use crate::vault::{Place, Vault, open_json, seal_json};

/// Older versions stored links before their jobs. A link without a job was left behind by a process that died in
/// between.
const UNBOUND: std::time::Duration = std::time::Duration::from_secs(3 * 24 * 3600);

/// Addresses of media that are looked at at once, for all tenants: each is a connection to a server that may be slow. The
/// longest wait is as long as one look may take.
const LOOKS: Bounds = Bounds {
    what: "addresses of media",
    places: 64,
    waiting: 1_024,
    patience: std::time::Duration::from_secs(30),
};
/// Media of one post opened at once.
const OPENED_AT_ONCE: usize = 4;
/// The longest time for all media of a post. Somebody waits for the answer; 35 photos of a slow server fit in.
const LONGEST_OPENING: std::time::Duration = std::time::Duration::from_secs(90);

/// Media that a platform fetches while its job is open.
pub struct ServedMedia {
    item: Arc<MediaItem>,
}

impl std::fmt::Debug for ServedMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedMedia").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl ServedMedia {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.item.reference().size
    }

    /// For example `video/mp4`.
    pub fn content_type(&self) -> &str {
        &self.item.reference().content_type
    }

    /// The type to serve it as. The uploader names the type, so one that a browser would run or draw as a page is not
    /// among them.
    pub fn served_type(&self) -> &str {
        served_type(self.content_type())
    }

    /// An entity tag for these bytes.
    pub fn tag(&self) -> String {
        let version = serde_json::to_string(&self.item.reference().version).unwrap_or_default();
        id::hash(&format!("{version}/{}", self.size())).chars().take(32).collect()
    }

    /// Streams `length` bytes from `offset`. An error ends the stream, and the response is truncated.
    ///
    /// # Errors
    /// `InvalidRequest` for a range outside of the media.
    pub fn read(
        &self,
        offset: u64,
        length: u64,
    ) -> Result<impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Send + use<>> {
        let stream = self
            .item
            .read(offset, length)
            .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the range does not lie within the media"))?;
        Ok(stream.map(|chunk| chunk.map_err(|error| std::io::Error::other(format!("{error:?}")))))
    }
}

/// The sealed data of a link.
#[derive(Serialize, Deserialize)]
struct Linked {
    app: String,
    reference: MediaReference,
}

fn place(id: &str) -> Place<'_> {
    Place { table: "media_links", row: id, column: "reference" }
}

/// Finds the media that callers name, and makes the URLs from which platforms fetch it.
pub(crate) struct MediaLibrary {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    apps: Arc<Apps>,
    address: Arc<PublicAddress>,
    uploads: Arc<Uploads>,
    /// The operator's media folder.
    folder: Option<PathBuf>,
    looks: Fair,
    pictures: Pictures,
}

/// The dependencies of [`MediaLibrary`].
pub(crate) struct MediaParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) apps: Arc<Apps>,
    pub(crate) address: Arc<PublicAddress>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) folder: Option<PathBuf>,
}

impl MediaLibrary {
    pub(crate) fn new(parts: MediaParts) -> Self {
        let MediaParts { store, vault, clock, apps, address, uploads, folder } = parts;
        let (looks, pictures) = (Fair::new(LOOKS), Pictures::new(apps.clone(), LOOKS));
        MediaLibrary { store, vault, clock, apps, address, uploads, folder, looks, pictures }
    }

    /// A picture that the app's provider named.
    pub(crate) async fn picture(&self, tenant: &TenantId, app: &str, address: &str) -> Result<Picture> {
        self.pictures.get(tenant, app, address).await
    }

    /// A picture at an address that a person typed.
    pub(crate) async fn typed_picture(&self, tenant: &TenantId, app: &str, address: &str) -> Result<Picture> {
        let app = self.apps.live(tenant, app).await?;
        let _place = self.looks.enter(tenant.as_str()).await?;
        typed_picture(address, &app.egress).await
    }

    /// Opens all that a caller named for one post, in its order. Dropping the future ends it.
    pub(crate) async fn open_all(
        &self,
        tenant: &TenantId,
        media: &[Media],
        app: &LiveApp,
    ) -> Result<Vec<MediaItem>> {
        let opening: Vec<_> = media.iter().map(|one| self.open(tenant, one, app)).collect();
        let opened = futures::stream::iter(opening).buffered(OPENED_AT_ONCE).try_collect();
        tokio::time::timeout(LONGEST_OPENING, opened).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("looking at the media took more than {} seconds", LONGEST_OPENING.as_secs()),
            )
            .with_field("media")
            .with_remedy("Try again later, or use a faster server for the media."))
        })
    }

    /// Opens media that a caller named.
    async fn open(&self, tenant: &TenantId, media: &Media, app: &LiveApp) -> Result<MediaItem> {
        match &media.source {
            MediaSource::Upload(id) => {
                let row = self.uploads.row(tenant, id).await?;
                let media =
                    Media { content_type: media.content_type.clone().or(row.content_type), ..media.clone() };
                let at = self.uploads.at(tenant, &row.id, row.size.cast_unsigned());
                Ok(MediaItem::open_at(&media, at, &app.egress).await?.named(row.file_name))
            }
            source => {
                let at = self.at(tenant, source, 0)?;
                let _place = match &at {
                    At::Address => {
                        Some(self.looks.enter(tenant.as_str()).await.map_err(|it| it.with_field("media"))?)
                    }
                    // Reads of files are short.
                    At::Path(_) | At::Kept(_) => None,
                };
                MediaItem::open_at(media, at, &app.egress).await
            }
        }
    }

    /// The bytes of an upload.
    pub(crate) async fn upload_content(&self, tenant: &TenantId, app: &str, id: &str) -> Result<ServedMedia> {
        let app = self.apps.live(tenant, app).await?;
        let media = Media::upload(id);
        Ok(ServedMedia { item: Arc::new(self.open(tenant, &media, &app).await?) })
    }

    /// Opens media that a job names.
    pub(crate) async fn reopen(
        &self,
        tenant: &TenantId,
        reference: &MediaReference,
        app: &LiveApp,
    ) -> Result<MediaItem> {
        let at = self.at(tenant, &reference.source, reference.size)?;
        MediaItem::reopen_at(reference, at, &app.egress).await
    }

    /// `size`: of an upload.
    fn at(&self, tenant: &TenantId, source: &MediaSource, size: u64) -> Result<At> {
        Ok(match source {
            MediaSource::Url(_) => At::Address,
            MediaSource::File(path) => At::Path(path.clone()),
            MediaSource::Upload(id) => self.uploads.at(tenant, id, size),
            MediaSource::Name(name) => At::Path(below(self.folder.as_deref(), name)?),
        })
    }

    /// Gives media without a public address its own, where the platform may fetch from there, else one of ours, where the
    /// host has one. Returns what is to be stored with the
    /// job.
    pub(crate) fn link(
        &self,
        tenant: &TenantId,
        app: &LiveApp,
        media: &mut [MediaReference],
    ) -> Result<JobMedia> {
        let uploads = media
            .iter()
            .filter_map(|reference| match &reference.source {
                MediaSource::Upload(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        for reference in media.iter_mut() {
            if let Some(own) = self.own_address(reference, app) {
                reference.public_url = Some(own);
            }
        }
        let mut links = Vec::new();
        if let Some(prefix) = self.address.media_prefix() {
            for reference in media {
                // A URL of this host belongs to an older job, and ended with it.
                if reference.public_url.as_ref().is_some_and(|url| !url.starts_with(&prefix)) {
                    continue;
                }
                let secret = id::secret()?;
                let id = id::hash(&secret);
                reference.public_url = Some(format!("{prefix}{secret}{}", ending(&reference.content_type)));
                let linked = Linked { app: app.id.clone(), reference: reference.clone() };
                links.push(MediaLinkRow {
                    reference: seal_json(&self.vault, place(&id), &linked)?,
                    id,
                    tenant: tenant.as_str().to_owned(),
                    created_at: self.clock.now_ms(),
                });
            }
        }
        Ok(JobMedia { uploads, links })
    }

    /// The address at which media lies, where the platform is to fetch it there: the app may be fetched from, or there is
    /// no other.
    fn own_address(&self, reference: &MediaReference, app: &LiveApp) -> Option<String> {
        let MediaSource::Url(address) = &reference.source else { return None };
        let prefix = self.address.media_prefix();
        let is_ours = |url: &String| prefix.as_ref().is_some_and(|prefix| url.starts_with(prefix));
        let is_named = reference.public_url.as_ref().is_some_and(|url| !is_ours(url));
        let wanted = app.may_be_fetched_from(address) || prefix.is_none();
        (!is_named && wanted).then(|| address.clone())
    }

    /// A URL as [`MediaLibrary::link`] would make it, for checks: nothing is served there.
    pub(crate) fn would_link(&self, item: MediaItem, app: &LiveApp) -> MediaItem {
        if let Some(own) = self.own_address(item.reference(), app) {
            return item.at_public_url(own);
        }
        match self.address.media_prefix() {
            Some(prefix) if item.reference().public_url.is_none() => {
                let url = format!("{prefix}check{}", ending(&item.reference().content_type));
                item.at_public_url(url)
            }
            _ => item,
        }
    }

    pub(crate) async fn sweep_links(&self) -> Result<()> {
        let before = self.clock.now_ms().saturating_sub(millis(UNBOUND));
        self.store.delete_finished_media_links(before).await
    }

    /// The media behind a URL of this host, while its job is open.
    pub(crate) async fn served(&self, name: &str) -> Result<ServedMedia> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no media at this address");
        let secret = name.split('.').next().unwrap_or_default();
        let id = id::hash(secret);
        let row = self.store.media_link(&id).await?.ok_or_else(missing)?;
        let tenant: TenantId = row.tenant.parse()?;
        let linked: Linked = open_json(&self.vault, place(&row.id), &row.reference)?;
        let app = self.apps.live(&tenant, &linked.app).await?;
        let item = self.reopen(&tenant, &linked.reference, &app).await?;
        Ok(ServedMedia { item: Arc::new(item) })
    }
}

/// Pictures, films and sound. SVG is a document with scripts.
fn served_type(content_type: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte);
    let kind = content_type.split('/').next().unwrap_or_default();
    let shown = matches!(kind, "image" | "video" | "audio")
        && content_type.bytes().all(plain)
        && !content_type.to_ascii_lowercase().contains("svg");
    if shown { content_type } else { "application/octet-stream" }
}

/// Some platforms also check the file extension.
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

/// The path of a file below the folder, with all links resolved.
fn below(folder: Option<&Path>, name: &str) -> Result<PathBuf> {
    let wrong = |message: String, remedy: &str| {
        Error::new(ErrorKind::InvalidRequest, message).with_field("media").with_remedy(remedy)
    };
    let folder = folder.ok_or_else(|| {
        wrong(
            "this host has no media folder".to_owned(),
            "ask the operator to configure one, or upload the file",
        )
    })?;
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || name.contains('\0') || !plain {
        return Err(wrong(
            "the name points outside the media folder".to_owned(),
            "give the path relative to the media folder, for example `clips/one.mp4`",
        ));
    }
    let missing =
        |_| wrong(format!("the media folder has no file {name}"), "check the name; it is case-sensitive");
    let folder = folder.canonicalize().map_err(missing)?;
    let path = folder.join(name).canonicalize().map_err(missing)?;
    if !path.starts_with(&folder) {
        return Err(wrong(
            "the name points outside the media folder".to_owned(),
            "put the file itself there, not a link",
        ));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_would_run_is_served_as_bytes() {
        for good in ["video/mp4", "image/jpeg", "image/vnd.x+y", "audio/mpeg"] {
            assert_eq!(served_type(good), good);
        }
        for bad in [
            "text/html",
            "text/javascript",
            "image/svg+xml",
            "IMAGE/SVG+XML",
            "video/mp4, text/html",
            "x",
            "",
            "multipart/x",
        ] {
            assert_eq!(served_type(bad), "application/octet-stream", "{bad}");
        }
    }

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

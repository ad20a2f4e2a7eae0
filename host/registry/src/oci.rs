//! Images of a registry: their manifest, their component, their signatures (OCI distribution 1.1).

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::client::{Ask, Client, Fetched, answered, read};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{INDEX, Index, MANIFEST, Manifest, sha256};
use crate::reference::{Image, Reference};
use crate::signature::{ANY_BUNDLE, Evidence, MOST};

/// Bytes of a manifest, by the distribution specification's advice.
pub(crate) const MANIFEST_SIZE: u64 = 4 << 20;
/// Bytes of a bundle: with a certificate, a log entry and a statement a few kilobytes.
const BUNDLE_SIZE: u64 = 256 << 10;

impl Client {
    /// A request to a path of an image's repository.
    pub(crate) fn path<'a>(
        &self,
        home: &'a Url,
        image: &'a Image,
        rest: &str,
        push: bool,
    ) -> Result<Ask<'a>> {
        let path = image.path();
        let url = home
            .join(&format!("v2/{path}/{rest}"))
            .map_err(|_| Error::corrupt("the registry's address cannot be made"))?;
        let actions = if push { "pull,push" } else { "pull" };
        Ok(Ask {
            method: Method::GET,
            url,
            accept: "*/*",
            body: None,
            home,
            sign_in: Some((&image.registry, format!("repository:{path}:{actions}"))),
        })
    }

    /// The manifest of an image, byte for byte, and its SHA-256.
    pub(crate) async fn manifest_of(&self, image: &Image) -> Result<(Bytes, String)> {
        let home = self.home(image)?;
        let mut ask = self.path(&home, image, &format!("manifests/{}", image.wanted()), false)?;
        ask.accept = MANIFEST;
        let response = self.send(&ask).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response.status(), &image.to_string()));
        }
        let bytes = read(response, MANIFEST_SIZE, "the manifest").await?;
        let digest = sha256(&bytes);
        match &image.digest {
            Some(wanted) if *wanted != digest => {
                Err(Error::corrupt(format!("{image}: the registry answers with another manifest")))
            }
            _ => Ok((bytes, digest)),
        }
    }

    pub(crate) async fn fetch_image(&self, image: &Image) -> Result<Fetched> {
        let (bytes, digest) = self.manifest_of(image).await?;
        let manifest = Manifest::parse(&bytes)?;
        let layer = manifest.component()?;
        if layer.size > self.network.largest {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("{image} has {} bytes, more than {}", layer.size, self.network.largest),
                "no component of a provider is that large; check what it is",
            ));
        }
        let component = self.blob(image, layer.sha256()?, layer.size, "the component").await?;
        let bundles = self.bundles(image, &digest).await?;
        let manifest =
            String::from_utf8(bytes.to_vec()).map_err(|_| Error::corrupt("the manifest is not UTF-8"))?;
        Ok(Fetched {
            bytes: component,
            source: Reference::Image(image.at(&digest)),
            evidence: Some(Evidence::Image { manifest, bundles }),
        })
    }

    /// A blob of this SHA-256 and size.
    async fn blob(&self, image: &Image, digest: &str, size: u64, what: &str) -> Result<Bytes> {
        let home = self.home(image)?;
        let response = self.send(&self.path(&home, image, &format!("blobs/sha256:{digest}"), false)?).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response.status(), &format!("{what} of {image}")));
        }
        let bytes = match read(response, size, what).await {
            Err(error) if error.kind == ErrorKind::TooLarge => {
                return Err(Error::corrupt(format!("{what} of {image} is larger than its manifest says")));
            }
            other => other?,
        };
        if bytes.len() as u64 != size {
            return Err(Error::corrupt(format!(
                "{what} of {image} is cut off: {} of {size} bytes came",
                bytes.len()
            )));
        }
        if sha256(&bytes) != digest {
            return Err(Error::corrupt(format!("{what} of {image} is not what its digest says")));
        }
        Ok(bytes)
    }

    /// Manifests that refer to one, by the registry's own list or the tag that stands for it.
    pub(crate) async fn referrers(&self, image: &Image, digest: &str) -> Result<Index> {
        let none = || Index { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: Vec::new() };
        let home = self.home(image)?;
        for rest in [format!("referrers/sha256:{digest}"), format!("manifests/sha256-{digest}")] {
            let mut ask = self.path(&home, image, &rest, false)?;
            ask.accept = INDEX;
            let response = self.send(&ask).await?;
            match response.status() {
                StatusCode::OK => {
                    let bytes = read(response, MANIFEST_SIZE, "the list of signatures").await?;
                    return serde_json::from_slice(&bytes)
                        .map_err(|_| Error::corrupt("the list of signatures is not one"));
                }
                StatusCode::NOT_FOUND => {}
                // A registry that knows no such path may say so in other ways; it must not look like an unsigned image
                // if it only has a bad moment.
                StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
                    if rest.starts_with("referrers") => {}
                status => return Err(answered(status, &format!("the signatures of {image}"))),
            }
        }
        Ok(none())
    }

    /// The Sigstore bundles that sign a manifest, whoever made them.
    async fn bundles(&self, image: &Image, digest: &str) -> Result<Vec<String>> {
        let index = self.referrers(image, digest).await?;
        let mut bundles = Vec::new();
        let is_bundle =
            |kind: &Option<String>| kind.as_deref().is_some_and(|kind| kind.starts_with(ANY_BUNDLE));
        for one in index.manifests.iter().filter(|one| is_bundle(&one.artifact_type)).take(MOST) {
            let (bytes, _) = self.manifest_of(&image.at(one.sha256()?)).await?;
            let manifest = Manifest::parse(&bytes)?;
            let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type.starts_with(ANY_BUNDLE))
            else {
                continue;
            };
            if layer.size > BUNDLE_SIZE {
                continue;
            }
            let bundle = self.blob(image, layer.sha256()?, layer.size, "a signature").await?;
            bundles.extend(String::from_utf8(bundle.to_vec()));
        }
        Ok(bundles)
    }
}

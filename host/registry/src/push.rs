//! Pushing a component, signed or not, in the form that `wkg` makes and reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

use crate::client::{Client, answered};
use crate::error::{Error, ErrorKind, Result};
use crate::key::SigningKey;
use crate::manifest::{
    Descriptor, EMPTY, INDEX, Index, MANIFEST, Manifest, WASM, WASM_CONFIG, sha256, to_json,
};
use crate::reference::Image;
use crate::signature::{BUNDLE, sign};

/// The header by which a registry says that it keeps the list of referrers itself (OCI 1.1).
const SUBJECT: &str = "oci-subject";

/// What is said about a component beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When it was made, as RFC 3339. `wkg` requires it.
    pub created: String,
    /// Its version.
    pub version: String,
    /// The network's name.
    pub title: String,
    /// Interfaces that it implements.
    pub exports: Vec<String>,
    /// Interfaces that it needs.
    pub imports: Vec<String>,
}

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The image, with its digest.
    pub image: Image,
    /// The fingerprint of the key that signed it.
    pub signed_by: Option<String>,
}

impl Client {
    /// Pushes a component under a tag. With a key its signature is there before the tag is, so that nobody ever sees it
    /// unsigned. If the future is dropped, parts of it may be there without the tag.
    ///
    /// # Errors
    /// `Invalid` for an image without a tag; `Unauthorized`, `Unavailable`; `Corrupt` if the registry keeps something else.
    pub async fn push(
        &self,
        image: &Image,
        component: Bytes,
        about: &About,
        key: Option<&SigningKey>,
    ) -> Result<Pushed> {
        let Some(tag) = image.tag.as_deref().filter(|_| image.digest.is_none()) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a component is pushed under a tag, and its digest follows from it",
                "write HOST/NAME:TAG",
            ));
        };
        let config = to_json(&json!({
            "created": about.created,
            "author": null,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [format!("sha256:{}", sha256(&component))],
            "component": {"exports": about.exports, "imports": about.imports, "target": null},
        }))?;
        let mut manifest =
            Manifest::new(Descriptor::of(WASM_CONFIG, &config), Descriptor::of(WASM, &component));
        manifest.annotations = BTreeMap::from([
            ("org.opencontainers.image.created".to_owned(), about.created.clone()),
            ("org.opencontainers.image.title".to_owned(), about.title.clone()),
            ("org.opencontainers.image.version".to_owned(), about.version.clone()),
        ]);
        self.put_blob(image, component).await?;
        self.put_blob(image, config.into()).await?;
        let bytes = Bytes::from(to_json(&manifest)?);
        let digest = sha256(&bytes);
        self.put_manifest(image, &format!("sha256:{digest}"), MANIFEST, bytes.clone()).await?;
        if let Some(key) = key {
            let subject = Descriptor::of(MANIFEST, &bytes);
            self.attach(image, subject, sign(&digest, &image.to_string(), key)?, &about.created).await?;
        }
        self.put_manifest(image, tag, MANIFEST, bytes).await?;
        Ok(Pushed { image: image.at(&digest), signed_by: key.map(|key| key.public().fingerprint()) })
    }

    /// Attaches a bundle to a manifest.
    async fn attach(&self, image: &Image, subject: Descriptor, bundle: Vec<u8>, created: &str) -> Result<()> {
        let digest = subject.sha256()?.to_owned();
        let empty = Bytes::from_static(b"{}");
        let mut manifest = Manifest::new(Descriptor::of(EMPTY, &empty), Descriptor::of(BUNDLE, &bundle));
        manifest.artifact_type = Some(BUNDLE.to_owned());
        manifest.subject = Some(subject);
        manifest.annotations =
            BTreeMap::from([("org.opencontainers.image.created".to_owned(), created.to_owned())]);
        self.put_blob(image, empty).await?;
        self.put_blob(image, bundle.into()).await?;
        let bytes = Bytes::from(to_json(&manifest)?);
        let own = format!("sha256:{}", sha256(&bytes));
        let answer = self.put_manifest(image, &own, MANIFEST, bytes.clone()).await?;
        if answer.contains_key(SUBJECT) {
            return Ok(());
        }
        // The registry does not keep the list, so it is kept under the tag that stands for it. Two that sign one image at the
        // same moment could overwrite each other here: OCI has no better way.
        let mut index = self.referrers(image, &digest).await?;
        if !index.manifests.iter().any(|one| one.digest == own) {
            let mut descriptor = Descriptor::of(MANIFEST, &bytes);
            descriptor.artifact_type = manifest.artifact_type;
            descriptor.annotations = manifest.annotations;
            index.manifests.push(descriptor);
        }
        let index = Index { schema_version: 2, media_type: Some(INDEX.to_owned()), ..index };
        self.put_manifest(image, &format!("sha256-{digest}"), INDEX, to_json(&index)?.into()).await.map(drop)
    }

    async fn put_blob(&self, image: &Image, bytes: Bytes) -> Result<()> {
        let home = self.home(image)?;
        let digest = sha256(&bytes);
        let mut head = self.path(&home, image, &format!("blobs/sha256:{digest}"), true)?;
        head.method = Method::HEAD;
        if self.send(&head).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let mut begin = self.path(&home, image, "blobs/uploads/", true)?;
        begin.method = Method::POST;
        begin.body = Some(("application/octet-stream", Bytes::new()));
        let response = self.send(&begin).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(answered(response.status(), &format!("pushing to {image}")));
        }
        let mut put = begin;
        put.url = place(response.headers(), &put.url)?;
        put.url.query_pairs_mut().append_pair("digest", &format!("sha256:{digest}"));
        put.method = Method::PUT;
        put.body = Some(("application/octet-stream", bytes));
        match self.send(&put).await?.status() {
            StatusCode::CREATED => Ok(()),
            status => Err(answered(status, &format!("pushing to {image}"))),
        }
    }

    async fn put_manifest(&self, image: &Image, name: &str, kind: &str, bytes: Bytes) -> Result<HeaderMap> {
        let home = self.home(image)?;
        let mut ask = self.path(&home, image, &format!("manifests/{name}"), true)?;
        ask.method = Method::PUT;
        ask.body = Some((kind, bytes));
        let response = self.send(&ask).await?;
        match response.status() {
            StatusCode::CREATED => Ok(response.headers().clone()),
            status => Err(answered(status, &format!("pushing to {image}"))),
        }
    }
}

/// Where an upload goes on.
fn place(headers: &HeaderMap, from: &Url) -> Result<Url> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    location
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| Error::corrupt("the registry does not say where the upload goes on"))
}

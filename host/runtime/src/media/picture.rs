//! Pictures for people to look at: of an account or a post, which a provider names, and photos at addresses that a person
//! types, before they are posted.
//!
//! The host fetches them, under the grants of the provider's app, so that a browser never tells a server of the provider's
//! choice who looks at what, and nothing that a provider writes into an address leaves the granted origins.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use url::Url;

use super::kind;
use crate::error::{Error, ErrorKind, Result};
use crate::net::egress::{Refusal, Route};
use crate::net::{Egress, Failure, chunk, get};

/// Covers and avatars have some 100 kB; ten times as many pixels still fit in.
const LARGEST: usize = 5 << 20;
/// The longest time for one. Behind it somebody looks at a page.
const LONGEST: Duration = Duration::from_secs(15);
/// What browsers draw and cannot run. SVG is a document with scripts.
const TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `image/jpeg`, `image/png`, `image/webp` or `image/gif`, by its bytes.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
}

/// Fetches a picture that a provider named. Every redirect on the way must be granted, too. Dropping the future ends it.
///
/// # Errors
/// `DeniedByPolicy` for an origin that is not granted and for a private address, `NotFound` if no picture is there,
/// `LimitExceeded` for one of more than 5 MiB, `Unavailable` if the server does not answer in time.
pub async fn picture(address: &str, egress: &Egress) -> Result<Picture> {
    fetched(address, egress, Egress::route).await
}

/// Fetches a picture at an address that a person typed: under the rules for media, which need no grant. Dropping the
/// future ends it.
///
/// # Errors
/// As [`picture`].
pub async fn typed_picture(address: &str, egress: &Egress) -> Result<Picture> {
    fetched(address, egress, Egress::route_media).await
}

/// Decides about one request.
type Judge = fn(&Egress, &Url) -> Result<Route, Refusal>;

async fn fetched(address: &str, egress: &Egress, judge: Judge) -> Result<Picture> {
    let url = Url::parse(address)
        .map_err(|_| Error::new(ErrorKind::InvalidRequest, "the picture has no address").with_field("url"))?;
    let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
    match tokio::time::timeout(LONGEST, read(&url, egress, judge, &place)).await {
        Ok(picture) => picture,
        Err(late) => Err(silent(&place).with_source(late)),
    }
}

async fn read(url: &Url, egress: &Egress, judge: Judge, place: &str) -> Result<Picture> {
    let mut response = get(url, egress, judge, &[]).await.map_err(|failure| match failure {
        Failure::Refused(refusal) | Failure::Redirected { refusal, .. } => refusal.error(),
        Failure::Network(error) => silent(place).with_source(error),
        Failure::Redirects => none(place, "it has too many redirects"),
    })?;
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(silent(place));
    }
    if status != StatusCode::OK {
        return Err(none(place, &format!("the answer is {status}")));
    }
    let too_large = || {
        Error::new(ErrorKind::LimitExceeded, format!("the picture at {place} has more than {LARGEST} bytes"))
    };
    if response.body().size_hint().lower() > LARGEST as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(more) = chunk(&mut response).await.map_err(|error| silent(place).with_source(error))? {
        if bytes.len() + more.len() > LARGEST {
            return Err(too_large());
        }
        bytes.extend_from_slice(&more);
    }
    let kind = kind::of_bytes(&bytes).filter(|kind| TYPES.contains(kind));
    let content_type = kind.ok_or_else(|| none(place, "it is no JPEG, PNG, WebP or GIF file"))?;
    Ok(Picture { content_type, bytes: bytes.into() })
}

fn none(place: &str, why: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no picture at {place}: {why}"))
        .with_remedy("Read the profile or the posts again: addresses of pictures expire after some hours.")
}

fn silent(place: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the picture at {place} cannot be fetched now"))
        .with_remedy("Try again later.")
}

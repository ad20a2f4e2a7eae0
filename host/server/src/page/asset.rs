//! Style sheet and scripts, embedded in the program. Browsers cache a URL with the file's hash permanently;
//! without the hash they revalidate each time.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::State;
use crate::extract::{Path, Query};
use crate::problem::Problem;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    hash: String,
}

macro_rules! assets {
    ($($name:literal: $content_type:literal),* $(,)?) => {
        vec![$(Asset::new($name, $content_type, include_bytes!(concat!("../../assets/", $name)))),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    assets! {
        "app.css": "text/css; charset=utf-8",
        "app.js": "text/javascript; charset=utf-8",
        "compressor.js": "text/javascript; charset=utf-8",
        "connect.js": "text/javascript; charset=utf-8",
        "import.js": "text/javascript; charset=utf-8",
        "fit.js": "text/javascript; charset=utf-8",
        "keep.js": "text/javascript; charset=utf-8",
        "outcome.js": "text/javascript; charset=utf-8",
        "publish.js": "text/javascript; charset=utf-8",
        "rules.js": "text/javascript; charset=utf-8",
        "tus.js": "text/javascript; charset=utf-8",
        "upload.js": "text/javascript; charset=utf-8",
        "provider.js": "text/javascript; charset=utf-8",
        "jobs.js": "text/javascript; charset=utf-8",
        "job.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
});

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex::encode(Sha256::digest(bytes)).chars().take(16).collect();
        Asset { name, content_type, bytes, hash }
    }
}

pub(super) fn routes() -> Router<State> {
    Router::new().route("/assets/{name}", get(serve))
}

/// The address of a file, with its hash.
pub(super) fn url(name: &str) -> String {
    let hash = ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.hash.as_str());
    format!("/assets/{name}?v={hash}")
}

#[derive(Deserialize)]
struct Version {
    v: Option<String>,
}

async fn serve(
    Path(name): Path<String>,
    Query(Version { v }): Query<Version>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Problem::no_route(&format!("/assets/{name}")))?;
    let tag = format!("\"{}\"", asset.hash);
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, HeaderValue::from_static(asset.content_type))], asset.bytes).into_response()
    };
    let kept = if v.as_deref() == Some(asset.hash.as_str()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_with_its_hash() {
        for asset in ASSETS.iter() {
            assert_eq!(url(asset.name), format!("/assets/{}?v={}", asset.name, asset.hash));
            assert_eq!(asset.hash.len(), 16);
        }
    }
}

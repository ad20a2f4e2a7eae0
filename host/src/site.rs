//! Addresses: where the world reaches this host, and files that platforms want to find there.
//!
//! The host itself listens nowhere. A service in front of it serves these addresses; the library makes them,
//! so that the setup guide, the consent and the media say the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::abi::Addresses;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Inner};
use crate::store::SiteFileRow;

/// Below it the service serves media of open jobs.
pub const MEDIA_PATH: &str = "/media/";
/// A proof of ownership has some hundred bytes, an icon up to 5 MB; this is no web space.
pub const SITE_FILE: usize = 5 << 20;
/// Paths that belong to the service itself.
const TAKEN: [&str; 10] = [
    "api", "callback", "webhooks", "healthz", "readyz", "metrics", "assets", "sign-in", "sign-out", "errors",
];

/// A file that a platform wants to find on our host, such as one that proves who owns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteFile {
    /// Below the public address, without a slash at the beginning.
    pub path: String,
    /// For example `text/plain`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Where it is served; absent without a public address.
    pub url: Option<String>,
    /// Seconds since 1970.
    pub added_at: i64,
}

/// The public address, checked: an origin, with nothing behind it.
pub(crate) fn check_public_address(text: &str) -> Result<Url> {
    let wrong = |message: String| {
        Error::new(ErrorKind::Misconfigured, message)
            .with_field("public-address")
            .with_remedy("write scheme and host only, for example https://social.example.com")
    };
    let url = Url::parse(text).map_err(|_| wrong(format!("the public address {text} is no address")))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || !url.username().is_empty() || !url.has_host() {
        return Err(wrong(format!("the public address {text} is more than scheme, host and port")));
    }
    Ok(url)
}

impl Host {
    /// Where the world reaches this host, without a slash at the end.
    pub fn public_address(&self) -> Option<String> {
        self.inner.at("")
    }

    /// Adds or replaces a file that a platform wants to find at `path`, for example the proof of ownership
    /// that it offers for download.
    ///
    /// # Errors
    /// `InvalidRequest` for a path that is not plain or that the service itself needs, and for large files.
    pub async fn put_site_file(
        &self,
        path: &str,
        content_type: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<SiteFile> {
        self.inner.put_site_file(path, content_type, bytes).await
    }

    /// What was added.
    pub async fn site_files(&self) -> Result<Vec<SiteFile>> {
        Ok(self.inner.store.site_files().await?.iter().map(|row| self.inner.show_file(row)).collect())
    }

    /// A file and its bytes.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn site_file(&self, path: &str) -> Result<(SiteFile, Vec<u8>)> {
        let row = self.inner.store.site_file(path).await?.ok_or_else(|| no_file(path))?;
        Ok((self.inner.show_file(&row), row.bytes))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete_site_file(&self, path: &str) -> Result<()> {
        if self.inner.store.delete_site_file(path).await? { Ok(()) } else { Err(no_file(path)) }
    }
}

fn no_file(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no file {path}"))
}

impl Inner {
    /// An address of this host.
    pub(crate) fn at(&self, path: &str) -> Option<String> {
        let base = self.public_address.as_ref()?;
        Some(format!("{}{path}", base.as_str().trim_end_matches('/')))
    }

    /// Where a platform sends browsers back to, unless the app says otherwise.
    pub(crate) fn callback_url(&self, app: &str) -> Option<String> {
        self.at(&format!("/callback/{app}"))
    }

    /// A callback on loopback that is registered for any port, with the port at which we are reached there.
    pub(crate) fn with_own_port(&self, redirect_uri: &str) -> String {
        let port = self.public_address.as_ref().and_then(|ours| {
            let prefix = format!("{}://{}:*", ours.scheme(), ours.host_str()?);
            redirect_uri.starts_with(&prefix).then(|| ours.port_or_known_default())?
        });
        match port {
            Some(port) => redirect_uri.replacen(":*", &format!(":{port}"), 1),
            None => redirect_uri.to_owned(),
        }
    }

    /// Where a platform sends its webhooks of an app.
    pub(crate) fn webhook_url(&self, app: &str) -> Option<String> {
        self.at(&format!("/webhooks/{app}"))
    }

    /// What a provider's diagnostics are told.
    pub(crate) fn addresses(&self, app: &str, redirect_uri: Option<&str>) -> Addresses {
        Addresses {
            redirect_uri: redirect_uri
                .map(|uri| self.with_own_port(uri))
                .or_else(|| self.callback_url(app))
                .unwrap_or_default(),
            webhook_url: self.webhook_url(app),
            media_prefix: self.at(MEDIA_PATH),
        }
    }

    async fn put_site_file(
        &self,
        path: &str,
        content_type: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<SiteFile> {
        let path = path.trim_start_matches('/');
        check_path(path)?;
        if bytes.len() > SITE_FILE {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the file has more than {} MiB", SITE_FILE >> 20),
            )
            .with_field("bytes")
            .with_remedy("serve larger files from a web server in front of this one"));
        }
        let content_type = content_type.map_or_else(|| type_of(path).to_owned(), str::to_owned);
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if content_type.len() > 100 || !content_type.bytes().all(plain) {
            return Err(
                Error::new(ErrorKind::InvalidRequest, "the content type is none").with_field("content_type")
            );
        }
        let row = SiteFileRow {
            path: path.to_owned(),
            content_type,
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            bytes,
            added_at: self.clock.now_ms(),
        };
        self.store.put_site_file(&row).await?;
        Ok(self.show_file(&row))
    }

    fn show_file(&self, row: &SiteFileRow) -> SiteFile {
        SiteFile {
            path: row.path.clone(),
            content_type: row.content_type.clone(),
            size: row.size.cast_unsigned(),
            url: self.at(&format!("/{}", row.path)),
            added_at: row.added_at / 1000,
        }
    }
}

/// Plain names only: letters, digits, `.`, `_`, `-`, and slashes between them.
fn check_path(path: &str) -> Result<()> {
    let good = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let wrong = |message: String| {
        Err(Error::new(ErrorKind::InvalidRequest, message)
            .with_field("path")
            .with_remedy("use the name that the platform gave the file, for example `example-proof.txt`"))
    };
    if path.len() > 200 || !path.split('/').all(good) {
        return wrong("the path holds more than plain names and slashes".to_owned());
    }
    let first = path.split('/').next().unwrap_or_default();
    if TAKEN.contains(&first) {
        return wrong(format!("/{first} belongs to the service itself"));
    }
    Ok(())
}

fn type_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_outside_the_service_are_taken() {
        for good in ["proof.txt", "media/proof-1.txt", ".well-known/oauth-client.json"] {
            check_path(good).unwrap();
        }
        for bad in ["", "/", "a//b", "../x", "a/./b", "a b", "ä.txt", "api/v1/x", "callback/x", "a?b", "%2e"]
        {
            assert_eq!(check_path(bad).unwrap_err().kind, ErrorKind::InvalidRequest, "{bad}");
        }
    }

    #[test]
    fn a_public_address_is_an_origin() {
        for good in ["https://a.example", "https://a.example/", "http://127.0.0.1:8080"] {
            check_public_address(good).unwrap();
        }
        for bad in
            ["a.example", "ftp://a.example", "https://a.example/x", "https://u@a.example", "https://a?b"]
        {
            assert_eq!(check_public_address(bad).unwrap_err().kind, ErrorKind::Misconfigured, "{bad}");
        }
    }
}

//! Files that platforms request from this service, such as a proof of ownership: stored as documents in the host's
//! database, served at the root. Also the check that they are reachable from outside, unchanged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel::model::{Finding, Severity};
use social_channel::{Document, DocumentChanges, Error, ErrorKind, Host, Result};

/// A proof of ownership has some hundred bytes, an icon up to 5 MB; this is not general web hosting.
pub const SITE_FILE: usize = 5 << 20;
/// The kind of these documents.
const KIND: &str = "site-file";
/// Paths that belong to the service itself: a page would hide a file there.
const TAKEN: [&str; 18] = [
    "api",
    "callback",
    "webhooks",
    "healthz",
    "readyz",
    "metrics",
    "assets",
    "sign-in",
    "sign-out",
    "errors",
    "channels",
    "crossposts",
    "jobs",
    "jobs.csv",
    "pictures",
    "settings",
    "tenants",
    "uploads",
];

/// A file that a platform requests from this service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteFile {
    /// The path below the public address, without a leading slash.
    pub path: String,
    /// For example `text/plain`.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// Its URL; absent without a public address.
    pub url: Option<String>,
    /// Seconds since 1970.
    pub added_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    content_type: String,
    size: u64,
}

/// The files of the service in front of a host.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a>(&'a Host);

impl<'a> Site<'a> {
    /// The files of the service in front of this host.
    pub fn of(host: &'a Host) -> Self {
        Site(host)
    }

    /// Adds or replaces a file that a platform requests at `path`, for example the proof of ownership that it offers
    /// for download. If the future is dropped, the file is the new one or the old one.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid path, a path that the service itself uses, and for large files.
    pub async fn put(self, path: &str, content_type: Option<&str>, bytes: Vec<u8>) -> Result<SiteFile> {
        let path = path.trim_start_matches('/');
        check_path(path)?;
        if bytes.len() > SITE_FILE {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the file has more than {} MiB", SITE_FILE >> 20),
            )
            .with_field("bytes")
            .with_remedy("serve larger files from a reverse proxy in front of this service"));
        }
        let content_type = content_type.map_or_else(|| type_of(path).to_owned(), str::to_owned);
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if content_type.len() > 100 || !content_type.bytes().all(plain) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the content type is invalid")
                .with_field("content_type"));
        }
        if served_type(&content_type) != content_type {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "files of the type {content_type} are not served here: this address is the pages' own"
                ),
            )
            .with_field("content_type")
            .with_remedy("leave the type out, or send text, HTML, JSON, XML or a picture"));
        }
        let facts = Facts { content_type, size: bytes.len() as u64 };
        let (id, created_at) = (path.to_owned(), self.0.clock().now_ms());
        let file = Document { id, facts, body: Some(bytes), created_at, expires_at: None };
        let shown = self.show(&file);
        self.0.change_documents(DocumentChanges::new().put(KIND, file)?).await?;
        Ok(shown)
    }

    /// All added files. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn files(self) -> Result<Vec<SiteFile>> {
        Ok(self.0.documents::<Facts>(KIND).await?.iter().map(|file| self.show(file)).collect())
    }

    /// A file and its bytes. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn file(self, path: &str) -> Result<(SiteFile, Vec<u8>)> {
        let file = self.0.document::<Facts>(KIND, path).await?.ok_or_else(|| no_file(path))?;
        Ok((self.show(&file), file.body.unwrap_or_default()))
    }

    /// Removes a file. If the future is dropped, it is removed or not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn remove(self, path: &str) -> Result<()> {
        match self.0.change_documents(DocumentChanges::new().remove(KIND, path)).await? {
            0 => Err(no_file(path)),
            _ => Ok(()),
        }
    }

    fn show(self, file: &Document<Facts>) -> SiteFile {
        SiteFile {
            path: file.id.clone(),
            content_type: file.facts.content_type.clone(),
            size: file.facts.size,
            url: self.0.public_address().map(|address| format!("{address}/{}", file.id)),
            added_at: file.created_at / 1000,
        }
    }

    /// Runs all checks of an app that need no person: the library's checks, and whether the added files are reachable
    /// from outside. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Those of [`Host::check_settings`].
    pub async fn check_settings(self, app: &str) -> Result<Vec<Finding>> {
        let mut findings = self.0.check_settings(app).await?;
        findings.extend(self.check_files(app).await?);
        Ok(findings)
    }

    /// Fetches the files from outside, with the address rules for the app's media.
    async fn check_files(self, app: &str) -> Result<Vec<Finding>> {
        let finding = |severity, message, remedy: Option<&str>| Finding {
            severity,
            subject: "verification-file".to_owned(),
            message,
            remedy: remedy.map(str::to_owned),
            code: None,
            details: Default::default(),
        };
        let mut findings = Vec::new();
        if !self.0.is_reached_from_outside() {
            return Ok(findings);
        }
        for file in self.files().await? {
            let Some(url) = file.url else { continue };
            let (_, kept) = self.file(&file.path).await?;
            findings.push(match self.0.look_at(app, &url, SITE_FILE + 1).await? {
                Ok(seen) if seen.status == 200 && seen.body == kept => {
                    finding(Severity::Ok, format!("{url} is served as it was added."), None)
                }
                Ok(seen) => finding(
                    Severity::Error,
                    format!("{url} returns status {} with different bytes than were added.", seen.status),
                    Some("Configure the reverse proxy to forward this path to the service, unchanged."),
                ),
                Err(why) => finding(
                    Severity::Error,
                    format!("{url} cannot be read from outside: {why}."),
                    Some("Check the host name, the certificate and the reverse proxy in front of this host."),
                ),
            });
        }
        Ok(findings)
    }
}

fn no_file(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no file {path}"))
}

/// Accepts only plain names: letters, digits, `.`, `_`, `-`, separated by slashes.
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
        return wrong("the path must have only plain names and slashes".to_owned());
    }
    let first = path.split('/').next().unwrap_or_default();
    if TAKEN.contains(&first) {
        return wrong(format!("/{first} is used by the service itself"));
    }
    Ok(())
}

/// A type under which a file does nothing at our address: HTML stands in a sandbox. Scripts and styles do not, since a
/// page of ours may load them. Anything else is plain text.
pub(crate) fn served_type(content_type: &str) -> &str {
    const HARMLESS: [&str; 10] = [
        "text/plain",
        "text/html",
        "text/xml",
        "application/json",
        "application/xml",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/x-icon",
    ];
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let harmless = HARMLESS.iter().any(|known| essence.eq_ignore_ascii_case(known));
    if harmless { content_type } else { "text/plain; charset=utf-8" }
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
}

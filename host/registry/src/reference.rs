//! How an operator writes where a component is.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::{Error, ErrorKind, Result};

/// Longest name of a repository, by the distribution specification's advice.
const REPOSITORY: usize = 255;
/// Longest tag, by the distribution specification.
const TAG: usize = 128;

/// Where a component is, outside this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A file on a web server, by `https`.
    Url(Url),
    /// An image in an OCI registry.
    Image(Image),
}

/// `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`. At least one of tag and digest is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The registry's host, with its port if it has one.
    pub registry: String,
    /// Its path there.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The SHA-256 of its manifest, 64 lower-case hexadecimal digits.
    pub digest: Option<String>,
}

fn wrong(text: &str, why: &str) -> Error {
    // It may hold a password.
    let shown = if text.contains('@') && !text.contains("@sha256:") { "the reference" } else { text };
    Error::new(
        ErrorKind::Invalid,
        format!("{shown} does not say where a component is: {why}"),
        "write HOST/NAME:TAG, for example ghcr.io/acme/bluesky:1.2, or https://HOST/FILE.wasm",
    )
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with("http:") || text.starts_with("https:") {
            let url = Url::parse(text).map_err(|_| wrong(text, "it is not a URL"))?;
            if url.scheme() != "https" && !is_loopback(&url) {
                return Err(wrong(text, "it is not https, so everybody on the way can change what comes"));
            }
            if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
                return Err(wrong(text, "it holds a name, a password or a fragment"));
            }
            return Ok(Reference::Url(url));
        }
        text.strip_prefix("oci://").unwrap_or(text).parse().map(Reference::Image)
    }
}

impl FromStr for Image {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let digest = digest
            .map(|digest| {
                let hex = digest.strip_prefix("sha256:").filter(|hex| is_sha256(hex));
                hex.map(str::to_owned)
                    .ok_or_else(|| wrong(text, "after @ stands no sha256: with 64 hexadecimal digits"))
            })
            .transpose()?;
        let (registry, rest) = name.split_once('/').ok_or_else(|| wrong(text, "it names no registry"))?;
        let is_host = registry.contains('.') || registry.contains(':') || registry == "localhost";
        let parsed = Url::parse(&format!("https://{registry}/")).ok().filter(|url| {
            is_host && url.username().is_empty() && url.password().is_none() && url.path() == "/"
        });
        if parsed.is_none() {
            return Err(wrong(text, "it names no registry"));
        }
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if repository.len() > REPOSITORY || !repository.split('/').all(is_component) {
            return Err(wrong(text, "the name is not one of lower-case letters, digits and ._-/"));
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(wrong(text, "the tag is not one of letters, digits and ._-"));
        }
        if tag.is_none() && digest.is_none() {
            // `latest` would be somebody else's decision.
            return Err(wrong(text, "it has neither a tag nor a digest"));
        }
        Ok(Image {
            registry: registry.to_ascii_lowercase(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

fn is_component(part: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && part.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= TAG
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

pub(crate) fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the URL itself names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Image {
    /// The host that answers for the registry: Docker Hub's has another name than its references.
    pub(crate) fn host(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }

    /// The repository as the registry knows it: Docker Hub's own images have no owner in their references.
    pub(crate) fn path(&self) -> String {
        if self.registry == "docker.io" && !self.repository.contains('/') {
            return format!("library/{}", self.repository);
        }
        self.repository.clone()
    }

    /// What a manifest is asked for by: the digest where it is known.
    pub(crate) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    /// The same image by tag only, as a place for newer ones. None: it was only known by its digest.
    #[must_use]
    pub fn newest(&self) -> Option<Self> {
        self.tag.as_ref()?;
        Some(Image { digest: None, ..self.clone() })
    }

    /// The same image, with this digest only.
    #[must_use]
    pub fn at(&self, digest: &str) -> Self {
        Image { digest: Some(digest.to_owned()), ..self.clone() }
    }
}

impl Reference {
    /// The same without a digest, under which a newer one would be found. None: it can only be this one.
    #[must_use]
    pub fn newest(&self) -> Option<Self> {
        match self {
            Reference::Url(_) => Some(self.clone()),
            Reference::Image(image) => image.newest().map(Reference::Image),
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@sha256:{digest}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Url(url) => f.write_str(url.as_str()),
            Reference::Image(image) => image.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_and_shown_as_it_was_written() {
        let digest = "0123456789abcdef".repeat(4);
        for text in [
            "ghcr.io/acme/bluesky:1.2".to_owned(),
            "localhost:5000/x:1".to_owned(),
            "127.0.0.1:5000/a/b_c/d-e.f:V1.0_rc".to_owned(),
            "[::1]:5000/x:1".to_owned(),
            format!("ghcr.io/acme/bluesky@sha256:{digest}"),
            format!("ghcr.io/acme/bluesky:1.2@sha256:{digest}"),
            "https://example.com/plugin.wasm?v=1".to_owned(),
            "http://127.0.0.1:80/plugin.wasm".replace(":80", ":8080"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert_eq!("oci://ghcr.io/a/b:1".parse::<Reference>().unwrap().to_string(), "ghcr.io/a/b:1");
        let hub: Image = "docker.io/x:1".parse().unwrap();
        assert_eq!((hub.host(), hub.path().as_str()), ("registry-1.docker.io", "library/x"));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "",
            "bluesky",
            "bluesky:1",
            "acme/bluesky:1",
            "ghcr.io/acme/bluesky",
            "ghcr.io/Acme/bluesky:1",
            "ghcr.io/acme//bluesky:1",
            "ghcr.io/../bluesky:1",
            "ghcr.io/acme/bluesky:",
            "ghcr.io/acme/bluesky:a/b",
            "ghcr.io/acme/bluesky@sha256:00",
            "ghcr.io/acme/bluesky@md5:00",
            "me:hidden@ghcr.io/acme/bluesky:1",
            "http://example.com/plugin.wasm",
            "https://me:hidden@example.com/plugin.wasm",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(!error.message.contains("hidden"), "{error}");
        }
    }
}

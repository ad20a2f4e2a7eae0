//! Signing in at a registry: names and passwords, as Docker keeps them.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// A password or token. Never printed, and removed from memory when it is dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// From its text.
    pub fn new(text: impl Into<String>) -> Self {
        Password(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Names and passwords by registry.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    by_registry: HashMap<String, (String, Password)>,
    /// Registries whose password another program has.
    elsewhere: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: HashMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    /// From the text of Docker's `config.json`. Programs that keep passwords (`credHelpers`) are never started; a registry
    /// that needs one says so.
    ///
    /// # Errors
    /// `Invalid` if it is no such file. The message holds nothing of its content.
    pub fn of_docker(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::Invalid,
                "the file with credentials is not Docker's config.json",
                r#"it is JSON: {"auths": {"ghcr.io": {"auth": "base64 of NAME:PASSWORD"}}}"#,
            )
        };
        let document: Document = serde_json::from_str(text).map_err(|_| wrong())?;
        let mut credentials = Credentials::default();
        for (registry, entry) in document.auths {
            let registry = plain(&registry);
            let pair = match (entry.auth.filter(|auth| !auth.is_empty()), entry.username, entry.password) {
                (Some(auth), ..) => {
                    let decoded = STANDARD.decode(auth.trim()).map_err(|_| wrong())?;
                    let text = Zeroizing::new(String::from_utf8(decoded).map_err(|_| wrong())?);
                    let (name, password) = text.split_once(':').ok_or_else(wrong)?;
                    (name.to_owned(), Password::new(password.trim_end_matches('\0')))
                }
                (None, Some(name), Some(password)) => (name, Password::new(password)),
                // Docker leaves an empty entry where another program has the password.
                _ => {
                    credentials.elsewhere.push(registry);
                    continue;
                }
            };
            credentials.by_registry.insert(registry, pair);
        }
        credentials.elsewhere.extend(document.helpers.keys().map(|registry| plain(registry)));
        Ok(credentials)
    }

    /// From a file.
    ///
    /// # Errors
    /// `Invalid` if it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("the file with credentials, {}, cannot be read: {error}", path.display()),
                "name a file that this program may read",
            )
        })?;
        Self::of_docker(&text)
    }

    /// Adds a name and password for one registry, in place of an earlier one.
    #[must_use]
    pub fn with(mut self, registry: &str, name: impl Into<String>, password: Password) -> Self {
        self.by_registry.insert(plain(registry), (name.into(), password));
        self
    }

    pub(crate) fn of(&self, registry: &str) -> Option<&(String, Password)> {
        self.by_registry.get(registry)
    }

    pub(crate) fn are_elsewhere(&self, registry: &str) -> bool {
        self.elsewhere.iter().any(|known| known == registry)
    }
}

/// Docker writes `https://index.docker.io/v1/` for its own registry.
fn plain(registry: &str) -> String {
    let bare = registry.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    if host == "index.docker.io" { "docker.io".to_owned() } else { host.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_file_is_read_and_never_shown() {
        let text = r#"{"auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0Cg=="}, "https://index.docker.io/v1/": {"username": "a", "password": "b"},
            "kept.example": {}}, "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "desktop"}"#;
        let credentials = Credentials::of_docker(text).unwrap();
        assert_eq!(credentials.of("ghcr.io").unwrap().1.expose().trim(), "secret");
        assert_eq!(credentials.of("docker.io").unwrap().0, "a");
        assert!(credentials.are_elsewhere("gcr.io") && credentials.are_elsewhere("kept.example"));
        assert!(credentials.of("other").is_none());
        assert!(!format!("{credentials:?}").contains("secret"));
        for wrong in [
            "",
            "7",
            r#"{"auths": {"a": {"auth": "%%secret"}}}"#,
            r#"{"auths": {"a": {"auth": "c2VjcmV0"}}}"#,
        ] {
            let error = Credentials::of_docker(wrong).unwrap_err();
            assert!(error.kind == ErrorKind::Invalid && !error.message.contains("secret"));
        }
    }
}

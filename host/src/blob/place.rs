//! Where a host keeps files: in a folder, or in a bucket of any S3.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use social_channel_runtime::SecretText;
use social_channel_runtime::error::{Error, ErrorKind, Result};
use url::Url;

use crate::database::scheme;

/// The longest name of a bucket that any S3 allows.
const BUCKET_LENGTH: usize = 255;
/// How a place is written, for messages.
const FORM: &str = "give the path of a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME";

/// A path, or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&credentials=FILE&profile=NAME`, of which all but the bucket may
/// be left out. Its `Debug` and `Display` show nothing that could be a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blob {
    /// The path of a folder.
    Folder(PathBuf),
    /// A URL that begins with `s3://`. Somebody may have written a secret into it, which is refused when the host is opened.
    S3(SecretText),
    /// A URL of another kind, which is refused when the host is opened.
    Other(SecretText),
}

impl Blob {
    fn of(text: &str) -> Self {
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("s3://")) {
            return Blob::S3(SecretText::new(text));
        }
        match scheme(text) {
            Some("file") => Blob::Folder(text.strip_prefix("file://").unwrap_or(text).into()),
            Some(_) => Blob::Other(SecretText::new(text)),
            None => Blob::Folder(text.into()),
        }
    }

    /// The path, if it is a folder.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Blob::Folder(path) => Some(path),
            Blob::S3(_) | Blob::Other(_) => None,
        }
    }
}

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blob::Folder(path) => path.display().fmt(f),
            Blob::S3(url) => match S3Address::of(url) {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("s3://…"),
            },
            Blob::Other(url) => write!(f, "{}://…", scheme(url.expose()).unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string().fmt(f)
    }
}

impl<T: Into<PathBuf>> From<T> for Blob {
    fn from(path: T) -> Self {
        let path: PathBuf = path.into();
        // A URL is text; a path may be any bytes.
        match path.to_str() {
            Some(text) => Blob::of(text),
            None => Blob::Folder(path),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Blob::of(&String::deserialize(from)?))
    }
}

impl JsonSchema for Blob {
    fn schema_name() -> Cow<'static, str> {
        "Blob".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// The parts of a URL of S3. None of them is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct S3Address {
    pub(super) bucket: String,
    /// Without slashes at its ends; may be empty.
    pub(super) prefix: String,
    /// The server; None: Amazon's.
    pub(super) endpoint: Option<Url>,
    pub(super) region: Option<String>,
    /// A file with credentials, in the form that Amazon's tools read.
    pub(super) credentials: Option<PathBuf>,
    /// The section of that file.
    pub(super) profile: Option<String>,
}

impl S3Address {
    /// # Errors
    /// `InvalidRequest`, which repeats nothing of the URL but the names of its parameters.
    pub(super) fn of(url: &SecretText) -> Result<Self> {
        let url = Url::parse(url.expose()).map_err(|_| wrong("the address of the bucket is no URL", FORM))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "the address of the bucket holds a user or a password",
                "keep keys out of it: give them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in a file by `credentials=FILE`",
            ));
        }
        let bucket = url.host_str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if bucket.is_empty()
            || bucket.len() > BUCKET_LENGTH
            || !bucket.bytes().all(plain)
            || url.port().is_some()
        {
            return Err(wrong("the address of the bucket has no name of a bucket", FORM));
        }
        let prefix = url.path().trim_matches('/');
        let is_step = |step: &str| !step.is_empty() && !step.starts_with('.') && step.bytes().all(plain);
        if !prefix.is_empty() && !prefix.split('/').all(is_step) {
            return Err(wrong(
                "the folder in the bucket is not written plainly",
                "use letters, digits, `-`, `_` and `.`, with single slashes between them",
            ));
        }
        let mut address = S3Address {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: None,
            credentials: None,
            profile: None,
        };
        for (name, value) in url.query_pairs() {
            let value = (!value.is_empty()).then(|| value.into_owned());
            match &*name {
                "endpoint" => address.endpoint = value.as_deref().map(endpoint).transpose()?,
                "region" => address.region = value,
                "credentials" => address.credentials = value.map(PathBuf::from),
                "profile" => address.profile = value,
                other => {
                    // A name that is no word may be a secret at the wrong place.
                    let named =
                        other.len() <= 40 && other.bytes().all(|it| it.is_ascii_alphabetic() || it == b'_');
                    let message = match named {
                        true => format!("the address of the bucket has the unknown parameter `{other}`"),
                        false => "the address of the bucket has an unknown parameter".to_owned(),
                    };
                    return Err(wrong(&message, "known are endpoint, region, credentials and profile"));
                }
            }
        }
        if address.credentials.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(wrong("the file of the credentials is no absolute path", "give the full path"));
        }
        Ok(address)
    }
}

impl fmt::Display for S3Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {}", endpoint.origin().ascii_serialization()),
            None => Ok(()),
        }
    }
}

fn endpoint(text: &str) -> Result<Url> {
    let wrong = || {
        wrong(
            "the endpoint of the bucket is not the address of a server",
            "give scheme, host and port, such as endpoint=https://minio.example:9000",
        )
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_plain = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_plain { Ok(url) } else { Err(wrong()) }
}

fn wrong(message: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_field("blob").with_remedy(remedy)
}

/// The error of a place that is none.
pub(super) fn unknown(message: &str) -> Error {
    wrong(message, FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(text: &str) -> Result<S3Address> {
        match Blob::from(text) {
            Blob::S3(url) => S3Address::of(&url),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        for (text, path) in [
            ("/srv/uploads", "/srv/uploads"),
            ("uploads", "uploads"),
            ("file:///srv/uploads", "/srv/uploads"),
            (r"C:\data\x", r"C:\data\x"),
        ] {
            assert_eq!(Blob::from(text), Blob::Folder(path.into()), "{text}");
        }
        assert!(matches!(Blob::from("gs://bucket"), Blob::Other(_)));
        let all = s3("s3://media/shop/a?endpoint=https://minio.example:9000&region=eu-1&credentials=/etc/keys&profile=shop")
            .unwrap();
        assert_eq!((all.bucket.as_str(), all.prefix.as_str()), ("media", "shop/a"));
        assert_eq!(all.endpoint.as_ref().unwrap().as_str(), "https://minio.example:9000/");
        assert_eq!((all.region.as_deref(), all.profile.as_deref()), (Some("eu-1"), Some("shop")));
        assert_eq!(all.to_string(), "s3://media/shop/a at https://minio.example:9000");
        let brief = s3("S3://media/").unwrap();
        assert_eq!((brief.prefix.as_str(), brief.endpoint), ("", None));
    }

    #[test]
    fn what_is_no_bucket_is_refused_and_a_secret_in_it_never_shown() {
        for text in [
            "s3://",
            "s3:///prefix",
            "s3://hidden:hidden@bucket",
            "s3://hidden@bucket/x",
            "s3://bucket?hidden-key=1",
            "s3://bucket?secret_access_key=hidden",
            "s3://bucket?endpoint=hidden",
            "s3://bucket?endpoint=https://me:hidden@host",
            "s3://bucket?endpoint=ftp://host",
            "s3://bucket?credentials=hidden",
            "s3://bucket/a//b",
            "s3://bucket/a%2f..",
            "s3://bucket:1/a",
        ] {
            let error = s3(text).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (ErrorKind::InvalidRequest, Some("blob")),
                "{text}"
            );
            assert!(error.remedy.is_some());
            let blob = Blob::from(text);
            for shown in [error.to_string(), format!("{error:?}"), blob.to_string(), format!("{blob:?}")] {
                assert!(!shown.contains("hidden"), "{shown}");
            }
        }
        assert!(s3("s3://bucket?secret_access_key=x").unwrap_err().message.contains("secret_access_key"));
        assert_eq!(Blob::from("gs://hidden@bucket").to_string(), "gs://…");
    }
}

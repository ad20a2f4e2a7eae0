//! The client of a bucket, and where its credentials come from.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, CredentialProvider, RetryConfig};
use social_channel_runtime::error::{Error, ErrorKind, Result};

use crate::blob::place::S3Address;

/// As for providers' requests.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest wait for an answer or its next bytes. A part of five MiB passes in it at 1 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(45);
/// A machine's role answers at once, or there is none.
const ROLE_PATIENCE: Duration = Duration::from_secs(2);
/// Requests are repeated for so long: a person waits for an upload, and a job has pauses of its own.
const REPEATED: Duration = Duration::from_secs(60);
const REPEATS: usize = 4;
/// A file of credentials is read again after so long, because something may renew it.
const READ_AGAIN: Duration = Duration::from_secs(60);
/// Larger files hold no credentials.
const FILE_SIZE: u64 = 1 << 20;
/// The section of a file of credentials.
const PROFILE: &str = "default";
/// Where Amazon's tools look for such a file. Their place in the home folder is not looked at: services have none.
const FILE_VARIABLE: &str = "AWS_SHARED_CREDENTIALS_FILE";

/// The client. Without a file, credentials come from the environment, the file of a token that the environment names, or
/// the machine's role, in the order of `object_store`.
pub(super) fn client(address: &S3Address) -> Result<AmazonS3> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&address.bucket)
        .with_client_options(ClientOptions::new())
        .with_allow_http(address.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http"))
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.,
            },
            max_retries: REPEATS,
            retry_timeout: REPEATED,
        })
        .with_http_connector(Connector);
    if let Some(endpoint) = &address.endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    if let Some(region) = &address.region {
        builder = builder.with_region(region);
    }
    let file = address.credentials.clone().or_else(|| std::env::var_os(FILE_VARIABLE).map(PathBuf::from));
    if let Some(path) = file {
        let profile = address.profile.clone().unwrap_or_else(|| PROFILE.to_owned());
        builder = builder.with_credentials(Arc::new(File { path, profile, read: Mutex::default() }));
    }
    builder.build().map_err(|_| {
        Error::new(ErrorKind::Misconfigured, format!("the settings for {address} do not fit together"))
            .with_field("blob")
            .with_remedy("check `blob`, and the variables that begin with AWS_")
    })
}

/// Makes HTTP clients as the rest of the library has them: rustls with ring, no proxy from the environment, no redirects.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // reqwest uses the process's TLS provider. If an embedding program has installed one, it is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let set = |key| options.get_config_value(&key);
        let http = set(ClientConfigKey::AllowHttp).is_some_and(|it| it == "true");
        // The machine's role is asked with the options that `object_store` makes for it: one second to connect.
        let is_role = set(ClientConfigKey::ConnectTimeout).is_some_and(|it| it == "1s");
        let patience = if is_role { ROLE_PATIENCE } else { PATIENCE };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .http1_only()
            .connect_timeout(if is_role { ROLE_PATIENCE } else { CONNECT })
            .read_timeout(patience)
            .https_only(!http)
            .build()
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(client))
    }
}

/// Credentials in a file, in the form that Amazon's tools read.
struct File {
    path: PathBuf,
    profile: String,
    read: Mutex<Option<(Instant, Arc<AwsCredential>)>>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for File {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*read
            && at.elapsed() < READ_AGAIN
        {
            return Ok(Arc::clone(known));
        }
        // A file of a few lines; it is read once a minute.
        let found =
            Arc::new(credential(&self.path, &self.profile).ok_or_else(|| object_store::Error::Generic {
                store: "S3",
                source: "the credentials file holds no key of this profile".into(),
            })?);
        *read = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }
}

fn credential(path: &Path, profile: &str) -> Option<AwsCredential> {
    let size = std::fs::metadata(path).ok()?.len();
    let text = (size <= FILE_SIZE).then(|| std::fs::read_to_string(path).ok())??;
    parse(&text, profile)
}

/// `[profile]`, then lines `name = value`; comments begin with `#` or `;`.
fn parse(text: &str, profile: &str) -> Option<AwsCredential> {
    let (mut here, mut key_id, mut secret_key, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            here = section.trim_end_matches(']').trim() == profile;
        } else if let Some((name, value)) =
            line.split_once('=').filter(|_| here && !line.starts_with(['#', ';']))
        {
            let value = Some(value.trim().to_owned());
            match name.trim() {
                "aws_access_key_id" => key_id = value,
                "aws_secret_access_key" => secret_key = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(AwsCredential { key_id: key_id?, secret_key: secret_key?, token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_credentials_is_read_as_amazons_tools_read_it() {
        let text = "# keys\n[default]\naws_access_key_id=ONE\naws_secret_access_key = first=\n\n[ shop ]\n; old\n\
                    #aws_access_key_id = OLD\naws_access_key_id = TWO\naws_secret_access_key = second\naws_session_token = t\nregion=x\n";
        let one = parse(text, "default").unwrap();
        assert_eq!((one.key_id.as_str(), one.secret_key.as_str(), one.token), ("ONE", "first=", None));
        let two = parse(text, "shop").unwrap();
        assert_eq!(
            (two.key_id.as_str(), two.secret_key.as_str(), two.token.as_deref()),
            ("TWO", "second", Some("t"))
        );
        assert!(parse(text, "nobody").is_none());
        assert!(parse("[default]\naws_access_key_id = ONE\n", "default").is_none());
    }

    #[tokio::test]
    async fn a_renewed_file_is_read_again_and_its_secret_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let write = |key: &str| {
            std::fs::write(
                &path,
                format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = hidden\n"),
            )
            .unwrap();
        };
        let file = File { path: path.clone(), profile: PROFILE.to_owned(), read: Mutex::default() };
        let error = file.get_credential().await.unwrap_err().to_string();
        assert!(error.contains("credentials file"), "{error}");
        write("ONE");
        let first = file.get_credential().await.unwrap();
        assert_eq!(first.key_id, "ONE");
        write("TWO");
        assert_eq!(file.get_credential().await.unwrap().key_id, "ONE");
        *file.read.lock().unwrap() = None;
        assert_eq!(file.get_credential().await.unwrap().key_id, "TWO");
        assert!(!format!("{file:?}").contains("hidden"));
    }
}

//! Where providers may come from: the operator's policy, and fetching what a reference names.

use std::path::PathBuf;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use social_channel_registry::{
    About, Client, Credentials, Error as RegistryError, ErrorKind as Why, Evidence, Fetched, Network,
    Reference, Signed, SigningKey, Trust, TrustedIdentity, TrustedKey,
};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::limits::LARGEST_COMPONENT;
use social_channel_runtime::net::{Policy, Proxy, is_public};
use social_channel_runtime::{Digest, SecretText};

/// Who may sign providers, and how registries are reached. The empty document takes everything from every public registry,
/// signed or not, and says which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderPolicy {
    /// What must be signed by one of `keys` or `identities`, when it is fetched and whenever it is loaded: `fetched` (what comes from a
    /// registry or a URL; the default with keys), `all` (files, too) or `nothing` (the default without keys).
    pub signed: Option<RequiredSignature>,
    /// Who may sign, by a key.
    pub keys: Vec<ProviderKey>,
    /// Who may sign images without a key of their own (Sigstore's keyless signing): a workflow or a person, proven by a
    /// certificate that holds for minutes and by a public log.
    pub identities: Vec<ProviderIdentity>,
    /// Names and passwords of registries: a file as Docker's `config.json`. Programs named in it are not started.
    pub credentials: Option<PathBuf>,
    /// Certificates of further authorities, as PEM, for registries of one's own.
    pub authorities: Option<PathBuf>,
    /// Registries of this machine (`localhost`) are spoken to without TLS.
    pub plain_http: bool,
}

/// What must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequiredSignature {
    /// What comes from a registry or a URL.
    Fetched,
    /// Files, too, and those that come with the program.
    All,
    /// Nothing.
    Nothing,
}

/// A key that may sign providers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderKey {
    /// What the operator calls its owner.
    pub name: String,
    /// The public key: PEM of P-256 or Ed25519, or a key of minisign.
    pub key: String,
    /// A file with it instead.
    pub file: Option<PathBuf>,
    /// Beginnings of references that it may sign for, such as `ghcr.io/acme/`. Empty: all.
    pub references: Vec<String>,
}

/// An identity that may sign providers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderIdentity {
    /// What the operator calls it. Empty: the identity itself.
    pub name: String,
    /// As the certificate has it, exactly: an address of e-mail, or a URL such as
    /// `https://github.com/acme/bluesky/.github/workflows/release.yml@refs/heads/main`.
    pub identity: String,
    /// Who vouches for it, for example `https://token.actions.githubusercontent.com`.
    pub issuer: String,
    /// Beginnings of references that it may sign for, such as `ghcr.io/acme/`. Empty: all.
    pub references: Vec<String>,
    /// The `trusted_root.json` of a Sigstore of one's own. Absent: the public one.
    pub trusted_root: Option<PathBuf>,
}

/// The policy, read.
pub(crate) struct Sources {
    pub(super) trust: Trust,
    network: Network,
}

/// What there is at a reference, or in a file.
pub(super) struct Found {
    pub(super) bytes: Bytes,
    /// None: a file.
    pub(super) reference: Option<Reference>,
    pub(super) evidence: Option<Evidence>,
}

/// What was pushed to a registry.
#[derive(Clone, Debug, serde::Serialize, JsonSchema)]
pub struct PushedProvider {
    /// Its reference, with the digest of the image.
    pub reference: String,
    /// The component.
    pub digest: Digest,
    /// The fingerprint of the key that signed it.
    pub signed_by: Option<String>,
}

/// The library's error of a registry's.
pub(super) fn failed(error: RegistryError) -> Error {
    let kind = match error.kind {
        Why::Invalid => ErrorKind::InvalidRequest,
        Why::NotFound => ErrorKind::NotFound,
        Why::Refused => ErrorKind::DeniedByPolicy,
        Why::Unauthorized => ErrorKind::Misconfigured,
        Why::Unavailable => ErrorKind::Unavailable,
        Why::Corrupt => ErrorKind::LoadFailed,
        Why::TooLarge => ErrorKind::LimitExceeded,
    };
    Error::new(kind, error.message).with_remedy(error.remedy)
}

fn read_file(what: &str, path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, format!("{what}, {}, cannot be read", path.display()))
            .with_remedy("name a file that this program may read")
            .with_source(error)
    })
}

impl ProviderPolicy {
    /// Reads the files that it names.
    pub(crate) fn sources(&self, policy: &Policy, proxy: Option<&Proxy>) -> Result<Sources> {
        let mut keys = Vec::new();
        for one in &self.keys {
            let text = match &one.file {
                Some(path) => String::from_utf8_lossy(&read_file("a key of a signer", path)?).into_owned(),
                None => one.key.clone(),
            };
            let mut key = TrustedKey::read(&one.name, &text).map_err(failed)?;
            key.references.clone_from(&one.references);
            if key.name.is_empty() {
                key.name = key.key.fingerprint().chars().take(12).collect();
            }
            keys.push(key);
        }
        let mut identities = Vec::new();
        for one in &self.identities {
            let root = match &one.trusted_root {
                Some(path) => {
                    Some(String::from_utf8_lossy(&read_file("a trusted root of signers", path)?).into_owned())
                }
                None => None,
            };
            let name = if one.name.is_empty() { &one.identity } else { &one.name };
            let mut identity =
                TrustedIdentity::new(name, &one.identity, &one.issuer, root.as_deref()).map_err(failed)?;
            identity.references.clone_from(&one.references);
            identities.push(identity);
        }
        let signed = self.signed.map(|signed| match signed {
            RequiredSignature::Fetched => Signed::Fetched,
            RequiredSignature::All => Signed::All,
            RequiredSignature::Nothing => Signed::Nothing,
        });
        let credentials = match &self.credentials {
            Some(path) => Credentials::read(path).map_err(failed)?,
            None => Credentials::default(),
        };
        let authorities = match &self.authorities {
            Some(path) => read_file("the file of further authorities", path)?,
            None => Vec::new(),
        };
        let network = Network {
            largest: LARGEST_COMPONENT as u64,
            allow_private: policy.allow_private_networks,
            is_public,
            authorities,
            proxy: proxy.map(|proxy| proxy.url().clone()),
            credentials,
            plain_http: self.plain_http,
        };
        Ok(Sources { trust: Trust { signed, keys, identities }, network })
    }
}

/// A key that the operator names for one provider.
pub(super) fn named_key(text: &str) -> Result<TrustedKey> {
    let mut key = TrustedKey::read("", text).map_err(failed)?;
    key.name = key.key.fingerprint().chars().take(12).collect();
    Ok(key)
}

impl Sources {
    /// A client for one task: reading the system's certificates takes some milliseconds, and what is fetched seldom.
    fn client(&self) -> Result<Client> {
        Client::new(self.network.clone()).map_err(failed)
    }

    pub(super) async fn fetch(&self, reference: &Reference) -> Result<Found> {
        let Fetched { bytes, source, evidence } = self.client()?.fetch(reference).await.map_err(failed)?;
        Ok(Found { bytes, reference: Some(source), evidence })
    }

    /// The digest of the image that a reference points to now.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Option<String>> {
        self.client()?.digest(reference).await.map_err(failed)
    }

    pub(super) async fn push(
        &self,
        reference: &str,
        component: Bytes,
        about: &About,
        key: Option<&SecretText>,
    ) -> Result<PushedProvider> {
        let Reference::Image(image) = parsed(reference)? else {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "a component can only be pushed to an OCI registry",
            )
            .with_field("reference")
            .with_remedy("write HOST/NAME:TAG, for example ghcr.io/acme/bluesky:1.2"));
        };
        let key = key.map(|key| SigningKey::parse(key.expose())).transpose().map_err(failed)?;
        let digest = Digest::of(&component);
        let pushed = self.client()?.push(&image, component, about, key.as_ref()).await.map_err(failed)?;
        Ok(PushedProvider { reference: pushed.image.to_string(), digest, signed_by: pushed.signed_by })
    }
}

pub(super) fn parsed(reference: &str) -> Result<Reference> {
    reference.parse().map_err(|error| failed(error).with_field("reference"))
}

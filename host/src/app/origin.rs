//! Where an installed component came from and who signed it, and which component a provider had before: documents beside
//! the components, by digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_registry::{Evidence, Signer};
use social_channel_runtime::Digest;
use social_channel_runtime::error::{Error, Result};

use crate::store::{Document, DocumentChange, Store};

/// The document of a component, by its digest.
const ORIGIN: &str = "provider-origin";
/// The document of a component that is kept for the way back, by its digest. The stores' SQL names it, too: such a component
/// is not deleted.
const KEPT: &str = "provider-kept";

/// Who signed a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderSigner {
    /// What the operator calls them.
    pub name: String,
    /// The fingerprint of their key, or what stands for their identity: SHA-256, as 64 hexadecimal digits.
    pub key: String,
    /// Their identity, if they have no key: an address of e-mail, or the URL of a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Who vouches for the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl From<Signer> for ProviderSigner {
    fn from(signer: Signer) -> Self {
        let (identity, issuer) = signer.identity.unzip();
        ProviderSigner { name: signer.name, key: signer.key, identity, issuer }
    }
}

/// Where a component came from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProviderOrigin {
    /// The reference, with the digest of the image: `ghcr.io/acme/bluesky:1.2@sha256:…`. Absent: a file.
    pub reference: Option<String>,
    /// Who signed it, among those whose keys the operator trusts. Absent: nobody, or nobody known.
    pub signer: Option<ProviderSigner>,
    /// Whether it carries a signature at all.
    pub signed: bool,
    /// When it was installed, in seconds since 1970.
    pub installed_at: i64,
}

/// What is stored of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) provider: String,
    #[serde(flatten)]
    pub(super) origin: ProviderOrigin,
    /// The key that the operator named for this provider alone, as text.
    pub(super) key: Option<String>,
    /// So that the signature can be verified again when the component is loaded.
    pub(super) evidence: Option<Evidence>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    provider: String,
}

fn put(kind: &str, digest: &Digest, facts: &impl Serialize, now: i64) -> Result<DocumentChange> {
    let facts = serde_json::to_string(facts)
        .map_err(|error| Error::internal("a document cannot be written as JSON").with_source(error))?;
    Ok(DocumentChange::Put(Document {
        kind: kind.to_owned(),
        id: digest.as_str().to_owned(),
        facts,
        body: None,
        created_at: now,
        expires_at: None,
    }))
}

fn remove(kind: &str, id: String) -> DocumentChange {
    DocumentChange::Remove { kind: kind.to_owned(), id }
}

/// The origin of a component. None: it was installed by an older version, or its row cannot be read.
pub(super) async fn read(store: &dyn Store, digest: &Digest) -> Result<Option<Stored>> {
    let found = store.document(ORIGIN, digest.as_str()).await?;
    Ok(found.and_then(|document| {
        let read = serde_json::from_str(&document.facts);
        read.inspect_err(|error| tracing::error!(digest = digest.short(), %error, "the origin of a component cannot be read"))
            .ok()
    }))
}

/// Notes where a component came from that is about to be installed, and keeps the one that it replaces for the way back.
/// Written before it is installed: what is noted of a component that is not there harms nothing, and goes with the next one.
pub(super) async fn note(
    store: &dyn Store,
    digest: &Digest,
    stored: &Stored,
    replaced: Option<&Digest>,
    now: i64,
) -> Result<()> {
    let mut changes = vec![put(ORIGIN, digest, stored, now)?];
    if let Some(replaced) = replaced.filter(|replaced| *replaced != digest) {
        for (kept, _) in kept(store).await?.into_iter().filter(|(_, of)| *of == stored.provider) {
            changes.push(remove(KEPT, kept.as_str().to_owned()));
        }
        changes.push(put(KEPT, replaced, &Kept { provider: stored.provider.clone() }, now)?);
    }
    store.change_documents(&changes).await.map(drop)
}

/// Notes it again, should another process have swept it before the component was there.
pub(super) async fn confirm(store: &dyn Store, digest: &Digest, stored: &Stored, now: i64) -> Result<()> {
    if store.document(ORIGIN, digest.as_str()).await?.is_some() {
        return Ok(());
    }
    store.change_documents(&[put(ORIGIN, digest, stored, now)?]).await.map(drop)
}

/// Components that are kept for the way back, with their providers.
pub(super) async fn kept(store: &dyn Store) -> Result<Vec<(Digest, String)>> {
    let read = |document: Document| {
        let kept: Kept = serde_json::from_str(&document.facts).ok()?;
        Some((document.id.parse().ok()?, kept.provider))
    };
    Ok(store.documents(KEPT).await?.into_iter().filter_map(read).collect())
}

/// The component that a provider had before.
pub(super) async fn previous(store: &dyn Store, provider: &str) -> Result<Option<Digest>> {
    Ok(kept(store).await?.into_iter().find(|(_, of)| of == provider).map(|(digest, _)| digest))
}

/// Forgets what is noted of components that are not stored any more, or all of one provider.
pub(super) async fn sweep(store: &dyn Store, gone: Option<&str>) -> Result<()> {
    let components = store.components().await?;
    let is_gone = |id: &str, provider: Option<&str>| {
        gone.is_some_and(|gone| provider == Some(gone))
            || !components.iter().any(|component| component.digest.as_str() == id)
    };
    let mut changes = Vec::new();
    for kind in [ORIGIN, KEPT] {
        for document in store.documents(kind).await? {
            let facts: Option<Kept> = serde_json::from_str(&document.facts).ok();
            if is_gone(&document.id, facts.as_ref().map(|facts| facts.provider.as_str())) {
                changes.push(remove(kind, document.id));
            }
        }
    }
    if changes.is_empty() { Ok(()) } else { store.change_documents(&changes).await.map(drop) }
}

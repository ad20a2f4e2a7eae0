//! Providers: installed, replaced, listed and removed while the host runs.

use bytes::Bytes;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_registry::{About, Evidence, Reference, Signed, TrustedKey};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use social_channel_runtime::model::Descriptor;
use social_channel_runtime::net::{OriginPattern, Policy};
use social_channel_runtime::{Digest, Provider, SecretText};

use super::apps::{Apps, Wait, granted};
use super::origin::{self, ProviderOrigin, ProviderSigner, Stored};
use super::registry::LOADING;
use super::source::{Found, PushedProvider, failed, named_key, parsed};
use super::upgrade::{self, UpgradeReport, UpgradeSide, WaitingApp};
use crate::store::ComponentRow;

/// A component, as it is shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProviderInfo {
    /// How the provider describes itself.
    pub descriptor: Descriptor,
    /// Its name.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Interfaces it implements, with the version of the contract it was built for.
    pub interfaces: Vec<String>,
    /// Interfaces it needs.
    pub imports: Vec<String>,
    /// New apps of this provider run it.
    pub installed: bool,
    /// Apps that run it.
    pub apps: Vec<String>,
    /// Where it came from and who signed it. Absent for what an older version of this program installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ProviderOrigin>,
    /// The component that it replaced, which is kept for the way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Why it cannot be used now; its descriptor then has only name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

impl ProviderInfo {
    /// Refuses what is still being loaded, for a caller that needs its descriptor.
    ///
    /// # Errors
    /// `Unavailable`, to be repeated.
    pub fn loaded(self) -> Result<Self> {
        match self.error {
            Some(error) if error.code.as_deref() == Some(LOADING) => Err(error),
            error => Ok(ProviderInfo { error, ..self }),
        }
    }
}

/// The result of loading a component.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Loaded {
    /// The component.
    pub provider: ProviderInfo,
    /// Apps that keep their older component, and the origins they would have to grant.
    pub waiting: Vec<WaitingApp>,
}

/// What the operator says with an installation.
#[derive(Clone, Debug, Default)]
pub struct InstallOptions {
    /// A public key that may sign this provider, now and later. With it, it must be signed.
    pub key: Option<String>,
    /// Another signer than that of the installed component is meant, or none.
    pub accept_signer: bool,
    /// The signature of a file, as minisign writes it.
    pub signature: Option<String>,
}

/// A provider by where it is, as front doors take it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSource {
    /// An image in an OCI registry (`ghcr.io/acme/bluesky:1.2`), or the https address of a component. Absent: where the
    /// installed one came from.
    pub reference: Option<String>,
    /// A public key that may sign this provider, now and later, as PEM. With it, it must be signed.
    pub key: Option<String>,
    /// Another signer than that of the installed component is meant, or none.
    pub accept_signer: bool,
}

impl ProviderSource {
    /// The reference of a provider that is not installed yet.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none.
    pub fn reference(&self) -> Result<&str> {
        self.reference.as_deref().filter(|reference| !reference.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "it is not said where the provider is")
                .with_field("reference")
                .with_remedy("give the name of an image, as ghcr.io/acme/bluesky:1.2, or an https address")
        })
    }

    /// What it says about the installation.
    #[must_use]
    pub fn options(&self) -> InstallOptions {
        InstallOptions { key: self.key.clone(), accept_signer: self.accept_signer, signature: None }
    }
}

/// An installed provider as a lock file names it: enough to install the same on another machine, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedProvider {
    /// The provider's id.
    pub id: String,
    /// Its version, for readers.
    pub version: String,
    /// The component.
    pub digest: Digest,
    /// Where it comes from, with the digest of the image. Absent: a file, which has to be brought along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Who must have signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<ProviderSigner>,
    /// Interfaces that it implements, with the line of the contract, for readers.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// Origins that it asks for, for readers.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// A component that is ready to be installed.
struct Candidate {
    provider: Provider,
    bytes: Bytes,
    stored: Stored,
    /// What the provider has now.
    installed: Option<(Digest, Option<Stored>)>,
}

impl Candidate {
    /// Whether somebody else signed it than the installed one, or nobody.
    fn signer_changed(&self) -> bool {
        let Some((digest, Some(before))) = &self.installed else { return false };
        let key = |stored: &Stored| stored.origin.signer.as_ref().map(|signer| signer.key.clone());
        digest != self.provider.digest() && before.origin.signer.is_some() && key(before) != key(&self.stored)
    }
}

fn signer_changed(stored: &Stored) -> Error {
    let now = match &stored.origin.signer {
        Some(signer) => format!("by {} (key {})", signer.name, signer.key.get(..12).unwrap_or_default()),
        None => "by nobody who is trusted".to_owned(),
    };
    Error::new(
        ErrorKind::DeniedByPolicy,
        format!(
            "the installed component of {} has another signer: this one is signed {now}",
            stored.provider
        ),
    )
    .with_code("signer_changed")
    .with_remedy("make sure with its author that this is meant, then accept the new signer")
}

impl Apps {
    /// Installs a component; see [`Host::load_provider`](crate::Host::load_provider).
    pub(crate) async fn load_provider(&self, bytes: &[u8], options: &InstallOptions) -> Result<Loaded> {
        let evidence = options.signature.clone().map(|signature| Evidence::Minisign { signature });
        let found = Found { bytes: Bytes::copy_from_slice(bytes), reference: None, evidence };
        let candidate = self.candidate(found, options).await?;
        self.install(candidate, options).await
    }

    /// Installs what a reference names; see [`Host::add_provider`](crate::Host::add_provider).
    pub(crate) async fn add_provider(&self, reference: &str, options: &InstallOptions) -> Result<Loaded> {
        let reference = parsed(reference)?;
        self.refuse_moved(&reference).await?;
        let candidate = self.candidate(self.sources.fetch(&reference).await?, options).await?;
        self.install(candidate, options).await
    }

    /// A tag that points to another image than when it was installed is not followed silently.
    async fn refuse_moved(&self, reference: &Reference) -> Result<()> {
        if reference.newest().as_ref() != Some(reference) || matches!(reference, Reference::Url(_)) {
            return Ok(());
        }
        for component in self.store.components().await?.into_iter().filter(|component| component.installed) {
            let Some(stored) = origin::read(&*self.store, &component.digest).await? else { continue };
            let Some(locked) = stored.origin.reference.as_deref().and_then(|text| text.parse().ok()) else {
                continue;
            };
            let Reference::Image(image) = &locked else { continue };
            if locked.newest().as_ref() == Some(reference)
                && self.sources.digest(reference).await? != image.digest
            {
                return Err(Error::new(
                    ErrorKind::DeniedByPolicy,
                    format!(
                        "{reference} points to another image than when {} was installed from it",
                        stored.provider
                    ),
                )
                .with_code("tag_moved")
                .with_field("reference")
                .with_remedy("look at the update of that provider, and update it if that is meant"));
            }
        }
        Ok(())
    }

    /// Loads a component and judges its signatures.
    async fn candidate(&self, found: Found, options: &InstallOptions) -> Result<Candidate> {
        let Found { bytes, reference, evidence } = found;
        let source = reference.as_ref().map(ToString::to_string);
        let judge = |more: &[_]| {
            self.sources.trust.judge(source.as_deref(), evidence.as_ref(), &bytes, more).map_err(failed)
        };
        let named = options.key.as_deref().map(named_key).transpose()?;
        if named.is_some() || self.sources.trust.required() != Signed::Nothing {
            // What must not be run is not even compiled. Which provider it is, is known only after that, so here the key of
            // any provider will do.
            let mut keys = self.named_keys().await?;
            keys.extend(named);
            judge(&keys)?;
        }
        let provider = Provider::load(self.registry.engine(), &bytes).await?;
        let id = &provider.descriptor().id;
        let installed = match self.store.installed_component(id).await? {
            Some(digest) => {
                let stored = origin::read(&*self.store, &digest).await?;
                Some((digest, stored))
            }
            None => None,
        };
        // The key that was named before for this provider goes on to be needed, unless another is named or accepted.
        let before = installed.as_ref().and_then(|(_, stored)| stored.as_ref()?.key.clone());
        let key = options.key.clone().or(before.filter(|_| !options.accept_signer));
        let own: Vec<_> = key.as_deref().map(named_key).transpose()?.into_iter().collect();
        let signer = judge(&own)?;
        let origin = ProviderOrigin {
            reference: source.clone(),
            signer: signer.map(Into::into),
            signed: evidence.as_ref().is_some_and(Evidence::is_signed),
            installed_at: self.clock.now_ms() / 1000,
        };
        let stored = Stored { provider: id.clone(), origin, key, evidence };
        Ok(Candidate { provider, bytes, stored, installed })
    }

    async fn install(&self, candidate: Candidate, options: &InstallOptions) -> Result<Loaded> {
        if candidate.signer_changed() && !options.accept_signer {
            return Err(signer_changed(&candidate.stored));
        }
        let Candidate { provider, bytes, stored, installed } = candidate;
        let descriptor = provider.descriptor();
        let (moved, waiting) = self.split(&provider).await?;
        let row = ComponentRow {
            digest: provider.digest().clone(),
            provider: descriptor.id.clone(),
            version: descriptor.version.clone(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            added_at: self.clock.now_ms(),
            installed: true,
        };
        let replaced = installed.as_ref().map(|(digest, _)| digest);
        origin::note(&*self.store, provider.digest(), &stored, replaced, row.added_at).await?;
        self.store.install_component(&row, &bytes, &moved).await?;
        origin::confirm(&*self.store, provider.digest(), &stored, row.added_at).await?;
        // If it is already loaded, the loaded one is used.
        let _ = self.registry.cell(provider.digest()).set(provider.clone());
        origin::sweep(&*self.store, None).await?;
        self.maintain().await?;
        tracing::info!(
            provider = descriptor.id,
            version = descriptor.version,
            digest = provider.digest().short(),
            reference = stored.origin.reference,
            signer = stored.origin.signer.as_ref().map(|signer| signer.name.as_str()),
            "provider loaded"
        );
        let mut info = info(&provider, bytes.len() as u64, true, moved);
        info.origin = Some(stored.origin);
        info.previous = origin::previous(&*self.store, &descriptor.id).await?;
        Ok(Loaded { provider: info, waiting })
    }

    /// The keys that were named for single providers.
    async fn named_keys(&self) -> Result<Vec<TrustedKey>> {
        let mut keys = Vec::new();
        for component in self.store.components().await?.into_iter().filter(|component| component.installed) {
            let stored = origin::read(&*self.store, &component.digest).await?;
            keys.extend(stored.and_then(|stored| stored.key).map(|key| named_key(&key)).transpose()?);
        }
        Ok(keys)
    }

    /// The apps that would move to a component, and those that would wait until they grant its origins.
    async fn split(&self, provider: &Provider) -> Result<(Vec<String>, Vec<WaitingApp>)> {
        let descriptor = provider.descriptor();
        let wanted = Policy::granting(&descriptor.origins)?.origins;
        let (mut moved, mut waiting) = (Vec::new(), Vec::new());
        for app in self.store.apps().await?.into_iter().filter(|app| app.provider == descriptor.id) {
            let missing = Policy::granting(granted(&app))?.missing(&wanted);
            if missing.is_empty() {
                moved.push(app.id);
            } else {
                let missing_origins = missing.iter().map(OriginPattern::to_string).collect();
                waiting.push(WaitingApp { app: app.id, missing_origins });
            }
        }
        Ok((moved, waiting))
    }

    /// The installed component of a provider, and where it came from.
    async fn installed(&self, id: &str) -> Result<(Digest, Option<Stored>)> {
        let digest = self.registry.installed(id).await?;
        let stored = origin::read(&*self.store, &digest).await?;
        Ok((digest, stored))
    }

    /// What there is now where a provider came from, or at another reference.
    async fn newest(&self, id: &str, reference: Option<&str>, options: &InstallOptions) -> Result<Candidate> {
        let (_, stored) = self.installed(id).await?;
        let known = stored.and_then(|stored| stored.origin.reference);
        let Some(text) = reference.or(known.as_deref()) else {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("{id} was installed from a file"))
                .with_field("reference")
                .with_remedy("say where its updates come from, for example ghcr.io/acme/bluesky:1"));
        };
        let mut wanted = parsed(text)?;
        if reference.is_none() {
            wanted = wanted.newest().ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidRequest,
                    format!("{id} was installed by its digest, which never changes"),
                )
                .with_field("reference")
                .with_remedy("say under which tag its updates come, for example ghcr.io/acme/bluesky:1")
            })?;
        }
        let candidate = self.candidate(self.sources.fetch(&wanted).await?, options).await?;
        if candidate.stored.provider != id {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("at {wanted} is the provider {}, not {id}", candidate.stored.provider),
            )
            .with_field("reference")
            .with_remedy("check the reference; another provider is added, not an update"));
        }
        Ok(candidate)
    }

    /// See [`Host::check_provider`](crate::Host::check_provider).
    pub(crate) async fn check_provider(
        &self,
        id: &str,
        reference: Option<&str>,
        options: &InstallOptions,
    ) -> Result<(UpgradeReport, Provider)> {
        let candidate = self.newest(id, reference, options).await?;
        Ok((self.report(&candidate).await?, candidate.provider))
    }

    /// See [`Host::update_provider`](crate::Host::update_provider).
    pub(crate) async fn update_provider(
        &self,
        id: &str,
        reference: Option<&str>,
        options: &InstallOptions,
    ) -> Result<Loaded> {
        let candidate = self.newest(id, reference, options).await?;
        self.install(candidate, options).await
    }

    /// See [`Host::lock`](crate::Host::lock).
    pub(crate) async fn lock(&self) -> Result<Vec<LockedProvider>> {
        let installed =
            self.list_providers(Wait::UntilLoaded).await?.into_iter().filter(|info| info.installed);
        let locked = |info: ProviderInfo| {
            let (reference, signer) =
                info.origin.map_or((None, None), |origin| (origin.reference, origin.signer));
            let mut interfaces = info.interfaces;
            interfaces.sort();
            LockedProvider {
                id: info.descriptor.id,
                version: info.descriptor.version,
                digest: info.digest,
                reference,
                signer,
                interfaces,
                origins: info.descriptor.origins,
            }
        };
        Ok(installed.map(locked).collect())
    }

    /// See [`Host::install_locked`](crate::Host::install_locked).
    pub(crate) async fn install_locked(&self, locked: &LockedProvider) -> Result<Option<Loaded>> {
        if self.store.installed_component(&locked.id).await?.as_ref() == Some(&locked.digest) {
            return Ok(None);
        }
        let other = |why: &str| {
            Error::new(ErrorKind::DeniedByPolicy, format!("{}: {why}", locked.id))
                .with_code("lock")
                .with_remedy("what is installed is what the lock file says: find out why it differs, or write the file again")
        };
        let Some(reference) = &locked.reference else {
            return Err(other("the lock file names a component that came from a file; add that file"));
        };
        let mut options = InstallOptions::default();
        let candidate = self.candidate(self.sources.fetch(&parsed(reference)?).await?, &options).await?;
        if candidate.stored.provider != locked.id || *candidate.provider.digest() != locked.digest {
            return Err(other("at its reference is another component than the lock file says"));
        }
        let key = |signer: &Option<ProviderSigner>| signer.as_ref().map(|signer| signer.key.clone());
        if locked.signer.is_some() && key(&locked.signer) != key(&candidate.stored.origin.signer) {
            return Err(other(
                "it is not signed by the one whom the lock file names, or their key is not trusted here",
            ));
        }
        // The lock file is the operator's word, also for another signer than the installed one's.
        options.accept_signer = true;
        self.install(candidate, &options).await.map(Some)
    }

    async fn report(&self, candidate: &Candidate) -> Result<UpgradeReport> {
        let (digest, stored) = self.installed(&candidate.stored.provider).await?;
        let (from, to) = (self.provider(&digest).await?, &candidate.provider);
        let (_, waiting) = self.split(to).await?;
        let side = |provider: &Provider, origin: Option<ProviderOrigin>| UpgradeSide {
            digest: provider.digest().clone(),
            version: provider.descriptor().version.clone(),
            origin,
        };
        Ok(UpgradeReport {
            provider: candidate.stored.provider.clone(),
            same: from.digest() == to.digest(),
            changes: upgrade::changes(&from, to),
            waiting,
            open_jobs: self.store.open_jobs_with(&digest).await?,
            asked_jobs: 0,
            unreadable_jobs: Vec::new(),
            signer_changed: candidate.signer_changed(),
            from: side(&from, stored.map(|stored| stored.origin)),
            to: side(to, Some(candidate.stored.origin.clone())),
        })
    }

    /// See [`Host::roll_back_provider`](crate::Host::roll_back_provider).
    pub(crate) async fn roll_back_provider(&self, id: &str) -> Result<Loaded> {
        let (installed, stored) = self.installed(id).await?;
        let nothing = || {
            Error::new(ErrorKind::NotFound, format!("no earlier component of {id} is kept"))
                .with_remedy("install the one that is meant by its digest")
        };
        let digest = origin::previous(&*self.store, id).await?.ok_or_else(nothing)?;
        let bytes = self.store.component_bytes(&digest).await?.ok_or_else(nothing)?;
        // Loaded as at any start: its signature is verified again.
        let provider = self.provider(&digest).await?;
        let before = origin::read(&*self.store, &digest).await?.unwrap_or_else(|| Stored {
            provider: id.to_owned(),
            origin: ProviderOrigin { reference: None, signer: None, signed: false, installed_at: 0 },
            key: None,
            evidence: None,
        });
        let candidate =
            Candidate { provider, bytes: bytes.into(), stored: before, installed: Some((installed, stored)) };
        // Going back is the operator's word, also to another signer.
        self.install(candidate, &InstallOptions { accept_signer: true, ..InstallOptions::default() }).await
    }

    /// See [`Host::push_provider`](crate::Host::push_provider).
    pub(crate) async fn push_provider(
        &self,
        reference: &str,
        component: Bytes,
        created: &str,
        key: Option<&SecretText>,
    ) -> Result<PushedProvider> {
        // What is no provider helps nobody there.
        let provider = Provider::load(self.registry.engine(), &component).await?;
        let about = About {
            created: created.to_owned(),
            version: provider.descriptor().version.clone(),
            title: provider.descriptor().name.clone(),
            exports: provider.exports().to_vec(),
            imports: provider.imports().to_vec(),
        };
        self.sources.push(reference, component, &about, key).await
    }

    /// See [`Host::inspect_reference`](crate::Host::inspect_reference).
    pub(crate) async fn inspect_reference(
        &self,
        reference: &str,
        options: &InstallOptions,
    ) -> Result<ProviderInfo> {
        let found = self.sources.fetch(&parsed(reference)?).await?;
        let size = found.bytes.len() as u64;
        let candidate = self.candidate(found, options).await?;
        let mut info = info(&candidate.provider, size, false, Vec::new());
        info.origin = Some(candidate.stored.origin);
        Ok(info)
    }

    /// Inspects a component without installing it.
    pub(crate) async fn inspect_provider(&self, bytes: &[u8]) -> Result<ProviderInfo> {
        let provider = Provider::load(self.registry.engine(), bytes).await?;
        Ok(info(&provider, bytes.len() as u64, false, Vec::new()))
    }

    /// Every stored component. A component that cannot be loaded has an `error`.
    pub(crate) async fn list_providers(&self, wait: Wait) -> Result<Vec<ProviderInfo>> {
        let apps = self.store.apps().await?;
        let kept = origin::kept(&*self.store).await?;
        let mut rows = Vec::new();
        for row in self.store.components().await? {
            let is_kept = kept.iter().any(|(digest, _)| *digest == row.digest);
            // One that is only kept for the way back is named by the one that replaced it.
            let is_idle = is_kept && !row.installed && !apps.iter().any(|app| app.digest == row.digest);
            if !is_idle || self.store.open_jobs_with(&row.digest).await? > 0 {
                rows.push(row);
            }
        }
        let shown = async |row: ComponentRow| {
            let stored = origin::read(&*self.store, &row.digest).await;
            let previous = kept.iter().find(|(_, of)| row.installed && *of == row.provider);
            let (origin, previous) = (stored.ok().flatten().map(|stored| stored.origin), previous.cloned());
            let runs = apps.iter().filter(|app| app.digest == row.digest).map(|app| app.id.clone()).collect();
            let shown = match self.listed(&row.digest, wait).await {
                Ok(provider) => info(&provider, row.size.cast_unsigned(), row.installed, runs),
                Err(error) => unloadable(row, runs, error),
            };
            ProviderInfo { origin, previous: previous.map(|(digest, _)| digest), ..shown }
        };
        // Concurrently, because each component may have to be loaded first.
        Ok(join_all(rows.into_iter().map(shown)).await)
    }

    /// Deletes a provider that no app or job needs.
    pub(crate) async fn unload_provider(&self, id: &str) -> Result<()> {
        self.registry.installed(id).await?;
        let users = self.store.uninstall_provider(id).await?;
        if !users.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("the provider {id} is still needed by {}", users.join(", ")),
            )
            .with_remedy("delete these apps, and wait for these jobs or cancel them"));
        }
        origin::sweep(&*self.store, Some(id)).await?;
        self.registry.let_go().await
    }

    #[cfg(test)]
    pub(crate) fn let_go_of_all(&self) {
        self.registry.let_go_of_all();
    }

    /// While its value is being computed, the component is being loaded.
    #[cfg(test)]
    pub(crate) fn cell(&self, digest: &Digest) -> std::sync::Arc<tokio::sync::OnceCell<Provider>> {
        self.registry.cell(digest)
    }

    #[cfg(test)]
    pub(crate) fn loaded_components(&self) -> usize {
        self.registry.count()
    }
}

fn info(provider: &Provider, size: u64, installed: bool, apps: Vec<String>) -> ProviderInfo {
    ProviderInfo {
        descriptor: provider.descriptor().clone(),
        digest: provider.digest().clone(),
        size,
        interfaces: provider.exports().to_vec(),
        imports: provider.imports().to_vec(),
        installed,
        apps,
        origin: None,
        previous: None,
        error: None,
    }
}

fn unloadable(row: ComponentRow, apps: Vec<String>, error: Error) -> ProviderInfo {
    ProviderInfo {
        descriptor: Descriptor {
            id: row.provider.clone(),
            name: row.provider,
            version: row.version,
            abilities: Vec::new(),
            settings: Vec::new(),
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
            details: Default::default(),
        },
        digest: row.digest,
        size: row.size.cast_unsigned(),
        interfaces: Vec::new(),
        imports: Vec::new(),
        installed: row.installed,
        apps,
        origin: None,
        previous: None,
        error: Some(error),
    }
}

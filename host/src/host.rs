//! [`Host`], which a program opens, and the calls without a tenant.
//!
//! Front doors only translate these calls. They are implemented by [`Parts`], each with its own state; no part depends
//! on this facade.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use social_channel_runtime::clock::Clock;
use social_channel_runtime::error::Result;
use social_channel_runtime::model::{Finding, GuideStep};
use social_channel_runtime::net::{Fetched, Policy, fetch};
use social_channel_runtime::{Engine, SecretBytes, SecretText};

use crate::account::Accounts;
use crate::address::PublicAddress;
use crate::app::{
    App, AppConfig, Apps, InstallOptions, Loaded, LockedProvider, ProviderInfo, PushedProvider,
    UpgradeReport, Wait,
};
use crate::blob::Uploads;
use crate::diagnosis::Diagnosis;
use crate::document::{self, Document, DocumentChanges};
use crate::draft::Drafts;
use crate::event::{Deliverer, Endpoints, Outbox, Webhook, WebhookAnswer, Webhooks};
use crate::lifetime::Lifetime;
use crate::maintenance::Maintenance;
use crate::media::{MediaLibrary, ServedMedia};
use crate::publish::Publisher;
use crate::store::Store;
use crate::tenant_id::TenantId;
use crate::vault::{KEY_CHECK, KEY_CHECK_VALUE, Place, Vault};
use crate::wake::Wake;

/// An open host. Cheap to clone; usable from many tasks.
///
/// Dropping it leaves jobs as they are stored; [`Host::shutdown`] lets running calls finish first.
#[derive(Clone)]
pub struct Host {
    pub(crate) parts: Arc<Parts>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("policy", self.policy()).finish_non_exhaustive()
    }
}

/// The parts of a host, in order of dependency.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) address: Arc<PublicAddress>,
    pub(crate) lifetime: Lifetime,
    pub(crate) wake: Wake,
    pub(crate) apps: Arc<Apps>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) drafts: Drafts,
    pub(crate) media: Arc<MediaLibrary>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) webhooks: Webhooks,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) endpoints: Endpoints,
    pub(crate) deliverer: Deliverer,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) maintenance: Maintenance,
}

/// The result of a round of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Worked {
    /// The number of times that a job was worked on.
    pub jobs: usize,
    /// Idle accounts that were refreshed.
    pub accounts: usize,
}

impl Host {
    pub(crate) fn new(parts: Parts) -> Self {
        Host { parts: Arc::new(parts) }
    }

    /// Stops background work. Calls that may be repeated are dropped, others are waited for, for at most `longest`.
    /// Reading still works afterwards. If the future is dropped, the work stops nevertheless.
    pub async fn shutdown(&self, longest: Duration) {
        self.parts.lifetime.stop();
        self.parts.wake.all();
        if tokio::time::timeout(longest, self.parts.lifetime.ended()).await.is_err() {
            tracing::warn!(
                "calls were still running when the time was up; their jobs will find out how they ended"
            );
        }
    }

    /// Like [`Host::shutdown`], and also closes the database before it returns, so that another process, or a child
    /// after fork, can open it at once. Every later call fails. If the future is dropped, the work stops nevertheless,
    /// and the database is closed or not: call it again.
    pub async fn close(&self, longest: Duration) {
        self.shutdown(longest).await;
        self.parts.store.close().await;
    }

    /// What compiles and runs components here, for tools that call a provider themselves: the same limits, compiler and
    /// compiled code.
    pub fn engine(&self) -> Engine {
        self.parts.apps.engine()
    }

    // ---- providers ----------------------------------------------------------------------------------

    /// Installs a component. New apps of its provider run it, and existing apps too, unless it requests
    /// origins that they were not granted. Running calls and open jobs continue with the component that
    /// started them. On failure nothing changes. If the future is dropped, the component is installed
    /// completely or not at all.
    ///
    /// # Errors
    /// `LoadFailed` for a file that is not a provider, `Incompatible` for another version of the contract.
    pub async fn load_provider(&self, component: &[u8]) -> Result<Loaded> {
        self.parts.apps.load_provider(component, &InstallOptions::default()).await
    }

    /// The same, with what the operator says about it: whose key it must be signed with, and its signature. If the future
    /// is dropped, the component is installed completely or not at all.
    ///
    /// # Errors
    /// As [`Host::load_provider`]; `DeniedByPolicy` if it is not signed by somebody who may, or by somebody else than the
    /// installed one (code `signer_changed`).
    pub async fn load_provider_with(&self, component: &[u8], options: &InstallOptions) -> Result<Loaded> {
        self.parts.apps.load_provider(component, options).await
    }

    /// Fetches the component that a reference names (`ghcr.io/acme/bluesky:1.2`, `https://…/plugin.wasm`) and installs it as
    /// [`Host::load_provider`] does. Where it came from and who signed it are kept; nothing asks the registry again
    /// before the operator does. If the future is dropped, the component is installed completely or not at all.
    ///
    /// # Errors
    /// As [`Host::load_provider_with`]; `DeniedByPolicy` with the code `tag_moved` if an installed provider came from this
    /// tag and it now points to another image; `NotFound`, `Misconfigured` for missing credentials, `Unavailable`,
    /// `LimitExceeded` for more than 256 MiB, `LoadFailed` for what is not what its digest says.
    pub async fn add_provider(&self, reference: &str, options: &InstallOptions) -> Result<Loaded> {
        self.parts.apps.add_provider(reference, options).await
    }

    /// What there is now where a provider came from (or at another reference), and what replacing the installed component
    /// by it would change. Nothing is installed. Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`Host::add_provider`]; `InvalidRequest` for a provider that came from a file and no reference.
    pub async fn check_provider(
        &self,
        id: &str,
        reference: Option<&str>,
        options: &InstallOptions,
    ) -> Result<UpgradeReport> {
        let (mut report, provider) = self.parts.apps.check_provider(id, reference, options).await?;
        // Whoever is not trusted yet gets nothing of an account, not even where nothing can leave.
        if !report.same && !report.signer_changed {
            let calls = self.parts.publisher.dry_calls(&provider, &report.from.digest).await?;
            (report.asked_jobs, report.unreadable_jobs) = (calls.asked, calls.unreadable);
        }
        Ok(report)
    }

    /// Installs what there is now where a provider came from (or at another reference). The component that it replaces is
    /// kept. If the future is dropped, the component is installed completely or not at all.
    ///
    /// # Errors
    /// As [`Host::check_provider`].
    pub async fn update_provider(
        &self,
        id: &str,
        reference: Option<&str>,
        options: &InstallOptions,
    ) -> Result<Loaded> {
        self.parts.apps.update_provider(id, reference, options).await
    }

    /// Installs the component again that the installed one of a provider replaced, without asking a registry. A second time
    /// undoes the first. If the future is dropped, the component is installed completely or not at all.
    ///
    /// # Errors
    /// `NotFound` if no earlier one is kept, `DeniedByPolicy` if the policy does not allow it any more.
    pub async fn roll_back_provider(&self, id: &str) -> Result<Loaded> {
        self.parts.apps.roll_back_provider(id).await
    }

    /// The installed providers, as a lock file names them. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn lock(&self) -> Result<Vec<LockedProvider>> {
        self.parts.apps.lock().await
    }

    /// Installs the component that a lock file names, from its reference; `None` if it is installed already. If the future is
    /// dropped, it is installed completely or not at all.
    ///
    /// # Errors
    /// As [`Host::add_provider`]; `DeniedByPolicy` (code `lock`) if there is another component, or one with another signer.
    pub async fn install_locked(&self, locked: &LockedProvider) -> Result<Option<Loaded>> {
        self.parts.apps.install_locked(locked).await
    }

    /// Pushes a component to an OCI registry, in the form of `wkg`. `created` is a time as RFC 3339, `key` a private key of
    /// P-256 as PEM. Dropping the future may leave parts of it there, without a tag.
    ///
    /// # Errors
    /// As [`Host::add_provider`].
    pub async fn push_provider(
        &self,
        reference: &str,
        component: Vec<u8>,
        created: &str,
        key: Option<&SecretText>,
    ) -> Result<PushedProvider> {
        self.parts.apps.push_provider(reference, component.into(), created, key).await
    }

    /// Inspects the component that a reference names. Nothing is installed. Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`Host::add_provider`].
    pub async fn inspect_reference(&self, reference: &str, options: &InstallOptions) -> Result<ProviderInfo> {
        self.parts.apps.inspect_reference(reference, options).await
    }

    /// Inspects a component without installing it. Dropping the future changes nothing.
    ///
    /// # Errors
    /// As [`Host::load_provider`].
    pub async fn inspect_provider(&self, component: &[u8]) -> Result<ProviderInfo> {
        self.parts.apps.inspect_provider(component).await
    }

    /// The installed providers, and components that open jobs still need. A component that cannot be loaded has an
    /// `error`. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn providers(&self) -> Result<Vec<ProviderInfo>> {
        self.parts.apps.list_providers(Wait::UntilLoaded).await
    }

    /// The same for a caller that cannot wait: a component that is not loaded within five seconds has an `error` with the
    /// code `loading`, and is loaded in the background. So no provider keeps a list from its reader.
    /// Dropping the future changes nothing; what is being loaded goes on.
    ///
    /// # Errors
    /// As [`Host::providers`].
    pub async fn providers_now(&self) -> Result<Vec<ProviderInfo>> {
        self.parts.apps.list_providers(Wait::AMoment).await
    }

    /// Deletes a provider. If the future is dropped, it is deleted completely or not at all.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidRequest` naming the apps and open jobs that still need it.
    pub async fn unload_provider(&self, id: &str) -> Result<()> {
        self.parts.apps.unload_provider(id).await
    }

    // ---- apps ---------------------------------------------------------------------------------------

    /// Creates an app, or changes the members that `config` has. If the future is dropped, all of them change or
    /// none.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field, `NotFound` for a provider that is not installed, `Unavailable` if another
    /// call changed the app at the same time.
    pub async fn put_app(&self, id: &str, config: AppConfig) -> Result<App> {
        self.parts.apps.put(id, config).await
    }

    /// All apps; secrets are masked. An app whose component cannot be used has an `error`. Dropping the future
    /// changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn apps(&self) -> Result<Vec<App>> {
        self.parts.apps.list(Wait::UntilLoaded).await
    }

    /// The same for a caller that cannot wait; see [`Host::providers_now`]. Dropping the future changes nothing; what is
    /// being loaded goes on.
    ///
    /// # Errors
    /// As [`Host::apps`].
    pub async fn apps_now(&self) -> Result<Vec<App>> {
        self.parts.apps.list(Wait::AMoment).await
    }

    /// One app; secrets are masked. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn app(&self, id: &str) -> Result<App> {
        self.parts.apps.get(id).await
    }

    /// Deletes an app that has no channels. If the future is dropped, it is deleted completely or not at all. Only
    /// values of its provider in an embedding program's own storage may remain; repeating the call removes them.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidRequest` if it has channels.
    pub async fn delete_app(&self, id: &str) -> Result<()> {
        self.parts.apps.delete(id).await
    }

    /// Runs all checks of an app that need no person: the provider checks the platform; the host checks its addresses,
    /// its clock, and the pages and domains of the app's listing. Uses the network
    /// and may take some seconds. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`, and failures of the database.
    pub async fn check_settings(&self, app: &str) -> Result<Vec<Finding>> {
        self.parts.diagnosis.check(app).await
    }

    /// The guide through the platform's portal, with values to copy. Dropping the future changes nothing.
    ///
    /// # Errors
    /// `NotFound`, `Unsupported` for a provider without a guide.
    pub async fn guide(&self, app: &str) -> Result<Vec<GuideStep>> {
        self.parts.diagnosis.guide(app).await
    }

    /// Whether uploads can be stored where they are to be. A folder is not looked at before it is written to. Dropping the
    /// future changes nothing.
    ///
    /// # Errors
    /// `Misconfigured` for a bucket that does not exist, is another database's or must not be used, `Unavailable` for one that
    /// does not answer.
    pub async fn check_uploads(&self) -> Result<()> {
        self.parts.uploads.check().await
    }

    /// Tenants that have channels, jobs or uploads, by name; there is no other list of tenants. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn tenants(&self) -> Result<Vec<TenantId>> {
        self.parts.store.tenants().await
    }

    // ---- work ---------------------------------------------------------------------------------------

    /// Runs all tenants' due jobs, sends events to their addresses, and refreshes idle accounts, for `longest` or until [`Host::shutdown`].
    /// `Some(Duration::ZERO)` does what is due now and returns when nothing more is due. If the future is dropped,
    /// no new work starts; running jobs and refreshes continue.
    ///
    /// # Errors
    /// Failures of the database; if `longest` is `None` they are logged, and the work continues.
    pub async fn work(&self, longest: Option<Duration>) -> Result<Worked> {
        let rounds = self.parts.maintenance.begin(longest);
        let is_round = longest.is_some_and(|longest| longest.is_zero());
        let deliveries = (!is_round).then(|| self.parts.deliverer.begin());
        let jobs = self.parts.publisher.work(longest).await?;
        if is_round {
            // Only now: what the jobs came to is among it.
            self.parts.deliverer.round().await;
        }
        drop(deliveries);
        Ok(Worked { jobs, accounts: rounds.end(is_round).await })
    }

    /// Takes statistics samples that are due, and removes uploads and media URLs that are no longer needed.
    /// Long-running workers do this every hour; failures are logged and retried then. If the future is dropped, the
    /// next call does the rest.
    pub async fn maintain(&self) {
        self.parts.maintenance.clean().await;
    }

    /// Encrypts everything again with the first key. Returns how many values were changed. If the future is dropped,
    /// the other values keep their older keys, and the next call continues.
    ///
    /// # Errors
    /// Failures of the database, and `Misconfigured` if an older key is missing.
    pub async fn rotate_keys(&self) -> Result<usize> {
        let Parts { store, vault, apps, .. } = &*self.parts;
        let (mut changed, mut failed) = (0, None);
        let mut page = store.sealed_values(None).await?;
        loop {
            for value in page.values {
                if !vault.is_outdated(&value.sealed) {
                    continue;
                }
                let place = Place { table: value.table, row: &value.row, column: value.column };
                let sealed = vault
                    .open_sealed(place, &value.sealed)
                    .and_then(|plain| vault.seal(place, plain.expose()));
                match sealed {
                    // A concurrent write already used the newest key.
                    Ok(sealed) => changed += usize::from(store.reseal(&value, &sealed).await?),
                    // The others are changed nevertheless, and the older key stays necessary.
                    Err(error) => failed = Some(error),
                }
            }
            let Some(next) = page.next else { break };
            page = store.sealed_values(Some(&next)).await?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        changed += apps.reseal_own_kv().await?;
        store.set_meta(KEY_CHECK.row, &vault.seal(KEY_CHECK, KEY_CHECK_VALUE)?.0).await?;
        Ok(changed)
    }

    // ---- for a service in front ---------------------------------------------------------------------

    /// Whether there is an app of this name, of any tenant. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_app(&self, app: &str) -> Result<bool> {
        self.parts.apps.exists(app).await
    }

    /// Receives a webhook that a platform sent to an app's address. When this returns, its events are stored. If the
    /// future is dropped, some of them may be stored; the platform sends the webhook again, and each event is stored
    /// once.
    ///
    /// # Errors
    /// `Forbidden` if the platform did not send it, `Unsupported` if the provider has no webhooks. For
    /// `Unavailable` and similar errors of this host, respond with 503, so that the platform sends it again.
    pub async fn receive_webhook(&self, app: &str, webhook: Webhook) -> Result<WebhookAnswer> {
        self.parts.webhooks.receive(app, webhook).await
    }

    /// The media behind a URL of this host, while its job is open. `name` is the part after the media path. Dropping
    /// the future changes nothing.
    ///
    /// # Errors
    /// `NotFound` for an unknown URL and for a URL whose job has ended.
    pub async fn served_media(&self, name: &str) -> Result<ServedMedia> {
        self.parts.media.served(name).await
    }

    /// Proves that the database accepts a write, which is on disk when this returns. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// `Unavailable` with the reason: the disk is full, the file is read-only, another process holds a lock.
    pub async fn check_database(&self) -> Result<()> {
        self.parts.store.set_meta("checked", &self.parts.clock.now_ms().to_be_bytes()).await
    }

    /// Why what is stored may not be safe, as found when it was opened: a key in a folder that a web server seems to serve
    /// (subject `key`), a disk or a server that may lose what was stored (`database`). Also among the findings of
    /// [`Host::check_settings`].
    pub fn doubts(&self) -> &[Finding] {
        &self.parts.diagnosis.doubts
    }

    /// The public address of this host, without a trailing slash.
    pub fn public_address(&self) -> Option<String> {
        self.parts.address.at("")
    }

    /// Where platforms redirect browsers to, for an app without a redirect address of its own. `None` without a public
    /// address.
    pub fn callback_url(&self, app: &str) -> Option<String> {
        self.parts.address.callback_url(app)
    }

    /// Whether other machines can reach the public address.
    pub fn is_reached_from_outside(&self) -> bool {
        self.parts.address.is_reached_from_outside()
    }

    /// Fetches at most `limit` bytes of a page as an anonymous visitor sees it: without a cookie, with the address
    /// rules for the app's media. The inner error says in one sentence why nothing was read. Dropping the future
    /// changes nothing.
    ///
    /// # Errors
    /// `NotFound` for the app, and failures of the database.
    pub async fn look_at(
        &self,
        app: &str,
        address: &str,
        limit: usize,
    ) -> Result<std::result::Result<Fetched, String>> {
        let app = self.parts.apps.live_unscoped(app).await?;
        Ok(fetch(address, &app.egress, limit).await)
    }

    /// The operator's policy.
    pub fn policy(&self) -> &Policy {
        self.parts.apps.policy()
    }

    /// The clock for all timestamps.
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// A document of a front door, with its body. None if it does not exist or has expired. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// Failures of the database, and `Internal` if its facts cannot be read as `T`.
    pub async fn document<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<Option<Document<T>>> {
        self.parts.store.document(kind, id).await?.map(document::read).transpose()
    }

    /// All documents of a kind, without their bodies, in the order of their ids. Those that cannot be read as `T` are
    /// logged and left out. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn documents<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<Document<T>>> {
        Ok(document::list(self.parts.store.documents(kind).await?))
    }

    /// The documents of a kind whose facts name a tenant in `tenant`, without their bodies. Dropping the future changes
    /// nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn documents_of<T: DeserializeOwned>(
        &self,
        kind: &str,
        tenant: &TenantId,
    ) -> Result<Vec<Document<T>>> {
        Ok(document::list(self.parts.store.documents_of(kind, tenant).await?))
    }

    /// Whether there are documents of a kind, also unreadable ones. Dropping the future changes nothing.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn has_documents(&self, kind: &str) -> Result<bool> {
        self.parts.store.has_documents(kind).await
    }

    /// Makes all of these changes or none, also if the future is dropped. Returns how many documents were written or
    /// removed.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn change_documents(&self, changes: DocumentChanges) -> Result<u64> {
        self.parts.store.change_documents(&changes.0).await
    }

    /// A key for a front door's own use, derived from this database's master key.
    pub fn derive_key(&self, label: &str) -> SecretBytes {
        SecretBytes::new(self.parts.vault.derive(&format!("service: {label}")).to_vec())
    }
}

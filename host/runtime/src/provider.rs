//! One loaded component and its calls.
//!
//! Every call runs on a fresh instance, which is dropped afterwards. A provider's results are checked against
//! limits and translated; a failure is an error that names the provider, the operation and what is known about
//! the effect. Storing, refreshing and retrying are up to the caller.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use tracing::Instrument;
use wasmtime::Store;
use wasmtime::component::{Accessor, Instance, InstancePre, Resource};

use crate::abi::Item;
use crate::abi::v0_1::{self as abi, channel, diagnostics, types, webhooks};
use crate::call::{Call, Ended, watched};
use crate::capability::State;
use crate::component::Interfaces;
use crate::descriptor::checked;
use crate::digest::Digest;
use crate::engine::{Compiled, Engine};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::{blamed, broken, exceeded, outcome};
use crate::model::{
    Descriptor, Finding, GuideStep, ListQuery, Post, PostPage, PostSummary, Profile, PublishForm, Stats,
};
use crate::secret::SecretBytes;

use crate::abi::{
    Account, Addresses, CallError, ConnectRequest, ConnectStep, Connection, PublishStep, Receipt, Resume,
    WebhookRequest,
};
use crate::call::CallContext;

/// The longest time for a description, which only computes: a provider in Python takes milliseconds.
const DESCRIBE: Duration = Duration::from_secs(20);

/// A loaded provider. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    parts: Parts,
    descriptor: Descriptor,
}

/// What is known before the provider has described itself.
struct Parts {
    engine: Engine,
    digest: Digest,
    interfaces: Interfaces,
    pre: InstancePre<State>,
    channel: channel::GuestIndices,
    webhooks: Option<webhooks::GuestIndices>,
    diagnostics: Option<diagnostics::GuestIndices>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({} {} {})", self.0.descriptor.id, self.0.descriptor.version, self.0.parts.digest)
    }
}

impl Provider {
    /// Loads a provider from a component's bytes: checks it, compiles it or loads the compiled code, and
    /// requests its descriptor. Dropping the future only loses time.
    ///
    /// # Errors
    /// `LoadFailed` if it is not a component, `Incompatible` if it was built for another contract or needs
    /// something this host lacks, `ProviderFault` or `LimitExceeded` if it fails to describe itself.
    pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        let Compiled { digest, interfaces, pre } = engine.compile(bytes).await?;
        let engine = engine.clone();
        let mismatched = |error: wasmtime::Error| {
            let ours = abi::LINE_NAME;
            Error::new(
                ErrorKind::Incompatible,
                format!("the provider does not comply with social:channel {ours}"),
            )
            .with_remedy(format!(
                "Install a version of the provider that was built for social:channel {ours}."
            ))
            .with_source(error.into_boxed_dyn_error())
        };
        let exports = |name: &str| {
            interfaces
                .exports
                .iter()
                .any(|export| export.split('@').next().is_some_and(|export| export == name))
        };
        // An optional interface that is exported must also have the right types.
        let webhooks = exports(abi::WEBHOOKS).then(|| webhooks::GuestIndices::new(&pre));
        let diagnostics = exports(abi::DIAGNOSTICS).then(|| diagnostics::GuestIndices::new(&pre));
        let parts = Parts {
            channel: channel::GuestIndices::new(&pre).map_err(mismatched)?,
            webhooks: webhooks.transpose().map_err(mismatched)?,
            diagnostics: diagnostics.transpose().map_err(mismatched)?,
            engine,
            digest,
            interfaces,
            pre,
        };
        let (id, operation) = ("unknown", "describe");
        let call = parts.run(
            id,
            operation,
            CallContext::pure(),
            parts.channel(),
            |accessor, guest: &channel::Guest, _| {
                Box::pin(async move { guest.call_describe(accessor).await.map(Ok) })
            },
        );
        let answer = tokio::time::timeout(DESCRIBE, call).await.unwrap_or_else(|_| {
            let message =
                format!("the provider did not describe itself within {} seconds", DESCRIBE.as_secs());
            let remedy = "Replace the provider with a repaired version.";
            Err(Failure::Broke(Error::new(ErrorKind::LimitExceeded, message).with_remedy(remedy)))
        });
        let descriptor = settle(id, operation, answer, |value| abi::descriptor(value).and_then(checked))
            .map_err(CallError::into_error)?;
        Ok(Provider(Arc::new(Inner { parts, descriptor })))
    }

    /// The SHA-256 of the component.
    pub fn digest(&self) -> &Digest {
        &self.0.parts.digest
    }

    /// The provider's description of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    /// Has it describe itself once more, for tools: the answer of [`Provider::descriptor`] is the one for every other use.
    /// Dropping the future ends the call.
    pub async fn describe(&self, cx: CallContext) -> Result<Descriptor, CallError> {
        let translate = |value| abi::descriptor(value).and_then(checked);
        self.channel("describe", cx, translate, |accessor, guest, _| {
            Box::pin(async move { guest.call_describe(accessor).await.map(Ok) })
        })
        .await
    }

    /// Whether it supports webhooks.
    pub fn has_webhooks(&self) -> bool {
        self.0.parts.webhooks.is_some()
    }

    /// Whether it supports diagnostics.
    pub fn has_diagnostics(&self) -> bool {
        self.0.parts.diagnostics.is_some()
    }

    /// The interfaces it imports, for inspection.
    pub fn imports(&self) -> &[String] {
        &self.0.parts.interfaces.imports
    }

    /// The interfaces it exports, for inspection.
    pub fn exports(&self) -> &[String] {
        &self.0.parts.interfaces.exports
    }

    // ---- connect ----------------------------------------------------------------------------

    /// Begins a consent: returns where to send the browser, or the accounts at once. Dropping the future ends the call;
    /// where no browser is needed, the accounts are lost with it.
    pub async fn begin_connect(
        &self,
        cx: CallContext,
        request: ConnectRequest,
    ) -> Result<ConnectStep, CallError> {
        let request = abi::connect_request_in(request);
        self.channel("begin-connect", cx, abi::connect_step, |accessor, guest, _| {
            Box::pin(guest.call_begin_connect(accessor, request))
        })
        .await
    }

    /// Completes a consent with the callback's query, decoded once, or with the answers to a question; or asks again. Uses
    /// up the callback's code. Dropping the future
    /// ends the call: the code may be used up, and the accounts are lost. Run it in a task of its own.
    pub async fn complete_connect(
        &self,
        cx: CallContext,
        session: &SecretBytes,
        callback: Vec<(String, String)>,
    ) -> Result<ConnectStep, CallError> {
        let session = session.expose().to_vec();
        self.channel("complete-connect", cx, abi::connect_step, |accessor, guest, _| {
            Box::pin(guest.call_complete_connect(accessor, session, callback))
        })
        .await
    }

    /// Exchanges the credentials for newer ones; the old ones may be invalid afterwards. Dropping the future ends the
    /// call: the newer credentials may be lost. Run it in a task of its own.
    pub async fn refresh_credentials(
        &self,
        cx: CallContext,
        account: &Account,
    ) -> Result<Connection, CallError> {
        let account = abi::account_in(account);
        self.channel("refresh-credentials", cx, abi::connection, |accessor, guest, _| {
            Box::pin(guest.call_refresh_credentials(accessor, account))
        })
        .await
    }

    /// Revokes the grant at the platform. Dropping the future ends the call; the grant is revoked or not.
    pub async fn disconnect(&self, cx: CallContext, account: &Account) -> Result<(), CallError> {
        let account = abi::account_in(account);
        self.channel("disconnect", cx, Ok, |accessor, guest, _| {
            Box::pin(guest.call_disconnect(accessor, account))
        })
        .await
    }

    // ---- read -------------------------------------------------------------------------------

    /// The account's profile. Dropping the future ends the call.
    pub async fn get_profile(&self, cx: CallContext, account: &Account) -> Result<Profile, CallError> {
        let account = abi::account_in(account);
        self.able("get-profile", "profile")?;
        self.channel("get-profile", cx, abi::profile, |accessor, guest, _| {
            Box::pin(guest.call_get_profile(accessor, account))
        })
        .await
    }

    /// The account's statistics. Dropping the future ends the call.
    pub async fn get_stats(&self, cx: CallContext, account: &Account) -> Result<Stats, CallError> {
        let account = abi::account_in(account);
        self.able("get-stats", "stats")?;
        self.channel("get-stats", cx, abi::stats, |accessor, guest, _| {
            Box::pin(guest.call_get_stats(accessor, account))
        })
        .await
    }

    /// One page of the account's posts, newest first. Dropping the future ends the call.
    pub async fn list_posts(
        &self,
        cx: CallContext,
        account: &Account,
        query: &ListQuery,
    ) -> Result<PostPage, CallError> {
        let (account, query) = (abi::account_in(account), abi::query_in(query));
        self.able("list-posts", "list")?;
        self.channel("list-posts", cx, abi::post_page, |accessor, guest, _| {
            Box::pin(guest.call_list_posts(accessor, account, query))
        })
        .await
    }

    /// Posts by id; deleted posts and posts of other accounts are left out. Dropping the future ends the call.
    pub async fn get_posts(
        &self,
        cx: CallContext,
        account: &Account,
        ids: &[String],
    ) -> Result<Vec<PostSummary>, CallError> {
        let (account, ids) = (abi::account_in(account), ids.to_vec());
        self.able("get-posts", "list")?;
        self.channel("get-posts", cx, abi::post_summaries, |accessor, guest, _| {
            Box::pin(guest.call_get_posts(accessor, account, ids))
        })
        .await
    }

    // ---- publish ----------------------------------------------------------------------------

    /// What the account may post now. Dropping the future ends the call.
    pub async fn get_publish_form(
        &self,
        cx: CallContext,
        account: &Account,
    ) -> Result<PublishForm, CallError> {
        let account = abi::account_in(account);
        self.able("get-publish-form", "publish")?;
        self.channel("get-publish-form", cx, abi::publish_form, |accessor, guest, _| {
            Box::pin(guest.call_get_publish_form(accessor, account))
        })
        .await
    }

    /// Checks a post as far as possible without posting it; its media is in the context. Dropping the future ends the
    /// call.
    pub async fn check_post(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
    ) -> Result<Vec<Finding>, CallError> {
        let (account, post) = (abi::account_in(account), abi::post_in(post));
        self.able("check-post", "publish")?;
        self.channel("check-post", cx, abi::findings, |accessor, guest, media| {
            Box::pin(guest.call_check_post(accessor, account, post, media))
        })
        .await
    }

    /// Plans a publish without side effects. Dropping the future ends the call.
    pub async fn begin_publish(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
    ) -> Result<PublishStep, CallError> {
        let (account, post) = (abi::account_in(account), abi::post_in(post));
        self.able("begin-publish", "publish")?;
        self.channel("begin-publish", cx, abi::publish_step, |accessor, guest, media| {
            Box::pin(guest.call_begin_publish(accessor, account, post, media))
        })
        .await
    }

    /// One step of a publish. The `effect` of the previous step says what this call may do. Dropping the future ends
    /// the call: what it had sent may have been posted, so the next one is told that this one was interrupted
    /// ([`Resume`]).
    pub async fn continue_publish(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
        state: &SecretBytes,
        resume: Resume,
    ) -> Result<PublishStep, CallError> {
        let (account, state) = (abi::account_in(account), state.expose().to_vec());
        let (post, resume) = (abi::post_in(post), abi::resume_in(resume));
        self.able("continue-publish", "publish")?;
        self.channel("continue-publish", cx, abi::publish_step, |accessor, guest, media| {
            Box::pin(guest.call_continue_publish(accessor, account, post, state, media, resume))
        })
        .await
    }

    /// Requests the cancellation of a publish that has started. Dropping the future ends the call; the publish is
    /// cancelled or not.
    pub async fn cancel_publish(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
        state: &SecretBytes,
        resume: Resume,
    ) -> Result<PublishStep, CallError> {
        let (account, state) = (abi::account_in(account), state.expose().to_vec());
        let (post, resume) = (abi::post_in(post), abi::resume_in(resume));
        self.able("cancel-publish", "publish")?;
        self.channel("cancel-publish", cx, abi::publish_step, |accessor, guest, _| {
            Box::pin(guest.call_cancel_publish(accessor, account, post, state, resume))
        })
        .await
    }

    // ---- optional interfaces ----------------------------------------------------------------

    /// Verifies and interprets a webhook request of an app, from the raw bytes. Dropping the future ends the call.
    pub async fn receive_webhook(
        &self,
        cx: CallContext,
        request: WebhookRequest,
    ) -> Result<Receipt, CallError> {
        let indices = self.optional(&self.0.parts.webhooks, "receive", "webhooks")?;
        let request = abi::webhook_in(request);
        let load = |store: &mut Store<State>, instance: &Instance| indices.load(store, instance);
        let answer = self
            .0
            .parts
            .run(self.id(), "receive", cx, load, |accessor, guest: &webhooks::Guest, _| {
                Box::pin(guest.call_receive(accessor, request))
            })
            .await;
        settle(self.id(), "receive", answer, abi::receipt)
    }

    /// Checks an app's settings. Dropping the future ends the call.
    pub async fn check_settings(
        &self,
        cx: CallContext,
        addresses: Addresses,
    ) -> Result<Vec<Finding>, CallError> {
        let indices = self.optional(&self.0.parts.diagnostics, "check-settings", "diagnostics")?;
        let addresses = abi::addresses_in(addresses);
        let load = |store: &mut Store<State>, instance: &Instance| indices.load(store, instance);
        let answer = self
            .0
            .parts
            .run(self.id(), "check-settings", cx, load, |accessor, guest: &diagnostics::Guest, _| {
                Box::pin(guest.call_check_settings(accessor, addresses))
            })
            .await;
        settle(self.id(), "check-settings", answer, abi::findings)
    }

    /// The guide through the platform's portal. Dropping the future ends the call.
    pub async fn guide(&self, cx: CallContext, addresses: Addresses) -> Result<Vec<GuideStep>, CallError> {
        let indices = self.optional(&self.0.parts.diagnostics, "guide", "diagnostics")?;
        let addresses = abi::addresses_in(addresses);
        let load = |store: &mut Store<State>, instance: &Instance| indices.load(store, instance);
        let answer = self
            .0
            .parts
            .run(self.id(), "guide", cx, load, |accessor, guest: &diagnostics::Guest, _| {
                Box::pin(async move { guest.call_guide(accessor, addresses).await.map(Ok) })
            })
            .await;
        settle(self.id(), "guide", answer, abi::guide)
    }

    fn optional<'a, I>(
        &self,
        indices: &'a Option<I>,
        operation: &str,
        interface: &str,
    ) -> Result<&'a I, CallError> {
        indices.as_ref().ok_or_else(|| self.lacks(operation, interface))
    }

    /// A function whose ability is absent is never called.
    fn able(&self, operation: &str, ability: &str) -> Result<(), CallError> {
        match self.0.descriptor.abilities.iter().any(|own| own == ability) {
            true => Ok(()),
            false => Err(self.lacks(operation, ability)),
        }
    }

    fn lacks(&self, operation: &str, what: &str) -> CallError {
        let Descriptor { id, name, .. } = &self.0.descriptor;
        Error::new(ErrorKind::Unsupported, format!("{name} does not offer {what}"))
            .with_remedy("Do without it, or use another provider.")
            .with_outcome(Outcome::NotDone)
            .during(id, operation)
            .into()
    }

    async fn channel<W: Send + 'static, T>(
        &self,
        operation: &'static str,
        cx: CallContext,
        translate: impl FnOnce(W) -> Result<T>,
        call: impl for<'a> FnOnce(
            &'a Accessor<State>,
            &'a channel::Guest,
            Vec<Resource<Item>>,
        ) -> BoxFuture<'a, wasmtime::Result<Result<W, types::Error>>>
        + Send,
    ) -> Result<T, CallError> {
        let parts = &self.0.parts;
        let answer = parts.run(self.id(), operation, cx, parts.channel(), call).await;
        settle(self.id(), operation, answer, translate)
    }

    fn id(&self) -> &str {
        &self.0.descriptor.id
    }
}

/// A guest's result, and the record of the call.
type Answer<W> = Result<(W, Arc<Call>), Failure>;

/// A call that returned no value.
enum Failure {
    /// The provider's own error.
    Said(types::Error, Arc<Call>),
    /// It returned no result.
    Broke(Error),
}

impl Parts {
    fn channel(
        &self,
    ) -> impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<channel::Guest> + Send + '_ {
        |store, instance| self.channel.load(store, instance)
    }

    /// Runs one call on a fresh instance, within its limits.
    async fn run<G: Send + Sync, W: Send + 'static>(
        &self,
        id: &str,
        operation: &'static str,
        cx: CallContext,
        load: impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<G> + Send,
        call: impl for<'a> FnOnce(
            &'a Accessor<State>,
            &'a G,
            Vec<Resource<Item>>,
        ) -> BoxFuture<'a, wasmtime::Result<Result<W, types::Error>>>
        + Send,
    ) -> Answer<W> {
        let _admission = self.engine.admit(&cx).await.map_err(Failure::Broke)?;
        let (mut store, tally, stderr) = self.engine.store(&cx);
        // However this call ends, also by dropping it, nothing more may be sent for it.
        let _ended = Ended(&tally);
        let span = tracing::debug_span!("provider", provider = id, operation, account = cx.account_id);
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = load(&mut store, &instance)?;
            let media = store.data_mut().media(&cx.media)?;
            store.run_concurrent(async |accessor| call(accessor, &guest, media).await).await?
        };
        let done = watched(&tally, work.instrument(span)).await;
        if let (Some(counter), Ok(left)) = (&cx.instructions, store.get_fuel()) {
            counter.fetch_add(u64::MAX - left, Ordering::Relaxed);
        }
        stderr.log(id, operation, cx.account_id.as_deref());
        if let Some(output) = &cx.output {
            output(&stderr.text());
        }
        match done {
            Ok(Ok(Ok(value))) => Ok((value, Arc::clone(&tally))),
            Ok(Ok(Err(error))) => Err(Failure::Said(error, Arc::clone(&tally))),
            Ok(Err(error)) => Err(Failure::Broke(broken(error, &tally, stderr.last_line()))),
            Err(limit) => Err(Failure::Broke(exceeded(limit, &tally))),
        }
    }
}

/// Translates a result, and adds provider and operation to errors.
fn settle<W, T>(
    id: &str,
    operation: &str,
    answer: Answer<W>,
    translate: impl FnOnce(W) -> Result<T>,
) -> Result<T, CallError> {
    match answer {
        Ok((value, tally)) => translate(value)
            .map_err(|error| CallError::Failed(error.with_outcome(outcome(&tally)).during(id, operation))),
        Err(Failure::Said(error, tally)) => Err(match abi::call_error(error) {
            CallError::CredentialsExpired(error) => {
                CallError::CredentialsExpired(error.during(id, operation))
            }
            CallError::Failed(error) => CallError::Failed(blamed(error, &tally).during(id, operation)),
        }),
        Err(Failure::Broke(error)) => Err(CallError::Failed(error.during(id, operation))),
    }
}

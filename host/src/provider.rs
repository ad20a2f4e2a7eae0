//! One loaded component and its calls.
//!
//! Every call runs on a fresh instance, which is dropped afterwards, whatever came of it. What a provider
//! returns has been measured and translated; what it could not do is an error that names provider, operation
//! and what is known of the effect. Storing, refreshing and repeating are the callers' part.

use std::sync::Arc;

use futures::future::BoxFuture;
use tracing::Instrument;
use wasmtime::component::{Accessor, Instance, InstancePre, Resource};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use crate::abi::v0_1::{self as abi, channel, diagnostics, types, webhooks};
use crate::call::{Call, Limit};
use crate::capability::State;
use crate::capability::media::Item;
use crate::component::Interfaces;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::model::{
    Descriptor, Finding, GuideStep, ListQuery, Post, PostPage, PostSummary, Profile, PublishForm, Setting,
    Stats,
};
use crate::policy::OriginPattern;
use crate::secret::SecretBytes;

pub(crate) use crate::abi::{
    Account, Addresses, CallError, ConnectRequest, ConnectStep, Connection, Effect, Event, NextStep,
    PublishStep, Receipt, Resume, WebhookRequest,
};
pub(crate) use crate::call::{CallContext, Entry, Gate, ProviderStorage, SetOptions, StorageError};

/// A loaded provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    parts: Parts,
    descriptor: Descriptor,
}

/// What is known before the provider has said who it is.
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
    pub(crate) async fn new(
        engine: Engine,
        digest: Digest,
        interfaces: Interfaces,
        pre: InstancePre<State>,
    ) -> Result<Self> {
        let mismatched = |error: wasmtime::Error| {
            let ours = abi::LINE_NAME;
            Error::new(
                ErrorKind::Incompatible,
                format!("the provider does not hold to social:channel {ours}"),
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
        // An optional interface that is there in name must also hold to its types.
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
        let answer = parts
            .run(
                id,
                operation,
                CallContext::pure(),
                parts.channel(),
                |accessor, guest: &channel::Guest, _| {
                    Box::pin(async move { guest.call_describe(accessor).await.map(Ok) })
                },
            )
            .await;
        let descriptor = settle(id, operation, answer, |value| abi::descriptor(value).and_then(checked))
            .map_err(CallError::into_error)?;
        Ok(Provider(Arc::new(Inner { parts, descriptor })))
    }

    /// The SHA-256 of the component.
    pub(crate) fn digest(&self) -> &Digest {
        &self.0.parts.digest
    }

    /// What the provider says of itself.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    /// Whether its platform calls back.
    #[cfg(test)]
    pub(crate) fn has_webhooks(&self) -> bool {
        self.0.parts.webhooks.is_some()
    }

    /// Whether it helps the operator.
    #[cfg(test)]
    pub(crate) fn has_diagnostics(&self) -> bool {
        self.0.parts.diagnostics.is_some()
    }

    /// The interfaces it imports, for inspection.
    pub(crate) fn imports(&self) -> &[String] {
        &self.0.parts.interfaces.imports
    }

    /// The interfaces it exports, for inspection.
    pub(crate) fn exports(&self) -> &[String] {
        &self.0.parts.interfaces.exports
    }

    // ---- connect ----------------------------------------------------------------------------

    pub(crate) async fn begin_connect(
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

    pub(crate) async fn complete_connect(
        &self,
        cx: CallContext,
        session: &SecretBytes,
        callback: Vec<(String, String)>,
    ) -> Result<Vec<Connection>, CallError> {
        let session = session.expose().to_vec();
        self.channel("complete-connect", cx, abi::connections, |accessor, guest, _| {
            Box::pin(guest.call_complete_connect(accessor, session, callback))
        })
        .await
    }

    pub(crate) async fn refresh_credentials(
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

    pub(crate) async fn disconnect(&self, cx: CallContext, account: &Account) -> Result<(), CallError> {
        let account = abi::account_in(account);
        self.channel("disconnect", cx, Ok, |accessor, guest, _| {
            Box::pin(guest.call_disconnect(accessor, account))
        })
        .await
    }

    // ---- read -------------------------------------------------------------------------------

    pub(crate) async fn get_profile(&self, cx: CallContext, account: &Account) -> Result<Profile, CallError> {
        let account = abi::account_in(account);
        self.channel("get-profile", cx, abi::profile, |accessor, guest, _| {
            Box::pin(guest.call_get_profile(accessor, account))
        })
        .await
    }

    pub(crate) async fn get_stats(&self, cx: CallContext, account: &Account) -> Result<Stats, CallError> {
        let account = abi::account_in(account);
        self.channel("get-stats", cx, abi::stats, |accessor, guest, _| {
            Box::pin(guest.call_get_stats(accessor, account))
        })
        .await
    }

    pub(crate) async fn list_posts(
        &self,
        cx: CallContext,
        account: &Account,
        query: &ListQuery,
    ) -> Result<PostPage, CallError> {
        let (account, query) = (abi::account_in(account), abi::query_in(query));
        self.channel("list-posts", cx, abi::post_page, |accessor, guest, _| {
            Box::pin(guest.call_list_posts(accessor, account, query))
        })
        .await
    }

    pub(crate) async fn get_posts(
        &self,
        cx: CallContext,
        account: &Account,
        ids: &[String],
    ) -> Result<Vec<PostSummary>, CallError> {
        let (account, ids) = (abi::account_in(account), ids.to_vec());
        self.channel("get-posts", cx, abi::post_summaries, |accessor, guest, _| {
            Box::pin(guest.call_get_posts(accessor, account, ids))
        })
        .await
    }

    // ---- publish ----------------------------------------------------------------------------

    pub(crate) async fn get_publish_form(
        &self,
        cx: CallContext,
        account: &Account,
    ) -> Result<PublishForm, CallError> {
        let account = abi::account_in(account);
        self.channel("get-publish-form", cx, abi::publish_form, |accessor, guest, _| {
            Box::pin(guest.call_get_publish_form(accessor, account))
        })
        .await
    }

    pub(crate) async fn check_post(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
    ) -> Result<Vec<Finding>, CallError> {
        let (account, post) = (abi::account_in(account), abi::post_in(post));
        self.channel("check-post", cx, abi::findings, |accessor, guest, media| {
            Box::pin(guest.call_check_post(accessor, account, post, media))
        })
        .await
    }

    pub(crate) async fn begin_publish(
        &self,
        cx: CallContext,
        account: &Account,
        post: &Post,
    ) -> Result<PublishStep, CallError> {
        let (account, post) = (abi::account_in(account), abi::post_in(post));
        self.channel("begin-publish", cx, abi::publish_step, |accessor, guest, media| {
            Box::pin(guest.call_begin_publish(accessor, account, post, media))
        })
        .await
    }

    pub(crate) async fn continue_publish(
        &self,
        cx: CallContext,
        account: &Account,
        state: &SecretBytes,
        resume: Resume,
    ) -> Result<PublishStep, CallError> {
        let (account, state) = (abi::account_in(account), state.expose().to_vec());
        let resume = abi::resume_in(resume);
        self.channel("continue-publish", cx, abi::publish_step, |accessor, guest, media| {
            Box::pin(guest.call_continue_publish(accessor, account, state, media, resume))
        })
        .await
    }

    pub(crate) async fn cancel_publish(
        &self,
        cx: CallContext,
        account: &Account,
        state: &SecretBytes,
    ) -> Result<PublishStep, CallError> {
        let (account, state) = (abi::account_in(account), state.expose().to_vec());
        self.channel("cancel-publish", cx, abi::publish_step, |accessor, guest, _| {
            Box::pin(guest.call_cancel_publish(accessor, account, state))
        })
        .await
    }

    // ---- optional interfaces ----------------------------------------------------------------

    pub(crate) async fn receive_webhook(
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

    pub(crate) async fn check_settings(
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

    pub(crate) async fn guide(
        &self,
        cx: CallContext,
        addresses: Addresses,
    ) -> Result<Vec<GuideStep>, CallError> {
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
        let Descriptor { id, name, .. } = &self.0.descriptor;
        indices.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("{name} does not offer {interface}"))
                .with_remedy("Do without it, or use another provider.")
                .with_outcome(Outcome::NotDone)
                .during(id, operation)
                .into()
        })
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

/// What a guest answered, and the tally of the call.
type Answer<W> = Result<(W, Arc<Call>), Failure>;

/// A call that brought no value.
enum Failure {
    /// The provider's own error.
    Said(types::Error, Arc<Call>),
    /// It did not answer.
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
        let _admission = self.engine.admit().await.map_err(Failure::Broke)?;
        let (mut store, tally, stderr) = self.engine.store(&cx);
        // Whatever ends this call, also a caller that went away: nothing may be sent for it any more.
        let _ended = Ended(&tally);
        let span = tracing::debug_span!("provider", provider = id, operation, account = cx.account_id);
        let work = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            let guest = load(&mut store, &instance)?;
            let media = store.data_mut().media(&cx.media)?;
            store.run_concurrent(async |accessor| call(accessor, &guest, media).await).await?
        };
        let done = watched(&tally, work.instrument(span)).await;
        stderr.log(id, operation, cx.account_id.as_deref());
        match done {
            Ok(Ok(Ok(value))) => Ok((value, Arc::clone(&tally))),
            Ok(Ok(Err(error))) => Err(Failure::Said(error, Arc::clone(&tally))),
            Ok(Err(error)) => Err(Failure::Broke(broken(error, &tally, stderr.last_line()))),
            Err(limit) => Err(Failure::Broke(exceeded(limit, &tally))),
        }
    }
}

/// Translates an answer, and names provider and operation in whatever went wrong.
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

struct Ended<'a>(&'a Call);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Drives a call until it ends or meets a limit of time.
async fn watched<T>(call: &Call, work: impl Future<Output = T>) -> Result<T, Limit> {
    let mut work = std::pin::pin!(work);
    loop {
        let (deadline, limit) = call.deadline();
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep_until(deadline.into()) => {
                // Something may have moved meanwhile and put the deadline off.
                if call.deadline().0 <= deadline {
                    return Err(limit);
                }
            }
        }
    }
}

fn outcome(call: &Call) -> Outcome {
    if call.has_opened() { Outcome::Unknown } else { Outcome::NotDone }
}

/// A request that the policy refused is the reason, whatever the provider made of it. Not where the effect is
/// unknown: then an earlier request matters more.
fn blamed(error: Error, call: &Call) -> Error {
    match call.refusal() {
        Some(refusal) if error.kind != ErrorKind::OutcomeUnknown => {
            let outcome = error.outcome;
            let mut refused = refusal.error();
            refused.outcome = outcome;
            refused
        }
        _ => match call.unsent() {
            Some(why) if error.kind == ErrorKind::Unavailable => {
                Error { message: format!("{} (the program's own HTTP: {why})", error.message), ..error }
            }
            _ => error,
        },
    }
}

fn exceeded(limit: Limit, call: &Call) -> Error {
    let limits = &call.limits;
    let (message, remedy) = match limit {
        Limit::Idle => (
            format!("the provider made no progress for {} seconds", limits.idle.as_secs_f64()),
            "Try again later; if it stays so, the platform or the provider hangs.",
        ),
        Limit::Total => (
            format!("the provider took longer than {} seconds", limits.total.as_secs_f64()),
            "Try again over a faster connection, or raise the limit.",
        ),
        Limit::Memory => (
            format!("the provider wanted more than {} MiB of memory", limits.memory >> 20),
            "Replace the provider by a repaired version, or raise the limit.",
        ),
        Limit::Crossing => (
            format!("the provider handed over more than {} MiB at once", limits.crossing >> 20),
            "Replace the provider by a repaired version.",
        ),
        Limit::Handles => (
            format!("the provider held more than {} handles at once", limits.handles),
            "Replace the provider by a repaired version.",
        ),
    };
    Error::new(ErrorKind::LimitExceeded, message).with_remedy(remedy).with_outcome(outcome(call))
}

/// A trap, or whatever else kept the guest from answering.
fn broken(error: wasmtime::Error, call: &Call, last_words: Option<String>) -> Error {
    if call.has_hit_memory() {
        return exceeded(Limit::Memory, call);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Error::new(ErrorKind::Unavailable, "too many calls run at the same time")
            .with_remedy("Try again in a moment.")
            .with_outcome(Outcome::NotDone);
    }
    let text = format!("{error:#}");
    // wasmtime keeps these two types to itself; tests hold the wording.
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return exceeded(Limit::Crossing, call);
    }
    if text.contains("handle limit") || text.contains("resource table has no free keys") {
        return exceeded(Limit::Handles, call);
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it gave up (a panic, or the like)".to_owned(),
        Some(trap) => trap.to_string(),
        None => "it broke the contract".to_owned(),
    };
    if let Some(words) = last_words {
        tracing::debug!(target: "provider", %words, "last words before the fault");
    }
    Error::new(ErrorKind::ProviderFault, format!("the provider failed: {what}"))
        .with_remedy("Look into the log for its last words; replace it by a repaired version.")
        .with_outcome(outcome(call))
        .with_source(error.into_boxed_dyn_error())
}

/// What a descriptor must hold beyond its types.
fn checked(descriptor: Descriptor) -> Result<Descriptor> {
    let wrong = |field: &str, message: String| {
        Err(Error::new(ErrorKind::ProviderFault, format!("the provider describes itself wrongly: {message}"))
            .with_field(field)
            .with_remedy("Replace the provider by a repaired version."))
    };
    let id = &descriptor.id;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return wrong("id", "its id has 1 to 64 lower-case letters, digits and hyphens".to_owned());
    }
    if descriptor.name.trim().is_empty() || descriptor.name.chars().any(char::is_control) {
        return wrong("name", "it has no readable name".to_owned());
    }
    if semver::Version::parse(&descriptor.version).is_err() {
        return wrong("version", "its version is not of the form 1.2.3".to_owned());
    }
    for origin in &descriptor.origins {
        if let Err(error) = origin.parse::<OriginPattern>() {
            return wrong("origins", error.message);
        }
    }
    for (field, settings) in
        [("settings", &descriptor.settings), ("connect-inputs", &descriptor.connect_inputs)]
    {
        let mut names = std::collections::HashSet::new();
        for Setting { name, kind, choices, default_value, .. } in settings {
            if !is_kebab(name) || !names.insert(name) {
                return wrong(field, format!("`{name}` is no kebab-case name, or comes twice"));
            }
            if !matches!(kind.as_str(), "text" | "secret" | "url" | "choice" | "flag" | "list") {
                return wrong(field, format!("`{name}` has the unknown kind `{kind}`"));
            }
            if kind == "choice" && default_value.as_ref().is_some_and(|value| !choices.contains(value)) {
                return wrong(field, format!("the default of `{name}` is not among its choices"));
            }
        }
    }
    Ok(descriptor)
}

fn is_kebab(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            id: "demo".to_owned(),
            name: "Demo".to_owned(),
            version: "1.2.3".to_owned(),
            abilities: Vec::new(),
            settings: vec![Setting {
                name: "client-key".to_owned(),
                label: "Client key".to_owned(),
                help: None,
                kind: "text".to_owned(),
                choices: Vec::new(),
                required: true,
                default_value: None,
            }],
            connect_inputs: Vec::new(),
            scopes: Vec::new(),
            origins: vec!["https://api.example.com".to_owned()],
        }
    }

    #[test]
    fn a_descriptor_is_checked_field_by_field() {
        checked(descriptor()).unwrap();
        type Spoil = fn(&mut Descriptor);
        let cases: [(&str, Spoil); 10] = [
            ("id", |it| it.id = String::new()),
            ("id", |it| it.id = "Demo".to_owned()),
            ("id", |it| it.id = "a/b".to_owned()),
            ("id", |it| it.id = "x".repeat(65)),
            ("name", |it| it.name = " ".to_owned()),
            ("version", |it| it.version = "1".to_owned()),
            ("origins", |it| it.origins = vec!["api.example.com".to_owned()]),
            ("settings", |it| it.settings[0].name = "clientKey".to_owned()),
            ("settings", |it| it.settings.push(it.settings[0].clone())),
            ("settings", |it| it.settings[0].kind = "password".to_owned()),
        ];
        for (field, spoil) in cases {
            let mut spoilt = descriptor();
            spoil(&mut spoilt);
            let error = checked(spoilt).unwrap_err();
            assert_eq!(error.kind, ErrorKind::ProviderFault);
            assert_eq!(error.field.as_deref(), Some(field), "{}", error.message);
        }
    }
}

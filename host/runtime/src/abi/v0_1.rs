//! `social:channel@0.1`: bindings, and translation to and from the plain types.
//!
//! All values from a guest are checked against their limits here, once. A value over its limit is a fault of
//! the provider, and the error names the value. Only error texts are truncated instead, so that one failure
//! does not hide another.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::limits::{self, CHOICES, ENTRIES, LINE, OPAQUE, POSTS, TEXT, URL};
use crate::model;
use crate::secret::SecretBytes;

use super::{
    Account, Addresses, CallError, ConnectRequest, ConnectStep, Connection, Delivery, Effect, Event,
    NextStep, Prompt, PublishStep, Receipt, Resume, WebhookRequest, WebhookResponse,
};

#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "full-provider",
        imports: {
            "social:channel/media.[method]item.read": store | trappable,
            "social:channel/media.[method]item.info": trappable,
            "social:channel/media.[drop]item": trappable,
        },
        exports: { default: async | store },
        with: {
            "wasi:http": wasmtime_wasi_http::p3::bindings::http,
            "wasi:clocks": wasmtime_wasi::p3::bindings::clocks,
            "wasi:random": wasmtime_wasi::p3::bindings::random,
            "social:channel/media.item": crate::abi::Item,
        },
    });
}

/// The traits that capabilities implement.
pub(crate) mod imports {
    pub(crate) use super::bindings::social::channel::{media, storage, types};
    pub(crate) use super::bindings::wasi::config::store as config;
}

pub(crate) use bindings::exports::social::channel::{channel, diagnostics, webhooks};
pub(crate) use bindings::social::channel::types;

/// The interface that every provider exports, without its version.
pub(crate) const CHANNEL: &str = "social:channel/channel";
/// The optional ones.
pub(crate) const WEBHOOKS: &str = "social:channel/webhooks";
pub(crate) const DIAGNOSTICS: &str = "social:channel/diagnostics";
/// The contract version line of this module.
pub(crate) const LINE_NAME: &str = "0.1";

// ---- measuring ------------------------------------------------------------------------------

fn too_big(name: &str, size: usize, limit: usize, unit: &str) -> Error {
    Error::new(
        ErrorKind::ProviderFault,
        format!("the provider returned {size} {unit} as `{name}`, but at most {limit} are allowed"),
    )
    .with_remedy("Replace the provider with a repaired version.")
    .with_field(name)
}

fn text(name: &str, value: String, limit: usize) -> Result<String> {
    if value.len() > limit { Err(too_big(name, value.len(), limit, "bytes")) } else { Ok(value) }
}

fn maybe(name: &str, value: Option<String>, limit: usize) -> Result<Option<String>> {
    value.map(|value| text(name, value, limit)).transpose()
}

/// An address for browsers. Others (`javascript:`, `data:`) are left out, so that no front door can hand them on.
fn web(name: &str, value: Option<String>) -> Result<Option<String>> {
    Ok(maybe(name, value, URL)?.filter(|url| is_web(url)))
}

fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

fn blob(name: &str, value: Vec<u8>, limit: usize) -> Result<Vec<u8>> {
    if value.len() > limit { Err(too_big(name, value.len(), limit, "bytes")) } else { Ok(value) }
}

fn secret(name: &str, value: Vec<u8>, limit: usize) -> Result<SecretBytes> {
    blob(name, value, limit).map(SecretBytes::new)
}

fn list<T, U>(name: &str, values: Vec<T>, limit: usize, each: impl FnMut(T) -> Result<U>) -> Result<Vec<U>> {
    if values.len() > limit {
        return Err(too_big(name, values.len(), limit, "entries"));
    }
    values.into_iter().map(each).collect()
}

fn lines(name: &str, values: Vec<String>) -> Result<Vec<String>> {
    list(name, values, ENTRIES, |value| text(name, value, LINE))
}

/// Text to display: truncated to a readable length, without control characters and without characters that
/// change the text direction.
fn clean(text: &str) -> String {
    let visible = |c: &char| {
        *c == '\n' || !(c.is_control() || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    let mut clean: String = text.chars().filter(visible).take(limits::MESSAGE).collect();
    if clean.len() < text.len() && text.chars().filter(visible).nth(limits::MESSAGE).is_some() {
        clean.push('…');
    }
    clean
}

/// Text of one line: a code, a field, a log id.
fn clean_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

fn milliseconds(value: u64) -> Duration {
    Duration::from_millis(value)
}

// ---- to the guest ---------------------------------------------------------------------------

pub(crate) fn account_in(account: &Account) -> types::Account {
    types::Account {
        id: account.id.clone(),
        credentials: account.credentials.expose().to_vec(),
        scopes: account.scopes.clone(),
    }
}

pub(crate) fn connect_request_in(request: ConnectRequest) -> channel::ConnectRequest {
    channel::ConnectRequest {
        state: request.state.expose().to_owned(),
        redirect_uri: request.redirect_uri,
        choose_account: request.choose_account,
        inputs: request.inputs,
        details: Vec::new(),
    }
}

pub(crate) fn query_in(query: &model::ListQuery) -> channel::ListQuery {
    channel::ListQuery { limit: query.limit, cursor: query.cursor.clone(), details: Vec::new() }
}

fn value_in(value: &model::OptionValue) -> types::Value {
    match value {
        model::OptionValue::Boolean(value) => types::Value::Boolean(*value),
        model::OptionValue::Number(number) => types::Value::Number(*number),
        model::OptionValue::Decimal(number) => types::Value::Decimal(*number),
        model::OptionValue::Text(text) => types::Value::Text(text.clone()),
        model::OptionValue::TextList(texts) => types::Value::TextList(texts.clone()),
        model::OptionValue::Json(value) => types::Value::Json(value.to_string()),
    }
}

pub(crate) fn properties_in(values: &model::Details) -> Vec<types::Property> {
    values.iter().map(|(name, it)| types::Property { name: name.clone(), value: value_in(it) }).collect()
}

pub(crate) fn post_in(post: &model::Post) -> channel::Post {
    let part = |part: &model::Part| channel::Part {
        text: part.text.clone(),
        media: part.media.clone(),
        options: properties_in(&part.options),
    };
    channel::Post {
        kind: post.kind.clone(),
        title: post.title.clone(),
        text: post.text.clone(),
        visibility: post.visibility.clone(),
        options: properties_in(&post.options),
        parts: post.parts.iter().map(part).collect(),
    }
}

pub(crate) fn resume_in(resume: Resume) -> channel::Resume {
    channel::Resume {
        interrupted: resume.interrupted,
        evidence: resume.evidence.map(|evidence| evidence.expose().to_vec()),
        details: Vec::new(),
    }
}

pub(crate) fn webhook_in(request: WebhookRequest) -> webhooks::Request {
    let WebhookRequest { method, url, query, headers, body, received_at } = request;
    webhooks::Request { method, url, query, headers, body, received_at, details: Vec::new() }
}

pub(crate) fn addresses_in(addresses: Addresses) -> diagnostics::Addresses {
    let Addresses { redirect_uri, webhook_url, media_prefix } = addresses;
    diagnostics::Addresses { redirect_uri, webhook_url, media_prefix, details: Vec::new() }
}

// ---- from the guest -------------------------------------------------------------------------

/// A guest's error, and whether it requests a refresh.
fn error_parts(error: types::Error) -> (Error, bool) {
    use types::ErrorKind as Wit;
    let kind = match error.kind {
        Wit::InvalidRequest => ErrorKind::InvalidRequest,
        Wit::Misconfigured => ErrorKind::Misconfigured,
        Wit::AuthorizationDenied => ErrorKind::AuthorizationDenied,
        Wit::CredentialsExpired | Wit::Unauthorized => ErrorKind::Unauthorized,
        Wit::Forbidden => ErrorKind::Forbidden,
        Wit::NotFound => ErrorKind::NotFound,
        Wit::Rejected => ErrorKind::Rejected,
        Wit::RateLimited => ErrorKind::RateLimited,
        Wit::QuotaExceeded => ErrorKind::QuotaExceeded,
        Wit::Unavailable => ErrorKind::Unavailable,
        Wit::OutcomeUnknown => ErrorKind::OutcomeUnknown,
        Wit::Unsupported => ErrorKind::Unsupported,
        Wit::Other => ErrorKind::Other,
    };
    let expired = matches!(error.kind, Wit::CredentialsExpired);
    // "Every other kind asserts that the call changed nothing."
    let outcome = if kind == ErrorKind::OutcomeUnknown { Outcome::Unknown } else { Outcome::NotDone };
    let mut translated = Error::new(kind, clean(&error.message)).with_outcome(outcome);
    translated.remedy = error.remedy.as_deref().map(clean);
    translated.code = error.code.as_deref().map(clean_line);
    translated.field = error.field.as_deref().map(clean_line);
    translated.retry_after = error.retry_after.map(milliseconds);
    translated.trace_id = error.trace_id.as_deref().map(clean_line);
    (translated, expired)
}

pub(crate) fn call_error(error: types::Error) -> CallError {
    match error_parts(error) {
        (error, true) => CallError::CredentialsExpired(error),
        (error, false) => CallError::Failed(error),
    }
}

/// An error inside a value. There, the kind `credentials-expired` only means "connect again".
fn plain_error(error: types::Error) -> Error {
    error_parts(error).0
}

fn value(name: &str, value: types::Value) -> Result<model::OptionValue> {
    Ok(match value {
        types::Value::Boolean(value) => model::OptionValue::Boolean(value),
        types::Value::Number(number) => model::OptionValue::Number(number),
        types::Value::Decimal(number) => model::OptionValue::Decimal(number),
        types::Value::Text(it) => model::OptionValue::Text(text(name, it, TEXT)?),
        types::Value::TextList(texts) => {
            model::OptionValue::TextList(list(name, texts, CHOICES, |it| text(name, it, TEXT))?)
        }
        // What is no JSON stays the text that it is.
        types::Value::Json(it) => {
            let it = text(name, it, TEXT)?;
            serde_json::from_str(&it).map_or(model::OptionValue::Text(it), model::OptionValue::Json)
        }
    })
}

/// Of a name that comes twice, the last counts.
fn details(name: &str, values: Vec<types::Property>) -> Result<model::Details> {
    let values = list(name, values, ENTRIES, |it| Ok((text(name, it.name, LINE)?, value(name, it.value)?)))?;
    Ok(values.into_iter().collect())
}

fn choice(value: types::Choice) -> Result<model::Choice> {
    Ok(model::Choice {
        value: text("choice.value", value.value, LINE)?,
        label: text("choice.label", value.label, LINE)?,
        details: details("choice.details", value.details)?,
    })
}

fn field(given: types::Field) -> Result<model::Field> {
    Ok(model::Field {
        name: text("field.name", given.name, LINE)?,
        label: text("field.label", given.label, LINE)?,
        help: maybe("field.help", given.help, TEXT)?,
        kind: text("field.kind", given.kind, LINE)?,
        choices: list("field.choices", given.choices, CHOICES, choice)?,
        required: given.required,
        default_value: given.default_value.map(|it| value("field.default-value", it)).transpose()?,
        limits: list("field.limits", given.limits, ENTRIES, |limit| {
            Ok(model::TextLimit {
                minimum: limit.minimum,
                maximum: limit.maximum,
                unit: text("text-limit.unit", limit.unit, LINE)?,
                link_length: limit.link_length,
            })
        })?,
        applies_to: lines("field.applies-to", given.applies_to)?,
        details: details("field.details", given.details)?,
    })
}

pub(crate) fn descriptor(value: channel::Descriptor) -> Result<model::Descriptor> {
    Ok(model::Descriptor {
        id: text("descriptor.id", value.id, LINE)?,
        name: text("descriptor.name", value.name, LINE)?,
        version: text("descriptor.version", value.version, LINE)?,
        abilities: lines("descriptor.abilities", value.abilities)?,
        settings: list("descriptor.settings", value.settings, ENTRIES, field)?,
        connect_inputs: list("descriptor.connect-inputs", value.connect_inputs, ENTRIES, field)?,
        scopes: list("descriptor.scopes", value.scopes, ENTRIES, |scope| {
            Ok(model::Scope {
                name: text("scope.name", scope.name, LINE)?,
                purpose: text("scope.purpose", scope.purpose, TEXT)?,
                abilities: lines("scope.abilities", scope.abilities)?,
            })
        })?,
        origins: lines("descriptor.origins", value.origins)?,
        details: details("descriptor.details", value.details)?,
    })
}

fn account(value: types::Account) -> Result<Account> {
    Ok(Account {
        id: text("account.id", value.id, LINE)?,
        credentials: secret("account.credentials", value.credentials, OPAQUE)?,
        scopes: lines("account.scopes", value.scopes)?,
    })
}

pub(crate) fn connection(value: channel::Connection) -> Result<Connection> {
    Ok(Connection {
        account: account(value.account)?,
        display_name: text("connection.display-name", value.display_name, LINE)?,
        username: maybe("connection.username", value.username, LINE)?,
        kind: maybe("connection.kind", value.kind, LINE)?,
        parent_id: maybe("connection.parent-id", value.parent_id, LINE)?,
        avatar_url: web("connection.avatar-url", value.avatar_url)?,
        grant: maybe("connection.grant", value.grant, LINE)?,
        expires_at: value.expires_at,
        refresh_expires_at: value.refresh_expires_at,
        missing_scopes: lines("connection.missing-scopes", value.missing_scopes)?,
        details: details("connection.details", value.details)?,
    })
}

fn connections(values: Vec<channel::Connection>) -> Result<Vec<Connection>> {
    list("connections", values, ENTRIES, connection)
}

pub(crate) fn connect_step(value: channel::ConnectStep) -> Result<ConnectStep> {
    Ok(match value {
        channel::ConnectStep::Redirect(redirect) => ConnectStep::Redirect {
            url: text("redirect.url", redirect.url, URL)?,
            session: secret("redirect.session", redirect.session, OPAQUE)?,
            expires_in: milliseconds(redirect.expires_in),
        },
        channel::ConnectStep::Ask(prompt) => ConnectStep::Ask {
            prompt: Prompt {
                text: text("prompt.text", prompt.text, TEXT)?,
                fields: list("prompt.fields", prompt.fields, ENTRIES, field)?,
            },
            session: secret("prompt.session", prompt.session, OPAQUE)?,
            expires_in: milliseconds(prompt.expires_in),
        },
        channel::ConnectStep::Connected(values) => ConnectStep::Connected(connections(values)?),
    })
}

pub(crate) fn profile(value: channel::Profile) -> Result<model::Profile> {
    Ok(model::Profile {
        id: text("profile.id", value.id, LINE)?,
        username: maybe("profile.username", value.username, LINE)?,
        display_name: text("profile.display-name", value.display_name, LINE)?,
        bio: maybe("profile.bio", value.bio, TEXT)?,
        url: web("profile.url", value.url)?,
        avatar_url: web("profile.avatar-url", value.avatar_url)?,
        verified: value.verified,
        details: details("profile.details", value.details)?,
    })
}

/// Numbers by their registered names, and the others.
struct Metrics(Vec<model::Metric>);

impl Metrics {
    fn new(name: &str, values: Vec<channel::Metric>) -> Result<Self> {
        list(name, values, ENTRIES, |metric| {
            Ok(model::Metric {
                name: text("metric.name", metric.name, LINE)?,
                label: maybe("metric.label", metric.label, LINE)?,
                value: metric.value,
            })
        })
        .map(Metrics)
    }

    /// Takes a number out.
    fn take(&mut self, name: &str) -> Option<u64> {
        let at = self.0.iter().position(|metric| metric.name == name)?;
        Some(self.0.remove(at).value)
    }
}

pub(crate) fn stats(value: channel::Stats) -> Result<model::Stats> {
    let mut metrics = Metrics::new("stats.metrics", value.metrics)?;
    Ok(model::Stats {
        followers: metrics.take("followers"),
        following: metrics.take("following"),
        likes: metrics.take("likes"),
        posts: metrics.take("posts"),
        other: metrics.0,
    })
}

fn post_media(value: channel::PostMedia) -> Result<model::PostMedia> {
    Ok(model::PostMedia {
        kind: text("post-media.kind", value.kind, LINE)?,
        url: web("post-media.url", value.url)?,
        thumbnail_url: web("post-media.thumbnail-url", value.thumbnail_url)?,
        alt_text: maybe("post-media.alt-text", value.alt_text, TEXT)?,
        duration: value.duration,
        width: value.width,
        height: value.height,
        details: details("post-media.details", value.details)?,
    })
}

fn post_summary(value: channel::PostSummary) -> Result<model::PostSummary> {
    let media = list("post-summary.media", value.media, ENTRIES, post_media)?;
    let mut metrics = Metrics::new("post-summary.metrics", value.metrics)?;
    let first = media.first();
    Ok(model::PostSummary {
        id: text("post-summary.id", value.id, LINE)?,
        kind: text("post-summary.kind", value.kind, LINE)?,
        title: maybe("post-summary.title", value.title, TEXT)?,
        text: maybe("post-summary.text", value.text, TEXT)?,
        url: web("post-summary.url", value.url)?,
        embed_url: web("post-summary.embed-url", value.embed_url)?,
        thumbnail_url: web("post-summary.thumbnail-url", value.thumbnail_url)?,
        created_at: value.created_at,
        duration: first.and_then(|media| media.duration),
        width: first.and_then(|media| media.width),
        height: first.and_then(|media| media.height),
        media,
        stats: model::PostStats {
            views: metrics.take("views"),
            likes: metrics.take("likes"),
            replies: metrics.take("replies"),
            reposts: metrics.take("reposts"),
            other: metrics.0,
        },
        details: details("post-summary.details", value.details)?,
    })
}

pub(crate) fn post_summaries(values: Vec<channel::PostSummary>) -> Result<Vec<model::PostSummary>> {
    list("posts", values, POSTS, post_summary)
}

pub(crate) fn post_page(value: channel::PostPage) -> Result<model::PostPage> {
    Ok(model::PostPage {
        posts: post_summaries(value.posts)?,
        next_cursor: maybe("post-page.next-cursor", value.next_cursor, OPAQUE)?,
    })
}

/// None: this host does not know the consequence, or the test of a condition.
fn consequence(value: channel::Consequence) -> Result<Option<model::Consequence>> {
    let field = maybe("consequence.field", value.field, LINE)?;
    let said = maybe("consequence.text", value.text, TEXT)?;
    Ok(match (value.kind.as_str(), field, said) {
        ("hide", Some(field), _) => Some(model::Consequence::Hide(field)),
        ("require", Some(field), _) => Some(model::Consequence::Require(field)),
        ("disable", Some(field), because) => Some(model::Consequence::Disable(model::Restriction {
            field,
            choice: maybe("consequence.choice", value.choice, LINE)?,
            because: because.unwrap_or_default(),
        })),
        ("notice", field, Some(said)) => Some(model::Consequence::Notice(model::Notice {
            field,
            text: said,
            links: list("consequence.links", value.links, ENTRIES, |link| {
                Ok(model::Link {
                    text: text("link.text", link.text, LINE)?,
                    url: text("link.url", link.url, URL)?,
                })
            })?
            .into_iter()
            .filter(|link| is_web(&link.url))
            .collect(),
        })),
        ("block", _, Some(why)) => Some(model::Consequence::Block(why)),
        _ => None,
    })
}

fn rule(value: channel::Rule) -> Result<Option<model::Rule>> {
    let conditions = list("rule.conditions", value.conditions, ENTRIES, |condition| {
        Ok(model::Condition {
            field: text("condition.field", condition.field, LINE)?,
            test: text("condition.test", condition.test, LINE)?,
            values: list("condition.values", condition.values, CHOICES, |it| {
                text("condition.values", it, LINE)
            })?,
        })
    })?;
    Ok(consequence(value.consequence)?.map(|consequence| model::Rule { conditions, consequence }))
}

fn media_rule(value: channel::MediaRule) -> Result<model::MediaRule> {
    Ok(model::MediaRule {
        role: text("media-rule.role", value.role, LINE)?,
        label: text("media-rule.label", value.label, LINE)?,
        minimum: value.minimum,
        maximum: value.maximum,
        content_types: lines("media-rule.content-types", value.content_types)?,
        max_size: value.max_size,
        min_duration: value.min_duration,
        max_duration: value.max_duration,
        needs_public_url: value.needs_public_url,
        fields: list("media-rule.fields", value.fields, ENTRIES, field)?,
        details: details("media-rule.details", value.details)?,
    })
}

fn post_kind(value: channel::PostKind) -> Result<model::PostKind> {
    let media = list("post-kind.media", value.media, ENTRIES, media_rule)?;
    let own = || media.iter().filter(|rule| rule.role == "media");
    // A limit that one of the rules does not have is none of the kind.
    let most = |limit: fn(&model::MediaRule) -> Option<u64>| {
        own().map(limit).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max())
    };
    Ok(model::PostKind {
        name: text("post-kind.name", value.name, LINE)?,
        label: text("post-kind.label", value.label, LINE)?,
        min_media: value.min_media,
        max_media: value.max_media,
        content_types: own().flat_map(|rule| rule.content_types.clone()).collect(),
        max_size: most(|rule| rule.max_size),
        max_duration: most(|rule| rule.max_duration),
        needs_public_url: own().any(|rule| rule.needs_public_url),
        media,
        max_parts: value.max_parts,
        details: details("post-kind.details", value.details)?,
    })
}

pub(crate) fn publish_form(value: channel::PublishForm) -> Result<model::PublishForm> {
    Ok(model::PublishForm {
        account_name: text("publish-form.account-name", value.account_name, LINE)?,
        account_avatar_url: web("publish-form.account-avatar-url", value.account_avatar_url)?,
        kinds: list("publish-form.kinds", value.kinds, ENTRIES, post_kind)?,
        fields: list("publish-form.fields", value.fields, ENTRIES, field)?,
        rules: list("publish-form.rules", value.rules, ENTRIES, rule)?.into_iter().flatten().collect(),
        quotas: list("publish-form.quotas", value.quotas, ENTRIES, |quota| {
            Ok(model::Quota {
                name: text("quota.name", quota.name, LINE)?,
                label: text("quota.label", quota.label, LINE)?,
                used: quota.used,
                maximum: quota.maximum,
                resets_at: quota.resets_at,
                cost: quota.cost,
                details: details("quota.details", quota.details)?,
            })
        })?,
        blocked: value.blocked.map(|error| model::BlockedForm(plain_error(error))),
        details: details("publish-form.details", value.details)?,
    })
}

pub(crate) fn findings(values: Vec<types::Finding>) -> Result<Vec<model::Finding>> {
    list("findings", values, ENTRIES, |finding| {
        Ok(model::Finding {
            severity: match finding.severity {
                types::Severity::Ok => model::Severity::Ok,
                types::Severity::Info => model::Severity::Info,
                types::Severity::Warning => model::Severity::Warning,
                types::Severity::Error => model::Severity::Error,
            },
            subject: text("finding.subject", finding.subject, LINE)?,
            message: text("finding.message", finding.message, TEXT)?,
            remedy: maybe("finding.remedy", finding.remedy, TEXT)?,
            code: maybe("finding.code", finding.code, LINE)?,
            details: details("finding.details", finding.details)?,
        })
    })
}

pub(crate) fn publish_step(value: channel::PublishStep) -> Result<PublishStep> {
    let next = match value.next {
        channel::NextStep::Proceed(channel::Effect::Safe) => NextStep::Proceed(Effect::Safe),
        channel::NextStep::Proceed(channel::Effect::Idempotent) => NextStep::Proceed(Effect::Idempotent),
        channel::NextStep::Proceed(channel::Effect::Once) => NextStep::Proceed(Effect::Once),
        channel::NextStep::Wait(wait) => NextStep::Wait(milliseconds(wait)),
        channel::NextStep::Published(recheck_after) => {
            NextStep::Published { recheck_after: recheck_after.map(milliseconds) }
        }
        channel::NextStep::Failed(error) => NextStep::Failed(plain_error(error)),
        channel::NextStep::Cancelled => NextStep::Cancelled,
        channel::NextStep::Unknown(error) => {
            NextStep::Unknown(plain_error(error).with_outcome(Outcome::Unknown))
        }
    };
    Ok(PublishStep {
        state: secret("publish-step.state", value.state, OPAQUE)?,
        reference: maybe("publish-step.reference", value.reference, LINE)?,
        phase: text("publish-step.phase", value.phase, LINE)?,
        bytes_sent: value.bytes_sent,
        bytes_total: value.bytes_total,
        publication: publication(value.publication)?,
        next,
    })
}

fn publication(value: channel::Publication) -> Result<model::Publication> {
    Ok(model::Publication {
        posts: list("publication.posts", value.posts, ENTRIES, |post| {
            Ok(model::PublishedPost {
                id: maybe("published-post.id", post.id, LINE)?,
                url: web("published-post.url", post.url)?,
                role: text("published-post.role", post.role, LINE)?,
                state: text("published-post.state", post.state, LINE)?,
                public_at: post.public_at,
                details: details("published-post.details", post.details)?,
            })
        })?,
        findings: findings(value.findings)?,
        details: details("publication.details", value.details)?,
    })
}

pub(crate) fn receipt(value: webhooks::Receipt) -> Result<Receipt> {
    let deliveries = list("receipt.deliveries", value.deliveries, limits::DELIVERIES, |delivery| {
        let event = match delivery.event {
            webhooks::Event::PublishChanged(it) => Event::PublishChanged {
                reference: text("publish-changed.reference", it.reference, LINE)?,
                account_id: maybe("publish-changed.account-id", it.account_id, LINE)?,
                evidence: secret("publish-changed.evidence", it.evidence, limits::EVIDENCE)?,
            },
            webhooks::Event::AccountRemoved(it) => Event::AccountRemoved {
                account_id: text("account-removed.account-id", it.account_id, LINE)?,
                at: it.at,
                reason: maybe("account-removed.reason", it.reason, TEXT)?,
            },
            webhooks::Event::Other(it) => Event::Other(text("notice.kind", it.kind, LINE)?),
            webhooks::Event::Ignored(why) => Event::Ignored(text("event.ignored", why, TEXT)?),
        };
        Ok(Delivery { id: text("delivery.id", delivery.id, LINE)?, event })
    })?;
    let response = value.response.map(|it| {
        let is_allowed = matches!(it.status, 200..=299 | 400..=499);
        Ok::<_, Error>(WebhookResponse {
            status: if is_allowed { it.status } else { 200 },
            content_type: text("response.content-type", it.content_type, LINE)?,
            body: blob("response.body", it.body, limits::WEBHOOK_RESPONSE)?,
        })
    });
    Ok(Receipt { deliveries, response: response.transpose()? })
}

pub(crate) fn guide(values: Vec<diagnostics::GuideStep>) -> Result<Vec<model::GuideStep>> {
    list("guide", values, ENTRIES, |step| {
        Ok(model::GuideStep {
            title: text("guide-step.title", step.title, LINE)?,
            body: text("guide-step.body", step.body, TEXT)?,
            copy: list("guide-step.copy", step.copy, ENTRIES, |it| {
                Ok(model::Copyable {
                    label: text("copyable.label", it.label, LINE)?,
                    value: text("copyable.value", it.value, TEXT)?,
                })
            })?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wit_error(kind: types::ErrorKind) -> types::Error {
        types::Error {
            kind,
            message: "no".to_owned(),
            remedy: Some("do".to_owned()),
            code: Some("code".to_owned()),
            field: Some("field".to_owned()),
            retry_after: Some(1500),
            trace_id: Some("log".to_owned()),
            details: Vec::new(),
        }
    }

    #[test]
    fn every_kind_arrives_as_itself() {
        use types::ErrorKind as Wit;
        for (wit, kind) in [
            (Wit::InvalidRequest, ErrorKind::InvalidRequest),
            (Wit::Misconfigured, ErrorKind::Misconfigured),
            (Wit::AuthorizationDenied, ErrorKind::AuthorizationDenied),
            (Wit::CredentialsExpired, ErrorKind::Unauthorized),
            (Wit::Unauthorized, ErrorKind::Unauthorized),
            (Wit::Forbidden, ErrorKind::Forbidden),
            (Wit::NotFound, ErrorKind::NotFound),
            (Wit::Rejected, ErrorKind::Rejected),
            (Wit::RateLimited, ErrorKind::RateLimited),
            (Wit::QuotaExceeded, ErrorKind::QuotaExceeded),
            (Wit::Unavailable, ErrorKind::Unavailable),
            (Wit::OutcomeUnknown, ErrorKind::OutcomeUnknown),
            (Wit::Unsupported, ErrorKind::Unsupported),
            (Wit::Other, ErrorKind::Other),
        ] {
            let expired = matches!(wit, Wit::CredentialsExpired);
            let error = call_error(wit_error(wit));
            assert_eq!(matches!(error, CallError::CredentialsExpired(_)), expired);
            let error = error.into_error();
            assert_eq!(error.kind, kind);
            let unknown = kind == ErrorKind::OutcomeUnknown;
            assert_eq!(error.outcome, Some(if unknown { Outcome::Unknown } else { Outcome::NotDone }));
            assert_eq!(error.retry_after, Some(Duration::from_millis(1500)));
            assert_eq!((error.code.as_deref(), error.field.as_deref()), (Some("code"), Some("field")));
            assert_eq!((error.remedy.as_deref(), error.trace_id.as_deref()), (Some("do"), Some("log")));
        }
    }

    #[test]
    fn error_texts_are_cut_and_cleaned() {
        let mut error = wit_error(types::ErrorKind::Other);
        error.message = format!("a\u{1b}[31m\u{202e}b\r\n{}", "x".repeat(1 << 20));
        error.code = Some("c\nd".to_owned());
        let error = call_error(error).into_error();
        assert!(error.message.starts_with("a[31mb\nx") && error.message.ends_with('…'), "{}", error.message);
        assert_eq!(error.message.chars().count(), limits::MESSAGE + 1);
        assert_eq!(error.code.unwrap(), "cd");
    }

    #[test]
    fn values_over_their_limit_name_themselves() {
        let mut step = channel::PublishStep {
            state: vec![0; OPAQUE],
            reference: None,
            phase: "uploading".to_owned(),
            bytes_sent: 0,
            bytes_total: 0,
            publication: channel::Publication {
                posts: Vec::new(),
                findings: Vec::new(),
                details: Vec::new(),
            },
            details: Vec::new(),
            next: channel::NextStep::Cancelled,
        };
        assert!(publish_step(step.clone()).is_ok());
        step.state.push(0);
        let error = publish_step(step).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ProviderFault);
        assert_eq!(error.field.as_deref(), Some("publish-step.state"));
        assert!(error.message.contains("65537") && error.message.contains("65536"), "{}", error.message);
    }
}

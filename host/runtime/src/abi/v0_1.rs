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
    NextStep, PublishStep, Receipt, Resume, WebhookRequest, WebhookResponse,
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
    }
}

pub(crate) fn query_in(query: &model::ListQuery) -> channel::ListQuery {
    channel::ListQuery { limit: query.limit, cursor: query.cursor.clone() }
}

pub(crate) fn post_in(post: &model::Post) -> channel::Post {
    let value = |value: &model::OptionValue| match value {
        model::OptionValue::Flag(flag) => channel::OptionValue::Flag(*flag),
        model::OptionValue::Number(number) => channel::OptionValue::Number(*number),
        model::OptionValue::Text(text) => channel::OptionValue::Text(text.clone()),
        model::OptionValue::Texts(texts) => channel::OptionValue::Texts(texts.clone()),
    };
    channel::Post {
        kind: post.kind.clone(),
        title: post.title.clone(),
        text: post.text.clone(),
        visibility: post.visibility.clone(),
        options: post
            .options
            .iter()
            .map(|(name, it)| channel::PostOption { name: name.clone(), value: value(it) })
            .collect(),
    }
}

pub(crate) fn resume_in(resume: Resume) -> channel::Resume {
    channel::Resume {
        interrupted: resume.interrupted,
        evidence: resume.evidence.map(|evidence| evidence.expose().to_vec()),
    }
}

pub(crate) fn webhook_in(request: WebhookRequest) -> webhooks::Request {
    let WebhookRequest { method, query, headers, body, received_at } = request;
    webhooks::Request { method, query, headers, body, received_at }
}

pub(crate) fn addresses_in(addresses: Addresses) -> diagnostics::Addresses {
    let Addresses { redirect_uri, webhook_url, media_prefix } = addresses;
    diagnostics::Addresses { redirect_uri, webhook_url, media_prefix }
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

fn setting(value: channel::Setting) -> Result<model::Setting> {
    Ok(model::Setting {
        name: text("setting.name", value.name, LINE)?,
        label: text("setting.label", value.label, LINE)?,
        help: maybe("setting.help", value.help, TEXT)?,
        kind: text("setting.kind", value.kind, LINE)?,
        choices: list("setting.choices", value.choices, CHOICES, |it| text("setting.choices", it, LINE))?,
        required: value.required,
        default_value: maybe("setting.default-value", value.default_value, TEXT)?,
    })
}

pub(crate) fn descriptor(value: channel::Descriptor) -> Result<model::Descriptor> {
    Ok(model::Descriptor {
        id: text("descriptor.id", value.id, LINE)?,
        name: text("descriptor.name", value.name, LINE)?,
        version: text("descriptor.version", value.version, LINE)?,
        abilities: lines("descriptor.abilities", value.abilities)?,
        settings: list("descriptor.settings", value.settings, ENTRIES, setting)?,
        connect_inputs: list("descriptor.connect-inputs", value.connect_inputs, ENTRIES, setting)?,
        scopes: list("descriptor.scopes", value.scopes, ENTRIES, |scope| {
            Ok(model::Scope {
                name: text("scope.name", scope.name, LINE)?,
                purpose: text("scope.purpose", scope.purpose, TEXT)?,
                abilities: lines("scope.abilities", scope.abilities)?,
            })
        })?,
        origins: lines("descriptor.origins", value.origins)?,
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
        avatar_url: web("connection.avatar-url", value.avatar_url)?,
        grant: maybe("connection.grant", value.grant, LINE)?,
        expires_at: value.expires_at,
        refresh_expires_at: value.refresh_expires_at,
        missing_scopes: lines("connection.missing-scopes", value.missing_scopes)?,
    })
}

pub(crate) fn connections(values: Vec<channel::Connection>) -> Result<Vec<Connection>> {
    list("connections", values, ENTRIES, connection)
}

pub(crate) fn connect_step(value: channel::ConnectStep) -> Result<ConnectStep> {
    Ok(match value {
        channel::ConnectStep::Redirect(redirect) => ConnectStep::Redirect {
            url: text("redirect.url", redirect.url, URL)?,
            session: secret("redirect.session", redirect.session, OPAQUE)?,
            expires_in: milliseconds(redirect.expires_in),
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
    })
}

fn metrics(name: &str, values: Vec<channel::Metric>) -> Result<Vec<model::Metric>> {
    list(name, values, ENTRIES, |metric| {
        Ok(model::Metric { name: text("metric.name", metric.name, LINE)?, value: metric.value })
    })
}

pub(crate) fn stats(value: channel::Stats) -> Result<model::Stats> {
    Ok(model::Stats {
        followers: value.followers,
        following: value.following,
        likes: value.likes,
        posts: value.posts,
        other: metrics("stats.other", value.other)?,
    })
}

fn post_summary(value: channel::PostSummary) -> Result<model::PostSummary> {
    Ok(model::PostSummary {
        id: text("post-summary.id", value.id, LINE)?,
        kind: text("post-summary.kind", value.kind, LINE)?,
        title: maybe("post-summary.title", value.title, TEXT)?,
        text: maybe("post-summary.text", value.text, TEXT)?,
        url: web("post-summary.url", value.url)?,
        embed_url: web("post-summary.embed-url", value.embed_url)?,
        cover_url: web("post-summary.cover-url", value.cover_url)?,
        created_at: value.created_at,
        duration: value.duration,
        width: value.width,
        height: value.height,
        stats: model::PostStats {
            views: value.stats.views,
            likes: value.stats.likes,
            comments: value.stats.comments,
            shares: value.stats.shares,
            other: metrics("post-stats.other", value.stats.other)?,
        },
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

fn option_value(value: channel::OptionValue) -> Result<model::OptionValue> {
    Ok(match value {
        channel::OptionValue::Flag(flag) => model::OptionValue::Flag(flag),
        channel::OptionValue::Number(number) => model::OptionValue::Number(number),
        channel::OptionValue::Text(it) => model::OptionValue::Text(text("option-value.text", it, TEXT)?),
        channel::OptionValue::Texts(texts) => {
            model::OptionValue::Texts(list("option-value.texts", texts, ENTRIES, |it| {
                text("option-value.texts", it, TEXT)
            })?)
        }
    })
}

fn form_field(value: channel::FormField) -> Result<model::FormField> {
    Ok(model::FormField {
        name: text("form-field.name", value.name, LINE)?,
        label: text("form-field.label", value.label, LINE)?,
        help: maybe("form-field.help", value.help, TEXT)?,
        kind: text("form-field.kind", value.kind, LINE)?,
        choices: list("form-field.choices", value.choices, CHOICES, |choice| {
            Ok(model::Choice {
                value: text("choice.value", choice.value, LINE)?,
                label: text("choice.label", choice.label, LINE)?,
            })
        })?,
        required: value.required,
        default_value: value.default_value.map(option_value).transpose()?,
        max_length: value
            .max_length
            .map(|limit| {
                let unit = text("text-limit.unit", limit.unit, LINE)?;
                Ok::<_, Error>(model::TextLimit { maximum: limit.maximum, unit })
            })
            .transpose()?,
        applies_to: lines("form-field.applies-to", value.applies_to)?,
    })
}

fn rule(value: channel::Rule) -> Result<model::Rule> {
    let consequence = match value.consequence {
        channel::Consequence::Hide(field) => model::Consequence::Hide(text("consequence.hide", field, LINE)?),
        channel::Consequence::Disable(it) => model::Consequence::Disable(model::Restriction {
            field: text("restriction.field", it.field, LINE)?,
            choice: maybe("restriction.choice", it.choice, LINE)?,
            because: text("restriction.because", it.because, TEXT)?,
        }),
        channel::Consequence::Notice(it) => model::Consequence::Notice(model::Notice {
            field: maybe("notice.field", it.field, LINE)?,
            text: text("notice.text", it.text, TEXT)?,
            links: list("notice.links", it.links, ENTRIES, |link| {
                Ok(model::Link {
                    text: text("link.text", link.text, LINE)?,
                    url: text("link.url", link.url, URL)?,
                })
            })?
            .into_iter()
            .filter(|link| is_web(&link.url))
            .collect(),
        }),
        channel::Consequence::Block(why) => model::Consequence::Block(text("consequence.block", why, TEXT)?),
    };
    let conditions = list("rule.conditions", value.conditions, ENTRIES, |condition| {
        Ok(model::Condition {
            field: text("condition.field", condition.field, LINE)?,
            values: list("condition.values", condition.values, CHOICES, |it| {
                text("condition.values", it, LINE)
            })?,
        })
    })?;
    Ok(model::Rule { conditions, consequence })
}

pub(crate) fn publish_form(value: channel::PublishForm) -> Result<model::PublishForm> {
    Ok(model::PublishForm {
        account_name: text("publish-form.account-name", value.account_name, LINE)?,
        account_avatar_url: web("publish-form.account-avatar-url", value.account_avatar_url)?,
        kinds: list("publish-form.kinds", value.kinds, ENTRIES, |kind| {
            Ok(model::PostKind {
                name: text("post-kind.name", kind.name, LINE)?,
                label: text("post-kind.label", kind.label, LINE)?,
                min_media: kind.min_media,
                max_media: kind.max_media,
                content_types: lines("post-kind.content-types", kind.content_types)?,
                max_size: kind.max_size,
                max_duration: kind.max_duration,
                needs_public_url: kind.needs_public_url,
            })
        })?,
        fields: list("publish-form.fields", value.fields, ENTRIES, form_field)?,
        rules: list("publish-form.rules", value.rules, ENTRIES, rule)?,
        quotas: list("publish-form.quotas", value.quotas, ENTRIES, |quota| {
            Ok(model::Quota {
                name: text("quota.name", quota.name, LINE)?,
                used: quota.used,
                maximum: quota.maximum,
                resets_at: quota.resets_at,
            })
        })?,
        blocked: value.blocked.map(|error| model::BlockedForm(plain_error(error))),
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
        })
    })
}

pub(crate) fn publish_step(value: channel::PublishStep) -> Result<PublishStep> {
    let next = match value.next {
        channel::NextStep::Proceed(channel::Effect::Repeatable) => NextStep::Proceed(Effect::Repeatable),
        channel::NextStep::Proceed(channel::Effect::Once) => NextStep::Proceed(Effect::Once),
        channel::NextStep::Wait(wait) => NextStep::Wait(milliseconds(wait)),
        channel::NextStep::Published(it) => NextStep::Published {
            publication: model::Publication {
                post_id: maybe("publication.post-id", it.post_id, LINE)?,
                url: web("publication.url", it.url)?,
            },
            recheck_after: it.recheck_after.map(milliseconds),
        },
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
        next,
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
            webhooks::Event::Ignored(why) => Event::Ignored(text("event.ignored", why, TEXT)?),
        };
        Ok(Delivery { id: text("delivery.id", delivery.id, LINE)?, event })
    })?;
    let response = value.response.map(|it| {
        Ok::<_, Error>(WebhookResponse {
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

//! What can be judged with the component alone: nothing can be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use social_channel_runtime::form;
use social_channel_runtime::model::{Field, ListQuery, Post};
use social_channel_runtime::{
    Account, Addresses, CallError, ConnectRequest, Event, Provider, Result, Resume, SecretBytes, SecretText,
    WebhookRequest,
};

use crate::description::Description;
use crate::report::Report;
use crate::rule::{DESCRIBE_IS_PURE, DESCRIPTOR_AGREES, FOREIGN_STATE, UNSIGNED_WEBHOOKS};
use crate::stage::Stage;

/// What each ability stands for.
const ABILITIES: [&str; 4] = ["profile", "stats", "list", "publish"];
/// Bytes that no provider made.
const FOREIGN: &[u8] = b"\xff\x00these bytes come from somewhere else";

/// Values for all settings, so that a provider goes as far as it can: the description's, or some.
pub(crate) fn some_settings(
    provider: &Provider,
    description: Option<&Description>,
) -> BTreeMap<String, String> {
    let value = |field: &Field| match field.kind.as_str() {
        "boolean" => "true".to_owned(),
        "number" | "decimal" | "date-time" => "1".to_owned(),
        "url" => "https://conformance.example".to_owned(),
        "choice" | "multi-choice" => field.choices.first().map(|it| it.value.clone()).unwrap_or_default(),
        "json" => "{}".to_owned(),
        "secret" => "secret-of-conformance-0001".to_owned(),
        _ => "setting-of-conformance".to_owned(),
    };
    let fields = provider.descriptor().settings.iter();
    let mut settings: BTreeMap<_, _> = fields.map(|field| (field.name.clone(), value(field))).collect();
    if let Some(description) = description {
        settings.extend(description.app.settings.clone());
    }
    settings
}

pub(crate) fn foreign_account() -> Account {
    Account {
        id: "account-of-conformance".to_owned(),
        credentials: SecretBytes::new(FOREIGN.to_vec()),
        scopes: Vec::new(),
    }
}

/// All of it.
pub(crate) async fn check(
    stage: &Stage,
    settings: &BTreeMap<String, String>,
    report: &mut Report,
) -> Result<()> {
    describe(stage, report).await;
    descriptor(stage, report);
    for settings in [settings, &BTreeMap::new()] {
        let bare = Stage::alone(&stage.provider, settings)?.noting_in(stage);
        foreign(&bare, report).await;
        if stage.provider.has_webhooks() {
            webhooks(&bare, report).await;
        }
        if stage.provider.has_diagnostics() {
            let addresses = Addresses {
                redirect_uri: "http://127.0.0.1:9123/callback".to_owned(),
                webhook_url: None,
                media_prefix: None,
            };
            let _ = bare.see("guide", stage.provider.guide(bare.cx("guide"), addresses.clone()).await);
            let checked = stage.provider.check_settings(bare.cx("check-settings"), addresses).await;
            let _ = bare.see("check-settings", checked);
        }
    }
    if !stage.provider.has_webhooks() {
        report.not_checked(|rule| rule.id == UNSIGNED_WEBHOOKS, "the provider has no webhooks");
    }
    Ok(())
}

async fn describe(stage: &Stage, report: &mut Report) {
    report.judged(DESCRIBE_IS_PURE);
    for what in ["with settings", "at another time"] {
        match stage.see("describe", stage.provider.describe(stage.cx("describe")).await) {
            Ok(again) if again == *stage.descriptor() => {}
            Ok(_) => report.broke(DESCRIBE_IS_PURE, format!("{what} it described itself otherwise")),
            Err(error) => report.broke(DESCRIBE_IS_PURE, format!("{what}: {}", error.into_error().message)),
        }
        stage.forward(Duration::from_secs(40 * 24 * 3600));
    }
    for (_, what) in stage.points.passed() {
        report.broke(DESCRIBE_IS_PURE, format!("it called {what}"));
    }
}

fn descriptor(stage: &Stage, report: &mut Report) {
    report.judged(DESCRIPTOR_AGREES);
    let descriptor = stage.descriptor();
    let mut broke = |seen: String| report.broke(DESCRIPTOR_AGREES, seen);
    let mut known = BTreeSet::new();
    for ability in &descriptor.abilities {
        if !ABILITIES.contains(&ability.as_str()) {
            broke(format!("`{ability}` is no ability; there are {}", ABILITIES.join(", ")));
        }
        if !known.insert(ability) {
            broke(format!("the ability `{ability}` is named twice"));
        }
    }
    for scope in &descriptor.scopes {
        if scope.purpose.trim().is_empty() {
            broke(format!("the scope `{}` says no purpose", scope.name));
        }
        for ability in scope.abilities.iter().filter(|ability| !known.contains(ability)) {
            broke(format!("the scope `{}` leads to `{ability}`, which is none of the abilities", scope.name));
        }
    }
    for field in descriptor.settings.iter().chain(&descriptor.connect_inputs) {
        if field.label.trim().is_empty() {
            broke(format!("the field `{}` has no label", field.name));
        }
        if field.required && !form::is_known(field) {
            broke(format!("the field `{}` is required, and no host draws a `{}`", field.name, field.kind));
        }
        if matches!(field.kind.as_str(), "choice" | "multi-choice") && field.choices.is_empty() {
            broke(format!("the field `{}` offers no choices", field.name));
        }
    }
}

/// Bytes that the provider did not make: an error, and no trap.
async fn foreign(stage: &Stage, report: &mut Report) {
    let (provider, account) = (&stage.provider, foreign_account());
    let bytes = SecretBytes::new(FOREIGN.to_vec());
    let request = ConnectRequest {
        state: SecretText::new("state-of-this-consent-0123456789"),
        redirect_uri: "http://127.0.0.1:9123/callback".to_owned(),
        choose_account: false,
        inputs: Vec::new(),
    };
    let _ = stage.see("begin-connect", provider.begin_connect(stage.cx("begin-connect"), request).await);
    let completed = provider.complete_connect(stage.cx("complete-connect"), &bytes, Vec::new()).await;
    report.judged(FOREIGN_STATE);
    if stage.see("complete-connect", completed).is_ok() {
        report.broke(FOREIGN_STATE, "complete-connect took a session that it did not make");
    }
    let fresh = provider.refresh_credentials(stage.cx("refresh-credentials"), &account).await;
    let _ = stage.see("refresh-credentials", fresh);
    let _ = stage.see("disconnect", provider.disconnect(stage.cx("disconnect"), &account).await);
    if stage.can("profile") {
        let _ = stage.see("get-profile", provider.get_profile(stage.cx("get-profile"), &account).await);
    }
    if stage.can("stats") {
        let _ = stage.see("get-stats", provider.get_stats(stage.cx("get-stats"), &account).await);
    }
    if stage.can("list") {
        let query = ListQuery { limit: 0, cursor: Some("\u{0}".to_owned()) };
        let _ = stage.see("list-posts", provider.list_posts(stage.cx("list-posts"), &account, &query).await);
        let ids = [String::new(), "x".repeat(2_000)];
        let _ = stage.see("get-posts", provider.get_posts(stage.cx("get-posts"), &account, &ids).await);
    }
    if stage.can("publish") {
        let form = provider.get_publish_form(stage.cx("get-publish-form"), &account).await;
        let _ = stage.see("get-publish-form", form);
        let empty = Post::default();
        let _ = stage.see("check-post", provider.check_post(stage.cx("check-post"), &account, &empty).await);
        let begun = provider.begin_publish(stage.cx("begin-publish"), &account, &empty).await;
        let _ = stage.see("begin-publish", begun);
        foreign_state(stage, report, &account).await;
    }
}

/// A state that the provider did not make, as from another version of it.
pub(crate) async fn foreign_state(
    stage: &Stage,
    report: &mut Report,
    account: &Account,
) -> Option<CallError> {
    let bytes = SecretBytes::new(FOREIGN.to_vec());
    let (provider, post) = (&stage.provider, Post { kind: "text".to_owned(), ..Post::default() });
    let mut error = None;
    for interrupted in [false, true] {
        let resume = || Resume { interrupted, evidence: None };
        let cx = stage.cx("continue-publish");
        let went_on = provider.continue_publish(cx, account, &post, &bytes, resume()).await;
        match stage.see("continue-publish", went_on) {
            Ok(_) => report.broke(FOREIGN_STATE, "continue-publish took a state that it did not make"),
            Err(other) => error = Some(other),
        }
        let cx = stage.cx("cancel-publish");
        let cancelled = provider.cancel_publish(cx, account, &post, &bytes, resume()).await;
        if stage.see("cancel-publish", cancelled).is_ok() {
            report.broke(FOREIGN_STATE, "cancel-publish took a state that it did not make");
        }
    }
    error
}

async fn webhooks(stage: &Stage, report: &mut Report) {
    report.judged(UNSIGNED_WEBHOOKS);
    for body in ["", "{}", "{\"event\": \"authorization.removed\", \"account\": \"1\"}", "\u{ff}"] {
        let request = WebhookRequest {
            method: "POST".to_owned(),
            url: "https://conformance.example/webhooks/1".to_owned(),
            query: Vec::new(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
            received_at: 1_800_000_000,
        };
        let received = stage.provider.receive_webhook(stage.cx("receive"), request).await;
        if let Ok(receipt) = stage.see("receive", received) {
            let events =
                receipt.deliveries.iter().filter(|it| !matches!(it.event, Event::Ignored(_))).count();
            if events > 0 {
                report.broke(
                    UNSIGNED_WEBHOOKS,
                    format!("{events} events came of a request without a signature"),
                );
            } else if !receipt.deliveries.is_empty() {
                report.broke(UNSIGNED_WEBHOOKS, "a request without a signature was called genuine");
            }
        }
    }
}

//! Settings → API integration → a provider: one form for each mode, built from the provider's settings. Each
//! mode is a separate registration at the network, so each is an app with its own keys. Saving
//! runs the checks.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::form as forms;
use social_channel::model::{Choice, Descriptor, Field, Finding};
use social_channel::{App, AppConfig, Error, ErrorKind, Listing, ShownSetting};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::{Path, Query};
use crate::problem::Problem;

/// The setting that distinguishes registrations of one provider, if it has one.
const MODE: &str = "mode";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/integration/{provider}", get(show).post(save))
        .route("/settings/apps/{app}/delete", post(delete))
}

#[derive(Deserialize)]
struct Named {
    provider: String,
}

#[derive(Deserialize)]
struct NamedApp {
    app: String,
}

#[derive(Default, Deserialize)]
struct Asked {
    mode: Option<String>,
    saved: Option<String>,
    checks: Option<String>,
}

/// The label of an app on the pages: its mode, or its name.
pub(super) fn label(app: &App) -> String {
    mode_of(app).map_or_else(|| app.id.clone(), part::words)
}

/// The settings that an app lacks, as its form names them.
pub(super) fn missing(app: &App) -> String {
    let label = |name: &String| {
        let shown = app.settings.iter().find(|shown| shown.setting.name == *name);
        shown.map_or_else(|| part::words(name), |shown| shown.setting.label.clone())
    };
    app.missing_settings.iter().map(label).collect::<Vec<_>>().join(", ")
}

/// The URL of an app's form.
pub(super) fn url(app: &App) -> String {
    let provider = part::encoded(&app.provider);
    match mode_of(app) {
        Some(mode) => format!("/settings/integration/{provider}?mode={}", part::encoded(mode)),
        None => format!("/settings/integration/{provider}"),
    }
}

fn mode_of(app: &App) -> Option<&str> {
    let mode = app.settings.iter().find(|shown| shown.setting.name == MODE && shown.setting.kind == "choice");
    mode.and_then(|shown| shown.value.as_deref())
}

fn modes(descriptor: &Descriptor) -> &[Choice] {
    let mode = descriptor.settings.iter().find(|setting| setting.name == MODE && setting.kind == "choice");
    mode.map_or(&[], |setting| setting.choices.as_slice())
}

async fn descriptor(state: &State, provider: &str) -> Result<Descriptor, Problem> {
    let found = state
        .host()
        .providers_now()
        .await?
        .into_iter()
        .find(|found| found.installed && found.descriptor.id == provider);
    let missing = || {
        Error::new(ErrorKind::NotFound, format!("no provider {provider} is installed"))
            .with_remedy("install it under Settings, Providers")
    };
    Ok(found.ok_or_else(missing)?.loaded()?.descriptor)
}

/// The app of a provider and a mode, and the name for a new app if there is none.
async fn find(
    state: &State,
    descriptor: &Descriptor,
    mode: Option<&str>,
) -> Result<(String, Option<App>), Problem> {
    let apps = state.host().apps_now().await?;
    let mut own = apps.into_iter().filter(|app| app.provider == descriptor.id && mode_of(app) == mode);
    let name = mode.map_or_else(|| descriptor.id.clone(), |mode| format!("{}-{mode}", descriptor.id));
    let found = own.next();
    Ok((found.as_ref().map_or(name, |app| app.id.clone()), found))
}

/// One page of the form.
struct Page<'a> {
    descriptor: &'a Descriptor,
    mode: Option<&'a str>,
    app: Option<&'a App>,
    callback: Option<String>,
    /// The submitted form, if it was refused.
    typed: Option<&'a Form>,
    error: Option<&'a Error>,
    saved: bool,
    findings: Option<&'a [Finding]>,
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { provider }): Path<Named>,
    Query(asked): Query<Asked>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let descriptor = descriptor(&state, &provider).await?;
    let mode = chosen(&descriptor, asked.mode.as_deref());
    let (name, app) = find(&state, &descriptor, mode.as_deref()).await?;
    let saved = asked.saved.is_some();
    let findings = match &app {
        Some(app) if saved || asked.checks.is_some() => {
            Some(crate::site::Site::of(state.host()).check_settings(&app.id).await?)
        }
        _ => None,
    };
    let page = Page {
        descriptor: &descriptor,
        mode: mode.as_deref(),
        callback: callback(&state, &name, app.as_ref()),
        app: app.as_ref(),
        typed: None,
        error: None,
        saved,
        findings: findings.as_deref(),
    };
    Ok(frame.page(Section::Settings, &descriptor.name, &[], &draw(&frame, &page)))
}

/// Users start with a sandbox, so it comes first if there is one.
fn chosen(descriptor: &Descriptor, asked: Option<&str>) -> Option<String> {
    let modes = modes(descriptor);
    let named = |name: &str| modes.iter().find(|mode| mode.value == name);
    let chosen = asked.and_then(named).or_else(|| named("sandbox")).or_else(|| modes.first())?;
    Some(chosen.value.clone())
}

fn callback(state: &State, name: &str, app: Option<&App>) -> Option<String> {
    let own = app.and_then(|app| app.redirect_uri.clone());
    own.or_else(|| state.host().callback_url(name))
}

fn draw(frame: &Frame, page: &Page<'_>) -> Markup {
    let Page { descriptor, mode, app, .. } = *page;
    let here = format!("/settings/integration/{}", part::encoded(&descriptor.id));
    let shown = descriptor.settings.iter().filter(|setting| setting.name != MODE || mode.is_none());
    let (first, more): (Vec<&Field>, Vec<&Field>) = shown.partition(|setting| comes_first(setting));
    html! {
        h1 { "Settings" }
        (settings_tabs("/settings"))
        nav.crumbs aria-label="Path" { a href="/settings" { "API integration" } " / " (descriptor.name) }
        h2 { (descriptor.name) }
        @if modes(descriptor).len() > 1 {
            p { "Each mode is a separate registration, with its own keys and its own list of callback URLs." }
            nav.tabs aria-label="Mode" {
                @for one in modes(descriptor) {
                    a href={(here) "?mode=" (part::encoded(&one.value))} aria-current=[(Some(one.value.as_str()) == mode).then_some("page")] { (words_of(one)) }
                }
            }
        }
        @if page.saved { div.note.good role="status" { p { strong { "Saved." } " The checks below ran just now." } } }
        @if let Some(error) = page.error { (part::failure(error)) }
        div.columns {
            section.card aria-labelledby="keys" {
                h3 id="keys" { "Keys" @if let Some(mode) = mode { " (" (mode) ")" } }
                form method="post" action=(here) {
                    (frame.token())
                    @if let Some(mode) = mode { input type="hidden" name="mode" value=(mode); }
                    ol.path {
                        li { h4 { "Register this callback" } (callback_field(page)) }
                        li { h4 { "Paste what the app page shows" } @for setting in first { (field(setting, page)) } }
                    }
                    @if !more.is_empty() {
                        details open[more.iter().any(|setting| is_wrong(page, &setting.name))] {
                            summary { "More settings" }
                            @for setting in more { (field(setting, page)) }
                        }
                    }
                    (listing(page))
                    button.main type="submit" { "Save" }
                }
            }
            div {
                @if let Some(findings) = page.findings {
                    section.card aria-labelledby="checks" {
                        h3 id="checks" { "Checks" }
                        (part::findings(&labelled(findings, descriptor), &|subject| place(descriptor, subject)))
                    }
                }
                @if let Some(app) = app {
                    section.card aria-labelledby="next" {
                        h3 id="next" { "Next" }
                        ul.plainlist {
                            li { a href={"/settings/apps/" (part::encoded(&app.id)) "/guide"} { "Setup guide, checks and review kit" } }
                            li { a href={"/channels/add/" (part::encoded(&app.id))} { "Add channel" } }
                        }
                        details {
                            summary { "About this app" }
                            dl.facts {
                                div { dt { "Name" } dd { code { (app.id) } } }
                                div { dt { "Component" } dd { code.long { (app.digest) } } }
                                @if let Some(tenant) = &app.tenant { div { dt { "Tenant" } dd { code { (tenant) } } } }
                                div { dt { "May contact" } dd { @for origin in &app.origins { code { (origin) } br; } } }
                            }
                            form method="post" action={"/settings/apps/" (part::encoded(&app.id)) "/delete"} {
                                (frame.token())
                                button.danger type="submit" data-confirm="Delete this app and its keys?" { "Delete app" }
                            }
                        }
                    }
                } @else {
                    section.card {
                        h3 { "Where do the keys come from?" }
                        p { "Register an app at " (descriptor.name) ", enter the callback URL there, and copy its keys into this form. After saving, the setup guide shows every step, with the values to copy." }
                    }
                }
            }
        }
    }
}

/// What cannot be left out, and what an app is: the rest has a default or comes later.
fn comes_first(setting: &Field) -> bool {
    setting.required || setting.kind == "choice"
}

fn is_wrong(page: &Page<'_>, name: &str) -> bool {
    page.error.is_some_and(|error| error.field.as_deref() == Some(name))
}

/// Where on the page something that a check named is changed.
pub(super) fn place(descriptor: &Descriptor, subject: &str) -> Option<String> {
    let listed = LISTING.iter().map(|(name, _)| *name).find(|name| name.replace('_', "-") == subject);
    match subject {
        "redirect-uri" => Some("#redirect_uri".to_owned()),
        "listing" => Some("#listing".to_owned()),
        _ if listed.is_some() => listed.map(|name| format!("#{name}")),
        _ => descriptor.settings.iter().any(|it| it.name == subject).then(|| format!("#s-{subject}")),
    }
}

/// What a check found, with the settings named as the form names them.
pub(super) fn labelled(findings: &[Finding], descriptor: &Descriptor) -> Vec<Finding> {
    let mut findings = findings.to_vec();
    for finding in &mut findings {
        for Field { name, label, .. } in &descriptor.settings {
            finding.message = finding.message.replace(&format!("`{name}`"), &format!("`{label}`"));
        }
    }
    findings
}

/// The label of a choice. One that is its own label is made readable.
fn words_of(choice: &Choice) -> String {
    if choice.label == choice.value { part::words(&choice.value) } else { choice.label.clone() }
}

/// As `words_of`; a permission is named by what it is for.
fn label_of(choice: &Choice, page: &Page<'_>) -> Markup {
    if choice.label == choice.value {
        html! { (part::scope(&choice.value, &page.descriptor.scopes)) }
    } else {
        html! { (choice.label) }
    }
}

fn field(setting: &Field, page: &Page<'_>) -> Markup {
    let id = format!("s-{}", setting.name);
    let name = format!("s.{}", setting.name);
    let shown = page.app.and_then(|app| app.settings.iter().find(|shown| shown.setting.name == setting.name));
    let value = value(setting, shown, page.typed);
    let wrong = page.error.filter(|error| error.field.as_deref() == Some(setting.name.as_str()));
    let help_id = format!("{id}-help");
    let has_help = setting.help.is_some() || wrong.is_some();
    let described = has_help.then_some(help_id.as_str());
    let invalid = wrong.map(|_| "true");
    html! {
        @let help = html! {
            @if has_help {
                p.help id=(help_id) {
                    @if let Some(help) = &setting.help { (help) }
                    @if let Some(error) = wrong { strong.wrong { " " (part::sentence(&error.message)) } }
                }
            }
        };
        @match setting.kind.as_str() {
            "text-list" | "multi-choice" if !setting.choices.is_empty() => {
                @let lines: Vec<&str> = value.lines().collect();
                fieldset.field id=(id) aria-describedby=[described] {
                    legend { (setting.label) }
                    input type="hidden" name=(name) value="";
                    @for choice in &setting.choices {
                        label.check { input type="checkbox" name=(name) value=(choice.value) checked[lines.contains(&choice.value.as_str())]; span { (label_of(choice, page)) } }
                    }
                    @let others: Vec<&str> = lines.iter().copied().filter(|line| !setting.choices.iter().any(|choice| choice.value == *line)).collect();
                    @if !others.is_empty() {
                        label for={(id) "-others"} { "Others, one a line" }
                        textarea id={(id) "-others"} name=(name) rows="2" { (others.join("\n")) }
                    }
                    (help)
                }
            }
            kind => {
                div.field {
                    label for=(id) { (setting.label) @if setting.required { span.need { " (required)" } } }
                    @match kind {
                        "secret" => {
                            input id=(id) name=(name) type="password" autocomplete="off" spellcheck="false"
                                placeholder=[shown.and_then(|shown| shown.value.as_deref())]
                                required[setting.required && shown.is_none_or(|shown| shown.value.is_none())]
                                aria-describedby=[described] aria-invalid=[invalid];
                            @if shown.is_some_and(|shown| shown.value.is_some()) { p.help { "Kept, and never shown again. Leave it empty to keep it." } }
                        }
                        "choice" => {
                            select id=(id) name=(name) aria-describedby=[described] aria-invalid=[invalid] {
                                @if setting.default_value.is_none() { option value="" { "Not set" } }
                                @for choice in &setting.choices { option value=(choice.value) selected[choice.value == value] { (words_of(choice)) } }
                            }
                        }
                        "boolean" => {
                            select id=(id) name=(name) aria-describedby=[described] aria-invalid=[invalid] {
                                @for (word, text) in [("", "Not known"), ("true", "Yes"), ("false", "No")] { option value=(word) selected[word == value] { (text) } }
                            }
                        }
                        "text-list" | "multi-choice" | "multiline" | "json" => textarea id=(id) name=(name) rows="3" spellcheck="false" aria-describedby=[described] aria-invalid=[invalid] { (value) },
                        kind => {
                            input id=(id) name=(name) type=(if kind == "url" { "url" } else { "text" }) value=(value)
                                required[setting.required] autocomplete="off" spellcheck="false"
                                aria-describedby=[described] aria-invalid=[invalid];
                        }
                    }
                    (help)
                }
            }
        }
    }
}

/// The value of a field: the submitted one, otherwise the stored one.
fn value(setting: &Field, shown: Option<&ShownSetting>, typed: Option<&Form>) -> String {
    if let Some(form) = typed {
        let name = format!("s.{}", setting.name);
        return form.all(&name).filter(|value| !value.is_empty()).collect::<Vec<_>>().join("\n");
    }
    let own = shown.and_then(|shown| shown.value.clone());
    own.or_else(|| setting.default_value.as_ref().map(forms::text)).unwrap_or_default()
}

fn callback_field(page: &Page<'_>) -> Markup {
    let typed = page.typed.and_then(|form| form.get("redirect_uri"));
    let wrong = page.error.filter(|error| error.field.as_deref() == Some("redirect-uri"));
    html! {
        div.field {
            label for="redirect_uri" { "Callback URL" }
            div.withbutton {
                input id="redirect_uri" name="redirect_uri" type="text" value=[typed.or(page.callback.as_deref())] spellcheck="false"
                    aria-describedby="redirect-help" aria-invalid=[wrong.map(|_| "true")];
                button.plain type="button" data-copy-from="redirect_uri" hidden { "Copy" span.hidden { " callback URL" } }
            }
            p.help id="redirect-help" {
                "Computed from the address of this service. Register exactly this at " (page.descriptor.name) ": every letter and slash counts."
                @if let Some(error) = wrong { strong.wrong { " " (part::sentence(&error.message)) } }
            }
        }
    }
}

/// The addresses entered in the network's portal: the service opens them as a reviewer would.
const LISTING: [(&str, &str); 4] = [
    ("website_url", "Website"),
    ("privacy_url", "Privacy policy"),
    ("terms_url", "Terms of service"),
    ("icon_url", "Icon"),
];

fn listing(page: &Page<'_>) -> Markup {
    let set = page.app.map(|app| &app.listing);
    let value = |name: &str| match page.typed {
        Some(form) => form.get(name),
        None => set.and_then(|set| match name {
            "website_url" => set.website_url.as_deref(),
            "privacy_url" => set.privacy_url.as_deref(),
            "terms_url" => set.terms_url.as_deref(),
            _ => set.icon_url.as_deref(),
        }),
    };
    html! {
        details id="listing" open[LISTING.iter().any(|(name, _)| is_wrong(page, &name.replace('_', "-")))] {
            summary { "Website and legal links" }
            p.help { "What you entered at " (page.descriptor.name) ". They are opened as a reviewer would, and only checked." }
            @for (name, label) in LISTING {
                div.field {
                    label for=(name) { (label) }
                    input id=(name) name=(name) type="url" value=[value(name)] placeholder="https://" spellcheck="false";
                }
            }
        }
    }
}

async fn save(
    Shared(state): Shared<State>,
    operator: Operator,
    Path(Named { provider }): Path<Named>,
    form: Form,
) -> Answer {
    let descriptor = descriptor(&state, &provider).await?;
    let mode = chosen(&descriptor, form.get("mode"));
    let (name, app) = find(&state, &descriptor, mode.as_deref()).await?;
    let computed = callback(&state, &name, app.as_ref());
    let config = config(&descriptor, mode.as_deref(), &form, app.as_ref(), computed.as_deref());
    let saved = match nothing_ticked(&descriptor, &form) {
        Some(error) => Err(error),
        None => state.host().put_app(&name, config).await,
    };
    let error = match saved {
        Ok(app) => {
            let at = url(&app);
            let mark = if at.contains('?') { '&' } else { '?' };
            return Ok(Redirect::to(&format!("{at}{mark}saved=1")).into_response());
        }
        Err(error)
            if matches!(
                error.kind,
                ErrorKind::InvalidRequest | ErrorKind::Misconfigured | ErrorKind::Unavailable
            ) =>
        {
            error
        }
        Err(error) => return Err(error.into()),
    };
    let frame = Frame::new(&state, &operator.0).await?;
    let page = Page {
        descriptor: &descriptor,
        mode: mode.as_deref(),
        callback: computed,
        app: app.as_ref(),
        typed: Some(&form),
        error: Some(&error),
        saved: false,
        findings: None,
    };
    let body = draw(&frame, &page);
    Ok(frame.page_at(StatusCode::BAD_REQUEST, Section::Settings, &descriptor.name, &[], &body))
}

/// A list whose default has lines cannot be empty: without a line it is the default again.
fn nothing_ticked(descriptor: &Descriptor, form: &Form) -> Option<Error> {
    let list = descriptor.settings.iter().find(|setting| {
        let has_default = setting.default_value.as_ref().is_some_and(|lines| !forms::text(lines).is_empty());
        let is_list = setting.kind == "text-list" && !setting.choices.is_empty();
        let name = format!("s.{}", setting.name);
        let is_sent = form.get(&name).is_some();
        is_list && has_default && is_sent && form.all(&name).all(|value| value.trim().is_empty())
    })?;
    Some(
        Error::new(ErrorKind::InvalidRequest, format!("nothing is chosen under “{}”", list.label))
            .with_field(&list.name)
            .with_remedy("choose at least one"),
    )
}

/// The app configuration from the form.
fn config(
    descriptor: &Descriptor,
    mode: Option<&str>,
    form: &Form,
    app: Option<&App>,
    computed: Option<&str>,
) -> AppConfig {
    let mut settings = BTreeMap::new();
    for setting in &descriptor.settings {
        let name = format!("s.{}", setting.name);
        let values: Vec<&str> = form.all(&name).collect();
        if values.is_empty() {
            continue;
        }
        let value = values
            .into_iter()
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect::<Vec<_>>()
            .join("\n");
        // An empty secret means that it was not entered again.
        if setting.kind == "secret" && value.is_empty() {
            continue;
        }
        settings.insert(setting.name.clone(), value.as_str().into());
    }
    if let Some(mode) = mode {
        settings.insert(MODE.to_owned(), mode.into());
    }
    // The computed URL is not stored, so that it follows the public address.
    let redirect_uri =
        form.get("redirect_uri").map(str::trim).filter(|uri| !uri.is_empty() && Some(*uri) != computed);
    let own = |name: &str| form.get(name).map(str::to_owned);
    let listing = Listing {
        website_url: own("website_url"),
        privacy_url: own("privacy_url"),
        terms_url: own("terms_url"),
        icon_url: own("icon_url"),
        // Domain records are edited in the setup guide.
        domain_records: app.map(|app| app.listing.domain_records.clone()).unwrap_or_default(),
    };
    AppConfig {
        listing: Some(listing),
        provider: app.is_none().then(|| descriptor.id.clone()),
        settings,
        redirect_uri: redirect_uri.map(str::to_owned),
        ..AppConfig::default()
    }
}

async fn delete(
    Shared(state): Shared<State>,
    _: Operator,
    Path(NamedApp { app }): Path<NamedApp>,
    _: Form,
) -> Answer {
    state.host().delete_app(&app).await?;
    Ok(Redirect::to("/settings").into_response())
}

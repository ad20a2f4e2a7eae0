//! Settings → Providers: the installed components, and installing or replacing one.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::{Markup, html};
use social_channel::{
    App, AppConfig, Digest, Error, ErrorKind, InstallOptions, Policy, ProviderInfo, ProviderOrigin,
    UpgradeReport, UpgradeSide, component_name,
};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::part;
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;

/// Where a component that comes with the service is installed from, besides the page of providers.
pub(super) const OVERVIEW: &str = "overview";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/providers", get(show))
        .route("/settings/providers/shipped", post(install_shipped))
        .route("/settings/providers/fetch", post(fetch))
        .route("/settings/providers/{provider}/check", post(check))
        .route("/settings/providers/{provider}/update", post(update))
        .route("/settings/providers/{provider}/rollback", post(roll_back))
        .route("/settings/providers/{provider}/remove", post(remove))
        .route("/settings/apps/{app}/grant", post(grant))
}

#[derive(serde::Deserialize)]
struct Named {
    provider: String,
}

#[derive(serde::Deserialize)]
struct NamedApp {
    app: String,
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let providers = state.host().providers_now().await?;
    let apps = state.host().apps_now().await?;
    let shipped = shipped(&state, &providers).await;
    let body = html! {
        h1 { "Settings" }
        (settings_tabs("/settings/providers"))
        h2 { "Providers" }
        p { "A provider is a WebAssembly component for one social network. It can reach only the origins that you grant, and nothing else on this machine." }
        @if !shipped.is_empty() {
            section.card aria-labelledby="shipped" {
                h3 id="shipped" { "Comes with this service" }
                @for component in &shipped { (offer(&frame, component, providers.is_empty(), "")) }
            }
        }
        @if providers.is_empty() { p.quiet { "None is installed." } }
        @for provider in &providers { (card(&frame, provider, &providers, &apps)) }
        section.card aria-labelledby="install" {
            h3 id="install" { "Install or replace" }
            form id="install-form" data-upload="/api/v1/providers" {
                div.field {
                    label for="component" { "Component (.wasm)" }
                    input id="component" type="file" accept=".wasm,application/wasm" required;
                    p.help { "A newer component of an installed provider takes its place. Running calls and open jobs finish with the component that started them." }
                }
                button.main type="submit" { "Install" }
            }
            div id="install-answer" role="status" {}
            form.next method="post" action="/settings/providers/fetch" {
                (frame.token())
                div.field {
                    label for="reference" { "From a registry" }
                    input id="reference" name="reference" required placeholder="ghcr.io/acme/bluesky:1.2" autocomplete="off" spellcheck="false";
                    p.help { "An image in an OCI registry, or an https address. Who may sign is set by " code { "--providers" } ", or by " code { "providers" } " in the configuration." }
                }
                button type="submit" { "Fetch and install" }
            }
            noscript { p.note.info { "Without scripts, install from the command line: " code { "social-channel providers add FILE" } } }
        }
    };
    Ok(frame.page(Section::Settings, "Providers", &["provider.js"], &body))
}

/// A component in the folder of the configuration that is not installed as it is.
pub(super) struct Shipped {
    file: String,
    name: String,
    replaces: bool,
}

/// The button that installs it, and leads back to the Overview if it was pressed there.
pub(super) fn offer(frame: &Frame, component: &Shipped, is_main: bool, back: &str) -> Markup {
    html! {
        form.headline method="post" action="/settings/providers/shipped" {
            (frame.token())
            input type="hidden" name="file" value=(component.file);
            input type="hidden" name="back" value=(back);
            span { (component.name) }
            button.main[is_main] type="submit" {
                @if component.replaces { "Replace" } @else { "Install" } span.hidden { " " (component.name) }
            }
        }
    }
}

/// A folder that cannot be read offers nothing.
pub(super) async fn shipped(state: &State, installed: &[ProviderInfo]) -> Vec<Shipped> {
    let Some(folder) = &state.config().component_folder else { return Vec::new() };
    let Ok(mut files) = tokio::fs::read_dir(folder).await else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(file)) = files.next_entry().await {
        let file = file.file_name().to_string_lossy().into_owned();
        let Some(id) = shipped_provider(&file) else { continue };
        let Ok(bytes) = tokio::fs::read(folder.join(&file)).await else { continue };
        let digest = Digest::of(&bytes);
        let current = installed.iter().find(|provider| provider.installed && provider.descriptor.id == id);
        if current.is_none_or(|provider| provider.digest != digest) {
            let known = current.map(|provider| provider.descriptor.name.clone());
            let name = known.or_else(|| component_name(&bytes)).unwrap_or(id);
            found.push(Shipped { file, name, replaces: current.is_some() });
        }
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    found
}

/// The provider's id in `plugin_ID.wasm`.
fn shipped_provider(file: &str) -> Option<String> {
    Some(file.strip_prefix("plugin_")?.strip_suffix(".wasm")?.replace('_', "-"))
}

async fn install_shipped(Shared(state): Shared<State>, _: Operator, form: Form) -> Answer {
    let named = form.get("file").unwrap_or_default();
    let folder = state.config().component_folder.as_ref();
    // A name, so that nothing else of this machine can be read.
    let is_name = shipped_provider(named).is_some() && !named.contains(['/', '\\']);
    let file = folder.filter(|_| is_name).map(|folder| folder.join(named));
    let missing = || {
        Error::new(ErrorKind::NotFound, "no such component comes with this service")
            .with_remedy("go back to Settings, Providers, and choose one that is listed")
    };
    let bytes = tokio::fs::read(file.ok_or_else(missing)?).await.map_err(|_| missing())?;
    state.host().load_provider(&bytes).await?;
    let back = if form.get("back") == Some(OVERVIEW) { "/" } else { "/settings/providers" };
    Ok(Redirect::to(back).into_response())
}

fn card(frame: &Frame, provider: &ProviderInfo, all: &[ProviderInfo], apps: &[App]) -> Markup {
    let descriptor = &provider.descriptor;
    let newer = all.iter().find(|other| {
        other.installed && other.descriptor.id == descriptor.id && other.digest != provider.digest
    });
    html! {
        section.card {
            h3 {
                (descriptor.name) " " span.quiet { (descriptor.version) } " "
                @if provider.installed { span.badge.good { "Installed" } } @else { span.badge.quiet { "Older, still in use" } }
            }
            @if let Some(error) = &provider.error {
                div.note.bad role="alert" {
                    p { strong { "It cannot be used: " (part::sentence(&error.message)) } }
                    @if let Some(remedy) = &error.remedy { p { (part::sentence(remedy)) } }
                }
            }
            dl.facts {
                div { dt { "Abilities" } dd { (descriptor.abilities.iter().map(|ability| part::words(ability)).collect::<Vec<_>>().join(", ")) } }
                div { dt { "May contact" } dd { @for origin in &descriptor.origins { code { (origin) } br; } } }
                div { dt { "Apps" } dd { @if provider.apps.is_empty() { "none" } @else { (provider.apps.join(", ")) } } }
                @if let Some(origin) = &provider.origin { (came(origin)) }
            }
            details { summary { "Component" span.hidden { " of " (descriptor.name) " " (descriptor.version) } }
                dl.facts {
                    div { dt { "Size" } dd { (part::bytes(provider.size)) } }
                    div { dt { "Digest" } dd { code.long { (provider.digest) } } }
                    div { dt { "Implements" } dd { @for name in &provider.interfaces { code { (name) } br; } } }
                    div { dt { "Needs" } dd { @for name in &provider.imports { code { (name) } br; } } }
                }
            }
            @if let Some(newer) = newer {
                @for app in apps.iter().filter(|app| app.digest == provider.digest) {
                    (waiting(frame, app, newer))
                }
            }
            @if provider.installed { (ways(frame, provider)) }
            @if provider.installed && provider.apps.is_empty() {
                form method="post" action={"/settings/providers/" (part::encoded(&descriptor.id)) "/remove"} {
                    (frame.token())
                    button.danger type="submit" data-confirm="Remove this provider?" { "Remove" span.hidden { " " (descriptor.name) } }
                }
            }
        }
    }
}

/// Where it came from and who signed it.
fn came(origin: &ProviderOrigin) -> Markup {
    html! {
        div { dt { "Comes from" } dd { @match &origin.reference { Some(reference) => code.long { (reference) }, None => "a file" } } }
        div { dt { "Signed by" } dd { (signed(origin)) } }
    }
}

fn signed(origin: &ProviderOrigin) -> Markup {
    html! {
        @match &origin.signer {
            Some(signer) if signer.identity.is_some() => {
                (signer.name) " "
                @for word in [&signer.identity, &signer.issuer].into_iter().flatten() { code { (word) } " " }
            }
            Some(signer) => { (signer.name) " " code { (signer.key.get(..12).unwrap_or(&signer.key)) } }
            None if origin.signed => "somebody who is not trusted here",
            None => "nobody",
        }
    }
}

/// Forward, where its origin is known, and back, where an earlier component is kept.
fn ways(frame: &Frame, provider: &ProviderInfo) -> Markup {
    let base = format!("/settings/providers/{}", part::encoded(&provider.descriptor.id));
    let name = &provider.descriptor.name;
    let is_known = provider.origin.as_ref().is_some_and(|origin| origin.reference.is_some());
    html! {
        @if is_known {
            form method="post" action={(base) "/check"} {
                (frame.token())
                button type="submit" { "Look for an update" span.hidden { " of " (name) } }
            }
        }
        @if let Some(previous) = &provider.previous {
            form method="post" action={(base) "/rollback"} {
                (frame.token())
                button type="submit" data-confirm="Go back to the component before this one?" {
                    "Go back to " (previous.short()) span.hidden { " of " (name) }
                }
            }
        }
    }
}

async fn fetch(Shared(state): Shared<State>, _: Operator, form: Form) -> Answer {
    let reference = form.get("reference").unwrap_or_default();
    state.host().add_provider(reference, &InstallOptions::default()).await?;
    Ok(Redirect::to("/settings/providers").into_response())
}

/// What a replacement would change; nothing is replaced yet.
async fn check(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { provider }): Path<Named>,
    _: Form,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let report = state.host().check_provider(&provider, None, &InstallOptions::default()).await?;
    let body = html! {
        h1 { "Settings" }
        (settings_tabs("/settings/providers"))
        h2 { "Update of " (report.provider) }
        (told(&frame, &report))
        p { a href="/settings/providers" { "Back to the providers" } }
    };
    Ok(frame.page(Section::Settings, "Update of a provider", &[], &body))
}

fn told(frame: &Frame, report: &UpgradeReport) -> Markup {
    let side = |title: &str, side: &UpgradeSide| {
        html! {
            section.card {
                h3 { (title) " " span.quiet { (side.version) } }
                dl.facts {
                    div { dt { "Digest" } dd { code.long { (side.digest) } } }
                    @if let Some(origin) = &side.origin { (came(origin)) }
                }
            }
        }
    };
    let reference = report.to.origin.as_ref().and_then(|origin| origin.reference.clone());
    html! {
        (side("Installed", &report.from))
        @if report.same { p.note.good { "It is up to date." } } @else {
            (side("Available", &report.to))
            section.card {
                h3 { "What would change" }
                @if report.changes.is_empty() { p { "Neither interfaces, settings, origins nor permissions." } }
                @else { ul { @for one in &report.changes { li { (one.change) ": " (one.kind) " " code { (one.name) } } } } }
                @for waiting in &report.waiting {
                    p.note.warn { "The app " (waiting.app) " keeps its component until you allow " (waiting.missing_origins.join(", ")) "." }
                }
                @if report.open_jobs > 0 { p { (report.open_jobs) " open jobs finish with the installed component." } }
                @if !report.unreadable_jobs.is_empty() {
                    p.note.warn {
                        "The other component cannot go on with " (report.unreadable_jobs.len()) " of the " (report.asked_jobs)
                        " jobs that it was asked about. Leave them to the installed one."
                    }
                }
                form method="post" action={"/settings/providers/" (part::encoded(&report.provider)) "/update"} {
                    (frame.token())
                    // Exactly what is shown here, wherever the tag points to by then.
                    input type="hidden" name="reference" value=(reference.unwrap_or_default());
                    input type="hidden" name="digest" value=(report.to.digest);
                    @if report.signer_changed {
                        div.note.bad { label {
                            input type="checkbox" name="accept_signer" value="true" required;
                            " Another one signed this than the installed component. I have made sure with its author that this is meant."
                        } }
                    }
                    button.main type="submit" { "Replace" }
                }
            }
        }
    }
}

async fn update(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { provider }): Path<Named>,
    form: Form,
) -> Answer {
    let reference = form.get("reference").unwrap_or_default();
    let accept_signer = form.get("accept_signer") == Some("true");
    let options = InstallOptions { accept_signer, ..InstallOptions::default() };
    // A plain file can have changed since it was shown.
    let report = state.host().check_provider(&provider, Some(reference), &options).await?;
    if form.get("digest") != Some(report.to.digest.as_str()) {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "there is another component now than the page showed",
        )
        .with_field("digest")
        .with_remedy("go back to Settings, Providers, and look for the update again")
        .into());
    }
    state.host().update_provider(&provider, Some(reference), &options).await?;
    Ok(Redirect::to("/settings/providers").into_response())
}

async fn roll_back(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { provider }): Path<Named>,
    _: Form,
) -> Answer {
    state.host().roll_back_provider(&provider).await?;
    Ok(Redirect::to("/settings/providers").into_response())
}

/// An app that keeps its older component until the operator grants what the newer one requests.
fn waiting(frame: &Frame, app: &App, newer: &ProviderInfo) -> Markup {
    let missing = missing(app, newer);
    html! {
        div.note.warn {
            p {
                strong { "The app " (app.id) " stays with this component." } " "
                @if missing.is_empty() { "Version " (newer.descriptor.version) " calls nothing that it may not call already." }
                @else { "Version " (newer.descriptor.version) " also wants to call:" }
            }
            @if !missing.is_empty() { ul { @for origin in &missing { li { code { (origin) } } } } }
            form method="post" action={"/settings/apps/" (part::encoded(&app.id)) "/grant"} {
                (frame.token())
                input type="hidden" name="digest" value=(newer.digest);
                button type="submit" { @if missing.is_empty() { "Use the newer component" } @else { "Allow this, and use the newer component" } }
            }
        }
    }
}

/// The origins that the app would have to grant. Text that is not a valid origin is shown unchanged.
fn missing(app: &App, newer: &ProviderInfo) -> Vec<String> {
    let wanted = &newer.descriptor.origins;
    match (Policy::granting(&app.origins), Policy::granting(wanted)) {
        (Ok(granted), Ok(asked)) => granted.missing(&asked.origins).iter().map(ToString::to_string).collect(),
        _ => wanted.clone(),
    }
}

async fn remove(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { provider }): Path<Named>,
    _: Form,
) -> Answer {
    state.host().unload_provider(&provider).await?;
    Ok(Redirect::to("/settings/providers").into_response())
}

/// Grants what a component requests, as shown: if another component was installed meanwhile, the agreement does not
/// apply.
async fn grant(
    Shared(state): Shared<State>,
    _: Operator,
    Path(NamedApp { app }): Path<NamedApp>,
    form: Form,
) -> Answer {
    let app = state.host().app(&app).await?;
    let agreed = form.get("digest").unwrap_or_default();
    let newer = state.host().providers_now().await?.into_iter().find(|provider| {
        provider.installed && provider.descriptor.id == app.provider && provider.digest.as_str() == agreed
    });
    let newer = newer.ok_or_else(|| {
        Error::new(ErrorKind::InvalidRequest, "another component was installed since this page was loaded")
            .with_field("digest")
            .with_remedy("go back to Settings, Providers, check what it requests, and agree to that")
    })?;
    let newer = newer.loaded()?;
    let mut origins = app.origins.clone();
    origins.extend(missing(&app, &newer));
    state.host().put_app(&app.id, AppConfig { origins: Some(origins), ..AppConfig::default() }).await?;
    Ok(Redirect::to("/settings/providers").into_response())
}

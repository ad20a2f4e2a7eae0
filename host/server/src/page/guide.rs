//! The setup of an app from the first key to live: setup guide, checks, files to serve, review kit. The
//! provider describes its network's portal; the service determines which scenes were already shown in the app.
//!
//! Ownership of an address is proved by DNS or by a file: see `ownership`.

use crate::site::Site;
use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use maud::{Markup, html};
use social_channel::model::{Descriptor, Finding, Severity};
use social_channel::{App, Channel, Error, ErrorKind, Job, JobStatus};

use super::layout::{Answer, Frame, Section, settings_tabs};
use super::{app, guide_step, ownership, part};
use crate::State;
use crate::auth::Operator;
use crate::extract::Path;

/// The number of jobs searched for scenes that were already shown.
const JOBS: u32 = 100;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/settings/apps/{app}/guide", get(show))
        .merge(guide_step::routes())
        .merge(ownership::routes())
}

#[derive(serde::Deserialize)]
struct Named {
    app: String,
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { app }): Path<Named>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let app = state.host().app(&app).await?;
    let provider =
        state.host().providers_now().await?.into_iter().find(|provider| provider.digest == app.digest);
    let provider = provider.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("the component of the app {} is gone", app.id))
    })?;
    let provider = provider.loaded()?;
    let steps = match state.host().guide(&app.id).await {
        Ok(steps) => Ok(steps),
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let findings = crate::site::Site::of(state.host()).check_settings(&app.id).await;
    let tenant = browser.tenant(&state);
    let mut channels = tenant.channels().await?;
    channels.retain(|channel| channel.app == app.id);
    let mut jobs = tenant.jobs(None, None, JOBS).await?;
    jobs.retain(|job| job.app == app.id);
    let files = Site::of(state.host()).files().await?;
    let script = script(&provider.descriptor, &channels, &jobs);
    let has_guide = steps.as_ref().is_ok_and(|steps| !steps.is_empty());
    let shown = match &steps {
        Ok(steps) if steps.is_empty() => Ok(None),
        Ok(steps) => {
            Ok(Some(guide_step::list(state.host(), &frame, &app, steps, !channels.is_empty()).await?))
        }
        Err(error) => Err(error),
    };
    // Where nothing is registered, nothing is reviewed.
    let is_registered = provider.descriptor.settings.iter().any(|setting| setting.required);
    let body = html! {
        h1 { "Settings" }
        (settings_tabs("/settings"))
        nav.crumbs aria-label="Path" {
            a href="/settings" { "API integration" } " / " a href=(app::url(&app)) { (provider.descriptor.name) ", " (app::label(&app)) } " / Setup guide"
        }
        h2 { "Setup guide" }
        nav.inpage aria-label="On this page" {
            a href="#checks" { "Checks" } a href="#guide" { "Steps" } @if is_registered { a href="#review" { "Review kit" } } a href="#domains" { "Domains" } a href="#files" { "Files" }
        }
        (checks(&app, &provider.descriptor, findings.as_deref()))
        (guide(&shown))
        @if is_registered { (review(&app, &provider.descriptor, &script, has_guide)) }
        (ownership::domains(&frame, &app, findings.as_deref().unwrap_or_default()))
        (ownership::files(&frame, &state, &app, &files))
    };
    Ok(frame.page(Section::Settings, "Setup guide", &[], &body))
}

fn checks(app: &App, descriptor: &Descriptor, findings: Result<&[Finding], &Error>) -> Markup {
    html! {
        section.card aria-labelledby="checks" {
            h3 id="checks" { "Checks" }
            @match findings {
                Ok(findings) => {
                    @let wrong = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
                    @let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
                    p role="status" {
                        @if wrong > 0 { strong { (wrong) @if wrong == 1 { " problem" } @else { " problems" } } @if warnings > 0 { ", " (warnings) " to look at" } "." }
                        @else if warnings > 0 { strong { "Nothing is wrong" } ", " (warnings) " to look at." }
                        @else { strong { "Everything that can be checked from here is good." } }
                    }
                    (part::findings(&app::labelled(findings, descriptor), &|subject| Some(format!("{}{}", app::url(app), app::place(descriptor, subject)?))))
                }
                Err(error) => (part::failure(error)),
            }
            p { a.button href={"/settings/apps/" (part::encoded(&app.id)) "/guide#checks"} { "Run the checks again" } " " a href=(app::url(app)) { "Change the settings" } }
        }
    }
}

fn guide(steps: &Result<Option<Markup>, &Error>) -> Markup {
    html! {
        section aria-labelledby="guide" {
            h3 id="guide" { "Step by step" }
            @match steps {
                Ok(None) => p.quiet { "This provider has no guide." },
                Ok(Some(steps)) => (steps),
                Err(error) => (part::failure(error)),
            }
        }
    }
}

/// Something that the demo video must show, and whether the app has done it already.
struct Scene {
    text: String,
    done: bool,
    url: &'static str,
}

/// In the order that reviewers follow: every requested permission appears. How to record it is the provider's to say.
fn script(descriptor: &Descriptor, channels: &[Channel], jobs: &[Job]) -> Vec<Scene> {
    let granted =
        |name: &str| channels.iter().any(|channel| channel.scopes.iter().any(|scope| scope == name));
    let can = |ability: &str| {
        descriptor.abilities.iter().any(|own| own == ability)
            && descriptor
                .scopes
                .iter()
                .filter(|scope| scope.abilities.iter().any(|own| own == ability))
                .all(|scope| granted(&scope.name))
            && !channels.is_empty()
    };
    let has = |ability: &str| descriptor.abilities.iter().any(|own| own == ability);
    let scene = |text: &str, done: bool, url| Scene { text: text.to_owned(), done, url };
    let mut scenes = vec![
        scene("The website leads to this service.", false, "/"),
        scene("A channel is connected, with every permission.", !channels.is_empty(), "/channels/add"),
    ];
    for (ability, text) in [
        ("profile", "The profile is shown."),
        ("stats", "The numbers are shown."),
        ("list", "The posts are listed."),
    ] {
        if has(ability) {
            scenes.push(scene(text, can(ability), "/channels"));
        }
    }
    if has("publish") {
        let published = jobs.iter().any(|job| job.status == JobStatus::Published);
        scenes.push(scene("The form publishes a post of each kind.", published, "/channels"));
    }
    let published = jobs.iter().any(|job| job.status == JobStatus::Published);
    scenes.push(scene("A job says Published.", published, "/jobs"));
    scenes.push(scene("The post opens at the network.", jobs.iter().any(|job| job.url.is_some()), "/jobs"));
    scenes
}

fn review(app: &App, descriptor: &Descriptor, script: &[Scene], has_guide: bool) -> Markup {
    let asked = app
        .settings
        .iter()
        .find(|shown| shown.setting.name == "scopes")
        .and_then(|shown| shown.value.as_deref());
    let scopes = descriptor
        .scopes
        .iter()
        .filter(|scope| asked.is_none_or(|asked| asked.lines().any(|line| line == scope.name)));
    let done = script.iter().filter(|scene| scene.done).count();
    html! {
        section aria-labelledby="review" {
            h3 id="review" { "Review kit" }
            // A guide has better texts, and two sets would leave people to choose.
            @if !has_guide { div.card {
                h4 { "What to write about each permission" }
                p { "Reviewers want to know what each permission is used for, and where it is visible." }
                dl.copies { @for scope in scopes { (part::copyable(&scope.name, &scope.purpose)) } }
            } }
            div.card {
                h4 { "Ready for the demo video" }
                p { (done) " of " (script.len()) " things that it must show were done in this app already." @if has_guide { " How to record it is a step above." } }
                ol.steps {
                    @for scene in script {
                        li.done[scene.done] {
                            span.tick aria-hidden="true" { @if scene.done { "✓" } }
                            div { a href=(scene.url) { (scene.text) } @if scene.done { span.hidden { " (done)" } } }
                        }
                    }
                }
            }
            div.card {
                h4 { "The switch to live" }
                p { "When the network has approved the app, enter the live keys under the live mode, register the callback URL that is shown there (it is another one), run the checks, and connect the channels again: permissions granted to a sandbox do not count for live." }
                h4 { "When the review is refused" }
                p { "Read the reviewer's sentence, find its point in the steps above, repair it, record the scene again and resubmit. Most refusals name a permission that the video does not show, a website without visible terms and privacy policy, or an address in the video that is not the website's." }
            }
        }
    }
}

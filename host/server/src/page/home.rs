//! The overview: what to do next, and what waits for a person.

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use maud::{Markup, html};
use social_channel::{Channel, Health, Job, JobStatus};

use super::layout::{Frame, Section};
use super::{Answer, job, part};
use crate::State;
use crate::auth::Operator;

/// Jobs shown; the rest stands on their page.
const SHOWN: u32 = 5;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/", get(show))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = state.tenant();
    let providers = state.host().providers().await?;
    let apps = state.host().apps().await?;
    let channels = tenant.channels().await?;
    let paused = tenant.jobs(None, Some(JobStatus::Paused), SHOWN).await?;
    let unknown = tenant.jobs(None, Some(JobStatus::Unknown), SHOWN).await?;
    let recent = tenant.jobs(None, None, SHOWN).await?;
    let ready = apps.iter().any(|app| app.missing_settings.is_empty());
    let steps = [
        (
            "Install a provider",
            "A provider is the component that knows one social network.",
            "/settings/providers",
            providers.iter().any(|provider| provider.installed),
        ),
        (
            "Enter the keys of your app",
            "Settings, API integration: paste App ID and App Secret, copy the callback URL.",
            "/settings",
            ready,
        ),
        (
            "Connect a channel",
            "Channels, Add channel: you are sent to the network, agree there, and come back.",
            "/channels/add",
            !channels.is_empty(),
        ),
        (
            "Publish",
            "Open a channel and publish a video or photos.",
            "/channels",
            recent.iter().any(|job| job.status == JobStatus::Published),
        ),
    ];
    let body = html! {
        h1 { "Overview" }
        @if steps.iter().any(|(.., done)| !done) {
            section aria-labelledby="start" {
                h2 id="start" { "From the first key to the first post" }
                ol.steps {
                    @for (title, text, url, done) in steps {
                        li.done[done] {
                            span.tick aria-hidden="true" { @if done { "✓" } }
                            div {
                                a href=(url) { (title) }
                                @if done { span.hidden { " (done)" } }
                                p { (text) }
                            }
                        }
                    }
                }
            }
        }
        (waits(&channels, &paused, &unknown))
        @if !recent.is_empty() {
            section aria-labelledby="recent" {
                h2 id="recent" { "Latest jobs" }
                (job::table(&recent, &channels))
                p { a href="/jobs" { "All jobs" } }
            }
        }
    };
    Ok(frame.page(Section::Home, "Overview", &[], &body))
}

fn waits(channels: &[Channel], paused: &[Job], unknown: &[Job]) -> Markup {
    let broken: Vec<&Channel> = channels
        .iter()
        .filter(|channel| channel.health == Health::NeedsReconnect || channel.warning.is_some())
        .collect();
    html! {
        @if !broken.is_empty() || !paused.is_empty() || !unknown.is_empty() {
            section aria-labelledby="waits" {
                h2 id="waits" { "Waits for you" }
                ul.plainlist {
                    @for channel in broken {
                        li.note.warn {
                            a href={"/channels/" (channel.id)} { (channel.display_name) }
                            @if let Some(text) = channel.health_detail.as_ref().or(channel.warning.as_ref()) { ": " (part::sentence(text)) }
                        }
                    }
                    @for job in paused.iter().chain(unknown) {
                        li.note.warn { a href={"/jobs/" (job.id)} { (job::title(job)) } ": " (job::what_to_do(job)) }
                    }
                }
            }
        }
    }
}

//! The overview: what to do next, and which jobs wait for a person.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::get;
use maud::{Markup, html};
use social_channel::{Channel, Health, Job, JobGroup};

use super::jobs::List;
use super::layout::{Answer, Frame, Section};
use super::{job, numbers, part, provider};
use crate::State;
use crate::auth::Operator;

/// Jobs shown; the rest is on the page of jobs.
const SHOWN: u32 = 5;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/", get(show))
}

async fn show(Shared(state): Shared<State>, Operator(browser): Operator) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = browser.tenant(&state);
    let providers = state.host().providers_now().await?;
    let apps = state.host().apps_now().await?;
    let channels = tenant.channels().await?;
    let attention = tenant.jobs_in(None, JobGroup::Attention, SHOWN, None).await?;
    let published = tenant.jobs_in(None, JobGroup::Published, 1, None).await?;
    let followers = numbers::followers(&tenant, channels.get(..SHOWN as usize).unwrap_or(&channels)).await?;
    let next = List::few(Some(JobGroup::Scheduled), None).live(&tenant).await?;
    let latest = List::few(None, None).live(&tenant).await?;
    let installed = providers.iter().any(|provider| provider.installed);
    let offered = if installed { Vec::new() } else { provider::shipped(&state, &providers).await };
    let ready = apps.iter().any(|app| app.missing_settings.is_empty());
    let steps = [
        (
            "Install a provider",
            "A provider is the component for one social network.",
            "/settings/providers",
            installed,
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
        ("Publish", "Open a channel and publish a post.", "/channels", !published.is_empty()),
    ];
    let body = html! {
        h1 { "Overview" }
        @if steps.iter().any(|(.., done)| !done) {
            @let done = steps.iter().filter(|(.., done)| *done).count();
            @let next = steps.iter().position(|(.., done)| !done);
            section.card aria-labelledby="start" {
                div.headline { h2 id="start" { "Get started" } span.quiet { (done) " of " (steps.len()) } }
                ol.steps {
                    @for (index, (title, text, url, done)) in steps.into_iter().enumerate() {
                        li.done[done] {
                            span.tick aria-hidden="true" { @if done { "✓" } }
                            div {
                                @if next == Some(index) && !offered.is_empty() {
                                    p { (text) " This comes with the service:" }
                                    @for component in &offered { (provider::offer(&frame, component, true, provider::OVERVIEW)) }
                                    p { a href=(url) { "Install another provider" } }
                                }
                                @else if next == Some(index) { p { (text) } a.button.main href=(url) { (title) } }
                                @else { a href=(url) { (title) } @if done { span.hidden { " (done)" } } @else { p { (text) } } }
                            }
                        }
                    }
                }
            }
        }
        (waits(&channels, &attention))
        @if let Some(next) = next { section aria-labelledby="next" { h2 id="next" { "Next scheduled" } (next) } }
        (cards(&frame, &channels, &followers))
        @if let Some(latest) = latest {
            section aria-labelledby="latest" {
                h2 id="latest" { "Latest jobs" }
                (latest)
                p { a href="/jobs" { "All jobs" } }
            }
        }
    };
    Ok(frame.page(Section::Home, "Overview", &["jobs.js"], &body))
}

/// The channels, each with what is done most.
fn cards(frame: &Frame, channels: &[Channel], followers: &BTreeMap<String, u64>) -> Markup {
    html! {
        @if !channels.is_empty() {
            section aria-labelledby="channels" {
                h2 id="channels" { "Channels" }
                ul.cards {
                    @for channel in channels.iter().take(SHOWN as usize) {
                        li.card.channel {
                            (part::avatar(frame.picture(&channel.app, channel.avatar_url.as_deref()), &channel.display_name))
                            div.who {
                                h3 { a href={"/channels/" (channel.id)} { (channel.display_name) } }
                                @if let Some(username) = &channel.username { p.fine { "@" (username) } }
                                @if let Some(count) = followers.get(&channel.id) { p.fine { (part::short_number(*count)) " followers" } }
                                @if channel.health == Health::Active { a.button href={"/channels/" (channel.id) "/publish"} { "Publish" span.hidden { " on " (channel.display_name) } } }
                                @else { (part::health(channel.health)) }
                            }
                        }
                    }
                }
                @if channels.len() > SHOWN as usize { p { a href="/channels" { "All channels" } } }
            }
        }
    }
}

fn waits(channels: &[Channel], attention: &[Job]) -> Markup {
    let broken: Vec<&Channel> = channels
        .iter()
        .filter(|channel| channel.health == Health::NeedsReconnect || channel.warning.is_some())
        .collect();
    html! {
        @if !broken.is_empty() || !attention.is_empty() {
            section aria-labelledby="waits" {
                h2 id="waits" { "Needs attention" }
                ul.plainlist {
                    @for channel in broken {
                        li.note.warn.todo {
                            p {
                                a href={"/channels/" (channel.id)} { (channel.display_name) }
                                @if let Some(text) = channel.health_detail.as_ref().or(channel.warning.as_ref()) { ": " (part::sentence(text)) }
                            }
                            a.button href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Reconnect" span.hidden { " " (channel.display_name) } }
                        }
                    }
                    @for job in attention {
                        @let (step, place) = job::next_step(job);
                        li.note.warn.todo {
                            p { a href={"/jobs/" (job.id)} { (job::title(job)) } ": " (job::what_to_do(job)) }
                            a.button href=(place) { (step) span.hidden { ": " (job::title(job)) } }
                        }
                    }
                }
            }
        }
    }
}

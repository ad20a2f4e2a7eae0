//! A channel: its profile, its statistics now and over time, its posts.

use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::{ListQuery, Metric, PostPage, PostStats, PostSummary, Profile, Stats};
use social_channel::{Channel, Error, ErrorKind, Health, StatsSample};

use super::jobs::List;
use super::layout::{Answer, Frame, Section};
use super::numbers::{self, Number, Numbers};
use super::{app, chart, connect, part};
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::{Path, Query};

/// Posts per page; providers lower it to their network's limit.
const POSTS: u32 = 12;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/channels/{channel}", get(show))
        .route("/channels/{channel}/numbers.csv", get(export))
        .route("/channels/{channel}/disconnect", post(disconnect))
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) channel: String,
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    days: Option<i64>,
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { channel }): Path<Named>,
    Query(Page { cursor, days }): Query<Page>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = browser.tenant(&state);
    let channel = tenant.channel(&channel).await?;
    let query = ListQuery { limit: POSTS, cursor: cursor.clone() };
    // A missing permission must not hide the other parts.
    let (profile, stats, posts) = tokio::join!(
        tenant.profile(&channel.id),
        tenant.stats(&channel.id),
        tenant.list_posts(&channel.id, &query),
    );
    // As the profile just told it.
    let channel = tenant.channel(&channel.id).await?;
    let (apps, providers) = (state.host().apps_now().await?, state.host().providers_now().await?);
    let app = apps.iter().find(|app| app.id == channel.app);
    let history = history(tenant.stats_history(&channel.id, None).await?);
    let jobs = List::few(None, Some(&channel.id)).live(&tenant).await?;
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / " (channel.display_name) }
        (head(&frame, &channel, profile.as_ref()))
        // Said once, above.
        @let lost = channel.health == Health::NeedsReconnect;
        @if stats.is_ok() || !lost || !history.is_empty() { (numbers(&channel, stats.as_ref(), &history, days)) }
        @if posts.is_ok() || !lost { (posts_section(&frame, &channel, posts.as_ref(), cursor.is_some())) }
        @if let Some(jobs) = jobs { section aria-labelledby="jobs" { h2 id="jobs" { "Jobs" } (jobs) } }
        section.card aria-labelledby="connection" {
            h2 id="connection" { "Connection" }
            dl.facts {
                div { dt { "Connected" } dd { (part::instant(channel.connected_at)) @if let Some(by) = &channel.connected_by { " by " (by) } } }
                @if let Some(end) = channel.connection_ends_at { div { dt { "Ends unless renewed" } dd { (part::instant(end)) } } }
                div { dt { "App" } dd { code { (channel.app) } } }
                div { dt { "Account" } dd { code.long { (channel.account_id) } } }
            }
            (connect::permissions(&channel, app.map_or(&[], |app| connect::scopes(&providers, app))))
            div.actions {
                a.button href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Reconnect" }
                form method="post" action={"/channels/" (channel.id) "/disconnect"} {
                    (frame.token())
                    button.danger type="submit" data-confirm="Disconnect this channel? Its open jobs are cancelled, and its access is deleted. Jobs, consents and numbers are kept for when it is connected again." { "Disconnect" }
                }
            }
            @let others: Vec<_> = apps.iter().filter(|other| other.id != channel.app && app.is_some_and(|app| app.provider == other.provider) && other.tenant.as_deref().is_none_or(|own| own == browser.tenant_id().as_str())).collect();
            @if !others.is_empty() {
                p.fine { "Move it to another app, with its history and scheduled posts: " @for (place, other) in others.iter().enumerate() { @if place > 0 { ", " } a href={"/channels/add/" (part::encoded(&other.id)) "?reconnect=" (channel.id)} { (app::label(other)) " (" (other.id) ")" } } }
            }
            p.fine.quiet { "Disconnecting cancels the open jobs, ends the access at the network, and deletes it here. Jobs, consents and numbers are kept: connect the same account to this app again, and they are here again." }
        }
    };
    Ok(frame.page(Section::Channels, &channel.display_name, &["jobs.js"], &body))
}

fn head(frame: &Frame, channel: &Channel, profile: Result<&Profile, &Error>) -> Markup {
    let known = profile.ok();
    let name = known.map_or(channel.display_name.as_str(), |profile| profile.display_name.as_str());
    let picture = known.and_then(|profile| profile.avatar_url.as_deref()).or(channel.avatar_url.as_deref());
    // As it was last told, if the profile cannot be read now.
    let username = known.and_then(|profile| profile.username.as_deref()).or(channel.username.as_deref());
    let url = known.and_then(|profile| profile.url.as_deref()).and_then(part::https);
    html! {
        section.profile.card {
            (part::avatar(frame.picture(&channel.app, picture), name))
            div.who {
                h1 {
                    (name)
                    @if known.and_then(|profile| profile.verified) == Some(true) { " " span.badge.good { "✓ Verified" } }
                }
                @if username.is_some() || url.is_some() {
                    p.quiet {
                        @if let Some(username) = username { "@" (username) }
                        @if let Some(url) = url { @if username.is_some() { " · " } (part::outward(Some(url), "Open the profile")) }
                    }
                }
                @if let Some(profile) = known {
                    @if let Some(bio) = &profile.bio { p.bio { (bio) } }
                }
                p { (part::health(channel.health)) @if let Some(detail) = &channel.health_detail { " " (part::sentence(detail)) } }
                @if let Some(warning) = &channel.warning { p.note.warn { (part::sentence(warning)) } }
                // What the channel's health says already.
                @if let Err(error) = profile && channel.health_detail.is_none() { (trouble("profile", error)) }
            }
            div.actions {
                @if channel.health == Health::NeedsReconnect { a.button.main href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Reconnect" } }
                @else { a.button.main href={"/channels/" (channel.id) "/publish"} { "Publish" } }
            }
        }
    }
}

/// A part that cannot be read; shown less prominently if only a permission is missing.
fn trouble(what: &str, error: &Error) -> Markup {
    html! {
        @if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Unsupported) {
            div.note.info {
                p { strong { "The " (what) " cannot be read. " } (part::sentence(&error.message)) }
                @if let Some(remedy) = &error.remedy { p { (part::sentence(remedy)) } }
            }
        } @else { (part::failure(error)) }
    }
}

const NUMBERS: [Number<Stats>; 4] = [
    ("followers", "Followers", |stats| stats.followers),
    ("likes", "Likes", |stats| stats.likes),
    ("posts", "Posts", |stats| stats.posts),
    ("following", "Following", |stats| stats.following),
];

fn history(samples: Vec<StatsSample>) -> Vec<(i64, Stats)> {
    samples.into_iter().map(|sample| (sample.at, sample.stats)).collect()
}

fn numbers(
    channel: &Channel,
    stats: Result<&Stats, &Error>,
    history: &[(i64, Stats)],
    days: Option<i64>,
) -> Markup {
    let now = stats.ok();
    let here = format!("/channels/{}", channel.id);
    let numbers = Numbers { here: &here, kinds: &NUMBERS, history, now, days };
    html! {
        section aria-labelledby="numbers" {
            (numbers.heading())
            @if let Err(error) = stats { (trouble("numbers", error)) }
            div.stats {
                (numbers.charts())
                @for Metric { name, label, value } in now.iter().flat_map(|stats| &stats.other) {
                    (chart::chart(&format!("n-{name}"), &label.clone().unwrap_or_else(|| part::words(name)), Some(*value), &[]))
                }
            }
            (numbers.table())
            p.fine.quiet { "Updated every few hours while the service runs." @if history.is_empty() { " There is no history yet." } @else { " " a href={(here) "/numbers.csv"} { "All numbers as CSV" } } }
        }
    }
}

fn posts_section(frame: &Frame, channel: &Channel, posts: Result<&PostPage, &Error>, later: bool) -> Markup {
    let here = format!("/channels/{}", channel.id);
    html! {
        section aria-labelledby="posts" {
            h2 id="posts" { "Posts" }
            @match posts {
                Err(error) => (trouble("list of posts", error)),
                Ok(page) if page.posts.is_empty() && !later => p.quiet { "There are no public posts." },
                Ok(page) => {
                    ul.posts { @for post in &page.posts { (card(post, frame.picture(&channel.app, post.thumbnail_url.as_deref()))) } }
                    nav.pages aria-label="Pages of posts" {
                        @if later { a.button href={(here) "#posts"} { "Newest" } }
                        @if let Some(cursor) = &page.next_cursor { a.button href={(here) "?cursor=" (part::encoded(cursor)) "#posts"} rel="next" { "Older posts" } }
                    }
                }
            }
        }
    }
}

fn card(post: &PostSummary, cover: Option<String>) -> Markup {
    let text = post
        .title
        .as_ref()
        .filter(|title| !title.is_empty())
        .or(post.text.as_ref())
        .filter(|text| !text.is_empty());
    let name = text.map_or("No text", String::as_str);
    // A text has nothing to show beside it.
    let has_cover = cover.is_some() || post.kind == "video" || !post.media.is_empty();
    html! {
        li.post {
            @if has_cover {
                div.cover {
                    @if post.kind == "video" { span.letter aria-hidden="true" { "▶" } }
                    @if let Some(cover) = cover { img src=(cover) alt="" loading="lazy" data-fallback="hide"; }
                    @if let Some(duration) = post.duration { span.length { span.hidden { "Length " } (part::length(duration)) } }
                }
            }
            div.about {
                p.title { @match post.url.as_deref().and_then(part::https) { Some(url) => (part::outward(Some(url), name)), None => (name) } }
                (post_numbers(&post.stats))
                @if let Some(at) = post.created_at.and_then(|at| i64::try_from(at).ok()) { p.fine.quiet { (part::instant(at)) } }
            }
        }
    }
}

fn post_numbers(stats: &PostStats) -> Markup {
    let kinds = [
        ("views", "view", stats.views),
        ("likes", "like", stats.likes),
        ("comments", "comment", stats.replies),
        ("shares", "share", stats.reposts),
    ];
    html! {
        ul.inline {
            @for (name, one, value) in kinds { @if let Some(value) = value { li title=(part::number(value)) { strong { (part::short_number(value)) } " " (if value == 1 { one } else { name }) } } }
            @for Metric { name, label, value } in &stats.other { li title=(part::number(*value)) { strong { (part::short_number(*value)) } " " (label.clone().unwrap_or_else(|| part::words(name).to_lowercase())) } }
        }
    }
}

/// All numbers of a channel as CSV.
async fn export(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { channel }): Path<Named>,
) -> Answer {
    let history = history(browser.tenant(&state).stats_history(&channel, None).await?);
    Ok(numbers::csv(&NUMBERS, &history).answer("numbers.csv"))
}

async fn disconnect(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { channel }): Path<Named>,
    _: Form,
) -> Answer {
    let gone = browser.tenant(&state).disconnect(&channel).await?;
    let told = if gone.revoked { "yes" } else { "here" };
    Ok(Redirect::to(&format!("/channels?gone={told}")).into_response())
}

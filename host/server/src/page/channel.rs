//! A channel: its profile, its numbers now and over time, its posts.

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use social_channel::model::{ListQuery, Metric, PostPage, PostStats, PostSummary, Profile, Stats};
use social_channel::{Channel, Error, ErrorKind, Health, StatsSample};

use super::layout::{Frame, Section};
use super::{Answer, chart, connect, job, part};
use crate::State;
use crate::auth::{Form, Operator};
use crate::extract::Path;

/// Posts on a page; providers lower it to what their network allows.
const POSTS: u32 = 12;
/// Jobs shown; the rest stands on their page.
const JOBS: u32 = 5;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/channels/{channel}", get(show))
        .route("/channels/{channel}/disconnect", post(disconnect))
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) channel: String,
}

#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
}

async fn show(
    Shared(state): Shared<State>,
    Operator(browser): Operator,
    Path(Named { channel }): Path<Named>,
    Query(Page { cursor }): Query<Page>,
) -> Answer {
    let frame = Frame::new(&state, &browser).await?;
    let tenant = state.tenant();
    let channel = tenant.channel(&channel).await?;
    let query = ListQuery { limit: POSTS, cursor: cursor.clone() };
    // What one permission withholds must not hide the rest.
    let (profile, stats, posts) = tokio::join!(
        tenant.profile(&channel.id),
        tenant.stats(&channel.id),
        tenant.list_posts(&channel.id, &query),
    );
    let history = tenant.stats_history(&channel.id, None).await?;
    let jobs = tenant.jobs(Some(&channel.id), None, JOBS).await?;
    let body = html! {
        nav.crumbs aria-label="Path" { a href="/channels" { "Channels" } " / " (channel.display_name) }
        (head(&channel, profile.as_ref()))
        (numbers(stats.as_ref(), &history))
        (posts_section(&channel, posts.as_ref(), cursor.is_some()))
        @if !jobs.is_empty() {
            section aria-labelledby="jobs" {
                h2 id="jobs" { "Jobs" }
                (job::table(&jobs, std::slice::from_ref(&channel)))
            }
        }
        section.card aria-labelledby="connection" {
            h2 id="connection" { "Connection" }
            dl.facts {
                div { dt { "Connected" } dd { (part::instant(channel.connected_at)) } }
                @if let Some(end) = channel.connection_ends_at { div { dt { "Ends unless renewed" } dd { (part::instant(end)) } } }
                div { dt { "App" } dd { code { (channel.app) } } }
                div { dt { "Account" } dd { code.long { (channel.account_id) } } }
            }
            (connect::permissions(&channel))
            div.actions {
                a.button href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Connect again" }
                form method="post" action={"/channels/" (channel.id) "/disconnect"} {
                    (frame.token())
                    button.danger type="submit" data-confirm="Disconnect this channel? Its open jobs are cancelled." { "Disconnect" }
                }
            }
        }
    };
    Ok(frame.page(Section::Channels, &channel.display_name, &[], &body))
}

fn head(channel: &Channel, profile: Result<&Profile, &Error>) -> Markup {
    let known = profile.ok();
    let name = known.map_or(channel.display_name.as_str(), |profile| profile.display_name.as_str());
    let picture = known.and_then(|profile| profile.avatar_url.as_deref()).or(channel.avatar_url.as_deref());
    html! {
        section.profile.card {
            (part::avatar(picture, name))
            div.who {
                h1 {
                    (name)
                    @if known.and_then(|profile| profile.verified) == Some(true) { " " span.badge.good { "✓ Verified" } }
                }
                @if let Some(profile) = known {
                    p.quiet {
                        @if let Some(username) = &profile.username { "@" (username) }
                        @if let Some(url) = profile.url.as_deref().and_then(part::https) { @if profile.username.is_some() { " · " } (part::outward(Some(url), "Open the profile")) }
                    }
                    @if let Some(bio) = &profile.bio { p.bio { (bio) } }
                }
                p { (part::health(channel.health)) @if let Some(detail) = &channel.health_detail { " " (part::sentence(detail)) } }
                @if let Some(warning) = &channel.warning { p.note.warn { (part::sentence(warning)) } }
                @if let Err(error) = profile { (trouble("profile", error)) }
            }
            div.actions {
                @if channel.health == Health::NeedsReconnect { a.button.main href={"/channels/add/" (part::encoded(&channel.app)) "?reconnect=" (channel.id)} { "Connect again" } }
                @else { a.button.main href={"/channels/" (channel.id) "/publish"} { "Publish" } }
            }
        }
    }
}

/// What cannot be read, said quietly where only a permission is missing.
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

fn numbers(stats: Result<&Stats, &Error>, history: &[StatsSample]) -> Markup {
    type Take = fn(&Stats) -> Option<u64>;
    let kinds: [(&str, &str, Take); 4] = [
        ("followers", "Followers", |stats| stats.followers),
        ("likes", "Likes", |stats| stats.likes),
        ("posts", "Videos", |stats| stats.posts),
        ("following", "Following", |stats| stats.following),
    ];
    let now = stats.ok();
    html! {
        section aria-labelledby="numbers" {
            h2 id="numbers" { "Numbers" }
            @if let Err(error) = stats { (trouble("numbers", error)) }
            div.stats {
                @for (id, title, take) in kinds {
                    @let points: Vec<_> = history.iter().filter_map(|sample| Some((sample.at, take(&sample.stats)?))).collect();
                    @if now.and_then(take).is_some() || !points.is_empty() { (chart::chart(&format!("n-{id}"), title, now.and_then(take), &points)) }
                }
                @for Metric { name, value } in now.iter().flat_map(|stats| &stats.other) {
                    (chart::chart(&format!("n-{name}"), &part::words(name), Some(*value), &[]))
                }
            }
            @if history.len() > 1 {
                details {
                    summary { "As a table" }
                    div.scroll tabindex="0" role="region" aria-label="Numbers over time" {
                        table {
                            thead { tr { th scope="col" { "When" } @for (_, title, _) in kinds { th.num scope="col" { (title) } } } }
                            tbody {
                                @for sample in history.iter().rev().take(100) {
                                    tr { td { (part::instant(sample.at)) } @for (.., take) in kinds { td.num { @match take(&sample.stats) { Some(value) => (part::number(value)), None => "–" } } } }
                                }
                            }
                        }
                    }
                }
            }
            p.fine.quiet { "The service takes a sample every few hours while it runs." }
        }
    }
}

fn posts_section(channel: &Channel, posts: Result<&PostPage, &Error>, later: bool) -> Markup {
    let here = format!("/channels/{}", channel.id);
    html! {
        section aria-labelledby="posts" {
            h2 id="posts" { "Posts" }
            @match posts {
                Err(error) => (trouble("list of posts", error)),
                Ok(page) if page.posts.is_empty() && !later => p.quiet { "There are no public posts." },
                Ok(page) => {
                    ul.posts { @for post in &page.posts { (card(post)) } }
                    nav.pages aria-label="Pages of posts" {
                        @if later { a.button href={(here) "#posts"} { "Newest" } }
                        @if let Some(cursor) = &page.next_cursor { a.button href={(here) "?cursor=" (part::encoded(cursor)) "#posts"} rel="next" { "Older posts" } }
                    }
                }
            }
        }
    }
}

fn card(post: &PostSummary) -> Markup {
    let text = post
        .title
        .as_ref()
        .filter(|title| !title.is_empty())
        .or(post.text.as_ref())
        .filter(|text| !text.is_empty());
    let name = text.map_or("Without a text", String::as_str);
    html! {
        li.post {
            div.cover {
                span.letter aria-hidden="true" { "▶" }
                @if let Some(cover) = post.cover_url.as_deref().and_then(part::picture) { img src=(cover) alt="" loading="lazy" referrerpolicy="no-referrer" data-fallback="hide"; }
                @if let Some(duration) = post.duration { span.length { span.hidden { "Length " } (part::length(duration)) } }
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
        ("views", stats.views),
        ("likes", stats.likes),
        ("comments", stats.comments),
        ("shares", stats.shares),
    ];
    html! {
        ul.inline {
            @for (name, value) in kinds { @if let Some(value) = value { li title=(part::number(value)) { strong { (part::short_number(value)) } " " (name) } } }
        }
    }
}

async fn disconnect(
    Shared(state): Shared<State>,
    _: Operator,
    Path(Named { channel }): Path<Named>,
    _: Form,
) -> Answer {
    let gone = state.tenant().disconnect(&channel).await?;
    let told = if gone.revoked { "yes" } else { "here" };
    Ok(Redirect::to(&format!("/channels?gone={told}")).into_response())
}
